"""Folders of pictures: what is whole is kept, everything broken is named, and the run goes on or stops."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from speakage_engines.training.datasets import DatasetError, DatasetSettings, Report, open_pictures

Draw = Callable[[int], bytes]


@pytest.fixture
def broken(tmp_path: Path, draw: Draw) -> Path:
    """Two good pictures, and one of everything that can be wrong."""
    folder = tmp_path / "mine"
    (folder / "deeper").mkdir(parents=True)
    for name, number in (("a.png", 1), ("deeper/b.PNG", 2), ("no caption.png", 3), ("empty.png", 4), ("latin.png", 5)):
        (folder / name).write_bytes(draw(number))
    (folder / "a.txt").write_bytes("\ufeffa  castle\r\n".encode())
    (folder / "deeper" / "b.txt").write_text("ein Schloß\na castle in the snow\n", encoding="utf-8")
    (folder / "empty.txt").write_text(" \n")
    (folder / "latin.txt").write_bytes("Schloß".encode("latin-1"))
    (folder / "utf16.png").write_bytes(draw(6))
    (folder / "utf16.txt").write_bytes("a castle".encode("utf-16-le"))
    (folder / "text.jpg").write_text("this is no picture")
    (folder / "text.txt").write_text("a lie")
    (folder / "cut.png").write_bytes(draw(7)[:-40])
    (folder / "cut.txt").write_text("half a picture")
    (folder / "nothing.gif").write_bytes(b"")
    (folder / "nothing.txt").write_text("nothing")
    (folder / "z copy.png").write_bytes(draw(1))
    (folder / "z copy.txt").write_text("a castle, again")
    (folder / "alone.txt").write_text("no picture has my name")
    (folder / "huge.bmp").write_bytes(draw(8) + bytes(50_000))
    (folder / "huge.txt").write_text("many bytes")
    (folder / "._a.png").write_bytes(b"what a Mac leaves")
    return folder


def counts(report: Report) -> dict[str, int]:
    return {dropped.reason.value: dropped.count for dropped in report.dropped}


def test_what_is_broken_is_reported_and_the_rest_is_kept(broken: Path, settings: DatasetSettings) -> None:
    before = sorted(broken.rglob("*"))
    pictures, report = open_pictures(broken, settings)
    assert (report.kind, report.kept) == ("pictures and texts", 2)
    assert counts(report) == {
        "picture does not decode": 3,
        "no caption": 2,
        "text is not UTF-8": 2,
        "no picture": 1,
        "looks like an earlier one": 1,
        "absurdly large": 1,
    }
    assert report.faults == 9
    examples = {line for dropped in report.dropped for line in dropped.examples}
    assert "no caption.png: no caption.txt is not there" in examples
    assert "latin.png: byte 5 is 0xdf" in examples
    assert "alone.txt" in examples
    assert "z copy.png: like a.png" in examples
    assert sorted(broken.rglob("*")) == before
    # three numbers more, for the second caption of one of them
    assert [pictures.example(number).caption for number in range(len(pictures))] == [
        "a castle", "ein Schloß", "a castle", "a castle in the snow",
    ]  # fmt: skip
    assert all(pictures.example(number).picture.shape == (16, 16, 3) for number in range(4))


def test_a_run_stops_at_the_first_fault_when_told_to(broken: Path, settings: DatasetSettings) -> None:
    with pytest.raises(DatasetError, match=r"(cut\.png|empty\.png).*; mend or remove it in .*on_error=drop"):
        open_pictures(broken, dataclasses.replace(settings, on_error="stop"))


def test_what_is_merely_not_wanted_stops_nothing(tmp_path: Path, draw: Draw, settings: DatasetSettings) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(draw(1))
        (tmp_path / f"{name}.txt").write_text("a castle")
    strict = dataclasses.replace(settings, on_error="stop")
    _, report = open_pictures(tmp_path, strict)
    assert (report.kept, report.faults, counts(report)) == (1, 0, {"looks like an earlier one": 1})
    _, report = open_pictures(tmp_path, dataclasses.replace(strict, deduplicate=False))
    assert (report.kept, report.dropped) == (2, ())


def test_the_report_prints_and_travels(broken: Path, settings: DatasetSettings) -> None:
    (broken / "[red]\udcff.png").write_bytes(b"")
    _, report = open_pictures(broken, settings)
    told = json.loads(report.to_json())
    assert told["kept"] == 2
    assert {each["reason"]: each["fault"] for each in told["dropped"]}["looks like an earlier one"] is False
    file = io.StringIO()
    Console(width=400, file=file).print(report)
    text = file.getvalue()
    assert "2 pictures kept" in text
    assert "[red]\\xff.png" in text
    assert "picture does not decode" in text
    assert report.sentence().startswith(f"{broken} (pictures and texts): 2 kept; left out: 3 no caption, 3 ")


def test_no_more_than_five_names_are_told(tmp_path: Path, draw: Draw, settings: DatasetSettings) -> None:
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(draw(number))
    (tmp_path / "0.txt").write_text("a castle")
    _, report = open_pictures(tmp_path, settings)
    (dropped,) = report.dropped
    assert (dropped.count, len(dropped.examples)) == (7, 5)


def test_pictures_can_be_pickled_and_are_the_same(broken: Path, settings: DatasetSettings) -> None:
    pictures, _ = open_pictures(broken, settings)
    copy = pickle.loads(pickle.dumps(pictures))
    assert len(copy) == len(pictures)
    assert (copy.example(1).picture == pictures.example(1).picture).all()
    for number in (-1, len(pictures)):
        with pytest.raises(IndexError, match="there are 4"):
            pictures.example(number)


def test_a_picture_that_changes_afterwards_is_named(broken: Path, settings: DatasetSettings) -> None:
    pictures, _ = open_pictures(broken, settings)
    (broken / "a.png").write_bytes(b"gone")
    with pytest.raises(DatasetError, match=r"a\.png: it was whole .* \(picture does not decode\)"):
        pictures.example(0)
    (broken / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"a\.png: it was whole .* \(No such file"):
        pictures.example(0)


def test_metadata_names_pictures_and_captions(tmp_path: Path, draw: Draw, settings: DatasetSettings) -> None:
    (tmp_path / "train").mkdir()
    for name, number in (("train/a.png", 1), ("b.png", 2), ("unnamed.png", 3), ("null.png", 4)):
        (tmp_path / name).write_bytes(draw(number))
    lines: list[bytes] = [
        b'{"file_name": "train/a.png", "text": "a castle", "more": 1}',
        b"",
        b'{"file_name": "b.png", "text": "a moon"}',
        b'{"file_name": "null.png", "text": null}',
        b'{"file_name": "gone.png", "text": "a ghost"}',
        b'{"file_name": "../secret.png", "text": "a way out"}',
        b'{"file_name": "/etc/passwd", "text": "another"}',
        b'{"image": "b.png", "caption": "wrong names"}',
        b'["b.png"]',
        b"{half",
        b'{"file_name": "b.png", "text": "\xe4"}',
        b'{"file_name": "b.png", "text": "\\ud800"}',
        b'{"file_name": 3, "text": "a"}',
        b'{"file_name": "b.png", "text": 3}',
        b"[" * 60_000,
    ]
    (tmp_path / "metadata.jsonl").write_bytes(b"\n".join(lines))
    pictures, report = open_pictures(tmp_path, settings)
    assert (report.kind, report.kept) == ("metadata.jsonl", 2)
    assert [pictures.example(number).caption for number in range(2)] == ["a castle", "a moon"]
    assert counts(report) == {
        "wrong columns": 4,
        "no caption": 2,
        "lies outside the data set's folder": 2,
        "damaged file": 2,
        "text is not UTF-8": 2,
        "no picture": 1,
    }
    examples = [line for dropped in report.dropped for line in dropped.examples]
    assert "metadata.jsonl line 8: it lacks file_name and text; it has image, caption" in examples
    assert "unnamed.png: metadata.jsonl does not name it" in examples


def test_attributes_become_captions(tmp_path: Path, draw: Draw, settings: DatasetSettings) -> None:
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(draw(number))
    (tmp_path / "list_attr_celeba.txt").write_bytes(
        b"6\nSmiling Male Eyeglasses\n0.jpg  1 -1 -1\n1.jpg -1  1  1\n"
        b"2.jpg 1\n9.jpg 1 1 1\n\xff.jpg 1 1 1\n8.jpg 1 2 1\n"
    )
    pictures, report = open_pictures(tmp_path, settings)
    assert (report.kind, report.kept, len(pictures)) == ("face attributes", 2, 20)
    assert counts(report) == {"wrong columns": 2, "no picture": 1, "text is not UTF-8": 1, "no caption": 1}
    assert all("smiling" in pictures.example(number).caption for number in range(0, 20, 2))
    assert all("glasses" in pictures.example(number).caption for number in range(1, 20, 2))
    (tmp_path / "list_attr_celeba.txt").write_text("2\nheight width\n0.jpg 3 4\n")
    with pytest.raises(DatasetError, match=r"its columns \(height width\) are no attributes of faces; name them"):
        open_pictures(tmp_path, settings)


@pytest.mark.parametrize("name", ["nowhere", "*.tar", "thing.zip", "empty"])
def test_what_is_no_data_set_names_the_accepted_forms(tmp_path: Path, name: str, settings: DatasetSettings) -> None:
    (tmp_path / "thing.zip").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError) as raised:
        open_pictures(tmp_path / name, settings)
    assert str(tmp_path / name) in str(raised.value)
    for accepted in (".txt", "metadata.jsonl", "list_attr_celeba.txt", ".tar", ".parquet", ".csv"):
        assert accepted in str(raised.value)


def test_nothing_left_says_why(tmp_path: Path, draw: Draw, settings: DatasetSettings) -> None:
    (tmp_path / "a.png").write_bytes(draw(1))
    with pytest.raises(DatasetError, match=r"no picture is left .* 1 no caption; for example a\.png: a\.txt is not"):
        open_pictures(tmp_path, settings)


@pytest.mark.parametrize("change", [{"size": 0}, {"workers": 0}, {"max_pixels": 10**9}])
def test_settings_that_cannot_work_are_refused(settings: DatasetSettings, change: dict[str, int]) -> None:
    with pytest.raises(DatasetError, match=next(iter(change))):
        dataclasses.replace(settings, **change)  # type: ignore[arg-type]


def test_progress_is_told_to_the_end(broken: Path, settings: DatasetSettings) -> None:
    told: list[float] = []
    open_pictures(broken, settings, lambda _what, done: told.append(done))
    assert (told[0], told[-1]) == (0.0, 1.0)
