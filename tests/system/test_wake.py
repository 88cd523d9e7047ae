"""A wake word and a sentence in one breath, through the whole daemon: exactly that sentence is painted."""

import wave
from pathlib import Path

import numpy as np
import pytest

from speakage_engines.training.speech import Order, speak

from .process import speakage


def spoken(folder: Path, *texts: str) -> str:
    """A recording with two seconds of silence around each."""
    silence = np.zeros(32_000, np.int16)
    pieces = [silence]
    for text in texts:
        pieces += [speak(Order(text, "", "flite rms", 130, 50)).audio, silence]
    path = folder / "said.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.concatenate(pieces).tobytes())
    return str(path)


@pytest.mark.timeout(400)
def test_what_follows_the_word_in_one_breath_is_painted_and_nothing_else(tmp_path: Path, engines_folder: Path) -> None:
    recording = spoken(tmp_path, "a house at night", "okay nabu a castle in the snow")
    quickly = ["--set", "picture.backend=torch", "--set", "picture.precision=fp32", "--set", "picture.steps=1"]
    settings = ["--set", "hearing.mode=word", *quickly, "--out", str(tmp_path / "out")]
    ran = speakage(tmp_path, engines_folder, "say", recording, "--fast", *settings, timeout=300)
    assert ran.returncode == 0, ran.stderr
    painted = [path.name.split("-", 3)[3] for path in (tmp_path / "out").glob("*.png")]
    assert painted == ["a-castle-in-the-snow.png"]


def test_a_test_of_wake_words_tells_when_and_how_surely_they_were_heard(tmp_path: Path, engines_folder: Path) -> None:
    recording = spoken(tmp_path, "a house at night", "okay nabu")
    ran = speakage(tmp_path, engines_folder, "wake", "test", "--file", recording)
    assert ran.returncode == 0, ran.stderr
    heard, best = ran.stdout.splitlines()
    assert heard.split()[1:] == ["s", "okay_nabu", heard.split()[-1]]
    assert 5 < float(heard.split()[0]) < 9
    assert float(heard.split()[-1]) > 0.87
    assert best.startswith("best of okay_nabu: ")


def test_wake_words_are_listed_with_their_licences(tmp_path: Path, engines_folder: Path) -> None:
    ran = speakage(tmp_path, engines_folder, "wake", "list")
    assert ran.returncode == 0, ran.stderr
    for word in ("hey_mycroft", "Apache-2.0", "CC-BY-NC-SA"):
        assert word in ran.stdout


def test_a_wake_word_that_is_not_there_is_one_sentence(tmp_path: Path, engines_folder: Path) -> None:
    ran = speakage(tmp_path, engines_folder, "wake", "test", "--set", "hearing.wake_words=/none/castle.tflite")
    assert ran.returncode == 78
    assert "/none/castle.tflite" in ran.stderr
    assert "okay_nabu" in ran.stderr
    assert "Traceback" not in ran.stderr
