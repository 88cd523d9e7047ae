"""Ears: word errors against jiwer's own examples, the road through detector and segmentation, invented words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from speakage_engines.api import (
    FRAME_SAMPLES,
    SAMPLE_RATE,
    Activity,
    Doubt,
    ModelChoice,
    Samples,
    Transcript,
    load_detector,
)
from speakage_engines.evaluation.figure import EvaluationError
from speakage_engines.evaluation.sounds import SOUNDS, babble, sound
from speakage_engines.evaluation.speech import (
    Ears,
    Errors,
    Recording,
    Stretch,
    evaluate_speech,
    hear,
    word_error_rate,
    word_errors,
)


class LoudDetector:
    """Whatever is loud is speech."""

    def __init__(self) -> None:
        self.resets = 0

    def feed(self, frame: Samples) -> Activity:
        loud = bool(np.abs(frame.astype(np.int32)).max() > 1_000)
        return Activity(voiced=loud, probability=float(loud))

    def reset(self) -> None:
        self.resets += 1


def cut(activities: Iterable[tuple[int, Activity]]) -> Iterator[Stretch]:
    """From the first voiced frame to 0.6 s of silence, settled after 0.25 s."""
    start = last = -1
    for sample, activity in activities:
        if activity.probability > 0.5:
            start, last = (sample if start < 0 else start), sample + FRAME_SAMPLES
        elif start >= 0 and sample - last >= 0.6 * SAMPLE_RATE:
            yield Stretch(start=start, last_voiced=last, settled=last + SAMPLE_RATE // 4, end=sample)
            start = -1


class Parrot:
    """Says what it was told to, one text after the other."""

    choice = ModelChoice(name="parrot", path=Path("/nowhere"), reason="")
    language = "en"

    def __init__(self, texts: Iterable[str], milliseconds: float = 100) -> None:
        self._texts = iter(texts)
        self._milliseconds = milliseconds
        self.heard: list[Samples] = []
        self.hotwords: list[str] = []

    def transcribe(self, audio: Samples, *, hotwords: str = "", doubt: Doubt | None = None) -> Transcript:
        self.heard.append(audio)
        self.hotwords.append(hotwords)
        return Transcript(
            text=next(self._texts, ""),
            average_log_probability=0,
            no_speech_probability=0,
            encoder_frames=0,
            milliseconds=self._milliseconds,
        )


def loud(seconds: float) -> Samples:
    return np.full(int(seconds * SAMPLE_RATE), 8_000, np.int16)


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [
        ("A red balloon.", "a red balloon", 0),
        ("a red balloon", "a blue balloon", 1),
        ("a red balloon", "balloon", 2),
        ("a red balloon", "a big red balloon please", 2),
        ("a red balloon", "", 3),
    ],
)
def test_words_wrong(said: str, heard: str, wrong: int) -> None:
    assert word_errors(said, heard) == Errors(wrong, 3)


def test_a_text_without_words_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no words"):
        word_errors("…", "boo")


def test_the_rate_is_of_all_words_and_not_of_recordings() -> None:
    figure = word_error_rate("wer", [Errors(1, 1), Errors(0, 9)])
    assert figure.value == 10
    assert figure.n == 10
    assert figure.interval is not None
    assert (figure.interval.low, figure.interval.high) == (0, 100)
    assert word_error_rate("wer", [Errors(1, 4)]).interval is None


def test_a_recording_goes_the_daemons_road() -> None:
    model, detector = Parrot(["hello there"], milliseconds=500), LoudDetector()
    ears = Ears(model=model, detector=detector, segmentation=cut, hotwords="Zorka")
    audio = np.concatenate([np.zeros(SAMPLE_RATE, np.int16), loud(0.8), np.zeros(2 * SAMPLE_RATE, np.int16)])
    (heard,) = hear(ears, audio)
    assert heard.text == "hello there"
    # settled 250 ms after the last voiced sample, and then 500 ms of work
    assert heard.final_ms == pytest.approx(750)
    assert len(model.heard[0]) == pytest.approx(1.05 * SAMPLE_RATE, abs=FRAME_SAMPLES)
    assert model.hotwords == ["Zorka"]
    assert detector.resets == 1


def test_a_quick_model_still_waits_for_the_end() -> None:
    audio = np.concatenate([loud(0.8), np.zeros(2 * SAMPLE_RATE, np.int16)])
    (heard,) = hear(Ears(model=Parrot(["x"], milliseconds=10), detector=LoudDetector(), segmentation=cut), audio)
    assert heard.final_ms == pytest.approx(600, abs=20)


def test_word_errors_by_group_and_times() -> None:
    ears = Ears(model=Parrot(["a cat", "a dock"]), detector=LoudDetector(), segmentation=cut)
    recordings = [
        Recording(audio=loud(1), text="a cat", group="awb"),
        Recording(audio=loud(1), text="A dog!", group="miguel"),
    ]
    found = evaluate_speech(ears, recordings, quiet_minutes=0)
    assert found.subject == "parrot"
    assert {f.name: f.value for f in found.figures} == {
        "word error rate": 25,
        "word error rate: awb": 0,
        "word error rate: miguel": 50,
        "time to final text: median": pytest.approx(600, abs=20),
        "time to final text: 95th percentile": pytest.approx(600, abs=20),
    }
    assert [each.name for each in found.left_out] == ["words invented"]


def test_words_invented_are_counted_per_hour() -> None:
    """The loud kinds open the stand-in detector; each stretch gets three words."""
    model = Parrot(["thank you all"] * 1_000)
    ears = Ears(model=model, detector=LoudDetector(), segmentation=cut)
    found = evaluate_speech(ears, quiet_minutes=1)
    values = {figure.name: figure.value for figure in found.figures}
    assert set(values) == {"words invented", *(f"words invented: {kind}" for kind in SOUNDS)}
    assert values["words invented: silence"] == 0
    assert values["words invented: fan"] == 60 * 3 / 0.2
    assert values["words invented"] == 60 * 3 * len(model.heard)
    assert [figure.n for figure in found.figures if figure.name == "words invented"] == [1]


def test_the_real_detector_stays_shut_at_sounds_without_words() -> None:
    ears = Ears(model=Parrot(["boo"] * 99), detector=load_detector(), segmentation=cut)
    found = evaluate_speech(ears, quiet_minutes=1)
    values = {figure.name: figure.value for figure in found.figures}
    assert values["words invented: silence"] == values["words invented: hiss"] == values["words invented: noise"] == 0


def test_babble_is_told_apart_from_sounds_without_words() -> None:
    said = [Recording(audio=(sound("noise", SAMPLE_RATE, seed=n)), text="a cat") for n in range(3)]
    ears = Ears(model=Parrot(["a cat"] * 1_000), detector=LoudDetector(), segmentation=cut)
    values = {figure.name: figure.value for figure in evaluate_speech(ears, said, quiet_minutes=1).figures}
    # loud all the time: one stretch of two words in a fifth of a minute
    assert values["words written of babble"] == 60 * 2 / 0.2


def test_babble_repeats_and_is_made_of_all_voices() -> None:
    voices = [sound("hiss", SAMPLE_RATE // 2, seed=n) for n in range(4)]
    one = babble(voices, 3 * SAMPLE_RATE, seed=1)
    assert np.array_equal(one, babble(voices, 3 * SAMPLE_RATE, seed=1))
    assert not np.array_equal(one, babble(voices, 3 * SAMPLE_RATE, seed=2))
    seconds = one.astype(float).reshape(3, -1)
    assert np.sqrt(np.mean(seconds**2, axis=1)) / 32_768 == pytest.approx(10 ** (-1.25), rel=0.1)


@pytest.mark.parametrize("kind", SOUNDS)
def test_sounds_repeat_and_have_their_loudness(kind: str) -> None:
    assert kind in SOUNDS
    one = sound(kind, 3 * SAMPLE_RATE, seed=1)
    assert one.shape == (3 * SAMPLE_RATE,)
    assert one.dtype == np.int16
    assert np.array_equal(one, sound(kind, 3 * SAMPLE_RATE, seed=1))
    rms = np.sqrt(np.mean(one.astype(float) ** 2)) / 32_768
    wanted = {"silence": 0, "hiss": 10 ** (-55 / 20), "noise": 10 ** (-1.5), "fan": 10 ** (-1.25), "music": 0.1}[kind]
    assert rms == pytest.approx(wanted, rel=0.05, abs=1e-5)
    if kind != "silence":
        assert not np.array_equal(one, sound(kind, 3 * SAMPLE_RATE, seed=2))
