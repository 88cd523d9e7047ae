"""The recordings that ship: the embedded ears hear them right, and the manifest says truly where each one stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from speakage_engines.api import SAMPLE_RATE, Samples
from speakage_engines.speech.whisper import ShortContextWhisper

FOLDER = Path(__file__).resolve().parents[3] / "samples"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text())
THREE: dict[str, Any] = MANIFEST["joined"][0]


def read(file: str, rate: int = SAMPLE_RATE) -> Samples:
    return np.round(decode_audio(str(FOLDER / file), rate) * 32_768).astype(np.int16)


@pytest.mark.parametrize("sample", MANIFEST["samples"], ids=lambda sample: sample["file"])
def test_each_is_heard_right(ears: ShortContextWhisper, sample: dict[str, Any]) -> None:
    audio = read(sample["file"])
    assert ears.transcribe(audio).text == sample["text"]
    after = int(sample["last_voiced_ms"] + 200) * SAMPLE_RATE // 1000
    assert ears.transcribe(audio[:after]).text == sample["text"], "at a pause of 200 ms too"


@pytest.mark.parametrize("sample", MANIFEST["samples"], ids=lambda sample: sample["file"])
def test_the_manifest_follows_its_rule(sample: dict[str, Any]) -> None:
    rate = sample["sample_rate"]
    pcm = read(sample["file"], rate).astype(np.float64)
    block = rate // 100
    levels = [np.sqrt((pcm[at : at + block] ** 2).mean()) for at in range(0, len(pcm), block)]
    last = max(number for number, level in enumerate(levels) if level > abs(pcm).max() / 100)
    assert (last + 1) * block * 1000 / rate == pytest.approx(sample["last_voiced_ms"], abs=0.1)


def test_three_sentences_with_pauses(ears: ShortContextWhisper) -> None:
    audio = read(THREE["file"])
    start = 0
    for sentence in THREE["sentences"]:
        stop = int((sentence["last_voiced_ms"] + 300) * SAMPLE_RATE / 1000)
        first_sound = start + int(np.flatnonzero(abs(audio[start:stop]) > 100)[0])
        heard = ears.transcribe(audio[max(0, first_sound - SAMPLE_RATE // 2) : stop])
        assert heard.text == sentence["text"]
        pause = audio[stop : stop + 3 * SAMPLE_RATE // 2]
        assert len(pause) == 3 * SAMPLE_RATE // 2
        assert abs(pause).max() < 100, "1.5 s of silence after each"
        start = stop


def test_voices_were_never_trained_on_and_files_stay_small(speech_set: Any) -> None:
    assert {sample["voice"] for sample in MANIFEST["samples"]} == set(speech_set.HELD_OUT_VOICES)
    assert sum(file.stat().st_size for file in FOLDER.glob("*.flac")) < 1_000_000
