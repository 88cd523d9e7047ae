"""The one-shot commands, as a person runs them."""

import json
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import decode_audio

from .process import speakage

SAMPLES = Path(__file__).parents[2] / "samples"
SENTENCES = json.loads((SAMPLES / "manifest.json").read_text())["samples"]


def test_demo_hears_three_sentences_and_saves_their_pictures(tmp_path: Path, engines_folder: Path) -> None:
    ran = speakage(tmp_path, engines_folder, "demo")
    assert ran.returncode == 0, ran.stderr
    saved = sorted(path.name for path in (tmp_path / "demo-pictures").glob("*.png"))
    assert [name.split("-", 3)[3] for name in saved] == [
        "a-castle-in-the-snow.png",
        "a-rocket-in-space.png",
        "a-robot-in-the-forest.png",
    ]
    for column in ("steps", "preview", "pixels", "denoise"):
        assert column in ran.stdout
    # nothing is kept that a library would tell its makers
    assert not [path for name in ("onnxruntime*", "deviceid", "openvino_ga_cid") for path in tmp_path.rglob(name)]


@pytest.mark.parametrize("sample", SENTENCES[:4], ids=lambda sample: sample["file"])
def test_listen_prints_the_words_of_a_recording(tmp_path: Path, engines_folder: Path, sample: dict[str, str]) -> None:
    ran = speakage(tmp_path, engines_folder, "listen", str(SAMPLES / sample["file"]))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == sample["text"]


def test_say_paints_a_sentence_and_marks_what_the_model_does_not_know(tmp_path: Path, engines_folder: Path) -> None:
    ran = speakage(tmp_path, engines_folder, "say", "a castle in the snow", "--out", str(tmp_path / "out"))
    assert ran.returncode == 0, ran.stderr
    assert len(list((tmp_path / "out").glob("*a-castle-in-the-snow.png"))) == 1


def test_say_paints_a_recording_as_fast_as_possible(tmp_path: Path, engines_folder: Path) -> None:
    recording = str(SAMPLES / "three-sentences.flac")
    ran = speakage(tmp_path, engines_folder, "say", recording, "--fast", "--out", str(tmp_path / "out"))
    assert ran.returncode == 0, ran.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) == 3, "no sentence is lost to the next one"


def test_say_names_a_recording_that_is_not_there(tmp_path: Path, engines_folder: Path) -> None:
    ran = speakage(tmp_path, engines_folder, "say", "missing.wav")
    assert ran.returncode == 1
    assert "missing.wav" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_getting_a_model_without_a_network_fails_within_seconds(tmp_path: Path, engines_folder: Path) -> None:
    began = time.monotonic()
    ran = speakage(tmp_path, engines_folder, "models", "get", "small.en")
    assert ran.returncode == 78
    assert "Connect to the internet" in ran.stderr
    assert time.monotonic() - began < 60
    unknown = speakage(tmp_path, engines_folder, "models", "get", "nonsense")
    assert "small.en" in unknown.stderr


def test_models_config_and_version_say_what_is(tmp_path: Path, engines_folder: Path) -> None:
    models = speakage(tmp_path, engines_folder, "models")
    assert models.returncode == 0, models.stderr
    assert "sd-turbo" in models.stdout
    shown = speakage(tmp_path, engines_folder, "config", "--set", "picture.steps=3")
    assert "picture.steps" in shown.stdout
    assert "flag" in shown.stdout
    assert "SPEAKAGE_SERVER__PORT" in shown.stdout
    assert speakage(tmp_path, engines_folder, "version").stdout.startswith("speakage ")


def test_listen_hears_who_speaks_from_afar(tmp_path: Path, engines_folder: Path) -> None:
    """At 74 dB below full scale nothing is understood without gain; it rises while somebody speaks."""
    near = decode_audio(str(SAMPLES / "robot.flac"))
    pause = np.zeros(2 * 16_000, np.float32)
    far = np.rint(np.concatenate([near, pause] * 3) * 32_767 * 10 ** (-52 / 20)).astype(np.int16)
    with wave.open(str(tmp_path / "far.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(far.tobytes())
    heard = speakage(tmp_path, engines_folder, "listen", str(tmp_path / "far.wav"))
    assert heard.returncode == 0, heard.stderr
    assert heard.stdout.splitlines()[-1] == "could you paint me a robot in the forest"
    plain = speakage(tmp_path, engines_folder, "listen", str(tmp_path / "far.wav"), "--set", "hearing.gain=off")
    assert "robot in the forest" not in plain.stdout
