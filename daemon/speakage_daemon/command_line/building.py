"""The command that builds engines before they are needed, for this machine or for another one's card."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from speakage_daemon.command_line import Bar, ConfigFile, Settings, Verbose, load, log, out
from speakage_daemon.errors import SpeakageError

if TYPE_CHECKING:
    from speakage_engines.api import PictureSpec, PrecisionName
    from speakage_engines.compile.module import Module
    from speakage_engines.compile.store import EngineStore

commands = typer.Typer()


class Backend(StrEnum):
    """Those that build."""

    openvino = "openvino"
    tensorrt = "tensorrt"


class Precision(StrEnum):
    """What the engines compute in."""

    auto = "auto"
    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """How an engine comes to be, and for what."""

    target: str
    make: Callable[[Module], Path]
    """Gives the folder that it lies in."""


@commands.command()
def build(
    config: ConfigFile = None,
    settings: Settings = None,
    backend: Annotated[Backend, typer.Option(help="What will run them.")] = Backend.tensorrt,
    target: Annotated[
        str, typer.Option(help="The card to build for, by TensorRT: current, sm75, sm80, sm86, sm89, sm120 or sm121.")
    ] = "current",
    model: Annotated[str | None, typer.Option(help="auto, embedded, a name of `speakage models`, or a folder.")] = None,
    size: Annotated[int | None, typer.Option(help="Pixels on each side; else the model's own.")] = None,
    precision: Annotated[Precision, typer.Option(help="fp16 is for tensorrt only.")] = Precision.auto,
    verbose: Verbose = False,
) -> None:
    """Build the engines of a picture model; those that are there already are kept."""
    from speakage_daemon import app
    from speakage_engines.compile.store import EngineStore

    log(verbose, logging.WARNING)
    loaded = load(config, settings, {"picture.model": model, "picture.size": size}).config
    spec = app.picture_spec(loaded)
    table = Table("engine", "for", "MB", "s")
    folders = []
    with Bar() as bar:
        store = EngineStore(spec.engines_folder, bar.load)
        maker = _maker(backend, precision, target, store, spec)
        with store.building():
            for module in _modules(spec):
                began = time.perf_counter()
                folder = maker.make(module)
                seconds = time.perf_counter() - began
                table.add_row(module.name, maker.target, f"{_bytes(folder) / 1e6:.1f}", f"{seconds:.1f}")
                folders.append(folder)
    out.print(table)
    for folder in folders:
        out.print(folder, highlight=False, soft_wrap=True)


def _maker(backend: Backend, precision: Precision, target: str, store: EngineStore, spec: PictureSpec) -> Maker:
    if backend is Backend.tensorrt:
        from speakage_engines.compile.backends.tensorrt import TensorRtBackend, TensorRtSettings
        from speakage_engines.compile.tensorrt_build import PlanOptions

        plans = TensorRtBackend(precision.value, store, TensorRtSettings(plan=PlanOptions(target=target)))
        return Maker(target=plans.target, make=plans.build)
    names: dict[Precision, PrecisionName] = {Precision.auto: "auto", Precision.fp32: "fp32", Precision.bf16: "bf16"}
    if precision not in names:
        raise SpeakageError("--precision fp16 is for --backend tensorrt; openvino computes in fp32 or bf16")
    if target != "current":
        raise SpeakageError(f"--target {target} is for --backend tensorrt; openvino builds for the machine it is on")
    from speakage_engines.compile.backends import open_backend

    compiler = open_backend("openvino", names[precision], spec.threads, store)

    def make(module: Module) -> Path:
        compiler.compile(module)
        return store.onnx(module).parent

    return Maker(target=compiler.device, make=make)


def _modules(spec: PictureSpec) -> list[Module]:
    """What the picture model is made of, in the order in which it runs."""
    from speakage_engines.api import ModelError
    from speakage_engines.diffusion import folder as parts
    from speakage_engines.models import resolve_picture

    folder = parts.read_folder(resolve_picture(spec).path)
    size = spec.size or folder.size
    if size % folder.multiple:
        raise ModelError(f"picture.size is {size}; this model takes multiples of {folder.multiple}")
    guidance = folder.guidance if spec.guidance < 0 else spec.guidance
    modules = [parts.text_encoder(folder), parts.denoiser(folder, size, 2 if guidance > 1 else 1)]
    decoders = (parts.decoder(folder, size), parts.tiny_decoder(folder, size))
    return modules + [module for module in decoders if module is not None]


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
