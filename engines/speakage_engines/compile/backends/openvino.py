"""The default backend on a CPU: OpenVINO, from the shared ONNX export; also for Intel's graphics and NPUs.

The precision is set on purpose and read back: OpenVINO takes a hint it does not know for another one without a word.
What it compiled is kept in the engine store, since to read it takes half the time or less. Its own cache (CACHE_DIR)
is not used: it takes a damaged file for a sound one, and paints noise.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Collection
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, Literal

import openvino as ov

from speakage_engines.api import BackendName, BuildError, CompiledModule, DeviceName, PictureSpec, PrecisionName
from speakage_engines.compile.examples import key_of, record
from speakage_engines.compile.key import CompiledKey, ExportKey
from speakage_engines.compile.low_rank import Adaptable, Room, Wearable
from speakage_engines.compile.module import Module
from speakage_engines.compile.openvino_int8 import MODEL_FILE, QUANTISER, QuantiseTask, nncf_version
from speakage_engines.compile.openvino_run import INT8, INT8_WEIGHTS, OpenVinoModule, core
from speakage_engines.compile.store import EngineStore

log = logging.getLogger(__name__)

COMPILED_FILE: Final = "compiled.blob"
LARGEST_KEPT: Final = 10**9
"""Bytes of an export whose compiled form is still kept: to write it takes its size in memory once more."""
_HINTS: Final = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


def pick_device(asked: DeviceName, available: Collection[str]) -> str:
    """OpenVINO's name of a device; raises :class:`BuildError` for one that is not there, naming those that are."""
    wanted = "CPU" if asked == "auto" else asked.upper()
    # several of a kind are called GPU.0 and GPU.1: its first is meant by GPU
    kinds = {name.partition(".")[0] for name in available}
    if wanted not in kinds:
        there = ", ".join(sorted(kind.lower() for kind in kinds)) or "none"
        raise BuildError(
            f"picture.device is {asked}, but OpenVINO sees no such device here, only: {there}; "
            "set it to auto, or install the device's driver"
        )
    return wanted


def pick_precision(
    asked: PrecisionName, capabilities: Collection[str], device: str = "CPU"
) -> Literal["fp32", "bf16", "fp16"]:
    """What a device computes in by what OpenVINO says of it; raises :class:`BuildError` for what it does not have.

    For ``int8`` it is what all else than the quantised layers is computed in.
    """
    if asked == "bf16" and "BF16" not in capabilities:
        raise BuildError(f"picture.precision is bf16, but this {device} does not compute in it; set it to auto or fp32")
    if asked == "int8" and device != "CPU":
        raise BuildError(f"picture.precision is int8, which is made for CPUs, not for the {device}; set it to auto")
    if asked in ("fp32", "bf16"):
        return asked
    if "BF16" in capabilities:
        return "bf16"
    return "fp16" if device != "CPU" and "FP16" in capabilities else "fp32"


class OpenVinoBackend:
    """bf16 where the CPU computes in it, else fp32, unless told otherwise; fp16 on Intel's graphics and NPUs."""

    name: BackendName = "openvino"

    def __init__(self, spec: PictureSpec, store: EngineStore) -> None:
        self._core = core()
        self._spec = spec
        self._store = store
        self._place = pick_device(spec.device, self._core.available_devices)
        self._capabilities = sorted(self._core.get_property(self._place, "OPTIMIZATION_CAPABILITIES"))
        self.device = str(self._core.get_property(self._place, "FULL_DEVICE_NAME"))
        self._int8 = spec.precision == "int8"
        self._precision = pick_precision(spec.precision, self._capabilities, self._place)
        self.version = f"{ov.__version__} nncf {nncf_version()}" if self._int8 else str(ov.__version__)
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[self._precision],
        }
        if spec.threads and self._place == "CPU":
            self._options["INFERENCE_NUM_THREADS"] = spec.threads

    def compile(self, module: Module) -> CompiledModule:
        """Export, quantise and compile if need be, and check that the precision is the one asked for."""
        compiled = OpenVinoModule(self._compiled(module))
        if compiled.precision not in ((INT8, INT8_WEIGHTS) if self._int8 else (self._precision,)):
            raise BuildError(
                f"OpenVINO compiled the {module.name} in {compiled.precision}, not in {self._spec.precision} as asked; "
                "set picture.precision to auto"
            )
        return compiled

    def is_made(self, module: Module) -> bool:
        """Compiled, or in the form that is compiled at every start."""
        name, key = self._source_key(module)
        return self._find_compiled(module) is not None or self._store.find(name, key) is not None

    def wearable(self, module: Module, compiled: CompiledModule, room: Room) -> Wearable:  # noqa: ARG002  its input tells
        """Adapters are its last input."""
        return Adaptable(compiled, room)

    def source(self, module: Module) -> Path:
        """The file that is compiled, made now if need be: the export, or the quantised model."""
        if not self._int8:
            return self._store.onnx(module)
        name, key = self._source_key(module)
        return self._store.engine(name, key, partial(self._quantise, module)) / MODEL_FILE

    def _quantise(self, module: Module, folder: Path) -> None:
        task = QuantiseTask(
            onnx=self._store.onnx(module),
            folder=folder,
            name=module.name,
            examples=record(self._spec, self._store),
            device=self._place,
            options=self._options,
        )
        self._store.apart(f"quantising the {module.name}", task)

    def _compiled(self, module: Module) -> Any:
        """As the store keeps it, or made now; what it was made of is not looked at while it is sound."""
        if (kept := self._find_compiled(module)) is not None:
            return self._imported(module, kept / COMPILED_FILE)
        source = self.source(module)
        compiled = self._compile(module, source)
        if "EXPORT_IMPORT" in self._capabilities and _size(source.parent) <= LARGEST_KEPT:

            def make(folder: Path) -> None:
                (folder / COMPILED_FILE).write_bytes(compiled.export_model().getbuffer())

            self._store.engine(*self._compiled_key(module), make)
        return compiled

    def _find_compiled(self, module: Module) -> Path | None:
        return self._store.find(*self._compiled_key(module))

    def _compiled_key(self, module: Module) -> tuple[str, CompiledKey]:
        _, source = self._source_key(module)
        return f"{module.name}-{self._place.lower()}", self._key(module, source=source.digest())

    def _source_key(self, module: Module) -> tuple[str, CompiledKey | ExportKey]:
        if self._int8:
            return f"{module.name}-int8", self._quantised_key(module)
        return module.name, ExportKey.of(module)

    def _imported(self, module: Module, path: Path) -> Any:
        try:
            return self._core.import_model(io.BytesIO(path.read_bytes()), self._place, self._options)
        except RuntimeError as error:
            # sound, as the store says, but OpenVINO knows better what it can still read
            log.warning("%s: OpenVINO cannot read what it wrote (%s); it compiles again", path, error)
            return self._compile(module, self.source(module))

    def _compile(self, module: Module, source: Path) -> Any:
        try:
            return self._core.compile_model(source, self._place, self._options)
        except RuntimeError as error:
            raise BuildError(f"OpenVINO cannot compile the {module.name} ({source}): {error}") from error

    def _quantised_key(self, module: Module) -> CompiledKey:
        return self._key(module, examples=self._examples, quantiser=str(QUANTISER))

    @cached_property
    def _examples(self) -> str:
        return key_of(self._spec).digest()

    def _key(self, module: Module, **options: str) -> CompiledKey:
        told = {name.lower(): str(value) for name, value in self._options.items()}
        all_of_it = {**told, **options, "capabilities": " ".join(self._capabilities)}
        return CompiledKey(
            export=ExportKey.of(module).digest(),
            backend=self.name,
            backend_version=self.version,
            target=self.device,
            precision=INT8 if self._int8 else self._precision,
            options=tuple(sorted(all_of_it.items())),
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
