"""How long a start takes: the whole daemon, from its command to READY, and where the time goes in what it loads.

The whole is measured from outside, on the command itself. The split is measured in another process that calls the
same factories one after the other with ``-X importtime``, whose lines say how much of each was importing. Engines have
to be in the store already, as they are at any start but the first.
"""

from __future__ import annotations

import math
import os
import pickle
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from speakage_engines import api
from speakage_engines.bench.plan import BenchError
from speakage_engines.evaluation.figure import Evaluation, Figure
from speakage_engines.telemetry import switch_off_telemetry

TOO_LONG_S: Final = 300
IMPORTS: Final = "importing"
INTERPRETER: Final = "interpreter"
_READY: Final = re.compile(r"https?://\S+")
_MARK: Final = "speakage start: "
_SELF: Final = re.compile(r"import time:\s+(\d+) \|")
"""Microseconds of one module without those that it imports."""
_CHILD: Final = "from speakage_engines.bench.start import be_started; be_started()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What is started."""

    command: tuple[str, ...]
    """The daemon's; it prints its address when it is ready."""
    speech: api.SpeechSpec
    picture: api.PictureSpec


def measure_start(start: Start, runs: int, progress: api.Progress = api.no_progress) -> Evaluation:
    """Seconds; one start before the others fills the store and the page cache. Raises :class:`EngineError`."""
    wholes, splits = [], []
    for number in range(runs + 1):
        progress(f"start {number} of {runs}" if number else "a start to warm up", number / (runs + 1))
        whole, split = whole_start(start.command), split_start(start)
        if number:
            wholes.append(whole)
            splits.append(split)
    names = list(splits[0])
    parts = {name: statistics.median(split[name] for split in splits) for name in names}
    figures = [_figure("ready", wholes)]
    figures += [_figure(name, [split[name] for split in splits]) for name in names]
    rest = statistics.median(wholes) - math.fsum(parts.values())
    # the daemon loads what the split loads, and besides that its own parts
    figures.append(_figure("everything else", [rest] * runs))
    return Evaluation("from the command to READY, warm store", tuple(figures))


def _figure(what: str, seconds: Sequence[float]) -> Figure:
    return Figure(
        name=f"bench.start.{what.replace(' ', '_')}",
        value=statistics.median(seconds),
        unit="s",
        n=len(seconds),
        resolution="",
        features="",
    )


def whole_start(command: Sequence[str]) -> float:
    """Seconds until the daemon prints where it is; it is ended then. Raises :class:`BenchError`."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, text=True)
        timer = threading.Timer(TOO_LONG_S, process.kill)
        timer.start()
        try:
            for line in process.stdout or ():
                if _READY.search(line):
                    return time.perf_counter() - began
            process.wait()
            said.seek(0)
            last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
            raise BenchError(f"the daemon did not become ready (status {process.returncode}): {last}")
        finally:
            timer.cancel()
            process.send_signal(signal.SIGTERM)
            process.wait()
            if process.stdout:
                process.stdout.close()


def split_start(start: Start) -> Mapping[str, float]:
    """Seconds by part, importing taken out of each; raises :class:`BenchError`."""
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", "-c", _CHILD],
        input=pickle.dumps((start.speech, start.picture)),
        capture_output=True,
        timeout=TOO_LONG_S,
        env=dict(os.environ),
        check=False,
    )
    said = ran.stderr.decode(errors="replace")
    if ran.returncode:
        raise BenchError(f"loading the models failed: {(said.strip().splitlines() or ['it said nothing'])[-1]}")
    return read_split(said, began)


def read_split(said: str, began: float) -> dict[str, float]:
    """From what the child wrote: marks with the time at the end of each part, and Python's lines between them."""
    parts = {INTERPRETER: 0.0, IMPORTS: 0.0}
    last, importing = began, 0.0
    for line in said.splitlines():
        if found := _SELF.match(line):
            importing += int(found[1]) / 1e6
        elif line.startswith(_MARK):
            at, _, name = line.removeprefix(_MARK).partition(" ")
            parts[name] = parts.get(name, 0.0) + max(0.0, float(at) - last - importing)
            parts[IMPORTS] += importing
            last, importing = float(at), 0.0
    return parts


def be_started() -> None:
    """Be the child: load what the daemon loads, in its order, and say when each part was done."""
    switch_off_telemetry()
    speech, picture = pickle.loads(sys.stdin.buffer.read())  # noqa: S301  from the parent
    _mark(INTERPRETER)
    api.load_speech(speech)
    _mark("speech")
    api.load_detector()
    _mark("speech detector")

    def watch(what: str, done: float) -> None:
        # told when something begins: before the first, configurations and digests of weights are read
        if what == "compiled":
            _mark("picture compile")
        elif what.startswith("compiling") and done == 0:
            _mark("picture read")

    api.load_picture(picture, watch)
    _mark("picture warm-up")


def _mark(part: str) -> None:
    sys.stderr.write(f"{_MARK}{time.monotonic()} {part}\n")
    sys.stderr.flush()
