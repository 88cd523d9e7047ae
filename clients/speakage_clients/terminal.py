"""``speakage watch``: the words, the picture and the timings, live in a terminal; plain lines where it is none.

:class:`Scene` holds what is to be seen and :func:`draw` makes it visible, both without any terminal; :func:`watch` is
the loop around them. It does *not* send anything to the daemon.
"""

from __future__ import annotations

import asyncio
import string
from dataclasses import dataclass, field
from typing import Final

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from speakage_clients.halfblocks import Rgb, half_blocks, to_text
from speakage_clients.sdk import DEFAULT_URL, Disconnected, Image, Message, Session, connect
from speakage_daemon.events import (
    AudioLevel,
    Engines,
    Error,
    ImageCompleted,
    ImageFailed,
    ImageStarted,
    ListeningChanged,
    MicrophoneLost,
    MicrophoneRestored,
    MicrophoneSilent,
    PartialImage,
    RewritingCompleted,
    SessionCreated,
    SpeechLevel,
    SpeechStarted,
    Status,
    Stopped,
    Timings,
    TranscriptionCompleted,
    TranscriptionUpdated,
)

_METER_FLOOR_DBFS: Final = -60.0
_METER_CELLS: Final = 12
_WORDS_ROWS: Final = 6
"""Rows kept for words, caption, meter and troubles."""


@dataclass
class Scene:
    """What a watcher sees. :meth:`apply` is all that changes it."""

    committed: str = ""
    pending: str = ""
    prompt: str = ""
    unknown_words: tuple[str, ...] = ()
    rgb: Rgb | None = None
    caption: str = ""
    listening: str = ""
    level_dbfs: float = _METER_FLOOR_DBFS
    badges: tuple[str, ...] = ()
    trouble: str = ""
    _shown: tuple[Rgb, int, int, Text] | None = field(default=None, repr=False)

    def apply(self, message: Message) -> None:
        """Take in the next message; those that change nothing visible are passed over."""
        match message:
            case SessionCreated():
                self.trouble, self.badges = "", message.badges
                self.listening = _listening(message.listening.listening, message.listening.source)
            case ListeningChanged():
                self.listening = _listening(message.listening, message.source)
            case Status():
                self.badges = message.badges
            case AudioLevel():
                self.level_dbfs = message.rms_dbfs
            case Disconnected(reason=reason) | Stopped(reason=reason) | MicrophoneLost(reason=reason):
                self.trouble = reason
            case MicrophoneSilent(silent=silent):
                self.trouble = "the microphone gives only silence; is it muted?" if silent else ""
            case MicrophoneRestored():
                self.trouble = ""
            case Error() | ImageFailed():
                self.trouble = message.message if isinstance(message, Error) else message.reason
            case _:
                self._apply_words_and_pictures(message)

    def _apply_words_and_pictures(self, message: Message) -> None:
        match message:
            case SpeechStarted():
                self.committed, self.pending = "", ""
            case TranscriptionUpdated():
                self.committed, self.pending = message.committed, message.pending
            case TranscriptionCompleted():
                self.committed, self.pending = message.text, ""
            case ImageStarted():
                self.prompt, self.unknown_words, self.trouble = message.prompt, message.unknown_words, ""
            case Image(event=event):
                self.rgb, self.prompt = message.rgb(), event.prompt
                self.caption = _caption(event)
                if isinstance(event, ImageCompleted):
                    self.unknown_words = event.unknown_words
            case _:
                pass

    def picture(self, columns: int, rows: int) -> Text:
        """The picture in half blocks; computed again only when it or the room for it changed."""
        if self.rgb is None:
            return Text("")
        shown = self._shown
        if shown is None or shown[0] is not self.rgb or shown[1:3] != (columns, rows):
            shown = (self.rgb, columns, rows, to_text(half_blocks(self.rgb, columns, rows)))
            self._shown = shown
        return shown[3]


def draw(scene: Scene, columns: int, rows: int) -> RenderableType:
    """The whole view, for a terminal of this size."""
    words = Text(justify="center", overflow="fold")
    words.append(scene.committed, "bold")
    if scene.committed and scene.pending:
        words.append(" ")
    words.append(scene.pending, "dim")
    parts: list[RenderableType] = [
        Align.center(scene.picture(columns, max(1, rows - _WORDS_ROWS))),
        words,
        Align.center(struck_prompt(scene.prompt, scene.unknown_words)),
        Text(scene.caption, style="dim", justify="center"),
        Align.center(Text.assemble((_meter(scene.level_dbfs), "green"), " ", scene.listening)),
    ]
    troubles = [text for text in (*scene.badges, scene.trouble) if text]
    if troubles:
        parts.append(Text(" · ".join(troubles), style="yellow", justify="center"))
    return Group(*parts)


def struck_prompt(prompt: str, unknown_words: tuple[str, ...]) -> Text:
    """The prompt, with the words that the picture model does not know struck through."""
    unknown = {word.casefold() for word in unknown_words}
    text = Text()
    for number, word in enumerate(prompt.split()):
        if number:
            text.append(" ")
        text.append(word, "strike dim" if word.strip(string.punctuation).casefold() in unknown else "")
    return text


def line(message: Message) -> str | None:
    """The message as one plain line, or ``None`` when it is not worth one."""
    match message:
        case SessionCreated():
            where = _listening(message.listening.listening, message.listening.source)
            return " · ".join([f"connected: {_engines(message.engines)}", where, *message.badges])
        case ListeningChanged():
            return _listening(message.listening, message.source)
        case Status():
            return " · ".join([f"status: {_engines(message.engines)}", *message.badges])
        case TranscriptionCompleted():
            heard = f"heard: {message.text}" if message.text else f"heard nothing certain ({message.reason})"
            return f"{heard} [{message.since_last_voiced_ms:.0f} ms after the last word]"
        case Image(event=event):
            return _image_line(event)
        case ImageFailed(reason=reason):
            return f"not painted: {reason}"
        case RewritingCompleted(outcome="rewritten"):
            return f"rewritten: {message.prompt} [{message.milliseconds:.0f} ms]"
        case RewritingCompleted(chip=chip, reason=reason) if message.outcome != "superseded":
            return f"{chip} ({reason})" if reason else chip
        case MicrophoneLost(reason=reason):
            return f"microphone lost: {reason}"
        case MicrophoneRestored(source=source):
            return f"hearing again: {source}"
        case SpeechLevel(level="too_quiet"):
            return "speech is very quiet here; come closer, or turn the microphone up"
        case SpeechLevel(level="too_loud"):
            return "speech is too loud for the microphone; step back, or turn it down"
        case MicrophoneSilent(silent=True):
            return "the microphone gives only silence; is it muted?"
        case Error():
            return f"error: {message.message}"
        case Stopped(reason=reason) | Disconnected(reason=reason):
            return f"disconnected: {reason}"
        case _:
            return None


def watch(url: str = DEFAULT_URL, *, console: Console | None = None) -> None:
    """Show what the daemon hears and paints until interrupted; raises :class:`ClientError` when there is none."""
    try:
        asyncio.run(watching(url, console or Console()))
    except KeyboardInterrupt:
        return


async def watching(url: str, console: Console, *, reconnect: bool = True) -> None:
    """The same as a coroutine; without ``reconnect`` it ends with the connection."""
    async with connect(url, reconnect=reconnect) as session:
        if console.is_terminal:
            await _watch_live(session, console)
        else:
            async for message in session:
                if (text := line(message)) is not None:
                    console.print(text, markup=False, highlight=False, soft_wrap=True)


async def _watch_live(session: Session, console: Console) -> None:
    scene = Scene()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        async for message in session:
            scene.apply(message)
            live.update(draw(scene, console.width, console.height), refresh=True)


def _engines(engines: Engines) -> str:
    return f"{engines.speech_model} hears, {engines.picture_model} paints on {engines.backend}"


def _listening(listening: bool, source: str) -> str:
    return f"listening to {source}" if listening else f"not listening ({source})"


def _meter(dbfs: float) -> str:
    full = round(_METER_CELLS * (1 - max(_METER_FLOOR_DBFS, min(0.0, dbfs)) / _METER_FLOOR_DBFS))
    return "▮" * full + "▯" * (_METER_CELLS - full)


def _caption(event: PartialImage | ImageCompleted) -> str:
    what = f"step {event.step} of {event.steps}" if isinstance(event, PartialImage) else f"{event.steps} steps, final"
    return " · ".join([what, *_stages(event.timings), event.backend])


def _stages(timings: Timings) -> list[str]:
    named = {
        "words": timings.transcribe_ms,
        "text": timings.encode_prompt_ms,
        "denoise": timings.denoise_ms,
        "decode": timings.decode_ms,
        "image": timings.encode_image_ms,
        "since the last word": timings.since_last_voiced_ms,
    }
    return [f"{name} {value:.0f} ms" for name, value in named.items() if value is not None]


def _image_line(event: PartialImage | ImageCompleted) -> str:
    timings = ", ".join(_stages(event.timings))
    if isinstance(event, PartialImage):
        return f"preview {event.step}/{event.steps}: {event.prompt} [{timings}]"
    unknown = f" (not known: {', '.join(event.unknown_words)})" if event.unknown_words else ""
    where = event.picture.url if event.picture else "not kept"
    return f"painted: {event.prompt}{unknown} [{timings}] {where}"
