"""The queue between what delivers sound and what hears it. Full, it drops the oldest frame and counts it.

Belongs to one event loop: callbacks of other threads go through ``loop.call_soon_threadsafe``.
This module does *not* tell anybody that frames were dropped: their sample indices jump, and ``dropped`` counts.
"""

from __future__ import annotations

import asyncio
from collections import deque

from speakage_daemon.hearing.source import Frame
from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE


class FrameQueue:
    """At most so many seconds of frames, the newest ones."""

    def __init__(self, seconds: float) -> None:
        self._capacity = int(seconds * SAMPLE_RATE / FRAME_SAMPLES)
        self._frames: deque[Frame] = deque()
        self._changed = asyncio.Event()
        self._ended = False
        self.dropped = 0
        """Frames that nobody heard because they came faster than they were taken."""

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: Frame) -> None:
        """Never waits."""
        if len(self._frames) == self._capacity:
            self._frames.popleft()
            self.dropped += 1
        self._frames.append(frame)
        self._changed.set()

    def end(self) -> None:
        """No more frames will come; those that wait can still be taken."""
        self._ended = True
        self._changed.set()

    async def get(self) -> Frame | None:
        """The oldest frame, or ``None`` at the end."""
        while not self._frames:
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._frames.popleft()
