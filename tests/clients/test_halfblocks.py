"""Pixels to half blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_clients.halfblocks import UPPER_HALF, fit, half_blocks, to_text

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def picture(*rows: list[tuple[int, int, int]]) -> np.ndarray:
    return np.array(rows, np.uint8)


@pytest.mark.parametrize(
    ("size", "room", "cells"),
    [
        ((128, 128), (80, 40), (80, 40)),
        ((128, 128), (80, 20), (40, 20)),
        ((128, 128), (20, 40), (20, 10)),
        ((256, 128), (80, 40), (80, 20)),
        ((1, 1000), (80, 40), (1, 40)),
        ((1000, 1), (80, 40), (80, 1)),
        ((4, 4), (80, 1), (2, 1)),
    ],
)
def test_it_keeps_its_shape(size: tuple[int, int], room: tuple[int, int], cells: tuple[int, int]) -> None:
    assert fit(*size, *room) == cells


@given(*(st.integers(1, 5000) for _ in range(4)))
def test_it_always_fits(width: int, height: int, columns: int, rows: int) -> None:
    across, down = fit(width, height, columns, rows)
    assert 1 <= across <= columns
    assert 1 <= down <= rows


def test_the_upper_pixel_is_the_foreground_and_the_lower_the_background() -> None:
    cells = half_blocks(picture([RED, GREEN], [BLUE, RED]), 2, 1)
    assert cells.shape == (1, 2, 2, 3)
    assert cells.tolist() == [[[list(RED), list(BLUE)], [list(GREEN), list(RED)]]]
    text = to_text(cells)
    assert text.plain == UPPER_HALF * 2
    first, second = text.spans
    assert str(first.style) == "#ff0000 on #0000ff"
    assert str(second.style) == "#00ff00 on #ff0000"


def test_rows_are_lines_and_equal_neighbours_share_a_span() -> None:
    text = to_text(half_blocks(np.full((8, 8, 3), 7, np.uint8), 8, 4))
    assert text.plain == "\n".join([UPPER_HALF * 8] * 4)
    assert len(text.spans) == 4


def test_scaling_down_averages_and_scaling_up_repeats() -> None:
    black_and_white = picture([(0, 0, 0), (200, 200, 200)] * 2, [(0, 0, 0), (200, 200, 200)] * 2)
    assert half_blocks(black_and_white, 2, 1).max() == 100
    assert half_blocks(picture([RED]), 4, 2).tolist() == [[[list(RED)] * 2] * 4] * 2
