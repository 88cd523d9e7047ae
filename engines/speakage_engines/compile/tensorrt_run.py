"""Runs a TensorRT plan on an NVIDIA card: bound to torch's CUDA tensors, on a stream of its own, as a CUDA graph.

Whoever has tensors on the card already writes into :attr:`TensorRtModule.tensors` and calls
:meth:`TensorRtModule.run`: nothing is copied. A plan that cannot run here is refused in one sentence, before its
weights are loaded where the library can tell. This module does *not* build plans.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from speakage_engines.api import EngineError
from speakage_engines.compile.tensorrt_build import FACTS_FILE, OUTPUT, PLAN_FILE
from speakage_engines.compile.tensorrt_library import Library, first_lines, make_logger

log = logging.getLogger(__name__)

_TYPES: Final = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT64": torch.int64,
    "INT32": torch.int32,
}
_BUILD: Final = "build it here with: speakage build --backend tensorrt --target current"
_INVALID: Final = (
    ("VERSION_MISMATCH", "another version of TensorRT built it", _BUILD),
    ("UNSUPPORTED_CC", "it was built for another card", _BUILD),
    ("OLD_CUDA_DRIVER", "the NVIDIA driver is too old for it", "update the driver"),
    ("OLD_CUDA_RUNTIME", "the CUDA runtime is too old for it", "update the NVIDIA driver"),
    (
        "INSUFFICIENT_GPU_MEMORY",
        "the card has too little memory for it",
        "close what else uses the card, or paint smaller pictures",
    ),
    ("MALFORMED_ENGINE", "it is damaged", "delete its folder and start again"),
    ("CUDA_ERROR", "CUDA does not work here", "install the NVIDIA driver again"),
)
"""Diagnostics of ``get_engine_validity``, what they mean, and the remedy; most telling first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run a plan."""

    cuda_graph: bool = True
    """Shapes are fixed, so that all launches become one."""
    streaming_budget_mb: int = 0
    """Of a plan that streams its weights, how much of them stays on the card (10^6 bytes); 0 lets TensorRT choose."""


class TensorRtModule:
    """Implements :class:`speakage_engines.api.CompiledModule`. Not safe to call from two threads at once."""

    def __init__(self, folder: Path, library: Library, runtime_cache: Path, options: RunOptions) -> None:
        """``runtime_cache`` is where the kernels that RTX compiles at the first run are kept."""
        self._library = library
        self._log = make_logger(library)
        self._path = folder / PLAN_FILE
        facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
        self.precision = str(facts["precision"])
        # first, since it makes the CUDA context that a runtime cache is compared with
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._engine = self._load(options)
        self._runtime_cache: Any = None
        self._context = self._open_context(runtime_cache, options)
        self.tensors = self._bind()
        """On the card, by name: the inputs, and the output."""
        self._inputs = [self.tensors[item["name"]] for item in facts["inputs"]]
        self._graph: torch.cuda.CUDAGraph | None = None
        # the first run compiles what is compiled just in time: nothing of that may happen while a graph is captured
        self.run()
        self._stream.synchronize()
        if self._runtime_cache is not None:
            _keep(bytes(self._runtime_cache.serialize()), runtime_cache)
        if options.cuda_graph and not library.is_rtx:
            self._graph = self._capture()

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run once, from and to the computer's memory."""
        with torch.cuda.stream(self._stream):
            for tensor, array in zip(self._inputs, inputs, strict=True):
                tensor.copy_(torch.from_numpy(array))
            self.run()
            # waits for the stream
            result: NDArray[np.float32] = self.tensors[OUTPUT].cpu().numpy()
        return result

    def exchange(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Compute with these from now on, by their names in the export; raises :class:`EngineError`."""
        refitter = self._library.api.Refitter(self._engine, self._log)
        kept = []
        for name, weight in weights.items():
            prototype = refitter.get_weights_prototype(name)
            if prototype.size != weight.size:
                raise self._not_exchanged(f"{name} has {prototype.size} numbers where {weight.size} are given")
            # the refitter reads where they lie
            kept.append(torch.from_numpy(weight).to(_TYPES[prototype.dtype.name]).contiguous())
            values = self._library.api.Weights(prototype.dtype, kept[-1].data_ptr(), weight.size)
            if not refitter.set_named_weights(name, values):
                raise self._not_exchanged(f"{name}: {first_lines(self._log.errors, 'no reason is given')}")
        self._stream.synchronize()
        if not refitter.refit_cuda_engine():
            missing = ", ".join(refitter.get_missing_weights())
            raise self._not_exchanged(missing or first_lines(self._log.errors, "no reason is given"))
        if self._graph is not None:
            self._graph = self._capture()

    def _not_exchanged(self, why: str) -> EngineError:
        return EngineError(f"{self._path}: weights cannot be exchanged ({why}); delete its folder and build again")

    def run(self) -> None:
        """Start computing the output tensor from the input tensors; other streams have to wait for :attr:`stream`."""
        if self._graph is not None:
            with torch.cuda.stream(self._stream):
                self._graph.replay()
        else:
            self._enqueue()

    @property
    def stream(self) -> torch.cuda.Stream:
        """Where it computes."""
        return self._stream

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._stream.cuda_stream):
            reason = first_lines(self._log.errors, "TensorRT gives no reason")
            raise EngineError(f"{self._path}: the plan does not run ({reason}); set picture.backend to torch")

    def _load(self, options: RunOptions) -> Any:
        plan = self._path.read_bytes()
        # the engine borrows from the runtime
        self._runtime = self._library.api.Runtime(self._log)
        if self._library.is_rtx:
            validity, diagnostics = self._runtime.get_engine_validity(plan)
            if validity == self._library.api.EngineValidity.INVALID:
                raise EngineError(f"{self._path}: {why_invalid(self._library, int(diagnostics), self._log.errors)}")
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineError(f"{self._path}: {why_invalid(self._library, 0, self._log.errors)}")
        if engine.streamable_weights_size:
            budget = options.streaming_budget_mb * 10**6 or engine.get_weight_streaming_automatic_budget()
            engine.weight_streaming_budget_v2 = min(budget, engine.streamable_weights_size)
        return engine

    def _open_context(self, cache: Path, options: RunOptions) -> Any:
        api = self._library.api
        if not self._library.is_rtx:
            context = self._engine.create_execution_context()
        else:
            config = self._engine.create_runtime_config()
            self._runtime_cache = config.create_runtime_cache()
            if cache.is_file() and not self._runtime_cache.deserialize(cache.read_bytes()):
                log.info("%s is of another driver, card or TensorRT; the kernels are compiled again", cache)
            config.set_runtime_cache(self._runtime_cache)
            if options.cuda_graph:
                config.cuda_graph_strategy = api.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            context = self._engine.create_execution_context(config)
        if context is None:
            reason = first_lines(self._log.errors, "TensorRT gives no reason")
            raise EngineError(
                f"{self._path}: the plan cannot be made ready ({reason}); close what else uses the card, or set "
                "picture.tensorrt_weights_mb to 0"
            )
        return context

    def _bind(self) -> dict[str, torch.Tensor]:
        engine, context, bound = self._engine, self._context, {}
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        for name in names:
            if self._is_input(name):
                # where the plan leaves a side open, its profile has one shape only
                context.set_input_shape(name, engine.get_tensor_profile_shape(name, 0)[0])
        for name in names:
            kind = _TYPES[engine.get_tensor_dtype(name).name]
            bound[name] = torch.zeros(tuple(context.get_tensor_shape(name)), dtype=kind, device="cuda")
            context.set_tensor_address(name, bound[name].data_ptr())
        # the zeros are written on another stream
        torch.cuda.synchronize()
        return bound

    def _is_input(self, name: str) -> bool:
        return bool(self._engine.get_tensor_mode(name) == self._library.api.TensorIOMode.INPUT)

    def _capture(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            self._enqueue()
        return graph


def why_invalid(library: Library, diagnostics: int, errors: list[str]) -> str:
    """One sentence with the remedy for a plan that the library refuses; ``diagnostics`` is its bit mask."""
    kinds = getattr(library.api, "EngineInvalidityDiagnostics", None)
    for name, meaning, remedy in _INVALID:
        if kinds is not None and diagnostics & int(getattr(kinds, name)):
            return f"this plan cannot run here, since {meaning}; {remedy}"
    return f"this plan cannot run here ({first_lines(errors, 'TensorRT gives no reason')}); {_BUILD}"


def _keep(content: bytes, path: Path) -> None:
    """Write whole or not at all; without it the next start only takes longer."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)
    except OSError as error:
        log.warning("%s: kernels cannot be kept (%s); the next start compiles them again", path, error.strerror)
