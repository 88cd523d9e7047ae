"""How often a speaker who hesitates is cut off, and how long everyone else waits for it: fixed waits and ours.

Sentences with a pause put between two of their words, any two, are spoken by voices the embedded ears never heard, and
heard by the daemon's detector and segmenter, with noise of a quiet room. A fixed wait ends an utterance after so much
silence. Ours reads the words at the pause, as long as the model takes for them, and waits longer where something is
plainly missing. Cut off: the utterance was closed inside the sentence. Waiting: from the last voiced sample to the
closing, of sentences that nothing was put into. See ``speech_set`` for the sentences.

Run: ``python benchmarks/end_of_turn.py [--per-voice 12] [--model NAME] [--json PATH]``
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from short_context import ROOM_NOISE
from speech_set import CACHE, HELD_OUT_VOICES, Recording, at_our_rate, sentence, speak

from speakage_daemon.config import SegmenterSettings
from speakage_daemon.hearing.segmenter import Ended, Paused, Segmenter, Started
from speakage_daemon.understanding.canvas import Canvas, Sheet
from speakage_daemon.understanding.turn import unfinished
from speakage_engines.api import (
    FRAME_SAMPLES,
    SAMPLE_RATE,
    Activity,
    Samples,
    SpeechModel,
    SpeechSpec,
    load_detector,
    load_speech,
)

FIXED_MS: Final = (400, 600, 900, 1_200, 1_500)
PAUSES_S: Final = (0.0, 0.5, 0.8, 1.1, 1.4)
SEED: Final = 2026
CANVAS: Final = Canvas(sheet=Sheet(steps=1, guidance=1, width=128, height=128))


@dataclass(frozen=True, slots=True)
class Rule:
    """When an utterance ends."""

    name: str
    settings: SegmenterSettings
    reads: bool = False
    """Whether it reads the words at the pause."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence with one pause in it, or none."""

    pause_s: float
    audio: Samples
    last: int
    """Where the sentence ends, in samples."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule did with one sentence."""

    pause_s: float
    cut_off: bool
    waited_ms: float


def rules() -> list[Rule]:
    """The fixed ones, and ours as it ships."""
    fixed = [
        Rule(f"{ms} ms, always", SegmenterSettings(end_ms=ms, unfinished_end_ms=ms, pause_ms=min(250, ms)))
        for ms in FIXED_MS
    ]
    own = SegmenterSettings()
    return [*fixed, Rule(f"{own.end_ms} ms, {own.unfinished_end_ms} ms when unfinished (ours)", own, reads=True)]


def sentences(per_voice: int) -> Iterator[Sentence]:
    """Every sentence without a pause and with each of :data:`PAUSES_S`, always between the same words."""
    noise = np.random.default_rng(SEED)
    for voice in HELD_OUT_VOICES:
        rng = random.Random(f"{SEED} {voice}")
        for _ in range(per_voice):
            words = sentence(rng).split()
            while len(words) < 3:
                words = sentence(rng).split()
            place = rng.randrange(1, len(words))
            parts = [spoken(" ".join(part), voice) for part in (words[:place], words[place:])]
            whole = spoken(" ".join(words), voice)
            for pause_s in PAUSES_S:
                between = np.zeros(int(pause_s * SAMPLE_RATE), np.int16)
                said = np.concatenate([parts[0], between, parts[1]]) if pause_s else whole
                audio = np.pad(said, (SAMPLE_RATE // 2, 3 * SAMPLE_RATE))
                audio = (audio + noise.normal(0, ROOM_NOISE, len(audio))).clip(-32_768, 32_767).astype(np.int16)
                yield Sentence(pause_s, audio, SAMPLE_RATE // 2 + len(said))


def spoken(text: str, voice: str) -> Samples:
    """Without the silence that synthesisers put around."""
    path = CACHE / f"turn-{voice}-{text}.wav".replace(" ", "_")
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        speak(text, voice, path)
    audio = at_our_rate(Recording(text, voice, path))
    loud = np.flatnonzero(np.abs(audio.astype(np.int32)) > 300)
    return audio[loud[0] : loud[-1] + 1]


def follow(
    said: Sentence, activities: list[Activity], rule: Rule, read: Callable[[int, int], tuple[str, int]]
) -> Outcome:
    """Run the segmenter as the ear does; ``read`` gives the words between two samples, and when they are known."""
    segmenter = Segmenter(rule.settings)
    start, lacks_from, cut_off = 0, None, False
    for place, activity in enumerate(activities):
        sample = place * FRAME_SAMPLES
        patient = lacks_from is not None and sample >= lacks_from
        for boundary in segmenter.feed(sample, activity, unfinished=patient):
            match boundary:
                case Started(sample=start):
                    lacks_from = None
                case Paused() if rule.reads:
                    text, known = read(start, sample + FRAME_SAMPLES)
                    lacks_from = known if unfinished(text, CANVAS) else None
                case Ended(sample=end, last_voiced_sample=last) if end >= said.last:
                    return Outcome(said.pause_s, cut_off, (end - last) * 1_000 / SAMPLE_RATE)
                case Ended():
                    cut_off = True
                case _:
                    lacks_from = None
    raise RuntimeError("the sentence was never heard to the end")


def measure(per_voice: int, model: SpeechModel) -> dict[str, list[Outcome]]:
    """Every rule on every sentence."""
    found: dict[str, list[Outcome]] = {rule.name: [] for rule in rules()}
    detector = load_detector()
    total = per_voice * len(HELD_OUT_VOICES) * len(PAUSES_S)
    for said in track(sentences(per_voice), "listening", total=total, console=Console(stderr=True)):
        detector.reset()
        frames = range(0, len(said.audio) - FRAME_SAMPLES + 1, FRAME_SAMPLES)
        activities = [detector.feed(said.audio[at : at + FRAME_SAMPLES]) for at in frames]

        def read(start: int, end: int, audio: Samples = said.audio) -> tuple[str, int]:
            heard = model.transcribe(audio[start:end])
            return heard.text, end + int(heard.milliseconds * SAMPLE_RATE / 1_000)

        for rule in rules():
            found[rule.name].append(follow(said, activities, rule, read))
    return found


def report(found: dict[str, list[Outcome]]) -> list[dict[str, str | float]]:
    """Print the table; return the same figures as data."""
    pauses = [pause for pause in PAUSES_S if pause]
    count = sum(not each.pause_s for each in next(iter(found.values())))
    table = Table(title=f"{count} sentences, 4 voices never heard, a pause between any two words")
    table.add_column("silence that ends an utterance")
    for column in (*(f"cut off, {pause} s" for pause in pauses), "waiting p50", "waiting p95"):
        table.add_column(column, justify="right")
    figures: list[dict[str, str | float]] = []
    for name, outcomes in found.items():
        row = []
        for pause in pauses:
            part = statistics.mean(each.cut_off for each in outcomes if each.pause_s == pause)
            row.append(f"{part:.0%}")
            figures.append({"name": f"end_of_turn/{name}/cut_off_{pause}s", "value": round(100 * part, 1), "unit": "%"})
        waits = [each.waited_ms for each in outcomes if not each.pause_s]
        for quantile, value in (("p50", statistics.median(waits)), ("p95", float(np.percentile(waits, 95)))):
            row.append(f"{value:.0f} ms")
            figures.append({"name": f"end_of_turn/{name}/waiting_{quantile}", "value": round(value), "unit": "ms"})
        table.add_row(name, *row)
    Console(width=130).print(table)
    return figures


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="false cut-offs against waiting time")
    parser.add_argument("--per-voice", type=int, default=12, help="sentences of each of the four voices")
    parser.add_argument("--model", default="embedded", help="the ears, as in speech.model")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    model = load_speech(SpeechSpec(model=options.model, device="cpu", models_folder=Path()))
    figures = report(measure(options.per_voice, model))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
