"""WebDataset shards: plain tar files whose members of one name make a sample. Read in place, never unpacked.

A sample is a picture with a ``.txt``, or a ``.json`` with ``caption`` or ``text``. Compressed shards cannot be read by
number and are refused with the command that unpacks them.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

from speakage_engines.training.datasets.decoding import SUFFIXES
from speakage_engines.training.datasets.pictures import Candidate, Place
from speakage_engines.training.datasets.report import Ledger, Reason, RejectedError
from speakage_engines.training.datasets.text import MAX_CAPTION_BYTES, caption_lines, decode_text, tidy

_GZIP: Final = b"\x1f\x8b"
_TEXTS: Final = frozenset({".txt", ".json"})


def read_shards(shards: Sequence[Path], ledger: Ledger) -> Generator[Candidate, None, None]:
    """The samples of all shards, in the order in which they lie."""
    for number, shard in enumerate(shards):
        members, fault = _members(shard)
        for key, sample in _samples(members).items():
            name = f"{shard.name}:{key}"
            try:
                place, captions = _sample(shard, sample)
            except RejectedError as rejected:
                ledger.drop(rejected.reason, name, rejected.detail)
            else:
                yield Candidate(name, place, captions, number / len(shards))
        if fault is not None:
            ledger.drop(fault.reason, shard.name, fault.detail)


def _members(shard: Path) -> tuple[list[tarfile.TarInfo], RejectedError | None]:
    """What the shard holds as far as it is sound, and what is wrong with it."""
    members: list[tarfile.TarInfo] = []
    try:
        with tarfile.open(shard, mode="r:") as tar:
            # one at a time, so that what lies before the damage is kept
            while (member := tar.next()) is not None:
                members.append(member)
            end = tar.offset
        with shard.open("rb") as file:
            file.seek(end)
            block = file.read(tarfile.BLOCKSIZE)
        if block != bytes(tarfile.BLOCKSIZE):
            # tarfile takes any broken header for the end
            return members, RejectedError(Reason.BROKEN_FILE, f"damaged or cut short at byte {end}")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        return members, RejectedError(Reason.BROKEN_FILE, _remedy(shard, error))
    return members, None


def _remedy(shard: Path, error: Exception) -> str:
    try:
        with shard.open("rb") as file:
            if file.read(2) == _GZIP:
                return f"it is compressed; unpack it with: gunzip -S {''.join(shard.suffixes[-1:])} {shard.name}"
    except OSError as closed:
        return closed.strerror or str(closed)
    return str(error) or type(error).__name__


def _samples(members: Sequence[tarfile.TarInfo]) -> dict[str, dict[str, tarfile.TarInfo]]:
    """Members by what stands before the first dot of their names, then by the rest."""
    samples: dict[str, dict[str, tarfile.TarInfo]] = {}
    for member in members:
        folder, _, base = member.name.rpartition("/")
        stem, dot, ending = base.partition(".")
        if stem and dot and member.isfile() and not member.issparse():
            key = f"{folder}/{stem}" if folder else stem
            samples.setdefault(key, {})[f".{ending.lower()}"] = member
    return {key: sample for key, sample in samples.items() if sample.keys() & (SUFFIXES | _TEXTS)}


def _sample(shard: Path, sample: dict[str, tarfile.TarInfo]) -> tuple[Place, tuple[str, ...]]:
    picture = next((member for ending, member in sample.items() if ending in SUFFIXES), None)
    if picture is None:
        raise RejectedError(Reason.NO_PICTURE, f"only {', '.join(sorted(sample))}")
    if ".txt" in sample:
        captions = caption_lines(_text(shard, sample[".txt"]))
    elif ".json" in sample:
        captions = (_described(_text(shard, sample[".json"])),)
    else:
        raise RejectedError(Reason.NO_CAPTION, f"only {', '.join(sorted(sample))}")
    return Place(shard, picture.offset_data, picture.size), captions


def _text(shard: Path, member: tarfile.TarInfo) -> bytes:
    try:
        return Place(shard, member.offset_data, member.size).read(MAX_CAPTION_BYTES)
    except OSError as error:
        raise RejectedError(Reason.BROKEN_FILE, error.strerror or str(error)) from None


def _described(raw: bytes) -> str:
    try:
        described = json.loads(decode_text(raw))
    except (ValueError, RecursionError) as error:
        raise RejectedError(Reason.BROKEN_FILE, f".json is not JSON ({error})") from None
    if not isinstance(described, dict):
        raise RejectedError(Reason.WRONG_COLUMNS, ".json holds no object")
    caption = described.get("caption", described.get("text"))
    if caption is None:
        raise RejectedError(Reason.NO_CAPTION, ".json has neither caption nor text")
    if not isinstance(caption, str):
        raise RejectedError(Reason.WRONG_COLUMNS, "the caption in .json is no text")
    return tidy(caption)
