"""Bytes of a picture to a square of RGB, and its likeness to others. No files, no network.

Upright as EXIF says, transparency over white, the first frame of what moves, resized and cut from the middle. What
claims absurd dimensions is refused before a pixel is decoded.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from speakage_engines.training.datasets.report import Reason, RejectedError
from speakage_engines.training.datasets.settings import DatasetSettings

Rgb = NDArray[np.uint8]

FORMATS: Final = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
"""Pillow knows many more; some of them run other programs."""
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff"})

_DAMAGE: Final = (
    # what Pillow's decoders raise: half of it is no error of Pillow's own
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError, struct.error,
)  # fmt: skip
_WAVES: Final = 24
"""Of the 63 slowest waves, the slowest: they are the key under which a likeness is found."""
_DOUBTS: Final = 4
"""Signs of the key that are tried both ways, since compression turns the weakest."""
_DISTANCE: Final = 6
"""Signs of 63 in which copies may differ; other pictures differ in 17 and more."""
_COLOUR_TOLERANCE: Final = 2
"""Mean difference of 4×4 colours, of 255; copies differ by less than 1."""


@contextmanager
def quietly() -> Iterator[None]:
    """While this is open Pillow's warnings are silent. For all threads, so enter it before they begin.

    Of what is absurdly large it warns, and it is refused here anyway; odd metadata it complains of and reads on.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(data: bytes, settings: DatasetSettings) -> Rgb:
    """Shape ``(size, size, 3)``; raises :class:`RejectedError`."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_dimensions(image, settings)
            # large JPEGs are decoded no finer than needed
            image.draft("RGB", (settings.size, settings.size))
            upright = ImageOps.exif_transpose(_eight_bits(image))
            square = ImageOps.fit(_over_white(upright), (settings.size, settings.size), Image.Resampling.LANCZOS)
        return np.asarray(square, dtype=np.uint8)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise RejectedError(Reason.ABSURDLY_LARGE, str(error)) from None
    except _DAMAGE as error:
        raise RejectedError(Reason.BROKEN_PICTURE, _short(error)) from None


def _check_dimensions(image: Image.Image, settings: DatasetSettings) -> None:
    width, height = image.size
    if width * height > settings.max_pixels:
        raise RejectedError(Reason.ABSURDLY_LARGE, f"{width}×{height} pixels")
    if min(width, height) < settings.min_side:
        raise RejectedError(Reason.TOO_SMALL, f"{width}×{height} pixels, min_side is {settings.min_side}")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen-bit greys scaled down: Pillow would cut them off at 255."""
    if not image.mode.startswith("I"):
        return image
    scaled = Image.fromarray((np.asarray(image, dtype=np.int64).clip(0, 65535) // 257).astype(np.uint8))
    scaled.getexif().update(image.getexif())
    return scaled


def _over_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _short(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"none of {', '.join(FORMATS)}"
    return str(error)[:120] or type(error).__name__


@dataclass(frozen=True, slots=True)
class Likeness:
    """What two copies of a picture have in common although size and compression differ."""

    signs: int
    """Perceptual hash: signs of the 63 slowest waves of the brightness, the slowest first from the low end."""
    doubts: tuple[int, ...]
    """Which signs of the key are the least certain."""
    colours: bytes
    """4×4 RGB; flat and drawn pictures with equal brightness differ here."""

    @property
    def key(self) -> int:
        """The signs that it is found by."""
        return self.signs & ((1 << _WAVES) - 1)

    def likely_keys(self) -> Iterator[int]:
        """The key, and those that copies may have."""
        for count in range(_DOUBTS + 1):
            for turned in combinations(self.doubts, count):
                yield self.key ^ sum(1 << sign for sign in turned)

    def resembles(self, other: Likeness) -> bool:
        """Whether both are pictures of the same."""
        if (self.signs ^ other.signs).bit_count() > _DISTANCE:
            return False
        mine, others = (np.frombuffer(each.colours, np.uint8).astype(np.int16) for each in (self, other))
        return bool(np.abs(mine - others).mean() <= _COLOUR_TOLERANCE)


def likeness(picture: Rgb) -> Likeness:
    """Of a decoded picture; after pHash in Zauner, *Implementation and Benchmarking of Perceptual Hash Functions*."""
    image = Image.fromarray(picture)
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), dtype=np.float64)
    turns = np.cos(np.outer(np.arange(8), np.arange(32) + 0.5) * np.pi / 32)
    # slowest first; the very first is the mean brightness, which the colours hold
    speed = np.add.outer(np.arange(8), np.arange(8)).ravel()
    waves = (turns @ grey @ turns.T).ravel()[np.argsort(speed, kind="stable")[1:]]
    # the nothing in a flat or symmetric picture has no sign
    waves[np.abs(waves) < max(16.0, 0.005 * np.abs(waves).max())] = 0
    signs = np.packbits(waves > 0, bitorder="little").tobytes()
    doubts = np.argsort(np.abs(waves[:_WAVES]), kind="stable")[:_DOUBTS]
    colours = np.asarray(image.resize((4, 4), Image.Resampling.BOX), dtype=np.uint8)
    return Likeness(int.from_bytes(signs, "little"), tuple(int(sign) for sign in doubts), colours.tobytes())


@dataclass(slots=True)
class Likenesses:
    """Pictures seen so far."""

    _by_key: dict[int, list[tuple[Likeness, str]]] = field(default_factory=dict)

    def find(self, wanted: Likeness) -> str | None:
        """Name of an earlier picture that looks the same."""
        for key in wanted.likely_keys():
            for seen, name in self._by_key.get(key, ()):
                if wanted.resembles(seen):
                    return name
        return None

    def add(self, seen: Likeness, name: str) -> None:
        """Remember a picture."""
        self._by_key.setdefault(seen.key, []).append((seen, name))
