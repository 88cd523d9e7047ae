"""Real ears and real voices: the embedded model, and sentences spoken by synthesisers."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soxr

from speakage_engines.api import SAMPLE_RATE, Samples, SpeechSpec
from speakage_engines.speech.whisper import ShortContextWhisper, load

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def speech_set() -> ModuleType:
    """``benchmarks/speech_set.py``, which is a script's neighbour and no package."""
    spec = importlib.util.spec_from_file_location("speech_set", ROOT / "benchmarks" / "speech_set.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def read(speech_set: ModuleType) -> Callable[[Path], Samples]:
    """Reads a WAV as 16 kHz."""

    def read_path(path: Path) -> Samples:
        pcm, rate = speech_set.read_wav(path)
        return soxr.resample(pcm, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else pcm

    return read_path


@pytest.fixture(scope="session")
def say(
    speech_set: ModuleType, read: Callable[[Path], Samples], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Samples]:
    """Speaks a text with a voice: 16 kHz, with half a second of silence on either side."""

    def say_text(text: str, voice: str = "espeak-ng en-us+miguel") -> Samples:
        path = tmp_path_factory.mktemp("voice") / "spoken.wav"
        speech_set.speak(text, voice, path)
        return np.pad(read(path), SAMPLE_RATE // 2)

    return say_text


@pytest.fixture(scope="session")
def spec() -> SpeechSpec:
    return SpeechSpec(model="embedded", device="cpu", models_folder=Path("/nonexistent"))


@pytest.fixture(scope="session")
def ears(spec: SpeechSpec) -> ShortContextWhisper:
    return load(spec)
