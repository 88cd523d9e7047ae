"""A single file as a model: converted once into the models folder, under its own hash, and found there afterwards.

A checkpoint holds no tokenizer: a folder ``tokenizer`` beside the file is taken, or CLIP's own. The file stays where it
is, and the folder keeps all its tensors, so that the disk holds them twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from speakage_engines.api import ModelError, Progress
from speakage_engines.compile.key import digest_of, weights_digest
from speakage_engines.models import SETTINGS_FILE, missing_files

log = logging.getLogger(__name__)

FOLDER: Final = "converted"
"""Below the models folder."""
TOKENIZER: Final = "tokenizer"
"""Beside the file."""
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
    beside = path.with_name(TOKENIZER)
    tokenizer = beside if beside.is_dir() else None
    folder = converted / f"{path.stem}-{_digest(path, tokenizer)}"
    if not _whole(folder):
        with _alone(converted):
            # whoever was here before may have made it
            if not _whole(folder):
                _convert(path, tokenizer, folder, progress)
    return folder


def _digest(path: Path, tokenizer: Path | None) -> str:
    try:
        words = weights_digest(file for file in tokenizer.iterdir() if file.is_file()) if tokenizer else ""
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        return digest_of({"file": found, "tokenizer": words, "version": VERSION})
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); get the file again") from error


def _whole(folder: Path) -> bool:
    """A folder comes to be by being renamed; who takes something out of it makes it anew."""
    return (folder / SETTINGS_FILE).is_file() and not missing_files(folder, "picture")


def _convert(path: Path, tokenizer: Path | None, folder: Path, progress: Progress) -> None:
    from speakage_engines.diffusion.conversion import convert

    if folder.exists():
        log.warning("%s is not whole; it is made again", folder)
        shutil.rmtree(folder)
    try:
        made = convert(path, folder, tokenizer=tokenizer, progress=progress)
    except ModelError as error:
        raise ModelError(f"picture.model is a single file, of which speakage convert says: {error}") from error
    log.info("%s is %s (%s); its folder is %s", path, made.family, made.reason, folder)
    if made.unknown:
        log.warning("%s: %d tensors are not used, %s first", path, len(made.unknown), made.unknown[0])


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
