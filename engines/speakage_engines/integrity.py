"""Are a model's files whole? Reads only what they say of themselves, so gigabytes take milliseconds.

It finds what interrupted copies and full disks leave: files cut short, or not of their kind. It does *not* find a
changed byte among the weights, and it does *not* say whether the model is any good: loading it on known audio does.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import BinaryIO, Final

from speakage_engines.api import ModelError

CTRANSLATE2_VERSION: Final = 6
"""The only binary version whose layout is read here; what other versions hold, their loader says."""


def check_files(model: Path) -> None:
    """Raise :class:`ModelError` that names the first damaged file of a folder, or the model's only file."""
    for path in [model] if model.is_file() else sorted(model.rglob("*")):
        check = {".json": _check_json, ".safetensors": _check_safetensors}.get(path.suffix)
        if path.name == "model.bin":
            check = _check_ctranslate2
        if check is None or not path.is_file():
            continue
        try:
            check(path)
        except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
            raise ModelError(f"{path}: damaged or cut short ({error}); put the model's files there again") from None


def _check_json(path: Path) -> None:
    json.loads(path.read_text(encoding="utf-8"))


def _check_safetensors(path: Path) -> None:
    """``u64`` length, that much JSON with each tensor's place, then the tensors, to the last byte."""
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > size:
            raise ValueError(f"the header should have {length} bytes, the file has {size}")
        header = json.loads(file.read(length))
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    _compare(size, 8 + length + max(ends, default=0))


def _check_ctranslate2(path: Path) -> None:
    """As ``ctranslate2.specs.ModelSpec`` writes it: variables one after the other, then their aliases."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if _number(file) != CTRANSLATE2_VERSION:
            return
        _skip_text(file)
        _number(file)
        for _ in range(_number(file)):
            _skip_text(file)
            (rank,) = struct.unpack("<B", file.read(1))
            file.seek(4 * rank + 1, 1)
            file.seek(_number(file), 1)
            if file.tell() > size:
                raise ValueError(f"it has {size} bytes, and one of its weights ends at byte {file.tell()}")
        for _ in range(2 * _number(file)):
            _skip_text(file)
        _compare(size, file.tell())


def _number(file: BinaryIO) -> int:
    number: int = struct.unpack("<I", file.read(4))[0]
    return number


def _skip_text(file: BinaryIO) -> None:
    (length,) = struct.unpack("<H", file.read(2))
    file.seek(length, 1)


def _compare(found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(f"it has {found} bytes instead of {expected}")
