"""From latents to pictures: the final decoder, and something quicker for the previews.

A preview is decoded by the family's tiny decoder; where there is none, by a linear map from latents to RGB that is
known for Stable Diffusion 1.x and 2.x (four channels); else by the final decoder itself.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from speakage_engines.api import CompiledModule, ModelError, Rgb

# fitted by the community for the latents of Stable Diffusion 1.x (scaled); rows are channels, columns R, G, B
_SD_LATENT_TO_RGB: Final = np.array(
    [[0.3512, 0.2297, 0.3227], [0.3250, 0.4974, 0.2350], [-0.2829, 0.1762, 0.2721], [-0.2120, -0.2616, -0.7177]],
    np.float32,
)


class Decoders:
    """The final decoder of a model, and the one for its previews."""

    def __init__(self, final: CompiledModule, preview: CompiledModule | None, *, final_is_tiny: bool) -> None:
        self._final = final
        self._preview = preview
        self._final_is_tiny = final_is_tiny

    def final(self, latents: NDArray[np.float32]) -> Rgb:
        """``(1, channels, h, w)`` → ``(height, width, 3)``."""
        return to_rgb(self._final(latents))

    def preview(self, latents: NDArray[np.float32], size: int) -> Rgb:
        """As :meth:`final`, quicker and coarser."""
        if self._preview is not None:
            return to_rgb(self._preview(latents))
        if self._final_is_tiny or latents.shape[1] != len(_SD_LATENT_TO_RGB):
            return self.final(latents)
        return linear_rgb(latents, size)


def to_rgb(picture: NDArray[np.float32]) -> Rgb:
    """``(1, 3, height, width)`` in 0..1 → ``(height, width, 3)`` in 0..255, rounded.

    Raises :class:`ModelError` for values that are not finite, which would come out as a black picture.
    """
    if not np.isfinite(picture).all():
        raise ModelError("the picture model computes values that are not finite; set picture.precision to fp32")
    rgb: Rgb = np.rint(picture[0].transpose(1, 2, 0) * 255).clip(0, 255).astype(np.uint8)
    return rgb


def linear_rgb(latents: NDArray[np.float32], size: int) -> Rgb:
    """A rough picture of Stable Diffusion's latents, enlarged to ``size`` pixels."""
    rough = np.einsum("chw,cr->hwr", latents[0], _SD_LATENT_TO_RGB) / 2 + 0.5
    small = Image.fromarray(np.rint(rough.clip(0, 1) * 255).astype(np.uint8))
    return np.asarray(small.resize((size, size), Image.Resampling.BICUBIC))
