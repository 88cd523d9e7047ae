"""Turns PCM of any rate and any number of channels into the road's own: 16 kHz, mono, int16, piece by piece.

This module does *not* cut frames: that is :class:`.source.Framer`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from speakage_daemon.errors import SourceError
from speakage_engines.api import SAMPLE_RATE, Samples

PcmFormat: TypeAlias = Literal["pcm_s16le", "pcm_f32le"]
SAMPLE_BYTES: dict[PcmFormat, int] = {"pcm_s16le": 2, "pcm_f32le": 4}

LOWEST_RATE = 8_000
HIGHEST_RATE = 192_000
FULL_SCALE = 32_768


def read_pcm(data: bytes, pcm_format: PcmFormat) -> NDArray[np.float32]:
    """Bytes to samples in -1…1; the bytes must be whole samples.

    Raises :class:`SourceError` for floats that are not finite: one of them would spoil all sound after it.
    """
    if pcm_format == "pcm_s16le":
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(FULL_SCALE)
    samples = np.frombuffer(data, "<f4").astype(np.float32)
    if not np.isfinite(samples).all():
        raise SourceError("audio_format: pcm_f32le must hold finite numbers; send samples between -1 and 1")
    return samples


class Resampler:
    """One stream of sound on its way to 16 kHz mono; holds 13 ms of it (30 ms at 8 kHz, nothing at 16 kHz)."""

    def __init__(self, rate: int, channels: int = 1) -> None:
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise SourceError(f"audio_rate: {rate} Hz cannot be heard; use {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        self._channels = channels
        # variable-rate mode although the rate never varies: soxr's fixed-rate mode works in blocks, which hold sound
        # back for up to 36 ms at 48 kHz; this one always lags 12.5 ms there, for 50 µs of work a frame
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32", "HQ", True)

    def feed(self, pcm: NDArray[np.float32]) -> Samples:
        """Take the next interleaved samples, shape ``(n * channels,)``; return what is ready."""
        mono = pcm if self._channels == 1 else pcm.reshape(-1, self._channels).mean(axis=1, dtype=np.float32)
        return _to_int16(mono if self._stream is None else self._stream.resample_chunk(mono))

    def flush(self) -> Samples:
        """The end of the stream: what was still held."""
        rest = np.empty(0, np.float32)
        return _to_int16(rest if self._stream is None else self._stream.resample_chunk(rest, last=True))


def _to_int16(samples: NDArray[np.float32]) -> Samples:
    return np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
