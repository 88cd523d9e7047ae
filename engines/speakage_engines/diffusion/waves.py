"""Numbers as waves: how a denoiser is told the time, the sizes of a picture, and how strongly it is guided.

Made here and in float32, not by the engine: bf16 would round a timestep of 833 to 832, and its angles to radians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

_GUIDANCE_UNIT: Final = 1000.0
"""Guidance is a small number, and the waves are made for timesteps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeProjection:
    """Sines and cosines of timesteps (DDPM, Ho et al. 2020, appendix B), and of whatever else is told in that way."""

    width: int
    cosines_first: bool
    shift: float

    def __call__(self, timestep: float, batch: int) -> NDArray[np.float32]:
        """Shape ``(batch, width)``."""
        return self.of([timestep] * batch)

    def of(self, numbers: Sequence[float]) -> NDArray[np.float32]:
        """Shape ``(numbers, width)``."""
        from diffusers.models.embeddings import get_timestep_embedding

        waves: NDArray[np.float32] = get_timestep_embedding(
            torch.tensor(numbers, dtype=torch.float32),
            self.width,
            flip_sin_to_cos=self.cosines_first,
            downscale_freq_shift=self.shift,
        ).numpy()
        return waves


def guidance_waves(guidance: float, width: int) -> NDArray[np.float32]:
    """Guidance as distilled denoisers are told it (Meng et al. 2023; LCM, Luo et al. 2023). Shape ``(1, width)``.

    Their scale begins at 0 where classifier-free guidance's begins at 1, hence one less.
    """
    half = width // 2
    frequencies = torch.exp(torch.arange(half) * -(torch.log(torch.tensor(10_000.0)) / (half - 1)))
    angles = torch.tensor([guidance - 1]) * _GUIDANCE_UNIT * frequencies
    waves = torch.cat([angles.sin(), angles.cos(), torch.zeros(width % 2)])
    return waves[None].numpy()
