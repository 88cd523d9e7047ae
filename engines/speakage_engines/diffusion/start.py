"""What a picture starts from: into latents and back, so that what is kept of it stays exactly as it was.

A mask is taken at the latents' own size while painting: a latent is painted anew where any of its pixels is. The
finished picture is laid over the one that it started from, with an edge that fades towards the inside of the mask, so
that no pixel outside it changes. How the sampler goes on from there is :mod:`.sampler`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from speakage_engines.api import CompiledModule, EngineError, Mask, ModelError, Rgb, Start

_ANEW: Final = 127
"""What is brighter in a mask is painted anew."""
_FEATHER: Final = 64
"""The edge fades over a picture's side divided by this."""


class Encoder:
    """From pictures to latents. Compiled for the first picture: most people never start from one."""

    def __init__(self, compile_module: Callable[[], CompiledModule], channels: int) -> None:
        self._compile_module = compile_module
        self._channels = channels

    @cached_property
    def _compiled(self) -> CompiledModule:
        return self._compile_module()

    def __call__(self, rgb: Rgb, generator: torch.Generator) -> torch.Tensor:
        """``(height, width, 3)`` → ``(1, channels, h, w)``; raises :class:`ModelError` or :class:`BuildError`.

        Where the encoder gives a distribution a sample is drawn, before all other noise, as diffusers draws it.
        """
        picture = rgb.astype(np.float32).transpose(2, 0, 1)[None] / 255
        found = torch.from_numpy(self._compiled(np.ascontiguousarray(picture)))
        if not found.isfinite().all():
            raise ModelError("the encoder computes values that are not finite; set picture.precision to fp32")
        means, deviations = found[:, : self._channels], found[:, self._channels :]
        if not deviations.shape[1]:
            return means
        return means + deviations * torch.randn(means.shape, generator=generator)


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What a finished picture is laid over; nothing where there is no mask."""

    rgb: NDArray[np.float32] | None = None
    share: NDArray[np.float32] | None = None
    """Of the new picture in every pixel, shape ``(height, width, 1)``."""

    @classmethod
    def of(cls, start: Start | None) -> Ground:
        """Under the masked picture that is started from."""
        if start is None or start.mask is None:
            return cls()
        return cls(start.rgb.astype(np.float32), _share(start.mask))

    def under(self, rgb: Rgb) -> Rgb:
        """The new picture inside the mask, the old one outside."""
        if self.rgb is None or self.share is None:
            return rgb
        laid: Rgb = np.rint(self.rgb + (rgb - self.rgb) * self.share).astype(np.uint8)
        return laid


def check(start: Start, width: int, height: int) -> None:
    """Raises :class:`EngineError` for what nothing can be started from, naming the field."""
    if start.rgb.shape != (height, width, 3) or start.rgb.dtype != np.uint8:
        raise EngineError(
            f"start.rgb is {start.rgb.dtype} of shape {start.rgb.shape}; this model takes uint8 of {(height, width, 3)}"
        )
    if not 0 < start.strength <= 1:
        raise EngineError(f"start.strength is {start.strength:g}; it should be above 0, and 1 at most")
    if start.mask is None:
        return
    if start.mask.shape != (height, width) or start.mask.dtype != np.uint8:
        raise EngineError(
            f"start.mask is {start.mask.dtype} of shape {start.mask.shape}; it should be uint8 of {(height, width)}"
        )
    if not (start.mask > _ANEW).any():
        raise EngineError("start.mask is dark everywhere, so nothing would be painted anew; make a part of it white")


def latent_mask(mask: Mask, factor: int) -> torch.Tensor:
    """``(height, width)`` → ``(1, 1, h, w)``, 1 where any of a latent's pixels is painted anew."""
    pixels = torch.from_numpy((mask > _ANEW).astype(np.float32))[None, None]
    return torch.nn.functional.max_pool2d(pixels, factor)


def _share(mask: Mask) -> NDArray[np.float32]:
    anew = mask > _ANEW
    blurred = Image.fromarray((anew * 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(max(mask.shape) / _FEATHER)
    )
    # half of it at a straight edge: what is outside stays as it was
    inside = np.clip(np.asarray(blurred, np.float32) / 127.5 - 1, 0, 1)
    share: NDArray[np.float32] = (inside * anew)[..., None].astype(np.float32)
    return share
