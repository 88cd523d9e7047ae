r"""What happens to speech before a microphone hears it: rooms, noise, other people, music, distance. NumPy only.

Audio is float32 at 16 kHz, full scale 1. Everything follows from the generator that is passed in. A room is an impulse
response: the direct sound, a few early reflections, and noise that falls by 60 dB in the reverberation time (RT60),
:math:`h(t) = n(t)\,10^{-3t/RT_{60}}` (Polack 1988). No claim is made that one of them is a real place.

This module does *not* know texts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speakage_engines.api import SAMPLE_RATE

Audio = NDArray[np.float32]

SLOPES: Final = {"white": 0.0, "pink": 0.5, "brown": 1.0}
"""Exponents of :math:`1/f^a` on the amplitude."""
_EPSILON: Final = 1e-12


def rms(audio: Audio) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)) + _EPSILON))


def mix(speech: Audio, noise: Audio, snr_db: float) -> Audio:
    """``speech`` with ``noise`` under it, the ratio of their mean powers being ``snr_db``; of equal lengths."""
    scale = rms(speech) / rms(noise) * 10 ** (-snr_db / 20)
    return (speech + np.float32(scale) * noise).astype(np.float32)


def at_level(audio: Audio, dbfs: float) -> Audio:
    """Scaled to an RMS of ``dbfs``, and clipped at full scale as a converter does."""
    level: Audio = np.clip(audio * (10 ** (dbfs / 20) / rms(audio)), -1, 1).astype(np.float32)
    return level


def faster(audio: Audio, factor: float) -> Audio:
    """Played ``factor`` times as fast: shorter and higher, as another speaker would be."""
    places = np.arange(0, len(audio) - 1, factor)
    played: Audio = np.interp(places, np.arange(len(audio)), audio).astype(np.float32)
    return played


def noise(samples: int, slope: float, rng: np.random.Generator) -> Audio:
    """Noise whose amplitude falls as :math:`1/f^{slope}`: 0 is white, ½ pink, 1 brown; RMS near 0.1."""
    size = _fast_size(samples)
    spectrum = np.fft.rfft(rng.standard_normal(size))
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    # flat below 20 Hz, or all power would lie where nobody hears it
    shaped = np.fft.irfft(spectrum * np.maximum(frequency, 20) ** -slope, size)[:samples].astype(np.float32)
    return (shaped * (0.1 / rms(shaped))).astype(np.float32)


def fan(samples: int, rng: np.random.Generator) -> Audio:
    """A machine that runs: a hum with overtones that beats slowly, and the rush of air."""
    time = np.arange(samples) / SAMPLE_RATE
    ground = rng.uniform(40, 240)
    hum = np.zeros(samples)
    for overtone in range(1, rng.integers(3, 9)):
        hum += rng.uniform(0.2, 1) / overtone * np.sin(2 * np.pi * ground * overtone * time + rng.uniform(0, 6.28))
    hum *= 1 + rng.uniform(0, 0.5) * np.sin(2 * np.pi * rng.uniform(0.2, 6) * time)
    return mix(hum.astype(np.float32), noise(samples, rng.uniform(0.3, 1), rng), rng.uniform(-8, 10))


def music(samples: int, rng: np.random.Generator) -> Audio:
    """Something like music: chords and a tune of plucked or blown tones in one scale, with or without a beat."""
    beat = int(SAMPLE_RATE * rng.uniform(0.15, 0.5))
    root = rng.uniform(110, 330)
    scale = root * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16]) / 12)
    brightness, decay = rng.uniform(0.5, 2), rng.uniform(0.5, 8)
    drums = rng.random() < 0.5
    whole = np.zeros(samples + 8 * beat)
    for start in range(0, samples, beat):
        length = beat * int(rng.integers(1, 5))
        time = np.arange(length) / SAMPLE_RATE
        envelope = np.exp(-decay * time) * np.minimum(1, time / 0.01) * np.minimum(1, (length - 1) / SAMPLE_RATE - time)
        for pitch in rng.choice(scale, int(rng.integers(1, 4)), replace=False):
            for overtone in range(1, 6):
                tone = np.sin(2 * np.pi * pitch * overtone * time) * overtone**-brightness
                whole[start : start + length] += tone * envelope
        if drums:
            hit = rng.standard_normal(beat) * np.exp(-np.arange(beat) / SAMPLE_RATE * rng.uniform(20, 60))
            whole[start : start + beat] += hit
    heard = whole[:samples].astype(np.float32)
    return (heard * (0.1 / rms(heard))).astype(np.float32)


def babble(samples: int, voices: list[Audio], rng: np.random.Generator) -> Audio:
    """Several people at once, each looped from somewhere and about as loud as the others."""
    whole = np.zeros(samples, np.float32)
    for voice in voices:
        shifted = np.roll(np.resize(voice, max(samples, len(voice))), int(rng.integers(len(voice))))[:samples]
        whole += shifted * np.float32(rng.uniform(0.7, 1.3) / rms(voice))
    return (whole * (0.1 / rms(whole))).astype(np.float32)


def clatter(samples: int, rng: np.random.Generator) -> Audio:
    """Knocks and clicks at irregular moments over a little noise."""
    whole = noise(samples, 0.5, rng) * np.float32(0.02)
    for _ in range(int(rng.integers(1, 8))):
        length = int(rng.integers(80, 2_400))
        start = int(rng.integers(0, max(1, samples - length)))
        knock = rng.standard_normal(length) * np.exp(-np.arange(length) / length * rng.uniform(4, 12))
        piece = whole[start : start + length]
        piece += (knock[: len(piece)] * rng.uniform(0.1, 1)).astype(np.float32)
    return whole


def room(rt60: float, rng: np.random.Generator, distance: float = 0.5) -> Audio:
    """An impulse response of ``rt60`` seconds; ``distance`` 0 to 1 says how little of it is the direct sound."""
    samples = max(2, int(SAMPLE_RATE * rt60 * 1.1))
    time = np.arange(samples) / SAMPLE_RATE
    tail = rng.standard_normal(samples) * 10 ** (-3 * time / rt60)
    tail[: int(0.002 * SAMPLE_RATE)] = 0
    for delay in rng.uniform(0.002, 0.04, 6):
        if (place := int(delay * SAMPLE_RATE)) < samples:
            tail[place] += rng.choice((-1, 1)) * 3 * 10 ** (-3 * delay / rt60)
    tail *= np.sqrt(0.2 + 2 * distance) / np.sqrt(np.sum(tail**2) + _EPSILON)
    tail[0] = 1.0
    return tail.astype(np.float32)


def reverberate(audio: Audio, response: Audio) -> Audio:
    """As heard in a room: longer by its response."""
    samples = len(audio) + len(response) - 1
    size = _fast_size(samples)
    heard = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(response, size), size)
    return heard[:samples].astype(np.float32)


def microphone(audio: Audio, rng: np.random.Generator) -> Audio:
    """Through a microphone that colours: low and high cut, and a gentle random curve between."""
    size = _fast_size(len(audio))
    spectrum = np.fft.rfft(audio, size)
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    octaves = np.log2(np.maximum(frequency, 30) / 30)
    curve = np.interp(octaves, np.arange(9), rng.uniform(-6, 6, 9))
    low, high = rng.uniform(20, 250), rng.uniform(3_400, 8_000)
    gain = (
        10 ** (curve / 20) / np.sqrt(1 + (low / np.maximum(frequency, 1)) ** 4) / np.sqrt(1 + (frequency / high) ** 8)
    )
    return np.fft.irfft(spectrum * gain, size)[: len(audio)].astype(np.float32)


def background(samples: int, voices: Callable[[], list[Audio]], rng: np.random.Generator) -> Audio:
    """Any of the above, as it stands behind a speaker or alone; ``voices`` gives those for babble, at least three."""
    kind = rng.choice(("noise", "fan", "music", "babble", "clatter"), p=(0.3, 0.2, 0.15, 0.25, 0.1))
    if kind == "noise":
        return noise(samples, rng.uniform(0, 1.1), rng)
    if kind == "fan":
        return fan(samples, rng)
    if kind == "music":
        return music(samples, rng)
    return babble(samples, voices(), rng) if kind == "babble" else clatter(samples, rng)


def _fast_size(samples: int) -> int:
    """A length that Fourier transforms are fast for; a prime number of samples takes many times as long."""
    block = 4_096
    return max(1, -(-samples // block)) * block
