"""The hub: what every part publishes to and every client reads from. Everything here runs on the event loop.

Publishing never waits. Each event is stamped, encoded once, and put into the outbox of every client; what happens
when a client does not keep up is decided there (:mod:`.outbox`). The hub also keeps what a client must be told when
it arrives: the engines, whether anybody listens, and the standing troubles. It does *not* know about sockets.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from speakage_daemon.events import (
    DaemonEvent,
    Engines,
    ImageCompleted,
    ImageFailed,
    ImageStarted,
    ImageSuperseded,
    Listening,
    ListeningChanged,
    PartialImage,
    Start,
    StartChanged,
    Status,
)
from speakage_daemon.serving import wire
from speakage_daemon.serving.measures import Measures
from speakage_daemon.serving.outbox import Encoded, Outbox

LOADING: Final = Engines(
    speech_model="loading",
    speech_reason="the daemon is starting",
    picture_model="loading",
    picture_reason="the daemon is starting",
    backend="loading",
    backend_reason="the daemon is starting",
    precision="",
    steps=0,
    width=0,
    height=0,
)
"""Told to clients that arrive before the models are there."""

_ENDED_KEPT: Final = 32
"""How many finished pictures are remembered to tell a late preview; painting never has more than two in hand."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """The connection should be closed, with this code."""

    code: int
    reason: str


_TOO_SLOW: Final = Farewell(1013, "too slow: connect again, the pictures are kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What was true at the moment a client joined; everything after that is in its outbox."""

    event_id: int
    engines: Engines
    listening: Listening
    badges: tuple[str, ...]
    start: Start | None


class Client:
    """One reader of the hub."""

    def __init__(self, standing: Standing, capacity: int) -> None:
        self.standing = standing
        self._outbox = Outbox(capacity)
        self._farewell: Farewell | None = None
        self._changed = asyncio.Event()

    async def take(self) -> Encoded | Farewell:
        """Wait for the next frame to send; a farewell is the last thing that comes."""
        while True:
            if self._outbox.overflowed:
                return _TOO_SLOW
            if (frame := self._outbox.take()) is not None:
                return frame
            if self._farewell is not None:
                return self._farewell
            self._changed.clear()
            await self._changed.wait()

    def put(self, event: DaemonEvent, frame: Encoded) -> tuple[int, int]:
        """Queue a frame; says how many (previews, clients) were dropped by that, each 0 or 1."""
        before = self._outbox.overflowed
        preview = self._outbox.put(event, frame)
        self._changed.set()
        return int(preview), int(self._outbox.overflowed and not before)

    def dismiss(self, farewell: Farewell) -> None:
        """Close the connection once everything that waits was sent."""
        self._farewell = farewell
        self._changed.set()


class Hub:
    """Publishes to every client, and remembers what holds."""

    def __init__(self, *, clock_us: Callable[[], int], client_queue: int) -> None:
        """``clock_us`` gives microseconds of UTC: event ids grow across restarts because the time does."""
        self.dropped_previews = 0
        """Previews that a client never got because a newer one replaced them, summed over all clients."""
        self.dropped_clients = 0
        """Clients given up because they took too little."""
        self.published: Counter[str] = Counter()
        """Events by type."""
        self.measures = Measures()
        """How long finals took."""
        self.revisions: Mapping[str, int] = {}
        """What revisions came to, by outcome; whoever paints counts them."""
        self.rewritings: Mapping[str, int] = {}
        """What came of rewriting prompts, by outcome; empty where nothing does."""
        self._clock_us = clock_us
        self._client_queue = client_queue
        self._last_id = 0
        self._clients: set[Client] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._farewell: Farewell | None = None
        self._engines = LOADING
        self._listening = Listening(listening=False, mode="open", source="none")
        self._start: Start | None = None
        self._badges: dict[str, str] = {}
        self._ended: deque[tuple[int, int]] = deque(maxlen=_ENDED_KEPT)

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    def publish(self, event: DaemonEvent, image: bytes | None = None) -> None:
        """Send an event to every client. Image events, and only they, come with their encoded image."""
        stamped = dataclasses.replace(event, event_id=self._next_id())
        if isinstance(stamped, ListeningChanged):
            self._listening = Listening(
                listening=stamped.listening,
                mode=stamped.mode,
                source=stamped.source,
                waiting_for=stamped.waiting_for,
            )
        if isinstance(stamped, StartChanged):
            self._start = stamped.start
        if self._late(stamped):
            self.dropped_previews += 1
            return
        frame = _encode(stamped, image)
        self.published[stamped.type] += 1
        if isinstance(stamped, ImageCompleted):
            self.measures.note(stamped.timings)
        for client in self._clients:
            self._count(client.put(stamped, frame))

    def reply(self, client: Client, event: DaemonEvent) -> None:
        """Send an event to one client only."""
        stamped = dataclasses.replace(event, event_id=self._next_id())
        self._count(client.put(stamped, _encode(stamped, None)))

    def set_engines(self, engines: Engines) -> None:
        """The models are loaded, or others took their place."""
        self._engines = engines
        self._tell_status()

    def set_badge(self, cause: str, sentence: str) -> None:
        """A trouble that stands until it is cleared; ``cause`` names it, the sentence is shown to people."""
        if self._badges.get(cause) != sentence:
            self._badges[cause] = sentence
            self._tell_status()

    def clear_badge(self, cause: str) -> None:
        """The trouble is over; nothing happens when it never stood."""
        if self._badges.pop(cause, None) is not None:
            self._tell_status()

    def count_stalled_client(self) -> None:
        """A client took nothing for so long that its connection was cut off."""
        self.dropped_clients += 1

    @contextmanager
    def join(self) -> Iterator[Client]:
        """Be a client for as long as the context lasts: everything published meanwhile waits in its outbox."""
        standing = Standing(
            event_id=self._next_id(),
            engines=self._engines,
            listening=self._listening,
            badges=tuple(self._badges.values()),
            start=self._start,
        )
        client = Client(standing, self._client_queue)
        if self._farewell is not None:
            client.dismiss(self._farewell)
        self._clients.add(client)
        self._empty.clear()
        try:
            yield client
        finally:
            self._clients.discard(client)
            if not self._clients:
                self._empty.set()

    def dismiss_all(self, code: int, reason: str) -> None:
        """Close every connection, also of those who come later, once what waits was sent."""
        self._farewell = Farewell(code, reason)
        for client in self._clients:
            client.dismiss(self._farewell)

    async def wait_empty(self) -> None:
        """Wait until no client is left."""
        await self._empty.wait()

    def _next_id(self) -> int:
        self._last_id = max(self._last_id + 1, self._clock_us())
        return self._last_id

    def _tell_status(self) -> None:
        self.publish(Status(engines=self._engines, badges=tuple(self._badges.values())))

    def _count(self, dropped: tuple[int, int]) -> None:
        previews, clients = dropped
        self.dropped_previews += previews
        self.dropped_clients += clients

    def _late(self, event: DaemonEvent) -> bool:
        """Whether this is the preview of a picture that is finished: it came from another thread, too late."""
        match event:
            case ImageStarted():
                # a picture may be painted again under its own number
                while (key := (event.utterance, event.revision)) in self._ended:
                    self._ended.remove(key)
            case ImageCompleted() | ImageSuperseded() | ImageFailed():
                self._ended.append((event.utterance, event.revision))
            case PartialImage():
                return (event.utterance, event.revision) in self._ended
            case _:
                pass
        return False


def _encode(event: DaemonEvent, image: bytes | None) -> Encoded:
    if isinstance(event, PartialImage | ImageCompleted):
        if image is None:
            raise TypeError(f"{event.type} is published with its image")
        return wire.encode_image(event, image)
    if image is not None:
        raise TypeError(f"{event.type} carries no image")
    return wire.encode_event(event)
