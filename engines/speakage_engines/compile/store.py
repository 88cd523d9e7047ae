"""The engine store: engines on disk, one folder a key, written whole or not at all.

A folder holds an engine's files (an ONNX export, a backend's plan) and a readable ``engine.json`` with the key, when
it was made, and each file's size and SHA-256. A folder that does not match its own ``engine.json``, or whose name is
not that key's, is made again, never used. One process makes engines at a time: it holds a lock that ends with it and
with its builder, so what a killed one left half done is known for that, and cleared away. This module does *not*
compile anything, and touches nothing in its folder but engines.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import logging
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TextIO

from speakage_engines.api import BuildError, Progress, no_progress
from speakage_engines.compile.build import Builder, Task
from speakage_engines.compile.key import ExportKey, digest_of, exporter
from speakage_engines.compile.module import Module

log = logging.getLogger(__name__)

ONNX_FILE: Final = "model.onnx"
KEY_FILE: Final = "engine.json"
_MAKING: Final = ".making-"
_ENGINE: Final = re.compile(r".+-[0-9a-f]{32}")


class Key(Protocol):
    """A frozen dataclass of :mod:`speakage_engines.compile.key`."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def digest(self) -> str:
        """What :func:`speakage_engines.compile.key.digest_of` says of its fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What ``engine.json`` says."""

    name: str
    digest: str
    made: str
    """ISO 8601, UTC."""
    key: dict[str, Any]
    files: dict[str, dict[str, Any]]
    """Of each file ``bytes`` and ``sha256``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One folder of the store."""

    folder: Path
    description: Description | None
    """None when ``engine.json`` is not this engine's."""
    size: int
    """Bytes of all its files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What :meth:`EngineStore.prune` removed."""

    name: str
    size: int
    """Bytes."""
    reason: str


class EngineStore:
    """Engines, made when they are first asked for."""

    def __init__(self, folder: Path, progress: Progress = no_progress, memory_limit: int | None = None) -> None:
        """``memory_limit`` in bytes is what making an engine may take."""
        self.folder = folder
        self._progress = progress
        self._memory_limit = memory_limit
        self._thread = threading.RLock()
        self._open: ExitStack | None = None
        self._builder: Builder | None = None

    def onnx(self, module: Module) -> Path:
        """The module as ONNX; raises :class:`BuildError` when it cannot be exported or kept."""

        def make(folder: Path) -> None:
            # it imports torch, which those who only look into the store need not wait for
            from speakage_engines.compile.export import export_onnx

            self._progress(f"exporting the {module.name} (once)", 0.0)
            self.apart(f"exporting the {module.name}", partial(export_onnx, module, folder / ONNX_FILE))

        return self.engine(module.name, ExportKey.of(module), make) / ONNX_FILE

    def engine(self, name: str, key: Key, make: Callable[[Path], None]) -> Path:
        """The folder of the engine with this key, made now if there is none that is sound.

        ``make`` writes the engine's files into the empty folder it is given. It runs here, hands what may crash to
        :meth:`apart`, and may ask for other engines. What it raises is raised here, an :class:`OSError` as a
        :class:`BuildError` with the remedy.
        """
        folder = self.folder / f"{name}-{key.digest()}"
        if fault(folder) is None:
            return folder
        with self.building(), self._kept():
            self._alone()
            # whoever held the lock before may have made it
            if fault(folder) is not None:
                self._make(name, key, make, folder)
        return folder

    def find(self, name: str, key: Key) -> Path | None:
        """The folder of the engine with this key, if there is one that is sound."""
        folder = self.folder / f"{name}-{key.digest()}"
        return folder if fault(folder) is None else None

    def apart(self, what: str, task: Task) -> None:
        """Do a task in the builder's process; see :meth:`speakage_engines.compile.build.Builder.run`."""
        with self.building():
            self._alone().run(what, task)

    @contextmanager
    def building(self) -> Iterator[None]:
        """What is made while this is open is made by one builder, and not by one each. Other threads wait."""
        with self._thread:
            if self._open is not None:
                yield
                return
            with ExitStack() as self._open:
                try:
                    yield
                finally:
                    self._open = self._builder = None

    def kept(self) -> list[Kept]:
        """All engines by name, damaged ones too; their files are not read."""
        try:
            folders = sorted(path for path in self.folder.iterdir() if _is_engine(path))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise BuildError(
                f"{self.folder}: cannot be read ({error.strerror}); set models.engines to another"
            ) from error
        return [Kept(folder=path, description=_read(path), size=_size(path)) for path in folders]

    def prune(self, *, everything: bool = False) -> list[Removed]:
        """Remove what is damaged, half done, or of another exporter than is installed; or every engine.

        Waits for a process that makes engines. Raises :class:`BuildError` when something cannot be removed.
        """
        if not self.folder.is_dir():
            return []
        removed = []
        with self.building(), self._kept():
            self._lock()
            for left in self._left_half_done():
                removed.append(Removed(name=left.name, size=_size(left), reason="half done"))
                shutil.rmtree(left)
            for engine, reason in _superfluous(self.kept(), everything):
                size = engine.size
                # what a backend keeps of an engine outside its folder, it keeps in a hidden one under the same name
                for beside in self.folder.glob(f".*/{engine.folder.name}"):
                    size += _size(beside)
                    shutil.rmtree(beside)
                shutil.rmtree(engine.folder)
                removed.append(Removed(name=engine.folder.name, size=size, reason=reason))
        return removed

    def _make(self, name: str, key: Key, make: Callable[[Path], None], folder: Path) -> None:
        if folder.exists():
            log.warning("%s is damaged; it is made again", folder)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=_MAKING) as workplace:
            made = Path(workplace) / "engine"
            made.mkdir()
            make(made)
            description = Description(
                name=name,
                digest=key.digest(),
                made=datetime.now(UTC).isoformat(timespec="seconds"),
                key=dataclasses.asdict(key),
                files=_files(made),
            )
            text = json.dumps(dataclasses.asdict(description), indent=2) + "\n"
            (made / KEY_FILE).write_text(text, encoding="utf-8")
            if folder.exists():
                shutil.rmtree(folder)
            made.rename(folder)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BuildError(
                f"{self.folder}: engines cannot be kept ({error.strerror or error}); "
                "free space, make the folder writable, or set models.engines to another one"
            ) from error

    def _alone(self) -> Builder:
        """Until :meth:`building` ends no other process makes engines here; what dead ones left is gone."""
        if self._builder is None:
            lock = self._lock()
            for left in self._left_half_done():
                shutil.rmtree(left)
            # the builder keeps the lock too: should this process be killed, nobody clears away what it still writes
            builder = Builder(self._progress, self._memory_limit, lock.fileno())
            self._builder = self._session().enter_context(builder)
        return self._builder

    def _lock(self) -> TextIO:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self._session().enter_context((self.folder / ".lock").open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process makes engines in %s; waiting for it", self.folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def _session(self) -> ExitStack:
        if self._open is None:
            raise RuntimeError("only inside building()")
        return self._open

    def _left_half_done(self) -> list[Path]:
        return sorted(self.folder.glob(f"{_MAKING}*"))


def fault(folder: Path) -> str | None:
    """What is wrong with an engine, or None when it is whole and the one that its name says; reads all of it."""
    described = _read(folder)
    if described is None:
        return f"its {KEY_FILE} is missing, damaged or another engine's"
    try:
        found = _files(folder)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    for name in sorted(found.keys() | described.files.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in described.files:
            return f"{name} is not part of it"
        if found[name] != described.files[name]:
            return f"{name} is not what was written"
    return None if found else "it has no files"


def _superfluous(engines: list[Kept], everything: bool) -> Iterator[tuple[Kept, str]]:
    """Engines to remove, and why; a plan goes with the export it was made from."""
    ours, stale = exporter(), set()
    for engine in engines:
        if engine.description and engine.description.key.get("exporter", ours) != ours:
            stale.add(engine.description.digest)
    for engine in engines:
        if everything:
            yield engine, "asked for"
        elif engine.description and engine.description.digest in stale:
            yield engine, "its exporter is not the one that is installed"
        elif engine.description and engine.description.key.get("export") in stale:
            yield engine, "its export is not of the exporter that is installed"
        elif wrong := fault(engine.folder):
            yield engine, wrong


def _is_engine(path: Path) -> bool:
    return bool(_ENGINE.fullmatch(path.name)) and path.is_dir() and not path.is_symlink()


def _read(folder: Path) -> Description | None:
    try:
        described = Description(**json.loads((folder / KEY_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    named = folder.name == f"{described.name}-{described.digest}"
    if not (named and isinstance(described.key, dict) and isinstance(described.files, dict)):
        return None
    return described if digest_of(described.key) == described.digest else None


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / KEY_FILE:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    return found


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
