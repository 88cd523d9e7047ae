"""Runs a network in torch: step by step as it is written, or on an NVIDIA card as one CUDA graph.

A graph is bound to the memory it was captured with. So the inputs have tensors of their own on the card, each call
writes into them, and the result is copied out before the next call writes over it. What is captured is the run after
a few others on a stream of its own, in which libraries choose and compile their kernels. Weights that are written in
place count from the next call on; a parameter that another tensor replaces does not.

A network that cannot be captured (one that asks for a value in mid-run, say) runs launch by launch, and a warning says
so, once: it computes the same numbers on the same card in the same precision, only more slowly, and no setting has
asked for a graph. To refuse the whole model for it would take a picture away for a few milliseconds. It is no other
backend, so what the status tells of backend, device and precision stays true.

Attention is fused: diffusers and transformers take torch's ``scaled_dot_product_attention`` by themselves, and nothing
here or in the networks turns it off. ``torch.compile`` is not used: it wants a C compiler on the machine and minutes
at the start, for what a graph gives at once.

Nobody has run :class:`CudaGraphs` yet: all else here runs on a CPU too, where the tests run it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from speakage_engines.api import BuildError
from speakage_engines.compile.module import Module

log = logging.getLogger(__name__)

Run: TypeAlias = Callable[[], torch.Tensor]
"""Computes the output from tensors that stay where they are; what it gave is valid until it is called again."""

WARM_UP_RUNS: Final = 3
"""Before a capture, as torch's documentation of CUDA graphs has it."""
_READ_BACK: Final = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
_LONGEST_REASON: Final = 200


class Recorder(Protocol):
    """Makes a run quicker to repeat."""

    def warm_up(self, run: Run) -> None:
        """Run it as often as it takes until nothing is done for the first time; raises what it raises, and here."""

    def record(self, run: Run) -> Run:
        """The same run, quicker; raises :class:`RuntimeError` for one that cannot be repeated so."""


class CudaGraphs:
    """Implements :class:`Recorder` on the card that torch has chosen."""

    def warm_up(self, run: Run) -> None:
        """On another stream than the caller's, as a capture wants it."""
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_RUNS):
                run()
        here.wait_stream(aside)
        # kernels fail after their launch: better here than in mid-capture
        torch.cuda.synchronize()

    def record(self, run: Run) -> Run:
        """Capture one run; nothing is computed until the graph is replayed."""
        graph = torch.cuda.CUDAGraph()
        # speech may use the same card from another thread meanwhile, which must not spoil the capture
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            output = run()

        def replay() -> torch.Tensor:
            graph.replay()
            return output

        return replay


class TorchModule:
    """A loaded module, run eagerly: the reference. Implements :class:`speakage_engines.api.CompiledModule`."""

    def __init__(self, network: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        self._network = network
        self._device = device
        self._dtype = dtype
        self.precision = precision_of(network)

    @torch.inference_mode()
    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run once."""
        tensors = (torch.from_numpy(array).to(self._device) for array in inputs)
        result = self._network(*(t.to(self._dtype) if t.is_floating_point() else t for t in tensors))
        output: NDArray[np.float32] = result.float().cpu().numpy()
        return output


class RecordedModule:
    """A loaded module with tensors for its inputs, run as it was recorded. Not safe to call from two threads at once.

    Implements :class:`speakage_engines.api.CompiledModule`.
    """

    @torch.inference_mode()
    def __init__(self, network: torch.nn.Module, name: str, tensors: Sequence[torch.Tensor], how: Recorder) -> None:
        """``tensors`` are its inputs, on the network's device; raises :class:`BuildError` when it does not run."""
        self.precision = precision_of(network)
        self._name = name
        self._inputs = tuple(tensors)
        # a graph reads the weights where they lie, and does not keep them there
        self._network = network
        run = partial(network, *self._inputs)
        self._prove(run, how)
        self._run = self._recorded(run, how)

    @torch.inference_mode()
    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run once; raises :class:`ValueError` for another shape than the one that was recorded."""
        for tensor, array in zip(self._inputs, inputs, strict=True):
            # copy_ would spread one row over all without a word
            if tensor.shape != array.shape:
                raise ValueError(f"the {self._name} is recorded for {tuple(tensor.shape)}, and was given {array.shape}")
            tensor.copy_(torch.from_numpy(array))
        result = self._run().to("cpu", torch.float32, copy=True, memory_format=torch.contiguous_format)
        output: NDArray[np.float32] = result.numpy()
        return output

    def _prove(self, run: Run, how: Recorder) -> None:
        try:
            how.warm_up(run)
        except RuntimeError as error:
            raise BuildError(
                f"the {self._name} does not run on the card ({_brief(error)}); close what else uses it, paint smaller "
                "pictures, or set picture.device to cpu"
            ) from error

    def _recorded(self, run: Run, how: Recorder) -> Run:
        try:
            return how.record(run)
        except RuntimeError as error:
            log.warning(
                "the %s cannot be captured as a CUDA graph (%s); it runs launch by launch, which is slower",
                self._name,
                _brief(error),
            )
        # an attempt that failed may have left the card unusable, which is to be known before a picture is painted
        self._prove(run, how)
        return run


def static_inputs(module: Module, device: torch.device, dtype: torch.dtype) -> list[torch.Tensor]:
    """Zeros of a module's shapes; numbers in ``dtype``, and what is laid out as a picture with its channels last."""
    tensors = []
    for item in module.inputs:
        kind = dtype if item.dtype == "float32" else torch.int64
        layout = torch.channels_last if len(item.shape) == 4 else torch.contiguous_format
        tensors.append(torch.empty(item.shape, dtype=kind, device=device, memory_format=layout).zero_())
    return tensors


def precision_of(network: torch.nn.Module) -> str:
    """As read back from its weights; several, where parts of it differ."""
    found = {parameter.dtype for parameter in network.parameters()}
    return " ".join(sorted(_READ_BACK.get(kind, str(kind)) for kind in found))


def _brief(error: Exception) -> str:
    """CUDA's errors go on for paragraphs."""
    return (str(error) or type(error).__name__).strip().splitlines()[0][:_LONGEST_REASON]
