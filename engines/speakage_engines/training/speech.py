"""Sentences spoken by synthesisers, kept in a folder of shards that can be interrupted and continued.

A plan (how many, which seed) fixes every sentence, voice and rate. Each shard is two files, written whole and renamed
into place: samples (``.npy``, int16, 16 kHz, read by memory map) and what is said where (``.json``). A shard that is
there is never made again; several processes make the rest. espeak-ng and flite are Debian packages; those of
festival's voices join in that are installed when the plan is first made (``festvox-kallpc16k``, ``-kdlpc16k``,
``-us-slt-hts``).

The voices of :data:`HELD_OUT` are the yardstick: no plan may hold them. This module adds no noise and no rooms.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import soxr

from speakage_engines.api import SAMPLE_RATE, ModelError, Samples
from speakage_engines.training.espeak import Espeak, Spoken
from speakage_engines.training.phrases import sentence

PLAN_FILE: Final = "plan.json"
SHARD_UTTERANCES: Final = 250
HELD_OUT: Final = ("flite awb", "espeak-ng en-gb-scotland", "espeak-ng en-us+gustave", "espeak-ng en-us+miguel")
"""Never trained on. The accent and the two variants stay out in every combination."""

ACCENTS: Final = ("en-us", "en", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")
_VARIANTS: Final = (
    "Alex Alicia Andrea Andy Annie AnxiousAndy Demonic Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario "
    "Michael Mike Mr Nguyen RicishayMax RicishayMax2 RicishayMax3 Storm Tweaky UniRobot adam anika anikaRobot "
    "announcer antonio aunty belinda benjamin boris caleb croak david ed edward edward2 f1 f2 f3 f4 f5 grandma "
    "grandpa iven iven2 iven3 iven4 john kaukovalta klatt klatt2 klatt3 klatt4 klatt5 klatt6 linda m1 m2 m3 m4 m5 "
    "m6 m7 m8 marcelo max michel norbert pablo paul pedro quincy rob robert robosoft robosoft2 robosoft3 "
    "robosoft4 robosoft5 robosoft6 robosoft7 robosoft8 sandro shelby steph steph2 steph3 travis victor whisper "
    "whisperf zac"
)
VARIANTS: Final = tuple(_VARIANTS.split())
FLITE_VOICES: Final = ("kal", "kal16", "rms", "slt")
FESTIVAL_VOICES: Final = ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")
FESTIVAL_SHARE: Final = 0.04
"""Of each voice."""
FLITE_SHARE: Final = 0.38
"""flite's recorded voices are nearer to people than espeak-ng's formants, and few: each is heard often."""

_QUIET: Final = 1e-3
"""Of full scale: what counts as silence before and after a synthesised sentence."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to speak. Equal plans give equal sentences on every machine."""

    utterances: int
    seed: int = 1
    festival: tuple[str, ...] = ()
    """Which of :data:`FESTIVAL_VOICES` take part."""


@dataclass(frozen=True, slots=True)
class Order:
    """One sentence for one voice."""

    text: str
    name: str
    voice: str
    words_per_minute: int
    pitch: int
    """0 to 100; 50 is the voice's own."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A sentence that was spoken, without silence around it."""

    text: str
    name: str
    """The name that is said in it, or empty."""
    voice: str
    audio: Samples
    words: tuple[tuple[int, int], ...]
    """Character position and first sample of the words whose beginning the synthesiser told."""


def order(plan: Plan, number: int) -> Order:
    """What utterance ``number`` of the plan is."""
    rng = random.Random(f"{plan.seed} {number}")  # noqa: S311 - data, not secrets
    said = sentence(rng)
    share = rng.random()
    of_festival = FESTIVAL_SHARE * len(plan.festival)
    if share < of_festival:
        voice = f"festival {rng.choice(plan.festival)}"
    elif share < of_festival + FLITE_SHARE:
        voice = f"flite {rng.choice(FLITE_VOICES)}"
    else:
        accent = rng.choice(ACCENTS)
        voice = f"espeak-ng {accent}" if rng.random() < 0.1 else f"espeak-ng {accent}+{rng.choice(VARIANTS)}"
    return Order(said.text, said.name, voice, rng.randrange(120, 201), rng.randrange(25, 76))


def festival_voices() -> tuple[str, ...]:
    """Those of :data:`FESTIVAL_VOICES` that are installed; none where festival is not."""
    if shutil.which("festival") is None:
        return ()
    told = subprocess.run(
        ["festival", "--batch", "(print (voice.list))"], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    installed = told.strip("()\n").split()
    return tuple(voice for voice in FESTIVAL_VOICES if voice in installed)


def held_out(voice: str) -> bool:
    """Whether a voice belongs to the yardstick."""
    engine, _, name = voice.partition(" ")
    accent, _, variant = name.partition("+")
    scottish = engine == "espeak-ng" and (accent == "en-gb-scotland" or variant in ("gustave", "miguel"))
    return scottish or (engine == "flite" and name.startswith("awb"))


def speak(wanted: Order) -> Utterance:
    """Speak at 16 kHz; raises :class:`ModelError` naming the Debian package that is missing."""
    engine, _, name = wanted.voice.partition(" ")
    if engine == "espeak-ng":
        spoken = _espeak().speak(wanted.text, name, wanted.words_per_minute, wanted.pitch)
    elif engine == "flite":
        spoken = _flite(wanted, name)
    elif engine == "festival":
        spoken = _festival(wanted, name)
    else:
        raise ModelError(f"there is no synthesiser {engine!r}; there are: espeak-ng, flite, festival")
    audio = spoken.pcm if spoken.rate == SAMPLE_RATE else soxr.resample(spoken.pcm, spoken.rate, SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(audio.astype(np.float32)) > _QUIET * 32_768)
    if not len(loud):
        raise ModelError(f"{wanted.voice} said nothing for {wanted.text!r}; is the voice installed?")
    first, last = int(loud[0]), int(loud[-1]) + 1
    scale = SAMPLE_RATE / spoken.rate
    words = tuple((place, max(0, round(sample * scale) - first)) for place, sample in spoken.words)
    return Utterance(wanted.text, wanted.name, wanted.voice, audio[first:last], words)


class Speech:
    """The utterances of a finished folder, read where they lie."""

    def __init__(self, folder: Path) -> None:
        self.plan = read_plan(folder)
        self._shards = [_shard(folder, number) for number in range(_shards(self.plan))]
        missing = [audio.name for audio, _ in self._shards if not audio.exists()]
        if missing:
            raise ModelError(f"{folder}: {len(missing)} shards are not spoken yet, {missing[0]} first; run it again")
        self._notes = [json.loads(notes.read_text(encoding="utf-8")) for _, notes in self._shards]
        self._audio = [np.load(audio, mmap_mode="r") for audio, _ in self._shards]

    def __len__(self) -> int:
        return self.plan.utterances

    def utterance(self, number: int) -> Utterance:
        """The utterance of that number of the plan."""
        shard, place = divmod(number, SHARD_UTTERANCES)
        note = self._notes[shard][place]
        audio = np.array(self._audio[shard][note["first"] : note["last"]])
        return Utterance(note["text"], note["name"], note["voice"], audio, tuple(map(tuple, note["words"])))

    def samples(self, number: int) -> int:
        """How long it is."""
        shard, place = divmod(number, SHARD_UTTERANCES)
        note = self._notes[shard][place]
        return int(note["last"] - note["first"])

    def texts(self) -> Iterator[str]:
        """Every sentence, for a tokenizer to learn from."""
        for notes in self._notes:
            for note in notes:
                yield note["text"]


def make(
    folder: Path, plan: Plan, processes: int, told: Callable[[int, int], None] = lambda _done, _all: None
) -> Speech:
    """Speak what is missing; ``told`` hears how many shards of how many are there.

    Raises :class:`ModelError` when the folder was begun with another plan.
    """
    if (folder / PLAN_FILE).exists():
        # which voices festival has was settled when the folder was begun
        plan = replace(plan, festival=read_plan(folder).festival)
        if read_plan(folder) != plan:
            raise ModelError(f"{folder} holds {read_plan(folder)}, asked is {plan}; give another folder or delete it")
    else:
        plan = replace(plan, festival=festival_voices())
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / PLAN_FILE, json.dumps(asdict(plan)).encode())
    missing = [number for number in range(_shards(plan)) if not _shard(folder, number)[0].exists()]
    told(_shards(plan) - len(missing), _shards(plan))
    if missing and processes <= 1:
        for done, number in enumerate(missing, _shards(plan) - len(missing) + 1):
            _make_shard(folder, plan, number)
            told(done, _shards(plan))
    elif missing:
        # spawned: espeak-ng's state and torch's threads do not survive a fork
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            waiting = [pool.submit(_make_shard, folder, plan, number) for number in missing]
            for done, finished in enumerate(as_completed(waiting), _shards(plan) - len(missing) + 1):
                finished.result()
                told(done, _shards(plan))
    return Speech(folder)


def read_plan(folder: Path) -> Plan:
    """The plan a folder was begun with; raises :class:`ModelError` when it cannot be read."""
    try:
        kept = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
        return Plan(kept["utterances"], kept["seed"], tuple(kept["festival"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder / PLAN_FILE}: cannot be read ({error}); delete the folder to begin again") from error


def _make_shard(folder: Path, plan: Plan, number: int) -> None:
    notes, pieces, first = [], [], 0
    for place in range(number * SHARD_UTTERANCES, min(plan.utterances, (number + 1) * SHARD_UTTERANCES)):
        wanted = order(plan, place)
        if held_out(wanted.voice):
            raise ModelError(f"{wanted.voice} is held out for measuring and cannot be trained on")
        spoken = speak(wanted)
        last = first + len(spoken.audio)
        note = {"text": spoken.text, "name": spoken.name, "voice": spoken.voice, "first": first, "last": last}
        notes.append({**note, "words": spoken.words})
        pieces.append(spoken.audio)
        first = last
    audio, written = _shard(folder, number)
    _write(written, json.dumps(notes).encode())
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
        np.save(file, np.concatenate(pieces))
    Path(file.name).rename(audio)  # the last step: a shard whose samples are there is whole


def _write(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        file.write(data)
    Path(file.name).rename(path)


def _shards(plan: Plan) -> int:
    return -(-plan.utterances // SHARD_UTTERANCES)


def _shard(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"speech-{number:05d}.npy", folder / f"speech-{number:05d}.json"


@cache
def _espeak() -> Espeak:
    """One a process: the library has one state."""
    return Espeak()


def _flite(wanted: Order, name: str) -> Spoken:
    settings = ["--setf", f"duration_stretch={150 / wanted.words_per_minute:.3f}"]
    if wanted.pitch != 50:
        # slt's own mean is near 170 Hz, the men's near 100 Hz; an eighth up or down is still a voice
        own = 170 if name == "slt" else 100
        settings += ["--setf", f"int_f0_target_mean={own * (1 + (wanted.pitch - 50) / 200):.1f}"]
    return _run("flite", ["flite", "-voice", name, *settings, "-t", wanted.text, "-o"])


def _festival(wanted: Order, name: str) -> Spoken:
    # HTS voices have an engine of their own, which Duration_Stretch does not reach
    stretch = (
        f'(set! hts_engine_params (cons (list "-r" {wanted.words_per_minute / 150:.3f}) hts_engine_params))'
        if name.endswith("_hts")
        else f"(Parameter.set 'Duration_Stretch {150 / wanted.words_per_minute:.3f})"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(wanted.text)
        file.flush()
        return _run("festival", ["text2wave", file.name, "-eval", f"(voice_{name})", "-eval", stretch, "-o"])


def _run(package: str, command: list[str]) -> Spoken:
    """Run a synthesiser whose last argument is the file to write."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        try:
            subprocess.run([*command, file.name], check=True, capture_output=True, timeout=60)
        except FileNotFoundError:
            raise ModelError(f"{command[0]} is not installed; run: apt-get install {package}") from None
        except subprocess.SubprocessError as error:
            raise ModelError(f"{' '.join(command)}: {error}; install {package} and its voices again") from error
        with wave.open(file.name, "rb") as opened:
            pcm = np.frombuffer(opened.readframes(opened.getnframes()), np.int16)
            return Spoken(pcm, opened.getframerate())
