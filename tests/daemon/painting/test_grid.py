"""Several pictures in one image: where each is, and that each is what it would be alone."""

from dataclasses import replace

import numpy as np
import pytest

from fakes import StepByStep
from speakage_daemon.painting import grid
from speakage_engines.api import PaintRequest

CAR = PaintRequest(prompt="a car", seed=7, steps=2)


@pytest.mark.parametrize(
    ("batch", "across", "down"), [(1, 16, 16), (2, 36, 16), (3, 36, 36), (4, 36, 36), (5, 56, 36), (16, 76, 76)]
)
def test_an_image_is_about_as_wide_as_high(batch: int, across: int, down: int) -> None:
    assert grid.size(16, 16, batch) == (across, down)


def test_every_picture_is_the_one_that_its_seed_gives_alone() -> None:
    model = StepByStep()
    seeds = (7, 8, 9)
    previews = list(grid.paint(model, CAR, seeds))
    assert [(preview.step, preview.steps) for preview in previews] == [(step, 6) for step in range(1, 7)]
    whole = previews[-1].rgb
    assert whole.shape == (36, 36, 3)
    for seed, (top, left) in zip(seeds, [(0, 0), (0, 20), (20, 0)], strict=True):
        *_, alone = model.paint(replace(CAR, seed=seed))
        np.testing.assert_array_equal(whole[top : top + 16, left : left + 16], alone.rgb)
    assert (whole[20:, 20:] == 24).all(), "no fourth one"
    first = previews[0].rgb
    assert (first[:16, :16] == 8).all()
    assert (first[20:] == 24).all(), "not begun yet"
    assert (previews[-1].encode_prompt_ms, previews[-1].denoise_ms, previews[-1].decode_ms) == (3.0, 12.0, 6.0)


def test_one_picture_is_no_grid() -> None:
    shown, plain = ([preview.rgb for preview in painted] for painted in (
        grid.paint(StepByStep(), CAR, (7,)), StepByStep().paint(CAR),
    ))  # fmt: skip
    assert len(shown) == 2
    np.testing.assert_array_equal(shown, plain)
