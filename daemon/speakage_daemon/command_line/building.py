"""The command that builds engines before they are needed, for this machine or for another one's card."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from speakage_daemon.command_line import Bar, ConfigFile, Settings, Verbose, load, log, out
from speakage_daemon.errors import SpeakageError

if TYPE_CHECKING:
    from speakage_engines.api import PictureSpec, PrecisionName
    from speakage_engines.compile.module import Module
    from speakage_engines.compile.parity import Parity
    from speakage_engines.compile.store import EngineStore

commands = typer.Typer()

PARITY = ("computes in", "cosine", "PSNR dB", "SSIM")
"""Against torch in fp32: the worst of a few calls."""


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
    int8 = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An engine, and how near it came to torch."""

    folder: Path
    parity: Parity | None
    """None where it cannot run here, and so cannot be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """How an engine comes to be, and for what."""

    target: str
    make: Callable[[Module], Made]


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
    precision: Annotated[Precision, typer.Option(help="fp16 is for tensorrt, int8 for openvino.")] = Precision.auto,
    verbose: Verbose = False,
) -> None:
    """Build the engines of a picture model; those that are there already are kept.

    Each is compared with torch in fp32, and refused where it is too far from it.
    """
    from speakage_daemon import app
    from speakage_engines.compile.store import EngineStore

    log(verbose, logging.WARNING)
    loaded = load(config, settings, {"picture.model": model, "picture.size": size}).config
    spec = app.picture_spec(loaded)
    table = Table("engine", "for", "MB", "s", *PARITY)
    folders = []
    with Bar() as bar:
        store = EngineStore(spec.engines_folder, bar.load, spec.build_memory)
        maker = _maker(backend, precision, target, store, spec)
        with store.building():
            # adapters shape what is compiled by the one and not by the other
            for module in _modules(dataclasses.replace(spec, backend=backend.value)):
                began = time.perf_counter()
                made = maker.make(module)
                seconds = time.perf_counter() - began
                megabytes = f"{_bytes(made.folder) / 1e6:.1f}"
                table.add_row(module.name, maker.target, megabytes, f"{seconds:.1f}", *_parity(made.parity))
                folders.append(made.folder)
    out.print(table)
    for folder in folders:
        out.print(folder, highlight=False, soft_wrap=True)


def _maker(backend: Backend, precision: Precision, target: str, store: EngineStore, spec: PictureSpec) -> Maker:
    if backend is Backend.tensorrt:
        return _tensorrt(precision, target, store, spec)
    if precision is Precision.fp16:
        raise SpeakageError("--precision fp16 is for --backend tensorrt; openvino computes in fp32, bf16 or int8")
    if target != "current":
        raise SpeakageError(f"--target {target} is for --backend tensorrt; openvino builds for the machine it is on")
    names: dict[Precision, PrecisionName] = {
        Precision.auto: "auto", Precision.fp32: "fp32", Precision.bf16: "bf16", Precision.int8: "int8"
    }  # fmt: skip
    return _openvino(dataclasses.replace(spec, backend="openvino", precision=names[precision]), store)


def _tensorrt(precision: Precision, target: str, store: EngineStore, spec: PictureSpec) -> Maker:
    from speakage_engines.compile.backends.tensorrt import TensorRtBackend, TensorRtSettings

    names: dict[Precision, Literal["auto", "fp32", "fp16", "bf16"]] = {
        Precision.auto: "auto", Precision.fp32: "fp32", Precision.fp16: "fp16", Precision.bf16: "bf16"
    }  # fmt: skip
    if precision not in names:
        raise SpeakageError("--precision int8 is for --backend openvino; tensorrt computes in fp32, fp16 or bf16")
    plans = TensorRtBackend(names[precision], store, TensorRtSettings.of(spec, target))
    return Maker(target=plans.target, make=lambda module: Made(folder=plans.build(module), parity=None))


def _openvino(spec: PictureSpec, store: EngineStore) -> Maker:
    from speakage_engines.compile.backends.openvino import OpenVinoBackend
    from speakage_engines.compile.examples import read, record
    from speakage_engines.compile.parity import check, measure

    compiler = OpenVinoBackend(spec, store)

    def make(module: Module) -> Made:
        examples = read(record(spec, store), module.name)
        parity = measure(module.name, "openvino", compiler.compile(module), examples.parity)
        check(parity)
        return Made(folder=compiler.source(module).parent, parity=parity)

    return Maker(target=compiler.device, make=make)


def _parity(parity: Parity | None) -> tuple[str, ...]:
    """Cells of the columns of the gate."""
    if parity is None:
        return ("", "not run: no card", "", "")
    similar = "" if parity.ssim is None else f"{parity.ssim:.4f}"
    return (parity.precision, f"{parity.cosine:.6f}", f"{parity.psnr:.1f}", similar)


def _modules(spec: PictureSpec) -> list[Module]:
    """What the picture model is made of, in the order in which it runs."""
    from speakage_engines.diffusion.blueprint import draw_up

    return draw_up(spec).all_modules


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
