"""The default backend on a CPU: OpenVINO, from the shared ONNX export.

The precision is set on purpose and read back: OpenVINO takes a hint it does not know for another one without a word.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, Final, Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from speakage_engines.api import BackendName, BuildError, CompiledModule, PrecisionName
from speakage_engines.compile.module import Module
from speakage_engines.compile.store import EngineStore

_TYPES: Final = {"fp32": "f32", "bf16": "bf16"}
_READ_BACK: Final = {"float32": "fp32", "f32": "fp32", "bfloat16": "bf16", "bf16": "bf16"}


def pick_precision(asked: PrecisionName, capabilities: Collection[str]) -> Literal["fp32", "bf16"]:
    """The precision for a CPU by what OpenVINO says of it; raises :class:`BuildError` for one it does not have."""
    if asked == "auto":
        return "bf16" if "BF16" in capabilities else "fp32"
    if asked == "bf16" and "BF16" not in capabilities:
        raise BuildError("picture.precision is bf16, but this CPU does not compute in it; set it to auto or fp32")
    return asked


@cache
def core() -> ov.Core:
    """The only one of this process, and never let go.

    The CPU plugin of a core lends its thread a stack for signals. When two cores end in the order in which they began,
    what stays is a stack that is gone, and the next signal, even of a child that ends, kills the process.
    """
    return ov.Core()


class OpenVinoBackend:
    """bf16 where the CPU computes in it, else fp32, unless told otherwise."""

    name: BackendName = "openvino"
    version = ov.__version__

    def __init__(self, precision: PrecisionName, threads: int, store: EngineStore) -> None:
        self._core = core()
        self._store = store
        self.device = str(self._core.get_property("CPU", "FULL_DEVICE_NAME"))
        self._precision = pick_precision(precision, self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _TYPES[self._precision],
        }
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads

    def compile(self, module: Module) -> CompiledModule:
        """Export if need be, compile, and check that the precision is the one asked for."""
        path = self._store.onnx(module)
        try:
            compiled = self._core.compile_model(path, "CPU", self._options)
        except RuntimeError as error:
            raise BuildError(f"OpenVINO cannot compile the {module.name} ({path}): {error}") from error
        said = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        found = _READ_BACK.get(said, said)
        if found != self._precision:
            raise BuildError(
                f"OpenVINO compiled the {module.name} in {found}, not in {self._precision} as asked; "
                "set picture.precision to auto"
            )
        return OpenVinoModule(compiled, found)


class OpenVinoModule:
    """A compiled module with one inference request of its own."""

    def __init__(self, compiled: Any, precision: str) -> None:
        self._request = compiled.create_infer_request()
        self._output = compiled.output(0)
        self.precision = precision

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run once; the result is a copy, since the request writes into the same memory next time."""
        self._request.infer(dict(enumerate(inputs)), share_inputs=True)
        output: NDArray[np.float32] = self._request.get_tensor(self._output).data.astype(np.float32, copy=True)
        return output
