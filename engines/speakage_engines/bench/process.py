"""A contestant in a process of its own, so that its memory, its threads and its crash are its own.

The parent sends requests over a pipe and waits; the child is a fresh interpreter that ends with its parent. Times are
taken in the child, around the call and the JPEG alone. This module does *not* decide who has a turn.
"""

from __future__ import annotations

import io
import logging
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

import numpy as np
from PIL import Image

from speakage_engines.api import EngineError, Rgb
from speakage_engines.bench.plan import SEED, BenchError, Contestant, Job
from speakage_engines.telemetry import switch_off_telemetry

if TYPE_CHECKING:
    from speakage_engines.bench.painters import Painter

T = TypeVar("T")

JPEG_QUALITY: Final = 85
"""As the daemon's previews."""
_END_S: Final = 30
_CHILD: Final = "import sys; from speakage_engines.bench.process import serve; serve(int(sys.argv[1]))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One prompt to one JPEG, in milliseconds."""

    prompt: str
    total: float
    encode_prompt: float
    """This and the next two are not a number where a library does not let one look."""
    denoise: float
    decode: float
    jpeg: float
    encoder_runs: int | None
    """How often the text encoder's network ran for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A contestant is ready to be called."""

    about: str
    seconds: float
    """Weights, compilation and a first picture where it paints one; its libraries were imported before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What came of a turn."""

    calls: tuple[Call, ...]
    picture: Rgb
    """Of the first of the calls."""
    peak: int
    """Bytes of memory that the process had at most since it began, files that it maps among them."""


@dataclass(frozen=True, slots=True)
class _Take:
    warm_up: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Again:
    number: int


class Process:
    """The parent's end."""

    def __init__(self, job: Job) -> None:
        self.contestant = job.contestant
        self._connection, theirs = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CHILD, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_surroundings(job.contestant),
            )
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()
        self._send(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def loaded(self) -> Loaded:
        """Wait until it is ready, once; raises :class:`EngineError`."""
        return self._receive(Loaded)

    def turn(self, warm_up: int, numbers: tuple[int, ...]) -> Turn:
        """Paint the prompts with these numbers, the first of all without a clock; raises :class:`EngineError`."""
        self._send(_Take(warm_up, numbers))
        return self._receive(Turn)

    def again(self, number: int) -> int | None:
        """How often the text encoder runs for a prompt that was painted before; raises :class:`EngineError`."""
        self._send(_Again(number))
        return self._receive(_Repeated).encoder_runs

    def end(self) -> None:
        """It has nothing to clean up."""
        self._connection.close()
        self._process.kill()
        self._process.wait(_END_S)

    def _send(self, request: Job | _Take | _Again) -> None:
        try:
            self._connection.send(request)
        except ConnectionError:
            raise self._gone() from None

    def _receive(self, kind: type[T]) -> T:
        try:
            answer = self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._gone() from None
        if isinstance(answer, EngineError):
            raise answer
        if not isinstance(answer, kind):
            raise TypeError(f"{type(answer)} where {kind} belongs")
        return answer

    def _gone(self) -> BenchError:
        status = self._process.wait(_END_S)
        if status == -signal.SIGKILL:
            why = "was killed, most likely because memory ran out; close other programs, or paint smaller pictures"
        elif status < 0:
            why = f"crashed ({signal.Signals(-status).name}); leave it out and try again"
        else:
            why = f"ended by itself (status {status}); what it printed says more"
        return BenchError(f"{self.contestant.name}: its process {why}")


@dataclass(frozen=True, slots=True)
class _Repeated:
    encoder_runs: int | None


def _surroundings(contestant: Contestant) -> dict[str, str]:
    """Peers have their libraries' own way of waiting, ours the daemon's."""
    environment = dict(os.environ)
    if not contestant.ours:
        environment.pop("OMP_WAIT_POLICY", None)
    return environment


def serve(descriptor: int) -> None:
    """Be the child: load what the first message says, then answer until the parent is gone."""
    switch_off_telemetry()
    # what a library warns of would be told once for each process
    logging.disable(logging.WARNING)
    connection = Connection(descriptor)
    try:
        _answer(connection)
    except EngineError as error:
        connection.send(type(error)(str(error)))
    except (EOFError, ConnectionError):
        return


def _answer(connection: Connection) -> None:
    # so that importing is no part of loading: diffusers and transformers import what is asked of them
    from diffusers import DiffusionPipeline, StableDiffusionPipeline  # noqa: F401
    from transformers import AutoTokenizer, CLIPTextModel  # noqa: F401

    from speakage_engines.bench.painters import open_painter

    job: Job = connection.recv()
    began = time.perf_counter()
    painter = open_painter(job)
    connection.send(Loaded(about=painter.about, seconds=time.perf_counter() - began))
    while True:
        match connection.recv():
            case _Take(warm_up=first, numbers=numbers):
                _call(painter, job.prompts[first])
                done = [_call(painter, job.prompts[number]) for number in numbers]
                picture = np.asarray(done[0][1].convert("RGB"))
                connection.send(Turn(calls=tuple(call for call, _ in done), picture=picture, peak=peak_memory()))
            case _Again(number=number):
                _call(painter, job.prompts[number])
                connection.send(_Repeated(_call(painter, job.prompts[number], SEED + 1)[0].encoder_runs))


def _call(painter: Painter, prompt: str, seed: int = SEED) -> tuple[Call, Image.Image]:
    runs = painter.encoder_runs()
    began = time.perf_counter()
    painted = painter.paint(prompt, seed)
    finished = time.perf_counter()
    painted.picture.save(io.BytesIO(), "JPEG", quality=JPEG_QUALITY)
    ended = time.perf_counter()
    after, stages = painter.encoder_runs(), painted.stages
    call = Call(
        prompt=prompt,
        total=(ended - began) * 1e3,
        encode_prompt=stages.prompt if stages else math.nan,
        denoise=stages.denoise if stages else math.nan,
        decode=stages.decode if stages else math.nan,
        jpeg=(ended - finished) * 1e3,
        encoder_runs=None if runs is None or after is None else after - runs,
    )
    return call, painted.picture


def peak_memory() -> int:
    """Bytes that this process had in memory at most; unlike ``ru_maxrss`` it knows nothing of who started it."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise BenchError("/proc/self/status has no VmHWM; measure on Linux")
