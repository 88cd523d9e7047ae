r"""Room in a network for low-rank adapters (LoRA, Hu et al. 2022), so that they change without compiling it again.

Every layer that adapters may change gets a branch beside it, :math:`W x + B A x`, whose matrices are not weights but an
input of the network: one flat array for all layers. Several adapters lie side by side in it, each with its scale in
:math:`B`; an empty one is zeros. So the compiled network is the same for all adapters, and to switch them is to pass
another array. This module does *not* read adapters; see :mod:`speakage_engines.diffusion.adapters`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from typing_extensions import override

from speakage_engines.api import CompiledModule, ModelError
from speakage_engines.compile.module import Input, Module

INPUT: Final = "adapters"
"""The input's name, the last of a network that has room."""
NARROW: Final = (1, 1)
"""The kernel of linear layers, and of convolutions that are nothing else."""
Slot: TypeAlias = tuple[slice, tuple[int, ...]]
"""Where a matrix lies in the flat array, and its shape."""


@dataclass(frozen=True, slots=True)
class LowRank:
    """What an adapter adds to the weight of one layer: :math:`B A`."""

    down: NDArray[np.float32]
    """A: ``(rank, inputs)``, or ``(rank, inputs, height, width)`` for a convolution."""
    up: NDArray[np.float32]
    """B: ``(outputs, rank)``; its factor (alpha / rank, and how strongly it is wanted) is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A linear layer or a convolution."""

    name: str
    """Path of the layer in its network, as torch has it."""
    inputs: int
    outputs: int
    kernel: tuple[int, int] = NARROW

    def check(self, change: LowRank) -> None:
        """Raises :class:`ValueError` with both shapes when a change does not fit the layer."""
        rank = len(change.down)
        kernel = () if change.down.ndim == 2 and self.kernel == NARROW else self.kernel
        if change.down.shape != (rank, self.inputs, *kernel) or change.up.shape != (self.outputs, rank):
            raise ValueError(
                f"{self.name} takes {self.inputs} and gives {self.outputs} with a kernel of {self.kernel}, "
                f"which {change.down.shape} and {change.up.shape} do not fit"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Which layers of a network adapters may change, and how much of each."""

    rank: int
    """Of all adapters together that are worn at a time."""
    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Numbers in the flat array."""
        return sum(self.rank * (math.prod((layer.inputs, *layer.kernel)) + layer.outputs) for layer in self.layers)

    @property
    def name(self) -> str:
        """For keys: with the weights' configuration it says all of it."""
        wide = sum(layer.kernel != NARROW for layer in self.layers)
        return f"rank {self.rank}, {len(self.layers)} layers, {wide} of them wide"

    def slots(self) -> Iterator[tuple[Layer, Slot, Slot]]:
        """Where the two matrices of each layer lie."""
        at = 0
        for layer in self.layers:
            down = math.prod((layer.inputs, *layer.kernel)) * self.rank
            up = layer.outputs * self.rank
            yield (
                layer,
                (slice(at, at + down), (self.rank, layer.inputs, *layer.kernel)),
                (slice(at + down, at + down + up), (layer.outputs, self.rank)),
            )
            at += down + up

    def pack(self, changes: Mapping[str, Sequence[LowRank]]) -> NDArray[np.float32]:
        """The flat array for changes by the layers' names; raises :class:`ModelError` when there is no room."""
        if strange := sorted(changes.keys() - {layer.name for layer in self.layers}):
            raise ModelError(f"{strange[0]} was compiled without room for adapters; load the model with them")
        flat = np.zeros(self.size, np.float32)
        for layer, (down_at, down_shape), (up_at, up_shape) in self.slots():
            down, up, rank = flat[down_at].reshape(down_shape), flat[up_at].reshape(up_shape), 0
            for change in changes.get(layer.name, ()):
                layer.check(change)
                more = len(change.down)
                if rank + more > self.rank:
                    raise ModelError(
                        f"these adapters have a rank of {rank + more} or more together, and there is room for "
                        f"{self.rank}; set picture.adapter_rank to as much as they need, and start again"
                    )
                down[rank : rank + more] = change.down.reshape(-1, *down_shape[1:])
                up[:, rank : rank + more] = change.up
                rank += more
        return flat


def layers_of(network: torch.nn.Module) -> Iterator[Layer]:
    """All that adapters can change, in the network's order."""
    for name, part in network.named_modules():
        if isinstance(part, torch.nn.Linear):
            yield Layer(name=name, inputs=part.in_features, outputs=part.out_features)
        elif isinstance(part, torch.nn.Conv2d) and part.groups == 1:
            height, width = part.kernel_size
            yield Layer(name=name, inputs=part.in_channels, outputs=part.out_channels, kernel=(height, width))


def with_room(module: Module, room: Room | None) -> Module:
    """A module whose last input is the flat array. Its network keeps the one with the layers as ``model``."""
    if room is None:
        return module
    return dataclasses.replace(
        module,
        load=partial(_load, module.load, room),
        inputs=(*module.inputs, Input(name=INPUT, shape=(room.size,))),
        room=room.name,
    )


class Wearable(CompiledModule, Protocol):
    """A compiled network that adapters can be put on while it is loaded."""

    def packed(self, changes: Mapping[str, Sequence[LowRank]]) -> Any:
        """These as it can wear them; raises :class:`ModelError` when it cannot."""

    def wear(self, packed: Any) -> None:
        """Wear these and no others from now on."""


class Adaptable:
    """A compiled network with room, and what it wears: implements :class:`Wearable`."""

    def __init__(self, compiled: CompiledModule, room: Room) -> None:
        self.precision = compiled.precision
        self._compiled = compiled
        self._room = room
        self._worn = room.pack({})

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run once, with the adapters that are worn."""
        return self._compiled(*inputs, self._worn)

    def packed(self, changes: Mapping[str, Sequence[LowRank]]) -> NDArray[np.float32]:
        """These as it can wear them; raises :class:`ModelError` when there is no room for them."""
        return self._room.pack(changes)

    def wear(self, packed: NDArray[np.float32]) -> None:
        """Wear these and no others from now on."""
        self._worn = packed


class _Given:
    """Holds the flat array while a network runs: no part of the network, so that its export is not kept."""

    __slots__ = ("flat",)
    flat: torch.Tensor


class _WithRoom(torch.nn.Module):
    def __init__(self, network: Any, room: Room) -> None:
        super().__init__()
        self.network = network
        self._given = _Given()
        for layer, down, up in room.slots():
            network.model.get_submodule(layer.name).register_forward_hook(_Branch(self._given, down, up))

    @override
    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        self._given.flat = inputs[-1]
        try:
            output: torch.Tensor = self.network(*inputs[:-1])
        finally:
            del self._given.flat
        return output


class _Branch:
    """Adds :math:`B A x` to what a layer gives."""

    def __init__(self, given: _Given, down: Slot, up: Slot) -> None:
        self._given, self._down, self._up = given, down, up

    def __call__(self, layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        down, up = (self._given.flat[at].reshape(shape) for at, shape in (self._down, self._up))
        if isinstance(layer, torch.nn.Linear):
            return output + F.linear(F.linear(inputs[0], down.flatten(1)), up)
        within = F.conv2d(inputs[0], down, stride=layer.stride, padding=layer.padding, dilation=layer.dilation)
        return output + F.conv2d(within, up[:, :, None, None])


def _load(load: Any, room: Room) -> torch.nn.Module:
    return _WithRoom(load(), room)
