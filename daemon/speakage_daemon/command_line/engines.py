"""The commands that keep the engine store: speakage engines list | verify | prune. None of them makes an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from speakage_daemon.command_line import ConfigFile, Settings, err, load, log, out

if TYPE_CHECKING:
    from speakage_engines.compile.store import EngineStore, Kept

engines = typer.Typer(help="What was exported and compiled: look, check, clear away.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(engines, name="engines")

SHOWN_DIGITS = 8
"""Of a key; the whole of it is in the folder's name."""


@engines.command("list")
def list_engines(config: ConfigFile = None, settings: Settings = None) -> None:
    """List the engines; nothing is checked but what each says of itself."""
    store = _store(config, settings)
    kept = store.kept()
    modules = {found.digest: found.key.get("module", "") for engine in kept if (found := engine.description)}
    table = Table("name", "key", "MB", "made", "backend", "precision", "module")
    for engine in kept:
        table.add_row(*_row(engine, modules))
    out.print(table)
    _total(store, kept)


@engines.command()
def verify(config: ConfigFile = None, settings: Settings = None) -> None:
    """Read every file again and compare; exits with 1 when an engine is damaged."""
    from speakage_engines.compile.store import fault

    store = _store(config, settings)
    kept, damaged = store.kept(), 0
    with err.status("verifying") as status:
        for engine in kept:
            status.update(f"verifying {engine.folder.name}")
            if wrong := fault(engine.folder):
                damaged += 1
                err.print(f"{engine.folder}: {wrong}", highlight=False, soft_wrap=True)
    _total(store, kept)
    if damaged:
        err.print(
            f"{damaged} of {len(kept)} are damaged and will not be used: `speakage engines prune` removes them, and "
            "each is made again when it is next asked for",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(1)
    out.print("all of them are as they were written", highlight=False)


@engines.command()
def prune(
    everything: Annotated[bool, typer.Option("--all", help="Remove every engine, sound ones too.")] = False,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Remove what is damaged, half done, or exported by what is no longer installed. Waits for one being made."""
    log(verbose=False)
    removed = _store(config, settings).prune(everything=everything)
    for engine in removed:
        out.print(f"removed {engine.name}: {engine.reason}", highlight=False, soft_wrap=True)
    freed = _megabytes(sum(engine.size for engine in removed))
    out.print(f"{len(removed)} removed, {freed} MB freed", highlight=False)


def _store(config: ConfigFile, settings: Settings) -> EngineStore:
    from speakage_engines.compile.store import EngineStore

    return EngineStore(load(config, settings, {}).config.models.engines)


def _row(engine: Kept, modules: dict[str, Any]) -> tuple[str, ...]:
    """An export computes in what the backend that reads it is told to; a plan says of which export it was made."""
    size, described = _megabytes(engine.size), engine.description
    if described is None:
        return (engine.folder.name, "", size, "", "", "", "damaged")
    key, export = described.key, "exporter" in described.key
    return tuple(
        str(cell)
        for cell in (
            described.name,
            described.digest[:SHOWN_DIGITS],
            size,
            described.made,
            _exported(key) if export else f"{key.get('backend', '')} {_released(key)}",
            "fp32" if export else _precision(key),
            key.get("module", "") if export else modules.get(key.get("export", ""), ""),
        )
    )


def _exported(key: dict[str, Any]) -> str:
    """Examples are no engine, but of the same exporter as those that are measured by them."""
    return "ONNX export" if "module" in key else "examples"


def _released(key: dict[str, Any]) -> str:
    """The version without the build that it came from."""
    return str(key.get("backend_version", "")).partition("-")[0]


def _precision(key: dict[str, Any]) -> str:
    """With the card that it is for; what OpenVINO compiled is for this machine."""
    precision = str(key.get("precision", ""))
    return precision if key.get("backend") == "openvino" else f"{precision} for {key.get('target', '')}"


def _total(store: EngineStore, kept: list[Kept]) -> None:
    megabytes = _megabytes(sum(engine.size for engine in kept))
    out.print(f"{len(kept)} engines, {megabytes} MB in {store.folder}", highlight=False, soft_wrap=True)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"
