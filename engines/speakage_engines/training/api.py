"""What recipes and data agree on: nothing but shapes. Imports neither torch nor any recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Example:
    """A picture and what is on it."""

    picture: NDArray[np.uint8]
    """RGB, shape ``(size, size, 3)``."""
    caption: str
    content: NDArray[np.int16] | None = None
    """What is where, for data that know it: cells of shape ``(rows, rows)``, 0 where nothing has a name and else the
    position in :attr:`Pictures.names`, counted from 1."""


class Pictures(Protocol):
    """Captioned pictures that can be drawn in any order, from any process, and always the same for a number."""

    size: int
    """Pixels on each side."""
    names: tuple[str, ...]
    """Of what :attr:`Example.content` tells; empty for data that do not know what is where."""

    def __len__(self) -> int:
        """How many there are; drawn data may say any large number."""

    def example(self, number: int) -> Example:
        """The picture of that number; the same number gives the same picture."""
