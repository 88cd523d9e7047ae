"""Pictures on disk: one folder of PNG files, and an index of them in SQLite.

The files are the truth; the index only makes them quick to find, and is made again from them when it is lost. Power
may go at any instant, and other processes may use the same folder, so three rules hold:

1. A picture is written to a temporary file, synced, renamed, and the folder synced, before its row is committed. So a
   row always has its whole file, and a picture without a row is one whose :meth:`Gallery.save` never returned: it is
   whole, and the next :meth:`Gallery.open` takes it in.
2. A picture is deleted file first, row second. Were it the other way round, rule 1 would bring it back after a power
   cut. A row without a file is dropped at the next open.
3. The folder changes only under the index's write lock, where folder and index agree for all processes. Temporary
   files are made under it too, and stay locked (``flock``) while they are written: one that is not is a dead one's.

Numbers are committed before the file is begun, and SQLite's AUTOINCREMENT never gives one twice.

It does *not* decide what to do when the disk is full: it raises :class:`GalleryError`, leaves nothing behind, and
stores again as soon as it can. All calls block, and any thread may make them.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import numpy as np
from pydantic import TypeAdapter

from speakage_daemon import picture_file
from speakage_daemon.config import GallerySettings
from speakage_daemon.errors import GalleryError
from speakage_daemon.events import Picture
from speakage_daemon.picture_file import PictureRecord, StoredRecord
from speakage_engines.api import Rgb

__all__ = ["Gallery", "PictureRecord"]

INDEX: Final = "index.sqlite"
BUSY_S: Final = 10.0
"""How long another process may hold the index before that is an error (s)."""
LEAP: Final = 1_000
"""A new index begins so far above the highest number found: deleted pictures may have had higher ones."""
_LARGEST: Final = 2**63 - 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS pictures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file TEXT NOT NULL UNIQUE,
    bytes INTEGER NOT NULL,
    picture TEXT NOT NULL
) STRICT
"""
_SURPLUS: Final = """
SELECT id, file FROM (
    SELECT id, file, ROW_NUMBER() OVER newest AS place, SUM(bytes) OVER newest AS total
    FROM pictures WINDOW newest AS (ORDER BY id DESC)
) WHERE place > 1 AND (place > ? OR total > ?)
"""
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED: Final = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EEXIST}

logger = logging.getLogger(__name__)
_picture: Final = TypeAdapter(Picture)


class Gallery:
    """The pictures of one folder. Made by :meth:`open`."""

    def __init__(self, settings: GallerySettings, index: sqlite3.Connection) -> None:
        self._settings = settings
        self._folder = settings.folder
        self._index = index
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: GallerySettings) -> Self:
        """Open the folder, made when missing, and put it in order after whatever happened to it."""
        with _explained(settings.folder):
            settings.folder.mkdir(parents=True, exist_ok=True)
            # two processes must not both find a damaged index and set the other's new one aside
            with _locked_folder(settings.folder):
                index, fresh = _open_index(settings.folder)
            gallery = cls(settings, index)
            try:
                gallery._tidy(fresh=fresh)
                gallery._retain()
            except BaseException:
                index.close()
                raise
        return gallery

    def close(self) -> None:
        """Write the index back into one file; saves that go on in other threads come first."""
        with self._lock:
            self._index.close()

    def save(self, rgb: Rgb, record: PictureRecord) -> Picture:
        """Store a picture: when this returns, no power cut loses it. Raises :class:`GalleryError`.

        ``rgb`` has shape ``(height, width, 3)``.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
            raise ValueError(f"rgb: expected uint8 of shape (height, width, 3), got {rgb.dtype} {rgb.shape}")
        with _explained(self._folder):
            with ExitStack() as undo:
                number, temporary, descriptor = self._begin(undo)
                stored = _stored(rgb, record, number)
                size = _write(descriptor, picture_file.encode(rgb, stored))
                name = picture_file.file_name(number, record.prompt, datetime.fromisoformat(stored.created))
                with self._transaction() as index:
                    temporary.rename(self._folder / name)
                    undo.callback(_unlink, self._folder / name)
                    _sync_folder(self._folder)
                    picture = _insert(index, name, size, stored)
                undo.pop_all()
                os.close(descriptor)
            try:
                self._retain()
            except (OSError, sqlite3.Error) as error:
                # the new picture is safe, and must not be reported as lost
                logger.warning("%s: old pictures could not be deleted: %s", self._folder, error)
        return picture

    def latest(self, limit: int, before: int | None = None) -> tuple[Picture, ...]:
        """The newest pictures, newest first; those older than number ``before``, when it is given."""
        return self._select("id < ?", _LARGEST if before is None else before, limit)

    def after(self, picture_id: int, limit: int) -> tuple[Picture, ...]:
        """The newest pictures that are newer than number ``picture_id``, newest first."""
        return self._select("id > ?", picture_id, limit)

    def get(self, picture_id: int) -> Picture | None:
        """One picture, or ``None`` when there is none of this number."""
        found = self._select("id = ?", picture_id, 1)
        return found[0] if found else None

    def png_path(self, picture_id: int) -> Path | None:
        """Where its file lies, or ``None`` when there is no picture of this number."""
        rows = self._rows("SELECT file FROM pictures WHERE id = ?", _clamped(picture_id))
        path = self._folder / rows[0][0] if rows else None
        return path if path and path.exists() else None

    def delete(self, picture_id: int) -> bool:
        """Delete a picture for good; false when there is none of this number."""
        with _explained(self._folder), self._transaction() as index:
            wanted = index.execute("SELECT id, file FROM pictures WHERE id = ?", [_clamped(picture_id)])
            return self._delete(index, wanted) == 1

    def _begin(self, undo: ExitStack) -> tuple[int, Path, int]:
        """A number of its own, and a locked, empty temporary file that ``undo`` closes and removes."""
        with self._transaction() as index:
            # a row that never was: AUTOINCREMENT remembers its number
            new = "INSERT INTO pictures (file, bytes, picture) VALUES ('', 0, '') RETURNING id"
            [(number,)] = index.execute(new).fetchall()
            index.execute("DELETE FROM pictures WHERE id = ?", [number])
            temporary = self._folder / f".saving-{number}.tmp"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            undo.callback(os.close, descriptor)
            undo.callback(_unlink, temporary)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return number, temporary, descriptor

    def _retain(self) -> None:
        """Delete the oldest pictures beyond the limits; the newest one always stays."""
        limits = (self._settings.max_pictures, self._settings.max_megabytes * 10**6)
        with self._transaction() as index:
            self._delete(index, index.execute(_SURPLUS, limits))

    def _delete(self, index: sqlite3.Connection, rows: sqlite3.Cursor) -> int:
        gone = rows.fetchall()
        for _, name in gone:
            _unlink(self._folder / name)
        if gone:
            _sync_folder(self._folder)
        index.executemany("DELETE FROM pictures WHERE id = ?", [(number,) for number, _ in gone])
        return len(gone)

    def _tidy(self, *, fresh: bool) -> None:
        """Make folder and index agree: see the rules above."""
        with self._transaction() as index:
            for temporary in self._folder.glob(".saving-*.tmp"):
                _remove_stale(temporary)
            files = _sizes(self._folder)
            lost = [
                (i,)
                for i, name, size in index.execute("SELECT id, file, bytes FROM pictures")
                if files.get(name) != size
            ]
            index.executemany("DELETE FROM pictures WHERE id = ?", lost)
            known = {name for (name,) in index.execute("SELECT file FROM pictures")}
            found = [name for name in sorted(files) if name not in known]
            taken = sum(self._take_in(index, name, files[name]) for name in found)
            if fresh and found:
                _leap(index)
        if lost or taken:
            logger.info("%s: %d rows dropped from the index, %d pictures taken in", self._folder, len(lost), taken)

    def _take_in(self, index: sqlite3.Connection, name: str, size: int) -> bool:
        """Index a file that has no row, when it is whole and ours."""
        try:
            stored = picture_file.read(self._folder / name)
        except GalleryError as error:
            logger.warning("left alone: %s", error)
            return False
        if index.execute("SELECT 1 FROM pictures WHERE id = ?", [stored.id]).fetchone():
            logger.warning("left alone: %s: picture %d is in another file", self._folder / name, stored.id)
            return False
        _insert(index, name, size, stored)
        return True

    def _select(self, condition: str, number: int, limit: int) -> tuple[Picture, ...]:
        # SQLite takes a negative limit for none
        query = f"SELECT picture FROM pictures WHERE {condition} ORDER BY id DESC LIMIT ?"  # noqa: S608  our own words
        rows = self._rows(query, _clamped(number), max(_clamped(limit), 0))
        return tuple(_picture.validate_json(text) for (text,) in rows)

    def _rows(self, query: str, *values: int) -> list[tuple[str]]:
        with _explained(self._folder), self._lock:
            return self._index.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the index's write lock, against threads and processes alike."""
        with self._lock:
            self._index.execute("BEGIN IMMEDIATE")
            try:
                yield self._index
                self._index.execute("COMMIT")
            except BaseException:
                # a full disk may have rolled it back already
                if self._index.in_transaction:
                    self._index.execute("ROLLBACK")
                raise


def _stored(rgb: Rgb, record: PictureRecord, number: int) -> StoredRecord:
    height, width, _ = rgb.shape
    return StoredRecord(
        **{name: getattr(record, name) for name in PictureRecord.__dataclass_fields__},
        id=number,
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        sha256=picture_file.rgb_sha256(rgb),
        width=width,
        height=height,
    )


def _insert(index: sqlite3.Connection, name: str, size: int, stored: StoredRecord) -> Picture:
    picture = picture_file.picture(stored)
    values = (stored.id, name, size, _picture.dump_json(picture).decode())
    index.execute("INSERT INTO pictures (id, file, bytes, picture) VALUES (?, ?, ?, ?)", values)
    return picture


def _leap(index: sqlite3.Connection) -> None:
    (highest,) = index.execute("SELECT coalesce(max(id), 0) FROM pictures").fetchone()
    index.execute("INSERT INTO pictures (id, file, bytes, picture) VALUES (?, '', 0, '')", [highest + LEAP])
    index.execute("DELETE FROM pictures WHERE id = ?", [highest + LEAP])


def _open_index(folder: Path) -> tuple[sqlite3.Connection, bool]:
    """The index, and whether it is new: because there was none, or because a damaged one was set aside."""
    path = folder / INDEX
    existed = path.exists()
    try:
        return _connect(path), not existed
    except sqlite3.DatabaseError as error:
        if _primary(error) not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
        aside = f"{INDEX}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        for suffix in ("", "-wal", "-shm"):
            if (part := folder / f"{INDEX}{suffix}").exists():
                part.rename(folder / f"{aside}{suffix}")
        logger.warning("%s: damaged (%s); set aside as %s and made again from the pictures", path, error, aside)
    return _connect(path), True


def _connect(path: Path) -> sqlite3.Connection:
    # transactions are ours to begin and end; the lock of Gallery keeps threads apart
    index = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        index.execute("PRAGMA journal_mode = WAL")
        # each commit is synced: what was announced stays, and a number given is never given again
        index.execute("PRAGMA synchronous = FULL")
        _check(index)
        index.execute(_SCHEMA)
    except BaseException:
        index.close()
        raise
    return index


def _check(index: sqlite3.Connection) -> None:
    """SQLite reports damage in words, not as the error that reading on would end in."""
    (verdict,) = index.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        damage = sqlite3.DatabaseError(verdict)
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage


def _primary(error: sqlite3.Error) -> int | None:
    """SQLite's result code without its extension."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _sizes(folder: Path) -> dict[str, int]:
    """File name → bytes, of our pictures."""
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if picture_file.OURS.fullmatch(entry.name)}


def _remove_stale(temporary: Path) -> None:
    """Remove a temporary file unless someone alive still writes it."""
    try:
        with temporary.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _unlink(temporary)
    except (BlockingIOError, FileNotFoundError):
        return


def _write(descriptor: int, data: bytes) -> int:
    """All of it, down to the disk; gives back its length."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)
    return len(data)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _clamped(number: int) -> int:
    """Numbers come from clients, and SQLite's integers end."""
    return min(max(number, -_LARGEST), _LARGEST)


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say what stands in the way, and what to do about it."""
    try:
        yield
    except OSError as error:
        raise GalleryError(_sentence(folder, error.errno in _FULL, error.errno in _CLOSED, str(error))) from error
    except sqlite3.Error as error:
        code = _primary(error)
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            message = f"{folder / INDEX}: damaged ({error}); start again, and it is made again from the pictures"
            raise GalleryError(message) from error
        if code == sqlite3.SQLITE_BUSY:
            message = f"{folder / INDEX}: held by another program for over {BUSY_S:.0f} s; end that program"
            raise GalleryError(message) from error
        closed = code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
        raise GalleryError(_sentence(folder, code == sqlite3.SQLITE_FULL, closed, str(error))) from error


def _sentence(folder: Path, full: bool, closed: bool, why: str) -> str:
    if full:
        return f"{folder}: no space left for pictures ({why}); free some, or lower gallery.max_megabytes"
    if closed:
        return f"{folder}: cannot be written ({why}); make it writable, or set gallery.folder to another folder"
    return f"{folder}: {why}; check the disk, or set gallery.folder to another folder"
