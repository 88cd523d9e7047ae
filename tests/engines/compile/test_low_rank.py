"""Room for adapters: a branch beside every layer is the same as other weights in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from typing_extensions import override

from speakage_engines.api import ModelError
from speakage_engines.compile.export import export_onnx
from speakage_engines.compile.low_rank import Adaptable, LowRank, Room, layers_of, with_room
from speakage_engines.compile.module import Input, Module


class Layers(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.strided = torch.nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.point = torch.nn.Conv2d(4, 3, 1)
        self.grouped = torch.nn.Conv2d(3, 3, 3, padding=1, groups=3)
        self.linear = torch.nn.Linear(3, 5)

    @override
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        seen = self.grouped(self.point(self.strided(pixels)))
        result: torch.Tensor = self.linear(seen.movedim(1, -1))
        return result


class Wrapped(torch.nn.Module):
    """As the networks of a picture model are wrapped."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = Layers()

    @override
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        seen: torch.Tensor = self.model(pixels)
        return seen


MODULE = Module(name="layers", load=Wrapped, inputs=(Input(name="pixels", shape=(1, 2, 8, 8)),), weights="none")
LAYERS = tuple(layers_of(Layers()))
ROOM = Room(rank=8, layers=LAYERS)
PIXELS = torch.randn((1, 2, 8, 8), generator=torch.Generator().manual_seed(1))


def change(name: str, rank: int, seed: int = 0) -> LowRank:
    layer = next(layer for layer in LAYERS if layer.name == name)
    rng = np.random.default_rng(seed)
    down = rng.standard_normal((rank, layer.inputs, *(layer.kernel if layer.kernel != (1, 1) else ())))
    return LowRank(down.astype(np.float32), rng.standard_normal((layer.outputs, rank)).astype(np.float32))


def run(flat: Any) -> torch.Tensor:
    with torch.no_grad():
        output: torch.Tensor = with_room(MODULE, ROOM).load()(PIXELS, torch.from_numpy(flat))
    return output


def merged(changes: dict[str, list[LowRank]]) -> torch.Tensor:
    network = Wrapped()
    with torch.no_grad():
        for name, several in changes.items():
            weight = network.model.get_submodule(name).weight
            for one in several:
                weight += torch.from_numpy(np.tensordot(one.up, one.down, 1)).reshape(weight.shape)
        output: torch.Tensor = network(PIXELS)
    return output


def test_only_layers_without_groups_are_found() -> None:
    assert [layer.name for layer in LAYERS] == ["strided", "point", "linear"]


@pytest.mark.parametrize("name", [layer.name for layer in LAYERS])
def test_a_branch_is_the_same_as_another_weight(name: str) -> None:
    changes = {name: [change(name, 3), change(name, 5, seed=1)]}
    torch.testing.assert_close(run(ROOM.pack(changes)), merged(changes), atol=1e-4, rtol=1e-4)
    assert (run(ROOM.pack(changes)) - merged({})).abs().max() > 0.1


def test_an_empty_room_changes_nothing() -> None:
    torch.testing.assert_close(run(ROOM.pack({})), merged({}))


def test_the_export_takes_adapters_as_its_last_input(tmp_path: Path) -> None:
    module = with_room(MODULE, ROOM)
    export_onnx(module, tmp_path / "layers.onnx")
    inputs = onnx.load(tmp_path / "layers.onnx").graph.input
    assert [item.name for item in inputs] == ["pixels", "adapters"]
    assert inputs[1].type.tensor_type.shape.dim[0].dim_value == ROOM.size
    assert module.room == "rank 8, 3 layers, 1 of them wide"


def test_a_network_without_room_is_as_it_was() -> None:
    assert with_room(MODULE, None) is MODULE


def test_what_is_worn_goes_with_every_call() -> None:
    given: list[Any] = []

    class Compiled:
        precision = "fp32"

        def __call__(self, *inputs: Any) -> Any:
            given.append(inputs)
            return inputs[0]

    network = Adaptable(Compiled(), ROOM)
    network(PIXELS.numpy())
    network.wear(network.packed({"linear": [change("linear", 2)]}))
    network(PIXELS.numpy())
    assert not given[0][1].any()
    np.testing.assert_array_equal(given[1][1], ROOM.pack({"linear": [change("linear", 2)]}))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"linear": [change("linear", 5), change("linear", 4)]}, r"a rank of 9 or more together.*room for 8"),
     ({"grouped": [change("linear", 1)]}, "grouped was compiled without room")],
)  # fmt: skip
def test_too_much_is_refused(changes: dict[str, list[LowRank]], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        ROOM.pack(changes)


@pytest.mark.parametrize("name", [layer.name for layer in LAYERS])
def test_what_does_not_fit_a_layer_is_refused_with_both_shapes(name: str) -> None:
    wrong = LowRank(np.zeros((2, 7), np.float32), np.zeros((5, 2), np.float32))
    refuse = partial(ROOM.pack, {name: [wrong]})
    with pytest.raises(ValueError, match=rf"{name} takes .*\(2, 7\) and \(5, 2\) do not fit"):
        refuse()
