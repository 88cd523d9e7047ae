"""Captioned pictures of one's own, in whatever form they lie: :func:`open_pictures` finds out and checks them all.

Three forms: a folder of pictures (a ``.txt`` beside each, ``metadata.jsonl``, or CelebA's table of attributes),
WebDataset shards, and LAION-style tables. Whatever cannot be used is left out and reported, or stops the run, as the
settings say. Nothing of the data set itself is ever written.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from speakage_engines.api import Progress, no_progress
from speakage_engines.training.datasets import table
from speakage_engines.training.datasets.fetching import Fetcher, fetch_all
from speakage_engines.training.datasets.folder import (
    METADATA,
    attribute_table,
    pictures_below,
    read_attributes,
    read_metadata,
    read_pairs,
)
from speakage_engines.training.datasets.pictures import Candidate, PicturesOnDisk, check
from speakage_engines.training.datasets.report import Ledger, Report
from speakage_engines.training.datasets.settings import DatasetError, DatasetSettings, FetchSettings, TableFilters
from speakage_engines.training.datasets.shards import read_shards

__all__ = [
    "DatasetError",
    "DatasetSettings",
    "FetchSettings",
    "PicturesOnDisk",
    "Report",
    "TableFilters",
    "open_pictures",
]

Kind: TypeAlias = Literal["pictures and texts", "metadata.jsonl", "face attributes", "WebDataset shards", "table"]

ACCEPTED: Final = (
    "a folder with pictures and a .txt beside each, with metadata.jsonl (file_name, text), "
    "or with list_attr_celeba.txt; "
    "WebDataset shards (.tar, also as a pattern such as shards/*.tar); "
    "or a table (.parquet or .csv) with the columns URL and TEXT"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at a path."""

    kind: Kind
    files: tuple[Path, ...]
    """The folder, or all shards or tables in order."""


def open_pictures(
    path: Path, settings: DatasetSettings, progress: Progress = no_progress
) -> tuple[PicturesOnDisk, Report]:
    """Check every picture once, and say what was left out.

    Raises :class:`DatasetError` when nothing there can be used, and at the first fault when ``on_error`` is ``stop``.
    """
    found = find(path)
    ledger = Ledger(str(path), found.kind, settings.on_error)
    with closing(_candidates(found, ledger, settings)) as candidates:
        pictures = check(candidates, ledger, settings, progress)
    return pictures, ledger.report()


def find(path: Path) -> Found:
    """Which form of data set lies there; raises :class:`DatasetError` naming those there are."""
    if path.is_dir():
        return _find_in(path)
    files: tuple[Path, ...] = (path,) if path.is_file() else ()
    if not files and any(letter in path.name for letter in "*?["):
        files = tuple(sorted(each for each in path.parent.glob(path.name) if each.is_file()))
    if not files:
        raise DatasetError(f"{path}: there is nothing; give {ACCEPTED}")
    if all(_is_shard(file) for file in files):
        return Found("WebDataset shards", files)
    if all(file.suffix.lower() in table.SUFFIXES for file in files):
        return Found("table", files)
    raise DatasetError(f"{path}: is no data set that is known here; give {ACCEPTED}")


def _find_in(folder: Path) -> Found:
    if (folder / METADATA).is_file():
        return Found("metadata.jsonl", (folder,))
    if attribute_table(folder) is not None:
        return Found("face attributes", (folder,))
    if next(pictures_below(folder), None) is not None:
        return Found("pictures and texts", (folder,))
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    # img2dataset leaves a table of what it fetched beside its shards, so shards go first
    if shards := tuple(file for file in files if _is_shard(file)):
        return Found("WebDataset shards", shards)
    if tables := tuple(file for file in files if file.suffix.lower() in table.SUFFIXES):
        return Found("table", tables)
    raise DatasetError(f"{folder}: holds no pictures, shards or tables; give {ACCEPTED}")


def _is_shard(file: Path) -> bool:
    """Compressed ones too: they are refused where it can be said how to unpack them."""
    return ".tar" in [suffix.lower() for suffix in file.suffixes[-2:]] or file.suffix.lower() == ".tgz"


def _candidates(found: Found, ledger: Ledger, settings: DatasetSettings) -> Generator[Candidate, None, None]:
    """All that is worth a look, in one order for all runs."""
    first = found.files[0]
    match found.kind:
        case "pictures and texts":
            yield from read_pairs(first, ledger)
        case "metadata.jsonl":
            yield from read_metadata(first, ledger)
        case "face attributes":
            yield from read_attributes(first, ledger, settings.captions_per_picture)
        case "WebDataset shards":
            yield from read_shards(found.files, ledger)
        case "table":
            folder = settings.fetch.folder or _beside(first, found.files)
            fetcher = Fetcher(folder, settings.fetch, settings.max_bytes)
            entries = table.read_tables(found.files, settings.filters, ledger)
            yield from fetch_all(entries, fetcher, ledger, settings.fetch.workers)


def _beside(first: Path, tables: tuple[Path, ...]) -> Path:
    name = first.stem if len(tables) == 1 else first.parent.absolute().name
    return first.with_name(f"{name}.fetched")
