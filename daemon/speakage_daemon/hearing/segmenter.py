"""The segmenter: from what the detectors say of each frame to starts, pauses and ends of utterances. Pure.

Four states. WebRTC opens and Silero confirms; once open, Silero alone decides, with a lower threshold to stay than
to come in, so that a soft syllable does not close an utterance.

======== ================================= ======== ===========================
state    when                              becomes  says
======== ================================= ======== ===========================
SILENCE  voiced, p ≥ open                  ONSET
ONSET    p ≥ open for ``onset``            SPEECH   :class:`Started`
ONSET    p < open                          SILENCE
SPEECH   p < close for ``pause``           PAUSE    :class:`Paused`
PAUSE    p ≥ open                          SPEECH   :class:`Resumed`
PAUSE    silence for ``end``               SILENCE  :class:`Ended` (silence)
PAUSE,   silence for ``unfinished_end``    SILENCE  :class:`Ended` (silence)
words
missing
SPEECH,  length reaches ``max_length``     SILENCE  :class:`Ended` (max_length)
PAUSE
SPEECH,  :meth:`Segmenter.close`           SILENCE  :class:`Ended` (released or lost)
PAUSE
======== ================================= ======== ===========================

All positions are sample counts at 16 kHz; there is no clock here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from speakage_daemon.config import SegmenterSettings
from speakage_daemon.events import EndReason
from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE, Activity


class State(Enum):
    """Where the segmenter is."""

    SILENCE = auto()
    ONSET = auto()
    SPEECH = auto()
    PAUSE = auto()


@dataclass(frozen=True, slots=True)
class Started:
    """An utterance is open."""

    sample: int
    """Its first sample, pre-roll included; never before the end of the one before."""


@dataclass(frozen=True, slots=True)
class Paused:
    """Silence for ``pause_ms``: it may be over."""

    last_voiced_sample: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """It was not over."""

    sample: int


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over."""

    sample: int
    last_voiced_sample: int
    reason: EndReason


Boundary: TypeAlias = Started | Paused | Resumed | Ended


class Segmenter:
    """Feed it every frame in order; it answers with what changed."""

    def __init__(self, settings: SegmenterSettings) -> None:
        self._settings = settings
        self._onset = _samples(settings.onset_ms)
        self._pre_roll = _samples(settings.pre_roll_ms)
        self._pause = _samples(settings.pause_ms)
        self._end = _samples(settings.end_ms)
        self._unfinished_end = _samples(max(settings.end_ms, settings.unfinished_end_ms))
        self._max_length = _samples(settings.max_length_ms)
        self._state = State.SILENCE
        self._start = 0
        self._previous_end = 0
        self._onset_began = 0
        self._last_voiced = 0

    @property
    def state(self) -> State:
        """Where it is now."""
        return self._state

    def feed(self, sample: int, activity: Activity, *, unfinished: bool = False) -> list[Boundary]:
        """The frame that begins at ``sample``; usually nothing changes.

        ``unfinished`` says that the words before this pause plainly lack something ("a house next to the").
        """
        end = sample + FRAME_SAMPLES
        match self._state:
            case State.SILENCE:
                if activity.voiced and activity.probability >= self._settings.open_probability:
                    self._state = State.ONSET
                    self._onset_began = sample
                    return self._confirm(end)
                return []
            case State.ONSET:
                if activity.probability >= self._settings.open_probability:
                    return self._confirm(end)
                self._state = State.SILENCE
                return []
            case _:  # SPEECH or PAUSE
                patience = self._unfinished_end if unfinished else self._end
                return [*self._follow(sample, end, activity.probability, patience), *self._limit(end)]

    def close(self, sample: int, reason: EndReason) -> list[Boundary]:
        """End what is open at ``sample``: the button was let go, or the source went away."""
        is_open = self._state in (State.SPEECH, State.PAUSE)
        self._state = State.SILENCE
        return [self._ended(sample, reason)] if is_open else []

    def _confirm(self, end: int) -> list[Boundary]:
        if end - self._onset_began < self._onset:
            return []
        self._state = State.SPEECH
        self._last_voiced = end
        self._start = max(self._onset_began - self._pre_roll, self._previous_end, 0)
        return [Started(self._start)]

    def _follow(self, sample: int, end: int, probability: float, patience: int) -> list[Boundary]:
        if self._state is State.PAUSE:
            if probability >= self._settings.open_probability:
                self._state = State.SPEECH
                self._last_voiced = end
                return [Resumed(sample)]
            return self._hush(end, patience)
        if probability >= self._settings.close_probability:
            self._last_voiced = end
            return []
        if end - self._last_voiced < self._pause:
            return []
        self._state = State.PAUSE
        return [Paused(self._last_voiced), *self._hush(end, patience)]

    def _hush(self, end: int, patience: int) -> list[Boundary]:
        if end - self._last_voiced < patience:
            return []
        self._state = State.SILENCE
        return [self._ended(end, "silence")]

    def _limit(self, end: int) -> list[Boundary]:
        if self._state is State.SILENCE or end - self._start < self._max_length:
            return []
        self._state = State.SILENCE
        return [self._ended(end, "max_length")]

    def _ended(self, sample: int, reason: EndReason) -> Ended:
        self._previous_end = sample
        return Ended(sample, min(self._last_voiced, sample), reason)


def _samples(milliseconds: int) -> int:
    return milliseconds * SAMPLE_RATE // 1_000
