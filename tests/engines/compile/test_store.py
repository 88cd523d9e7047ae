"""The engine store: made once, checked at each use, whole or not at all."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from engines.compile.networks import Doubled, Sorting, doubler, noted
from engines.compile.tasks import PLAN, Fail, Write
from speakage_engines.api import BuildError
from speakage_engines.compile.key import CompiledKey, ExportKey
from speakage_engines.compile.module import Input
from speakage_engines.compile.store import EngineStore, Key

EXPORT = ExportKey(
    module="denoiser",
    weights="ab",
    inputs=(Input(name="latents", shape=(1, 4, 8, 8)),),
    precision="fp32",
    room="",
    exporter="torch 2",
)
NAME = f"plan-{PLAN.digest()}"


class Maker:
    """Makes an engine of two files, and counts."""

    def __init__(self, content: str = "made") -> None:
        self.content = content
        self.made = 0
        self.fault: BaseException | None = None

    def __call__(self, folder: Path) -> None:
        self.made += 1
        (folder / "parts").mkdir()
        (folder / "parts/one").write_text(self.content)
        if self.fault is not None:
            raise self.fault
        (folder / "plan").write_text(self.content)


def content(folder: Path) -> set[str]:
    return {(folder / name).read_text() for name in ("plan", "parts/one")}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_engine_is_made_once(tmp_path: Path) -> None:
    maker = Maker()
    folder = EngineStore(tmp_path).engine("plan", PLAN, maker)
    assert folder == tmp_path / NAME
    assert content(folder) == {"made"}
    assert EngineStore(tmp_path).engine("plan", PLAN, maker) == folder
    assert maker.made == 1
    assert names(tmp_path) == [".lock", NAME]


def test_an_engine_describes_itself(tmp_path: Path) -> None:
    folder = EngineStore(tmp_path).engine("plan", PLAN, Maker())
    described = json.loads((folder / "engine.json").read_text())
    assert (described["name"], described["digest"]) == ("plan", PLAN.digest())
    assert described["key"]["target"] == "sm89"
    assert described["files"]["parts/one"]["bytes"] == 4
    assert set(described["files"]) == {"plan", "parts/one"}
    assert described["made"].endswith("+00:00")


FLIPS: list[tuple[Key, dict[str, Any]]] = [
    (EXPORT, {"module": "decoder"}),
    (EXPORT, {"weights": "ac"}),
    (EXPORT, {"inputs": (Input(name="noise", shape=(1, 4, 8, 8)),)}),
    (EXPORT, {"inputs": (Input(name="latents", shape=(2, 4, 8, 8)),)}),
    (EXPORT, {"inputs": (Input(name="latents", shape=(1, 4, 8, 8), dtype="int64"),)}),
    (EXPORT, {"precision": "fp16"}),
    (EXPORT, {"room": "rank 8"}),
    (EXPORT, {"exporter": "torch 3"}),
    (PLAN, {"export": "ac"}),
    (PLAN, {"backend": "openvino"}),
    (PLAN, {"backend_version": "2"}),
    (PLAN, {"target": "sm86"}),
    (PLAN, {"precision": "fp32"}),
    (PLAN, {"options": ()}),
    (PLAN, {"options": (("refit", "no"),)}),
]


def test_every_field_of_every_key_is_flipped_below() -> None:
    for kind in (ExportKey, CompiledKey):
        flipped = {name for key, change in FLIPS if type(key) is kind for name in change}
        assert flipped == {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize(("key", "change"), FLIPS, ids=lambda value: repr(value) if isinstance(value, dict) else "")
def test_whatever_changes_in_a_key_no_stale_engine_is_used(tmp_path: Path, key: Any, change: dict[str, Any]) -> None:
    store = EngineStore(tmp_path)
    store.engine("engine", key, Maker("stale"))
    fresh = Maker("fresh")
    assert content(store.engine("engine", dataclasses.replace(key, **change), fresh)) == {"fresh"}
    assert fresh.made == 1
    assert content(store.engine("engine", key, fresh)) == {"stale"}
    assert fresh.made == 1


def damaged(folder: Path, damage: str) -> None:
    plan, description = folder / "plan", folder / "engine.json"
    match damage:
        case "cut file":
            plan.write_text("mad")
        case "another file of the same size":
            plan.write_text("MADE")
        case "no file":
            plan.unlink()
        case "no file in a folder":
            (folder / "parts/one").unlink()
        case "no files at all":
            plan.unlink()
            shutil.rmtree(folder / "parts")
            description.write_text(json.dumps(json.loads(description.read_text()) | {"files": {}}))
        case "no description":
            description.unlink()
        case "cut description":
            description.write_text(description.read_text()[:20])
        case "empty description":
            description.write_text("[]")
        case "description of another form":
            description.write_text(json.dumps(json.loads(description.read_text()) | {"files": 1, "key": []}))
        case "stray file":
            (folder / "parts/two").write_text("of another engine")
        case "another engine":
            other = EngineStore(folder.parent).engine("plan", dataclasses.replace(PLAN, target="sm86"), Maker("other"))
            shutil.rmtree(folder)
            shutil.copytree(other, folder)
        case "another engine under this name":
            other = EngineStore(folder.parent).engine("plan", dataclasses.replace(PLAN, target="sm86"), Maker("other"))
            shutil.rmtree(folder)
            shutil.copytree(other, folder)
            description.write_text(json.dumps(json.loads(description.read_text()) | {"digest": PLAN.digest()}))


DAMAGES = [
    "cut file", "another file of the same size", "no file", "no file in a folder", "no files at all", "no description",
    "cut description", "empty description", "description of another form", "stray file", "another engine",
    "another engine under this name",
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_engine_is_made_again(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    damaged(EngineStore(tmp_path).engine("plan", PLAN, Maker()), damage)
    maker = Maker()
    with caplog.at_level(logging.WARNING, "speakage_engines"):
        folder = EngineStore(tmp_path).engine("plan", PLAN, maker)
    assert maker.made == 1
    assert content(folder) == {"made"}
    assert "is damaged; it is made again" in caplog.text
    EngineStore(tmp_path).engine("plan", PLAN, maker)
    assert maker.made == 1


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device"), ValueError("odd")])
def test_an_interrupted_making_leaves_nothing_to_be_used(tmp_path: Path, fault: BaseException) -> None:
    maker = Maker()
    maker.fault = fault
    with pytest.raises(BuildError if isinstance(fault, OSError) else type(fault)):
        EngineStore(tmp_path).engine("plan", PLAN, maker)
    assert names(tmp_path) == [".lock"]


@pytest.mark.parametrize("how", ["killed", "segmentation fault", "exception", "build error", "disk full"])
def test_a_builder_that_ends_leaves_nothing_to_be_used_and_the_next_makes_it(tmp_path: Path, how: str) -> None:
    store = EngineStore(tmp_path)
    with pytest.raises(BuildError):
        store.engine("plan", PLAN, lambda folder: store.apart("compiling", Fail(how, folder / "plan")))
    assert names(tmp_path) == [".lock"]
    folder = store.engine("plan", PLAN, lambda folder: store.apart("compiling", Write(folder / "plan")))
    assert names(folder) == ["engine.json", "plan"]


def test_what_an_engine_is_made_from_is_made_on_the_way(tmp_path: Path) -> None:
    store, export = EngineStore(tmp_path), Maker("export")

    def make(folder: Path) -> None:
        source = store.engine("export", EXPORT, export)
        shutil.copy(source / "plan", folder / "plan")

    assert (store.engine("plan", PLAN, make) / "plan").read_text() == "export"
    assert names(tmp_path) == [".lock", f"export-{EXPORT.digest()}", NAME]


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".making-dead/engine").mkdir(parents=True)
    (tmp_path / ".making-dead/engine/plan").write_bytes(b"half")
    EngineStore(tmp_path).engine("plan", PLAN, Maker())
    assert names(tmp_path) == [".lock", NAME]


def test_whoever_waits_for_the_lock_uses_what_was_made_meanwhile(tmp_path: Path) -> None:
    """Another holds the lock, and has made the engine by the time it lets go."""
    there = EngineStore(tmp_path / "there").engine("plan", PLAN, Maker())
    here, maker, waiting, paths = tmp_path / "here", Maker(), threading.Event(), []
    (here / ".making-living").mkdir(parents=True)
    handler = logging.Handler()
    handler.emit = lambda record: waiting.set()  # type: ignore[method-assign]
    logger = logging.getLogger("speakage_engines.compile.store")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    worker = threading.Thread(target=lambda: paths.append(EngineStore(here).engine("plan", PLAN, maker)))
    try:
        with (here / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            worker.start()
            assert waiting.wait(20)
            assert ".making-living" in names(here)
            there.rename(here / NAME)
        worker.join(20)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert paths == [here / NAME]
    assert maker.made == 0


PROCESS = """
import os, sys
from pathlib import Path
from engines.compile.tasks import PLAN, Note, Wait
from speakage_engines.compile.store import EngineStore

folder, what = Path(sys.argv[1]), sys.argv[2]
store = EngineStore(folder, lambda line, done: print(line, flush=True))
print("here", flush=True)
sys.stdin.readline()


def make(made):
    store.apart("compiling", Note(made / "plan", folder.parent / "notes") if what == "note" else Wait(made / "plan"))


store.engine("plan", PLAN, make)
"""


def process(folder: Path, what: str) -> subprocess.Popen[str]:
    """Another process that makes the plan as soon as it is told to."""
    started = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(folder), what],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "here\n"
    return started


def test_two_processes_at_once_make_an_engine_once(tmp_path: Path) -> None:
    processes = [process(tmp_path / "engines", "note") for _ in range(2)]
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in processes:
        each.communicate(timeout=60)
        assert each.returncode == 0
    assert len((tmp_path / "notes").read_text().splitlines()) == 1
    assert names(tmp_path / "engines") == [".lock", NAME]


def test_a_killed_maker_leaves_nothing_to_be_used_and_the_next_makes_it(tmp_path: Path) -> None:
    with process(tmp_path, "wait") as dying:
        assert dying.stdin is not None
        assert dying.stdout is not None
        dying.stdin.write("go\n")
        dying.stdin.flush()
        builder = int(dying.stdout.readline())
        assert not (tmp_path / NAME).exists()
        dying.kill()
    maker = Maker()
    assert content(EngineStore(tmp_path).engine("plan", PLAN, maker)) == {"made"}
    assert names(tmp_path) == [".lock", NAME]
    with suppress(psutil.NoSuchProcess):
        assert psutil.Process(builder).wait(20) is None


def test_the_lock_lasts_as_long_as_the_builder_of_a_killed_maker(tmp_path: Path) -> None:
    with process(tmp_path, "wait") as dying:
        assert dying.stdin is not None
        assert dying.stdout is not None
        dying.stdin.write("go\n")
        dying.stdin.flush()
        builder = psutil.Process(int(dying.stdout.readline()))
        # stopped, it cannot notice that its parent is gone
        builder.send_signal(signal.SIGSTOP)
        while builder.status() != psutil.STATUS_STOPPED:
            time.sleep(0.001)
        dying.kill()
        dying.wait(20)
        with (tmp_path / ".lock").open("a") as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            builder.send_signal(signal.SIGCONT)
            fcntl.flock(lock, fcntl.LOCK_EX)
    assert not (tmp_path / NAME).exists()


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BuildError, match=r"engines cannot be kept \(Not a directory\).*set models\.engines"):
        EngineStore(tmp_path / "file/engines").engine("plan", PLAN, Maker())


FULL = """
import os, subprocess, sys
from pathlib import Path
from engines.compile.tasks import PLAN, Write
from speakage_engines.api import BuildError
from speakage_engines.compile.store import EngineStore

folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
for apart in (True, False):
    store = EngineStore(folder)
    def make(made, size):
        write = Write(made / "plan", size)
        store.apart("compiling", write) if apart else write(lambda what, done: None)
    try:
        store.engine("plan", PLAN, lambda made: make(made, 5 << 20))
    except BuildError as error:
        print(error)
    print(*sorted(os.listdir(folder)))
print(store.engine("plan", PLAN, lambda made: make(made, 1 << 10)).name)
"""


def test_a_full_disk_is_one_sentence_and_the_store_stays_intact(tmp_path: Path) -> None:
    mount = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*mount, "mount", "-t", "tmpfs", "none", tmp_path], capture_output=True, check=False).returncode:
        pytest.skip("the kernel lets nobody mount a small disk here")
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*mount, sys.executable, "-c", FULL, str(tmp_path)]
    said = subprocess.run(command, env=paths, capture_output=True, text=True, check=True).stdout.splitlines()
    sentence = (
        f"{tmp_path}: engines cannot be kept (No space left on device); "
        "free space, make the folder writable, or set models.engines to another one"
    )
    assert said == [sentence, ".lock", sentence, ".lock", NAME]


# --- exports --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, float]], str]:
    """Two exports made at one go, what was told of them, and which processes read them."""
    folder, told = tmp_path_factory.mktemp("store"), []
    store = EngineStore(folder / "engines", lambda what, done: told.append((what, done)))
    with store.building():
        store.onnx(doubler(folder / "notes"))
        store.onnx(doubler(folder / "notes", name="tripler"))
    return folder / "engines", told, (folder / "notes").read_text()


Exported = tuple[Path, list[tuple[str, float]], str]


def test_an_export_is_told_and_described(exported: Exported) -> None:
    folder, told, _ = exported
    assert told[:2] == [("exporting the doubler (once)", 0.0), ("exported the doubler", 1.0)]
    assert len(told) == 4
    described = json.loads(next(folder.glob("doubler-*/engine.json")).read_text())
    assert described["key"]["module"] == "doubler"
    assert described["key"]["inputs"] == [{"name": "values", "shape": [2, 3], "dtype": "float32"}]
    assert set(described["files"]) == set(names(next(folder.glob("doubler-*")))) - {"engine.json"}
    assert len(list(folder.glob("*-*"))) == 2


def test_exports_are_made_in_another_process_and_all_in_one(exported: Exported) -> None:
    first, second = exported[2].split()
    assert first == second != str(os.getpid())


def test_a_second_use_exports_nothing_and_tells_nothing(exported: Exported, tmp_path: Path) -> None:
    told: list[str] = []
    module = doubler(tmp_path / "notes")
    path = EngineStore(exported[0], lambda what, done: told.append(what)).onnx(module)
    assert path == exported[0] / f"doubler-{ExportKey.of(module).digest()}" / "model.onnx"
    assert path.stat().st_size > 0
    assert told == []
    assert not (tmp_path / "notes").exists()


def test_a_network_that_cannot_be_exported_says_which(tmp_path: Path) -> None:
    module = doubler(tmp_path / "notes", name="chooser", load=partial(noted, tmp_path / "notes", Sorting))
    with pytest.raises(BuildError, match="the chooser cannot be exported to ONNX"):
        EngineStore(tmp_path / "engines").onnx(module)
    assert names(tmp_path / "engines") == [".lock"]


def test_a_module_that_another_process_could_not_load_is_refused_at_once(tmp_path: Path) -> None:
    load: Callable[[], Any] = lambda: Doubled()  # noqa: E731
    with pytest.raises(AttributeError, match="lambda"):
        EngineStore(tmp_path).onnx(doubler(tmp_path / "notes", load=load))


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_what_is_not_an_engine_is_neither_listed_nor_removed(tmp_path: Path) -> None:
    store = EngineStore(tmp_path)
    assert (store.kept(), store.prune(everything=True)) == ([], [])
    folder = store.engine("plan", PLAN, Maker())
    for stranger in ("letters", "plan-of-a-house"):
        (tmp_path / stranger).mkdir()
    (tmp_path / f"file-{'0' * 32}").touch()
    (tmp_path / f"link-{'0' * 32}").symlink_to(tmp_path / "letters")
    strangers = set(names(tmp_path)) - {folder.name}
    assert [engine.folder for engine in store.kept()] == [folder]
    assert [removed.name for removed in store.prune(everything=True)] == [folder.name]
    assert set(names(tmp_path)) == strangers


def test_a_folder_that_is_not_there_is_an_empty_store(tmp_path: Path) -> None:
    store = EngineStore(tmp_path / "nowhere")
    assert (store.kept(), store.prune()) == ([], [])
    assert names(tmp_path) == []
