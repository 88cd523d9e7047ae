"""Sounds without a word in them, made from a seed: what ears must stay silent at.

Silence, hiss, noise, a fan, and music-like tones. Nothing here is recorded: a real room has more to offer, and music
with a singer in it has words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from speakage_engines.api import SAMPLE_RATE, Samples

Sound = Literal["silence", "hiss", "noise", "fan", "music"]
SOUNDS: Final[tuple[Sound, ...]] = get_args(Sound)

_Wave: TypeAlias = NDArray[np.float64]
_LOUDNESS_DBFS: Final[dict[Sound, float]] = {
    "silence": -np.inf,
    "hiss": -55.0,  # a microphone's own
    "noise": -30.0,
    "fan": -25.0,
    "music": -20.0,
}
BABBLE_VOICES: Final = 8
"""At once: nobody could follow one of them."""
_BABBLE_DBFS: Final = -25.0
_SCALE: Final = (0, 2, 4, 7, 9)
"""Semitones of a pentatonic scale: whatever sounds together is a chord."""
_PIECE: Final = 10 * SAMPLE_RATE
"""Noise is shaped so many samples at a time."""


def sound(kind: Sound, samples: int, seed: int = 0) -> Samples:
    """So many samples at 16 kHz; the same seed gives the same sound."""
    rng = np.random.default_rng([seed, SOUNDS.index(kind)])
    if kind == "silence":
        return np.zeros(samples, np.int16)
    return _at_level(_MAKERS[kind](rng, samples), _LOUDNESS_DBFS[kind])


def babble(voices: Sequence[Samples], samples: int, seed: int = 0) -> Samples:
    """A room full of people: :data:`BABBLE_VOICES` chains of recordings, drawn from ``voices``, at the same time."""
    rng = np.random.default_rng(seed)
    wave = np.zeros(samples)
    for _ in range(BABBLE_VOICES):
        # everybody is in the middle of something
        place = -int(rng.integers(2 * SAMPLE_RATE))
        while place < samples:
            said = voices[int(rng.integers(len(voices)))].astype(float)
            said /= np.sqrt(np.mean(said**2)) + 1e-9
            first, last = max(0, place), min(samples, place + len(said))
            if last > first:
                wave[first:last] += said[first - place : last - place]
            place += len(said)
    return _at_level(wave, _BABBLE_DBFS)


def _at_level(wave: _Wave, dbfs: float) -> Samples:
    level = 32_768 * 10 ** (dbfs / 20)
    scaled = wave * (level / np.sqrt(np.mean(wave**2)))
    pcm: Samples = np.clip(np.round(scaled), -32_768, 32_767).astype(np.int16)
    return pcm


def _hiss(rng: np.random.Generator, samples: int) -> _Wave:
    return rng.standard_normal(samples)


def _noise(rng: np.random.Generator, samples: int) -> _Wave:
    """Pink: as much power in every octave; louder and softer over seconds."""
    swell = 1 + 0.6 * np.sin(2 * np.pi * np.arange(samples) / (SAMPLE_RATE * 7))
    return _shaped(rng, samples, 0.5) * swell


def _fan(rng: np.random.Generator, samples: int) -> _Wave:
    """A rush of brown noise, and a hum of the mains with its overtones."""
    time = np.arange(samples) / SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * 50 * partial * time) / partial**1.5 for partial in (1, 2, 3, 4, 6))
    rush = _shaped(rng, samples, 0.9)
    return rush / np.std(rush) + 0.5 * hum


def _music(rng: np.random.Generator, samples: int) -> _Wave:
    """A melody over chords: plucked and bowed tones with overtones and vibrato, in a vocal range too."""
    wave = np.zeros(samples)
    beat = SAMPLE_RATE * 60 // int(rng.integers(80, 140))
    for start in range(0, samples, beat):
        if rng.random() < 0.8:
            _play(wave, start, beat * int(rng.integers(1, 4)), rng)
        if (start // beat) % 4 == 0:
            for _ in range(3):
                _play(wave, start, beat * 4, rng)
    return wave + 1e-4 * rng.standard_normal(samples)


def _play(wave: _Wave, start: int, length: int, rng: np.random.Generator) -> None:
    """Add one tone."""
    length = min(length, len(wave) - start)
    time = np.arange(length) / SAMPLE_RATE
    note = 45 + 12 * int(rng.integers(0, 4)) + _SCALE[int(rng.integers(len(_SCALE)))]
    pitch = 440 * 2 ** ((note - 69) / 12)
    phase = 2 * np.pi * pitch * time + 0.4 * rng.random() * np.sin(2 * np.pi * 5.5 * time)
    fade = np.exp(-time * rng.uniform(0.5, 6)) * np.minimum(1, time / rng.uniform(0.005, 0.15))
    fade *= np.minimum(1, (time[-1] - time) / 0.02)
    partials = range(1, min(9, int(SAMPLE_RATE / 2 / pitch)))
    tone = sum(np.sin(partial * phase) / partial ** rng.uniform(1, 2) for partial in partials)
    wave[start : start + length] += fade * tone


def _shaped(rng: np.random.Generator, samples: int, slope: float) -> _Wave:
    """Noise whose amplitude falls with that power of the frequency."""
    pieces = []
    for _ in range(0, samples, _PIECE):
        spectrum = np.fft.rfft(rng.standard_normal(_PIECE))
        frequency = np.maximum(np.fft.rfftfreq(_PIECE, 1 / SAMPLE_RATE), 20.0)
        pieces.append(np.fft.irfft(spectrum / frequency**slope, _PIECE))
    return np.concatenate(pieces)[:samples]


_MAKERS: Final[dict[Sound, Callable[[np.random.Generator, int], _Wave]]] = {
    "hiss": _hiss,
    "noise": _noise,
    "fan": _fan,
    "music": _music,
}
