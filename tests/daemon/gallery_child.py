"""Run by test_gallery in processes of their own: to be killed, and to meet full and read-only disks."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from speakage_daemon import gallery as gallery_module
from speakage_daemon.config import GallerySettings
from speakage_daemon.errors import GalleryError
from speakage_daemon.events import Timings
from speakage_daemon.gallery import Gallery, PictureRecord


def record(prompt: str = "a car on a beach") -> PictureRecord:
    return PictureRecord(
        prompt=prompt,
        negative="",
        transcript=prompt,
        unknown_words=(),
        seed=1,
        steps=4,
        guidance=2.5,
        sampler="DDIM",
        model="embedded",
        backend="openvino",
        engine_key="0" * 64,
        timings=Timings(),
    )


def noise(seed: int, size: int = 128) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def say(*words: object) -> None:
    # one call a line: threads that print mix theirs
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def save_for_ever(folder: Path) -> None:
    """Two threads save without end, and few pictures are kept; each is announced once it is stored."""
    gallery = Gallery.open(GallerySettings(folder=folder, max_pictures=6))

    def save(first: int) -> None:
        for seed in itertools.count(first, 2):
            picture = gallery.save(noise(seed), record())
            say("saved", picture.id, picture.sha256)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(save, [0, 1]))


def save_some(folder: Path, count: int) -> None:
    """What a second process on the same folder does."""
    gallery = Gallery.open(GallerySettings(folder=folder))
    for seed in range(count):
        say("saved", gallery.save(noise(seed, 32), record()).id)
    gallery.close()


def killed_at_each_call(folder: Path) -> None:
    """One process a call that the gallery makes to the world, killed right before or right after that call."""
    Gallery.open(GallerySettings(folder=folder, max_pictures=2)).close()
    for event in ("c_call", "c_return"):
        for number in itertools.count(1):
            pid = os.fork()
            if not pid:
                _save_and_die(folder, event, number)
            _, status = os.waitpid(pid, 0)
            if os.WIFEXITED(status):
                say("whole", event, os.waitstatus_to_exitcode(status))
                break
            say("killed", event, number)
            _check(folder)


def _save_and_die(folder: Path, event: str, number: int) -> None:
    gallery = Gallery.open(GallerySettings(folder=folder, max_pictures=2))
    count = 0

    def profile(frame: FrameType, what: str, function: Any) -> None:
        nonlocal count
        if what == event and frame.f_code.co_filename == gallery_module.__file__:
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(profile)
    gallery.save(noise(number, 16), record())
    sys.setprofile(None)
    os._exit(0)


def _check(folder: Path) -> None:
    gallery = Gallery.open(GallerySettings(folder=folder, max_pictures=2))
    files = {path.name for path in folder.glob("*.png")}
    indexed = {path.name for picture in gallery.latest(100) if (path := gallery.png_path(picture.id))}
    assert files == indexed, (files, indexed)
    assert not list(folder.glob(".*")), list(folder.glob(".*"))
    gallery.close()


def full(folder: Path, way: str) -> None:
    """Fill the disk, fail to save, make room, save again."""
    if way == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
    gallery = Gallery.open(GallerySettings(folder=folder))
    say("saved", gallery.save(noise(0), record()).id)
    ballast = folder / "ballast"
    for room in (60_000, 0):
        if way == "tmpfs":
            _fill(ballast, room)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        try:
            gallery.save(noise(room, 256), record())
        except GalleryError as error:
            say("refused", error)
    say("files", *sorted(path.name for path in folder.iterdir() if path.name.startswith(".") or path.suffix == ".png"))
    ballast.unlink(missing_ok=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    say("saved", gallery.save(noise(3), record()).id)
    gallery.close()
    if way == "tmpfs":
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        try:
            Gallery.open(GallerySettings(folder=folder))
        except GalleryError as error:
            say("read-only", error)


def _fill(ballast: Path, room: int) -> None:
    """Room for the index but not for the picture, and then for neither."""
    with ballast.open("ab", buffering=0) as file:
        try:
            while file.write(bytes(512)):
                pass
        except OSError:
            file.truncate(file.tell() - room)


if __name__ == "__main__":
    action, folder, *rest = sys.argv[1:]
    match action:
        case "for-ever":
            save_for_ever(Path(folder))
        case "some":
            save_some(Path(folder), int(rest[0]))
        case "each-call":
            killed_at_each_call(Path(folder))
        case "full":
            full(Path(folder), rest[0])
