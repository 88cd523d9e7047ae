"""How often wake words are heard that nobody said, and not heard when they were; at the thresholds that ship.

False accepts: speech of many synthetic voices without the word, plain and with noise behind it, babble, music and
noise, fed as fast as the machine can. False rejects: the word by each voice at several rates, clean and in noise at
10 dB (white and pink in turn). Sentences: the word and a sentence in one breath through the daemon's own ear and
embedded ears, against the sentence alone. espeak-ng, flite and festival are Debian packages; nobody real speaks here.

    python benchmarks/wake.py [--hours 10] [--engine micro] [--words okay_nabu] [--sentences 3] [--json PATH]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import wave
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from speech_set import sentence

from speakage_daemon import app
from speakage_daemon.config import Config, HearingSettings, SpeechSettings
from speakage_daemon.events import DaemonEvent, TranscriptionCompleted
from speakage_daemon.hearing.wake import WakeGate, spoken
from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE, Samples, WakeEngine, WakeWordDetector, load_wake_words
from speakage_engines.evaluation.sounds import babble, sound
from speakage_engines.training import rooms
from speakage_engines.training.speech import ACCENTS, VARIANTS, Order, festival_voices, speak

PIECE_S: Final = 60
"""Sounds that are no speech come in pieces of a minute."""
KINDS: Final = ("speech", "speech in noise", "babble", "music", "noise")
SHARES: Final = (0.6, 0.2, 0.06, 0.07, 0.07)
"""Of the time."""
RATES: Final = (110, 120, 130, 140, 150, 160)
SNR_DB: Final = 10.0
FLITE: Final = ("flite rms", "flite slt", "flite awb", "flite kal", "flite kal16")
BREATHS: Final = ("a castle in the snow", "draw a robot in the forest", "could you paint me a boat by the sea")
_TALK: Final = (
    "the weather will be {} tomorrow and {} on {}",
    "I told my {} that the {} is not ready yet",
    "okay, so who of you has seen the {} this {}",
    "no, maybe we should ask the {} about it",
    "that is about {} kilometres from the {}",
    "hey, have you heard what the {} said on {}",
    "a new book about the {} came out last {}",
    "turn left at the {} and then drive on for {} minutes",
)
_WORD_LIST: Final = (
    "sunny cloudy monday sunday sister neighbour kitchen report train doctor seven forty garden menu nature navy "
    "evening station teacher car boy rabbit number bamboo market okay dinner problem river window"
)
_WORDS: Final = tuple(_WORD_LIST.split())


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    value: float
    unit: str
    note: str


def said(rng: random.Random) -> str:
    """A sentence without a wake word."""
    if rng.random() < 0.4:
        return sentence(rng)
    return rng.choice(_TALK).format(*rng.choices(_WORDS, k=3))


def voice(rng: random.Random) -> str:
    """flite's recorded voices for a quarter of the sentences."""
    if rng.random() < 0.25:
        return rng.choice(FLITE)
    return f"espeak-ng {rng.choice(ACCENTS)}+{rng.choice(VARIANTS)}"


def talk(rng: random.Random) -> Samples:
    """Somebody says something, and pauses."""
    audio = speak(Order(said(rng), "", voice(rng), rng.randrange(120, 201), rng.randrange(30, 71))).audio
    return np.pad(audio, (0, rng.randrange(SAMPLE_RATE // 5, SAMPLE_RATE * 2)))


def noisy(audio: Samples, rng: np.random.Generator, slope: float | None = None, snr_db: float = SNR_DB) -> Samples:
    """With noise behind it."""
    speech = audio.astype(np.float32) / 32_768
    behind = rooms.noise(len(speech), rng.uniform(0, 1) if slope is None else slope, rng)
    return (np.clip(rooms.mix(speech, behind, snr_db), -1, 1) * 32_767).astype(np.int16)


def sounds(hours: float, seed: int) -> Iterator[tuple[str, Samples]]:
    """So many hours without the word, in pieces that are told apart."""
    left = {kind: hours * 3_600 * share * SAMPLE_RATE for kind, share in zip(KINDS, SHARES, strict=True)}
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    number = 0
    while kinds := [kind for kind in KINDS if left[kind] > 0]:
        kind = rng.choices(kinds, [left[kind] for kind in kinds])[0]
        number += 1
        match kind:
            case "speech":
                piece = talk(rng)
            case "speech in noise":
                piece = noisy(talk(rng), noise, snr_db=noise.uniform(5, 25))
            case "babble":
                piece = babble([talk(rng) for _ in range(8)], PIECE_S * SAMPLE_RATE, number)
            case "music":
                piece = sound("music", PIECE_S * SAMPLE_RATE, number)
            case _:
                piece = sound(rng.choice(("noise", "fan", "hiss")), PIECE_S * SAMPLE_RATE, number)
        left[kind] -= len(piece)
        yield kind, piece


def times_heard(detector: WakeWordDetector, pcm: Samples, gate: WakeGate, start: int = 0) -> int:
    """How often the gate is woken, with its refractory time."""
    count = 0
    for end in range(FRAME_SAMPLES, len(pcm) + 1, FRAME_SAMPLES):
        for score in detector.feed(pcm[end - FRAME_SAMPLES : end]):
            count += score.heard and gate.wake(score.word, start + end)
    return count


def false_accepts(detector: WakeWordDetector, hours: float, told: Progress) -> list[Figure]:
    """By kind of sound, and all together."""
    gate = WakeGate("word", app.wake_times(HearingSettings()))
    task = told.add_task("without the word", total=hours)
    heard: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    for kind, piece in sounds(hours, 2026):
        heard[kind] += times_heard(detector, piece, gate, samples.total())
        samples[kind] += len(piece)
        told.update(task, completed=samples.total() / SAMPLE_RATE / 3_600)
    figures = []
    for kind in (*samples, "all"):
        count = heard.total() if kind == "all" else heard[kind]
        length = (samples.total() if kind == "all" else samples[kind]) / SAMPLE_RATE / 3_600
        figures.append(Figure(f"false accepts/{kind}", count / length, "1/h", f"{count} in {length:.2f} h"))
    return figures


def accepted(detector: WakeWordDetector, word: str, voices: tuple[str, ...], told: Progress) -> Iterator[Figure]:
    """Of the times that each voice says a word; voices that a model never hears are not of its language."""
    rng = np.random.default_rng(2026)
    tries: dict[str, list[bool]] = {f"{where}/{one}": [] for where in ("clean", "10 dB") for one in voices}
    task = told.add_task(f"saying {spoken(word)}", total=len(voices) * len(RATES))
    for one in voices:
        for number, rate in enumerate(RATES):
            audio = np.pad(speak(Order(spoken(word), "", one, rate, 50)).audio, SAMPLE_RATE)
            for where, pcm in (("clean", audio), ("10 dB", noisy(audio, rng, number % 2 / 2))):
                detector.reset()
                tries[f"{where}/{one}"].append(times_heard(detector, pcm, WakeGate("word")) > 0)
            told.advance(task)
    for name, ones in tries.items():
        yield Figure(f"{word}/{name}", sum(ones) / len(ones), "accepted", f"{sum(ones)} of {len(ones)}")
    carrying = [one for one in voices if any(tries[f"clean/{one}"])]
    for where in ("clean", "10 dB"):
        ones = [heard for one in carrying for heard in tries[f"{where}/{one}"]]
        share = sum(ones) / max(1, len(ones))
        note = f"{sum(ones)} of {len(ones)}, {len(carrying)} of {len(voices)} voices"
        yield Figure(f"{word}/{where}/voices that are ever heard", share, "accepted", note)


def words_of(folder: Path, pcm: Samples, **settings: object) -> str:
    """What the daemon writes down of a recording."""
    path = folder / "said.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.pad(pcm, SAMPLE_RATE * 3 // 2).tobytes())
    texts: list[str] = []

    def note(event: DaemonEvent) -> None:
        if isinstance(event, TranscriptionCompleted):
            texts.append(event.text)

    hearing = HearingSettings.model_validate({"source": f"file:{path}", "file_pace": "fast"} | settings)
    asyncio.run(app.listen(Config(hearing=hearing, speech=SpeechSettings(model="embedded")), note))
    return " ".join(filter(None, texts))


def sentences(engine: WakeEngine, word: str, count: int, told: Progress) -> Figure:
    """Of the sentences behind a word that was heard: those written down as the same sentence alone is."""
    task = told.add_task("in one breath", total=count * len(BREATHS))
    whole = heard = 0
    with tempfile.TemporaryDirectory() as folder:
        for one in FLITE[:count]:
            for number, text in enumerate(BREATHS):
                alone = words_of(Path(folder), speak(Order(text, "", one, 130, 50)).audio)
                breath = speak(Order(f"{spoken(word)}{', ' if number % 2 else ' '}{text}", "", one, 130, 50)).audio
                settings = {"mode": "word", "wake_words": (word,), "wake_engine": engine}
                behind = words_of(Path(folder), breath, **settings)
                heard += bool(behind)
                whole += bool(behind) and behind == alone
                if behind != alone:
                    print(f"{one}: {behind!r}, alone {alone!r}", file=sys.stderr)
                told.advance(task)
    note = f"{whole} of {heard} heard, of {min(count, len(FLITE)) * len(BREATHS)}"
    return Figure(f"{word}/sentences as alone", whole / max(1, heard), "1", note)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=10, help="without the word")
    parser.add_argument("--engine", choices=("micro", "open"), default="micro")
    parser.add_argument("--words", default="okay_nabu", help="with commas between them")
    parser.add_argument("--threshold", type=float, default=0.0, help="of the words; 0 takes what ships")
    parser.add_argument("--sentences", type=int, default=3, help="voices that speak in one breath, at most 5")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    names = tuple(options.words.split(","))
    asked = {"wake_engine": options.engine, "wake_threshold": options.threshold}
    hearing = HearingSettings(wake_words=names, **asked)
    detector = load_wake_words(app.wake_spec(hearing))
    voices = (*FLITE, *(f"festival {name}" for name in festival_voices()))
    console = Console(stderr=True)
    with Progress(console=console) as told:
        figures = false_accepts(detector, options.hours, told)
        for word in names:
            alone = load_wake_words(app.wake_spec(HearingSettings(wake_words=(word,), **asked)))
            figures += accepted(alone, word, voices, told)
            if options.sentences:
                figures.append(sentences(options.engine, word, options.sentences, told))
    table = Table("", "", "unit", "", title=f"engine {options.engine}, threshold {options.threshold or 'that ships'}")
    for figure in figures:
        table.add_row(figure.name, f"{figure.value:.3f}", figure.unit, figure.note)
    Console().print(table)
    if options.json:
        rows = [
            {"name": f"wake/{options.engine}/{one.name}", "value": round(one.value, 4), "unit": one.unit}
            for one in figures
        ]
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
