"""Attends a daemon until all that was said is painted, and prints what it took: one row a picture.

"First preview" and "final pixels" are measured by the daemon from the last voiced sample it heard (milliseconds);
final pixels are the first image whose RGB hash is the final picture's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from speakage_clients.sdk import Image, Message, connect
from speakage_daemon.events import (
    ImageCompleted,
    ImageFailed,
    ImageSuperseded,
    ListeningChanged,
    PartialImage,
    Picture,
    RewritingCompleted,
    RewritingStarted,
    SpeechStarted,
    Timings,
    TranscriptionCompleted,
    TranscriptionUpdated,
)

TYPED = 0
"""Stands for the one typed prompt, whose number is not known beforehand."""


@dataclass(slots=True, kw_only=True)
class Row:
    """One finished picture."""

    words: str
    prompt: str
    unknown_words: tuple[str, ...]
    steps: int
    promoted: bool
    picture: Picture | None
    first_preview: Timings | None
    final_pixels: Timings
    failure: str | None = None


@dataclass(slots=True)
class Report:
    """What was painted, in the order of its completion."""

    rows: list[Row] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unpainted: list[str] = field(default_factory=list)
    """Utterances without words, and why."""


class _Ledger:
    """Which utterances still owe a picture, and which previews came first."""

    def __init__(self, report: Report, *, typed: bool) -> None:
        self._report = report
        self._typed = typed
        self._owed: set[int] = {TYPED} if typed else set()
        self._words: set[int] = set()
        self._hearing_over = typed
        self._previews: dict[int, list[PartialImage]] = {}
        self._rewritten: dict[int, float] = {}
        """Utterance → the revision that its final picture will be, where a prompt is rewritten."""

    @property
    def settled(self) -> bool:
        return self._hearing_over and not self._owed and not self._words

    def note(self, message: Message) -> None:
        match message:
            case SpeechStarted(utterance=number):
                self._words.add(number)
            case TranscriptionCompleted(utterance=number, text=text, reason=reason):
                self._words.discard(number)
                if text:
                    self._owed.add(number)
                else:
                    self._report.unpainted.append(reason or "no words")
            case ListeningChanged(source="none"):
                self._hearing_over = True
            case Image(event=PartialImage() as preview):
                self._previews.setdefault(preview.utterance, []).append(preview)
            case Image(event=ImageCompleted() as final):
                self._complete(final)
            case ImageFailed(utterance=number, reason=reason):
                self._report.failures.append(reason)
                self._settle(number)
            case RewritingStarted(utterance=number):
                self._rewritten[number] = math.inf
            case RewritingCompleted(utterance=number, revision=revision):
                self._rewritten[number] = revision
            case ImageSuperseded(utterance=number, revision=revision) if number not in self._words:
                # what was painted at the pause gives way to the rewritten one
                if revision >= self._rewritten.get(number, 0):
                    self._settle(number)
            case _:
                pass

    def _complete(self, final: ImageCompleted) -> None:
        previews = [shown for shown in self._previews.get(final.utterance, []) if shown.revision == final.revision]
        same = next((shown.timings for shown in previews if shown.sha256 == final.sha256), final.timings)
        self._report.rows.append(
            Row(
                words=final.transcript,
                prompt=final.prompt,
                unknown_words=final.unknown_words,
                steps=final.steps,
                promoted=final.promoted,
                picture=final.picture,
                first_preview=previews[0].timings if previews else None,
                final_pixels=same,
            )
        )
        self._settle(final.utterance)

    def _settle(self, number: int) -> None:
        self._owed.discard(TYPED if self._typed else number)


async def attend(
    address: str, prompt: str | None, attended: asyncio.Event, tell: Callable[[str], None] = lambda _: None
) -> Report:
    """Connect, set ``attended``, and stay until nothing is owed any more; a ``prompt`` is sent first.

    ``tell`` is given one line, with rich's markup, whenever there is something new to show.
    """
    report = Report()
    ledger = _Ledger(report, typed=prompt is not None)
    async with connect(address) as session:
        attended.set()
        if prompt is not None:
            await session.prompt(prompt)
        async for message in session:
            ledger.note(message)
            if (line := _progress(message)) is not None:
                tell(line)
            if ledger.settled:
                break
    return report


def show(report: Report, console: Console, title: str) -> None:
    """Print the table, and what went wrong."""
    console.print(f"[bold]{title}[/]: milliseconds since the last voiced sample, and of work by stage")
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("painted", min_width=22)
    for heading in ("steps", "first\npreview", "final\npixels"):
        table.add_column(heading, justify="right")
    for heading in ("text", "denoise", "decode"):
        table.add_column(heading, justify="right", style="dim")
    table.add_column("pro-\nmoted")
    for row in report.rows:
        first = row.first_preview or row.final_pixels
        table.add_row(
            _said(row),
            str(row.steps),
            _ms(_elapsed(first)),
            _ms(_elapsed(row.final_pixels)),
            _ms(row.final_pixels.transcribe_ms),
            _ms(row.final_pixels.denoise_ms),
            _ms(row.final_pixels.decode_ms),
            "yes" if row.promoted else "no",
        )
    console.print(table)
    for failure in report.failures:
        console.print(f"[red]not painted:[/] {failure}", highlight=False)
    for reason in report.unpainted:
        console.print(f"[yellow]an utterance without words:[/] {reason}", highlight=False)


def _progress(message: Message) -> str | None:
    """What goes on, in one line."""
    match message:
        case ListeningChanged(source=source) if source != "none":
            return f"[dim]hearing {escape(source)} …[/]"
        case TranscriptionUpdated(committed=committed, pending=pending):
            return f"[bold]{escape(committed)}[/] [dim]{escape(pending)}[/]"
        case Image(event=PartialImage(prompt=prompt, step=step, steps=steps)):
            return f"painting [bold]{escape(prompt)}[/] {step}/{steps}"
        case _:
            return None


def _said(row: Row) -> Text:
    """The prompt, with the words that the model does not know struck through; what was heard, where it differs."""
    unknown = {strange.casefold() for strange in row.unknown_words}
    text = Text()
    for word in row.prompt.split():
        text.append(word, "strike dim" if word.strip(".,;:!?").casefold() in unknown else "").append(" ")
    if row.words.casefold() != row.prompt.casefold():
        text.append(f"\n“{row.words}”", "dim italic")
    return text


def _elapsed(timings: Timings) -> float | None:
    """Since the last voiced sample; for typed prompts, since the request."""
    return timings.total_ms if timings.since_last_voiced_ms is None else timings.since_last_voiced_ms


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
