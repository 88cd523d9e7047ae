"""Where a wake word ended: what follows is the prompt, whether or not there was a pause between them. Pure.

A detector hears a word when it is over, or nearly, and says not where it ended. A pause near that place is taken for
the end of the word: no rest of the word is left, and nothing of the sentence is lost. Where nobody paused, the word
ended the detector's usual lag ago. Then a few hundredths of a second of the one may be left, or of the other lost,
and the rests are dropped from the words: see :mod:`speakage_daemon.understanding.phrase`.

Positions are sample counts at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE, Activity

QUIET: Final = 0.35
"""Silero's probability of speech below which a frame is a pause."""
PAUSE_FRAMES: Final = 3
"""A pause is at least 60 ms: a stop consonant is shorter."""
EARLY: Final = SAMPLE_RATE * 250 // 1_000
"""A pause may begin so long before the usual end of the word …"""
LATE: Final = SAMPLE_RATE * 280 // 1_000
"""… and so long after the word was heard: slow speakers are heard before they are done."""
PATIENCE: Final = SAMPLE_RATE * 400 // 1_000
"""Nobody paused until so long after the word was heard."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame, and what the detector of speech says of it."""

    sample: int
    activity: Activity


def word_end(moments: Sequence[Moment], heard: int, lag: int) -> int | None:
    """The first sample after the word; ``None`` while it cannot be told yet. ``moments`` are the newest, in order."""
    usual = heard - lag
    pauses = [pause for pause in _pauses(moments) if usual - EARLY <= pause <= heard + LATE]
    if pauses:
        return min(pauses, key=lambda pause: abs(pause - usual))
    if moments and moments[-1].sample + FRAME_SAMPLES >= heard + PATIENCE:
        return usual
    return None


def _pauses(moments: Sequence[Moment]) -> list[int]:
    """Where each pause begins."""
    found: list[int] = []
    quiet: list[int] = []
    for moment in moments:
        quiet = [*quiet, moment.sample] if moment.activity.probability < QUIET else []
        if len(quiet) == PAUSE_FRAMES:
            found.append(quiet[0])
    return found
