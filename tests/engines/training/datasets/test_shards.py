"""WebDataset shards: read in place, and sound samples before the damage are kept."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from speakage_engines.training.datasets import DatasetError, DatasetSettings, open_pictures

Draw = Callable[[int], bytes]


def write(shard: Path, members: list[tuple[str, bytes]], style: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(shard, "w", format=style) as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return shard


def sample(draw: Draw, number: int) -> list[tuple[str, bytes]]:
    return [(f"{number:04}.png", draw(number)), (f"{number:04}.txt", f"picture {number}".encode())]


def test_shards_are_read_as_one(tmp_path: Path, draw: Draw, settings: DatasetSettings) -> None:
    write(tmp_path / "b-1.tar", sample(draw, 3), tarfile.GNU_FORMAT)
    write(tmp_path / "b-0.tar", sample(draw, 1) + sample(draw, 2))
    (tmp_path / "b-0.parquet").write_bytes(b"what img2dataset leaves beside them")
    for path in (tmp_path / "b-*.tar", tmp_path):
        pictures, report = open_pictures(path, settings)
        assert (report.kind, report.kept, report.dropped) == ("WebDataset shards", 3, ())
        assert [pictures.example(number).caption for number in range(3)] == ["picture 1", "picture 2", "picture 3"]
    _, alone = open_pictures(tmp_path / "b-1.tar", settings)
    assert alone.kept == 1


def test_a_picture_is_the_same_as_from_a_folder(tmp_path: Path, draw: Draw, settings: DatasetSettings) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, data in sample(draw, 1):
        (folder / name).write_bytes(data)
    write(tmp_path / "it.tar", sample(draw, 7) + sample(draw, 1))
    from_tar, _ = open_pictures(tmp_path / "it.tar", settings)
    from_folder, _ = open_pictures(folder, settings)
    assert (from_tar.example(1).picture == from_folder.example(0).picture).all()


def test_samples_that_lack_something_are_named(tmp_path: Path, draw: Draw, settings: DatasetSettings) -> None:
    described = json.dumps({"caption": "from json", "url": "x"}).encode()
    members = [
        *sample(draw, 1),
        ("part/0002.jpg", draw(2)), ("part/0002.json", described),
        ("0003.png", draw(3)),
        ("0004.txt", b"no picture"),
        ("0005.png", draw(5)), ("0005.txt", b"\xff\xfe"),
        ("0006.png", draw(6)), ("0006.json", b'{"key": 1}'),
        ("0007.png", draw(7)), ("0007.json", b"{"),
        ("0008.png", draw(8)), ("0008.json", b"[]"),
        ("0009.png", draw(9)), ("0009.json", b'{"text": 4}'),
        ("0010.png", b"no picture"), ("0010.txt", b"a lie"),
        ("0011.png", bytes(60_000)), ("0011.txt", b"too long"),
        ("../0012.png", draw(12)), ("../0012.txt", b"nothing is unpacked, so names harm nobody"),
        ("README", b"no sample"), ("notes.md", b"nor this"),
    ]  # fmt: skip
    pictures, report = open_pictures(write(tmp_path / "it.tar", members), settings)
    assert [pictures.example(number).caption for number in range(2)] == ["picture 1", "from json"]
    assert report.kept == 3
    assert {dropped.reason.value: dropped.examples[0] for dropped in report.dropped} == {
        "no caption": "it.tar:0003: only .png",
        "no picture": "it.tar:0004: only .txt",
        "text is not UTF-8": "it.tar:0005: byte 0 is 0xff",
        "damaged file": "it.tar:0007: .json is not JSON (Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1))",
        "wrong columns": "it.tar:0008: .json holds no object",
        "picture does not decode": report.dropped[-2].examples[0],
        "absurdly large": "it.tar:0011: more than 50000 bytes",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["it.tar"]


@pytest.mark.parametrize("place", [0, 1, 511, 512, 600])
def test_what_lies_before_the_damage_is_kept(tmp_path: Path, draw: Draw, settings: DatasetSettings, place: int) -> None:
    shard = write(tmp_path / "it.tar", sample(draw, 1) + sample(draw, 2))
    data = shard.read_bytes()
    shard.write_bytes(data[: data.index(b"0002.png") + place])
    _, report = open_pictures(shard, settings)
    assert report.kept == 1
    assert {dropped.reason.value for dropped in report.dropped} <= {"damaged file", "no caption"}
    assert any(line.startswith("it.tar: ") for dropped in report.dropped for line in dropped.examples)


def test_damage_in_the_middle_is_told(tmp_path: Path, draw: Draw, settings: DatasetSettings) -> None:
    shard = write(tmp_path / "it.tar", sample(draw, 1) + sample(draw, 2))
    data = bytearray(shard.read_bytes())
    place = data.index(b"0002.png")
    data[place : place + 512] = bytes(b"\x55" * 512)
    shard.write_bytes(data)
    _, report = open_pictures(shard, settings)
    assert (report.kept, report.faults) == (1, 1)
    assert report.dropped[0].examples == (f"it.tar: damaged or cut short at byte {place}",)


def test_compressed_shards_name_the_command(tmp_path: Path, draw: Draw, settings: DatasetSettings) -> None:
    data = write(tmp_path / "it.tar", sample(draw, 1)).read_bytes()
    (tmp_path / "it.tar").unlink()
    (tmp_path / "it.tar.gz").write_bytes(gzip.compress(data))
    with pytest.raises(DatasetError, match=r"it is compressed; unpack it with: gunzip -S \.gz it\.tar\.gz"):
        open_pictures(tmp_path, settings)
