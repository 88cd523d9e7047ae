"""Automatic gain: speech is brought to one level, slowly, whatever the microphone and the distance. Pure.

Only what the detector takes for speech is measured, so that a quiet room is not turned up into noise, and the gain
moves a little with each frame of it: faster down than up, as compressors do. Peaks are held below full scale by less
gain at once. The level of the *unchanged* speech tells whether somebody is too far away or too close to be heard well.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np

from speakage_engines.api import Samples

Level = Literal["good", "too_quiet", "too_loud"]
"""How loud speech arrives."""

_FULL: Final = 32_767
_SPEECH: Final = 0.5
"""Probability from which a frame is measured."""


TARGET_DBFS: Final = -24.0
"""RMS of speech that is aimed at: the level of the sentences that ears are taught on, give or take."""
MOST_DB: Final = 30.0
LEAST_DB: Final = -12.0
UP_DB: Final = 0.2
"""A frame of 20 ms: 10 dB a second of speech."""
DOWN_DB: Final = 0.6
MEMORY_FRAMES: Final = 50.0
"""Time constant of the measured level: a second of speech."""
QUIET_DBFS: Final = -52.0
"""Speech below is too quiet."""
CLIPPED: Final = 0.02
"""Speech of which more frames than that touch full scale is too loud."""
CERTAIN_FRAMES: Final = 100
"""Frames of speech before anything is said of its level."""


class AutomaticGain:
    """Feed it every frame twice: :meth:`apply` before the detector, :meth:`learn` after it."""

    def __init__(self) -> None:
        self._gain_db = 0.0
        self._power = 0.0
        self._clipped = 0.0
        self._frames = 0

    @property
    def gain_db(self) -> float:
        """As it is now."""
        return self._gain_db

    @property
    def level(self) -> Level:
        """What to tell the speaker."""
        if self._frames < CERTAIN_FRAMES:
            return "good"
        if self._clipped > CLIPPED:
            return "too_loud"
        return "too_quiet" if _dbfs(self._power) < QUIET_DBFS else "good"

    def apply(self, pcm: Samples) -> Samples:
        """The frame, louder or quieter, and nowhere above full scale."""
        if not self._gain_db:
            return pcm
        peak = int(np.abs(pcm.astype(np.int32)).max(initial=0))
        factor = min(10 ** (self._gain_db / 20), _FULL / max(1, peak))
        changed: Samples = np.rint(pcm * factor).astype(np.int16)
        return changed

    def learn(self, pcm: Samples, probability: float) -> None:
        """What the detector said of the unchanged frame."""
        if probability < _SPEECH:
            return
        wide = pcm.astype(np.float64)
        self._frames += 1
        weight = max(1 / self._frames, 1 / MEMORY_FRAMES)
        self._power += weight * (float(np.mean(wide * wide)) - self._power)
        self._clipped += weight * ((np.abs(wide).max() >= _FULL) - self._clipped)
        wanted = TARGET_DBFS - _dbfs(self._power)
        wanted = min(max(wanted, LEAST_DB), MOST_DB)
        step = min(max(wanted - self._gain_db, -DOWN_DB), UP_DB)
        self._gain_db += step

    def reset(self) -> None:
        """Another source: nothing is known of it."""
        self._gain_db = self._power = self._clipped = 0.0
        self._frames = 0


def _dbfs(power: float) -> float:
    return 10 * math.log10(max(power, 1e-3) / 32_768**2)
