"""How alike two prompts are to the denoiser. Pure: arrays in, a number out.

Each vector that it is told of one is compared with that in the same place of the other, and the least alike pair
counts: one other noun among many words is another picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakage_engines.api import Told


def likeness(one: Told, other: Told) -> float:
    """Cosine of the least alike pair of vectors (the last axis), -1 to 1; -1 where shapes differ."""
    if [each.shape for each in one] != [each.shape for each in other]:
        return -1.0
    return min((float(_cosines(*pair).min()) for pair in zip(one, other, strict=True)), default=1.0)


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    ours, theirs = one.astype(np.float64), other.astype(np.float64)
    lengths = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
    products = (ours * theirs).sum(axis=-1)
    cosines: NDArray[np.float64] = np.where(
        (ours == theirs).all(axis=-1), 1.0, products / np.where(lengths > 0, lengths, 1.0)
    )
    return cosines
