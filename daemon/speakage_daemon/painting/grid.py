"""Several pictures of one prompt in one image: rows from left to right, each where its number says.

They are painted one after another, by the engine that is there, and any of them can be painted again alone by its seed;
what is not begun yet is dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from speakage_engines.api import PaintRequest, PictureModel, Preview, Rgb

_GAP: Final = 4
"""Pixels between pictures."""
_DARK: Final = 24


def size(width: int, height: int, batch: int) -> tuple[int, int]:
    """Width and height of the image, in pixels."""
    columns = math.ceil(math.sqrt(batch))
    rows = math.ceil(batch / columns)
    return columns * (width + _GAP) - _GAP, rows * (height + _GAP) - _GAP


def paint(model: PictureModel, request: PaintRequest, seeds: tuple[int, ...]) -> Iterator[Preview]:
    """As :meth:`PictureModel.paint` does, a picture a seed; steps and milliseconds count through."""
    if len(seeds) == 1:
        yield from model.paint(request)
        return
    done: list[Preview] = []
    for number, seed in enumerate(seeds):
        for preview in model.paint(replace(request, seed=seed)):
            newest = [*done, preview]
            yield Preview(
                step=number * request.steps + preview.step,
                steps=len(seeds) * request.steps,
                rgb=tiled([each.rgb for each in newest], len(seeds)),
                encode_prompt_ms=sum(each.encode_prompt_ms for each in newest),
                denoise_ms=sum(each.denoise_ms for each in newest),
                decode_ms=sum(each.decode_ms for each in newest),
            )
        done.append(preview)


def tiled(pictures: Sequence[Rgb], batch: int) -> Rgb:
    """The pictures so far, of equal sizes, in an image for ``batch`` of them."""
    height, width = pictures[0].shape[:2]
    across, down = size(width, height, batch)
    whole = np.full((down, across, 3), _DARK, np.uint8)
    columns = math.ceil(math.sqrt(batch))
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        top, left = row * (height + _GAP), column * (width + _GAP)
        whole[top : top + height, left : left + width] = picture
    return whole
