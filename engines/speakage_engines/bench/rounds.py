"""Who has a turn when: every contestant once a round, so that a machine that drifts favours none of them.

Every second round runs backwards, for a steady drift. All processes stay alive while memory allows; where it does not,
one that waits is ended and started again for its next turn. Only one computes at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from speakage_engines.api import Progress, Rgb, no_progress
from speakage_engines.bench.plan import BenchError, Contestant, Job, Rounds, Subject
from speakage_engines.bench.process import Call, Process
from speakage_engines.compile.store import EngineStore

_UNKNOWN_NEED: Final = 4
"""Times the weights on disk: what loading takes before it was measured. Half precision becomes float32, and is in
memory twice while it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one contestant."""

    contestant: Contestant
    about: str
    """What computes, and in which precision, as it says itself."""
    rounds: tuple[tuple[Call, ...], ...]
    loads: tuple[float, ...]
    """Seconds until it could be called, each in a new process, its engines being there already."""
    build: float | None
    """Seconds that making the engines took; None when there are none, or they were there."""
    peak: int
    """Bytes."""
    picture: Rgb
    """Of the first prompt."""
    repeat_runs: int | None
    """How often the text encoder ran for a prompt that was painted just before."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """Of all rounds."""
        return tuple(call for calls in self.rounds for call in calls)


@dataclass(slots=True)
class _Lane:
    """What is known of one contestant so far."""

    job: Job
    process: Process | None = None
    about: str = ""
    rounds: dict[int, tuple[Call, ...]] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)
    build: float | None = None
    peak: int = 0
    picture: Rgb | None = None
    repeat_runs: int | None = None


def measure(
    subject: Subject,
    contestants: tuple[Contestant, ...],
    prompts: tuple[str, ...],
    rounds: Rounds,
    progress: Progress = no_progress,
) -> list[Result]:
    """All of it; raises :class:`EngineError` for a contestant that cannot run, or does not do its work."""
    lanes = [_Lane(Job(contestant=one, subject=subject, prompts=prompts)) for one in contestants]
    turns = rounds.rounds * len(lanes)
    with _all_ended(lanes):
        for lane in lanes:
            if _has_engines(lane):
                progress(f"{lane.job.contestant.name}: making its engines", 0.0)
                _build(lane)
        first = 0
        for number, calls in enumerate(rounds.calls):
            order = lanes if number % 2 == 0 else lanes[::-1]
            for place, lane in enumerate(order):
                done = (number * len(lanes) + place) / turns
                progress(f"{lane.job.contestant.name}: round {number + 1} of {rounds.rounds}", done)
                _take_turn(lane, lanes, number, range(first, first + calls + 1))
            first += calls + 1
    progress("measured", 1.0)
    return [_result(lane) for lane in lanes]


@contextmanager
def _all_ended(lanes: list[_Lane]) -> Iterator[None]:
    try:
        yield
    finally:
        for lane in lanes:
            _end(lane)


def _end(lane: _Lane) -> None:
    process, lane.process = lane.process, None
    if process is not None:
        process.end()


def _has_engines(lane: _Lane) -> bool:
    return lane.job.contestant.ours and lane.job.contestant.backend != "torch"


def _build(lane: _Lane) -> None:
    """Load once, so that engines are there; how long making them took is known when the next load is."""
    store = EngineStore(lane.job.subject.spec.engines_folder)
    before = {engine.folder for engine in store.kept()}
    with Process(lane.job) as process:
        seconds = process.loaded().seconds
    if {engine.folder for engine in store.kept()} - before:
        lane.build = seconds


def _take_turn(lane: _Lane, lanes: list[_Lane], number: int, prompts: range) -> None:
    if lane.process is None:
        _make_room(lane, lanes)
        lane.process = Process(lane.job)
        loaded = lane.process.loaded()
        lane.about = loaded.about
        lane.loads.append(loaded.seconds)
    turn = lane.process.turn(prompts[0], tuple(prompts[1:]))
    for call in turn.calls:
        if call.encoder_runs == 0:
            raise BenchError(
                f"{lane.job.contestant.name} did not encode {call.prompt!r}: the model reads another of the prompts "
                "alike; bring prompts in words that it knows with --prompts"
            )
    lane.rounds[number] = turn.calls
    lane.peak = max(lane.peak, turn.peak)
    if lane.picture is None:
        lane.picture = turn.picture
        lane.repeat_runs = lane.process.again(prompts[0])


def _make_room(lane: _Lane, lanes: list[_Lane]) -> None:
    """End processes that wait, the largest first, until this one's memory is free, or none is left."""
    need = lane.peak or _UNKNOWN_NEED * _weights(Path(lane.job.subject.spec.model))
    waiting = sorted((other for other in lanes if other.process is not None), key=lambda other: other.peak)
    while waiting and psutil.virtual_memory().available < need:
        _end(waiting.pop())


def _weights(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*/*.safetensors"))


def _result(lane: _Lane) -> Result:
    if lane.picture is None:
        raise BenchError(f"{lane.job.contestant.name} had no turn; ask for at least one round")
    return Result(
        contestant=lane.job.contestant,
        about=lane.about,
        rounds=tuple(calls for _, calls in sorted(lane.rounds.items())),
        loads=tuple(lane.loads),
        build=None if lane.build is None else max(0.0, lane.build - min(lane.loads, default=math.nan)),
        peak=lane.peak,
        picture=lane.picture,
        repeat_runs=lane.repeat_runs,
    )
