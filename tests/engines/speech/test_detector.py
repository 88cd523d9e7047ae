"""The detectors on real sounds; streaming equals one pass over the whole recording."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE, Activity, Samples, load_detector
from speakage_engines.speech.detector import WebRtcSilero
from speakage_engines.speech.silero import Silero

FRONT_CENTER = Path("/usr/share/sounds/alsa/Front_Center.wav")
"""A person saying "front, center": Debian's alsa-utils."""
SENTENCE = "could you paint me a robot in the forest"


def whole_pass(pcm: Samples) -> NDArray[np.float32]:
    """The reference: every block of 512 in one run, each with the 64 samples before it; the network keeps the state."""
    blocks = pcm[: len(pcm) // 512 * 512].reshape(-1, 512).astype(np.float32) / 32_768
    context = np.vstack([np.zeros((1, 64), np.float32), blocks[:-1, -64:]])
    session = onnxruntime.InferenceSession(str(files("faster_whisper") / "assets" / "silero_vad_v6.onnx"))
    state = np.zeros((1, 1, 128), np.float32)
    return session.run(None, {"input": np.hstack([context, blocks]), "h": state, "c": state})[0].ravel()


def frames(pcm: Samples) -> list[Samples]:
    return [pcm[start : start + FRAME_SAMPLES] for start in range(0, len(pcm) - FRAME_SAMPLES + 1, FRAME_SAMPLES)]


def activities(pcm: Samples) -> list[Activity]:
    detector = load_detector()
    return [detector.feed(frame) for frame in frames(pcm)]


def test_streaming_equals_one_pass(say: Callable[..., Samples]) -> None:
    pcm = say(SENTENCE)
    expected = whole_pass(pcm)
    assert expected.max() > 0.9
    for number, activity in enumerate(activities(pcm), 1):
        finished = number * FRAME_SAMPLES // 512
        wanted = expected[finished - 1] if finished else 0.0
        assert activity.probability == pytest.approx(wanted, abs=1e-4), f"frame {number}"


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 16_000), max_size=40))
def test_chunking_never_matters(say: Callable[..., Samples], cuts: list[int]) -> None:
    pcm = say(SENTENCE)[8_000:24_000]
    whole = Silero().feed(pcm)
    silero, last = Silero(), 0.0
    for start, stop in pairwise([0, *sorted(cuts), len(pcm)]):
        last = silero.feed(pcm[start:stop])
    assert last == whole


def test_one_sample_at_a_time(say: Callable[..., Samples]) -> None:
    pcm = say(SENTENCE)[8_000:12_000]
    silero = Silero()
    singly = [silero.feed(pcm[at : at + 1]) for at in range(len(pcm))]
    assert singly[511::512] == pytest.approx(whole_pass(pcm), abs=1e-4)


@pytest.mark.parametrize("voice", ["espeak-ng en-us+miguel", "espeak-ng en-gb-scotland", "flite awb", "flite slt"])
def test_synthetic_voices_are_speech(say: Callable[..., Samples], voice: str) -> None:
    heard = activities(say(SENTENCE, voice))
    both = [activity.voiced and activity.probability > 0.5 for activity in heard]
    assert sum(both) * 20 > 1_200, "milliseconds of speech found in a sentence of over two seconds"
    assert not any(both[:20]), "nothing in the silence before it"
    assert not any(both[-15:]), "nothing in the silence after it"


def test_a_person_is_speech(read: Callable[[Path], Samples]) -> None:
    heard = activities(read(FRONT_CENTER))
    assert sum(activity.voiced and activity.probability > 0.5 for activity in heard) > len(heard) / 2


@pytest.mark.parametrize("kind", ["silence", "hiss", "loud noise", "hum", "tone"])
def test_no_noise_is_confirmed(kind: str) -> None:
    rng, time = np.random.default_rng(1), np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    sounds = {
        "silence": np.zeros(len(time)),
        "hiss": rng.normal(0, 33, len(time)),
        "loud noise": rng.normal(0, 3_300, len(time)),
        "hum": 3_300 * np.sin(2 * np.pi * 50 * time),
        "tone": 3_300 * np.sin(2 * np.pi * 440 * time),
    }
    heard = activities(sounds[kind].astype(np.int16))
    assert max(activity.probability for activity in heard) < 0.5


def test_silence_does_not_even_open() -> None:
    assert not any(activity.voiced for activity in activities(np.zeros(SAMPLE_RATE, np.int16)))


def test_reset_forgets(say: Callable[..., Samples]) -> None:
    pcm = say(SENTENCE)
    detector = WebRtcSilero()
    first = [detector.feed(frame) for frame in frames(pcm)[:70]]
    continued = [detector.feed(frame) for frame in frames(pcm)[:70]]
    detector.reset()
    again = [detector.feed(frame) for frame in frames(pcm)[:70]]
    assert again == first
    assert continued != first, "else a reset proves nothing"


@pytest.mark.parametrize("frame", [np.zeros(319, np.int16), np.zeros(320, np.float32), np.zeros((1, 320), np.int16)])
def test_other_frames_are_refused(frame: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match="320 samples of int16"):
        WebRtcSilero().feed(frame)
