"""Wake words by openWakeWord: one network of speech embeddings, and a small classifier a word. An optional extra.

The library is Apache-2.0; the models that it ships are CC-BY-NC-SA 4.0, not for commercial use. It judges every 80 ms.
This module does *not* decide what a heard word does: that is the gate's.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final

from speakage_engines.api import SAMPLE_RATE, ModelError, Samples, WakeScore
from speakage_engines.speech.wake_models import WakeModel

if TYPE_CHECKING:
    from pyopen_wakeword import OpenWakeWord

THRESHOLD: Final = 0.5
"""openWakeWord's own advice, for every model."""
LAG: Final = SAMPLE_RATE * 300 // 1_000
"""Measured with synthetic voices that say the word and pause: 185 to 670 ms, half of them below 290 ms. Without a pause
many words are missed."""
_FLOAT32: Final = 1


class OpenWakeWords:
    """An :class:`~speakage_engines.api.WakeWordDetector`."""

    lag = LAG

    def __init__(self, models: tuple[WakeModel, ...], threshold: float = 0.0) -> None:
        from pyopen_wakeword import OpenWakeWordFeatures

        self.words = tuple(model.word for model in models)
        self._threshold = threshold or THRESHOLD
        self._features = OpenWakeWordFeatures.from_builtin()
        self._classifiers = [_load(model) for model in models]
        self._scores = [0.0 for _ in models]

    def feed(self, frame: Samples) -> tuple[WakeScore, ...]:
        """The next 320 samples; each word's newest score."""
        for embeddings in self._features.process_streaming(frame.tobytes()):
            for index, classifier in enumerate(self._classifiers):
                for score in classifier.process_streaming(embeddings):
                    self._scores[index] = float(score)
        return tuple(
            WakeScore(word=word, score=score, threshold=self._threshold)
            for word, score in zip(self.words, self._scores, strict=True)
        )

    def reset(self) -> None:
        """Forget the past: another source speaks."""
        self._features.reset()
        for classifier in self._classifiers:
            classifier.reset()
        self._scores = [0.0 for _ in self._classifiers]


def _load(model: WakeModel) -> OpenWakeWord:
    from pyopen_wakeword import OpenWakeWord

    loaded = OpenWakeWord.from_model(model.model)
    # the library would write floats into whatever is there
    if loaded.lib.TfLiteTensorType(ctypes.c_void_p(loaded.input_tensor)) != _FLOAT32:
        raise ModelError(f"{model.model}: not a model of openWakeWord; is it one of microWakeWord?")
    return loaded
