"""Adapters by other weights in the export: every layer they may change is found, and computes what torch computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from engines.compile.sdxl_shape import SDXL, sdxl_shaped
from speakage_engines.api import BuildError, ModelError
from speakage_engines.compile.export import example_inputs
from speakage_engines.compile.low_rank import LowRank, Room, layers_of, with_room
from speakage_engines.compile.module import Module
from speakage_engines.compile.parameters import PARAMETERS_FILE, find_parameters, read_parameters
from speakage_engines.compile.store import EngineStore
from speakage_engines.compile.tensorrt_build import ParsedNetwork
from speakage_engines.compile.tensorrt_library import open_library
from speakage_engines.compile.tensorrt_refit import Refitted
from speakage_engines.diffusion.folder import read_folder
from speakage_engines.diffusion.modules import denoiser
from speakage_engines.models import embedded

pytestmark = pytest.mark.timeout(300)  # exports of real networks, on a machine that may be busy

FOLDER = read_folder(embedded("picture"))
SIZE = (FOLDER.size, FOLDER.size)
MODULES = {
    "embedded, fp16": replace(denoiser(FOLDER, SIZE, 2, {}), precision="fp16"),
    "sdxl's shape, fp16": replace(SDXL, precision="fp16"),
    "sdxl's shape, bf16": replace(SDXL, precision="bf16"),
    "sdxl's shape, fp32": SDXL,
}
LAYERS = tuple(layers_of(sdxl_shaped().model))
INPUTS = tuple(tensor.numpy() for tensor in example_inputs(SDXL))


class Plan:
    """An ONNX file whose weights can be exchanged, as those of a plan: computed by onnxruntime."""

    precision = "fp32"

    def __init__(self, path: Path) -> None:
        self._model = onnx.load(path)
        self.exchanges: list[set[str]] = []

    def exchange(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        there = {tensor.name: tensor for tensor in self._model.graph.initializer}
        for name, weight in weights.items():
            assert tuple(there[name].dims) == weight.shape
            there[name].CopyFrom(numpy_helper.from_array(weight, name))
        self.exchanges.append(set(weights))

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        session = onnxruntime.InferenceSession(self._model.SerializeToString(), providers=["CPUExecutionProvider"])
        names = [item.name for item in session.get_inputs()]
        output: NDArray[np.float32] = session.run(None, dict(zip(names, inputs, strict=True)))[0]
        return output


@pytest.fixture(scope="module")
def exported(engines_folder: Path) -> Mapping[str, Path]:
    store = EngineStore(engines_folder)
    with store.building():
        return {name: store.onnx(module) for name, module in MODULES.items()}


def changes(*names: str, seed: int = 0) -> dict[str, list[LowRank]]:
    rng = np.random.default_rng(seed)
    made = {}
    for layer in (layer for layer in LAYERS if layer.name in names):
        down = rng.standard_normal((3, layer.inputs, *(layer.kernel if layer.kernel != (1, 1) else ())))
        up = 0.2 * rng.standard_normal((layer.outputs, 3))
        made[layer.name] = [LowRank(down.astype(np.float32), up.astype(np.float32))]
    return made


def in_torch(wanted: dict[str, list[LowRank]]) -> NDArray[np.float32]:
    room = Room(rank=8, layers=LAYERS)
    with torch.no_grad():
        output = with_room(SDXL, room).load()(*example_inputs(SDXL), torch.from_numpy(room.pack(wanted)))
    found: NDArray[np.float32] = output.numpy()
    return found


@pytest.mark.parametrize("name", MODULES)
def test_every_layer_that_adapters_may_change_is_found_and_can_be_exchanged(
    name: str, exported: Mapping[str, Path]
) -> None:
    module: Module = MODULES[name]
    parameters = read_parameters(exported[name])
    shapes = {tensor.name: tuple(tensor.dims) for tensor in onnx.load(exported[name]).graph.initializer}
    refittable = set(ParsedNetwork(exported[name], open_library("tensorrt_rtx")).facts().refittable)
    layers = list(layers_of(module.load().model))
    assert len(layers) > 80
    for layer in layers:
        place = parameters[f"network.model.{layer.name}.weight"]
        kernel = layer.kernel if len(shapes[place.name]) == 4 else ()
        shape = (layer.outputs, layer.inputs, *kernel)
        assert shapes[place.name] == (shape[::-1] if place.transposed else shape)
        assert place.name in refittable
    assert any(place.transposed for place in parameters.values())
    assert any(not place.transposed for place in parameters.values())


def test_exchanged_weights_compute_what_torch_computes(exported: Mapping[str, Path]) -> None:
    path = exported["sdxl's shape, fp32"]
    plan = Plan(path)
    worn = Refitted(plan, SDXL, lambda: read_parameters(path))
    worn.wear(worn.packed({}))
    assert plan.exchanges == []
    np.testing.assert_allclose(worn(*INPUTS), in_torch({}), atol=1e-4)
    every = changes(*(layer.name for layer in LAYERS))
    one = changes("conv_in", LAYERS[-2].name, seed=1)
    for wanted in (every, one, {}):
        worn.wear(worn.packed(wanted))
        np.testing.assert_allclose(worn(*INPUTS), in_torch(wanted), atol=2e-3)
    assert [len(names) for names in plan.exchanges] == [len(LAYERS), len(LAYERS), 2]
    assert np.abs(in_torch(one) - in_torch({})).max() > 0.05


def test_what_was_not_put_on_does_not_count(exported: Mapping[str, Path]) -> None:
    """A switch that another network refuses leaves this one as it was."""
    path = exported["sdxl's shape, fp32"]
    worn = Refitted(Plan(path), SDXL, lambda: read_parameters(path))
    worn.wear(worn.packed(changes("conv_in")))
    worn.packed(changes(LAYERS[-2].name))
    worn.wear(worn.packed({}))
    np.testing.assert_allclose(worn(*INPUTS), in_torch({}), atol=1e-4)


def test_a_layer_that_is_not_found_is_named(exported: Mapping[str, Path]) -> None:
    worn = Refitted(Plan(exported["sdxl's shape, fp32"]), SDXL, dict)
    with pytest.raises(ModelError, match="conv_in cannot be changed in this plan"):
        worn.packed(changes("conv_in"))


def test_equal_weights_are_left_out(tmp_path: Path, exported: Mapping[str, Path]) -> None:
    network = torch.nn.Module()
    network.network = sdxl_shaped()
    whole = find_parameters(network, exported["sdxl's shape, fp32"])
    twin = torch.nn.Parameter(network.network.model.conv_in.weight.detach().clone())
    network.register_parameter("twin", twin)
    assert whole.keys() - find_parameters(network, exported["sdxl's shape, fp32"]).keys() == {
        "network.model.conv_in.weight"
    }


def test_an_export_without_its_map_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=rf"{PARAMETERS_FILE}: cannot be read .*delete its folder and build again"):
        read_parameters(tmp_path / "model.onnx")
