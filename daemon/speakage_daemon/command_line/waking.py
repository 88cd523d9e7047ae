"""The commands about wake words: which there are, and how well they are heard here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from speakage_daemon.command_line import ConfigFile, Settings, err, load, out

if TYPE_CHECKING:
    from collections.abc import Callable

    from speakage_daemon.config import HearingSettings
    from speakage_daemon.events import DaemonEvent
    from speakage_engines.api import WakeScore

commands = typer.Typer()
wake_cli = typer.Typer(help="Wake words: which there are, and how well they are heard.", no_args_is_help=True)
commands.add_typer(wake_cli, name="wake")

_BAR: Final = 20
"""Characters of a full score."""
_LICENCES: Final = {"micro": "Apache-2.0", "open": "CC-BY-NC-SA 4.0"}


@wake_cli.command("list")
def show_words() -> None:
    """List the wake words that ship with each engine, with their licence."""
    from speakage_engines import api

    table = Table("engine", "wake words", "licence of the models")
    for engine in ("micro", "open"):
        try:
            found = ", ".join(api.wake_words(engine))
        except api.ModelError as error:
            found = str(error)
        table.add_row(engine, found, _LICENCES[engine])
    out.print(table)


@wake_cli.command("test")
def hear_words(
    file: Annotated[Path | None, typer.Option("--file", help="A recording, instead of the microphone.")] = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Show how much each wake word is heard, live; a line for each time it is. Ctrl-C ends."""
    overrides = {} if file is None else {"hearing.source": f"file:{file}", "hearing.file_pace": "fast"}
    hearing = load(config, settings, overrides).config.hearing
    status = err.status("listening") if err.is_terminal else None
    if status:
        status.start()

    def show(scores: tuple[WakeScore, ...]) -> None:
        if status:
            status.update("   ".join(map(_bar, scores)))

    def tell(seconds: float, heard: WakeScore) -> None:
        out.print(f"{seconds:8.2f} s  {heard.word}  {heard.score:.3f}", highlight=False)

    try:
        best = asyncio.run(_hear(hearing, show, tell))
    finally:
        if status:
            status.stop()
    for score in best:
        out.print(f"best of {score.word}: {score.score:.3f}; heard above {score.threshold:.2f}", highlight=False)


async def _hear(
    settings: HearingSettings, show: Callable[[tuple[WakeScore, ...]], None], tell: Callable[[float, WakeScore], None]
) -> tuple[WakeScore, ...]:
    """Hear until the source ends; the best score of every word."""
    from speakage_daemon import app
    from speakage_daemon.errors import ConfigError
    from speakage_daemon.hearing.wake import WakeGate
    from speakage_engines import api

    detector = api.load_wake_words(app.wake_spec(settings))
    source = app.open_source(settings, _complain)
    if source is None:
        raise ConfigError("hearing.source is none: nothing is heard; give --file, or set it to microphone")
    gate = WakeGate("word", app.wake_times(settings))
    best: tuple[WakeScore, ...] = ()
    async for frame in source.frames():
        scores = detector.feed(frame.pcm)
        best = tuple(max(pair, key=lambda one: one.score) for pair in zip(best or scores, scores, strict=True))
        show(scores)
        end = frame.sample + api.FRAME_SAMPLES
        for score in scores:
            if score.heard and gate.wake(score.word, end):
                tell(end / api.SAMPLE_RATE, score)
    return best


def _complain(event: DaemonEvent) -> None:
    from speakage_daemon.events import MicrophoneLost

    if isinstance(event, MicrophoneLost):
        err.print(event.reason)


def _bar(score: WakeScore) -> str:
    full = round(score.score * _BAR)
    colour = "green" if score.heard else "dim"
    return f"{score.word} [{colour}]{'█' * full}{'·' * (_BAR - full)}[/] {score.score:.2f}"
