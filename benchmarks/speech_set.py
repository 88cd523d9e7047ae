"""The sentences that hearing is measured on: the picture grammar, spoken by voices the embedded ears never heard.

Texts and voices follow from one seed, and the synthesisers (Debian packages ``espeak-ng`` and ``flite``) are
deterministic, so every machine with the same packages measures the same sounds. Recordings are kept in ``runs/``.

This is synthetic speech of a small vocabulary: it compares two ways of running one model, and says little of people.

    python benchmarks/speech_set.py [--manifest FOLDER]

makes the set and says where it lies; with a folder also each sentence clean, with three of the other voices talking
10 dB below, and in a room (RT60 of 0.5 s), with a ``manifest.json`` for ``speakage evaluate speech`` and ``card``. The
few recordings of people that Debian's ``alsa-utils`` has ("front center") are added where they are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from speakage_engines.api import SAMPLE_RATE, Samples
from speakage_engines.training import rooms

CACHE: Final = Path(__file__).resolve().parent.parent / "runs" / "speech-set"
HELD_OUT_VOICES: Final = ("flite awb", "espeak-ng en-gb-scotland", "espeak-ng en-us+gustave", "espeak-ng en-us+miguel")

_NOUNS: Final = (
    "dog cat horse elephant rabbit owl penguin fish butterfly dragon unicorn car train boat airplane rocket house "
    "castle tree cactus sunflower mushroom apple pizza cake guitar balloon robot ghost snowman umbrella moon ball "
    "banana bear bee bicycle bird book burger bus church clock cow crown dolphin flower lion piano pig rainbow rose "
    "sheep star strawberry sun tent tractor truck turtle whale"
)
NOUNS: Final = tuple(_NOUNS.split())
PLACES: Final = (
    *("on a beach", "at night", "at sunset", "in the snow", "in a meadow", "in the desert", "in space"),
    *("under water", "in the forest", "by the sea"),
    *(
        f"on a {colour} background"
        for colour in ("white", "black", "red", "blue", "green", "yellow", "pink", "purple", "orange", "gray")
    ),
)
RELATIONS: Final = ("next to", "and", "above", "below", "to the left of", "to the right of")
LEAD_INS: Final = ("", "", "", "draw ", "imagine ", "could you paint me ")
SNR_DB: Final = 10
RT60: Final = 0.5
PEOPLE: Final = Path("/usr/share/sounds/alsa")
COMMANDS: Final = ("undo", "go back", "show me four", "make it blue", "make it red", "add a {}", "remove the {}")


@dataclass(frozen=True, slots=True)
class Recording:
    """One spoken sentence on disk: mono, 16-bit, 16 kHz (flite) or 22.05 kHz (espeak-ng)."""

    text: str
    voice: str
    path: Path


def with_article(noun: str) -> str:
    """``an owl``, ``a unicorn``."""
    return f"{'an' if noun[0] in 'aeio' or noun == 'umbrella' else 'a'} {noun}"


def sentence(rng: random.Random) -> str:
    """One thing (60 %), two things (25 %) or a command (15 %)."""
    first, second = rng.sample(NOUNS, 2)
    kind = rng.random()
    if kind < 0.6:
        return f"{rng.choice(LEAD_INS)}{with_article(first)} {rng.choice(PLACES)}"
    if kind < 0.85:
        things = f"{with_article(first)} {rng.choice(RELATIONS)} {with_article(second)}"
        return f"{rng.choice(LEAD_INS)}{things} {rng.choice(PLACES)}"
    return rng.choice(COMMANDS).format(first)


def speak(text: str, voice: str, path: Path, words_per_minute: int = 150) -> None:
    """Write ``text`` as a WAV; raises ``RuntimeError`` naming the Debian package that is missing."""
    engine, name = voice.split(" ", 1)
    flite = ["flite", "-voice", name, "--setf", f"duration_stretch={150 / words_per_minute:.3f}", "-t", text]
    command = [*flite, "-o", str(path)] if engine == "flite" else None
    command = command or ["espeak-ng", "-v", name, "-s", str(words_per_minute), "-w", str(path), text]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except FileNotFoundError:
        raise RuntimeError(f"{engine} is not installed: run `apt-get install {engine}`") from None


def make(folder: Path = CACHE, per_voice: int = 30, seed: int = 2026) -> list[Recording]:
    """The set, voice by voice; whatever is missing in ``folder`` is spoken now."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for voice in HELD_OUT_VOICES:
        rng = random.Random(f"{seed} {voice}")
        for _ in range(per_voice):
            text, rate = sentence(rng), rng.randrange(130, 186)
            digest = hashlib.sha256(json.dumps([voice, text, rate]).encode()).hexdigest()[:16]
            path = folder / f"{digest}.wav"
            if not path.exists():
                unfinished = path.with_suffix(".part.wav")
                speak(text, voice, unfinished, rate)
                unfinished.rename(path)
            found.append(Recording(text, voice, path))
    return found


def read_wav(path: Path) -> tuple[NDArray[np.int16], int]:
    """Samples of a mono 16-bit WAV, and its rate in Hz."""
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16), file.getframerate()


def at_our_rate(recording: Recording) -> Samples:
    """The recording at 16 kHz."""
    pcm, rate = read_wav(recording.path)
    clean: Samples = soxr.resample(pcm, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else pcm
    return clean


def spoilt(recordings: list[Recording], seed: int = 2026) -> Iterator[tuple[str, Recording, Samples]]:
    """Each sentence at speaking level: condition, what it is of, and the sound with a second of quiet around it."""
    choose, noise = random.Random(seed), np.random.default_rng(seed)
    sounds = [at_our_rate(recording).astype(np.float32) / 32_768 for recording in recordings]
    for recording, said in zip(recordings, sounds, strict=True):
        others = [sound for one, sound in zip(recordings, sounds, strict=True) if one.voice != recording.voice]
        talk = rooms.babble(len(said), choose.sample(others, 3), noise)
        for condition, sound in (
            ("clean", said),
            (f"babble {SNR_DB} dB", rooms.mix(said, talk, SNR_DB)),
            (f"room {RT60} s", rooms.reverberate(said, rooms.room(RT60, noise))),
        ):
            level = np.clip(rooms.at_level(sound, -24), -1, 1)
            yield condition, recording, np.pad((level * 32_767).astype(np.int16), SAMPLE_RATE)


def people(folder: Path = PEOPLE) -> Iterator[tuple[str, Recording, Samples]]:
    """What a person says there, named by its file; nothing where the package is not installed."""
    for path in sorted(folder.glob("*_*.wav")):
        recording = Recording(path.stem.replace("_", " ").lower(), "people", path)
        yield "people (alsa-utils)", recording, np.pad(at_our_rate(recording), SAMPLE_RATE)


def write_manifest(folder: Path, recordings: list[Recording]) -> Path:
    """All conditions as WAVs, and what is said in each; gives the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for number, (condition, recording, pcm) in enumerate((*spoilt(recordings), *people())):
        name = f"{number:04d}.wav"
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, len(pcm), "NONE", ""))
            file.writeframes(pcm.tobytes())
        samples.append({"file": name, "text": recording.text, "voice": condition})
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"samples": samples}, indent=1) + "\n", encoding="utf-8")
    return manifest


def main() -> None:
    """Speak, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, metavar="FOLDER", help="also write all conditions there")
    options = parser.parse_args()
    recordings = make()
    seconds = sum(len(at_our_rate(recording)) for recording in recordings) / SAMPLE_RATE
    print(f"{len(recordings)} sentences, {seconds:.0f} s, in {CACHE}")
    if options.manifest:
        print(write_manifest(options.manifest, recordings))


if __name__ == "__main__":
    main()
