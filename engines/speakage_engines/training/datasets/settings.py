"""What may be asked of a data set: how pictures are cut, which are wanted, how they are fetched. Nothing but values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from speakage_engines.api import EngineError

OnError: TypeAlias = Literal["drop", "stop"]

_PILLOW_WARNS_ABOVE: Final = 89_478_485


class DatasetError(EngineError):
    """A data set cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFilters:
    """Which rows of a LAION-style table are wanted. A filter that is not set needs no column."""

    min_width: int = 0
    """Pixels, by the column ``WIDTH``; 0 takes all."""
    min_height: int = 0
    """Pixels, by the column ``HEIGHT``; 0 takes all."""
    languages: tuple[str, ...] = ()
    """Codes as in the column ``LANGUAGE``, such as ``en``; empty takes all."""
    min_similarity: float | None = None
    """Of picture and text by CLIP, by the column ``SIMILARITY``; LAION-400M begins at 0.3."""
    max_watermark: float | None = None
    """Probability of a watermark, by the column ``PWATERMARK``; 0.8 is usual."""
    max_unsafe: float | None = None
    """Probability of being unsafe, by the column ``PUNSAFE``; 0.5 is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """How the pictures of a table come onto this machine."""

    folder: Path | None = None
    """Where they are kept; ``None`` takes a folder beside the table."""
    enabled: bool = True
    """Off: only what was fetched before is used."""
    workers: int = 16
    """Pictures fetched at once."""
    per_host: int = 4
    """Of them, from one host."""
    timeout: float = 10.0
    """Seconds without a byte."""
    deadline: float = 60.0
    """Seconds for one picture, all tries apart."""
    tries: int = 3
    backoff: float = 1.0
    """Seconds before the second try; doubled at each, as far as 30."""
    retry_refused: bool = False
    """Ask again for pictures that a host refused in an earlier run."""
    honour_opt_out: bool = True
    """Leave out pictures whose host says ``X-Robots-Tag: noai`` and kin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSettings:
    """How a data set is read."""

    size: int
    """Pixels on each side of the pictures that come out."""
    on_error: OnError = "drop"
    """``drop`` leaves faulty pictures out and reports them; ``stop`` raises at the first."""
    min_side: int = 64
    """Pixels; a picture with a shorter side is left out. Between this and ``size`` pictures are enlarged."""
    max_pixels: int = 64_000_000
    """A picture that claims more is never decoded."""
    max_bytes: int = 32 * 2**20
    """A file that is longer is never read."""
    deduplicate: bool = True
    """Leave out pictures that look like an earlier one."""
    captions_per_picture: int = 10
    """How many sentences are made of a row of attributes."""
    workers: int = 2
    """Pictures decoded at once while the data set is checked."""
    filters: TableFilters = field(default_factory=TableFilters)
    fetch: FetchSettings = field(default_factory=FetchSettings)

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything is read."""
        for name in ("size", "max_bytes", "captions_per_picture", "workers"):
            if getattr(self, name) < 1:
                raise DatasetError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("workers", "per_host", "tries"):
            if getattr(self.fetch, name) < 1:
                raise DatasetError(f"fetch.{name} is {getattr(self.fetch, name)}; it must be at least 1")
        if not 1 <= self.max_pixels <= _PILLOW_WARNS_ABOVE:
            raise DatasetError(f"max_pixels is {self.max_pixels}; it must lie between 1 and {_PILLOW_WARNS_ABOVE}")
