"""Things as small pictures: the glyphs of the colour emoji font, cut out, recoloured, scaled and remembered.

Knows no words and no scenes. The font is Debian's ``fonts-noto-color-emoji`` (SIL Open Font License 1.1).
"""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from speakage_engines.api import ModelError

FAMILY: Final = "Noto Color Emoji"
PLACES: Final = (
    Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/noto/NotoColorEmoji.ttf"),
)
STRIKE: Final = 109
"""The one size at which the font has bitmaps, 136 × 128 pixels."""
CACHE_SIZE: Final = 8192
"""Scaled glyphs: some 100 MB with pictures of 128 pixels."""

COLOURS: Final = {
    "red": (214, 36, 36), "orange": (245, 130, 20), "yellow": (250, 210, 40), "green": (52, 160, 60),
    "blue": (45, 95, 220), "purple": (135, 55, 185), "pink": (250, 130, 185), "brown": (120, 72, 42),
    "black": (48, 48, 54), "white": (246, 246, 246), "gray": (140, 142, 148),
}  # fmt: skip
"""What the word of a colour means on a thing."""


def find_font() -> Path:
    """The font's file; raises :class:`ModelError` with the package that brings it."""
    for path in PLACES:
        if path.is_file():
            return path
    try:
        found = subprocess.run(
            ["fc-match", "--format=%{family}\n%{file}", FAMILY], capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        found = ""
    family, _, file = found.partition("\n")
    if FAMILY not in family:
        raise ModelError(f"the font {FAMILY} is not installed; install it: apt install fonts-noto-color-emoji")
    return Path(file.strip())


def load_font(path: Path) -> ImageFont.FreeTypeFont:
    """The font at its only size; raises :class:`ModelError` when the file is another kind of font."""
    try:
        return ImageFont.truetype(path, STRIKE)
    except OSError as error:
        raise ModelError(
            f"{path}: no bitmaps of {STRIKE} pixels ({error}); drawing needs the font of fonts-noto-color-emoji"
        ) from error


class Glyphs:
    """Pictures of single things; the same question gives the same picture, shared: do not change it."""

    def __init__(self, path: Path | None = None) -> None:
        self._font = load_font(path or find_font())
        self.scaled = lru_cache(CACHE_SIZE)(self._scaled)
        """``(glyph, recolouring, colour, pixels, mirrored)`` → RGBA whose longer side has that many pixels."""
        self._painted = lru_cache(CACHE_SIZE)(self._paint)

    def _scaled(
        self, glyph: str, recolouring: Literal["none", "body", "whole"], colour: str | None, pixels: int, mirrored: bool
    ) -> Image.Image:
        picture = self._painted(glyph, recolouring, colour)
        factor = pixels / max(picture.size)
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.HAMMING)
        return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else picture

    def _paint(self, glyph: str, recolouring: Literal["none", "body", "whole"], colour: str | None) -> Image.Image:
        left, top, right, bottom = (int(edge) for edge in self._font.getbbox(glyph))
        canvas = Image.new("RGBA", (max(right, 1), max(bottom, 1)))
        ImageDraw.Draw(canvas).text((0, 0), glyph, font=self._font, embedded_color=True)
        box = canvas.getbbox()
        # a sequence that the font does not know is drawn as several pictures side by side
        if box is None or right - left > 1.5 * (bottom - top):
            raise ModelError(f"the font {FAMILY} has no picture of {glyph!r}; install a newer fonts-noto-color-emoji")
        picture = canvas.crop(box)
        if colour is None:
            return picture
        if recolouring == "none":
            raise ValueError(f"{glyph} is not known by its shape alone: it cannot be {colour}")
        return recoloured(picture, recolouring, COLOURS[colour])


def recoloured(
    picture: Image.Image, recolouring: Literal["body", "whole"], target: tuple[int, int, int]
) -> Image.Image:
    """The picture with its main hue, or all of it, in another colour; light and shadow stay."""
    pixels = np.asarray(picture, np.float32) / np.float32(255)
    colour, alpha = pixels[..., :3], pixels[..., 3]
    light = colour @ np.asarray([0.3, 0.59, 0.11], np.float32)
    weight = (_body if recolouring == "body" else _whole)(colour, alpha)
    painted = alpha * weight > 0.5
    usual = float(np.percentile(light[painted], 60)) if painted.any() else 0.5
    goal = np.asarray(target, np.float32) / 255
    # dark things made light would turn blotchy, light ones made dark would drown: both get softer shadows
    depth = 0.55 if goal.min() > 0.85 or goal.max() < 0.3 else 0.8
    ratio = (light / max(usual, 0.05))[..., None]
    shadow = goal * (1 - depth * (1 - np.minimum(ratio, 1)))
    shine = np.clip((light - usual) / max(1 - usual, 0.05), 0, 1)[..., None] * 0.6
    result = colour + weight[..., None] * (shadow + (1 - shadow) * shine - colour)
    whole = np.concatenate([result, alpha[..., None]], axis=-1)
    return Image.fromarray((np.clip(whole, 0, 1) * 255 + 0.5).astype(np.uint8), "RGBA")


def _body(colour: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each pixel is of the hue that most of the thing has, its shadows included."""
    saturation, value, hue = _hsv(colour)
    strong = alpha * saturation * value
    counts, _ = np.histogram(hue, bins=36, range=(0, 360), weights=strong)
    smooth = counts + 0.7 * (np.roll(counts, 1) + np.roll(counts, -1))
    main = 10 * int(smooth.argmax()) + 5
    distance = np.abs((hue - main + 180) % 360 - 180)
    weight = np.clip((48 - distance) / 16, 0, 1) * np.clip((saturation - 0.12) / 0.18, 0, 1)
    body: NDArray[np.float32] = (weight * np.clip((value - 0.12) / 0.15, 0, 1)).astype(np.float32)
    return body


def _whole(colour: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """All but the darkest: eyes, noses and outlines; of things that are dark themselves, all."""
    light = colour.max(axis=-1)
    seen = alpha > 0.5
    dark = float(np.median(light[seen])) < 0.4 if seen.any() else False
    weight: NDArray[np.float32] = np.ones_like(light) if dark else np.clip((light - 0.28) / 0.17, 0, 1)
    return weight


def _hsv(colour: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Saturation and value of 0–1, hue of 0–360."""
    high: NDArray[np.float32] = colour.max(axis=-1)
    low: NDArray[np.float32] = colour.min(axis=-1)
    spread = np.maximum(high - low, 1e-6)
    red, green, blue = colour[..., 0], colour[..., 1], colour[..., 2]
    hue = np.where(
        high == red,
        ((green - blue) / spread) % 6,
        np.where(high == green, (blue - red) / spread + 2, (red - green) / spread + 4),
    )
    saturation: NDArray[np.float32] = ((high - low) / np.maximum(high, 1e-6)).astype(np.float32)
    return saturation, high, 60 * hue
