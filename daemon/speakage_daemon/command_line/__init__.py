"""What all commands share: options, the two consoles, the configuration, the log, and the progress bar.

The modules of this package are the command line, cut by what a person does; :mod:`speakage_daemon.__main__` puts them
together. Only they may import any root, and they do so when a command needs it: `speakage devices` must not wait for
torch.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer
from rich.console import Console

from speakage_daemon.errors import ConfigError

if TYPE_CHECKING:
    from speakage_daemon.config import Loaded

out = Console()
err = Console(stderr=True)

ConfigFile = Annotated[Path | None, typer.Option("--config", help="Configuration file.", show_default=False)]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one key, like picture.steps=4.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")]


def load(file: Path | None, settings: list[str] | None, overrides: dict[str, Any]) -> Loaded:
    """The configuration from all its sources; raises :class:`ConfigError`."""
    from speakage_daemon import config as configuration

    flags = {key: str(value) for key, value in overrides.items() if value is not None}
    for setting in settings or []:
        key, separator, value = setting.partition("=")
        if not separator:
            raise ConfigError(f"--set {setting}: write it as KEY=VALUE, like --set picture.steps=4")
        flags[key.strip()] = value.strip()
    return configuration.load(file, flags)


def log(verbose: bool, level: int = logging.INFO) -> None:
    """Log to standard error, what matters to a person."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else level,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in (
        "uvicorn",
        "httpx2",
        "httpcore2",
        "urllib3",
        "torch",
        "onnxscript",
        "onnx_ir",
        "faster_whisper",
        "asyncio",
        "PIL",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class Bar:
    """Shows the work before the daemon is ready, and then what goes on; nothing where there is no terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
        self._task = self._progress.add_task("loading the models", total=1.0)
        self._logged = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def load(self, what: str, done: float) -> None:
        """An :class:`speakage_engines.api.Progress`."""
        self._progress.update(self._task, description=what, completed=done)
        line = f"{what} ({done * 100:.0f} %)"
        if line != self._logged:
            logging.getLogger("speakage").info(line)
        self._logged = line

    def ready(self, message: str) -> None:
        """The bar has done its work; the message stays."""
        self._progress.stop()
        out.print(message, highlight=False)

    def tell(self, line: str) -> None:
        """What goes on, in one line."""
        self._progress.update(self._task, description=line, total=None)
