"""The backends: each compiles a module with fixed shapes and calls it with arrays.

:func:`choose` decides which one runs and why; a backend that was asked for by name is never replaced by another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from speakage_engines.api import BackendName, BuildError, DeviceName, EngineError, PictureSpec, PrecisionName
from speakage_engines.compile.examples import noted
from speakage_engines.compile.module import Backend
from speakage_engines.compile.store import EngineStore


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """A backend and the reason for it."""

    name: BackendName
    reason: str


def choose(asked: BackendName | Literal["auto"], device: DeviceName = "auto") -> BackendChoice:
    """The backend for a setting; a device that an NVIDIA card is not speaks for openvino."""
    if asked != "auto":
        return BackendChoice(asked, "picture.backend asks for it")
    if device in ("cpu", "npu"):
        return BackendChoice("openvino", f"auto: the fastest on a {device.upper()}")
    import torch

    if torch.cuda.is_available():
        # never tensorrt of itself: minutes of building are somebody's decision
        card = torch.cuda.get_device_name()
        return BackendChoice("torch", f"auto: {card} is there; picture.backend = tensorrt compiles for it")
    return BackendChoice("openvino", f"auto: the fastest on a {'GPU of Intel' if device == 'gpu' else 'CPU'}")


def open_backend(name: BackendName, spec: PictureSpec, store: EngineStore) -> Backend:
    """A backend that is ready to compile; raises :class:`EngineError` when it cannot run here."""
    try:
        return noted(_open(name, spec, store))
    except ImportError as error:
        raise EngineError(f"{name} cannot be imported ({error}); install Speakage again") from error


def _open(name: BackendName, spec: PictureSpec, store: EngineStore) -> Backend:
    match name:
        case "openvino":
            from speakage_engines.compile.backends.openvino import OpenVinoBackend

            return OpenVinoBackend(spec, store)
        case "torch":
            from speakage_engines.compile.backends.torch import TorchBackend

            return TorchBackend(float_precision(name, spec.precision), spec.threads, spec.device)
        case "tensorrt":
            from speakage_engines.compile.backends.tensorrt import TensorRtBackend, TensorRtSettings

            if spec.device in ("cpu", "npu"):
                raise BuildError(
                    f"picture.device is {spec.device}, but tensorrt runs on NVIDIA cards; set it to auto or gpu"
                )
            return TensorRtBackend(float_precision(name, spec.precision), store, TensorRtSettings.of(spec))


def float_precision(name: BackendName, precision: PrecisionName) -> Literal["auto", "fp32", "bf16"]:
    """The precision for backends that know no 8 bits; raises :class:`BuildError` where these are asked for."""
    if precision == "int8":
        raise BuildError(
            f"picture.precision is int8, which only openvino computes in here, not {name}; "
            "set it to auto, or picture.backend to openvino"
        )
    return precision


def describe(spec: PictureSpec) -> str:
    """One sentence on what would run, for the doctor; raises :class:`EngineError` when nothing can."""
    choice = choose(spec.backend, spec.device)
    backend = open_backend(choice.name, spec, EngineStore(spec.engines_folder))
    return f"{backend.name} {backend.version.split('-')[0]} on {backend.device} ({choice.reason})"
