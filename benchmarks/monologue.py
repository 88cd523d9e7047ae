"""Someone who never stops: what a tick costs, and whether the words fall behind.

* A tick transcribes what was heard so far. On buffers of 3 s: our ``ShortContextWhisper`` against
  ``WhisperModel.transcribe`` with its own 30 s padding, same model, in turn.
* A monologue of sentences with 150 ms between them, too short for a pause, so that utterances end by their length. It
  goes in real time through the source, detector, segmenter and transcriber of the daemon; nothing is painted. Lag is
  counted on the recording's own clock, from the moment that a sample was due to be heard, so that sound which waits to
  be heard counts too.

See ``speech_set`` for the sentences.

Run: ``python benchmarks/monologue.py [--minutes 10] [--buffers 40] [--json PATH]``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table
from short_context import OURS, PADDED, PADDED_GREEDY, ours, padded
from speech_set import at_our_rate, make
from voice_to_picture import last_voiced_s

from speakage_daemon import app, config
from speakage_daemon.events import (
    DaemonEvent,
    ListeningChanged,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionUpdated,
)
from speakage_engines.api import SAMPLE_RATE, Samples

BUFFER_S: Final = 3
GAP_S: Final = 0.15
WANTED: Final = 6
"""How many times cheaper a tick should be."""


def monologue(seconds: float) -> Samples:
    """Sentence after sentence, the set again and again."""
    gap = np.zeros(int(GAP_S * SAMPLE_RATE), np.int16)
    spoken = []
    for recording in make():
        pcm = at_our_rate(recording)
        spoken += [pcm[: int(last_voiced_s(pcm, SAMPLE_RATE) * SAMPLE_RATE)], gap]
    once = np.concatenate(spoken)
    wanted = int(seconds * SAMPLE_RATE)
    return np.tile(once, -(-wanted // len(once)))[:wanted]


def ticks(sound: Samples) -> dict[str, list[float]]:
    """Milliseconds for each buffer of ``sound``, by ears."""
    ears = {OURS: ours(), PADDED_GREEDY: padded(1), PADDED: padded(5)}
    took: dict[str, list[float]] = {name: [] for name in ears}
    for hear in ears.values():
        hear(sound[: BUFFER_S * SAMPLE_RATE])
    for start in range(0, len(sound), BUFFER_S * SAMPLE_RATE):
        for name, hear in ears.items():
            began = time.perf_counter()
            hear(sound[start : start + BUFFER_S * SAMPLE_RATE])
            took[name].append((time.perf_counter() - began) * 1e3)
    return took


@dataclass(slots=True)
class Lags:
    """What was noted while the monologue ran."""

    began: float = 0.0
    finished: list[tuple[float, float]] = field(default_factory=list)
    """(minute, ms) of each utterance: from its last voiced sample until its words were finished."""
    updates: list[tuple[float, float]] = field(default_factory=list)
    """(minute, ms) from one update of the words to the next, within an utterance."""
    ends: dict[int, int] = field(default_factory=dict)
    newest: tuple[int, float] = (0, 0.0)

    def note(self, event: DaemonEvent) -> None:
        """An event, as it comes."""
        now = time.monotonic()
        minute = (now - self.began) / 60
        match event:
            case ListeningChanged(source=source) if source != "none":
                self.began = now
            case SpeechStopped(utterance=number, last_voiced_sample=sample):
                self.ends[number] = sample
            case TranscriptionCompleted(utterance=number):
                due = self.began + self.ends[number] / SAMPLE_RATE
                self.finished.append((minute, (now - due) * 1e3))
            case TranscriptionUpdated(utterance=number):
                if self.newest[0] == number:
                    self.updates.append((minute, (now - self.newest[1]) * 1e3))
                self.newest = (number, now)
            case _:
                pass


def listen(sound: Samples) -> Lags:
    """Through the daemon's own ears, in real time."""
    lags = Lags()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "monologue.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(sound.tobytes())
        flags = {"hearing.source": f"file:{path}", "hearing.file_pace": "realtime", "speech.model": "embedded"}
        asyncio.run(app.listen(config.load(flags=flags).config, lags.note))
    return lags


def report_ticks(took: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Print the first table; return its figures."""
    table = Table(title=f"a tick on {BUFFER_S} s, {len(took[OURS])} buffers, embedded ears")
    for heading in ("", "p50 ms", "p95 ms", "times cheaper than transcribe"):
        table.add_column(heading, justify="right" if heading else "left")
    base = statistics.median(took[PADDED])
    figures: list[dict[str, Any]] = []
    for name, times in took.items():
        median = statistics.median(times)
        table.add_row(name, f"{median:.1f}", f"{np.percentile(times, 95):.1f}", f"{base / median:.1f}")
        figures.append({"name": f"monologue.tick.{name}", "value": median, "unit": "ms"})
    ratio = base / statistics.median(took[OURS])
    console = Console(width=110)
    console.print(table)
    console.print(f"wanted: {WANTED} times cheaper or more; found {ratio:.1f}")
    return [*figures, {"name": "monologue.tick.times_cheaper", "value": ratio, "unit": "1"}]


def report_lags(lags: Lags, minutes: float) -> list[dict[str, Any]]:
    """Print the second table; return its figures."""
    table = Table(title=f"{minutes:g} minutes without a pause, in real time: ms")
    for heading in ("", "n", "first third", "last third", "longest", "grows by, a minute"):
        table.add_column(heading, justify="right" if heading else "left")
    figures: list[dict[str, Any]] = []
    for name, noted in (("last syllable to finished words", lags.finished), ("between updates", lags.updates)):
        third = len(noted) // 3
        if third < 1:
            table.add_row(name, str(len(noted)), *4 * ["too few"])
            continue
        first, last = (statistics.median(ms for _, ms in part) for part in (noted[:third], noted[-third:]))
        growth = float(np.polyfit(*zip(*noted, strict=True), 1)[0])
        longest = max(ms for _, ms in noted)
        table.add_row(name, str(len(noted)), f"{first:.0f}", f"{last:.0f}", f"{longest:.0f}", f"{growth:+.1f}")
        slug = f"monologue.{name.replace(' ', '_')}"
        values = {"first_third": first, "last_third": last, "longest": longest, "growth_a_minute": growth}
        figures += [{"name": f"{slug}.{what}", "value": value, "unit": "ms"} for what, value in values.items()]
    Console(width=110).print(table)
    return figures


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of monologue; 0 measures ticks only")
    parser.add_argument("--buffers", type=int, default=40)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    figures = report_ticks(ticks(monologue(options.buffers * BUFFER_S)))
    if options.minutes:
        figures += report_lags(listen(monologue(options.minutes * 60)), options.minutes)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
