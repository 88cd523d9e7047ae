"""From the last syllable to the picture: Speakage, the plain sequence and fixed chunks; same sentences, models and run.

The clock starts at the last 10 ms above −40 dB of the clean recording's peak, computed from the recording itself,
never from our own detection. All paint with the same weights, steps and guidance.

* ours: the daemon as a process; a client sends the recording paced in real time, 20 ms at a time. The end of turn is
  found 600 ms after the last word. *Final pixels* is the first image whose RGB hash is the final picture's.
* the plain sequence: the end-of-turn wait (given for free: exactly 600 ms, with no detection to run), then
  ``WhisperModel.transcribe`` of the whole recording, then diffusers' own pipeline on torch in fp32.
* chunks: the same two every 3 s, whatever is being said; the cuts lie elsewhere in every sentence, evenly.

*First preview* is the first image whose prompt already holds the sentence's first noun. What of it came before the last
voiced sample is told in per cent of all sentences; one whose noun was never understood counts as none.

Run: ``python benchmarks/voice_to_picture.py [--sentences N] [--json PATH]``; needs espeak-ng and flite.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import running
import soxr
from numpy.typing import NDArray
from peers import CHUNK_S, Peers, Shown
from rich.console import Console
from rich.table import Table
from speech_set import NOUNS, PLACES, Recording, make, read_wav

from speakage_clients.sdk import Image, connect
from speakage_daemon.events import ImageCompleted, TranscriptionCompleted
from speakage_engines.api import SAMPLE_RATE

END_OF_TURN_MS: Final = 600
PACKET_S: Final = 0.02
LEAD_S: Final = 0.5
TRAILING_SILENCE_S: Final = 1.5


@dataclass(frozen=True, slots=True)
class Told:
    """One sentence, ms after the last voiced 10 ms."""

    first_preview: float | None
    """``None`` when no picture had the first noun."""
    final_pixels: float


@dataclass(frozen=True, slots=True)
class Ours(Told):
    """One sentence through the daemon."""

    completed: float
    final: ImageCompleted
    unseen: int
    """Revisions painted of which the client was never sent an image."""


@dataclass(slots=True)
class Results:
    """All sentences, in the same order."""

    ours: list[Ours]
    plain: list[Told]
    chunks: list[Told]
    missed: int = 0
    """Sentences of which the daemon understood no words."""


def last_voiced_s(pcm: NDArray[np.int16], rate: int) -> float:
    """The end of the last 10 ms whose RMS is above −40 dB of the peak (s)."""
    window = rate // 100
    frames = pcm[: len(pcm) // window * window].astype(np.float64).reshape(-1, window)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > np.abs(pcm.astype(np.int32)).max() * 0.01)
    return float((loud[-1] + 1) * window / rate)


def first_noun(text: str) -> str:
    """Of a sentence of the set: each has one."""
    return next(word for word in text.split() if word in NOUNS)


def holds(prompt: str, noun: str) -> bool:
    """Whether the noun is a word of the prompt."""
    return noun in prompt.lower().replace(",", " ").split()


async def speak_to_daemon(address: str, recording: Recording) -> Ours | None:
    """Send one recording as a microphone would; ``None`` when nothing was painted."""
    pcm, rate = read_wav(recording.path)
    silence = np.zeros(int(TRAILING_SILENCE_S * rate), np.int16)
    lead = np.zeros(int(LEAD_S * rate), np.int16)
    sound = np.concatenate([lead, pcm, silence])
    async with connect(address) as session, asyncio.timeout(300):
        await session.announce_audio(rate)
        began = time.monotonic()
        voiced = began + len(lead) / rate + last_voiced_s(pcm, rate)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send(session, sound, rate, began))
            result = await _receive(session, voiced, first_noun(recording.text))
            sending.cancel()
        await session.listen_stop()
        await session.listen_start()
    return result


async def _send(session: Any, sound: NDArray[np.int16], rate: int, began: float) -> None:
    packet = int(rate * PACKET_S)
    for start in range(0, len(sound), packet):
        # sound is there when it has been spoken, so a packet leaves at its end
        due = began + (start + packet) / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await session.send_audio(sound[start : start + packet].astype("<i2").tobytes())


async def _receive(session: Any, voiced: float, noun: str) -> Ours | None:
    first: float | None = None
    pixels: dict[str, float] = {}
    seen: set[int] = set()
    async for message in session:
        now = (time.monotonic() - voiced) * 1e3
        match message:
            case TranscriptionCompleted(text=""):
                return None
            case Image(event=ImageCompleted() as final):
                first = now if first is None and holds(final.prompt, noun) else first
                # a picture that is shown again for other words was painted once
                unseen = max(0, (final.timings.revisions_painted or 0) - len(seen))
                return Ours(first, pixels.get(final.sha256, now), now, final, unseen)
            case Image(event=preview):
                seen.add(preview.revision)
                first = now if first is None and holds(preview.prompt, noun) else first
                if preview.sha256:
                    pixels.setdefault(preview.sha256, now)
            case _:
                pass
    return None


def told(shown: list[Shown], voiced: float, noun: str) -> Told | None:
    """What a peer's pictures come to; ``None`` when there are none."""
    firsts = [(one.at - voiced) * 1e3 for one in shown if holds(one.prompt, noun)]
    return Told(min(firsts, default=None), (shown[-1].at - voiced) * 1e3) if shown else None


def measure(recordings: list[Recording]) -> Results:
    """All, sentence by sentence in turn, so that a busy moment of the machine meets all."""
    peers = Peers()
    results = Results([], [], [])
    with (
        tempfile.TemporaryDirectory() as folder,
        running.daemon(Path(folder), segmenter__end_ms=END_OF_TURN_MS) as address,
    ):
        for number, recording in enumerate(recordings):
            result = asyncio.run(speak_to_daemon(address, recording))
            if result is None:
                results.missed += 1
                continue
            results.ours.append(result)
            pcm, rate = read_wav(recording.path)
            voiced = LEAD_S + last_voiced_s(pcm, rate)
            heard = soxr.resample(pcm.astype(np.float32) / 32_768, rate, SAMPLE_RATE)
            sound = np.pad(heard, (int(LEAD_S * SAMPLE_RATE), int((TRAILING_SILENCE_S + CHUNK_S) * SAMPLE_RATE)))
            noun = first_noun(recording.text)
            phase = CHUNK_S * (number + 0.5) / len(recordings)
            for kept, shown in (
                (results.plain, peers.plain(heard, voiced + END_OF_TURN_MS / 1e3)),
                (results.chunks, peers.chunks(sound, phase, voiced)),
            ):
                if (sentence := told(shown, voiced, noun)) is not None:
                    kept.append(sentence)
    return results


def report(results: Results) -> list[dict[str, Any]]:
    """Print the table; return its figures."""
    ours, base = results.ours, statistics.median(row.final_pixels for row in results.plain)
    table = Table(
        title=f"ms from the last voiced 10 ms, {len(ours)} sentences (end-of-turn wait {END_OF_TURN_MS} ms, chunks 3 s)"
    )
    for heading in ("", "n", "p50", "p95", "p99", "÷ plain sequence"):
        table.add_column(heading, justify="right" if heading else "left")
    figures: list[dict[str, Any]] = []
    rows: dict[str, list[float | None]] = {
        "first preview": [row.first_preview for row in ours],
        "final pixels": [row.final_pixels for row in ours],
        "final announced": [row.completed for row in ours],
        "plain sequence": [row.final_pixels for row in results.plain],
        "chunks, first preview": [row.first_preview for row in results.chunks],
        "chunks, final pixels": [row.final_pixels for row in results.chunks],
        "decision to final": [row.final.timings.decision_to_final_ms for row in ours],
        "work after decision": [row.final.timings.work_after_decision_ms for row in ours],
    }
    for name, found in rows.items():
        values = [value for value in found if value is not None]
        slug = f"voice_to_picture.{name.replace(',', '').replace(' ', '_')}"
        if not values:
            table.add_row(name, "0", "", "", "", "")
            continue
        points = {f"p{point}": float(np.percentile(values, point)) for point in (50, 95, 99)}
        # another clock has no ratio to this one, nor has what comes before the last syllable to what comes after it
        ratio = points["p50"] / base if points["p50"] > 0 and "decision" not in name else None
        cells = [f"{value:.0f}" for value in points.values()]
        table.add_row(name, str(len(values)), *cells, "" if ratio is None else f"{ratio:.2f}")
        figures += [{"name": f"{slug}.{point}", "value": value, "unit": "ms"} for point, value in points.items()]
        figures += [] if ratio is None else [{"name": f"{slug}.ratio", "value": ratio, "unit": "ratio"}]
    Console(width=110).print(table)
    return figures + shares(results)


def shares(results: Results) -> list[dict[str, Any]]:
    """How often, and how much for nothing; printed, and returned as figures."""
    ours, count = results.ours, len(results.ours)
    timings = [row.final.timings for row in ours]
    before = {
        name: sum(row.first_preview is not None and row.first_preview < 0 for row in rows) / count
        for name, rows in (("ours", ours), ("plain sequence", results.plain), ("chunks", results.chunks))
    }
    painted = sum(one.revisions_painted or 0 for one in timings)
    lines = {
        "promoted": (sum(row.final.promoted for row in ours) / count, "fraction"),
        "revisions_painted": (painted / count, "a sentence"),
        "revisions_never_shown": (sum(row.unseen for row in ours) / painted, "fraction"),
        "revisions_wasted": (sum(one.revisions_wasted or 0 for one in timings) / painted, "fraction"),
        "work_thrown_away": (sum(one.wasted_ms or 0 for one in timings) / count, "ms a sentence"),
    }
    console = Console(width=110)
    for name, share in before.items():
        console.print(f"first preview with the first noun before the last voiced sample, {name}: {share:.0%}")
    for name, (value, unit) in lines.items():
        console.print(f"{name.replace('_', ' ')}: {value:.2f} ({unit})")
    console.print(f"sentences without words: {results.missed}")
    figures = [
        {
            "name": f"voice_to_picture.noun_before_last_voiced.{name.replace(' ', '_')}",
            "value": share,
            "unit": "fraction",
        }
        for name, share in before.items()
    ]
    return figures + [{"name": f"voice_to_picture.{name}", "value": v, "unit": u} for name, (v, u) in lines.items()]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=40)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the daemon does: peers share the machine with it
    pictures = [recording for recording in make() if recording.text.endswith(PLACES)]
    chosen = pictures[:: max(1, len(pictures) // options.sentences)][: options.sentences]
    figures = report(measure(chosen))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
