"""A model proves on a known clip that it hears, or is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from speakage_engines.api import Doubt, ModelChoice, ModelError, Rejection, Samples, Transcript
from speakage_engines.speech.warm_up import prove, shipped_clip


class SaysAlways:
    """A speech model that hears the same words in everything."""

    def __init__(self, text: str, language: str = "en", rejection: Rejection | None = None) -> None:
        self.choice = ModelChoice(name="parrot", path=Path("/models/parrot"), reason="test")
        self.language, self._text, self._rejection = language, text, rejection

    def transcribe(self, audio: Samples, *, hotwords: str = "", doubt: Doubt | None = None) -> Transcript:
        return Transcript(
            text=self._text,
            rejection=self._rejection,
            average_log_probability=0.0,
            no_speech_probability=0.0,
            encoder_frames=0,
            milliseconds=0.0,
        )


class Breaks(SaysAlways):
    def transcribe(self, audio: Samples, *, hotwords: str = "", doubt: Doubt | None = None) -> Transcript:
        raise ValueError("Invalid input features shape")


def test_the_clip_is_whole() -> None:
    clip = shipped_clip()
    assert clip.text == "a castle in the snow"
    assert 16_000 < len(clip.audio) < 5 * 16_000
    assert abs(clip.audio).max() > 3_000


@pytest.mark.parametrize("text", ["a castle in the snow", " A castle, in the snow.", "The castle in snow"])
def test_right_words_are_quiet(text: str, caplog: pytest.LogCaptureFixture) -> None:
    prove(SaysAlways(text))
    assert not caplog.records


@pytest.mark.parametrize(
    "text",
    [
        "",
        "thank you for watching",
        "a castle on a snow plough",
        "the castle on the snow",
        "a cow in the snow",
        "a castle",
    ],
)
@pytest.mark.parametrize("language", ["en", ""])
def test_wrong_words_refuse(text: str, language: str) -> None:
    with pytest.raises(ModelError, match=r"/models/parrot: .*'a castle in the snow'.*get the model again"):
        prove(SaysAlways(text, language))


def test_a_rejection_is_named() -> None:
    with pytest.raises(ModelError, match="rejected: low_confidence"):
        prove(SaysAlways("", rejection="low_confidence"))


def test_another_language_only_warns(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        prove(SaysAlways("ein Schloss im Schnee", "de"))
    assert "'de'" in caplog.text


def test_a_model_that_cannot_run_is_refused() -> None:
    with pytest.raises(ModelError, match="/models/parrot: the model loads but cannot run"):
        prove(Breaks(""))
