"""Side by side: the same captions before and after fine-tuning, or by one model and another.

Writes one HTML page that needs nothing beside it (pictures are inside), and the same figures as CSV. It measures
nothing: evaluations and verdicts are passed in.
"""

from __future__ import annotations

import base64
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Final

from PIL import Image

from speakage_engines.api import Rgb
from speakage_engines.evaluation.figure import Evaluation, EvaluationError, Figure, in_words, measured_on
from speakage_engines.evaluation.picture_set import PictureSet
from speakage_engines.evaluation.scene import Verdict

PAGE_FILE: Final = "side-by-side.html"
FIGURES_FILE: Final = "figures.csv"
PICTURES_FILE: Final = "pictures.csv"
SHOWN_SIDE: Final = 384
"""Pixels: larger pictures are shown smaller, so that the page stays light."""
_LOWER_IS_BETTER: Final = ("FID", "KID", "LPIPS", "word error rate", "time to final text", "words invented", "detector")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One side of the comparison."""

    pictures: PictureSet
    evaluation: Evaluation
    verdicts: tuple[Verdict, ...] = ()
    """One a picture, or none at all."""


def write_side_by_side(folder: Path, title: str, columns: Sequence[Column], limit: int = 200) -> Path:
    """Write the page and the CSV files into ``folder``; gives the page. The page shows the first ``limit`` captions.

    The columns hold pictures of the same captions in the same order; raises :class:`EvaluationError` otherwise.
    """
    _check(columns)
    folder.mkdir(parents=True, exist_ok=True)
    count = len(columns[0].pictures)
    lead = f"{count:,} captions"
    if limit < count:
        lead += f", the first {limit:,} of them shown below; the figures are of all"
    template = (files(__package__) / "side_by_side.html").read_text(encoding="utf-8")
    pieces = {
        "%TITLE%": escape(title),
        "%LEAD%": lead + ".",
        "%COLUMNS%": str(len(columns)),
        "%TABLE%": _table(columns) + _left_out(columns),
        "%PICTURES%": _grid(columns, min(limit, count)),
    }
    for mark, piece in pieces.items():
        template = template.replace(mark, piece)
    page = folder / PAGE_FILE
    page.write_text(template, encoding="utf-8")
    _write_rows(folder / FIGURES_FILE, _figure_rows(columns))
    _write_rows(folder / PICTURES_FILE, _picture_rows(columns))
    return page


def as_data_address(picture: Rgb) -> str:
    """The picture as a ``data:`` address, losslessly, never larger than it is shown."""
    image = Image.fromarray(picture)
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True, quality=60, method=3)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _table(columns: Sequence[Column]) -> str:
    keys = list(dict.fromkeys(_key(figure) for column in columns for figure in column.evaluation.figures))
    if not keys:
        return ""
    named = Counter(name for name, _ in keys)
    heads = "".join(f"<th scope=col>{escape(column.pictures.name)}" for column in columns)
    rows = []
    for key in keys:
        figures = [_figure(column, key) for column in columns]
        best = _best(figures)
        cells = "".join(_cell(figure, best=figure is not None and figure is best) for figure in figures)
        # two networks give two figures of one name
        rows.append(f"<tr><th scope=row>{escape(', '.join(key) if named[key[0]] > 1 else key[0])}{cells}")
    return (
        "<h2>Figures</h2><div class=scroll><table>"
        f"<thead><tr><th scope=col>what{heads}</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(figure: Figure | None, *, best: bool) -> str:
    if figure is None:
        return "<td>–"
    interval = f"; {figure.interval.meaning}" if figure.interval else ""
    return (
        f"<td{' class=best' if best else ''}><strong>{escape(in_words(figure))}</strong>"
        f"<small>{escape(measured_on(figure) + interval)}</small>"
    )


def _best(figures: Sequence[Figure | None]) -> Figure | None:
    """The one that is better than all others beyond both intervals; none when they overlap or have none."""
    known = [
        figure
        for figure in figures
        # a spread between parts says nothing of how sure the whole is
        if figure is not None and figure.interval is not None and figure.interval.meaning.startswith("95 %")
    ]
    if len(known) < 2 or len(known) < len(figures):
        return None
    sign = -1 if known[0].name.startswith(_LOWER_IS_BETTER) else 1
    order = sorted(known, key=lambda figure: sign * figure.value, reverse=True)
    first, second = order[0].interval, order[1].interval
    if first is None or second is None:
        return None
    apart = first.low > second.high if sign > 0 else first.high < second.low
    return order[0] if apart else None


def _left_out(columns: Sequence[Column]) -> str:
    """By reason: one missing file often stands behind several metrics of several columns."""
    names: dict[str, dict[str, None]] = {}
    for column in columns:
        for each in column.evaluation.left_out:
            names.setdefault(each.reason, {})[each.name] = None
    items = [f"<li>{escape(', '.join(of))}<small>{escape(reason)}</small>" for reason, of in names.items()]
    return f"<h2>Not measured</h2><ul>{''.join(items)}</ul>" if items else ""


def _grid(columns: Sequence[Column], count: int) -> str:
    judged = all(column.verdicts for column in columns)
    differing = "<label><input type=checkbox id=differing> only where the verdicts differ</label>"
    heads = "".join(f"<div>{escape(column.pictures.name)}</div>" for column in columns)
    rows = "".join(_row(columns, number) for number in range(count))
    return f"<h2>Pictures</h2>{differing if judged and len(columns) > 1 else ''}<div class=bar>{heads}</div>{rows}"


def _row(columns: Sequence[Column], number: int) -> str:
    caption = columns[0].pictures.captions[number] or columns[0].pictures.names[number]
    verdicts = {column.verdicts[number].right for column in columns if column.verdicts}
    shown = "".join(_shown(column, number, caption) for column in columns)
    return f'<section class="row{" differs" if len(verdicts) > 1 else ""}"><h3>{escape(caption)}</h3>{shown}</section>'


def _shown(column: Column, number: int, caption: str) -> str:
    address = as_data_address(column.pictures.read(number))
    text = f"{caption}, by {column.pictures.name}"
    picture = f'<img src="{address}" alt="{escape(text)}" loading=lazy>'
    if not column.verdicts:
        return f"<figure>{picture}</figure>"
    verdict = column.verdicts[number]
    mark, words = ("right", "right") if verdict.right else ("wrong", verdict.reason)
    return f"<figure>{picture}<figcaption class={mark}>{escape(words)}</figcaption></figure>"


def _figure_rows(columns: Sequence[Column]) -> Iterator[Sequence[object]]:
    yield ("subject", "name", "value", "unit", "low", "high", "interval", "n", "resolution", "features")
    for column in columns:
        for figure in column.evaluation.figures:
            interval = figure.interval
            ends = (interval.low, interval.high, interval.meaning) if interval else ("", "", "")
            measured = (figure.n, figure.resolution, figure.features)
            yield (column.pictures.name, figure.name, figure.value, figure.unit, *ends, *measured)


def _picture_rows(columns: Sequence[Column]) -> Iterator[Sequence[object]]:
    yield ("subject", "picture", "caption", "right", "reason")
    for column in columns:
        for number, (name, caption) in enumerate(zip(column.pictures.names, column.pictures.captions, strict=True)):
            verdict = column.verdicts[number] if column.verdicts else None
            said = ("", "") if verdict is None else (str(verdict.right).lower(), verdict.reason)
            yield (column.pictures.name, name, caption, *said)


def _write_rows(file: Path, rows: Iterator[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows(rows)


def _figure(column: Column, key: tuple[str, str]) -> Figure | None:
    return next((figure for figure in column.evaluation.figures if _key(figure) == key), None)


def _key(figure: Figure) -> tuple[str, str]:
    return figure.name, figure.features


def _check(columns: Sequence[Column]) -> None:
    if not columns:
        raise EvaluationError("there is nothing to put side by side; give one set of pictures at least")
    captions = columns[0].pictures.captions
    for column in columns:
        if column.pictures.captions != captions:
            raise EvaluationError(
                f"{column.pictures.name} and {columns[0].pictures.name} are not of the same captions in the same order"
            )
        if column.verdicts and len(column.verdicts) != len(column.pictures):
            raise EvaluationError(
                f"{column.pictures.name}: {len(column.verdicts)} verdicts on {len(column.pictures)} pictures"
            )
