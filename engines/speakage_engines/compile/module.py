"""What a backend is given: one network, its inputs with fixed shapes, and the digest of its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from speakage_engines.api import BackendName, CompiledModule

if TYPE_CHECKING:
    import torch

    from speakage_engines.compile.low_rank import Room, Wearable


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a network."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32", "int64"] = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A network that takes its inputs in order and returns one float32 tensor."""

    name: str
    load: Callable[[], torch.nn.Module]
    """Reads the weights: called only when an engine has to be made, or by the torch backend.

    Engines are made in another process, so it has to pickle: a function of a module, or a ``partial`` of one.
    """
    inputs: tuple[Input, ...]
    weights: str
    """SHA-256 of the weights and the configuration."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """What its export computes in; it takes and gives float32 all the same. Backends that choose for themselves do."""
    overflows: bool = False
    """Its values do not fit in fp16: where all else is computed in that, it is computed in fp32."""
    room: str = ""
    """For which adapters it has room, where its last input is theirs (:mod:`.low_rank`)."""


class Backend(Protocol):
    """Compiles modules."""

    name: BackendName
    version: str
    device: str
    """What computes, by its maker's name: other devices round otherwise."""

    def compile(self, module: Module) -> CompiledModule:
        """Make a module ready to run; raises :class:`speakage_engines.api.BuildError`."""

    def is_made(self, module: Module) -> bool:
        """Whether all that takes long was done and kept."""

    def wearable(self, module: Module, compiled: CompiledModule, room: Room) -> Wearable:
        """The same network, compiled of this module by this backend, so that adapters can be put on it."""
