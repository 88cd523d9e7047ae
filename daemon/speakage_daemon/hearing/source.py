"""What every source of sound has in common: 20 ms frames of 16 kHz mono int16 that carry their sample index.

This module does *not* open any device: see :mod:`.microphone`, :mod:`.recording` and :mod:`.remote`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from speakage_engines.api import FRAME_SAMPLES, Samples


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of sound."""

    sample: int
    """Index of its first sample since the source began; jumps where frames were dropped."""
    pcm: Samples
    """Shape ``(320,)``."""


class Source(Protocol):
    """Somewhere sound comes from. ``frames`` is iterated once."""

    name: str
    """Shown to people: ``microphone: NAME``, ``file: NAME``, ``stdin``, ``client: NAME``."""
    live: bool
    """A live source goes on whether or not anyone keeps up; any other waits for its reader."""

    def frames(self) -> AsyncIterator[Frame]:
        """Yield frames until the source ends; a lost microphone does not end, it goes on when it is back."""


class Framer:
    """Cuts sound that arrives in pieces of any size into frames. Pure."""

    def __init__(self) -> None:
        self._rest: Samples = np.empty(0, np.int16)
        self._sample = 0

    def feed(self, pcm: Samples) -> Iterator[Frame]:
        """Take the next piece; yield the frames it completes."""
        self._rest = np.concatenate([self._rest, pcm]) if len(self._rest) else pcm
        while len(self._rest) >= FRAME_SAMPLES:
            frame, self._rest = self._rest[:FRAME_SAMPLES], self._rest[FRAME_SAMPLES:]
            yield self._next(frame)

    def flush(self) -> Iterator[Frame]:
        """The last, incomplete frame, filled with silence."""
        if len(self._rest):
            frame, self._rest = np.pad(self._rest, (0, FRAME_SAMPLES - len(self._rest))), self._rest[:0]
            yield self._next(frame)

    def skip(self, samples: int) -> None:
        """So many samples were lost: what follows keeps its place in time. Rounded up to whole frames.

        The incomplete frame before them is lost too.
        """
        lost, self._rest = len(self._rest) + samples, self._rest[:0]
        self._sample += -(-lost // FRAME_SAMPLES) * FRAME_SAMPLES

    def _next(self, pcm: Samples) -> Frame:
        frame = Frame(self._sample, pcm)
        self._sample += FRAME_SAMPLES
        return frame
