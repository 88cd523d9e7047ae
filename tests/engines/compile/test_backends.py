"""The backends: the same numbers from both, precisions read back, and none ever taken for another."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from typing_extensions import override

from engines.compile.networks import Mixed
from speakage_engines.api import BackendName, BuildError, DeviceName, PictureSpec, PrecisionName
from speakage_engines.compile.backends import choose, describe, open_backend
from speakage_engines.compile.backends.openvino import (
    COMPILED_FILE,
    OpenVinoBackend,
    pick_device,
    pick_precision,
)
from speakage_engines.compile.backends.torch import TorchBackend
from speakage_engines.compile.module import Backend, Input, Module
from speakage_engines.compile.openvino_run import core
from speakage_engines.compile.store import EngineStore

BACKENDS: tuple[BackendName, ...] = ("openvino", "torch")
HAS_BF16 = "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


MODULE = Module(
    name="mixed",
    load=Mixed,
    inputs=(Input(name="values", shape=(2, 32)), Input(name="steps", shape=(2,), dtype="int64")),
    weights="mixed",
)
VALUES = np.random.default_rng(0).standard_normal((2, 32)).astype(np.float32)
STEPS = np.array([2, 3], np.int64)


def spec(folder: Path, **changes: Any) -> PictureSpec:
    return PictureSpec(models_folder=folder / "none", engines_folder=folder, **changes)


def opened(name: BackendName, folder: Path, **changes: Any) -> Backend:
    return open_backend(name, spec(folder, **changes), EngineStore(folder))


def expected() -> np.ndarray:
    with torch.no_grad():
        return Mixed()(torch.from_numpy(VALUES), torch.from_numpy(STEPS)).numpy()


@pytest.mark.parametrize("name", BACKENDS)
def test_a_module_computes_what_torch_computes(name: BackendName, engines_folder: Path) -> None:
    compiled = opened(name, engines_folder, precision="fp32").compile(MODULE)
    assert compiled.precision == "fp32"
    np.testing.assert_allclose(compiled(VALUES, STEPS), expected(), atol=1e-5)


@pytest.mark.parametrize(
    "name", [pytest.param("openvino", marks=pytest.mark.skipif(not HAS_BF16, reason="no BF16 here")), "torch"]
)
def test_bf16_is_read_back_and_is_what_computes(name: BackendName, engines_folder: Path) -> None:
    compiled = opened(name, engines_folder, precision="bf16").compile(MODULE)
    assert compiled.precision == "bf16"
    found = compiled(VALUES, STEPS)
    np.testing.assert_allclose(found, expected(), atol=0.15)
    assert not np.allclose(found, expected(), atol=1e-5)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_result_is_the_callers_to_keep(name: BackendName, engines_folder: Path) -> None:
    compiled = opened(name, engines_folder, precision="fp32").compile(MODULE)
    kept = compiled(VALUES, STEPS)
    before = kept.copy()
    compiled(VALUES * 2, STEPS)
    assert np.array_equal(kept, before)


@pytest.mark.parametrize(
    ("asked", "capabilities", "expected"),
    [("auto", ["FP32", "BF16"], "bf16"), ("auto", ["FP32", "INT8"], "fp32"), ("fp32", ["FP32", "BF16"], "fp32"),
     ("bf16", ["FP32", "BF16"], "bf16"), ("int8", ["FP32", "BF16", "INT8"], "bf16"), ("int8", ["FP32"], "fp32"),
     ("auto", ["FP32", "FP16"], "fp32")],
)  # fmt: skip
def test_precision_by_what_the_cpu_computes_in(asked: PrecisionName, capabilities: list[str], expected: str) -> None:
    assert pick_precision(asked, capabilities) == expected


def test_bf16_on_a_cpu_without_it_is_refused() -> None:
    with pytest.raises(BuildError, match=r"picture\.precision is bf16, but this CPU .*; set it to auto or fp32"):
        pick_precision("bf16", ["FP32", "FP16", "INT8"])


def test_other_devices_compute_in_halves_and_not_in_bytes() -> None:
    assert pick_precision("auto", ["FP16", "FP32", "INT8"], "GPU") == "fp16"
    with pytest.raises(BuildError, match=r"picture\.precision is int8, which is made for CPUs, not for the NPU"):
        pick_precision("int8", ["FP16", "INT8"], "NPU")


@pytest.mark.parametrize(
    ("asked", "available", "expected"),
    [("auto", ["CPU", "GPU"], "CPU"), ("cpu", ["CPU"], "CPU"), ("gpu", ["CPU", "GPU.0", "GPU.1"], "GPU"),
     ("npu", ["CPU", "NPU"], "NPU")],
)  # fmt: skip
def test_devices_by_their_names(asked: DeviceName, available: list[str], expected: str) -> None:
    assert pick_device(asked, available) == expected


def test_a_device_that_is_not_there_is_never_another(tmp_path: Path) -> None:
    sentence = r"picture\.device is gpu, but OpenVINO sees no such device here, only: cpu, npu; set it to auto, or"
    with pytest.raises(BuildError, match=sentence):
        pick_device("gpu", ["CPU", "NPU"])
    for name in BACKENDS:
        with pytest.raises(BuildError, match=r"picture\.device is npu, but .* sees no such device here, only: cpu"):
            opened(name, tmp_path, device="npu")
    with pytest.raises(BuildError, match=r"picture\.device is cpu, but tensorrt runs on NVIDIA cards"):
        opened("tensorrt", tmp_path, device="cpu")


@pytest.mark.parametrize("name", ["torch", "tensorrt"])
def test_bytes_are_for_openvino(name: BackendName, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=rf"picture\.precision is int8, which only openvino .* not {name}; set it"):
        opened(name, tmp_path, precision="int8")


def test_a_device_chooses_its_backend() -> None:
    for device in ("cpu", "npu"):
        assert choose("auto", device).name == "openvino"
        assert choose("auto", device).reason.endswith(device.upper())


class Counting(EngineStore):
    """Notes what is exported."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.exported = 0

    @override
    def onnx(self, module: Module) -> Path:
        self.exported += 1
        return super().onnx(module)


def test_what_was_compiled_is_kept_and_computes_the_same(engines_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(EngineStore(engines_folder).onnx(MODULE).parent, tmp_path / "x")
    (tmp_path / "x").rename(tmp_path / EngineStore(engines_folder).onnx(MODULE).parent.name)
    store = Counting(tmp_path)
    first = OpenVinoBackend(spec(tmp_path, precision="fp32"), store).compile(MODULE)(VALUES, STEPS)
    assert store.exported == 1
    again = OpenVinoBackend(spec(tmp_path, precision="fp32"), store).compile(MODULE)(VALUES, STEPS)
    assert store.exported == 1, "the export is not even looked at"
    assert np.array_equal(first, again)

    (kept,) = tmp_path.glob(f"mixed-cpu-*/{COMPILED_FILE}")
    sound = kept.read_bytes()
    kept.write_bytes(sound[: len(sound) // 2] + bytes(len(sound) - len(sound) // 2))
    mended = OpenVinoBackend(spec(tmp_path, precision="fp32"), store).compile(MODULE)(VALUES, STEPS)
    assert store.exported == 2
    assert kept.read_bytes() != sound[: len(sound) // 2] + bytes(len(sound) - len(sound) // 2)
    assert np.array_equal(first, mended)


def test_other_threads_are_another_engine(engines_folder: Path) -> None:
    for threads in (1, 2):
        backend = OpenVinoBackend(spec(engines_folder, precision="fp32", threads=threads), EngineStore(engines_folder))
        np.testing.assert_allclose(backend.compile(MODULE)(VALUES, STEPS), expected(), atol=1e-5)
    told = [json.loads(path.read_text())["key"]["options"] for path in engines_folder.glob("mixed-cpu-*/engine.json")]
    assert {dict(options).get("inference_num_threads") for options in told} >= {"1", "2"}


@pytest.mark.parametrize("asked", BACKENDS)
def test_an_asked_backend_is_the_one_that_runs(asked: Literal["openvino", "torch"], tmp_path: Path) -> None:
    assert choose(asked).name == asked
    backend = opened(asked, tmp_path)
    assert backend.name == asked
    assert isinstance(backend, {"openvino": OpenVinoBackend, "torch": TorchBackend}[asked])
    assert backend.device


def test_auto_says_why() -> None:
    choice = choose("auto")
    assert choice.name == ("torch" if torch.cuda.is_available() else "openvino")
    assert choice.reason.startswith("auto: ")


@pytest.mark.parametrize("asked", BACKENDS)
def test_the_doctor_is_told_in_one_sentence(asked: Literal["openvino", "torch"]) -> None:
    sentence = describe(spec(Path(), backend=asked))
    assert sentence.startswith(asked)
    assert "picture.backend asks for it" in sentence


def test_an_engine_that_cannot_be_compiled_names_its_file(tmp_path: Path) -> None:
    class Broken(EngineStore):
        @override
        def onnx(self, module: Module) -> Path:
            (tmp_path / "model.onnx").write_bytes(b"no model at all")
            return tmp_path / "model.onnx"

    backend = OpenVinoBackend(spec(tmp_path), Broken(tmp_path))
    with pytest.raises(BuildError, match=r"OpenVINO cannot compile the mixed \(.*model\.onnx\)"):
        backend.compile(MODULE)


SIGNALLED = """
import gc, os, signal, sys
from pathlib import Path
from speakage_engines.api import PictureSpec
from speakage_engines.compile.backends.openvino import OpenVinoBackend
from speakage_engines.compile.store import EngineStore
folder = Path(sys.argv[1])
spec = PictureSpec(models_folder=folder, engines_folder=folder)
backends = [OpenVinoBackend(spec, EngineStore(folder)) for _ in range(2)]
while backends:
    backends.pop(0)
    gc.collect()
signal.signal(signal.SIGUSR1, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_signals_are_survived_when_backends_have_come_and_gone(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SIGNALLED, str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, "heard\n"), ran.stderr
