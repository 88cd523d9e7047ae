"""One ONNX export of a module, which every compiled backend reads. Shapes are fixed by the module's inputs."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Final

import torch
from typing_extensions import override

from speakage_engines.api import BuildError, Progress, no_progress
from speakage_engines.compile.module import Module
from speakage_engines.compile.parameters import write_parameters

log = logging.getLogger(__name__)

_TYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class _Typed(torch.nn.Module):
    """A network that computes in one type, and takes and gives float32.

    Every export has it, so that its weights have the same names whatever their type.
    """

    def __init__(self, network: torch.nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.dtype = dtype

    @override
    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.network(
            *(item.to(self.dtype) if item.is_floating_point() else item for item in inputs)
        )
        return output.float()


def example_inputs(module: Module) -> tuple[torch.Tensor, ...]:
    """Inputs of the right shapes and types; token ids are zeros, all else noise of a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.zeros(item.shape, dtype=torch.int64)
        if item.dtype == "int64"
        else torch.randn(item.shape, generator=generator)
        for item in module.inputs
    )


def export_onnx(module: Module, path: Path, progress: Progress = no_progress) -> None:
    """Write the module as ONNX in its precision; raises :class:`BuildError` with the exporter's reason.

    Takes standard output and the warnings of the whole process away from it for so long.
    """
    network = _Typed(module.load().eval(), _TYPES[module.precision])
    # the exporter prints its steps and warns of operators of libraries that are not installed
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                example_inputs(module),
                str(path),
                dynamo=True,
                input_names=[item.name for item in module.inputs],
                output_names=["output"],
                verbose=False,
            )
    except (RuntimeError, ValueError, TypeError) as error:
        raise BuildError(f"the {module.name} cannot be exported to ONNX: {error}") from error
    finally:
        quiet.setLevel(level)
    write_parameters(network, path)
    progress(f"exported the {module.name}", 1.0)
