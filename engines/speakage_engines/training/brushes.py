"""What backgrounds are made of: walls, gradients, hills, clouds and dots. Knows no place and no word."""

from __future__ import annotations

import random
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
CANVAS: Final = 256
"""Pixels on each side while drawing; pictures are scaled from it."""


def vignette(colour: Colour) -> Image.Image:
    """A wall: a little lighter in its middle, so that it is no hole in the picture."""
    across = np.linspace(-1, 1, CANVAS, dtype=np.float32)
    shade = 1.04 - 0.1 * (across[:, None] ** 2 + across[None] ** 2)
    # paler than things of that colour, which would be lost before it
    muted = np.asarray(colour, np.float32) * 0.88 + 0.12 * 200
    return Image.fromarray(np.clip(shade[..., None] * muted, 0, 255).astype(np.uint8))


def sky(top: Colour, bottom: Colour, low: Colour | None = None, horizon: float = 1.0) -> Image.Image:
    """A gradient down to the horizon (a share of the height), and the ground's colour below it."""
    rows = np.linspace(0, 1, CANVAS, dtype=np.float32)[:, None]
    mix = np.clip(rows / horizon, 0, 1)
    column = np.asarray(top, np.float32) * (1 - mix) + np.asarray(bottom, np.float32) * mix
    if low is not None:
        column[rows[:, 0] > horizon] = low
    return Image.fromarray(np.repeat(column[:, None], CANVAS, axis=1).astype(np.uint8))


def hills(picture: Image.Image, dice: random.Random, level: float, height: float, colour: Colour) -> None:
    """A wavy ground from ``level`` (a share of the height) down."""
    phase, turns = dice.uniform(0, 6.3), dice.uniform(0.6, 1.6)
    across = np.linspace(0, 6.3 * turns, 65) + phase
    tops = CANVAS * (level - height * (0.5 + 0.35 * np.sin(across) + 0.15 * np.sin(2.3 * across)))
    points = [(x * CANVAS / 64, float(y)) for x, y in enumerate(tops)]
    ImageDraw.Draw(picture).polygon([(0, CANVAS), *points, (CANVAS, CANVAS)], fill=colour)


def clouds(picture: Image.Image, dice: random.Random, count: int, colour: Colour, top: float = 0.3) -> None:
    draw = ImageDraw.Draw(picture)
    for _ in range(count):
        x, y, size = dice.uniform(0, CANVAS), dice.uniform(0.04, top) * CANVAS, dice.uniform(12, 22)
        for step, scale in ((-1.2, 0.7), (0, 1.0), (1.2, 0.75)):
            radius = size * scale
            draw.ellipse(
                (x + step * size - radius * 1.2, y - radius, x + step * size + radius * 1.2, y + radius * 0.7), colour
            )


def dots(
    picture: Image.Image, dice: random.Random, count: int, area: tuple[float, float], colours: list[Colour]
) -> None:
    """Small round things between two heights (shares): stars, petals, leaves, pebbles, flakes."""
    draw = ImageDraw.Draw(picture)
    for _ in range(count):
        x, y, radius = dice.uniform(0, CANVAS), dice.uniform(*area) * CANVAS, dice.uniform(1.0, 3.2)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), dice.choice(colours))
