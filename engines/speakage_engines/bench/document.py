"""A table of a benchmark in a document, between two marks that name it; every other word is a person's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from speakage_engines.bench.plan import BASELINE, BenchError, Subject
from speakage_engines.bench.results import STAGES, name_of
from speakage_engines.bench.rounds import Result
from speakage_engines.evaluation.figure import Evaluation, Figure, Interval

_NONE = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Words in rows, for the terminal and for documents."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_markdown(self) -> str:
        """With a line's end at the end."""
        lines = [self.head, ("---",) * len(self.head), *self.rows]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def tables(subject: Subject, results: Sequence[Result], evaluation: Evaluation) -> tuple[Table, Table]:
    """The contestants side by side, and where each one's time goes."""
    figures = {figure.name: figure for figure in evaluation.figures}
    absent = [
        (missing.name, missing.reason) for missing in evaluation.left_out if missing.reason.startswith("not installed")
    ]
    rows = [_row(subject, result, figures) for result in results]
    rows += [(name, reason.partition(";")[0], *[_NONE] * (len(_HEAD) - 2)) for name, reason in absent]
    stages = [
        (_label(result), *(_value(figures, subject, result, f"{stage}.p50") for stage in STAGES)) for result in results
    ]
    return (
        Table(title=f"prompt to JPEG: {subject.title}", head=_HEAD, rows=tuple(rows)),
        Table(title="where it goes (p50, ms)", head=("", "prompt", "denoise", "decode", "JPEG"), rows=tuple(stages)),
    )


_HEAD = ("", "p50 ms", "p95 ms", "pictures/s", f"× {BASELINE}", "likeness dB", "peak MB", "load s", "build s")


def _row(subject: Subject, result: Result, figures: Mapping[str, Figure]) -> tuple[str, ...]:
    faster = "1" if result.contestant.name == BASELINE else _value(figures, subject, result, "times_faster")
    columns = ("p95", "images_per_second", "", "likeness", "peak_memory", "load", "build")
    cells = [_value(figures, subject, result, column) if column else faster for column in columns]
    return (_label(result), _value(figures, subject, result, "p50"), *cells)


def _label(result: Result) -> str:
    """With what computes as it says itself, in the place of what it was asked for."""
    return f"{result.contestant.library} {result.about}"


def _value(figures: Mapping[str, Figure], subject: Subject, result: Result, what: str) -> str:
    figure = figures.get(name_of(subject, result, what))
    if figure is None:
        return _NONE
    return rounded(figure.value) + _interval(figure.interval)


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f" ({rounded(interval.low)} to {rounded(interval.high)})"


def rounded(value: float) -> str:
    """Three digits are as many as a busy machine gives."""
    if not math.isfinite(value):
        return _NONE
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}" if value else "0"


def marks(name: str) -> tuple[str, str]:
    """Before and after what ``speakage bench`` writes of that name."""
    return f"<!-- bench {name}: written by speakage bench, not by hand -->", f"<!-- end of bench {name} -->"


def check_document(path: Path, name: str) -> None:
    """Raises :class:`BenchError` when :func:`write_between` would, so that nobody waits for nothing."""
    _split(path, name)


def write_between(path: Path, name: str, text: str) -> bool:
    """Replace what lies between the marks; gives whether it changed. Raises :class:`BenchError` without marks."""
    before, old, after = _split(path, name)
    if old == (new := f"\n\n{text}\n"):
        return False
    begin, end = marks(name)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(f"{before}{begin}{new}{end}{after}", encoding="utf-8")
    unfinished.replace(path)
    return True


def _split(path: Path, name: str) -> tuple[str, str, str]:
    begin, end = marks(name)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror}); name a document that is there") from None
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
        raise BenchError(f"{path} should have one line {begin!r} and after it one line {end!r}")
    before, rest = text.split(begin)
    old, after = rest.split(end)
    return before, old, after
