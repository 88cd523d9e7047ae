"""Pictures that clients want to start from: decoded with care, brought to the model's size, and kept for a while.

They are known by the SHA-256 of their RGB bytes, and live in memory only. A picture is cut to the model's shape around
its middle and then resized; its mask is cut likewise. Nothing is painted here.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from speakage_daemon.errors import PictureError
from speakage_daemon.events import Start
from speakage_daemon.picture_file import rgb_sha256
from speakage_engines import api

MAX_BYTES: Final = 20_000_000
"""Of an encoded picture."""
MAX_PIXELS: Final = 50_000_000
FORMATS: Final = ("PNG", "JPEG", "WEBP")
KEPT: Final = 48
"""Pictures and masks; the one that was used longest ago goes first."""
_ANEW: Final = 127
"""As engines take it: what is brighter in a mask is painted anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What a client is told of the picture that it sent."""

    id: str
    width: int
    """As it was sent, turned the way its camera was held."""
    height: int


class Uploads:
    """The latest few. Any thread may ask."""

    def __init__(self, width: int, height: int, refusal: str = "") -> None:
        """``width`` and ``height`` are the model's; ``refusal`` says why it cannot start from a picture, if so."""
        self._size = width, height
        self._refusal = refusal
        self._kept: OrderedDict[str, api.Rgb] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, rgb: api.Rgb) -> Upload:
        """Keep a picture or a mask for later; raises :class:`PictureError` where the model cannot use any."""
        if self._refusal:
            raise PictureError(self._refusal)
        number, small = rgb_sha256(rgb), fitted(rgb, *self._size)
        with self._lock:
            self._kept[number] = small
            self._kept.move_to_end(number)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        height, width, _ = rgb.shape
        return Upload(id=number, width=width, height=height)

    def start(self, start: Start) -> api.Start:
        """What the picture model is given; raises :class:`PictureError` naming the field."""
        mask = None
        if start.mask_id:
            mask = self._find("mask_id", start.mask_id).max(axis=2)
            if not (mask > _ANEW).any():
                raise PictureError("mask_id: the mask is dark everywhere; make white what should be painted anew")
        return api.Start(rgb=self._find("image_id", start.image_id), strength=start.strength, mask=mask)

    def _find(self, field: str, number: str) -> api.Rgb:
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        raise PictureError(f"{field}: no picture {number[:12]}… is kept any more; send it again (POST /v1/uploads)")


def decode(data: bytes) -> api.Rgb:
    """A PNG, JPEG or WebP as RGB, what is transparent in white; raises :class:`PictureError` for anything else."""
    try:
        with warnings.catch_warnings():
            # our own limit is below the one that Pillow warns at
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise PictureError(
                        f"the picture has {image.width} × {image.height} pixels; at most {MAX_PIXELS // 1_000_000} "
                        "million are taken: send a smaller one"
                    )
                turned = ImageOps.exif_transpose(image)
                plain = turned.convert("RGBA") if turned.has_transparency_data else turned.convert("RGB")
    except Image.DecompressionBombError:
        raise PictureError(
            f"the picture has too many pixels; at most {MAX_PIXELS // 1_000_000} million are taken: send a smaller one"
        ) from None
    except UnidentifiedImageError:
        raise PictureError("this is no PNG, JPEG or WebP picture; save it as one of these") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PictureError(f"the picture is damaged ({error}); save it again") from None
    if plain.mode == "RGBA":
        plain = Image.alpha_composite(Image.new("RGBA", plain.size, "white"), plain).convert("RGB")
    return np.asarray(plain)


def fitted(rgb: api.Rgb, width: int, height: int) -> api.Rgb:
    """Cut around its middle, then resized; one of that size stays exactly as it is."""
    if rgb.shape == (height, width, 3):
        return rgb
    return np.asarray(ImageOps.fit(Image.fromarray(rgb), (width, height), Image.Resampling.LANCZOS))
