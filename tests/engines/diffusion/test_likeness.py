"""The least alike of two prompts' vectors."""

import numpy as np
import pytest

from speakage_engines.diffusion.likeness import likeness

X, Y = np.array([1, 0], np.float32), np.array([0, 2], np.float32)


def test_the_least_alike_pair_counts() -> None:
    one = (np.stack([X, X, X])[None], X[None])
    assert likeness(one, one) == 1.0
    assert likeness(one, (np.stack([X, 5 * X, X])[None], X[None])) == pytest.approx(1.0)
    assert likeness(one, (np.stack([X, Y, X])[None], X[None])) == 0.0
    assert likeness(one, (np.stack([X, X + Y / 2, X])[None], X[None])) == pytest.approx(0.5**0.5)
    assert likeness(one, (np.stack([X, X, X])[None], -X[None])) == -1.0


def test_nothing_is_like_nothing_only() -> None:
    zero = np.zeros((1, 2), np.float32)
    assert likeness((zero,), (zero,)) == 1.0
    assert likeness((zero,), (X[None],)) == 0.0


def test_what_has_another_shape_is_another_picture() -> None:
    assert likeness((X[None],), (X[None], X[None])) == -1.0
    assert likeness((X[None],), (np.stack([X, X]),)) == -1.0
