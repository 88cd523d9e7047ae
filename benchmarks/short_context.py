"""What short-context encoding costs in words and saves in time: one model, one run, the same sentences.

``WhisperModel.transcribe`` with its own 30 s padding stands against our ``ShortContextWhisper``; beside the words of a
clean recording also those of the same sentence in a quiet room, with silence around it, as the daemon hands it over.
The rows alternate sentence by sentence, so that a busy machine is unfair to none. See ``speech_set`` for the sentences.

Run: ``python benchmarks/short_context.py [--per-voice 30] [--json PATH]``
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import jiwer
import numpy as np
from faster_whisper import WhisperModel
from rich.console import Console
from rich.progress import track
from rich.table import Table
from speech_set import Recording, at_our_rate, make

from speakage_engines.api import SAMPLE_RATE, Samples, SpeechSpec, load_speech
from speakage_engines.models import embedded
from speakage_engines.speech.gates import plain_words

Ears: TypeAlias = Callable[[Samples], str]
Results: TypeAlias = dict[tuple[str, str], tuple[list[str], list[float]]]
"""By condition and ears: the texts, and the milliseconds each took."""

OURS: Final = "short context (ours)"
PADDED: Final = "30 s padding, beam 5 (transcribe)"
PADDED_GREEDY: Final = "30 s padding, beam 1 (transcribe)"
ROOM_NOISE: Final = 10.0
"""RMS in int16 steps: about -70 dBFS."""


def ours() -> Ears:
    """Through the daemon's own way in, gates included: what they reject counts as words missed."""
    model = load_speech(SpeechSpec(model="embedded", device="cpu", models_folder=Path()))
    return lambda audio: model.transcribe(audio).text


def padded(beam_size: int) -> Ears:
    """faster-whisper's own ``transcribe``; one temperature and no timestamps, as ours, so that only padding differs."""
    model = WhisperModel(str(embedded("speech")), device="cpu")

    def transcribe(audio: Samples) -> str:
        segments, _ = model.transcribe(
            audio.astype(np.float32) / 32_768,
            language="en",
            beam_size=beam_size,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(segment.text for segment in segments)

    return transcribe


def conditions(recording: Recording, noise: np.random.Generator) -> Iterator[tuple[str, Samples]]:
    """The sentence as it was recorded, and in a quiet room."""
    clean = at_our_rate(recording)
    yield "clean", clean
    around = np.pad(clean, (int(0.5 * SAMPLE_RATE), int(0.6 * SAMPLE_RATE)))
    yield "in a room", (around + noise.normal(0, ROOM_NOISE, len(around))).clip(-32_768, 32_767).astype(np.int16)


def measure(recordings: list[Recording], ears: dict[str, Ears]) -> Results:
    """Every pair of ears hears every sentence in every condition."""
    noise = np.random.default_rng(2026)
    results: Results = {}
    for recording in track(recordings, "listening", console=Console(stderr=True)):
        for condition, audio in conditions(recording, noise):
            for name, hear in ears.items():
                began = time.perf_counter()
                text = hear(audio)
                texts, times = results.setdefault((condition, name), ([], []))
                texts.append(text)
                times.append((time.perf_counter() - began) * 1000)
    return results


def word_error_rate(wanted: list[str], heard: list[str]) -> float:
    """Of the whole set; lower case, no punctuation."""
    return float(jiwer.wer([" ".join(plain_words(text)) for text in wanted], [" ".join(plain_words(t)) for t in heard]))


def report(recordings: list[Recording], results: Results) -> list[dict[str, str | float]]:
    """Print the table; return the same figures as data."""
    table = Table(title=f"{len(recordings)} sentences, 4 voices never heard, embedded ears")
    for column in ("sound", "ears", "WER", "median ms", "p95 ms", "times faster"):
        table.add_column(column, justify="left" if column in ("sound", "ears") else "right")
    figures: list[dict[str, str | float]] = []
    for (condition, name), (texts, times) in results.items():
        wer = word_error_rate([recording.text for recording in recordings], texts)
        median, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        ratio = statistics.median(results[condition, PADDED][1]) / median
        table.add_row(condition, name, f"{wer:.4f}", f"{median:.1f}", f"{p95:.1f}", f"{ratio:.1f}")
        prefix = f"short_context/{condition}/{name}"
        figures += [
            {"name": f"{prefix}/wer", "value": round(wer, 4), "unit": "1"},
            {"name": f"{prefix}/median", "value": round(median, 2), "unit": "ms"},
            {"name": f"{prefix}/times_faster", "value": round(ratio, 2), "unit": "1"},
        ]
    Console(width=110).print(table)
    return figures


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="short-context encoding against 30 s padding")
    parser.add_argument("--per-voice", type=int, default=30, help="sentences of each of the four voices")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    recordings = make(per_voice=options.per_voice)
    figures = report(recordings, measure(recordings, {OURS: ours(), PADDED: padded(5), PADDED_GREEDY: padded(1)}))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
