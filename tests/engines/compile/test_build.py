"""The builder: another process does the work, and whatever becomes of it is one sentence here."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from engines.compile.tasks import Fail, Swell, Wait, WeighFirst, Write
from speakage_engines.api import BuildError, ModelError
from speakage_engines.compile.build import Builder


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, float]] = []

    def __call__(self, what: str, done: float) -> None:
        self.lines.append((what, done))


def pid(told: Told) -> int:
    return int(told.lines[0][0].rsplit(maxsplit=1)[-1])


def test_the_work_is_done_elsewhere_and_told_here(tmp_path: Path) -> None:
    told = Told()
    with Builder(told) as builder:
        builder.run("writing", Write(tmp_path / "one"))
        assert pid(told) != os.getpid()
        assert told.lines[1:] == [("written", 1.0)]
        builder.run("writing", Write(tmp_path / "two"))
        assert told.lines[2] == told.lines[0], "one process does all of it"
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() == b"0" * 10
    assert not psutil.pid_exists(pid(told))


def test_a_builder_without_work_starts_nothing() -> None:
    with Builder():
        assert psutil.Process().children() == []


@pytest.mark.parametrize(
    ("how", "kind", "sentence"),
    [("exception", BuildError, r"^compiling failed: ZeroDivisionError: a number; the log has more$"),
     ("build error", BuildError, r"^the denoiser has no end; shorten it$"),
     ("model error", ModelError, r"^unet: no weights; get them again$"),
     ("disk full", OSError, r"No space left on device"),
     ("memory error", BuildError, r"^compiling failed: memory ran out; close other programs, or .*$"),
     ("exit", BuildError, r"^compiling failed: its process ended by itself \(status 3\); look at the log .*$"),
     ("segmentation fault", BuildError, r"^compiling failed: its process crashed \(SIGSEGV\); try again, or set .*$"),
     ("killed", BuildError, r"^compiling failed: its process was killed, most likely because memory ran out; .*$")],
)  # fmt: skip
def test_whatever_befalls_it_is_one_sentence_and_the_next_work_is_done(
    tmp_path: Path, how: str, kind: type[Exception], sentence: str
) -> None:
    with Builder() as builder:
        with pytest.raises(kind, match=sentence) as raised:
            builder.run("compiling", Fail(how))
        assert type(raised.value) is kind
        builder.run("writing", Write(tmp_path / "next"))
    assert (tmp_path / "next").exists()


def test_more_memory_than_is_allowed_ends_it() -> None:
    told = Told()
    with (
        Builder(told, memory_limit=300 << 20) as builder,
        pytest.raises(BuildError, match=r"^compiling was stopped: it took \d+ MB of memory and 300 MB are allowed; "),
    ):
        builder.run("compiling", Swell())
    assert told.lines[-1][1] < 1
    with Builder(told, memory_limit=4 << 30) as builder:
        builder.run("compiling", Swell())
    assert told.lines[-1][1] == 1


def test_the_system_ends_it_before_anything_else_when_memory_runs_out() -> None:
    told = Told()
    with Builder(told) as builder:
        builder.run("weighing", WeighFirst())
    assert told.lines == [("1000", 1.0)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_who_is_told_may_end_it(error: type[BaseException]) -> None:
    told = Told()

    def interrupt(what: str, done: float) -> None:
        told(what, done)
        raise error

    with Builder(interrupt) as builder, pytest.raises(error):
        builder.run("waiting", Wait())
    assert not psutil.pid_exists(pid(told))


ABANDON = """
import os, sys
from speakage_engines.compile.build import Builder
from engines.compile.tasks import Wait

def leave(what, done):
    print(what, flush=True)
    os._exit(0)

with Builder(leave) as builder:
    builder.run("waiting", Wait())
"""


def test_it_ends_with_its_parent() -> None:
    """However that one ends: here it leaves without a word, as the daemon does when it must not wait."""
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", ABANDON], env=paths, capture_output=True, text=True, check=True)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(ran.stdout)).wait(20)


def test_what_cannot_be_sent_is_told_before_anything_is_started() -> None:
    def local(progress: Callable[[str, float], Any]) -> None:
        raise AssertionError

    with Builder() as builder, pytest.raises(AttributeError, match="local"):
        builder.run("compiling", local)
