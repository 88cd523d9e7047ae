r"""From one vector to another along the arc between them. Pure: arrays in, arrays out.

Slerp (Shoemake 1985, "Animating rotation with quaternion curves"), for unit vectors :math:`p, q` with the angle
:math:`\Omega` between them and a share :math:`u` of the way

.. math::
    \frac{\sin (1-u)\Omega}{\sin \Omega}\,p + \frac{\sin u\Omega}{\sin \Omega}\,q

Text states have lengths that mean something too, so directions turn by it and lengths go in proportion. Without that,
as the formula is often met, vectors of unequal length overshoot where they are nearly opposite. A straight line, the
rejected way, cuts the corner: halfway between two words at a right angle it is 30 % too short.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_STRAIGHT: Final = 1e-6
"""Sine of the angle below which an arc is a line to the last digit of a float32, or, between opposite vectors, any."""


def slerp(start: NDArray[np.float32], end: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Every vector (the last axis) that ``share`` of the way, 0 to 1, from ``start`` to ``end``; of the same shape.

    Both ends are exact. Where there is no one arc, between parallel and opposite vectors and from or to zero, the way
    is a straight line.
    """
    if start.shape != end.shape:
        raise ValueError(f"from {start.shape} to {end.shape} there is no way")
    if share in (0, 1):
        return end if share else start
    wide = np.stack([start, end]).astype(np.float64)
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    one, other = wide / np.where(lengths > 0, lengths, 1)
    # by atan2, as the arc's cosine loses half of its digits where vectors are nearly parallel
    angle = 2 * np.arctan2(_length(one - other), _length(one + other))
    sine = np.sin(angle)
    turns = (sine > _STRAIGHT) & (lengths > 0).all(axis=0)
    divisor = np.where(turns, sine, 1)
    direction = one * np.sin((1 - share) * angle) / divisor + other * np.sin(share * angle) / divisor
    arc = direction * _line(lengths, share)
    between: NDArray[np.float32] = np.where(turns, arc, _line(wide, share)).astype(np.float32)
    return between


def _length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length: NDArray[np.float64] = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return length


def _line(ends: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """``(2, …)`` → ``(…)``."""
    between: NDArray[np.float64] = ends[0] * (1 - share) + ends[1] * share
    return between
