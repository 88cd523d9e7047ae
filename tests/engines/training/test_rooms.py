"""Rooms and noise, measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from speakage_engines.api import SAMPLE_RATE
from speakage_engines.training import rooms
from speakage_engines.training.rooms import Audio

SECOND = SAMPLE_RATE


def tone(hertz: float, seconds: float = 1.0) -> Audio:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


def decibels(ratio: float) -> float:
    return float(20 * np.log10(ratio))


def power_at(audio: Audio, low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(audio)) ** 2
    frequency = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    return float(spectrum[(frequency >= low) & (frequency < high)].mean())


@pytest.mark.parametrize("snr", [-5.0, 0.0, 10.0, 30.0])
def test_the_signal_to_noise_ratio_is_the_one_asked_for(snr: float) -> None:
    speech = tone(440)
    noise = rooms.noise(len(speech), 0.5, np.random.default_rng(1))
    added = rooms.mix(speech, noise, snr) - speech
    assert decibels(rooms.rms(speech) / rooms.rms(added)) == pytest.approx(snr, abs=0.1)


@pytest.mark.parametrize("rt60", [0.15, 0.4, 0.8])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_reverberation_time_is_the_one_asked_for(rt60: float, seed: int) -> None:
    response = rooms.room(rt60, np.random.default_rng(seed))
    # Schroeder's backward integration, without the direct sound; the slope from -5 to -25 dB, times three
    tail = response[int(0.045 * SAMPLE_RATE) :].astype(np.float64)
    decay = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2))
    first, last = np.argmax(decay < -5), np.argmax(decay < -25)
    assert 3 * (last - first) / SAMPLE_RATE == pytest.approx(rt60, rel=0.15)


def test_a_room_prolongs_and_keeps_the_direct_sound_in_place() -> None:
    click = np.zeros(SECOND, np.float32)
    click[100] = 1
    heard = rooms.reverberate(click, rooms.room(0.3, np.random.default_rng(1)))
    assert int(np.argmax(np.abs(heard))) == 100
    assert len(heard) > SECOND
    assert np.abs(heard[200:3_000]).max() > 0.01


def test_slopes_of_noise() -> None:
    for slope, wanted in ((0.0, 0.0), (0.5, -3.0), (1.0, -6.0)):
        heard = rooms.noise(8 * SECOND, slope, np.random.default_rng(1))
        octave = power_at(heard, 1_000, 1_100) / power_at(heard, 500, 550)
        assert 10 * np.log10(octave) == pytest.approx(wanted, abs=0.8), "decibels an octave"


def test_level_and_speed() -> None:
    assert decibels(rooms.rms(rooms.at_level(tone(300), -24))) == pytest.approx(-24, abs=0.1)
    assert np.abs(rooms.at_level(tone(300), 20)).max() <= 1
    quicker = rooms.faster(tone(400), 1.25)
    assert len(quicker) == pytest.approx(SECOND / 1.25, abs=2)
    assert int(np.argmax(np.abs(np.fft.rfft(quicker)))) * SAMPLE_RATE / len(quicker) == pytest.approx(500, abs=2)


def test_babble_holds_everyone() -> None:
    voices = [tone(300), tone(700, 0.4), tone(1_900, 3)]
    heard = rooms.babble(2 * SECOND, voices, np.random.default_rng(1))
    assert len(heard) == 2 * SECOND
    silence = power_at(heard, 3_000, 4_000)
    for hertz in (300, 700, 1_900):
        assert power_at(heard, hertz - 10, hertz + 10) > 1_000 * silence


def voices() -> list[Audio]:
    return [tone(200), tone(310), tone(415)]


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: rooms.noise(SECOND, 0.7, rng),
        lambda rng: rooms.fan(SECOND, rng),
        lambda rng: rooms.music(SECOND, rng),
        lambda rng: rooms.clatter(SECOND, rng),
        lambda rng: rooms.background(SECOND, voices, rng),
        lambda rng: rooms.microphone(tone(500), rng),
    ],
)
def test_every_sound_follows_from_its_seed(make: Callable[[np.random.Generator], Audio]) -> None:
    first, again, other = (make(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    assert len(first) == SECOND
    assert np.isfinite(first).all()
    assert rooms.rms(first) > 1e-4
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_microphone_cuts_what_lies_outside_speech() -> None:
    for seed in range(10):
        heard = rooms.microphone(tone(1_000), np.random.default_rng(seed))
        rumble = rooms.microphone(tone(8), np.random.default_rng(seed))
        assert rooms.rms(rumble) < rooms.rms(heard) / 2
