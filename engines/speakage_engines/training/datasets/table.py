"""LAION-style tables, Parquet or CSV: read row by row, filtered by their columns, each address once.

Columns ``URL TEXT WIDTH HEIGHT LANGUAGE SIMILARITY PWATERMARK PUNSAFE``, in either case and any order; only the first
two are needed, and those that a filter asks for. It does *not* fetch.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from speakage_engines.training.datasets.report import Ledger, Reason, RejectedError, printable
from speakage_engines.training.datasets.settings import DatasetError, TableFilters
from speakage_engines.training.datasets.text import decode_text, tidy

Value: TypeAlias = bytes | float | None
Row: TypeAlias = dict[str, Value]
"""By the column's name in capitals."""

NEEDED: Final = ("URL", "TEXT")
SUFFIXES: Final = frozenset({".parquet", ".csv"})
_BATCH: Final = 4096


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that is wanted."""

    name: str
    url: str
    caption: str
    done: float
    """How much of the tables lies before it, 0 to 1."""


def read_tables(tables: Sequence[Path], filters: TableFilters, ledger: Ledger) -> Generator[Entry, None, None]:
    """The rows that pass. A table that cannot be read, or not to its end, is reported."""
    seen: set[bytes] = set()
    wanted = (*NEEDED, *_asked_for(filters))
    for number, table in enumerate(tables):
        rows = _read_parquet(table, wanted) if table.suffix.lower() == ".parquet" else _read_csv(table, wanted)
        place = 0
        try:
            for place, (row, done) in enumerate(rows, 1):
                if isinstance(row, RejectedError):
                    ledger.drop(row.reason, f"{table.name} row {place}", row.detail)
                elif (entry := _accept(row, f"{table.name} row {place}", filters, ledger)) is not None:
                    # 16 bytes each, where the addresses of a million rows would be 200 MB
                    digest = hashlib.sha256(entry[0].encode()).digest()[:16]
                    if digest in seen:
                        ledger.drop(Reason.DUPLICATE_URL, f"{table.name} row {place}", entry[0])
                        continue
                    seen.add(digest)
                    yield Entry(f"{table.name} row {place}: {entry[0]}", *entry, (number + done) / len(tables))
        except RejectedError as rejected:
            detail = f"after row {place}: {rejected.detail}" if place else rejected.detail
            ledger.drop(rejected.reason, table.name, detail)


def _asked_for(filters: TableFilters) -> tuple[str, ...]:
    """The columns that the filters which are set look at."""
    settings = {
        "WIDTH": filters.min_width > 0,
        "HEIGHT": filters.min_height > 0,
        "LANGUAGE": bool(filters.languages),
        "SIMILARITY": filters.min_similarity is not None,
        "PWATERMARK": filters.max_watermark is not None,
        "PUNSAFE": filters.max_unsafe is not None,
    }
    return tuple(column for column, asked in settings.items() if asked)


def _accept(row: Row, name: str, filters: TableFilters, ledger: Ledger) -> tuple[str, str] | None:
    """Address and caption, or nothing when the row was reported."""
    try:
        _judge(row, filters)
        return _address(row), tidy(_words(row, "TEXT"))
    except RejectedError as rejected:
        ledger.drop(rejected.reason, name, rejected.detail)
        return None


def _judge(row: Row, filters: TableFilters) -> None:
    """Raise :class:`RejectedError` at the first filter that the row does not pass."""
    for column, least in (("WIDTH", filters.min_width), ("HEIGHT", filters.min_height)):
        if least and (found := _number(row, column)) < least:
            raise RejectedError(Reason.TOO_SMALL, f"{column} {found:g} < {least}")
    if filters.languages:
        language = _words(row, "LANGUAGE").casefold()
        if not language:
            raise RejectedError(Reason.NO_VALUE, "LANGUAGE")
        if language not in {wanted.casefold() for wanted in filters.languages}:
            raise RejectedError(Reason.OTHER_LANGUAGE, language)
    if filters.min_similarity is not None and (found := _number(row, "SIMILARITY")) < filters.min_similarity:
        raise RejectedError(Reason.LOW_SIMILARITY, f"SIMILARITY {found:.3g} < {filters.min_similarity:g}")
    if filters.max_watermark is not None and (found := _number(row, "PWATERMARK")) > filters.max_watermark:
        raise RejectedError(Reason.WATERMARK, f"PWATERMARK {found:.3g} > {filters.max_watermark:g}")
    if filters.max_unsafe is not None and (found := _number(row, "PUNSAFE")) > filters.max_unsafe:
        raise RejectedError(Reason.UNSAFE, f"PUNSAFE {found:.3g} > {filters.max_unsafe:g}")


def _number(row: Row, column: str) -> float:
    value = row[column]
    try:
        number = math.nan if value is None else float(value)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        shown = "" if value is None else f" is {value!r}"
        raise RejectedError(Reason.NO_VALUE, f"{column}{shown}")
    return number


def _address(row: Row) -> str:
    if not (url := _words(row, "URL")):
        raise RejectedError(Reason.NO_PICTURE, "URL is empty")
    return url


def _words(row: Row, column: str) -> str:
    value = row[column]
    if value is None:
        return ""
    return decode_text(value).strip() if isinstance(value, bytes) else f"{value:g}"


def _columns(found: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """The table's own name of each wanted column; raises :class:`RejectedError` naming those it lacks."""
    own = {name.strip().upper(): name for name in found}
    if lacking := [column for column in wanted if column not in own]:
        raise RejectedError(
            Reason.WRONG_COLUMNS,
            f"it lacks {', '.join(lacking)} and has {printable(', '.join(found)) or 'none'}; "
            "rename its columns, or unset the filters that need them",
        )
    return {column: own[column] for column in wanted}


def _read_csv(table: Path, wanted: Sequence[str]) -> Iterator[tuple[Row | RejectedError, float]]:
    """Rows of a CSV file; bytes that are no UTF-8 pass through, to be reported with their row."""
    try:
        size = max(1, table.stat().st_size)
        with (
            table.open("rb") as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="") as file,
        ):
            reader = csv.reader(file)
            header = next(reader, [])
            columns = _columns(header, wanted)
            while True:
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield RejectedError(Reason.BROKEN_FILE, f"line {reader.line_num}: {error}"), 0.0
                    continue
                if cells:
                    yield _csv_row(header, cells, columns), min(1.0, raw.tell() / size)
    except csv.Error as error:
        raise RejectedError(Reason.BROKEN_FILE, f"line 1: {error}") from None
    except OSError as error:
        raise RejectedError(Reason.BROKEN_FILE, error.strerror or str(error)) from None


def _csv_row(header: Sequence[str], cells: Sequence[str], columns: dict[str, str]) -> Row | RejectedError:
    if len(cells) != len(header):
        return RejectedError(Reason.WRONG_COLUMNS, f"{len(cells)} columns instead of {len(header)}")
    values = dict(zip(header, cells, strict=True))
    return {column: values[own].encode("utf-8", "surrogateescape") or None for column, own in columns.items()}


def _read_parquet(table: Path, wanted: Sequence[str]) -> Iterator[tuple[Row | RejectedError, float]]:
    try:
        # by name, since it is an optional dependency without type information
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise DatasetError(
            f"{table}: reading Parquet needs pyarrow; get it with: pip install pyarrow, or give the table as CSV"
        ) from None
    try:
        with parquet.ParquetFile(table) as file:
            columns = _columns(file.schema_arrow.names, wanted)
            total = max(1, file.metadata.num_rows)
            place = 0
            for batch in file.iter_batches(_BATCH, columns=list(columns.values())):
                # as bytes: Arrow does not check that its strings are UTF-8
                values = {column: _plain(arrow, batch.column(own)) for column, own in columns.items()}
                for index in range(batch.num_rows):
                    place += 1
                    yield {column: cells[index] for column, cells in values.items()}, place / total
    except (arrow.ArrowException, OSError, LookupError) as error:
        raise RejectedError(Reason.BROKEN_FILE, str(error).partition("\n")[0][:200]) from None


def _plain(arrow: Any, cells: Any) -> list[Value]:
    """A column of Arrow's as bytes, numbers and nothing."""
    types = arrow.types
    if types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if types.is_large_string(cells.type):
        cells = cells.cast(arrow.large_binary())
    elif types.is_integer(cells.type) or types.is_floating(cells.type) or types.is_decimal(cells.type):
        cells = cells.cast(arrow.float64(), safe=False)
    elif not types.is_large_binary(cells.type):
        cells = cells.cast(arrow.binary())
    plain: list[Value] = cells.to_pylist()
    return plain
