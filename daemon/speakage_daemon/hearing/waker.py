"""Hears wake words: runs their detector over every frame, and tells of a word at once, and of its end when it is known.

It cuts nothing and starts nothing: the ear does. Its detector costs a tenth of a millisecond a word and frame, on the
event loop like the detector of speech.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from speakage_daemon.events import DaemonEvent, WakeDetected
from speakage_daemon.hearing.wake import WakeGate, spoken
from speakage_daemon.hearing.word_end import Moment, word_end
from speakage_engines.api import Samples, WakeWordDetector


class Waker:
    """Wakes the gate."""

    def __init__(
        self,
        detector: WakeWordDetector,
        gate: WakeGate,
        publish: Callable[[DaemonEvent], None],
        personas: Mapping[str, str],
    ) -> None:
        self._detector = detector
        self._gate = gate
        self._publish = publish
        self._personas = personas
        """Names of personas by spoken word."""
        self._heard: int | None = None

    @property
    def busy(self) -> bool:
        """A word was heard, and it is not known yet where it ended."""
        return self._heard is not None

    def feed(self, pcm: Samples, position: int) -> bool:
        """The frame that ends at ``position``; True when a word was heard in it."""
        heard = [score for score in self._detector.feed(pcm) if score.heard]
        if not heard:
            return False
        best = max(heard, key=lambda score: score.score - score.threshold)
        word = spoken(best.word)
        if not self._gate.wake(word, position):
            return False
        self._heard = position
        self._publish(WakeDetected(word=word, persona=self._personas.get(word, ""), score=round(best.score, 3)))
        return True

    def word_end(self, moments: Sequence[Moment]) -> int | None:
        """Where the word ended, told once; ``moments`` are the newest frames, in order."""
        if self._heard is None:
            return None
        end = word_end(moments, self._heard, self._detector.lag)
        if end is not None:
            self._heard = None
        return end

    def reset(self) -> None:
        """Forget the past: another source speaks, or the daemon was mute."""
        self._detector.reset()
        self._heard = None
