"""What the networks of a model are given while it paints, and what torch makes of it in fp32.

A few fixed prompts are painted from fixed noise by the torch backend, and the calls of every network are noted: some
to measure a compiled one by (:mod:`speakage_engines.compile.parity`), the others to find the ranges of its activations
(:mod:`speakage_engines.compile.openvino_int8`). Noise alone would not do for either: text states have outliers that no
noise has. Kept in the engine store. This module does *not* know what a network is for.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speakage_engines.adapter_choice import resolve_adapters
from speakage_engines.api import (
    BuildError,
    CompiledModule,
    ModelError,
    PaintRequest,
    PictureSpec,
    Progress,
    Start,
    load_picture,
    resolve_picture,
)
from speakage_engines.compile.key import ExamplesKey, exporter, weights_digest
from speakage_engines.compile.low_rank import Room, Wearable
from speakage_engines.compile.module import Backend, Module
from speakage_engines.compile.store import EngineStore

Part: TypeAlias = Literal["parity", "calibration"]
Inputs: TypeAlias = tuple[NDArray[Any], ...]

PROMPTS: Final[dict[Part, tuple[str, ...]]] = {
    "parity": ("a castle in the snow", "a red car on the beach"),
    "calibration": (
        "a house",
        "a rocket in space",
        "a robot in the forest",
        "a dog in the city",
        "a blue boat on the sea",
        "two trees",
    ),
}
"""Words that most models know; those that one does not know are left out of its prompt."""
STEPS: Final = (2, 4)
"""At least so many, or no preview would be decoded; at most so many, since large models take seconds for each."""
_FOR_STARTS: Final = "picture-encoder"
"""The one network that runs for a start alone."""
VERSION: Final = 3
"""Raised when other examples come of the same model."""


@dataclass(frozen=True, slots=True)
class Example:
    """One call of a network."""

    inputs: Inputs
    output: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The calls of one network."""

    parity: tuple[Example, ...]
    calibration: tuple[Inputs, ...]


_calls: ContextVar[dict[str, list[Example]] | None] = ContextVar("calls", default=None)


@contextmanager
def noting() -> Iterator[dict[str, list[Example]]]:
    """Calls of all modules compiled while this is open, by their names."""
    calls: dict[str, list[Example]] = defaultdict(list)
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


def noted(backend: Backend) -> Backend:
    """The same backend; where someone notes, with modules that tell of their calls."""
    calls = _calls.get()
    return backend if calls is None else _NotedBackend(backend, calls)


class _NotedBackend:
    def __init__(self, backend: Backend, calls: dict[str, list[Example]]) -> None:
        self.name = backend.name
        self.version = backend.version
        self.device = backend.device
        self._backend = backend
        self._calls = calls

    def is_made(self, module: Module) -> bool:
        return self._backend.is_made(module)

    def wearable(self, module: Module, compiled: CompiledModule, room: Room) -> Wearable:
        return self._backend.wearable(module, compiled, room)

    def compile(self, module: Module) -> CompiledModule:
        return _NotedModule(self._backend.compile(module), module.name, self._calls)


class _NotedModule:
    def __init__(self, compiled: CompiledModule, name: str, calls: dict[str, list[Example]]) -> None:
        self.precision = compiled.precision
        self._compiled = compiled
        self._name = name
        self._calls = calls

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        output = self._compiled(*inputs)
        # the caller may write into both
        self._calls[self._name].append(Example(tuple(array.copy() for array in inputs), output.copy()))
        return output


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplesTask:
    """Paints the prompts: a :class:`speakage_engines.compile.build.Task`."""

    spec: PictureSpec
    folder: Path

    def __call__(self, progress: Progress) -> None:
        """Write a file for every network; raises :class:`ModelError`, :class:`BuildError` or :class:`OSError`."""
        reference = dataclasses.replace(self.spec, backend="torch", precision="fp32", device="cpu")
        files: dict[str, dict[str, NDArray[Any]]] = defaultdict(dict)
        with noting() as calls:
            model = load_picture(reference)
            steps = min(max(model.info.steps, STEPS[0]), STEPS[1])
            for part, prompts in PROMPTS.items():
                calls.clear()
                for seed, prompt in enumerate(prompts):
                    progress(f"painting {prompt} in torch (once)", seed / len(prompts))
                    request = PaintRequest(prompt=prompt, seed=seed, steps=steps)
                    *_, last = model.paint(request)
                    if not model.info.no_start:
                        before = {name: len(examples) for name, examples in calls.items()}
                        # the encoder runs for a start alone, and the least strength takes one step
                        start = Start(rgb=last.rgb, strength=0.05)
                        deque(model.paint(dataclasses.replace(request, start=start)), maxlen=0)
                        # what the others were given for it is like nothing else, and would be calibrated for
                        for name, count in before.items():
                            if name != _FOR_STARTS:
                                del calls[name][count:]
                for name, examples in calls.items():
                    files[name].update(_arrays(part, examples))
        for name, arrays in files.items():
            # the stubs take a dict of arrays for the flag that forbids pickles
            np.savez(self.folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]


def key_of(spec: PictureSpec) -> ExamplesKey:
    """What the examples of a model are kept under; reads all its files."""
    path = resolve_picture(spec).path
    try:
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        model = weights_digest(files)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error}); get the model again") from error
    return ExamplesKey(
        model=model,
        size=spec.size,
        guidance=spec.guidance,
        steps=spec.steps,
        adapters=tuple(f"{one.digest}:{one.scale:g}" for one in resolve_adapters(spec.adapters, spec.models_folder)),
        adapter_rank=spec.adapter_rank,
        version=VERSION,
        exporter=exporter(),
    )


def record(spec: PictureSpec, store: EngineStore) -> Path:
    """The folder with the examples of a model, made now if need be; raises :class:`BuildError`."""

    def make(folder: Path) -> None:
        store.apart("painting examples in torch", ExamplesTask(spec=spec, folder=folder))

    return store.engine("examples", key_of(spec), make)


def read(folder: Path, name: str) -> Examples:
    """Those of one network; raises :class:`BuildError` when it was never called."""
    try:
        with np.load(folder / f"{name}.npz") as arrays:
            parity = tuple(_inputs(arrays, "parity"))
            return Examples(
                parity=tuple(Example(inputs, arrays[f"parity.{index}.output"]) for index, inputs in enumerate(parity)),
                calibration=tuple(_inputs(arrays, "calibration")),
            )
    except FileNotFoundError:
        raise BuildError(
            f"the {name} was never run while the examples were painted, so it cannot be compared with torch; "
            "set picture.backend to torch"
        ) from None


def _arrays(part: Part, examples: list[Example]) -> Iterator[tuple[str, NDArray[Any]]]:
    for index, example in enumerate(examples):
        for position, array in enumerate(example.inputs):
            yield f"{part}.{index}.{position}", array
        if part == "parity":
            yield f"{part}.{index}.output", example.output


def _inputs(arrays: Any, part: Part) -> Iterator[Inputs]:
    index = 0
    while f"{part}.{index}.0" in arrays:
        names = sorted(
            (name for name in arrays if name.startswith(f"{part}.{index}.") and not name.endswith(".output")),
            key=lambda name: int(name.rsplit(".", 1)[1]),
        )
        yield tuple(arrays[name] for name in names)
        index += 1
