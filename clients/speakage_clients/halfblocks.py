"""A picture in a terminal: each cell is an upper half block, its foreground the upper pixel, its background the lower.

Pure: pixels in, cells out. It does *not* know how large the terminal is, nor whether it has colours.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from rich.color import Color
from rich.style import Style
from rich.text import Text

Rgb: TypeAlias = NDArray[np.uint8]
"""Shape ``(height, width, 3)``."""
Cells: TypeAlias = NDArray[np.uint8]
"""Shape ``(rows, columns, 2, 3)``: the upper and the lower colour of each cell."""

UPPER_HALF: Final = "▀"


def fit(width: int, height: int, columns: int, rows: int) -> tuple[int, int]:
    """The largest ``(columns, rows)`` within those given that keep a picture's shape; a cell is two square pixels."""
    scale = min(columns / width, 2 * rows / height)
    return max(1, min(columns, round(width * scale))), max(1, min(rows, round(height * scale / 2)))


def half_blocks(rgb: Rgb, columns: int, rows: int) -> Cells:
    """The picture, scaled to fit into ``columns`` by ``rows`` cells."""
    height, width, _ = rgb.shape
    across, down = fit(width, height, columns, rows)
    small = PIL.Image.fromarray(rgb).resize((across, 2 * down), PIL.Image.Resampling.BOX)
    return np.asarray(small).reshape(down, 2, across, 3).swapaxes(1, 2)


def to_text(cells: Cells) -> Text:
    """The cells as coloured text; equal neighbours share one span."""
    text = Text(no_wrap=True, end="")
    for number, row in enumerate(cells.tolist()):
        if number:
            text.append("\n")
        start = 0
        for column in range(1, len(row) + 1):
            if column == len(row) or row[column] != row[start]:
                text.append(UPPER_HALF * (column - start), _style(*row[start]))
                start = column
    return text


def _style(upper: list[int], lower: list[int]) -> Style:
    return Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))
