"""The reference backend: the module itself, run by torch on a GPU if there is one, else on the CPU.

On the CPU it runs eagerly, as it is written: what every other backend is measured by. On an NVIDIA card the weights lie
with their channels last, as its convolutions want them, and the run is captured as a CUDA graph, since shapes are fixed
(:mod:`speakage_engines.compile.torch_run`). The way on the card is written and tested for what a CPU can tell of it; it
has not run on a card.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import torch

from speakage_engines.api import BackendName, BuildError, CompiledModule, DeviceName
from speakage_engines.compile.low_rank import Adaptable, Room, Wearable
from speakage_engines.compile.module import Module
from speakage_engines.compile.torch_run import CudaGraphs, RecordedModule, TorchModule, static_inputs

Precision: TypeAlias = Literal["fp32", "fp16", "bf16"]

_DTYPES: Final[Mapping[Precision, torch.dtype]] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
_TENSOR_CORES: Final = (7, 0)
"""Compute capability from which cards compute faster in fp16 than in fp32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What torch says of an NVIDIA card."""

    name: str
    capability: tuple[int, int]
    bf16: bool
    """It computes in it, rather than imitate it."""


class TorchBackend:
    """fp32 on a CPU, bf16 on a GPU that computes in it (else fp16, where that is fast), unless told otherwise."""

    name: BackendName = "torch"
    version: str = str(torch.__version__)

    def __init__(
        self, precision: Literal["auto", "fp32", "fp16", "bf16"], threads: int, device: DeviceName = "auto"
    ) -> None:
        card = find_card() if on_card(device) else None
        self._device = torch.device("cuda" if card else "cpu")
        self.device = card.name if card else platform.processor() or platform.machine()
        self._precision = pick_precision(precision, card)
        if card:
            # else convolutions in fp32 would be computed in 19 bits without a word
            torch.backends.cudnn.allow_tf32 = False
        if threads:
            torch.set_num_threads(threads)

    def is_made(self, module: Module) -> bool:  # noqa: ARG002  nothing is made of any
        """Weights are loaded as they are."""
        return True

    def wearable(self, module: Module, compiled: CompiledModule, room: Room) -> Wearable:  # noqa: ARG002  its input tells
        """Adapters are its last input."""
        return Adaptable(compiled, room)

    def compile(self, module: Module) -> CompiledModule:
        """Load the weights onto the device; on a card, capture the run."""
        dtype = _DTYPES["fp32" if module.overflows and self._precision == "fp16" else self._precision]
        try:
            network = module.load().eval().to(self._device, dtype)
            if self._device.type == "cpu":
                return TorchModule(network, self._device, dtype)
            # a network without convolutions has no weights that this moves
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs
            return RecordedModule(network, module.name, static_inputs(module, self._device, dtype), CudaGraphs())
        except RuntimeError as error:
            raise BuildError(f"the {module.name} cannot be put on {self.device} ({error})") from error


def find_card() -> Card:
    """The card that torch has chosen."""
    return Card(
        name=torch.cuda.get_device_name(),
        capability=torch.cuda.get_device_capability(),
        bf16=torch.cuda.is_bf16_supported(including_emulation=False),
    )


def pick_precision(asked: Literal["auto", "fp32", "fp16", "bf16"], card: Card | None) -> Precision:
    """What is computed in, on a card or a CPU; raises :class:`BuildError` for what it does not have."""
    if asked == "fp16" and card is None:
        raise BuildError("picture.precision is fp16, which is made for cards, not for the CPU; set it to auto")
    if asked == "bf16" and card and not card.bf16:
        raise BuildError(f"picture.precision is bf16, but the {card.name} does not compute in it; set it to auto")
    if asked != "auto":
        return asked
    if card is None:
        return "fp32"
    if card.bf16:
        return "bf16"
    return "fp16" if card.capability >= _TENSOR_CORES else "fp32"


def on_card(device: DeviceName) -> bool:
    """Whether to run on the NVIDIA card; raises :class:`BuildError` for a device that torch does not see."""
    there = torch.cuda.is_available()
    if device == "npu" or (device == "gpu" and not there):
        raise BuildError(
            f"picture.device is {device}, but torch sees no such device here, only: cpu{', gpu' if there else ''}; "
            "set it to auto"
        )
    return there and device != "cpu"
