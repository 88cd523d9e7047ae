"""What an evaluation says: figures that carry what they were measured on, and the metrics left out and why. Pure.

A figure without its n, its resolution and its feature network cannot be compared with another; so here none exists
without them. This module computes intervals from counts; it measures nothing itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, TypedDict

from speakage_engines.api import EngineError

CONFIDENCE: Final = 0.95
"""Of every interval here that is a confidence interval."""
_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


class EvaluationError(EngineError):
    """Something cannot be evaluated as asked; the message names what and the remedy."""


@dataclass(frozen=True, slots=True)
class Interval:
    """How far a figure can be trusted."""

    low: float
    high: float
    meaning: str
    """What kind of interval it is, such as ``95 % Wilson``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number and all that is needed to compare it."""

    name: str
    value: float
    unit: str
    """``""`` for a number without one."""
    n: int
    """What it was measured on: pictures, pairs, captions, words or hours' minutes, as the name implies."""
    resolution: str
    """Pixels, such as ``128×128``; ``""`` for sound."""
    features: str
    """The network behind it with its width, or who judged; ``""`` when it is computed from pixels or words."""
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A metric that could not be computed."""

    name: str
    reason: str
    """One sentence with the remedy, the exact command where one helps."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that was found out about one subject."""

    subject: str
    figures: tuple[Figure, ...]
    left_out: tuple[LeftOut, ...] = ()


class Record(TypedDict):
    """A figure as ``--json`` prints it."""

    name: str
    value: float
    unit: str


def as_records(figures: Iterable[Figure]) -> list[Record]:
    """What ``--json`` prints: a list of ``{name, value, unit}``; the ends of an interval are figures of their own."""
    records: list[Record] = []
    for figure in figures:
        records.append({"name": figure.name, "value": figure.value, "unit": figure.unit})
        if figure.interval is not None:
            ends = (("low", figure.interval.low), ("high", figure.interval.high))
            records += [{"name": f"{figure.name}.{end}", "value": value, "unit": figure.unit} for end, value in ends]
    return records


def measured_on(figure: Figure) -> str:
    """``n = 200, 128×128, scenes (256)``."""
    return ", ".join(part for part in (f"n = {figure.n:,}", figure.resolution, figure.features) if part)


def in_words(figure: Figure) -> str:
    """The value with its unit and its interval, rounded for people: ``91.5 % (86.8 to 94.6)``."""
    unit = f" {figure.unit}" if figure.unit else ""
    text = f"{_rounded(figure.value, figure.unit)}{unit}"
    if figure.interval is None:
        return text
    low, high = (_rounded(end, figure.unit) for end in (figure.interval.low, figure.interval.high))
    return f"{text} ({low} to {high})"


def wilson(successes: int, n: int) -> Interval:
    """Wilson's interval of a share, in per cent (Wilson 1927); it stays within 0 and 100 where p ± z·s does not."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} successes of {n} is no share")
    share, z2 = successes / n, _Z**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # at the ends the formula gives 0 and 100 but for rounding
    low = 0.0 if successes == 0 else centre - reach
    high = 1.0 if successes == n else centre + reach
    return Interval(100 * low, 100 * high, "95 % Wilson")


def share(name: str, outcomes: Sequence[bool], *, resolution: str = "", features: str = "") -> Figure:
    """How many of ``outcomes`` are true, in per cent, with Wilson's interval."""
    return Figure(
        name=name,
        value=100 * sum(outcomes) / len(outcomes) if outcomes else math.nan,
        unit="%",
        n=len(outcomes),
        resolution=resolution,
        features=features,
        interval=wilson(sum(outcomes), len(outcomes)) if outcomes else None,
    )


def of_mean(values: Sequence[float]) -> Interval | None:
    """The normal interval of a mean; ``None`` below two values."""
    n = len(values)
    if n < 2:
        return None
    mean = math.fsum(values) / n
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
    return Interval(mean - _Z * spread, mean + _Z * spread, "95 % normal, of the mean")


def of_count(count: int, exposure: float) -> Interval:
    """Byar's approximation to the Poisson interval of ``count`` events in ``exposure`` units of time, as a rate."""
    if exposure <= 0:
        raise ValueError(f"{exposure} units of time are no exposure")

    def bound(events: int, z: float) -> float:
        return events * (1 - 1 / (9 * events) + z / (3 * math.sqrt(events))) ** 3

    low = bound(count, -_Z) if count else 0.0
    return Interval(low / exposure, bound(count + 1, _Z) / exposure, "95 % Poisson, by Byar")


def paired_difference(name: str, ours: Sequence[bool], theirs: Sequence[bool]) -> Figure:
    """How many points more of ``ours`` are true, on the same captions and seeds (interval of Agresti and Min 2005)."""
    n = len(ours)
    gained = sum(a and not b for a, b in zip(ours, theirs, strict=True))
    lost = sum(b and not a for a, b in zip(ours, theirs, strict=True))
    if n == 0:
        raise ValueError("nothing to compare")
    # half a case more in every cell of the table keeps the interval honest where few differ
    more, less, all_ = gained + 0.5, lost + 0.5, n + 2
    centre = (more - less) / all_
    reach = _Z * math.sqrt(more + less - (more - less) ** 2 / all_) / all_
    interval = Interval(100 * (centre - reach), 100 * (centre + reach), "95 % Agresti–Min, paired")
    return Figure(
        name=name,
        value=100 * (gained - lost) / n,
        unit="points",
        n=n,
        resolution="",
        features="",
        interval=interval,
    )


def _rounded(value: float, unit: str) -> str:
    """About four significant digits: three decimals of what is near nothing, none of what is in thousands."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "–"
    if unit in ("%", "points"):
        return f"{value:.1f}"
    return f"{value:.{max(0, min(3, 3 - math.floor(math.log10(abs(value)))))}f}" if value else "0"
