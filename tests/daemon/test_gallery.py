import fcntl
import json
import logging
import random
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from speakage_daemon.config import GallerySettings
from speakage_daemon.errors import GalleryError
from speakage_daemon.events import Timings
from speakage_daemon.gallery import LEAP, Gallery, PictureRecord
from speakage_daemon.picture_file import rgb_sha256

CHILD = Path(__file__).with_name("gallery_child.py")
RECORD = PictureRecord(
    prompt="a car on a beach",
    negative="people",
    transcript="uh a car on a beach",
    unknown_words=("uh",),
    seed=7,
    steps=4,
    guidance=2.5,
    sampler="DDIM",
    model="embedded",
    backend="openvino",
    engine_key="ab" * 32,
    timings=Timings(denoise_ms=12.5),
)


def noise(seed: int, size: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@contextmanager
def opened(folder: Path, **limits: int) -> Iterator[Gallery]:
    gallery = Gallery.open(GallerySettings(folder=folder, **limits))
    try:
        yield gallery
    finally:
        gallery.close()


def ids(pictures: tuple) -> list[int]:
    return [picture.id for picture in pictures]


def check_all(folder: Path) -> set[int]:
    """Every picture of the index opens and is the one it says, and nothing else lies about."""
    with opened(folder) as gallery:
        pictures = gallery.latest(10_000)
        for picture in pictures:
            with Image.open(gallery.png_path(picture.id)) as image:
                assert rgb_sha256(np.asarray(image)) == picture.sha256
        assert {path.name for path in folder.glob("*.png")} == {gallery.png_path(i).name for i in ids(pictures)}
    assert not list(folder.glob(".*"))
    return set(ids(pictures))


def child(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", str(CHILD), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_picture_comes_back_whole(tmp_path: Path) -> None:
    rgb = noise(0)
    with opened(tmp_path / "new" / "folder") as gallery:
        picture = gallery.save(rgb, RECORD)
        assert gallery.get(picture.id) == picture
        assert gallery.latest(1) == (picture,)
        with Image.open(gallery.png_path(picture.id)) as image:
            assert (np.asarray(image) == rgb).all()
            assert image.text["parameters"].startswith("a car on a beach\nNegative prompt: people\nSteps: 4, ")
            chunk = json.loads(image.text["speakage"])
    assert picture.url == "/v1/pictures/1.png"
    assert picture.sha256 == rgb_sha256(rgb) == chunk["sha256"]
    assert (picture.width, picture.height, picture.transcript) == (16, 16, "uh a car on a beach")
    assert (chunk["id"], chunk["engine_key"], chunk["timings"]["denoise_ms"]) == (1, "ab" * 32, 12.5)


def test_pages_run_from_the_newest_to_the_oldest(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery:
        for seed in range(7):
            gallery.save(noise(seed), RECORD)
        assert ids(gallery.latest(3)) == [7, 6, 5]
        assert ids(gallery.latest(3, before=5)) == [4, 3, 2]
        assert ids(gallery.latest(3, before=2)) == [1]
        assert ids(gallery.after(4, 10)) == [7, 6, 5]
        assert ids(gallery.after(4, 2)) == [7, 6]
        assert gallery.after(7, 10) == ()


@pytest.mark.parametrize("number", [0, -1, 2, 2**63, -(2**63), 10**30])
def test_numbers_that_no_picture_has(tmp_path: Path, number: int) -> None:
    with opened(tmp_path) as gallery:
        gallery.save(noise(0), RECORD)
        assert gallery.get(number) is None
        assert gallery.png_path(number) is None
        assert not gallery.delete(number)
        assert ids(gallery.latest(10, before=number)) == ([1] if number > 1 else [])
        assert gallery.latest(-1) == ()
        assert ids(gallery.latest(10**30)) == [1]


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 4), (0, 16, 3)])
def test_only_rgb_is_stored(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with opened(tmp_path) as gallery, pytest.raises(ValueError, match="rgb: expected uint8"):
        gallery.save(np.zeros(shape, np.uint8), RECORD)
    assert not list(tmp_path.glob("*.png"))


def test_numbers_grow_across_restarts_and_are_never_given_twice(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery:
        gallery.save(noise(0), RECORD)
        newest = gallery.save(noise(1), RECORD)
        assert gallery.delete(newest.id)
        assert gallery.get(newest.id) is None
    with opened(tmp_path) as gallery:
        assert gallery.save(noise(2), RECORD).id > newest.id
        assert len(list(tmp_path.glob("*.png"))) == 2


def test_the_oldest_beyond_the_number_are_deleted(tmp_path: Path) -> None:
    with opened(tmp_path, max_pictures=3) as gallery:
        for seed in range(5):
            gallery.save(noise(seed), RECORD)
        assert ids(gallery.latest(10)) == [5, 4, 3]
    assert check_all(tmp_path) == {3, 4, 5}


def test_the_oldest_beyond_the_size_are_deleted(tmp_path: Path) -> None:
    with opened(tmp_path, max_megabytes=1) as gallery:
        for seed in range(4):
            gallery.save(noise(seed, 400), RECORD)
        sizes = [path.stat().st_size for path in tmp_path.glob("*.png")]
        assert sum(sizes) <= 1_000_000 < sum(sizes) + max(sizes)
        assert ids(gallery.latest(10)) == [4, 3]
        assert gallery.save(noise(4, 700), RECORD).id == 5
        assert ids(gallery.latest(10)) == [5], "the newest stays, however large"


def test_limits_lowered_since_are_kept_at_open(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery:
        for seed in range(3):
            gallery.save(noise(seed), RECORD)
    with opened(tmp_path, max_pictures=1) as gallery:
        assert ids(gallery.latest(10)) == [3]


def test_many_threads_save_and_read_at_once(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery, ThreadPoolExecutor(8) as threads:
        saved = list(threads.map(lambda seed: gallery.save(noise(seed), RECORD), range(24)))
        pages = list(threads.map(lambda _: gallery.latest(100), range(24)))
    assert sorted(picture.id for picture in saved) == list(range(1, 25))
    assert {len(page) for page in pages} == {24}
    assert check_all(tmp_path) == set(range(1, 25))


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    others = [child("some", tmp_path, "15") for _ in range(2)]
    while any(other.poll() is None for other in others):
        with opened(tmp_path) as gallery:  # tidies while they save
            gallery.save(noise(0), RECORD)
    said = [other.communicate()[0].split("saved")[1:] for other in others]
    assert [other.returncode for other in others] == [0, 0]
    theirs = {int(number) for numbers in said for number in numbers}
    assert len(theirs) == 30
    assert theirs <= check_all(tmp_path)


def test_killed_at_any_instant_nothing_announced_is_lost(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(6):
        with child("for-ever", tmp_path) as process:
            lines = [process.stdout.readline() for _ in range(3)]
            # any instant will do: the time is chance, not a wait for anything
            select.select([], [], [], chance.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.readlines()
        announced = {int(line.split()[1]) for line in lines if line.endswith("\n")}
        kept = check_all(tmp_path)
        # it keeps six: of what it announced, those six at least are there
        assert set(sorted(announced)[-4:]) <= kept


def test_killed_before_and_after_each_call_that_save_makes(tmp_path: Path) -> None:
    with child("each-call", tmp_path) as process:
        lines = process.stdout.read().splitlines()
    assert process.returncode == 0, lines
    assert len([line for line in lines if line.startswith("killed")]) > 60
    assert lines[-1] == "whole c_return 0"
    assert len(check_all(tmp_path)) == 2


def test_a_picture_whose_row_was_not_written_is_taken_in(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery:
        picture = gallery.save(noise(0), RECORD)
    with sqlite3.connect(tmp_path / "index.sqlite") as index:
        index.execute("DELETE FROM pictures")
    index.close()
    with opened(tmp_path) as gallery:
        assert gallery.latest(10) == (picture,)


def test_a_row_whose_file_is_gone_or_cut_short_is_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as gallery:
        for seed in range(3):
            gallery.save(noise(seed), RECORD)
        gallery.png_path(1).unlink()
        assert gallery.png_path(1) is None
        cut = gallery.png_path(2)
        cut.write_bytes(cut.read_bytes()[:-30])
    with opened(tmp_path) as gallery:
        assert ids(gallery.latest(10)) == [3]
    assert f"left alone: {cut}: not a whole PNG" in caplog.text


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery:
        path = gallery.png_path(gallery.save(noise(0), RECORD).id)
    copy = path.with_name(path.name.replace("-a-car", "-my-car"))
    copy.write_bytes(path.read_bytes())
    holiday = tmp_path / "holiday.png"
    Image.fromarray(noise(1)).save(holiday)
    with opened(tmp_path, max_pictures=1) as gallery:
        assert ids(gallery.latest(10)) == [1]
    assert copy.exists()
    assert holiday.exists()


def test_only_temporary_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    dead, living = tmp_path / ".saving-98.tmp", tmp_path / ".saving-99.tmp"
    dead.touch()
    with living.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with opened(tmp_path):
            assert not dead.exists()
            assert living.exists()


def spoil_header(index: Path) -> None:
    index.write_bytes(b"this is no database" + index.read_bytes()[19:])


def spoil_middle(index: Path) -> None:
    content = index.read_bytes()
    index.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


def cut_short(index: Path) -> None:
    index.write_bytes(index.read_bytes()[:5000])


@pytest.mark.parametrize("spoil", [spoil_header, spoil_middle, cut_short])
def test_a_damaged_index_is_set_aside_and_made_again(
    spoil: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path) as gallery:
        for seed in range(30):
            gallery.save(noise(seed), replace(RECORD, prompt=f"{seed} cars\n\0🚗"))
        before = gallery.latest(100)
    spoil(tmp_path / "index.sqlite")
    with caplog.at_level(logging.WARNING), opened(tmp_path) as gallery:
        assert gallery.latest(100) == before
        assert gallery.save(noise(31), RECORD).id > 30 + LEAP
    assert "made again from the pictures" in caplog.text
    assert len(list(tmp_path.glob("index.sqlite.damaged-*"))) == 1


def test_damage_while_it_runs_says_what_to_do(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery:
        for seed in range(30):
            gallery.save(noise(seed), replace(RECORD, transcript="word " * 200))
    with opened(tmp_path) as gallery:
        spoil_middle(tmp_path / "index.sqlite")
        gallery._index.execute("PRAGMA shrink_memory")  # else it goes on from what it has read
        with pytest.raises(GalleryError, match="start again, and it is made again"):
            gallery.save(noise(31), RECORD)
    assert not list(tmp_path.glob(".*"))


def ways_to_fill(tmp_path: Path) -> dict[str, list[str]]:
    """A small disk of its own where the kernel lets us mount one, and a limit on file sizes anywhere."""
    mount = ["unshare", "--map-root-user", "--mount"]
    probe = subprocess.run([*mount, "mount", "-t", "tmpfs", "none", tmp_path], capture_output=True, check=False)
    return {"rlimit": [], **({"tmpfs": mount} if probe.returncode == 0 else {})}


def test_a_full_disk_is_named_and_nothing_is_left_behind(tmp_path: Path) -> None:
    for way, prefix in ways_to_fill(tmp_path).items():
        folder = tmp_path / way
        folder.mkdir()
        command = [*prefix, sys.executable, "-W", "error", str(CHILD), "full", str(folder), way]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr
        said = [line.split(" ", 1) for line in process.stdout.splitlines()]
        assert [verb for verb, _ in said[:5]] == ["saved", "refused", "refused", "files", "saved"]
        assert all(f"{folder}: no space left for pictures" in words for verb, words in said if verb == "refused")
        assert len(said[3][1].split()) == 1, "one picture, no temporary file"
        assert int(said[4][1]) > int(said[0][1])
        if way == "tmpfs":
            assert f"{folder}: cannot be written" in said[5][1]


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "pictures"):
        with pytest.raises(GalleryError, match=f"{folder}: cannot be written .* gallery.folder"):
            Gallery.open(GallerySettings(folder=folder))


def test_an_index_held_by_another_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speakage_daemon.gallery.BUSY_S", 0.05)
    with opened(tmp_path) as gallery:
        other = sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GalleryError, match="held by another program"):
            gallery.save(noise(0), RECORD)
        other.close()
        assert gallery.save(noise(0), RECORD).id == 1
