"""A single file as a model: converted once into the models folder, under its own hash, and found there afterwards.

A checkpoint holds no tokenizer: a folder ``tokenizer`` beside the file is taken, or CLIP's own. Nor does it tell which
family it is of, where several have the same tensors (SDXL, SDXL-Turbo, SDXL-Lightning): a file ``mine.speakage.json``
beside ``mine.safetensors`` says it, as in ``{"family": "sdxl-lightning"}``; without one it is taken for what the others
were made from, and the log says so. A folder beside it that is called as its family's tiny decoder is (``taesd`` or
``taesdxl``, as their repositories) makes the previews. The file stays where it is, and the folder keeps all its
tensors, so that the disk holds them twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from speakage_engines.api import ModelError, Progress
from speakage_engines.compile.key import digest_of, weights_digest
from speakage_engines.diffusion.conversion_files import written_whole
from speakage_engines.diffusion.conversion_parts import families_of, family_names, read_family
from speakage_engines.models import SETTINGS_FILE, missing_files, read_settings

log = logging.getLogger(__name__)

FOLDER: Final = "converted"
"""Below the models folder."""
TOKENIZER: Final = "tokenizer"
"""Beside the file."""
TINY: Final = "tiny_vae"
"""In the folder."""
TOLD: Final = ".speakage.json"
"""Ending, in the place of the file's own, of what a person says of it."""
VERSION: Final = 1
"""Raised when :mod:`speakage_engines.diffusion.conversion` makes something else of the same file."""


def folder_of(path: Path, models_folder: Path, progress: Progress) -> Path:
    """The diffusers folder of a model: its own, or what its single file was converted to, now if it never was.

    Raises :class:`ModelError` with what ``speakage convert`` says of a file that it refuses.
    """
    if path.is_dir():
        return path
    progress(f"reading {path.name}", 0.0)
    converted = models_folder / FOLDER
    beside = _Beside.find(path)
    folder = converted / f"{path.stem}-{_digest(path, beside)}"
    if not _whole(folder):
        with _alone(converted):
            # whoever was here before may have made it
            if not _whole(folder):
                _convert(path, beside, folder, progress)
    _add_tiny_decoder(path, folder)
    return folder


@dataclass(frozen=True, slots=True)
class _Beside:
    """What lies beside a checkpoint and shapes what is made of it."""

    tokenizer: Path | None
    family: str | None

    @classmethod
    def find(cls, path: Path) -> _Beside:
        tokenizer, told = path.with_name(TOKENIZER), path.with_suffix(TOLD)
        return cls(tokenizer if tokenizer.is_dir() else None, _family(told) if told.is_file() else None)


def _family(told: Path) -> str:
    try:
        content = json.loads(told.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{told}: cannot be read ({error}); mend it or delete it") from error
    if not isinstance(content, dict):
        raise ModelError(f'{told}: should hold a JSON object, as {{"family": "sd-turbo"}}; mend it or delete it')
    if strange := sorted(content.keys() - {"family"}):
        raise ModelError(
            f"{told}: {strange[0]} cannot be said there, only family; set picture.steps, picture.guidance and "
            "picture.size in the configuration"
        )
    if (family := content.get("family")) not in family_names():
        raise ModelError(f"{told}: there is no family called {family!r}; there are: {', '.join(family_names())}")
    return str(family)


def _digest(path: Path, beside: _Beside) -> str:
    tokenizer = beside.tokenizer
    try:
        words = weights_digest(file for file in tokenizer.iterdir() if file.is_file()) if tokenizer else ""
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        named = {"family": beside.family} if beside.family else {}
        return digest_of({"file": found, "tokenizer": words, "version": VERSION, **named})
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); get the file again") from error


def _whole(folder: Path) -> bool:
    """A folder comes to be by being renamed; who takes something out of it makes it anew."""
    return (folder / SETTINGS_FILE).is_file() and not missing_files(folder, "picture")


def _convert(path: Path, beside: _Beside, folder: Path, progress: Progress) -> None:
    from speakage_engines.diffusion.conversion import convert

    if folder.exists():
        log.warning("%s is not whole; it is made again", folder)
        shutil.rmtree(folder)
    told = path.with_suffix(TOLD)
    try:
        made = convert(path, folder, family=beside.family, tokenizer=beside.tokenizer, progress=progress)
    except ModelError as error:
        named = beside.family or "--family" in str(error)
        how = f' (for picture.model a family is named in {told}, as {{"family": "sd-turbo"}})' if named else ""
        raise ModelError(f"picture.model is a single file, of which speakage convert says: {error}{how}") from error
    log.info("%s is %s (%s); its folder is %s", path, made.family, made.reason, folder)
    others = [name for name in families_of(read_family(made.family).layout) if name != made.family]
    if beside.family is None and others:
        log.info("if it is another of its layout (%s), say so in %s", ", ".join(others), told)
    if made.unknown:
        log.warning("%s: %d tensors are not used, %s first", path, len(made.unknown), made.unknown[0])


def _add_tiny_decoder(path: Path, folder: Path) -> None:
    """The family is known only now, and what makes previews does not shape the picture."""
    family, target = read_settings(folder).get("family"), folder / TINY
    if family not in family_names() or target.exists():
        return
    source = path.with_name(read_family(str(family)).tiny_decoder.rpartition("/")[2])
    if source.is_dir():
        with _alone(folder.parent):
            if not target.exists():
                with written_whole(target) as unfinished:
                    shutil.copytree(source, unfinished)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process converts at a time; the lock ends with it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
    except OSError as error:
        raise ModelError(
            f"{folder}: cannot be written ({error.strerror}); make the folder writable, or set models.folder to another"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
