"""Ways of drawing, as operations on a finished picture, and the words for them. Knows nothing of what is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps


@dataclass(frozen=True, slots=True)
class Style:
    """A way of drawing."""

    noun: str
    """"a dog, *pencil sketch*"; with an article before a thing: "*a pencil sketch of* a dog"."""
    phrases: tuple[str, ...]
    """Behind the rest: "a dog *as a pencil sketch*"; the first is the plain one."""
    colours: bool
    """Whether the colours of things can still be named."""
    draw: Callable[[Image.Image], Image.Image]


def _grain(size: int, strength: float) -> NDArray[np.float32]:
    """Paper: the same sheet for every picture, so that a picture is made by its scene alone."""
    dice = np.random.default_rng(7)
    fine = dice.normal(0, 1, (size, size)).astype(np.float32)
    coarse = np.kron(dice.normal(0, 1, (size // 4, size // 4)), np.ones((4, 4))).astype(np.float32)
    grain: NDArray[np.float32] = np.float32(strength) * (
        np.float32(0.6) * fine + np.float32(0.4) * coarse[:size, :size]
    )
    return grain


def _edges(picture: Image.Image) -> NDArray[np.float32]:
    """How sharply the picture changes at each pixel, about 0 to 1."""
    pixels = np.asarray(picture.convert("RGB"), np.float32) / 255
    across = np.abs(np.roll(pixels, -1, 1) - np.roll(pixels, 1, 1))
    down = np.abs(np.roll(pixels, -1, 0) - np.roll(pixels, 1, 0))
    steep: NDArray[np.float32] = np.maximum(across, down).max(axis=-1)
    steep[[0, -1]] = 0
    steep[:, [0, -1]] = 0
    return steep


def _picture(pixels: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert("RGB")


def _pencil(picture: Image.Image) -> Image.Image:
    """Dodge: where the picture is as light as its surroundings the paper stays white."""
    gray = ImageOps.autocontrast(picture.convert("L"))
    around = gray.filter(ImageFilter.GaussianBlur(picture.width / 40))
    light, soft = np.asarray(gray, np.float32), np.asarray(around, np.float32)
    lines = np.minimum(255, light * 255 / np.maximum(soft, 24))
    shading = 205 + 50 * light / 255
    grain = _grain(picture.width, 9) * (1 - light / 320)
    return _picture(np.minimum(lines, shading) - 90 * np.minimum(_edges(picture), 0.8) + grain)


def _pixels(picture: Image.Image) -> Image.Image:
    cells = round(picture.width / 2.7)
    small = picture.resize((cells, cells), Image.Resampling.BOX)
    few = small.quantize(24, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    return few.resize(picture.size, Image.Resampling.NEAREST)


def _watercolour(picture: Image.Image) -> Image.Image:
    """Flat washes that run a little, darker at their rims, on rough paper."""
    washes = picture.filter(ImageFilter.ModeFilter(5)).filter(ImageFilter.GaussianBlur(picture.width / 110))
    pixels = np.asarray(washes, np.float32)
    pale = 255 - (255 - pixels) * 0.72
    rims = ImageChops.difference(washes, washes.filter(ImageFilter.GaussianBlur(picture.width / 50)))
    dark = np.asarray(rims.convert("L"), np.float32)[..., None]
    return _picture(pale - 0.9 * dark + _grain(picture.width, 6)[..., None])


def _gray(picture: Image.Image) -> Image.Image:
    return picture.convert("L").convert("RGB")


def _old(picture: Image.Image) -> Image.Image:
    """Sepia, faded, darker at the corners."""
    light = np.asarray(ImageOps.autocontrast(picture.convert("L")), np.float32)[..., None] / 255
    across = np.linspace(-1, 1, picture.width, dtype=np.float32)
    corners = 1 - 0.22 * (across[:, None] ** 2 + across[None] ** 2)[..., None]
    dark, bright = np.asarray([58, 36, 20], np.float32), np.asarray([248, 226, 184], np.float32)
    return _picture((dark + (bright - dark) * light) * corners + _grain(picture.width, 5)[..., None])


def _comic(picture: Image.Image) -> Image.Image:
    """Few strong colours and black outlines."""
    flat = ImageOps.posterize(picture.filter(ImageFilter.MedianFilter(3)), 3)
    bright = np.asarray(flat, np.float32) * 1.1 + 18
    middle = bright.mean(axis=-1, keepdims=True)
    strong = middle + 1.35 * (bright - middle)
    ink = np.clip((_edges(picture.filter(ImageFilter.GaussianBlur(0.8))) - 0.22) / 0.12, 0, 1)[..., None]
    return _picture(strong * (1 - ink) + 15 * ink)


def _neon(picture: Image.Image) -> Image.Image:
    """Glowing outlines on black."""
    pixels = np.asarray(picture, np.float32)
    pure = pixels - 0.85 * pixels.min(axis=-1, keepdims=True) + 30
    pure *= 255 / np.maximum(pure.max(axis=-1, keepdims=True), 1)
    lines = _picture(pure * np.clip((_edges(picture) - 0.08) * 2.2, 0, 1)[..., None])
    glow = lines.filter(ImageFilter.GaussianBlur(picture.width / 42))
    return _picture(8 + np.asarray(lines, np.float32) * 0.95 + np.asarray(glow, np.float32) * 1.3)


def _moonlight(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(ImageOps.autocontrast(picture, 1), np.float32)
    light = pixels.mean(axis=-1, keepdims=True)
    muted = light + 0.35 * (pixels - light)
    return _picture(muted * np.asarray([0.5, 0.66, 1.0], np.float32) + np.asarray([0, 6, 28], np.float32))


STYLES: Final = {
    "pencil sketch": Style(
        "pencil sketch",
        ("as a pencil sketch", "drawn with a pencil", "in the style of a pencil sketch", "sketched"),
        False,
        _pencil,
    ),
    "pixel art": Style(
        "pixel art",
        ("in pixel art style", "as pixel art", "made of pixels", "like in an old video game"),
        True,
        _pixels,
    ),
    "watercolor": Style(
        "watercolor painting",
        ("as a watercolor", "in watercolor", "painted in watercolors", "in the style of a watercolour"),
        True,
        _watercolour,
    ),
    "black and white": Style(
        "black and white photo", ("in black and white", "as a black and white picture", "without colors"), False, _gray
    ),
    "old photo": Style(
        "old photo", ("as an old photo", "like an old photograph", "in sepia", "as a vintage photo"), False, _old
    ),
    "comic": Style("comic", ("in comic style", "as a comic", "like in a comic book", "as a cartoon"), True, _comic),
    "neon": Style("neon sign", ("in neon", "as a neon sign", "made of neon lights", "glowing"), False, _neon),
    "moonlight": Style(
        "moonlit picture", ("in moonlight", "by moonlight", "in blue moonlight", "lit by the moon"), False, _moonlight
    ),
}
