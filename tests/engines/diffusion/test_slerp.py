"""Along the arc: exact ends, even turning, lengths in proportion, and a line where there is no one arc."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from speakage_engines.diffusion.slerp import slerp

Vectors = NDArray[np.float32]
WIDTH = 6
vectors = arrays.arrays(np.float32, (3, WIDTH), elements=st.floats(-8, 8, width=32))
shares = st.floats(0, 1)


def length(of: Vectors) -> NDArray[np.float64]:
    return np.linalg.norm(of.astype(np.float64), axis=-1)


def angle(one: Vectors, other: Vectors) -> float:
    """Radians."""
    one, other = (each.astype(np.float64) / length(each) for each in (one, other))
    return 2 * math.atan2(float(np.linalg.norm(one - other)), float(np.linalg.norm(one + other)))


@given(vectors, vectors)
def test_both_ends_are_exact(start: Vectors, end: Vectors) -> None:
    assert slerp(start, end, 0) is start
    assert slerp(start, end, 1) is end


@given(vectors, shares)
def test_between_equals_there_is_no_way(same: Vectors, share: float) -> None:
    np.testing.assert_array_equal(slerp(same, same, share), same)


@given(vectors, vectors, shares)
def test_the_way_back_is_the_same_and_no_vector_is_longer_than_the_longer_end(
    start: Vectors, end: Vectors, share: float
) -> None:
    between = slerp(start, end, share)
    assert between.dtype == np.float32
    np.testing.assert_allclose(between, slerp(end, start, 1 - share), atol=1e-4)
    assert (length(between) <= np.maximum(length(start), length(end)) * (1 + 1e-6)).all()


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_directions_turn_evenly_and_lengths_go_in_proportion(share: float) -> None:
    rng = np.random.default_rng(0)
    start, end = (rng.standard_normal(768).astype(np.float32) * scale for scale in (1, 5))
    between = slerp(start, end, share)
    assert angle(start, between) == pytest.approx(share * angle(start, end), abs=1e-6)
    assert angle(between, end) == pytest.approx((1 - share) * angle(start, end), abs=1e-6)
    assert length(between) == pytest.approx((1 - share) * length(start) + share * length(end), rel=1e-6)


def test_at_a_right_angle_it_is_the_known_one() -> None:
    across, up = np.array([2, 0], np.float32), np.array([0, 2], np.float32)
    np.testing.assert_allclose(slerp(across, up, 1 / 3), [2 * math.cos(math.pi / 6), 2 * math.sin(math.pi / 6)])
    np.testing.assert_allclose(slerp(across, up, 0.5), [math.sqrt(2)] * 2, rtol=1e-6)


@pytest.mark.parametrize("off", [1e-3, 1e-5, 1e-7, 0.0])
def test_nearly_parallel_vectors_stay_finite_and_near_the_line(off: float) -> None:
    start = np.array([1, 0, 0], np.float32)
    end = np.array([1, off, 0], np.float32)
    np.testing.assert_allclose(slerp(start, end, 0.25), [1, off / 4, 0], atol=max(off, 1e-9) ** 2 + 1e-7)


@pytest.mark.parametrize("off", [0.0, 1e-7, 1e-4])
def test_opposite_vectors_stay_finite(off: float) -> None:
    start, end = np.array([1, 0], np.float32), np.array([-4, off], np.float32)
    for share in (0.2, 0.5, 0.8):
        between = slerp(start, end, share)
        assert np.isfinite(between).all()
        assert length(between) <= 4


def test_from_nothing_the_way_is_straight() -> None:
    """What stands for SDXL's empty negative prompt is zero."""
    end = np.array([[3, 4], [0, 0]], np.float32)
    np.testing.assert_allclose(slerp(np.zeros_like(end), end, 0.25), [[0.75, 1], [0, 0]])


@pytest.mark.parametrize("shape", [(4,), (1, 12), (1, 8, 16), (2, 77, 768)])
def test_every_vector_goes_its_own_way(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    start, end = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    between = slerp(start, end, 0.3)
    assert between.shape == shape
    place = tuple(side - 1 for side in shape[:-1])
    np.testing.assert_array_equal(between[place], slerp(start[place], end[place], 0.3))


def test_vectors_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="no way"):
        slerp(np.zeros((1, 8), np.float32), np.zeros((2, 8), np.float32), 0.5)
