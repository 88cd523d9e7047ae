"""Quiet speech is turned up and loud speech down, slowly; noise is left alone, and nothing clips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.hearing import gain as gains
from speakage_daemon.hearing.gain import AutomaticGain
from speakage_engines.api import FRAME_SAMPLES, Samples


def tone(dbfs: float, frames: int = 1) -> Samples:
    """A sine of that RMS."""
    time = np.arange(frames * FRAME_SAMPLES)
    return (32_768 * np.sqrt(2) * 10 ** (dbfs / 20) * np.sin(time / 7)).clip(-32_768, 32_767).astype(np.int16)


def rms(pcm: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(pcm.astype(np.float64))) / 32_768**2))


def hear(gain: AutomaticGain, dbfs: float, frames: int, probability: float = 0.9) -> Samples:
    """The last frame, as it comes out."""
    for _ in range(frames):
        out = gain.apply(tone(dbfs))
        gain.learn(tone(dbfs), probability)
    return out


@pytest.mark.parametrize("dbfs", [-45, -30, -24, -15])
def test_speech_comes_to_one_level(dbfs: float) -> None:
    assert rms(hear(AutomaticGain(), dbfs, 300)) == pytest.approx(-24, abs=0.3)


def test_it_goes_up_slowly_and_down_faster() -> None:
    gain = AutomaticGain()
    hear(gain, -45, 50)
    assert gain.gain_db == pytest.approx(10)
    hear(gain, -45, 150)
    risen = gain.gain_db
    hear(gain, -10, 25)
    assert gain.gain_db < risen - 10


def test_it_has_an_end_on_both_sides() -> None:
    gain = AutomaticGain()
    hear(gain, -80, 600)
    assert gain.gain_db == 30
    hear(gain, -3, 600)
    assert gain.gain_db == -12


def test_what_is_no_speech_is_not_measured() -> None:
    gain = AutomaticGain()
    hear(gain, -60, 500, probability=0.2)
    assert (gain.gain_db, gain.level) == (0, "good")


def test_silence_stays_silence_and_another_source_begins_anew() -> None:
    gain = AutomaticGain()
    hear(gain, -45, 100)
    silence = np.zeros(FRAME_SAMPLES, np.int16)
    assert not gain.apply(silence).any()
    gain.learn(silence, 0.9)
    gain.reset()
    assert gain.gain_db == 0
    np.testing.assert_array_equal(gain.apply(tone(-45)), tone(-45))


def test_who_is_too_far_away_or_too_close_is_told_after_some_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    gain = AutomaticGain()
    hear(gain, -60, 99)
    assert gain.level == "good", "not yet certain"
    hear(gain, -60, 1)
    assert gain.level == "too_quiet"
    hear(gain, -30, 200)
    assert gain.level == "good"
    hear(gain, 0, 200)
    assert gain.level == "too_loud"
    monkeypatch.setattr(gains, "CERTAIN_FRAMES", 0)
    assert AutomaticGain().level == "too_quiet", "nothing at all was heard"


@given(st.lists(st.tuples(st.floats(-90, 0), st.floats(0, 1)), max_size=60))
def test_nothing_is_ever_clipped_that_was_not(frames: list[tuple[float, float]]) -> None:
    gain = AutomaticGain()
    for dbfs, probability in frames:
        pcm = tone(dbfs - 4)
        out = gain.apply(pcm)
        assert out.dtype == np.int16
        assert (np.sign(out) * np.sign(pcm) >= 0).all(), "no sample changed its sign"
        gain.learn(pcm, probability)
