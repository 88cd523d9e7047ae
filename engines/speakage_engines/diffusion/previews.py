"""From latents to pictures: the final decoder, and something quicker for the previews.

A preview is decoded by the family's tiny decoder; where there is none, by a linear map from latents to RGB that is
known for Stable Diffusion 1.x and 2.x and for SDXL, and told by their scale; else by the final decoder itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from speakage_engines.api import CompiledModule, ModelError, Rgb


@dataclass(frozen=True, slots=True)
class LinearMap:
    """From scaled latents to RGB in −1..1, fitted by the community."""

    weights: NDArray[np.float32]
    """A row a channel, columns R, G, B."""
    bias: NDArray[np.float32]


_SD: Final = LinearMap(
    np.array(
        [[0.3512, 0.2297, 0.3227], [0.3250, 0.4974, 0.2350], [-0.2829, 0.1762, 0.2721], [-0.2120, -0.2616, -0.7177]],
        np.float32,
    ),
    np.zeros(3, np.float32),
)
_SDXL: Final = LinearMap(
    np.array(
        [[0.3651, 0.4232, 0.4341], [-0.2533, -0.0042, 0.1068], [0.1076, 0.1111, -0.0362], [-0.3165, -0.2492, -0.2188]],
        np.float32,
    ),
    np.array([0.1084, -0.0175, -0.0011], np.float32),
)
_BY_SCALE: Final = {0.18215: _SD, 0.13025: _SDXL}
"""Of the latents: what each family of autoencoders divides by."""


def linear_map(channels: int, scale: float) -> LinearMap | None:
    """The map for latents of that scale, if one is known."""
    return _BY_SCALE.get(scale) if channels == len(_SD.weights) else None


class Decoders:
    """The final decoder of a model, and the one for its previews."""

    def __init__(
        self, final: CompiledModule, preview: CompiledModule | None, linear: LinearMap | None, factor: int
    ) -> None:
        """``factor`` is pixels a latent, each way.

        Without ``preview`` and ``linear`` the final decoder makes the previews too: it may be a tiny one itself.
        """
        self._final = final
        self._preview = preview
        self._linear = linear
        self._factor = factor

    def final(self, latents: NDArray[np.float32]) -> Rgb:
        """``(1, channels, h, w)`` → ``(height, width, 3)``."""
        return to_rgb(self._final(latents))

    def preview(self, latents: NDArray[np.float32]) -> Rgb:
        """As :meth:`final`, quicker and coarser."""
        if self._preview is not None:
            return to_rgb(self._preview(latents))
        return self.final(latents) if self._linear is None else linear_rgb(latents, self._linear, self._factor)


def to_rgb(picture: NDArray[np.float32]) -> Rgb:
    """``(1, 3, height, width)`` in 0..1 → ``(height, width, 3)`` in 0..255, rounded.

    Raises :class:`ModelError` for values that are not finite, which would come out as a black picture.
    """
    if not np.isfinite(picture).all():
        raise ModelError("the picture model computes values that are not finite; set picture.precision to fp32")
    rgb: Rgb = np.rint(picture[0].transpose(1, 2, 0) * 255).clip(0, 255).astype(np.uint8)
    return rgb


def linear_rgb(latents: NDArray[np.float32], linear: LinearMap, factor: int) -> Rgb:
    """A rough picture, enlarged ``factor`` times."""
    rough = (np.einsum("chw,cr->hwr", latents[0], linear.weights) + linear.bias) / 2 + 0.5
    small = Image.fromarray(np.rint(rough.clip(0, 1) * 255).astype(np.uint8))
    width, height = small.size
    return np.asarray(small.resize((factor * width, factor * height), Image.Resampling.BICUBIC))
