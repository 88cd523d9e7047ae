"""Wake words, spoken by synthesisers, through the real detectors; and files that no library may see."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from speakage_engines.api import (
    FRAME_SAMPLES,
    ModelError,
    Samples,
    WakeSpec,
    WakeWordDetector,
    check_wake_words,
    load_wake_words,
    wake_words,
)
from speakage_engines.speech.wake_models import shipped


def heard(detector: WakeWordDetector, pcm: Samples) -> dict[str, int]:
    """The first sample at which each word was heard."""
    found: dict[str, int] = {}
    for end in range(FRAME_SAMPLES, len(pcm) + 1, FRAME_SAMPLES):
        for score in detector.feed(pcm[end - FRAME_SAMPLES : end]):
            assert 0 <= score.score <= 1
            if score.heard:
                found.setdefault(score.word, end)
    return found


@pytest.fixture(scope="module")
def nabu(say: Callable[[str, str], Samples]) -> Samples:
    return np.pad(say("okay nabu", "flite rms"), 16_000)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A model of one's own: one that ships, under another name."""
    original = shipped("micro")["okay_nabu"]
    told = json.loads(original.with_suffix(".json").read_text())
    (tmp_path / "mine.json").write_text(json.dumps(told | {"model": "mine.tflite", "wake_word": "Mine"}))
    shutil.copy(original, tmp_path / "mine.tflite")
    return tmp_path / "mine.tflite"


def test_a_word_is_heard_once_it_is_said_and_no_other(nabu: Samples) -> None:
    detector = load_wake_words(WakeSpec(words=("okay_nabu", "alexa")))
    assert detector.words == ("okay_nabu", "alexa")
    found = heard(detector, nabu)
    assert list(found) == ["okay_nabu"]
    spoken = np.flatnonzero(nabu)
    assert spoken[0] + 8_000 < found["okay_nabu"] < spoken[-1] + 4_800


def test_forgetting_makes_it_as_new(nabu: Samples) -> None:
    detector = load_wake_words(WakeSpec(words=("okay_nabu",)))
    first = heard(detector, nabu)
    detector.feed(nabu[32_000:32_320])
    detector.reset()
    assert heard(detector, nabu) == first


def test_the_threshold_can_be_set(nabu: Samples) -> None:
    scores = load_wake_words(WakeSpec(words=("okay_nabu",), threshold=0.999)).feed(nabu[:320])
    assert scores[0].threshold == 0.999


def test_without_one_the_measured_threshold_holds_and_else_the_models_own(nabu: Samples, mine: Path) -> None:
    detector = load_wake_words(WakeSpec(words=("okay_nabu", "alexa", str(mine))))
    thresholds = {score.word: score.threshold for score in detector.feed(nabu[:320])}
    own = json.loads(mine.with_suffix(".json").read_text())["micro"]["probability_cutoff"]
    alexa = json.loads(shipped("micro")["alexa"].with_suffix(".json").read_text())["micro"]["probability_cutoff"]
    assert thresholds == {"okay_nabu": 0.87, "alexa": alexa, "mine": own}
    assert own == 0.85


def test_a_sentence_without_it_wakes_nobody(say: Callable[[str, str], Samples]) -> None:
    detector = load_wake_words(WakeSpec(words=wake_words("micro")))
    for voice in ("flite rms", "espeak-ng en-us+miguel"):
        assert not heard(detector, say("could you paint me a robot in the forest", voice))


def test_the_other_engine_hears_it_too(say: Callable[[str, str], Samples]) -> None:
    pytest.importorskip("pyopen_wakeword", reason="the extra is not installed: pip install 'speakage[openwakeword]'")
    spoken = np.pad(say("hey jarvis", "flite rms"), 16_000)
    detector = load_wake_words(WakeSpec(words=("hey_jarvis", "alexa"), engine="open"))
    found = heard(detector, spoken)
    assert list(found) == ["hey_jarvis"]
    detector.reset()
    assert heard(detector, spoken) == found


def test_engines_name_the_words_they_ship() -> None:
    assert wake_words("micro") == ("alexa", "hey_jarvis", "hey_mycroft", "okay_nabu")


@pytest.mark.parametrize("named", ["mine.tflite", "mine.json"])
def test_a_model_of_ones_own_is_heard(mine: Path, named: str, nabu: Samples) -> None:
    detector = load_wake_words(WakeSpec(words=(str(mine.with_name(named)),)))
    assert list(heard(detector, nabu)) == ["mine"]


def refused(*words: str) -> str:
    with pytest.raises(ModelError) as caught:
        check_wake_words(WakeSpec(words=words))
    return str(caught.value)


def test_what_is_no_wake_word_is_named_with_those_there_are() -> None:
    told = refused("okay_nabu", "okay_nabo")
    assert "'okay_nabo'" in told
    assert "hey_mycroft" in told
    assert "hearing.wake_words" in refused()


def test_files_that_are_not_there_never_reach_the_library(tmp_path: Path, mine: Path) -> None:
    assert str(tmp_path / "none.tflite") in refused(str(tmp_path / "none.tflite"))
    mine.with_suffix(".json").rename(tmp_path / "other.json")
    told = refused(str(mine))
    assert "mine.json is missing" in told
    assert "put it beside" in told
    mine.unlink()
    assert str(mine) in refused(str(tmp_path / "other.json"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:20_000],
        lambda data: data[:4],
        lambda data: b"",
        lambda data: b"RIFF0000WAVE" + data,
        lambda data: data[:4] + b"TFL3" + bytes(5_000),
    ],
)
def test_files_that_are_no_models_never_reach_the_library(mine: Path, damage: Callable[[bytes], bytes]) -> None:
    mine.write_bytes(damage(mine.read_bytes()))
    told = refused(str(mine))
    assert str(mine) in told
    assert "not a whole TensorFlow Lite model" in told


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"model": "mine.tflite", "wake_word": "x", "micro": {}}'])
def test_a_manifest_that_says_nothing_is_named(mine: Path, manifest: str) -> None:
    mine.with_suffix(".json").write_text(manifest)
    assert "mine.json: not a manifest of microWakeWord" in refused(str(mine))


def test_two_models_of_one_name_are_told_apart_or_refused(mine: Path, tmp_path: Path) -> None:
    twin = shutil.copytree(mine.parent, tmp_path / "twin") / mine.name
    assert "both called mine" in refused(str(mine), str(twin))
    check_wake_words(WakeSpec(words=(str(mine), str(mine))))


def test_a_model_of_the_other_engine_is_refused(mine: Path) -> None:
    pytest.importorskip("pyopen_wakeword", reason="the extra is not installed: pip install 'speakage[openwakeword]'")
    shutil.copy(shipped("open")["okay_nabu"], mine)
    with pytest.raises(ModelError, match="not a model of microWakeWord"):
        load_wake_words(WakeSpec(words=(str(mine),)))
    shutil.copy(shipped("micro")["okay_nabu"], mine)
    with pytest.raises(ModelError, match="not a model of openWakeWord"):
        load_wake_words(WakeSpec(words=(str(mine),), engine="open"))
