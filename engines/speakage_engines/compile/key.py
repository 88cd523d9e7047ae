"""The engine key: everything that shapes the result of a compiled network, and its digest.

Two engines with the same key give the same numbers; anything that may change them has a field here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from speakage_engines.compile.module import Input, Module

WRAPPERS: Final = 2
"""Raised when what :mod:`speakage_engines.diffusion.modules` wraps around the networks computes something else."""
_EXPORTER: Final = ("torch", "onnx", "onnxscript", "diffusers", "transformers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportKey:
    """What shapes an ONNX export."""

    module: str
    weights: str
    inputs: tuple[Input, ...]
    precision: str
    room: str
    """For adapters."""
    exporter: str

    @classmethod
    def of(cls, module: Module) -> ExportKey:
        """The key of a module exported by what is installed now."""
        return cls(
            module=module.name,
            weights=module.weights,
            inputs=module.inputs,
            precision=module.precision,
            room=module.room,
            exporter=exporter(),
        )

    def digest(self) -> str:
        """32 hexadecimal digits."""
        return digest_of(dataclasses.asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledKey:
    """What shapes a plan that a backend makes from an export and the store keeps."""

    export: str
    """Digest of the export's key."""
    backend: str
    backend_version: str
    target: str
    """What it is made for, as the backend names it: a device, or a compute capability like ``sm89``."""
    precision: str
    """As asked for; what came of it is read back from what is loaded."""
    options: tuple[tuple[str, str], ...] = ()
    """Whatever else the backend was told, as names and values in the order of the names."""

    def digest(self) -> str:
        """32 hexadecimal digits."""
        return digest_of(dataclasses.asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplesKey:
    """What shapes the examples that a model's compiled networks are measured by."""

    model: str
    """SHA-256 of all its files."""
    size: int
    guidance: float
    steps: int
    """As asked for, like both before."""
    adapters: tuple[str, ...]
    """SHA-256 and scale of each that the model is loaded with."""
    adapter_rank: int
    version: int
    """Of the prompts, and of what is made of them."""
    exporter: str
    """Versions of all that defines the networks."""

    def digest(self) -> str:
        """32 hexadecimal digits."""
        return digest_of(dataclasses.asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineKey:
    """What shapes the pictures of a compiled model, apart from the request."""

    exports: tuple[str, ...]
    """Digests of the export keys, in order: text encoders, denoiser, decoders, encoder."""
    scheduler: str
    """Its configuration as JSON."""
    tokenizers: tuple[str, ...]
    """SHA-256 of each one's files, in the order of the text encoders."""
    guidance: float
    adapters: tuple[str, ...]
    """SHA-256 and scale of each that is worn, in order."""
    zeros_for_empty: bool
    """What stands for an empty negative prompt: zeros, or its own states."""
    backend: str
    backend_version: str
    device: str
    precision: str
    """As read back from the compiled denoiser."""

    def digest(self) -> str:
        """32 hexadecimal digits."""
        return digest_of(dataclasses.asdict(self))


def weights_digest(paths: Iterable[Path]) -> str:
    """SHA-256 over the names and contents of files, in the order of their names."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.name.encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def exporter() -> str:
    """Versions of all that writes an export or defines its network."""
    return " ".join([*(f"{name} {version(name)}" for name in _EXPORTER), f"wrappers {WRAPPERS}"])


def digest_of(fields: Mapping[str, Any]) -> str:
    """32 hexadecimal digits for a key's fields, the same whether they come from the key or were read from JSON."""
    text = json.dumps(fields, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
