"""A process of its own for what may crash or take all the memory: exports, and the plans that backends make.

The child is a fresh interpreter, not a fork, which would copy torch's threads in mid-step. It lives for several
tasks, since to import torch takes it seconds, and ends with its parent, however that one ends. Whatever happens to
it is one sentence here. This module does *not* know what is built, nor where it is kept.

The limit of memory is watched from outside, several times a second. ``RLIMIT_AS`` would count what is only reserved:
CUDA alone reserves many times what any machine has. Counted is what the system cannot take back, which weights that
are mapped from their files are not.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Protocol, Self, TypeAlias, assert_never

import psutil

from speakage_engines.api import BuildError, EngineError, Progress, no_progress
from speakage_engines.telemetry import switch_off_telemetry

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.2
"""Between two looks at the child's memory."""
_END_S: Final = 30
"""A child that let go of the connection is as good as gone."""
_FIRST_TO_GO: Final = "1000"
"""oom_score_adj: what is being built can be built again, what serves cannot."""
_CHILD: Final = "import sys; from speakage_engines.compile.build import serve; serve(int(sys.argv[1]))"


class Task(Protocol):
    """What the child is to do. It travels there, so it has to pickle: a frozen dataclass, say."""

    def __call__(self, progress: Progress) -> None:
        """Do it; raises whatever goes wrong."""


@dataclass(frozen=True, slots=True)
class _Told:
    what: str
    done: float


@dataclass(frozen=True, slots=True)
class _Done:
    pass


@dataclass(frozen=True, slots=True)
class _Failed:
    error: EngineError | OSError


@dataclass(frozen=True, slots=True)
class _Broke:
    reason: str


_Outcome: TypeAlias = _Done | _Failed | _Broke


class _Gone(Exception):  # noqa: N818  no error yet: the builder makes one of it
    """The child has ended."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Builder:
    """Runs tasks one after another in one child, which is started for the first of them. For one thread at a time."""

    def __init__(
        self, progress: Progress = no_progress, memory_limit: int | None = None, keep: int | None = None
    ) -> None:
        """``memory_limit`` is in bytes; ``keep`` is a file descriptor that stays open for as long as the child is."""
        self._progress = progress
        self._limit = memory_limit
        self._keep = () if keep is None else (keep,)
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, what: str, task: Task) -> None:
        """Do it in the child; raises :class:`EngineError` and :class:`OSError` as the task does.

        All else, and the child's own end, is a :class:`BuildError` that begins with ``what``.
        """
        if self._child is None:
            self._child = _Child(self._keep)
        try:
            self._child.send(task)
            answer = self._outcome(what, self._child)
        except _Gone as gone:
            self._end()
            raise BuildError(f"{what} failed: {_fate(gone.status)}") from None
        except BaseException:
            # in the middle of a task there is no knowing what it does next
            self._end()
            raise
        match answer:
            case _Done():
                return
            case _Failed():
                raise answer.error
            case _Broke():
                self._end()
                raise BuildError(f"{what} failed: {answer.reason}")
            case _:
                assert_never(answer)

    def _outcome(self, what: str, child: _Child) -> _Outcome:
        while True:
            if self._limit is not None and (taken := child.memory()) > self._limit:
                raise BuildError(
                    f"{what} was stopped: it took {taken >> 20} MB of memory and {self._limit >> 20} MB are allowed; "
                    "allow more (models.build_memory_mb), or paint smaller pictures"
                )
            answer = child.receive()
            if isinstance(answer, _Told):
                self._progress(answer.what, answer.done)
            elif answer is not None:
                return answer

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()


class _Child:
    def __init__(self, keep: tuple[int, ...]) -> None:
        self._connection, theirs = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-X", "faulthandler", "-c", _CHILD, str(theirs.fileno())],
                pass_fds=(theirs.fileno(), *keep),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # a Ctrl-C is for the parent, which ends the child
                start_new_session=True,
            )
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()
        self._watched = psutil.Process(self._process.pid)

    def memory(self) -> int:
        """Bytes that the system cannot take back without ending the child."""
        try:
            found = self._watched.memory_info()
        except psutil.NoSuchProcess:
            return 0
        return int(found.rss - found.shared)

    def send(self, task: Task) -> None:
        # before the connection is touched: what does not pickle is the caller's mistake
        # tasks may be of modules that only this process was told how to find, so where to look goes first
        packed = pickle.dumps((sys.path, pickle.dumps(task)))
        try:
            self._connection.send_bytes(packed)
        except ConnectionError:
            raise _Gone(self._process.wait(_END_S)) from None

    def receive(self) -> _Told | _Outcome | None:
        """What the child says within a moment, or None."""
        try:
            if not self._connection.poll(_LOOK_S):
                return None
            answer: _Told | _Outcome = self._connection.recv()
        except (EOFError, ConnectionError):
            raise _Gone(self._process.wait(_END_S)) from None
        return answer

    def kill(self) -> None:
        """End it now; it has nothing to clean up."""
        self._connection.close()
        self._process.kill()
        self._process.wait()


def _fate(status: int) -> str:
    if status >= 0:
        return f"its process ended by itself (status {status}); look at the log and try again"
    if status == -signal.SIGKILL:
        return "its process was killed, most likely because memory ran out; close other programs and try again"
    return (
        f"its process crashed ({signal.Signals(-status).name}); try again, "
        "or set picture.backend to another one if it happens again"
    )


def serve(descriptor: int) -> None:
    """Be the child: do the tasks that come until the parent is gone."""
    switch_off_telemetry()
    _offer_to_go_first()
    connection = Connection(descriptor)
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # read aside, so that the parent's end is noticed in the middle of a task
    threading.Thread(target=_receive, args=(connection, tasks.put), daemon=True).start()
    while True:
        connection.send(_attempt(tasks.get(), lambda what, done: connection.send(_Told(what, done))))


def _offer_to_go_first() -> None:
    try:
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    except OSError as error:
        log.warning("the system cannot be told to end a build first when memory runs out: %s", error)


def _receive(connection: Connection, put: Callable[[bytes], None]) -> None:
    try:
        while True:
            put(connection.recv_bytes())
    except (EOFError, ConnectionError):
        os._exit(0)


def _attempt(task: bytes, progress: Progress) -> _Outcome:
    try:
        sys.path[:], packed = pickle.loads(task)  # noqa: S301  from the parent, over a pipe of its own
        pickle.loads(packed)(progress)  # noqa: S301
    except EngineError as error:
        return _Failed(type(error)(str(error)))
    except OSError as error:
        return _Failed(OSError(error.errno or 0, error.strerror or str(error)))
    except MemoryError:
        return _Broke("memory ran out; close other programs, or paint smaller pictures")
    except Exception as error:
        # the process's border: whatever it is becomes the parent's sentence
        log.exception("a build failed")
        first = str(error).partition("\n")[0]
        return _Broke(f"{type(error).__name__}: {first}; the log has more")
    return _Done()
