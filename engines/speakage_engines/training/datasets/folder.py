"""Folders of pictures: with a ``.txt`` beside each, with ``metadata.jsonl``, or with a table of face attributes.

Finds the pictures and their captions, and reports what has only one of both. It does *not* open a picture.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from speakage_engines.training.datasets.decoding import SUFFIXES
from speakage_engines.training.datasets.faces import FaceCaptions, face_rows
from speakage_engines.training.datasets.pictures import Candidate, Place
from speakage_engines.training.datasets.report import Ledger, Reason, RejectedError, printable
from speakage_engines.training.datasets.settings import DatasetError
from speakage_engines.training.datasets.text import MAX_CAPTION_BYTES, caption_lines, decode_text, tidy

METADATA: Final = "metadata.jsonl"
ATTRIBUTE_TABLES: Final = ("list_attr_celeba.txt", "CelebAMask-HQ-attribute-anno.txt")


def pictures_below(folder: Path) -> Iterator[Path]:
    """All files that are named like pictures, however deep; hidden ones are none of ours."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and not _hidden(path.relative_to(folder)) and path.is_file():
            yield path


def read_pairs(folder: Path, ledger: Ledger) -> Generator[Candidate, None, None]:
    """Pictures with a ``.txt`` of the same name; each of its lines is a caption."""
    paths = list(pictures_below(folder))
    for number, path in enumerate(paths):
        name = str(path.relative_to(folder))
        try:
            captions = _beside(path)
        except RejectedError as rejected:
            ledger.drop(rejected.reason, name, rejected.detail)
        else:
            yield Candidate(name, Place(path), captions, number / len(paths))
    captioned = {path.with_suffix("") for path in paths}
    for path in sorted(folder.rglob("*.txt")):
        if path.with_suffix("") not in captioned and not _hidden(path.relative_to(folder)):
            ledger.drop(Reason.NO_PICTURE, str(path.relative_to(folder)))


def _beside(picture: Path) -> tuple[str, ...]:
    text = picture.with_suffix(".txt")
    try:
        with text.open("rb") as file:
            return caption_lines(file.read(MAX_CAPTION_BYTES + 1))
    except FileNotFoundError:
        raise RejectedError(Reason.NO_CAPTION, f"{text.name} is not there") from None
    except OSError as error:
        raise RejectedError(Reason.BROKEN_FILE, f"{text.name}: {error.strerror}") from None


def read_metadata(folder: Path, ledger: Ledger) -> Generator[Candidate, None, None]:
    """Pictures named by ``metadata.jsonl``, as in the ImageFolder of ``datasets``: ``file_name`` and ``text``."""
    file = folder / METADATA
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read ({error.strerror}); make it readable") from None
    named: set[PurePosixPath] = set()
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        name = f"{METADATA} line {number + 1}"
        try:
            row = _row(line)
            relative = _inside(row)
            name = f"{name} ({relative})"
            named.add(relative)
            place, caption = _place(folder / relative), _text(row)
        except RejectedError as rejected:
            ledger.drop(rejected.reason, name, rejected.detail)
        else:
            yield Candidate(str(relative), place, (caption,), number / len(lines))
    for path in pictures_below(folder):
        relative = PurePosixPath(path.relative_to(folder))
        if relative not in named:
            ledger.drop(Reason.NO_CAPTION, str(relative), f"{METADATA} does not name it")


def _row(line: bytes) -> dict[str, object]:
    try:
        row = json.loads(decode_text(line))
    except (ValueError, RecursionError) as error:
        raise RejectedError(Reason.BROKEN_FILE, f"it is not JSON ({error})") from None
    if not isinstance(row, dict):
        raise RejectedError(Reason.WRONG_COLUMNS, "it is not a JSON object")
    if lacking := [column for column in ("file_name", "text") if column not in row]:
        has = ", ".join(row) or "nothing"
        raise RejectedError(Reason.WRONG_COLUMNS, f"it lacks {' and '.join(lacking)}; it has {has}")
    return row


def _inside(row: dict[str, object]) -> PurePosixPath:
    name = row["file_name"]
    if not isinstance(name, str) or not name or "\x00" in name:
        raise RejectedError(Reason.WRONG_COLUMNS, "file_name is no name")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise RejectedError(Reason.OUTSIDE, printable(name))
    return path


def _place(picture: Path) -> Place:
    if not picture.is_file():
        raise RejectedError(Reason.NO_PICTURE)
    return Place(picture)


def _text(row: dict[str, object]) -> str:
    text = row["text"]
    if text is None:
        raise RejectedError(Reason.NO_CAPTION, "text is null")
    if not isinstance(text, str):
        raise RejectedError(Reason.WRONG_COLUMNS, "text is no text")
    return tidy(text)


def attribute_table(folder: Path) -> Path | None:
    """The table of face attributes that lies in the folder, if one does."""
    return next((folder / name for name in ATTRIBUTE_TABLES if (folder / name).is_file()), None)


def read_attributes(folder: Path, ledger: Ledger, sentences: int) -> Generator[Candidate, None, None]:
    """Pictures whose captions are made from a table of face attributes; matched by name without its ending."""
    table = attribute_table(folder)
    if table is None:
        raise DatasetError(f"{folder}: has no table of attributes; put one of {', '.join(ATTRIBUTE_TABLES)} there")
    paths = list(pictures_below(folder))
    pictures = {path.stem: path for path in paths}
    described: set[str] = set()
    for number, (name, row) in enumerate(face_rows(table)):
        stem = PurePosixPath(name).stem
        described.add(stem)
        if isinstance(row, RejectedError):
            ledger.drop(row.reason, f"{table.name}: {name}", row.detail)
        elif stem not in pictures:
            ledger.drop(Reason.NO_PICTURE, f"{table.name}: {name}")
        else:
            place = Place(pictures[stem])
            done = min(1.0, number / max(1, len(paths)))
            yield Candidate(str(pictures[stem].relative_to(folder)), place, FaceCaptions(stem, row, sentences), done)
    for path in paths:
        if path.stem not in described:
            ledger.drop(Reason.NO_CAPTION, str(path.relative_to(folder)), f"{table.name} does not name it")


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)
