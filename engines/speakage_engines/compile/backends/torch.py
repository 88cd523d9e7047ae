"""The reference backend: the module itself, run eagerly by torch on a GPU if there is one, else on the CPU."""

from __future__ import annotations

import platform
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from speakage_engines.api import BackendName, BuildError, CompiledModule, DeviceName
from speakage_engines.compile.module import Module

_READ_BACK: Final = {torch.float32: "fp32", torch.bfloat16: "bf16"}


class TorchBackend:
    """fp32 on a CPU, bf16 on a GPU that computes in it, unless told otherwise."""

    name: BackendName = "torch"
    version: str = str(torch.__version__)

    def __init__(self, precision: Literal["auto", "fp32", "bf16"], threads: int, device: DeviceName = "auto") -> None:
        on_gpu = on_card(device)
        fast_bf16 = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
        self._device = torch.device("cuda" if on_gpu else "cpu")
        self.device = torch.cuda.get_device_name() if on_gpu else platform.processor() or platform.machine()
        if precision == "auto":
            precision = "bf16" if fast_bf16 else "fp32"
        elif precision == "bf16" and on_gpu and not fast_bf16:
            raise BuildError(f"picture.precision is bf16, but the {self.device} does not compute in it; set it to auto")
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        if threads:
            torch.set_num_threads(threads)

    def compile(self, module: Module) -> CompiledModule:
        """Load the weights onto the device."""
        try:
            network = module.load().eval().to(self._device, self._dtype)
        except RuntimeError as error:
            raise BuildError(f"the {module.name} cannot be put on {self.device} ({error})") from error
        return TorchModule(network, self._device, self._dtype)


def on_card(device: DeviceName) -> bool:
    """Whether to run on the NVIDIA card; raises :class:`BuildError` for a device that torch does not see."""
    there = torch.cuda.is_available()
    if device == "npu" or (device == "gpu" and not there):
        raise BuildError(
            f"picture.device is {device}, but torch sees no such device here, only: cpu{', gpu' if there else ''}; "
            "set it to auto"
        )
    return there and device != "cpu"


class TorchModule:
    """A loaded module."""

    def __init__(self, network: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        self._network = network
        self._device = device
        self._dtype = dtype
        found = {parameter.dtype for parameter in network.parameters()}
        self.precision = " ".join(sorted(_READ_BACK.get(kind, str(kind)) for kind in found))

    @torch.inference_mode()
    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run once."""
        tensors = (torch.from_numpy(array).to(self._device) for array in inputs)
        result = self._network(*(t.to(self._dtype) if t.is_floating_point() else t for t in tensors))
        output: NDArray[np.float32] = result.float().cpu().numpy()
        return output
