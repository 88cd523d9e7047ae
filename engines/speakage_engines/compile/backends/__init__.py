"""The backends: each compiles a module with fixed shapes and calls it with arrays.

:func:`choose` decides which one runs and why; a backend that was asked for by name is never replaced by another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from speakage_engines.api import BackendName, EngineError, PrecisionName
from speakage_engines.compile.module import Backend
from speakage_engines.compile.store import EngineStore


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """A backend and the reason for it."""

    name: BackendName
    reason: str


def choose(asked: BackendName | Literal["auto"]) -> BackendChoice:
    """The backend for a setting."""
    if asked != "auto":
        return BackendChoice(asked, "picture.backend asks for it")
    import torch

    if torch.cuda.is_available():
        # never tensorrt of itself: minutes of building are somebody's decision
        card = torch.cuda.get_device_name()
        return BackendChoice("torch", f"auto: {card} is there; picture.backend = tensorrt compiles for it")
    return BackendChoice("openvino", "auto: the fastest on a CPU")


def open_backend(name: BackendName, precision: PrecisionName, threads: int, store: EngineStore) -> Backend:
    """A backend that is ready to compile; raises :class:`EngineError` when it cannot run here."""
    try:
        match name:
            case "openvino":
                from speakage_engines.compile.backends.openvino import OpenVinoBackend

                return OpenVinoBackend(precision, threads, store)
            case "torch":
                from speakage_engines.compile.backends.torch import TorchBackend

                return TorchBackend(precision, threads)
            case "tensorrt":
                from speakage_engines.compile.backends.tensorrt import TensorRtBackend

                return TensorRtBackend(precision, store)
    except ImportError as error:
        raise EngineError(f"{name} cannot be imported ({error}); install Speakage again") from error


def describe(asked: BackendName | Literal["auto"], precision: PrecisionName) -> str:
    """One sentence on what would run, for the doctor; raises :class:`EngineError` when nothing can."""
    choice = choose(asked)
    backend = open_backend(choice.name, precision, 0, EngineStore(Path()))
    return f"{backend.name} {backend.version.split('-')[0]} on {backend.device} ({choice.reason})"
