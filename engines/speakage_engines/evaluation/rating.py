"""Blind rating by people: two pictures of one caption, A or B, and win rates from what they chose.

Writes a page that needs nothing beside it and names no model, and a key, kept apart, that says which was which. What
raters save are CSV files (``study, pair, rater, choice, milliseconds``); this module reads them with the key.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from speakage_engines.evaluation.figure import EvaluationError, Figure, share
from speakage_engines.evaluation.picture_set import PictureSet
from speakage_engines.evaluation.side_by_side import as_data_address

PAGE_FILE: Final = "rating.html"
KEY_FILE: Final = "rating-key.csv"
RESULT_COLUMNS: Final = ("study", "pair", "rater", "choice", "milliseconds")
KEY_COLUMNS: Final = ("study", "pair", "caption", "A", "B")

Choice = Literal["A", "B", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What is asked of the raters."""

    question: str = "Which picture shows the words better?"
    pairs: int = 100
    """At most; the first captions that both sets have."""
    seed: int = 0
    """Which model stands on which side follows from it."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One choice of one person."""

    pair: str
    rater: str
    winner: str
    """Name of the model, or ``""`` for no difference."""


def write_rating(folder: Path, ours: PictureSet, theirs: PictureSet, study: Study | None = None) -> Path:
    """Write the page and the key into ``folder``; gives the page.

    Raises :class:`EvaluationError` unless both sets are of the same captions in the same order, with different names.
    """
    study = study or Study()
    if ours.captions != theirs.captions:
        raise EvaluationError(f"{ours.name} and {theirs.name} are not of the same captions in the same order")
    if ours.name == theirs.name:
        raise EvaluationError(f"both sets are called {ours.name}; give them different names")
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(study.seed)  # noqa: S311  # shuffles sides, keeps no secret
    name = f"{rng.getrandbits(32):08x}"
    pairs, key = [], []
    for number in range(min(study.pairs, len(ours))):
        sides = [ours, theirs]
        rng.shuffle(sides)
        first, second = (as_data_address(side.read(number)) for side in sides)
        caption = ours.captions[number]
        pairs.append({"id": str(number), "caption": caption, "a": first, "b": second})
        key.append((name, number, caption, sides[0].name, sides[1].name))
    data = json.dumps({"study": name, "question": study.question, "pairs": pairs}).replace("<", "\\u003c")
    template = (files(__package__) / "rating.html").read_text(encoding="utf-8")
    page = folder / PAGE_FILE
    page.write_text(template.replace("%DATA%", data), encoding="utf-8")
    with (folder / KEY_FILE).open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([KEY_COLUMNS, *key])
    return page


def read_votes(key: Path, results: Iterable[Path]) -> list[Vote]:
    """What the raters chose, in names of models; a rater's later choice on a pair replaces the earlier.

    Raises :class:`EvaluationError` naming the file and line of what does not belong to the key's study.
    """
    sides = {(row["study"], row["pair"]): row for _, row in _rows(key, KEY_COLUMNS)}
    votes: dict[tuple[str, str], Vote] = {}
    for file in results:
        for line, row in _rows(file, RESULT_COLUMNS):
            pair = sides.get((row["study"], row["pair"]))
            if pair is None:
                raise EvaluationError(
                    f"{file}, line {line}: pair {row['pair']} of study {row['study']} is not in {key}"
                )
            if row["choice"] not in ("A", "B", "same"):
                raise EvaluationError(f"{file}, line {line}: the choice is {row['choice']!r}, not A, B or same")
            winner = "" if row["choice"] == "same" else pair[row["choice"]]
            votes[row["rater"], row["pair"]] = Vote(row["pair"], row["rater"], winner)
    return list(votes.values())


def win_rates(votes: Sequence[Vote]) -> tuple[Figure, ...]:
    """For each model, the share of the decided votes it won; and the share of votes that saw no difference.

    Wilson's interval takes votes as independent: with few raters of many pairs it is rather too narrow.
    """
    if not votes:
        raise EvaluationError("there are no votes; collect some rating files first")
    decided = [vote.winner for vote in votes if vote.winner]
    raters = len({vote.rater for vote in votes})
    people = f"{raters} rater{'s' if raters > 1 else ''}"
    models = sorted(set(decided))
    figures = [share(f"win rate: {model}", [won == model for won in decided], features=people) for model in models]
    return (*figures, share("no difference", [not vote.winner for vote in votes], features=people))


def _rows(file: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Lines with their numbers."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise EvaluationError(f"{file} does not exist") from None
    except (OSError, ValueError, csv.Error) as error:
        raise EvaluationError(f"{file} cannot be read as CSV in UTF-8 ({error})") from None
    for line, row in rows:
        # a short line leaves values out, a long one puts them under no name
        if any(row.get(column) is None for column in columns) or None in row:
            raise EvaluationError(f"{file}, line {line}: the columns should be {', '.join(columns)}")
    return rows
