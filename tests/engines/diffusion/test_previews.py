"""Which decoder shows what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speakage_engines.api import ModelError
from speakage_engines.diffusion.previews import Decoders, LinearMap, linear_map, linear_rgb, to_rgb

SD, SDXL = linear_map(4, 0.18215), linear_map(4, 0.13025)


class Flat:
    """A decoder of one grey."""

    precision = "fp32"

    def __init__(self, grey: float) -> None:
        self.grey = grey

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        return np.full((1, 3, 16, 16), self.grey, np.float32)


def latents(channels: int) -> NDArray[np.float32]:
    return np.zeros((1, channels, 2, 2), np.float32)


def test_the_tiny_decoder_shows_previews_and_the_final_one_the_picture() -> None:
    decoders = Decoders(Flat(1.0), Flat(0.2), SD, 8)
    assert decoders.preview(latents(4)).mean() == 51
    assert decoders.final(latents(4)).mean() == 255


def test_without_a_tiny_decoder_stable_diffusions_latents_are_shown_by_a_linear_map() -> None:
    decoders = Decoders(Flat(1.0), None, SD, 8)
    preview = decoders.preview(latents(4))
    assert (preview.shape, preview.dtype, int(preview[0, 0, 0])) == ((16, 16, 3), np.uint8, 128)


@pytest.mark.parametrize(("channels", "scale"), [(4, 1.0), (16, 0.18215)])
def test_other_latents_are_shown_by_the_final_decoder(channels: int, scale: float) -> None:
    decoders = Decoders(Flat(0.2), None, linear_map(channels, scale), 8)
    assert decoders.preview(latents(channels)).mean() == 51


@pytest.mark.parametrize("linear", [SD, SDXL])
def test_the_linear_maps_tell_bright_from_dark_in_its_place(linear: LinearMap) -> None:
    array = latents(4)
    array[0, 0, :, 0], array[0, 0, :, 1] = -2, 2
    rgb = linear_rgb(array, linear, 8)
    assert rgb[:, 0].mean() < 60 < 200 < rgb[:, -1].mean()


@pytest.mark.parametrize(("value", "expected"), [(0.0, 0), (0.5, 128), (1.0, 255), (1.2, 255), (-0.2, 0)])
def test_values_become_bytes_rounded_and_clipped(value: float, expected: int) -> None:
    assert (to_rgb(np.full((1, 3, 2, 2), value, np.float32)) == expected).all()


def test_values_that_are_not_finite_are_no_picture() -> None:
    with pytest.raises(ModelError, match=r"set picture\.precision to fp32"):
        to_rgb(np.full((1, 3, 2, 2), np.nan, np.float32))
