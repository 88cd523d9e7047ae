"""How well ears hear the voices that nobody trained on: word errors, and names that were announced.

The sentences are spoken once and kept beside the run, so that measuring needs no synthesiser. They are synthetic
speech of the training's own grammar: the figures compare one training with another and say little of people.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from speakage_engines.api import SAMPLE_RATE, Progress, Samples, SpeechModel, no_progress
from speakage_engines.training import rooms
from speakage_engines.training.phrases import announcement, invented_name, sentence
from speakage_engines.training.speech import HELD_OUT, Order, speak

SEED: Final = 2026
SNR_DB: Final = 10
RT60: Final = 0.5


@dataclass(frozen=True, slots=True)
class Heard:
    """What one held-out voice says, and where it lies."""

    voice: str
    text: str
    audio: Samples
    name: str
    """Invented."""
    named: Samples
    """A short sentence with that name."""


_HELP: Final = 0.1
"""Of the names: less is chance, or the announcement of common words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What held-out voices showed. Rates are errors over words said, 0.04 being 4 %."""

    sentences: int
    """Of each row of word error rates."""
    clean: float
    babble: float
    """Three other voices at 10 dB below."""
    room: float
    """RT60 of 0.5 s."""
    names: int
    """Sentences with an invented name."""
    named: float
    """Part of the names written right when announced, mostly among others."""
    unnamed: float
    """The same without an announcement: what guessing the spelling yields."""

    @property
    def reads_names(self) -> bool:
        """Whether announcing a name helps at all; ears that did not learn it do worse with words before a sentence."""
        return self.named - self.unnamed > _HELP


def yardstick(path: Path, each: int) -> list[Heard]:
    """``each`` sentences of every held-out voice, read from ``path`` (``.npz``), or spoken and kept there."""
    if not path.exists():
        spoken = [heard for voice in HELD_OUT for heard in _speak(voice, each)]
        columns = {f"{name}{place}": getattr(heard, name) for place, heard in enumerate(spoken) for name in _COLUMNS}
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            np.savez(file, count=np.array(len(spoken)), **columns)
        Path(file.name).rename(path)
    with np.load(path) as kept:
        rows = [[kept[f"{name}{place}"] for name in _COLUMNS] for place in range(int(kept["count"]))]
    return [Heard(str(voice), str(text), audio, str(name), named) for voice, text, audio, name, named in rows]


_COLUMNS: Final = ("voice", "text", "audio", "name", "named")


def measure(ears: SpeechModel, said: list[Heard], progress: Progress = no_progress) -> Report:
    """Transcribe everything clean, in babble and in a room, and the names with and without announcement."""
    rng, noise = random.Random(SEED), np.random.default_rng(SEED)  # noqa: S311 - data, not secrets
    errors = {"clean": 0, "babble": 0, "room": 0}
    right = unright = 0
    for place, heard in enumerate(said):
        if place % 20 == 0:
            progress(f"ears: listening to {heard.voice}", place / len(said))
        audio = _floats(heard.audio)
        others = [_floats(other.audio) for other in rng.sample([one for one in said if one.voice != heard.voice], 3)]
        for row, sound in (
            ("clean", audio),
            ("babble", rooms.mix(audio, rooms.babble(len(audio), others, noise), SNR_DB)),
            ("room", rooms.reverberate(audio, rooms.room(RT60, noise))),
        ):
            errors[row] += word_errors(heard.text, ears.transcribe(_recorded(sound)).text)
        named = _recorded(_floats(heard.named))
        right += heard.name in ears.transcribe(named, hotwords=announcement(rng, heard.name)).text.lower().split()
        unright += heard.name in ears.transcribe(named).text.lower().split()
    words = sum(len(heard.text.split()) for heard in said)
    rates = {row: number / words for row, number in errors.items()}
    return Report(sentences=len(said), **rates, names=len(said), named=right / len(said), unnamed=unright / len(said))


def word_errors(wanted: str, heard: str) -> int:
    """Words to change, add or drop (Levenshtein), case aside."""
    ours, theirs = wanted.lower().split(), heard.lower().split()
    row = list(range(len(theirs) + 1))
    for place, word in enumerate(ours, 1):
        before, row[0] = row[0], place
        for other, candidate in enumerate(theirs, 1):
            before, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, before + (word != candidate))
    return row[-1]


def _speak(voice: str, each: int) -> list[Heard]:
    rng = random.Random(f"{SEED} {voice}")  # noqa: S311 - data, not secrets
    heard = []
    for _ in range(each):
        # a name's spelling cannot be heard: names are measured apart
        while (said := sentence(rng)).name:
            pass
        name = invented_name(rng)
        call = f"{rng.choice(('paint', 'show me', 'call it', 'where is'))} {name}"
        audio, named = (speak(Order(text, "", voice, rng.randrange(130, 186), 50)).audio for text in (said.text, call))
        heard.append(Heard(voice, said.text, audio, name, named))
    return heard


def _floats(audio: Samples) -> rooms.Audio:
    return audio.astype(np.float32) / np.float32(32_768)


def _recorded(audio: rooms.Audio) -> Samples:
    """At speaking level with silence around it, as a segmenter hands it over."""
    level = rooms.at_level(audio, -24)
    return np.pad((level * 32_767).astype(np.int16), SAMPLE_RATE // 4)
