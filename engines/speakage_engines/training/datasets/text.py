"""Captions as they are found: bytes in, one tidy line out. It does *not* judge or change the words."""

from __future__ import annotations

from speakage_engines.training.datasets.report import Reason, RejectedError

MAX_CAPTION_BYTES = 64 * 2**10
"""More than this is no caption but something else."""


def decode_text(raw: bytes) -> str:
    """UTF-8 with or without a byte order mark; raises :class:`RejectedError`."""
    if len(raw) > MAX_CAPTION_BYTES:
        raise RejectedError(Reason.ABSURDLY_LARGE, f"the caption has more than {MAX_CAPTION_BYTES} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RejectedError(Reason.NOT_UTF8, f"byte {error.start} is 0x{raw[error.start]:02x}") from None


def tidy(caption: str) -> str:
    """Spaces made single; raises :class:`RejectedError` when nothing or no text is left."""
    tidied = " ".join(caption.split())
    if not tidied:
        raise RejectedError(Reason.NO_CAPTION, "it is empty")
    # UTF-16 without a byte order mark is valid UTF-8 full of NULs; lone surrogates come from JSON and from bad bytes
    if any("\ud800" <= letter <= "\udfff" or letter == "\x00" for letter in tidied):
        raise RejectedError(Reason.NOT_UTF8)
    return tidied


def caption_lines(raw: bytes) -> tuple[str, ...]:
    """Captions of one picture, one a line, as in Multi-Modal-CelebA-HQ; raises :class:`RejectedError`."""
    lines = [line for line in decode_text(raw).splitlines() if line.strip()]
    if not lines:
        raise RejectedError(Reason.NO_CAPTION, "it is empty")
    return tuple(tidy(line) for line in lines)
