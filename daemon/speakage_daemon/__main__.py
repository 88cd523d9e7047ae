"""The `speakage` command: puts the commands together, and makes one sentence of what a person can mend."""

from __future__ import annotations

import os
import sys
from typing import Final

import typer

from speakage_daemon.command_line import (
    benching,
    building,
    converting,
    engines,
    err,
    evaluating,
    looking,
    painting,
    training,
    waking,
)
from speakage_daemon.errors import ConfigError, SpeakageError
from speakage_engines.telemetry import switch_off_telemetry

EX_CONFIG: Final = 78
"""sysexits.h: nothing will be better after a restart."""

cli = typer.Typer(
    name="speakage",
    help="Say it, and watch it appear.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(painting.commands)
cli.add_typer(looking.commands)
cli.add_typer(waking.commands)
cli.add_typer(building.commands)
cli.add_typer(benching.commands)
cli.add_typer(engines.commands)
cli.add_typer(training.commands)
cli.add_typer(evaluating.commands)
cli.add_typer(converting.commands)


def main() -> None:
    """The `speakage` command: one sentence on standard error instead of a traceback for what a person can mend."""
    # speech, painting and whatever else runs share the cores: threads that wait must not spin, or each slows the
    # others many times over. Read by the OpenMP runtimes when they are loaded, so before anything else is.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    switch_off_telemetry()
    try:
        cli(standalone_mode=True)
    except BaseExceptionGroup as group:
        _end(_first(group))
    except Exception as error:  # noqa: BLE001  the process's border: known errors become a sentence, others are raised
        _end(error)


def _end(error: BaseException) -> None:
    from speakage_engines.api import EngineError, ModelError

    if isinstance(error, KeyboardInterrupt):
        sys.exit(130)
    if not isinstance(error, SpeakageError | EngineError):
        raise error
    err.print(f"[bold red]speakage:[/] {error}", highlight=False, soft_wrap=True)
    sys.exit(EX_CONFIG if isinstance(error, ConfigError | ModelError) else 1)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first leaf: a TaskGroup cancels the rest because of it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    main()
