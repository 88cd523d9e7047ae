"""The table of figures in a model card, written from an evaluation, so that the two cannot drift.

Only what lies between two marks is replaced; every other word of a card is a person's.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from speakage_engines.evaluation.figure import Evaluation, EvaluationError, in_words, measured_on

BEGIN: Final = "<!-- figures: written by an evaluation, not by hand -->"
END: Final = "<!-- end of figures -->"
CURVE_ROWS: Final = 12


def as_markdown(evaluations: Iterable[Evaluation]) -> str:
    """A table of all figures, with what each was measured on, and a list of what was not measured."""
    lines = ["| what | value | measured on |", "|---|---|---|"]
    missing = []
    for evaluation in evaluations:
        for figure in evaluation.figures:
            interval = f"; interval: {figure.interval.meaning}" if figure.interval else ""
            cells = (figure.name, in_words(figure), measured_on(figure) + interval)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        missing += [f"- {each.name}: {each.reason}" for each in evaluation.left_out]
    if missing:
        lines += ["", "Not measured:", "", *missing]
    return "\n".join(lines) + "\n"


def learning_curve(log: Path) -> str:
    """The ``log.csv`` of a run as a short table: the mean of each of its losses over even stretches of steps."""
    try:
        with log.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        losses = [name for name in rows[0] if name not in ("step", "learning_rate", "gradient")]
        values = [(int(row["step"]), [float(row[name]) for name in losses]) for row in rows]
    except (OSError, IndexError, KeyError, TypeError, ValueError) as error:
        raise EvaluationError(f"{log} is no log of a run ({type(error).__name__}: {error})") from None
    lines = ["| steps | " + " | ".join(losses) + " |", "|---" * (1 + len(losses)) + "|"]
    width = max(1, len(values) // CURVE_ROWS)
    for start in range(0, len(values), width):
        part = values[start : start + width]
        means = [f"{statistics.fmean(column):.4f}" for column in zip(*(each for _, each in part), strict=True)]
        lines.append(f"| to {part[-1][0]:,} | " + " | ".join(means) + " |")
    return "\n".join(lines) + "\n"


def update_card(card: Path, evaluations: Iterable[Evaluation], curve: str = "") -> bool:
    """Replace the figures of a card; gives whether it changed. Raises :class:`EvaluationError` when it has no marks."""
    try:
        text = card.read_text(encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"{card} cannot be read ({error.strerror}); write the card first") from None
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise EvaluationError(f"{card} should have one line {BEGIN!r} and after it one line {END!r}")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    told = as_markdown(evaluations) + (f"\nHow it learned:\n\n{curve}" if curve else "")
    new = f"{before}{BEGIN}\n\n{told}\n{END}{after}"
    if new == text:
        return False
    unfinished = card.with_suffix(".part")
    unfinished.write_text(new, encoding="utf-8")
    unfinished.replace(card)
    return True
