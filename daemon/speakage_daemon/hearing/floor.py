"""Who is heard: one source at a time. The daemon's own source has the floor until a client takes it.

Frames of whoever has the floor go into one bounded queue. A live source never waits: when the queue is full its
oldest frame is dropped and counted. A source that is not live (a file read as fast as possible) waits instead.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from speakage_daemon.hearing.source import Frame, Source

log = logging.getLogger(__name__)

QUEUE_FRAMES: Final = 500
"""10 s of sound."""


@dataclass(frozen=True, slots=True)
class FloorChanged:
    """Another source is heard from here on."""

    source: str
    """Its name, or ``none``."""
    given_up: bool = False
    """True when a client gave the floor up, and all that it had sent was heard before this."""
    live: bool = field(default=True, compare=False)
    """False for a source that waits for its reader."""


class Floor:
    """Pumps sources into one queue; :meth:`heard` is iterated by the ear."""

    def __init__(self, main: Source | None) -> None:
        self._main = main
        self._holder: Source | None = None
        self._main_ended = main is None
        self.main_lost = False
        """True while the daemon's own source is there but sends nothing."""
        self._queue: deque[Frame | FloorChanged] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._guests: asyncio.Queue[Source] = asyncio.Queue()
        self.dropped_frames = 0
        self.live = True
        """False while what is heard is of a source that waits for its reader, though that may have ended by now."""

    @property
    def holder(self) -> str:
        """Name of the source that is heard, or ``none``."""
        if self._holder is None or (self._holder is self._main and self.main_lost):
            return "none"
        return self._holder.name

    async def run(self) -> None:
        """Pump until cancelled."""
        async with asyncio.TaskGroup() as pumps:
            if self._main is not None:
                self._give(self._main)
                pumps.create_task(self._pump_main(self._main), name="main source")
            while True:
                guest = await self._guests.get()
                pumps.create_task(self._pump_guest(guest), name=guest.name)

    def take(self, guest: Source) -> None:
        """Give a client the floor; serving sees to it that the one before has given it up."""
        self._give(guest)
        self._guests.put_nowait(guest)

    async def heard(self) -> AsyncIterator[Frame | FloorChanged]:
        """Frames of whoever has the floor, and who that is, in order."""
        while True:
            while self._queue:
                item = self._queue.popleft()
                self._drained.set()
                if isinstance(item, FloorChanged):
                    self.live = item.live
                yield item
            self._filled.clear()
            await self._filled.wait()

    async def _pump_main(self, source: Source) -> None:
        await self._pump(source)
        self._main_ended = True
        if self._holder is source:
            self._give(None)

    async def _pump_guest(self, source: Source) -> None:
        try:
            await self._pump(source)
        finally:
            if self._holder is source:
                self._give(None if self._main_ended else self._main, given_up=True)

    async def _pump(self, source: Source) -> None:
        async for frame in source.frames():
            if self._holder is not source:
                continue
            if not source.live:
                while len(self._queue) >= QUEUE_FRAMES:
                    self._drained.clear()
                    await self._drained.wait()
            self._put(frame)

    def _give(self, source: Source | None, *, given_up: bool = False) -> None:
        self._holder = source
        self._put(FloorChanged(self.holder, given_up, source is None or source.live))

    def _put(self, item: Frame | FloorChanged) -> None:
        if isinstance(item, Frame) and len(self._queue) >= QUEUE_FRAMES:
            self._drop_oldest_frame()
        self._queue.append(item)
        self._filled.set()

    def _drop_oldest_frame(self) -> None:
        index = next((index for index, item in enumerate(self._queue) if isinstance(item, Frame)), None)
        if index is None:
            return
        del self._queue[index]
        self.dropped_frames += 1
        if self.dropped_frames == 1:
            log.warning("sound arrives faster than it is heard; the oldest is dropped and counted")
