"""When a hypothesis is not worth believing: the gates between what Whisper writes and what is called words. Pure.

Whisper always writes something, into silence too. A gate can only throw a whole hypothesis away; this module does
*not* mend one.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from speakage_engines.api import SAMPLE_RATE, Rejection, Samples

WINDOW_SAMPLES: Final = SAMPLE_RATE // 50
"""20 ms: loudness is judged over stretches of this length."""
MAXIMUM_REPEATS: Final = 3
"""Times that the same one to six words may stand in a row: "no no no" is said, a fourth is a decoder that hangs."""
LONGEST_REPEAT: Final = 6
MINIMUM_LOG_PROBABILITY: Final = -1.0
"""Whisper's own threshold."""
SHORTEST_WORD_SAMPLES: Final = SAMPLE_RATE // 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Thresholds. The defaults are Whisper's own, except for the loudness."""

    minimum_loudness_dbfs: float = -60.0
    """The loudest 20 ms must reach this (RMS): nobody speaks into digital silence or a microphone's hiss."""
    maximum_no_speech: float = 0.6
    """Above this probability of no speech, unless the words are likelier than ``minimum_log_probability``."""
    minimum_log_probability: float = MINIMUM_LOG_PROBABILITY
    """Mean over the tokens, natural logarithm."""
    maximum_compression: float = 2.4
    """Bytes of the text over bytes of it compressed."""

    def judge(self, text: str, log_probability: float, no_speech: float) -> Rejection | None:
        """Why ``text`` is not to be believed, or ``None``."""
        if repeats(text) or compression(text) > self.maximum_compression:
            return "repetition"
        if log_probability >= self.minimum_log_probability:
            return None
        return "no_speech" if no_speech > self.maximum_no_speech else "low_confidence"

    def cannot_hold_words(self, audio: Samples) -> bool:
        """Whether it is too short or too quiet for any word: such audio is not worth a decoder, which would invent."""
        return len(audio) < SHORTEST_WORD_SAMPLES or loudness_dbfs(audio) < self.minimum_loudness_dbfs


def loudness_dbfs(audio: Samples) -> float:
    """RMS of the loudest 20 ms, in dB relative to full scale; minus infinity for digital silence."""
    whole = np.pad(audio, (0, -len(audio) % WINDOW_SAMPLES)).reshape(-1, WINDOW_SAMPLES).astype(np.float64)
    power = (whole**2).mean(axis=1).max(initial=0.0)
    return float(10 * np.log10(power / 32_768**2)) if power else -np.inf


def compression(text: str) -> float:
    """How much shorter the text gets by compression, as Whisper's authors measure repetition."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def repeats(text: str) -> bool:
    """Whether the same few words follow each other more often than people say them."""
    words = plain_words(text)
    for length in range(1, LONGEST_REPEAT + 1):
        run = 0
        for earlier, later in zip(words, words[length:], strict=False):
            run = run + 1 if earlier == later else 0
            if run >= length * MAXIMUM_REPEATS:
                return True
    return False


def plain_words(text: str) -> list[str]:
    """Lower-case words without punctuation, as transcripts are compared."""
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.lower())
