"""``WS /v1/stream``: one client's connection. Events and previews go out, wishes and audio come in.

Two directions, one task each: the sender empties the client's outbox, the receiver reads frames and hands them to the
desk. Answers to a client's own mistakes travel through its outbox like everything else, so there is one writer. This
module does *not* decide what a client misses when it is slow (:mod:`.outbox`), nor when it is cut off
(:mod:`.websocket`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from speakage_daemon import __version__
from speakage_daemon.errors import GalleryError, PictureError, SourceError, SpeakageError, WireError
from speakage_daemon.events import (
    CanvasStart,
    Error,
    ErrorCode,
    ListenStart,
    ListenStop,
    Picture,
    PromptCreate,
    SessionCreated,
    SessionUpdate,
)
from speakage_daemon.serving import wire
from speakage_daemon.serving.desk import AudioInlet, Desk, Pictures
from speakage_daemon.serving.hub import Client, Farewell, Hub

LATEST_PICTURES: Final = 12
"""Pictures told to a client that names none."""
MISSED_PICTURES: Final = 200
"""Pictures told to a client that returns."""
MAX_PICTURE_ID: Final = 2**63 - 1
"""What the index can hold."""

logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """What a client sent cannot be done; it is told so, and stays."""

    def __init__(self, code: ErrorCode, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.field = field


class Floor:
    """Lets one client at a time be heard."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._speaker: Connection | None = None
        self._name = ""
        self._inlet: AudioInlet | None = None

    def take(self, speaker: Connection, message: SessionUpdate) -> None:
        """Give this client the floor, or, when it has it already, begin again with what it announces now."""
        if self._speaker not in {None, speaker}:
            raise RefusedError("floor_taken", f"{self._name} is speaking; wait until it has stopped")
        self.release(speaker)
        self._inlet = self._desk.take_floor(message.name, message.audio_rate, message.audio_format)
        self._speaker, self._name = speaker, message.name

    def feed(self, speaker: Connection, data: bytes) -> None:
        """Audio of the client that has the floor."""
        if self._speaker is not speaker or self._inlet is None:
            raise RefusedError("bad_audio", "audio came before session.update announced its rate and format")
        self._inlet.feed(data)

    def release(self, speaker: Connection) -> bool:
        """Take the floor from this client; false when it did not have it."""
        if self._speaker is not speaker or self._inlet is None:
            return False
        inlet, self._inlet, self._speaker = self._inlet, None, None
        inlet.close()
        return True


@dataclass(frozen=True, slots=True)
class Stream:
    """Serves every connection to ``/v1/stream``."""

    hub: Hub
    pictures: Pictures
    desk: Desk
    floor: Floor

    async def serve(self, websocket: WebSocket) -> None:
        """Talk to one client until either side ends it."""
        with self.hub.join() as client:
            connection = Connection(self, client, websocket)
            try:
                await connection.run()
            except WebSocketDisconnect:
                return
            finally:
                self.floor.release(connection)


class Connection:
    """One connection."""

    def __init__(self, stream: Stream, client: Client, websocket: WebSocket) -> None:
        self._stream = stream
        self._client = client
        self._websocket = websocket

    async def run(self) -> None:
        """Greet, then send and receive; ends when the connection does."""
        await self._websocket.accept()
        await self._websocket.send_text(wire.encode_event(await self._greeting()))
        async with asyncio.TaskGroup() as group:
            sender = group.create_task(self._send())
            await self._receive()
            sender.cancel()

    async def _greeting(self) -> SessionCreated:
        standing = self._client.standing
        return SessionCreated(
            event_id=standing.event_id,
            version=__version__,
            engines=standing.engines,
            listening=standing.listening,
            badges=standing.badges,
            start=standing.start,
            pictures=tuple(await self._told_pictures()),
        )

    async def _told_pictures(self) -> Sequence[Picture]:
        pictures = self._stream.pictures
        named = self._websocket.query_params.get("after")
        try:
            if named is None:
                return await asyncio.to_thread(pictures.latest, LATEST_PICTURES)
            return await asyncio.to_thread(pictures.after, _picture_id(named), MISSED_PICTURES)
        except RefusedError as refusal:
            self._refuse(refusal)
        except GalleryError as error:
            self._refuse(RefusedError("internal", str(error)))
        return ()

    async def _send(self) -> None:
        try:
            while not isinstance(frame := await self._client.take(), Farewell):
                if isinstance(frame, str):
                    await self._websocket.send_text(frame)
                else:
                    await self._websocket.send_bytes(frame)
            await self._websocket.close(frame.code, frame.reason)
        except WebSocketDisconnect:
            # the receiver learns of it by itself
            return

    async def _receive(self) -> None:
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            try:
                self._hear(message)
            except RefusedError as refusal:
                self._refuse(refusal)
            except SpeakageError as error:
                self._refuse(RefusedError(_code(error), str(error)))
            except Exception:
                # the border of this connection: one client's wish must not end the others'
                logger.exception("a client's message could not be handled")
                self._refuse(RefusedError("internal", "the daemon made a mistake; its log says which"))
            # frames that came together are all here at once: let the others have their turn
            await asyncio.sleep(0)

    def _hear(self, message: Message) -> None:
        text, data = message.get("text"), message.get("bytes")
        if text is not None:
            self._obey(text)
        elif data is not None:
            self._stream.floor.feed(self, data)

    def _obey(self, text: str) -> None:
        desk, floor = self._stream.desk, self._stream.floor
        raw = text.encode()
        if len(raw) > wire.MAX_TEXT_BYTES:
            raise RefusedError(
                "too_large", f"a text frame has at most {wire.MAX_TEXT_BYTES} bytes; this one has {len(raw)}"
            )
        try:
            message = wire.decode_message(raw)
        except WireError as error:
            raise RefusedError("bad_message", str(error), field=error.field) from None
        match message:
            case SessionUpdate():
                floor.take(self, message)
            case ListenStart():
                desk.listen_start()
            case ListenStop():
                # a client that stops speaking does not mute the daemon's own microphone
                if not floor.release(self):
                    desk.listen_stop()
            case PromptCreate():
                desk.paint(message)
            case CanvasStart():
                desk.start_from(message)
            case _:
                assert_never(message)

    def _refuse(self, refusal: RefusedError) -> None:
        self._stream.hub.reply(self._client, Error(code=refusal.code, message=str(refusal), field=refusal.field))


def _code(error: SpeakageError) -> ErrorCode:
    match error:
        case SourceError():
            return "bad_audio"
        case PictureError():
            return "bad_message"
        case _:
            return "internal"


def _picture_id(text: str) -> int:
    # int() alone would take a thousand digits, signs and underscores
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PICTURE_ID)) and int(text) <= MAX_PICTURE_ID:
        return int(text)
    raise RefusedError("bad_message", "after: the id of a picture is a whole number, 0 or more", field="after")
