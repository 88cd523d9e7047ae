"""One utterance while it is being spoken: its sound so far, and whether it goes on.

The ear writes it, the transcriber reads it; both live on the event loop. It holds no more than ``max_length_ms``.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto

import numpy as np

from speakage_daemon.events import EndReason
from speakage_engines.api import Samples


class Phase(Enum):
    """Whether the utterance goes on."""

    SPEAKING = auto()
    PAUSED = auto()
    ENDED = auto()


class Utterance:
    """Grows until it is ended."""

    def __init__(self, number: int, start: int, pre_roll: Samples) -> None:
        self.number = number
        self.start = start
        """First sample on the recording's own clock."""
        self.phase = Phase.SPEAKING
        self.reason: EndReason | None = None
        self.last_voiced_time = 0.0
        """Monotonic time (s) at which the last voiced sample was heard; set at each pause and at the end."""
        self.unfinished = False
        """Whether the words of this pause plainly lack something; known once they are transcribed."""
        self.paused_time: float | None = None
        """When the pause was found; ``None`` when speech went on since."""
        self.ended_time: float | None = None
        """When the end was found."""
        self.resumptions = 0
        """How often speech went on after a pause."""
        self.turns = 0
        """How often the phase changed."""
        self._pieces: list[Samples] = [pre_roll]
        self._length = len(pre_roll)
        self._changed = asyncio.Event()

    @property
    def length(self) -> int:
        """Samples so far."""
        return self._length

    def audio(self) -> Samples:
        """A copy of the sound so far."""
        return np.concatenate(self._pieces)

    def extend(self, pcm: Samples) -> None:
        """More sound."""
        self._pieces.append(pcm)
        self._length += len(pcm)
        self._changed.set()

    def void(self) -> None:
        """Nothing of it is meant: what was heard is forgotten, and so is what was made of it."""
        self._pieces = [np.empty(0, np.int16)]
        self.resumptions += 1

    def pause(self, last_voiced_time: float, now: float) -> None:
        """It may be over."""
        self.last_voiced_time = last_voiced_time
        self.paused_time = now
        self._turn(Phase.PAUSED)

    def resume(self) -> None:
        """It was not over."""
        self.resumptions += 1
        self.unfinished = False
        self.paused_time = None
        self._turn(Phase.SPEAKING)

    def end(self, reason: EndReason, last_voiced_time: float, now: float) -> None:
        """It is over."""
        self.reason = reason
        self.last_voiced_time = last_voiced_time
        self.ended_time = now
        self._turn(Phase.ENDED)

    async def wait(self, turns: int, length: int | None = None) -> None:
        """Until the phase changed more than ``turns`` times, or there are ``length`` samples."""
        while self.turns == turns and (length is None or self._length < length):
            self._changed.clear()
            await self._changed.wait()

    def _turn(self, phase: Phase) -> None:
        self.phase = phase
        self.turns += 1
        self._changed.set()
