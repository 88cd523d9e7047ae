"""The commands that hear and paint: run, demo, say, listen, watch."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speakage_daemon.command_line import Bar, ConfigFile, Settings, Verbose, err, load, log, out
from speakage_daemon.errors import SpeakageError

if TYPE_CHECKING:
    from speakage_daemon.config import GallerySettings, Loaded

commands = typer.Typer()


@commands.command()
def run(
    config: ConfigFile = None,
    settings: Settings = None,
    port: Annotated[int | None, typer.Option(help="TCP port of the display.")] = None,
    source: Annotated[str | None, typer.Option(help="microphone, none, stdin or file:PATH.")] = None,
    mode: Annotated[str | None, typer.Option(help="open, push, word or phrase.")] = None,
    tls: Annotated[str | None, typer.Option(help="off or self-signed.")] = None,
    verbose: Verbose = False,
) -> None:
    """Be the daemon: hear the microphone, paint, serve the display."""
    from speakage_daemon import service

    log(verbose)
    overrides = {"server.port": port, "hearing.source": source, "hearing.mode": mode, "server.tls": tls}
    loaded = load(config, settings, overrides)
    with Bar() as bar:
        asyncio.run(service.run(loaded.config, bar.ready, bar.load))
    service.leave()


@commands.command()
def demo(
    config: ConfigFile = None,
    settings: Settings = None,
    pictures: Annotated[Path, typer.Option("--out", help="Where the pictures go.")] = Path("demo-pictures"),
    verbose: Verbose = False,
) -> None:
    """Hear a shipped recording as a microphone would, and paint it."""
    log(verbose, logging.WARNING)
    recording = _samples() / "three-sentences.flac"
    overrides = {
        "hearing.source": f"file:{recording}",
        "gallery.folder": pictures,
        "server.port": 0,
        "server.tls": "off",
    }
    out.print(f"Hearing [bold]{recording.name}[/] in real time, as a microphone would …")
    _perform(load(config, settings, overrides), None, "demo")


@commands.command()
def say(
    what: Annotated[str, typer.Argument(metavar="FILE-OR-TEXT", help="A recording, or a sentence to paint.")],
    config: ConfigFile = None,
    settings: Settings = None,
    pictures: Annotated[Path | None, typer.Option("--out", help="Where the pictures go.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Hear a recording as fast as possible.")] = False,
    verbose: Verbose = False,
) -> None:
    """Paint a recording or a sentence, and save the pictures."""
    log(verbose, logging.WARNING)
    is_file = Path(what).exists() or Path(what).suffix.lower() in {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}
    overrides: dict[str, Any] = {
        "hearing.source": f"file:{what}" if is_file else "none",
        "hearing.file_pace": "fast" if fast else None,
        "gallery.folder": pictures,
        "server.port": 0,
        "server.tls": "off",
    }
    _perform(load(config, settings, overrides), None if is_file else what, "say")


@commands.command()
def listen(
    recording: Annotated[str | None, typer.Argument(metavar="[FILE]", help="Else the configured source.")] = None,
    config: ConfigFile = None,
    settings: Settings = None,
    verbose: Verbose = False,
) -> None:
    """Print the words of a recording or of the microphone; paint nothing."""
    from speakage_daemon import app
    from speakage_daemon.events import DaemonEvent, MicrophoneLost, TranscriptionCompleted, TranscriptionUpdated

    log(verbose, logging.WARNING)
    overrides = {"hearing.source": f"file:{recording}", "hearing.file_pace": "fast"} if recording else {}
    status = err.status("listening") if err.is_terminal else None

    def show(event: DaemonEvent) -> None:
        match event:
            case TranscriptionUpdated(committed=committed, pending=pending) if status:
                status.update(f"[bold]{committed}[/] [dim]{pending}[/]")
            case TranscriptionCompleted(text=text) if text:
                sys.stdout.write(text + "\n")
                sys.stdout.flush()
            case MicrophoneLost(reason=reason):
                err.print(reason)
            case _:
                pass

    loaded = load(config, settings, overrides)
    if status:
        status.start()
    try:
        asyncio.run(app.listen(loaded.config, show))
    finally:
        if status:
            status.stop()


@commands.command()
def watch(
    url: Annotated[str, typer.Argument(help="Address of a daemon.")] = "ws://127.0.0.1:8787",
) -> None:
    """Watch a daemon in the terminal: the words, the timings and the picture."""
    from speakage_clients import terminal

    terminal.watch(url)


def _perform(loaded: Loaded, prompt: str | None, title: str) -> None:
    """Run the whole daemon with a client inside, until all that was said is painted; then print the report."""
    from speakage_clients import report
    from speakage_daemon import app

    async def perform() -> report.Report:
        addresses: asyncio.Queue[str] = asyncio.Queue()
        attended = asyncio.Event()

        async def ready(address: str) -> None:
            addresses.put_nowait(address)
            await attended.wait()

        async with asyncio.TaskGroup() as tasks:
            daemon = tasks.create_task(app.run(loaded.config, ready, bar.load))
            written = await report.attend(await addresses.get(), prompt, attended, bar.tell)
            daemon.cancel()
        return written

    with Bar() as bar:
        written = asyncio.run(perform())
    report.show(written, out, title)
    _name_pictures(loaded.config.gallery, [row.picture.id for row in written.rows if row.picture])
    if not written.rows:
        err.print("Nothing was painted.")
        raise typer.Exit(1)


def _name_pictures(settings: GallerySettings, numbers: list[int]) -> None:
    from speakage_daemon.gallery import Gallery

    gallery = Gallery.open(settings)
    try:
        for number in numbers:
            if path := gallery.png_path(number):
                out.print(f"saved {path}", highlight=False, soft_wrap=True)
    finally:
        gallery.close()


def _samples() -> Path:
    """The recordings that ship: beside the packages in a source tree, inside the package in a wheel."""
    here = Path(__file__).parent
    for folder in (here.parents[2] / "samples", here.parent / "samples"):
        if folder.is_dir():
            return folder
    raise SpeakageError("the sample recordings are not installed; use `speakage say FILE` with one of your own")
