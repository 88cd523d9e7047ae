"""Scene accuracy in GenEval's manner (Ghosh et al. 2023): is what the caption asks for in the picture? Pure.

A detector says what is in a picture; here that is held against a task. All that a task states must be so, and what it
does not state does not matter: GenEval's own rule, with its own test of positions. Beside every figure stands the
detector's own error on pictures that were drawn for the same tasks: how many of them it judges wrong, and how many
drawn for another task of the row it takes for right. No picture is painted or looked at here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from speakage_engines.evaluation.detector import Seen, Thing
from speakage_engines.evaluation.figure import EvaluationError, Figure, share

Row = Literal["single object", "two objects", "counting", "colours", "position", "background"]
Side = Literal["left of", "right of", "above", "below"]

ROWS: Final[tuple[Row, ...]] = get_args(Row)
POSITION_SHARE: Final = 0.1
"""Of both extents together: nearer than this along an axis is beside nothing. GenEval's value."""

_OPPOSITE: Final[dict[Side, Side]] = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A thing that a caption asks for."""

    noun: str
    colour: str = ""
    """``""``: any."""
    count: int = 0
    """Exactly so many; 0: at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A caption and what it means."""

    row: Row
    caption: str
    wanted: tuple[Wanted, ...] = ()
    side: Side | None = None
    """Where the first wanted thing is to be, seen from the second."""
    background: str = ""
    """``""``: any."""

    def __post_init__(self) -> None:
        if self.side is not None and len(self.wanted) != 2:
            raise ValueError(f"{self.caption!r}: a position is that of one thing to another, not of {len(self.wanted)}")
        if not self.wanted and not self.background:
            raise ValueError(f"{self.caption!r}: the task asks for nothing")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a picture shows what was asked for."""

    right: bool
    reason: str
    """Why not; ``""`` when right."""


def judge(task: Task, seen: Seen) -> Verdict:
    """Hold what was seen against the task; the first thing that is wrong is the reason."""
    if task.background and seen.background != task.background:
        return Verdict(False, f"the background is {seen.background or 'another'}, not {task.background}")
    found: list[list[Thing]] = []
    for wanted in task.wanted:
        alike = [thing for thing in seen.things if thing.noun == wanted.noun]
        if wanted.count and len(alike) != wanted.count:
            return Verdict(False, f"{len(alike)} × {wanted.noun} instead of {wanted.count}")
        if not alike:
            return Verdict(False, f"no {wanted.noun}")
        coloured = [thing for thing in alike if wanted.colour in ("", thing.colour)]
        if not coloured or (wanted.count and len(coloured) != wanted.count):
            return Verdict(False, f"{wanted.noun} is not {wanted.colour}")
        found.append(coloured)
    if task.side is not None and not _stands(found[0], found[1], task.side):
        return Verdict(False, f"{task.wanted[0].noun} is not {task.side} {task.wanted[1].noun}")
    return Verdict(True, "")


def side_of(thing: Thing, other: Thing) -> tuple[Side, ...]:
    """Where ``thing`` is, seen from ``other``: none, one or two of the four sides, by GenEval's rule."""
    dx, dy = thing.x - other.x, thing.y - other.y
    distance = math.hypot(dx, dy)
    if distance == 0:
        return ()
    right = _beyond(dx, thing.width + other.width) / distance
    down = _beyond(dy, thing.height + other.height) / distance
    sides: tuple[tuple[bool, Side], ...] = (
        (right < -0.5, "left of"),
        (right > 0.5, "right of"),
        (down < -0.5, "above"),
        (down > 0.5, "below"),
    )
    return tuple(name for holds, name in sides if holds)


def accuracy(
    tasks: Sequence[Task], seen: Sequence[Seen], *, resolution: str, detector: str
) -> tuple[tuple[Figure, ...], tuple[Verdict, ...]]:
    """Figures for each row that has tasks, and over all captions, and the verdict on each picture."""
    _check(tasks, seen)
    verdicts = tuple(judge(task, picture) for task, picture in zip(tasks, seen, strict=True))
    return tuple(_figures("scene accuracy", tasks, verdicts, resolution, detector)), verdicts


def detector_error(
    tasks: Sequence[Task], drawn: Sequence[Seen], *, resolution: str, detector: str
) -> tuple[Figure, ...]:
    """What the detector gets wrong on pictures drawn for the tasks, row by row.

    ``missed``: drawn right and judged wrong. ``fooled``: drawn for another task of the row, which is not fulfilled by
    it, and yet judged right.
    """
    _check(tasks, drawn)
    figures = []
    for row in ROWS:
        of_row = [(task, picture) for task, picture in zip(tasks, drawn, strict=True) if task.row == row]
        if not of_row:
            continue
        missed = [not judge(task, picture).right for task, picture in of_row]
        others = [*of_row[1:], of_row[0]]
        fooled = [
            judge(task, picture).right
            for (task, _), (other, picture) in zip(of_row, others, strict=True)
            if not _implies(other, task)
        ]
        figures.append(share(f"detector error, missed: {row}", missed, resolution=resolution, features=detector))
        if fooled:
            figures.append(share(f"detector error, fooled: {row}", fooled, resolution=resolution, features=detector))
    return tuple(figures)


def _figures(
    name: str, tasks: Sequence[Task], verdicts: Sequence[Verdict], resolution: str, detector: str
) -> Iterator[Figure]:
    for row in ROWS:
        outcomes = [verdict.right for task, verdict in zip(tasks, verdicts, strict=True) if task.row == row]
        if outcomes:
            yield share(f"{name}: {row}", outcomes, resolution=resolution, features=detector)
    yield share(f"{name}: overall", [verdict.right for verdict in verdicts], resolution=resolution, features=detector)


def _implies(other: Task, task: Task) -> bool:
    """Whether a picture right for ``other`` may well be right for ``task`` too, by what the two share."""
    if task.background and other.background not in ("", task.background):
        return False
    if task.side is not None and other.side is not None:
        return (task.wanted, task.side) in (
            (other.wanted, other.side),
            (other.wanted[::-1], _OPPOSITE[other.side]),
        )
    for wanted in task.wanted:
        alike = [had for had in other.wanted if had.noun == wanted.noun]
        if not any(
            wanted.colour in ("", had.colour) and (wanted.count == 0 or had.count in (0, wanted.count)) for had in alike
        ):
            return False
    return True


def _stands(things: Sequence[Thing], others: Sequence[Thing], side: Side) -> bool:
    return any(side in side_of(thing, other) for thing in things for other in others if thing is not other)


def _beyond(offset: float, extents: float) -> float:
    return math.copysign(max(abs(offset) - POSITION_SHARE * extents, 0.0), offset)


def _check(tasks: Sequence[Task], seen: Sequence[Seen]) -> None:
    if len(tasks) != len(seen):
        raise EvaluationError(f"{len(tasks)} tasks and {len(seen)} pictures; paint one picture for each task")
    if not tasks:
        raise EvaluationError("there are no tasks to judge by; give some captions for each row")
