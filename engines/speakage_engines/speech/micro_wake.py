"""Wake words by microWakeWord: small quantised networks over the newest 10 ms of sound, several words at once.

A word's score is the mean over its model's sliding window, as the library computes it. This module does *not* decide
what a heard word does: that is the gate's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from speakage_engines.api import SAMPLE_RATE, ModelError, Samples, WakeScore
from speakage_engines.speech.wake_models import WakeModel

if TYPE_CHECKING:
    from pymicro_wakeword import MicroWakeWord

LAG: Final = SAMPLE_RATE * 90 // 1_000
"""Measured with five synthetic voices: with a pause behind the word up to 193 ms, half below 133 ms; without one 39 to
605 ms, half below 119 ms; then to cut 60 to 90 ms before it was heard left most sentences whole."""


class MicroWakeWords:
    """An :class:`~speakage_engines.api.WakeWordDetector`."""

    lag = LAG

    def __init__(self, models: tuple[WakeModel, ...], threshold: float = 0.0) -> None:
        from pymicro_wakeword import MicroWakeWordFeatures

        self.words = tuple(model.word for model in models)
        self._features = MicroWakeWordFeatures()
        self._streams = [_Stream(model, threshold) for model in models]

    def feed(self, frame: Samples) -> tuple[WakeScore, ...]:
        """The next 320 samples; the highest score of each word within them."""
        features = list(self._features.process_streaming(frame.tobytes()))
        return tuple(stream.feed(features) for stream in self._streams)

    def reset(self) -> None:
        """Forget the past: another source speaks."""
        self._features.reset()
        for stream in self._streams:
            stream.reset()


class _Stream:
    """One word."""

    def __init__(self, model: WakeModel, threshold: float) -> None:
        self._word = model.word
        self._network = _load(model)
        self._threshold = threshold or model.threshold or self._network.probability_cutoff
        self._waiting = 0
        self._score = 0.0

    def feed(self, features: list[object]) -> WakeScore:
        scores = []
        for feature in features:
            score = self._network.process_streaming_prob(feature)
            self._waiting += 1
            # in between the library says 0, which is no score
            if self._waiting == self._network.stride:
                self._waiting, self._score = 0, float(score or 0.0)
                scores.append(self._score)
        return WakeScore(word=self._word, score=max(scores, default=self._score), threshold=self._threshold)

    def reset(self) -> None:
        self._network.reset()
        self._waiting, self._score = 0, 0.0


def _load(model: WakeModel) -> MicroWakeWord:
    from pymicro_wakeword import MicroWakeWord

    try:
        return MicroWakeWord.from_config(model.manifest)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{model.model}: not a model of microWakeWord ({error}); is it one of openWakeWord?") from None
