from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from speakage_daemon.errors import SourceError
from speakage_daemon.hearing.resample import Resampler, read_pcm
from speakage_engines.api import SAMPLE_RATE, Samples

RATES = [8_000, 16_000, 22_050, 44_100, 48_000, 192_000]


def tone(rate: int, hertz: float, seconds: float = 1.0) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def resampled(resampler: Resampler, sound: NDArray[np.float32], piece: int) -> Samples:
    pieces = [resampler.feed(sound[at : at + piece]) for at in range(0, len(sound), piece)]
    return np.concatenate([*pieces, resampler.flush()])


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_pitch_loudness_and_length(rate: int) -> None:
    heard = resampled(Resampler(rate), tone(rate, 1_000), rate // 50)

    assert len(heard) == pytest.approx(SAMPLE_RATE, abs=2)
    middle = heard[SAMPLE_RATE // 4 : -SAMPLE_RATE // 4]
    assert np.argmax(abs(np.fft.rfft(middle))) * SAMPLE_RATE / len(middle) == pytest.approx(1_000, abs=2)
    assert middle.std() * np.sqrt(2) == pytest.approx(0.5 * 32_768, rel=0.01)


def test_what_16_khz_cannot_carry_is_not_folded_into_speech() -> None:
    assert abs(resampled(Resampler(48_000), tone(48_000, 10_000), 960)[4_000:-4_000]).max() <= 1


def test_channels_are_mixed() -> None:
    left = tone(48_000, 500)
    both = np.column_stack([left, np.zeros_like(left)]).reshape(-1)

    heard = resampled(Resampler(48_000, channels=2), both, 1_920)

    assert np.array_equal(heard, resampled(Resampler(48_000), left / 2, 960))


@pytest.mark.parametrize("rate", RATES)
def test_sound_is_held_back_for_less_than_a_frame_and_a_half(rate: int) -> None:
    resampler = Resampler(rate)
    given_s = heard_s = worst = 0.0
    for piece in np.split(tone(rate, 300, 1.0), 50):
        given_s += len(piece) / rate
        heard_s += len(resampler.feed(piece)) / SAMPLE_RATE
        worst = max(worst, given_s - heard_s)

    assert worst <= 0.031


@given(st.lists(st.integers(1, 4_000), max_size=5))
def test_the_pieces_sound_arrives_in_do_not_matter(cuts: list[int]) -> None:
    sound = tone(44_100, 700, 0.2)
    resampler = Resampler(44_100)
    pieces = [resampler.feed(piece) for piece in np.split(sound, sorted(cuts))]

    assert np.array_equal(np.concatenate([*pieces, resampler.flush()]), resampled(Resampler(44_100), sound, len(sound)))


@given(st.lists(st.integers(-32_768, 32_767)))
def test_16_khz_int16_passes_unchanged(samples: list[int]) -> None:
    pcm = np.array(samples, "<i2")

    assert Resampler(SAMPLE_RATE).feed(read_pcm(pcm.tobytes(), "pcm_s16le")).tolist() == samples


def test_floats_beyond_full_scale_are_clipped() -> None:
    loud = np.array([2.0, -2.0, 1.0, 0.5], "<f4").tobytes()

    assert Resampler(SAMPLE_RATE).feed(read_pcm(loud, "pcm_f32le")).tolist() == [32_767, -32_768, 32_767, 16_384]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_floats_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(SourceError, match="finite"):
        read_pcm(np.array([0.0, bad], "<f4").tobytes(), "pcm_f32le")


@pytest.mark.parametrize("rate", [0, -1, 7_999, 192_001])
def test_an_absurd_rate_is_refused(rate: int) -> None:
    with pytest.raises(SourceError, match=f"audio_rate: {rate} Hz"):
        Resampler(rate)
