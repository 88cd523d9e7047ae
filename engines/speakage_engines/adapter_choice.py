"""Which adapters (LoRA) a setting means, where they lie, and how strongly they are wanted. Keeps no weights.

One is named as ``NAME`` or ``NAME:SCALE``: a file in the folder ``adapters`` of the models' folder, without its
ending, or the path of any other file or of a folder that peft or diffusers wrote.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from speakage_engines.api import ModelError

FOLDER: Final = "adapters"
ENDING: Final = ".safetensors"
WRITTEN_NAMES: Final = ("adapter_model.safetensors", "pytorch_lora_weights.safetensors")
"""What peft and diffusers call the file in a folder."""
LARGEST_SCALE: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterChoice:
    """One adapter, as strongly as it is wanted."""

    name: str
    path: Path
    """Its safetensors file."""
    scale: float
    digest: str
    """SHA-256 of the file, and of peft's configuration beside it."""

    @override
    def __str__(self) -> str:
        return f"{self.name}:{self.scale:g}"


def resolve_adapters(
    references: Sequence[str], models_folder: Path, known: Sequence[AdapterChoice] | None = None
) -> tuple[AdapterChoice, ...]:
    """What the references mean, in their order; raises :class:`ModelError` naming the first that means nothing.

    With ``known`` adapters no paths are taken, only their names and those in the folder: clients should not say which
    of the machine's files are read.
    """
    paths = None if known is None else {choice.name: choice.path for choice in known}
    choices = tuple(_resolve(reference, models_folder, paths) for reference in references)
    names = [choice.name for choice in choices]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ModelError(f"picture.adapters names {twice} twice; give it once, with the scale it should have")
    return choices


def available(models_folder: Path) -> tuple[str, ...]:
    """Names of the adapters in the models' folder."""
    folder = models_folder / FOLDER
    files = {path.stem for path in folder.glob(f"*{ENDING}")}
    folders = {path.parent.name for name in WRITTEN_NAMES for path in folder.glob(f"*/{name}")}
    return tuple(sorted(files | folders))


def _resolve(reference: str, models_folder: Path, known: Mapping[str, Path] | None) -> AdapterChoice:
    name, scale = _parts(reference)
    path = _file(name, models_folder) if known is None else known.get(name) or _in_folder(name, models_folder)
    config = path.with_name("adapter_config.json")
    try:
        content = hashlib.sha256()
        for file in (path, config) if path.name == WRITTEN_NAMES[0] and config.is_file() else (path,):
            with file.open("rb") as opened:
                content.update(hashlib.file_digest(opened, "sha256").digest())
    except OSError as error:
        raise ModelError(f"picture.adapters: {path} cannot be read ({error.strerror})") from None
    own = path.parent.name if path.name in WRITTEN_NAMES else path.stem
    return AdapterChoice(name=own, path=path, scale=scale, digest=content.hexdigest())


def _parts(reference: str) -> tuple[str, float]:
    """``dog:0.8`` → name and scale; a colon that no number follows belongs to the name."""
    name, colon, tail = reference.strip().rpartition(":")
    if not colon:
        return _named(tail, reference), 1.0
    try:
        scale = float(tail)
    except ValueError:
        return reference.strip(), 1.0
    if not math.isfinite(scale) or abs(scale) > LARGEST_SCALE:
        raise ModelError(f"picture.adapters: the scale of {reference!r} should lie in -{LARGEST_SCALE:g} to "
                         f"{LARGEST_SCALE:g}; 1 is as it was trained")  # fmt: skip
    return _named(name, reference), scale


def _named(name: str, reference: str) -> str:
    if not name:
        raise ModelError(f"picture.adapters: {reference!r} names no adapter; give NAME or NAME:SCALE")
    return name


def _in_folder(name: str, models_folder: Path) -> Path:
    if name not in available(models_folder):
        raise _strange(name, models_folder, "Give one of them")
    return _file(name, models_folder)


def _file(name: str, models_folder: Path) -> Path:
    folder = models_folder / FOLDER
    for base in (folder / f"{name}{ENDING}", folder / name, Path(name).expanduser().absolute()):
        found = [base, *(base / written for written in WRITTEN_NAMES)]
        if path := next((path for path in found if path.is_file() and path.suffix == ENDING), None):
            return path
    remedy = f"Give one of them, or the path of a {ENDING} file or of a folder with {' or '.join(WRITTEN_NAMES)}"
    raise _strange(name, models_folder, remedy)


def _strange(name: str, models_folder: Path, remedy: str) -> ModelError:
    there = ", ".join(available(models_folder)) or "none"
    return ModelError(
        f"picture.adapters: there is no adapter {name!r}; in {models_folder / FOLDER} there are: {there}. {remedy}"
    )
