"""LAION-style tables: filtered by their columns, each address once, and every broken row named."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_engines.training.datasets import DatasetError, DatasetSettings, TableFilters, open_pictures
from speakage_engines.training.datasets.report import Ledger, Report
from speakage_engines.training.datasets.table import Entry, read_tables

COLUMNS = ("URL", "TEXT", "WIDTH", "HEIGHT", "LANGUAGE", "SIMILARITY", "PWATERMARK", "PUNSAFE")
GOOD = ("http://a/1", "a castle", 640, 480, "en", 0.33, 0.1, 0.01)
ALL_FILTERS = TableFilters(
    min_width=512, min_height=384, languages=("EN", "de"), min_similarity=0.3, max_watermark=0.8, max_unsafe=0.5
)


def write_csv(path: Path, rows: list[tuple[Any, ...]], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def write_parquet(path: Path, rows: list[tuple[Any, ...]], columns: tuple[str, ...] = COLUMNS) -> Path:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({name: [row[place] for row in rows] for place, name in enumerate(columns)})
    parquet.write_table(table, path, row_group_size=2)
    return path


WRITERS = {"csv": write_csv, "parquet": write_parquet}


def read(*tables: Path, filters: TableFilters | None = None) -> tuple[list[Entry], Report]:
    ledger = Ledger("it", "table", "drop")
    entries = list(read_tables(tables, filters or TableFilters(), ledger))
    return entries, ledger.report()


def counts(report: Report) -> dict[str, int]:
    return {dropped.reason.value: dropped.count for dropped in report.dropped}


@pytest.fixture(params=WRITERS)
def form(request: pytest.FixtureRequest) -> str:
    """Both forms of a table."""
    return str(request.param)


def changed(place: int, **values: Any) -> tuple[Any, ...]:
    row = dict(zip(COLUMNS, GOOD, strict=True)) | {"URL": f"http://a/{place}"} | values
    return tuple(row[column] for column in COLUMNS)


def test_each_filter_looks_at_its_column(tmp_path: Path, form: str) -> None:
    rows = [
        GOOD,
        changed(2, WIDTH=511),
        changed(3, HEIGHT=383),
        changed(4, LANGUAGE="fr"),
        changed(5, SIMILARITY=0.29),
        changed(6, PWATERMARK=0.81),
        changed(7, PUNSAFE=0.51),
        changed(8, SIMILARITY=None),
        changed(9, LANGUAGE=None),
        changed(10, PUNSAFE=float("nan")),
        changed(11, LANGUAGE="DE"),
    ]
    table = WRITERS[form](tmp_path / f"it.{form}", rows)
    entries, report = read(table, filters=ALL_FILTERS)
    assert [entry.url for entry in entries] == ["http://a/1", "http://a/11"]
    assert counts(report) == {
        "too small": 2, "another language": 1, "text and picture differ": 1, "likely watermarked": 1,
        "likely unsafe": 1, "no value in a column that is filtered": 3,
    }  # fmt: skip
    assert report.faults == 0
    examples = [line for dropped in report.dropped for line in dropped.examples]
    assert f"it.{form} row 2: WIDTH 511 < 512" in examples
    assert f"it.{form} row 5: SIMILARITY 0.29 < 0.3" in examples
    # without filters every row is wanted
    assert len(read(table)[0]) == len(rows)


def test_an_address_is_taken_once_in_all_tables(tmp_path: Path, form: str) -> None:
    first = WRITERS[form](tmp_path / f"a.{form}", [GOOD, changed(1), changed(2)])
    second = WRITERS[form](tmp_path / f"b.{form}", [changed(2), changed(3)])
    entries, report = read(first, second)
    assert [entry.name for entry in entries] == [
        f"a.{form} row 1: http://a/1", f"a.{form} row 3: http://a/2", f"b.{form} row 2: http://a/3",
    ]  # fmt: skip
    assert counts(report) == {"same address twice": 2}
    assert [entry.done for entry in entries] == sorted(entry.done for entry in entries)


def test_columns_may_stand_in_any_order_and_case(tmp_path: Path, form: str) -> None:
    table = WRITERS[form](tmp_path / f"it.{form}", [(0.4, "a castle", "http://a/1")], ("similarity", "Text", "url"))
    entries, report = read(table, filters=TableFilters(min_similarity=0.3))
    assert [(entry.url, entry.caption) for entry in entries] == [("http://a/1", "a castle")]
    assert not report.dropped


def test_a_table_that_lacks_a_column_names_what_it_has(tmp_path: Path, form: str) -> None:
    other = WRITERS[form](tmp_path / f"a.{form}", [("x", 1)], ("image", "TEXT"))
    good = WRITERS[form](tmp_path / f"b.{form}", [("http://a/1", "a castle")], ("URL", "TEXT"))
    entries, report = read(other, good)
    assert len(entries) == 1
    assert report.dropped[0].examples[0].startswith(f"a.{form}: it lacks URL and has image, TEXT; rename its columns")
    entries, report = read(good, filters=TableFilters(max_unsafe=0.5))
    assert not entries
    assert "it lacks PUNSAFE and has URL, TEXT" in report.dropped[0].examples[0]
    with pytest.raises(DatasetError, match=r"no picture is left .* 1 wrong columns; for example .* it lacks URL"):
        open_pictures(other, DatasetSettings(size=16))
    with pytest.raises(DatasetError, match=r"it lacks URL .*\(wrong columns\); mend or remove it"):
        open_pictures(other, DatasetSettings(size=16, on_error="stop"))


def test_broken_rows_of_csv_are_named(tmp_path: Path) -> None:
    table = tmp_path / "it.csv"
    table.write_bytes(
        b"\xef\xbb\xbfURL,TEXT\r\n"
        b"http://a/1,a castle\r\n"
        b"http://a/2,Schlo\xdf\r\n"
        b'http://a/3,"two\nlines"\r\n'
        b"http://a/4\r\n"
        b"http://a/5,too,many\r\n"
        b",no address\r\n"
        b"http://a/6,\r\n"
        b"\r\n"
        b"http://a/7," + b"x" * 200_000 + b"\r\n"
        b"http://a/8,the last\r\n"
    )
    entries, report = read(table)
    assert [entry.caption for entry in entries] == ["a castle", "two lines", "the last"]
    assert counts(report) == {
        "wrong columns": 2, "text is not UTF-8": 1, "no picture": 1, "no caption": 1, "damaged file": 1,
    }  # fmt: skip
    assert "it.csv row 4: 1 columns instead of 2" in report.dropped[0].examples


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"x" * 200_000])
def test_a_csv_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "it.csv").write_bytes(content)
    entries, report = read(tmp_path / "it.csv")
    assert not entries
    assert report.faults == 1
    assert report.dropped[0].examples[0].startswith("it.csv: ")


def test_parquet_keeps_any_type_of_column(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table(
        {
            "URL": arrow.array(["http://a/1", "http://a/2", None], arrow.large_string()),
            "TEXT": arrow.array([b"a castle", b"Schlo\xdf", b"x"], arrow.binary()),
            "LANGUAGE": arrow.array(["en", "en", "en"]).dictionary_encode(),
            "WIDTH": arrow.array([2**60, 600, 600], arrow.int64()),
            "PUNSAFE": arrow.array(["0.1", "0.1", "0.1"]),
        }
    )
    parquet.write_table(table, tmp_path / "it.parquet")
    entries, report = read(
        tmp_path / "it.parquet", filters=TableFilters(min_width=1, languages=("en",), max_unsafe=0.5)
    )
    assert [entry.caption for entry in entries] == ["a castle"]
    assert counts(report) == {"text is not UTF-8": 1, "no picture": 1}


def test_damaged_parquet_is_named_and_the_next_is_read(tmp_path: Path) -> None:
    whole = write_parquet(tmp_path / "a.parquet", [changed(place) for place in range(9)])
    good = write_parquet(tmp_path / "b.parquet", [changed(99)])
    whole.write_bytes(whole.read_bytes()[:-20])
    entries, report = read(whole, good)
    assert [entry.url for entry in entries] == ["http://a/99"]
    assert counts(report) == {"damaged file": 1}


def test_parquet_without_its_reader_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "it.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DatasetError, match=r"it\.parquet: reading Parquet needs pyarrow; get it with: pip install"):
        open_pictures(tmp_path / "it.parquet", DatasetSettings(size=16))


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 1), st.floats(0, 1)), max_size=20))
def test_every_row_is_taken_or_counted(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, float, float]]
) -> None:
    rows = [
        changed(place, WIDTH=width, SIMILARITY=similar, PUNSAFE=unsafe)
        for place, (width, similar, unsafe) in enumerate(drawn)
    ]
    table = write_csv(tmp_path_factory.mktemp("table") / "it.csv", rows)
    entries, report = read(table, filters=TableFilters(min_width=500, min_similarity=0.3, max_unsafe=0.5))
    wanted = [row[0] for row in rows if row[2] >= 500 and row[5] >= 0.3 and row[7] <= 0.5]
    assert [entry.url for entry in entries] == wanted
    assert len(entries) + sum(dropped.count for dropped in report.dropped) == len(rows)
