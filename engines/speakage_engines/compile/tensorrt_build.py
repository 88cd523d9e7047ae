"""Builds TensorRT plans from the shared ONNX export, for a named card, on a machine that may have none.

The ONNX's own types say what is computed in (strongly typed networks), and what TensorRT read is compared with the
module before anything is built. This module does *not* keep plans, and does not run them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from speakage_engines.api import BuildError, Progress, no_progress
from speakage_engines.compile.module import Input
from speakage_engines.compile.tensorrt_library import (
    CURRENT,
    Library,
    LibraryName,
    first_lines,
    make_logger,
    make_monitor,
    open_library,
)

PLAN_FILE: Final = "model.plan"
FACTS_FILE: Final = "network.json"
"""What TensorRT read, for people and for whoever runs the plan."""
OUTPUT: Final = "output"
"""The name that the export gives to a module's one output."""
_TYPES: Final = {"FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16", "INT64": "int64", "INT32": "int32"}
_PRECISIONS: Final = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """How to build."""

    target: str = CURRENT
    """A compute capability like ``sm89``; ``current`` is the card that is here, once it was asked for its own."""
    workspace_mb: int = 0
    """Scratch memory that one layer may take on the card (10^6 bytes); 0 leaves it to TensorRT."""
    weight_streaming: bool = False
    """The weights may stay in the computer's memory, and travel to a small card as they are needed."""
    refit: bool = False
    """Weights can be exchanged in the plan; TensorRT then compiles on a card, so building needs one."""

    def named(self) -> tuple[tuple[str, str], ...]:
        """For the key, in the order of the names; the target has a field of its own there."""
        return (
            ("refit", str(self.refit)),
            ("weight_streaming", str(self.weight_streaming)),
            ("workspace_mb", str(self.workspace_mb)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output as TensorRT sees it; a side it may choose is -1."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What TensorRT read from an ONNX file."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    precision: str
    """Of the convolutions and matrix products, like ``fp16``, or ``bf16 fp32`` where they differ."""
    refittable: tuple[str, ...]
    """Names of the weights that a refittable plan lets be exchanged; constants that were folded are not among them."""


class ParsedNetwork:
    """An ONNX file as TensorRT read it; raises :class:`BuildError` with the node and the reason when it cannot."""

    def __init__(self, onnx: Path, library: Library) -> None:
        api = library.api
        self.path = onnx
        self.library = library
        self.log = make_logger(library)
        try:
            # the network and the parser borrow from the builder: all live as long as this object
            self.builder = api.Builder(self.log)
            flag = getattr(api.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
            self.network = self.builder.create_network(0 if flag is None else 1 << int(flag))
            self._parser = api.OnnxParser(self.network, self.log)
        except TypeError as error:
            # how its bindings say that the library gave them nothing
            said = first_lines(self.log.errors, str(error))
            raise BuildError(
                f"{library.name} {library.version} cannot build here ({said}); it may need an NVIDIA card: "
                "for a machine without one, pip install tensorrt-rtx"
            ) from error
        if not onnx.is_file():
            raise BuildError(f"{onnx}: there is no such file; build again to export it")
        if not self._parser.parse_from_file(str(onnx)):
            raise BuildError(
                f"TensorRT cannot read {onnx}: {self._refusals()}; "
                "if the file is damaged, delete its folder and build again"
            )

    def _refusals(self) -> str:
        errors = [self._parser.get_error(index) for index in range(self._parser.num_errors)]
        told = [f"{error.node_operator()} {error.node_name()!r}: {error.desc()}".lstrip(" ':") for error in errors]
        return first_lines(told or self.log.errors, "it gives no reason")

    def facts(self) -> Facts:
        """Its inputs, outputs, precision and refittable weights."""
        network = self.network
        return Facts(
            inputs=tuple(_tensor(network.get_input(index)) for index in range(network.num_inputs)),
            outputs=tuple(_tensor(network.get_output(index)) for index in range(network.num_outputs)),
            precision=self._precision(),
            refittable=self._refittable(),
        )

    def _precision(self) -> str:
        kinds = self.library.api.LayerType
        layers = (self.network.get_layer(index) for index in range(self.network.num_layers))
        found = {
            _type(layer.get_output(0)) for layer in layers if layer.type in (kinds.CONVOLUTION, kinds.MATRIX_MULTIPLY)
        }
        return " ".join(sorted(_PRECISIONS.get(kind, kind) for kind in found))

    def _refittable(self) -> tuple[str, ...]:
        """Asked of every initialiser, since the network lists none; the marks are taken away again."""
        import onnx

        model = onnx.load(self.path, load_external_data=False)
        names = [item.name for item in model.graph.initializer]
        found = tuple(name for name in names if self.network.mark_weights_refittable(name))
        for name in found:
            self.network.unmark_weights_refittable(name)
        # it calls every "no" an error
        self.log.errors.clear()
        return found


def build_plan(
    parsed: ParsedNetwork, name: str, inputs: tuple[Input, ...], options: PlanOptions, progress: Progress = no_progress
) -> tuple[bytes, Facts]:
    """The plan of a module with these inputs, and what TensorRT read; raises :class:`BuildError`."""
    facts = parsed.facts()
    check_facts(facts, name, inputs, parsed.path)
    config = _configured(parsed, inputs, options)
    what = f"building the {name} for {options.target} (once)"
    # its life must exceed the build's
    config.progress_monitor = monitor = make_monitor(parsed.library, what, progress)
    plan = parsed.builder.build_serialized_network(parsed.network, config)
    if monitor.raised is not None:
        raise monitor.raised
    if plan is None:
        reason = first_lines(parsed.log.errors, "it gives no reason")
        remedy = (
            "a plan whose weights can be exchanged needs an NVIDIA card to be built: do it there, or without refit"
            if options.refit
            else "set picture.backend to torch to paint without it"
        )
        raise BuildError(f"TensorRT cannot build the {name} for {options.target}: {reason}; {remedy}")
    progress(what, 1.0)
    return bytes(plan), facts


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTask:
    """Builds a plan into a folder: a :class:`speakage_engines.compile.build.Task`, so another process can do it."""

    onnx: Path
    folder: Path
    name: str
    inputs: tuple[Input, ...]
    library: LibraryName
    options: PlanOptions

    def __call__(self, progress: Progress) -> None:
        """Write the plan, and what TensorRT read beside it; raises :class:`BuildError` or :class:`OSError`."""
        parsed = ParsedNetwork(self.onnx, open_library(self.library))
        plan, facts = build_plan(parsed, self.name, self.inputs, self.options, progress)
        (self.folder / PLAN_FILE).write_bytes(plan)
        (self.folder / FACTS_FILE).write_text(json.dumps(dataclasses.asdict(facts), indent=2) + "\n", encoding="utf-8")


def check_facts(facts: Facts, name: str, inputs: tuple[Input, ...], path: Path) -> None:
    """Compare what TensorRT read with what the module is; raises :class:`BuildError` naming the difference."""
    wanted = tuple(Tensor(name=item.name, shape=item.shape, dtype=item.dtype) for item in inputs)
    remedy = f"this is not the export of the {name}: delete its folder and build again"
    if len(facts.inputs) != len(wanted):
        raise BuildError(f"{path}: its inputs are {_said(facts.inputs)}, but should be {_said(wanted)}; {remedy}")
    for have, want in zip(facts.inputs, wanted, strict=True):
        if have.name != want.name or have.dtype != want.dtype or not _fits(have.shape, want.shape):
            raise BuildError(f"{path}: its input {_said([have])} should be {_said([want])}; {remedy}")
    if [(item.name, item.dtype) for item in facts.outputs] != [(OUTPUT, "float32")]:
        raise BuildError(
            f"{path}: its outputs are {_said(facts.outputs)}, but should be one, {OUTPUT} in float32; {remedy}"
        )


def _configured(parsed: ParsedNetwork, inputs: Iterable[Input], options: PlanOptions) -> Any:
    api = parsed.library.api
    config = parsed.builder.create_builder_config()
    if parsed.library.is_rtx:
        config.num_compute_capabilities = 1
        if not config.set_compute_capability(getattr(api.ComputeCapability, options.target.upper()), 0):
            said = first_lines(parsed.log.errors, "it gives no reason")
            raise BuildError(f"TensorRT does not take {options.target} as a target ({said}); choose another --target")
    # it rounds products to 10 bits: what is asked for in fp32 is computed in fp32
    config.clear_flag(api.BuilderFlag.TF32)
    if options.workspace_mb:
        config.set_memory_pool_limit(api.MemoryPoolType.WORKSPACE, options.workspace_mb * 10**6)
    if options.weight_streaming:
        config.set_flag(api.BuilderFlag.WEIGHT_STREAMING)
    if options.refit:
        config.set_flag(api.BuilderFlag.REFIT)
    profile = parsed.builder.create_optimization_profile()
    for item in inputs:
        # the smallest, the usual and the largest are one: shapes are fixed
        profile.set_shape(item.name, item.shape, item.shape, item.shape)
    config.add_optimization_profile(profile)
    return config


def _tensor(tensor: Any) -> Tensor:
    return Tensor(name=str(tensor.name), shape=tuple(int(side) for side in tensor.shape), dtype=_type(tensor))


def _type(tensor: Any) -> str:
    name = str(tensor.dtype.name)
    return _TYPES.get(name, name)


def _fits(have: tuple[int, ...], want: tuple[int, ...]) -> bool:
    return len(have) == len(want) and all(a in (-1, b) for a, b in zip(have, want, strict=True))


def _said(tensors: Iterable[Tensor]) -> str:
    return ", ".join(f"{item.name} {'×'.join(map(str, item.shape))} in {item.dtype}" for item in tensors) or "none"
