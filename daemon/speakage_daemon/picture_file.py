"""One picture as a PNG that explains itself: pixels, A1111's ``parameters`` text, and our own JSON, in one file.

``parameters`` is what other programs read, so it is tidied to their form; the chunk ``speakage`` keeps every word
exactly and is enough to build the gallery's index again. Pure but for :func:`read`. It does *not* write files: that
is :mod:`speakage_daemon.gallery`'s, and the order in which it does so is the point of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import unicodedata
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from annotated_types import Interval
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from pydantic import TypeAdapter, ValidationError

from speakage_daemon import __version__
from speakage_daemon.errors import GalleryError
from speakage_daemon.events import Picture, Timings
from speakage_engines.api import Rgb

PARAMETERS: Final = "parameters"
"""Keyword of the text chunk that A1111 and its kin read."""
CHUNK: Final = "speakage"
"""Keyword of our JSON."""
OURS: Final = re.compile(r"\d{8}-\d{6}-\d{6,}-.+\.png")
"""What :func:`file_name` makes: files of any other name are not touched."""
SLUG_BYTES: Final = 80
"""A file name may have 255 bytes, and some file systems and archives take fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRecord:
    """All that the painter knows about a picture."""

    prompt: str
    rewritten_from: str = ""
    """The prompt as the grammar had it, where a language model wrote another; empty otherwise."""
    negative: str
    transcript: str
    unknown_words: tuple[str, ...]
    seed: int
    steps: int
    batch: int = 1
    """Pictures in the image; each has the next number for its seed."""
    guidance: float
    sampler: str
    model: str
    backend: str
    engine_key: str
    adapters: tuple[str, ...] = ()
    """LoRAs with their scales, ``name:scale``."""
    carried_strength: float | None = None
    """How much was painted anew over the revision before it; then the seed alone does not bring the picture back."""
    source_sha256: str = ""
    """Of the picture that it was started from; empty for none."""
    mask_sha256: str = ""
    """Of the mask; empty where all of it was painted anew."""
    strength: float | None = None
    """How much of the source could become another; ``None`` without one."""
    timings: Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord(PictureRecord):
    """A record once the picture has a number: what the ``speakage`` chunk holds."""

    id: Annotated[int, Interval(ge=1, lt=2**53)]
    created: str
    """UTC, ISO 8601."""
    sha256: str
    """Of the RGB bytes, row by row."""
    width: int
    height: int


_stored: Final = TypeAdapter(StoredRecord)


def rgb_sha256(rgb: Rgb) -> str:
    """SHA-256 of the RGB bytes, row by row."""
    return hashlib.sha256(np.ascontiguousarray(rgb).data).hexdigest()


def encode(rgb: Rgb, stored: StoredRecord) -> bytes:
    """The whole PNG file. ``rgb`` has shape ``(height, width, 3)``, uint8."""
    chunks = PngInfo()
    chunks.add_text(PARAMETERS, parameters(stored))
    # ASCII only, so that readers which take every text chunk for Latin-1 or for UTF-8 agree on it
    chunks.add_text(CHUNK, json.dumps(_stored.dump_python(stored, mode="json")))
    file = io.BytesIO()
    # displays wait for the file: level 1 costs a fraction of level 6's time, for about a tenth more bytes
    Image.fromarray(rgb).save(file, "PNG", pnginfo=chunks, compress_level=1)
    return file.getvalue()


def read(path: Path) -> StoredRecord:
    """The record inside a PNG whose every checksum is right; raises :class:`GalleryError` for any other file."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text = image.info.get(CHUNK)
            image.verify()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, struct.error) as error:
        raise GalleryError(f"{path}: not a whole PNG ({error}); delete it, or put back a copy") from None
    if not isinstance(text, str):
        raise GalleryError(f"{path}: no {CHUNK} chunk; a picture edited elsewhere belongs under another name")
    try:
        return _stored.validate_json(text)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(map(str, wrong["loc"])) or "JSON"
        raise GalleryError(f"{path}: {CHUNK} chunk: {field}: {wrong['msg']}; give the file another name") from None


def picture(stored: StoredRecord) -> Picture:
    """What displays are told of it."""
    shared = {name: value for name, value in asdict(stored).items() if name in Picture.__dataclass_fields__}
    return Picture(**shared, url=f"/v1/pictures/{stored.id}.png")


def parameters(stored: StoredRecord) -> str:
    """A1111's form: the prompt, perhaps the negative prompt, then one line of settings."""
    lines = [_one_line(stored.prompt)]
    if negative := _one_line(stored.negative):
        lines.append(f"Negative prompt: {negative}")
    settings = {
        "Steps": stored.steps,
        "Sampler": _quoted(stored.sampler),
        "CFG scale": f"{stored.guidance:g}",
        "Seed": stored.seed,
        "Size": f"{stored.width}x{stored.height}",
        "Model": _quoted(stored.model),
        **({} if stored.strength is None else {"Denoising strength": f"{stored.strength:g}"}),
        "Version": f"speakage {__version__}",
    }
    if stored.batch > 1:
        settings["Batch size"] = stored.batch
    lines.append(", ".join(f"{key}: {value}" for key, value in settings.items()))
    return "\n".join(lines)


def file_name(number: int, prompt: str, moment: datetime) -> str:
    """``20261120-105900-000012-a-car-on-a-beach.png``: sorts by time, and says what it shows."""
    return f"{moment:%Y%m%d-%H%M%S}-{number:06d}-{slug(prompt)}.png"


def slug(text: str) -> str:
    """The words of a text in any script, as one safe part of a file name: never empty, at most 80 bytes."""
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).lower())
    name = ""
    for word in _words(plain):
        longer = f"{name}-{word}" if name else word
        if len(longer.encode()) > SLUG_BYTES:
            # a first word without end, as in scripts that put no spaces, is cut between characters
            return name or word.encode()[:SLUG_BYTES].decode(errors="ignore")
        name = longer
    return name or "picture"


def _words(text: str) -> list[str]:
    kept = ""
    for character in text:
        # a mark belongs to the letter before it: Devanagari and Thai fall apart without theirs
        mark = unicodedata.category(character).startswith("M") and kept[-1:].strip() != ""
        kept += character if character.isalnum() or mark else " "
    return kept.split()


def _one_line(text: str) -> str:
    """Controls and lone surrogates are no text, and a line break would begin another part of the parameters."""
    printable = (" " if unicodedata.category(c) in {"Cc", "Cs"} else c for c in text)
    return " ".join("".join(printable).split())


def _quoted(value: str) -> str:
    """As A1111 does it: a value that holds a separator is written as JSON."""
    value = _one_line(value)
    return json.dumps(value, ensure_ascii=False) if {",", ":", '"'} & set(value) else value
