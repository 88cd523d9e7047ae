"""The backends: the same numbers from both, precisions read back, and none ever taken for another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from typing_extensions import override

from engines.compile.networks import Mixed
from speakage_engines.api import BackendName, BuildError, PrecisionName
from speakage_engines.compile.backends import choose, describe, open_backend
from speakage_engines.compile.backends.openvino import OpenVinoBackend, core, pick_precision
from speakage_engines.compile.backends.torch import TorchBackend
from speakage_engines.compile.module import Input, Module
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


def expected() -> np.ndarray:
    with torch.no_grad():
        return Mixed()(torch.from_numpy(VALUES), torch.from_numpy(STEPS)).numpy()


@pytest.mark.parametrize("name", BACKENDS)
def test_a_module_computes_what_torch_computes(name: BackendName, engines_folder: Path) -> None:
    compiled = open_backend(name, "fp32", 0, EngineStore(engines_folder)).compile(MODULE)
    assert compiled.precision == "fp32"
    np.testing.assert_allclose(compiled(VALUES, STEPS), expected(), atol=1e-5)


@pytest.mark.parametrize(
    "name", [pytest.param("openvino", marks=pytest.mark.skipif(not HAS_BF16, reason="no BF16 here")), "torch"]
)
def test_bf16_is_read_back_and_is_what_computes(name: BackendName, engines_folder: Path) -> None:
    compiled = open_backend(name, "bf16", 0, EngineStore(engines_folder)).compile(MODULE)
    assert compiled.precision == "bf16"
    found = compiled(VALUES, STEPS)
    np.testing.assert_allclose(found, expected(), atol=0.15)
    assert not np.allclose(found, expected(), atol=1e-5)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_result_is_the_callers_to_keep(name: BackendName, engines_folder: Path) -> None:
    compiled = open_backend(name, "fp32", 0, EngineStore(engines_folder)).compile(MODULE)
    kept = compiled(VALUES, STEPS)
    before = kept.copy()
    compiled(VALUES * 2, STEPS)
    assert np.array_equal(kept, before)


@pytest.mark.parametrize(
    ("asked", "capabilities", "expected"),
    [("auto", ["FP32", "BF16"], "bf16"), ("auto", ["FP32", "INT8"], "fp32"), ("fp32", ["FP32", "BF16"], "fp32"),
     ("bf16", ["FP32", "BF16"], "bf16")],
)  # fmt: skip
def test_precision_by_what_the_cpu_computes_in(asked: PrecisionName, capabilities: list[str], expected: str) -> None:
    assert pick_precision(asked, capabilities) == expected


def test_bf16_on_a_cpu_without_it_is_refused() -> None:
    with pytest.raises(BuildError, match=r"picture\.precision is bf16, but this CPU .*; set it to auto or fp32"):
        pick_precision("bf16", ["FP32", "FP16", "INT8"])


@pytest.mark.parametrize("asked", BACKENDS)
def test_an_asked_backend_is_the_one_that_runs(asked: Literal["openvino", "torch"], tmp_path: Path) -> None:
    assert choose(asked).name == asked
    backend = open_backend(asked, "auto", 0, EngineStore(tmp_path))
    assert backend.name == asked
    assert isinstance(backend, {"openvino": OpenVinoBackend, "torch": TorchBackend}[asked])
    assert backend.device


def test_auto_says_why() -> None:
    choice = choose("auto")
    assert choice.name == ("torch" if torch.cuda.is_available() else "openvino")
    assert choice.reason.startswith("auto: ")


@pytest.mark.parametrize("asked", BACKENDS)
def test_the_doctor_is_told_in_one_sentence(asked: Literal["openvino", "torch"]) -> None:
    sentence = describe(asked, "auto")
    assert sentence.startswith(asked)
    assert "picture.backend asks for it" in sentence


def test_an_engine_that_cannot_be_compiled_names_its_file(tmp_path: Path) -> None:
    class Broken(EngineStore):
        @override
        def onnx(self, module: Module) -> Path:
            (tmp_path / "model.onnx").write_bytes(b"no model at all")
            return tmp_path / "model.onnx"

    backend = OpenVinoBackend("fp32", 0, Broken(tmp_path))
    with pytest.raises(BuildError, match=r"OpenVINO cannot compile the mixed \(.*model\.onnx\)"):
        backend.compile(MODULE)


SIGNALLED = """
import gc, os, signal, sys
from pathlib import Path
from speakage_engines.compile.backends.openvino import OpenVinoBackend
from speakage_engines.compile.store import EngineStore
backends = [OpenVinoBackend("fp32", 1, EngineStore(Path(sys.argv[1]))) for _ in range(2)]
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
