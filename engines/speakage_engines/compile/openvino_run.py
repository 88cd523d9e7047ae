"""OpenVINO itself: the one core of a process, what it compiled, and what that computes in.

This module does *not* decide how anything is compiled; see :mod:`speakage_engines.compile.backends.openvino`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import openvino as ov
from numpy.typing import NDArray

_HINTS: Final = {
    "float32": "fp32",
    "f32": "fp32",
    "bfloat16": "bf16",
    "bf16": "bf16",
    "float16": "fp16",
    "f16": "fp16",
}
_BYTES: Final = ("i8", "u8")
INT8: Final = "int8"
INT8_WEIGHTS: Final = "int8 weights"


@cache
def core() -> ov.Core:
    """The only one of this process, and never let go.

    The CPU plugin of a core lends its thread a stack for signals. When two cores end in the order in which they began,
    what stays is a stack that is gone, and the next signal, even of a child that ends, kills the process.
    """
    return ov.Core()


class OpenVinoModule:
    """A compiled module with one inference request of its own."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._output = compiled.output(0)
        self.precision = read_back(compiled)

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run once; the result is a copy, since the request writes into the same memory next time."""
        self._request.infer(dict(enumerate(inputs)), share_inputs=True)
        output: NDArray[np.float32] = self._request.get_tensor(self._output).data.astype(np.float32, copy=True)
        return output


def read_back(compiled: Any) -> str:
    """``int8`` when convolutions are computed in it, ``int8 weights`` when only weights are; else its own word."""
    said = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
    if compiled.get_property("EXECUTION_DEVICES") != ["CPU"]:
        # what others say of their layers nobody has seen here, and no 8 bits are made for them
        return _HINTS.get(said, said)
    constants = False
    for layer in compiled.get_runtime_model().get_ops():
        known = layer.get_rt_info()
        kind, precision = (known[name].astype(str) for name in ("layerType", "runtimePrecision"))
        if kind == "Convolution" and precision in _BYTES:
            return INT8
        constants = constants or (kind == "Const" and precision in _BYTES)
    return INT8_WEIGHTS if constants else _HINTS.get(said, said)
