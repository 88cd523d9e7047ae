"""Adapters worn by a TensorRT plan: their products are added to the weights, which are exchanged in the plan by name.

It costs nothing while painting, where a branch beside each layer (:mod:`.low_rank`) would, and some time at a switch;
a plan that allows it has to be built on a card. Written against TensorRT's interface and proven on the shared export;
no card has run it yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speakage_engines.api import CompiledModule, ModelError
from speakage_engines.compile.low_rank import LowRank, layers_of
from speakage_engines.compile.module import Module
from speakage_engines.compile.parameters import Initialiser

Weights: TypeAlias = Mapping[str, NDArray[np.float32]]
"""By the initialisers' names."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What makes a plan wear some adapters."""

    weights: Weights
    layers: frozenset[str]
    """Those that are then not as the model has them."""


class Exchangeable(CompiledModule, Protocol):
    """A compiled network whose weights can be exchanged while it is loaded."""

    def exchange(self, weights: Weights) -> None:
        """Compute with these from now on; raises :class:`EngineError` when one is not the plan's."""


class Refitted:
    """A plan, and what it wears: implements :class:`~speakage_engines.compile.low_rank.Wearable`."""

    def __init__(self, plan: Exchangeable, module: Module, parameters: Callable[[], Mapping[str, Initialiser]]) -> None:
        self.precision = plan.precision
        self._plan = plan
        self._module = module
        self._read = parameters
        self._parameters: Mapping[str, Initialiser] = {}
        self._network: Any = None
        self._changed: frozenset[str] = frozenset()

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run once."""
        return self._plan(*inputs)

    def packed(self, changes: Mapping[str, Sequence[LowRank]]) -> Exchange:
        """The weights of all layers that these change, or that those before changed; raises :class:`ModelError`."""
        if self._network is None and not changes:
            return Exchange({}, frozenset())
        if self._network is None:
            # they were not needed so far, and take the model's size in memory
            self._network, self._parameters = self._module.load().eval(), self._read()
        weights = {}
        layers = {layer.name: layer for layer in layers_of(self._network.model)}
        for name in self._changed | changes.keys():
            place = self._parameters.get(f"network.model.{name}.weight")
            if name not in layers or place is None:
                raise ModelError(f"{name} cannot be changed in this plan; set picture.backend to torch or openvino")
            weight = self._network.model.get_submodule(name).weight.detach().float().numpy().copy()
            for change in changes.get(name, ()):
                layers[name].check(change)
                weight += np.tensordot(change.up, change.down, 1).reshape(weight.shape)
            weights[place.name] = np.ascontiguousarray(weight.T if place.transposed else weight)
        return Exchange(weights, frozenset(changes))

    def wear(self, packed: Exchange) -> None:
        """Wear these and no others from now on."""
        if packed.weights:
            self._plan.exchange(packed.weights)
        self._changed = packed.layers
