"""One step of painting, made ready for the wire: runs on the painter's executor, so it blocks as it likes."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from PIL import Image

from speakage_engines.api import Preview

JPEG_QUALITY: Final = 85
PNG_LEVEL: Final = 1
"""Previews are made many a second: speed before size."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A preview and its encoded form."""

    preview: Preview
    encoded: bytes
    sha256: str | None
    """Of the RGB bytes, for the last step, which is sent without loss; else ``None``."""
    began: float
    """When the step began; monotonic, s, as are the next two."""
    painted: float
    """When it was painted and decoded."""
    ended: float
    """When it was encoded."""

    @property
    def encode_ms(self) -> float:
        """How long encoding it took."""
        return (self.ended - self.painted) * 1e3


def next_shown(previews: Iterator[Preview]) -> Shown:
    """Run the next step and encode it: JPEG on the way, PNG at the last step."""
    began = time.monotonic()
    preview = next(previews)
    painted = time.monotonic()
    picture = Image.fromarray(preview.rgb)
    buffer = io.BytesIO()
    digest = None
    if preview.step == preview.steps:
        picture.save(buffer, "PNG", compress_level=PNG_LEVEL)
        digest = hashlib.sha256(preview.rgb.tobytes()).hexdigest()
    else:
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return Shown(preview, buffer.getvalue(), digest, began, painted, time.monotonic())
