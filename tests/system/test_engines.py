"""The commands that keep the engine store, on a store that the command itself made."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from speakage_engines.compile.key import CompiledKey, ExportKey
from speakage_engines.compile.store import EngineStore

from .process import COMMAND, speakage, surroundings

# where no other test has made the exports yet, it is the first that has to wait for them
pytestmark = pytest.mark.timeout(400)

BUILT = ("text-encoder", "denoiser", "decoder")
COMPILED = tuple(f"{name}-cpu" for name in BUILT)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of its own after a picture was painted."""
    painted = tmp_path_factory.mktemp("painted")
    setting = "picture.backend=openvino"
    ran = speakage(painted, painted / "engines", "say", "a house", "--set", setting, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return painted / "engines"


@pytest.fixture
def engines(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "engines"))


def one(engines: Path, name: str) -> Path:
    return next(engines.glob(f"{name}-{'[0-9a-f]' * 32}"))


def write(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.onnx").write_text(text)


def test_what_was_built_is_listed_and_sound(tmp_path: Path, engines: Path) -> None:
    key = CompiledKey(
        export=one(engines, "denoiser").name.rsplit("-", 1)[1], backend="tensorrt_rtx", backend_version="1.7",
        target="sm89", precision="fp16",
    )  # fmt: skip
    EngineStore(engines).engine("plan", key, write("a plan"))
    ran = speakage(tmp_path, engines, "engines", "list")
    assert ran.returncode == 0, ran.stderr
    rows = {cells[0]: cells for line in ran.stdout.splitlines() if len(cells := line.strip("│ ").split(" │ ")) == 7}
    rows = {name.strip(): [cell.strip() for cell in cells] for name, cells in rows.items()}
    assert set(rows) == {*BUILT, *COMPILED, "plan"}
    for name in BUILT:
        _, digest, size, when, *rest = rows[name]
        assert one(engines, name).name.startswith(f"{name}-{digest}")
        assert float(size) > 1
        assert when.endswith("+00:00")
        assert rest == ["ONNX export", "fp32", name]
    assert rows["plan"][4:] == ["tensorrt_rtx 1.7", "fp16 for sm89", "denoiser"]
    for name in COMPILED:
        assert rows[name][4].startswith("openvino 20")
        assert rows[name][6] == name.removesuffix("-cpu")
    assert "7 engines" in ran.stdout
    verified = speakage(tmp_path, engines, "engines", "verify")
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "all of them are as they were written" in verified.stdout


def test_an_empty_store_is_no_error(tmp_path: Path) -> None:
    for command in ("list", "verify", "prune"):
        ran = speakage(tmp_path, tmp_path / "none", "engines", command)
        assert ran.returncode == 0, ran.stderr
    assert not (tmp_path / "none").exists()


def test_damage_is_named_and_pruned_with_all_that_is_superfluous(tmp_path: Path, engines: Path) -> None:
    with (one(engines, "decoder") / "model.onnx").open("r+b") as file:
        file.truncate(1000)
    (one(engines, "text-encoder") / "engine.json").unlink()
    damaged = {one(engines, "decoder").name, one(engines, "text-encoder").name}
    ran = speakage(tmp_path, engines, "engines", "verify")
    assert ran.returncode == 1
    assert f"{one(engines, 'decoder')}: model.onnx is not what was written" in ran.stderr
    assert f"{one(engines, 'text-encoder')}: its engine.json is missing, damaged or another engine's" in ran.stderr
    assert one(engines, "denoiser").name not in ran.stderr
    assert "2 of 6 are damaged and will not be used: `speakage engines prune` removes them" in ran.stderr

    listed = speakage(tmp_path, engines, "engines", "list")
    assert listed.returncode == 0
    assert "damaged" in listed.stdout

    store = EngineStore(engines)
    old = ExportKey(module="denoiser", weights="a", inputs=(), precision="fp32", room="", exporter="torch 1.0")
    plan = CompiledKey(export=old.digest(), backend="tensorrt", backend_version="1", target="sm89", precision="fp16")
    superfluous = {store.engine("old", old, write("old")).name, store.engine("plan", plan, write("plan")).name}
    (engines / ".making-dead").mkdir()
    (engines / ".making-dead/model.onnx").write_bytes(b"0" * 2_000_000)
    kept, compiled = one(engines, "denoiser"), {one(engines, name).name for name in COMPILED}
    ran = speakage(tmp_path, engines, "engines", "prune")
    assert ran.returncode == 0, ran.stderr
    removed = {line.split()[1].rstrip(":") for line in ran.stdout.splitlines() if line.startswith("removed")}
    assert removed == {*damaged, *superfluous, ".making-dead"}
    assert "old-" in ran.stdout
    assert "its exporter is not the one that is installed" in ran.stdout
    assert "5 removed, " in ran.stdout
    assert float(ran.stdout.split("5 removed, ")[1].split()[0]) > 2
    assert {path.name for path in engines.iterdir()} == {".lock", kept.name, *compiled}
    assert speakage(tmp_path, engines, "engines", "verify").returncode == 0

    ran = speakage(tmp_path, engines, "engines", "prune", "--all")
    assert f"removed {kept.name}: asked for" in ran.stdout
    assert [path.name for path in engines.iterdir()] == [".lock"]


def test_pruning_waits_for_what_another_process_makes(tmp_path: Path, engines: Path) -> None:
    making, engine = engines / ".making-living", one(engines, "denoiser")
    making.mkdir()
    engine.rename(making / "engine")
    with (engines / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(
            [str(COMMAND), "engines", "prune"],
            env=surroundings(tmp_path, engines),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as pruning:
            assert pruning.stderr is not None
            assert "another process makes engines" in pruning.stderr.readline()
            (making / "engine").rename(engine)
            making.rmdir()
            fcntl.flock(lock, fcntl.LOCK_UN)
            printed, _ = pruning.communicate(timeout=60)
    assert printed == "0 removed, 0.0 MB freed\n"
    assert engine.is_dir()


def test_a_store_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in ("list", "verify"):
        ran = speakage(tmp_path, tmp_path / "file", "engines", command)
        assert ran.returncode == 1
        assert ran.stderr.startswith(f"speakage: {tmp_path}/file: cannot be read (Not a directory); set models.engines")
