"""TensorRT: plans are really built, for cards that are not here; running them needs one."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
import tensorrt_rtx
import torch
from onnx import TensorProto, helper

from engines.compile.sdxl_shape import SDXL
from speakage_engines.api import BuildError, EngineError, PictureSpec
from speakage_engines.compile.backends import choose, open_backend
from speakage_engines.compile.backends.tensorrt import TensorRtBackend, TensorRtSettings
from speakage_engines.compile.backends.torch import TorchBackend
from speakage_engines.compile.export import example_inputs, export_onnx
from speakage_engines.compile.key import ExportKey
from speakage_engines.compile.module import Input, Module
from speakage_engines.compile.store import EngineStore, fault
from speakage_engines.compile.tensorrt_build import (
    FACTS_FILE,
    PLAN_FILE,
    ParsedNetwork,
    PlanOptions,
    build_plan,
    check_facts,
)
from speakage_engines.compile.tensorrt_library import TARGETS, Library, Phases, open_library, resolve_target
from speakage_engines.compile.tensorrt_run import why_invalid
from speakage_engines.diffusion.folder import read_folder
from speakage_engines.diffusion.modules import decoder, denoiser
from speakage_engines.models import embedded

pytestmark = pytest.mark.timeout(300)  # exports of real networks, on a machine that may be busy

CARD = torch.cuda.get_device_capability() if torch.cuda.is_available() else None
needs_no_card = pytest.mark.skipif(CARD is not None, reason="a card is here")
LIBRARY = open_library("tensorrt_rtx")
FOLDER = read_folder(embedded("picture"))
SIZE = (FOLDER.size, FOLDER.size)
MODULES = {
    "unet": denoiser(FOLDER, SIZE, 2, {}),
    "decoder": decoder(FOLDER, SIZE),
    "sdxl": SDXL,
}
PRECISIONS: tuple[Literal["fp32", "fp16", "bf16"], ...] = ("fp32", "fp16", "bf16")
BUILT = ("sm86", "sm89", "sm120")
ADDED = (Input(name="values", shape=(2, 3)),)


def backend(engines: Path, target: str = "sm89", precision: Any = "auto", **options: Any) -> TensorRtBackend:
    settings = TensorRtSettings(library="tensorrt_rtx", plan=PlanOptions(target=target, **options))
    return TensorRtBackend(precision, EngineStore(engines), settings)


def typed(module: Module) -> Module:
    return replace(module, precision="fp16")


@pytest.fixture(scope="module")
def exported(engines_folder: Path) -> Mapping[str, Path]:
    """The exports of the modules in fp16, made by one process."""
    store = EngineStore(engines_folder)
    with store.building():
        return {name: store.onnx(typed(module)) for name, module in MODULES.items()}


def small(path: Path, operator: str = "Add", rows: int | str = 2, output: str = "output") -> Path:
    """An ONNX file of one operator."""
    node = helper.make_node(operator, ["values", "values"], [output], name="the_only_node")
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "small",
        [helper.make_tensor_value_info("values", kind, [rows, 3])],
        [helper.make_tensor_value_info(output, kind, [rows, 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


# --- plans ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", BUILT)
@pytest.mark.parametrize("name", MODULES)
def test_a_plan_is_built_for_a_card_that_is_not_here(
    name: str, target: str, exported: Mapping[str, Path], engines_folder: Path
) -> None:
    module, building = MODULES[name], backend(engines_folder, target)
    folder = building.build(module)
    plan = (folder / PLAN_FILE).read_bytes()
    described = json.loads((folder / "engine.json").read_text())
    assert described["files"][PLAN_FILE] == {"bytes": len(plan), "sha256": hashlib.sha256(plan).hexdigest()}
    assert described["key"] == {
        "export": ExportKey.of(typed(module)).digest(),
        "backend": "tensorrt_rtx",
        "backend_version": tensorrt_rtx.__version__,
        "target": target,
        "precision": "fp16",
        "options": [["refit", "False"], ["weight_streaming", "False"], ["workspace_mb", "0"]],
    }
    assert folder == engines_folder / f"{module.name}-{target}-{building.key(module).digest()}"
    weights = sum(path.stat().st_size for path in exported[name].parent.iterdir())
    assert weights * 0.8 < len(plan) < weights * 2 + 2_000_000
    assert json.loads((folder / FACTS_FILE).read_text())["precision"] == "fp16"
    assert fault(folder) is None


def test_every_card_has_a_plan_of_its_own(engines_folder: Path) -> None:
    plans = {backend(engines_folder, target).build(MODULES["decoder"]) / PLAN_FILE for target in BUILT}
    assert len({plan.read_bytes() for plan in plans}) == len(BUILT)


def test_a_plan_that_is_there_is_kept(engines_folder: Path) -> None:
    told: list[str] = []
    settings = TensorRtSettings(plan=PlanOptions(target="sm89"))
    folder = backend(engines_folder).build(SDXL)
    again = TensorRtBackend("auto", EngineStore(engines_folder, lambda what, _: told.append(what)), settings)
    assert again.build(SDXL) == folder
    assert told == []


def test_a_damaged_plan_is_built_again(engines_folder: Path, tmp_path: Path) -> None:
    folder = backend(engines_folder).build(MODULES["decoder"])
    export = EngineStore(engines_folder).onnx(typed(MODULES["decoder"])).parent
    for engine in (folder, export):
        shutil.copytree(engine, tmp_path / engine.name)
    damaged = tmp_path / folder.name / PLAN_FILE
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    assert backend(tmp_path).build(MODULES["decoder"]) == damaged.parent
    assert damaged.read_bytes() == whole, "the same export builds into the same bytes"


@pytest.mark.parametrize("name", MODULES)
def test_what_tensorrt_read_is_what_the_module_is(name: str, exported: Mapping[str, Path]) -> None:
    path = exported[name]
    facts = ParsedNetwork(path, LIBRARY).facts()
    assert [(item.name, item.shape, item.dtype) for item in facts.inputs] == [
        (item.name, item.shape, item.dtype) for item in MODULES[name].inputs
    ]
    shape = (1, 3, FOLDER.size, FOLDER.size) if name == "decoder" else MODULES[name].inputs[0].shape
    assert [(item.name, item.shape, item.dtype) for item in facts.outputs] == [("output", shape, "float32")]
    assert facts.precision == "fp16"
    check_facts(facts, name, MODULES[name].inputs, path)


@pytest.mark.parametrize("name", MODULES)
def test_every_weight_of_the_network_is_refittable_by_its_name(name: str, exported: Mapping[str, Path]) -> None:
    path = exported[name]
    facts = ParsedNetwork(path, LIBRARY).facts()
    held = {item.name: tuple(item.dims) for item in onnx.load(path, load_external_data=False).graph.initializer}
    assert set(facts.refittable) <= held.keys()
    matrices = {item for item, shape in held.items() if len(shape) >= 2 and np.prod(shape) > 1024}
    assert matrices, "there are some"
    assert matrices <= set(facts.refittable)
    shapes = sorted(sorted(shape) for item, shape in held.items() if item in facts.refittable and len(shape) >= 2)
    for called, parameter in MODULES[name].load().named_parameters():
        if parameter.dim() >= 2 and not called.startswith("model.encoder."):
            # linear layers are transposed by the exporter
            shapes.remove(sorted(parameter.shape))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_computes_in_what_is_asked_for(precision: Any, tmp_path: Path) -> None:
    module = replace(MODULES["decoder"], precision=precision)
    export_onnx(module, tmp_path / "model.onnx")
    parsed = ParsedNetwork(tmp_path / "model.onnx", LIBRARY)
    plan, facts = build_plan(parsed, "decoder", module.inputs, PlanOptions(target="sm89"))
    assert facts.precision == precision
    assert len(plan) > 10**6


def test_a_side_left_open_is_fixed_by_a_profile(tmp_path: Path) -> None:
    parsed = ParsedNetwork(small(tmp_path / "open.onnx", rows="batch"), LIBRARY)
    plan, facts = build_plan(parsed, "adder", ADDED, PlanOptions(target="sm86"))
    assert facts.inputs[0].shape == (-1, 3)
    assert len(plan) > 100


def test_limits_are_taken(tmp_path: Path) -> None:
    options = PlanOptions(target="sm86", workspace_mb=64, weight_streaming=True)
    plan, _ = build_plan(ParsedNetwork(small(tmp_path / "add.onnx"), LIBRARY), "adder", ADDED, options)
    assert plan


def test_the_limits_of_the_configuration_reach_the_plan_and_the_run(tmp_path: Path) -> None:
    spec = PictureSpec(models_folder=tmp_path, engines_folder=tmp_path, adapter_rank=4)
    assert TensorRtSettings.of(spec, "sm89") == TensorRtSettings(plan=PlanOptions(target="sm89", refit=True))
    small_card = replace(spec, tensorrt_workspace_mb=64, tensorrt_weights_mb=500, adapter_rank=0)
    settings = TensorRtSettings.of(small_card, "sm89")
    assert settings.plan == PlanOptions(target="sm89", workspace_mb=64, weight_streaming=True)
    assert settings.run.streaming_budget_mb == 500
    chosen = TensorRtSettings.of(replace(small_card, tensorrt_weights_mb=0), "sm89")
    assert (chosen.plan.weight_streaming, chosen.run.streaming_budget_mb) == (True, 0), "TensorRT chooses how many"


# --- keys -----------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_in_fp16_is_built_in_fp32(tmp_path: Path) -> None:
    def precisions(precision: str) -> list[str]:
        found = [
            backend(tmp_path, precision=precision).key(replace(SDXL, overflows=wide)).export for wide in (False, True)
        ]
        named = {ExportKey.of(replace(SDXL, precision=name)).digest(): name for name in PRECISIONS}
        return [named[export] for export in found]

    assert precisions("fp16") == ["fp16", "fp32"]
    assert precisions("bf16") == ["bf16", "bf16"]


def test_all_that_shapes_a_plan_is_in_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [{}, {"target": "sm86"}, {"precision": "fp32"}, {"precision": "bf16"}, {"refit": True}]
    ways += [{"weight_streaming": True}, {"workspace_mb": 9}]
    keys = [backend(tmp_path, **way).key(SDXL) for way in ways]  # type: ignore[arg-type]
    keys.append(backend(tmp_path).key(replace(SDXL, weights="others")))
    monkeypatch.setattr(tensorrt_rtx, "__version__", "1.7.2")
    keys.append(backend(tmp_path).key(SDXL))
    assert len({key.digest() for key in keys}) == len(keys) == 9


# --- progress -------------------------------------------------------------------------------------------------------


def test_progress_runs_to_the_end_and_never_back(exported: Mapping[str, Path]) -> None:
    told: list[tuple[str, float]] = []
    parsed = ParsedNetwork(exported["decoder"], LIBRARY)
    build_plan(parsed, "decoder", MODULES["decoder"].inputs, PlanOptions(target="sm89"), lambda *at: told.append(at))
    assert {what for what, _ in told} == {"building the decoder for sm89 (once)"}
    shares = [done for _, done in told]
    assert shares == sorted(shares)
    assert len(shares) > 10
    assert shares[-1] == 1.0


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), RuntimeError("nobody listens")])
def test_who_watches_can_stop_a_build(raised: BaseException, exported: Mapping[str, Path]) -> None:
    told: list[float] = []

    def stop(what: str, done: float) -> None:
        told.append(done)
        raise raised

    parsed = ParsedNetwork(exported["decoder"], LIBRARY)
    with pytest.raises(type(raised)) as caught:
        build_plan(parsed, "decoder", MODULES["decoder"].inputs, PlanOptions(target="sm89"), stop)
    assert caught.value is raised
    assert told[-1] < 0.5, "the build does not go on"


def test_phases_lie_within_the_steps_of_others() -> None:
    told: list[float] = []
    phases = Phases(told.append)
    phases.start("all", None, 2)
    phases.start("first", "all", 4)
    phases.step("first", 0)
    phases.step("first", 1)
    phases.finish("first")
    phases.step("all", 0)
    phases.start("second", "all", 0)
    phases.step("second", 0)
    phases.step("unheard of", 0)
    phases.finish("second")
    phases.step("all", 1)
    assert told == [0.125, 0.25, 0.5, 1.0]


def test_steps_too_small_to_see_are_not_told() -> None:
    told: list[float] = []
    phases = Phases(told.append)
    phases.start("all", None, 1000)
    for step in range(1000):
        phases.step("all", step)
    assert 50 < len(told) <= 100
    assert told[-1] == 1.0


# --- refusals -------------------------------------------------------------------------------------------------------


def test_a_refused_operator_is_named_with_its_node(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"cannot read .*odd\.onnx: .*Ponder.*the_only_node.*build again"):
        ParsedNetwork(small(tmp_path / "odd.onnx", operator="Ponder"), LIBRARY)


@pytest.mark.parametrize("damage", ["cut", "without its weights", "no ONNX", "missing"])
def test_a_damaged_export_is_refused(damage: str, exported: Mapping[str, Path], tmp_path: Path) -> None:
    path, content = tmp_path / "model.onnx", exported["decoder"].read_bytes()
    match damage:
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "without its weights":
            path.write_bytes(content)
        case "no ONNX":
            path.write_bytes(b"no network at all")
    expected = "no such file" if damage == "missing" else "TensorRT cannot read"
    with pytest.raises(BuildError, match=rf"{expected}.*build again") as caught:
        ParsedNetwork(path, LIBRARY)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "difference"),
    [((*ADDED, Input(name="more", shape=(1,))), "inputs are values 2×3 in float32, but should be .*, more 1 in"),
     ((Input(name="latents", shape=(2, 3)),), "values 2×3 in float32 should be latents 2×3 in float32"),
     ((Input(name="values", shape=(2, 4)),), "values 2×3 in float32 should be values 2×4 in float32"),
     ((Input(name="values", shape=(2, 3, 1)),), "should be values 2×3×1 in float32"),
     ((Input(name="values", shape=(2, 3), dtype="int64"),), "should be values 2×3 in int64")],
)  # fmt: skip
def test_a_foreign_export_is_refused(wanted: tuple[Input, ...], difference: str, tmp_path: Path) -> None:
    parsed = ParsedNetwork(small(tmp_path / "add.onnx"), LIBRARY)
    with pytest.raises(BuildError, match=f"{difference}.*; this is not the export of the adder: delete its folder"):
        build_plan(parsed, "adder", wanted, PlanOptions(target="sm86"))


def test_a_foreign_output_is_refused(tmp_path: Path) -> None:
    parsed = ParsedNetwork(small(tmp_path / "add.onnx", output="sum"), LIBRARY)
    with pytest.raises(BuildError, match="outputs are sum 2×3 in float32, but should be one, output in float32"):
        build_plan(parsed, "adder", ADDED, PlanOptions(target="sm86"))


@needs_no_card
def test_weights_to_exchange_need_a_card_to_be_built(exported: Mapping[str, Path]) -> None:
    parsed, options = ParsedNetwork(exported["decoder"], LIBRARY), PlanOptions(target="sm89", refit=True)
    with pytest.raises(BuildError, match=r"cannot build the decoder.*needs an NVIDIA card to be built.*without refit"):
        build_plan(parsed, "decoder", MODULES["decoder"].inputs, options)


@pytest.mark.parametrize(
    ("asked", "card", "expected"), [("sm75", None, "sm75"), ("sm89", (8, 6), "sm89"), ("current", (12, 0), "sm120")]
)
def test_a_target_is_a_capability(asked: str, card: tuple[int, int] | None, expected: str) -> None:
    assert resolve_target(asked, LIBRARY, card) == expected


@pytest.mark.parametrize(
    ("asked", "card", "sentence"),
    [("current", None, "no NVIDIA card is seen here by torch; name the card to build for, like --target sm89"),
     ("current", (9, 0), "does not build for sm90, only for sm75, .*; set picture.backend to torch"),
     ("sm90", None, "does not build for sm90"), ("rtx4090", None, "does not build for rtx4090")],
)  # fmt: skip
def test_a_target_that_cannot_be_is_refused(asked: str, card: tuple[int, int] | None, sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence):
        resolve_target(asked, LIBRARY, card)


def test_the_data_centres_library_builds_for_its_own_card_only() -> None:
    library = Library("tensorrt", None, "11.4")
    assert resolve_target("current", library, (9, 0)) == resolve_target("sm90", library, (9, 0)) == "sm90"
    with pytest.raises(EngineError, match=r"only for the card that is here, not for sm89; .*pip install tensorrt-rtx"):
        resolve_target("sm89", library, (9, 0))


def test_every_target_is_one_that_the_library_has() -> None:
    offered = {name.lower() for name in tensorrt_rtx.ComputeCapability.__members__}
    assert offered - {"none", "current"} == set(TARGETS)


def test_a_missing_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineError, match=r"tensorrt_rtx: .*tensorrt: .*pip install tensorrt-rtx"):
        open_library()
    with pytest.raises(EngineError, match=r"pip install tensorrt$"):
        open_library("tensorrt")


def test_without_the_library_all_else_works() -> None:
    program = (
        "import sys; sys.modules['tensorrt_rtx'] = sys.modules['tensorrt'] = None\n"
        "import speakage_engines.compile.backends.tensorrt, speakage_daemon.command_line.building\n"
        "from pathlib import Path; from speakage_engines.api import PictureSpec, check_backend\n"
        "print(check_backend(PictureSpec(backend='openvino', models_folder=Path(), engines_folder=Path())))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert ran.stdout.startswith("openvino"), ran.stderr


def test_auto_never_takes_it() -> None:
    assert choose("auto").name != "tensorrt"
    assert choose("tensorrt").reason == "picture.backend asks for it"


@needs_no_card
def test_without_a_card_it_does_not_paint(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no NVIDIA card is seen here by torch; .*set picture.backend to auto"):
        open_backend("tensorrt", PictureSpec(models_folder=tmp_path, engines_folder=tmp_path), EngineStore(tmp_path))
    with pytest.raises(EngineError, match="a plan for sm89 does not run here: torch sees no such card"):
        backend(tmp_path).compile(SDXL)
    assert not list(tmp_path.iterdir()), "nothing is built to be thrown away"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("VERSION_MISMATCH", "another version of TensorRT built it; build it here with: speakage build"),
     ("UNSUPPORTED_CC", "built for another card; build it here with: speakage build"),
     ("OLD_CUDA_DRIVER", "driver is too old for it; update"), ("MALFORMED_ENGINE", "it is damaged; delete")],
)  # fmt: skip
def test_a_plan_that_cannot_run_here_says_why(name: str, sentence: str) -> None:
    mask = int(tensorrt_rtx.EngineInvalidityDiagnostics.__members__[name])
    assert sentence in why_invalid(LIBRARY, mask, [])


def test_a_plan_refused_without_a_diagnosis_says_what_was_said() -> None:
    assert "(it is odd)" in why_invalid(LIBRARY, 0, ["it is\n odd"])
    assert "TensorRT gives no reason" in why_invalid(Library("tensorrt", object(), "11"), 0, [])


def test_the_library_itself_tells_a_damaged_plan(engines_folder: Path) -> None:
    plan = (backend(engines_folder).build(SDXL) / PLAN_FILE).read_bytes()
    runtime = tensorrt_rtx.Runtime(tensorrt_rtx.Logger(tensorrt_rtx.Logger.INTERNAL_ERROR))
    _, diagnostics = runtime.get_engine_validity(b"no plan at all" + plan)
    assert "it is damaged" in why_invalid(LIBRARY, int(diagnostics), [])


# --- on a card ------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(CARD is None or f"sm{CARD[0]}{CARD[1]}" not in TARGETS, reason="no card that TensorRT-RTX runs on")
@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("name", MODULES)
def test_a_plan_computes_what_torch_computes(name: str, graph: bool, engines_folder: Path) -> None:
    settings = TensorRtSettings(library="tensorrt_rtx")
    settings = replace(settings, run=replace(settings.run, cuda_graph=graph))
    compiled = TensorRtBackend("auto", EngineStore(engines_folder), settings).compile(MODULES[name])
    inputs = [tensor.numpy() for tensor in example_inputs(MODULES[name])]
    wanted = TorchBackend("fp32", 0).compile(MODULES[name])(*inputs).ravel()
    for _ in range(3):
        found = compiled(*inputs).ravel()
        assert np.dot(found, wanted) / (np.linalg.norm(found) * np.linalg.norm(wanted)) > 0.999
    assert not np.allclose(compiled(*(item * 0 for item in inputs)).ravel(), wanted), "its inputs are read each time"
