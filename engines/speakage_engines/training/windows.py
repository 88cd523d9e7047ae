"""What the ears train on: windows of sound with what should be written about them, made on the fly.

A window holds one to three utterances, or no words at all; it lies in a room, has noise behind it, may break off in
the middle of a word, and may have names announced before it. Window ``i`` of step ``n`` follows from the seed alone,
so that a run which resumes hears the same. Features are cut and filled as the engine does: zeros after normalisation,
to a multiple of 24 frames and no less than 96; some batches are filled to 3000, for programs that know only that.

This module does *not* synthesise (:mod:`.speech`) and holds no network.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from typing_extensions import override

from speakage_engines.api import SAMPLE_RATE
from speakage_engines.training import rooms
from speakage_engines.training.batches import Share
from speakage_engines.training.phrases import announcement
from speakage_engines.training.rooms import Audio
from speakage_engines.training.speech import Speech, Utterance
from speakage_engines.training.whisper_tokens import END, NO_SPEECH, NO_TIMESTAMPS, PREVIOUS, START

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MEL_BANDS: Final = 80
EXTRACTOR: Final = {
    "feature_size": MEL_BANDS,
    "sampling_rate": SAMPLE_RATE,
    "hop_length": SAMPLE_RATE // 50,
    "chunk_length": 30,
    "n_fft": 512,
}
"""faster-whisper's settings of the log-mel. A frame every 20 ms, not every 10 as OpenAI's Whispers have it: the encoder
then has half the positions, and costs half as much to train and to run."""
FULL_FRAMES: Final = 3000
FRAME_MULTIPLE: Final = 24
MINIMUM_FRAMES: Final = 96
IGNORED: Final = -100
"""Label of what is not to be learned: torch's own default."""
LETTERS: Final = " abcdefghijklmnopqrstuvwxyz"
"""What the CTC head spells; its blank is number 0, the letters follow."""
_LONGEST_SAMPLES: Final = 29 * SAMPLE_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How often what happens, 0 to 1."""

    wordless: float = 0.1
    timestamps: float = 0.3
    full_window: float = 0.005
    """Of batches: filled to 30 s."""
    several: float = 0.08
    """Of batches: up to three utterances in a window."""
    cut: float = 0.3
    """Broken off after some words, where the synthesiser told when words begin: ears that only know whole sentences
    make up the rest."""
    hesitating: float = 0.5
    """Of those: before a word, with silence behind; the others break off inside one."""
    announced: float = 0.7
    """Of sentences with a name: the name is announced before."""
    misled: float = 0.12
    """Of all others: names are announced that are not said."""
    noisy: float = 0.7
    roomy: float = 0.4
    coloured: float = 0.4
    faster: float = 0.7
    larger: float = 0.6
    """Spoken by a larger or smaller person: formants moved, the pitch left."""
    masked: float = 0.3


@dataclass(frozen=True, slots=True)
class Segment:
    """Words and where they are, in seconds of the window."""

    text: str
    start: float
    end: float | None
    """``None`` when the window breaks off before it."""


@dataclass(frozen=True, slots=True)
class Window:
    """Sound and what is in it."""

    audio: Audio
    segments: tuple[Segment, ...]
    announced: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one step; ``n`` windows."""

    features: torch.Tensor
    """float32 ``(n, 80, frames)``."""
    tokens: torch.Tensor
    """What the decoder reads, int64 ``(n, length)``."""
    labels: torch.Tensor
    """What it should write next, or :data:`IGNORED`; int64 ``(n, length)``."""
    letters: torch.Tensor
    """All CTC targets in a row."""
    letter_counts: torch.Tensor
    """How many of them belong to each window; ``(n,)``."""


class Windows(Dataset[Batch]):
    """Batches by step number."""

    def __init__(
        self, speech: Speech, tokenizer: Tokenizer, batch: int, steps: int, seed: int, share: Share | None = None
    ) -> None:
        self.shares = Shares()
        self._speech = speech
        self._tokens = TokenRules(tokenizer)
        self._batch = batch
        self._steps = steps
        self._seed = seed
        self._share = share or Share()

    def __len__(self) -> int:
        return self._steps

    @override
    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self._seed, step))
        most = int(rng.integers(2, 4)) if rng.random() < self.shares.several else 1
        full = rng.random() < self.shares.full_window
        hardship = hardship_at(step / max(1, self._steps))
        rank, processes = self._share.rank, self._share.processes
        windows = []
        for place, number in enumerate(self._alike(rng)[rank::processes]):
            own = np.random.default_rng((self._seed, step, place * processes + rank))
            windows.append(self.window(own, [number, *self._further(most, own)], hardship))
        written = [
            self._tokens.of(window, with_times=rng.random() < self.shares.timestamps and hardship > 0.4)
            for window in windows
        ]
        features = stack([self._of_someone(features_of(window.audio), rng, hardship) for window in windows], full=full)
        if hardship > 0.4:
            _mask(features, rng, self.shares.masked)
        letters = [spell(" ".join(segment.text for segment in window.segments)) for window in windows]
        return Batch(
            torch.from_numpy(features),
            _padded([tokens for tokens, _ in written], self._tokens.end),
            _padded([labels for _, labels in written], IGNORED),
            torch.tensor([letter for word in letters for letter in word], dtype=torch.int64),
            torch.tensor([len(word) for word in letters], dtype=torch.int64),
        )

    def window(self, rng: np.random.Generator, numbers: list[int], hardship: float) -> Window:
        """One window of these utterances, or without words; ``hardship`` 0 to 1 scales how often sound is spoilt."""
        names = random.Random(int(rng.integers(2**62)))  # noqa: S311 - data, not secrets
        if rng.random() < self.shares.wordless:
            audio = self._wordless(self._speech.samples(numbers[0]), rng)
            told = announcement(names) if rng.random() < self.shares.misled else ""
            return Window(audio, (), told)
        chosen = [self._speech.utterance(number) for number in numbers]
        audio, segments = self._lay_out(chosen, rng)
        return Window(self._spoil(audio, rng, hardship), segments, self._announce(chosen, segments, rng, names))

    def _of_someone(
        self, features: NDArray[np.float32], rng: np.random.Generator, hardship: float
    ) -> NDArray[np.float32]:
        changed = rng.random() < self.shares.larger * hardship
        return resized(features, rng.uniform(0.84, 1.16)) if changed else features

    def _alike(self, rng: np.random.Generator) -> list[int]:
        """Utterances of similar lengths, as many as the batches of all processes have windows: few zeros to compute,
        and nobody waits for long."""
        wanted = self._batch * self._share.processes
        drawn = rng.integers(len(self._speech), size=8 * wanted).tolist()
        drawn.sort(key=self._speech.samples)
        first = int(rng.integers(len(drawn) - wanted + 1))
        return list(drawn[first : first + wanted])

    def _further(self, most: int, rng: np.random.Generator) -> list[int]:
        count = int(rng.integers(0, most))
        return [int(rng.integers(len(self._speech))) for _ in range(count)]

    def _draw(self, rng: np.random.Generator) -> Utterance:
        return self._speech.utterance(int(rng.integers(len(self._speech))))

    def _voices(self, rng: np.random.Generator) -> list[Audio]:
        return [_floats(self._draw(rng)) for _ in range(int(rng.integers(3, 7)))]

    def _wordless(self, like: int, rng: np.random.Generator) -> Audio:
        samples = int(like * rng.uniform(0.2, 1.5)) + SAMPLE_RATE // 4
        if rng.random() < 0.15:
            return np.zeros(samples, np.float32)
        sound = rooms.background(samples, lambda: self._voices(rng), rng)
        return _quantised(rooms.at_level(rooms.microphone(sound, rng), rng.uniform(-65, -12)))

    def _lay_out(self, chosen: list[Utterance], rng: np.random.Generator) -> tuple[Audio, tuple[Segment, ...]]:
        """Utterances one after another with pauses; the last may break off."""
        cut = rng.random() < self.shares.cut
        pieces = [np.zeros(int(rng.uniform(0, 0.5) * SAMPLE_RATE), np.float32)]
        segments: list[Segment] = []
        length = len(pieces[0])
        for place, utterance in enumerate(chosen):
            factor = rng.uniform(0.85, 1.15) if rng.random() < self.shares.faster else 1.0
            voice = rooms.faster(_floats(utterance), factor)
            if length + len(voice) > _LONGEST_SAMPLES and segments:
                break
            voice *= np.float32(10 ** (rng.uniform(-3, 3) / 20) * 0.1 / rooms.rms(voice))
            hesitating = rng.random() < self.shares.hesitating
            if cut and place == len(chosen) - 1 and (broken := break_off(utterance, rng, inside=not hesitating)):
                text, sample = broken
                voice = voice[: int(sample / factor)]
                end = (length + len(voice)) / SAMPLE_RATE if hesitating else None
                segments.append(Segment(text, length / SAMPLE_RATE, end))
                pieces += [voice, np.zeros(int(rng.uniform(0.1, 0.8) * hesitating * SAMPLE_RATE), np.float32)]
                break
            segments.append(Segment(utterance.text, length / SAMPLE_RATE, (length + len(voice)) / SAMPLE_RATE))
            last = place == len(chosen) - 1
            pause = np.zeros(int((rng.uniform(0, 0.8) if last else rng.uniform(0.25, 1)) * SAMPLE_RATE), np.float32)
            pieces += [voice, pause]
            length += len(voice) + len(pause)
        return np.concatenate(pieces)[: _LONGEST_SAMPLES + SAMPLE_RATE // 2], tuple(segments)

    def _spoil(self, audio: Audio, rng: np.random.Generator, hardship: float) -> Audio:
        """The room, the noise, the microphone and the distance."""
        if rng.random() < self.shares.roomy * hardship:
            response = rooms.room(rng.uniform(0.1, 0.8), rng, rng.uniform(0, 1))
            audio = rooms.reverberate(audio, response)[: len(audio)]
        if rng.random() < self.shares.noisy * hardship:
            audio = rooms.mix(audio, rooms.background(len(audio), lambda: self._voices(rng), rng), rng.uniform(3, 30))
        else:
            audio = rooms.mix(audio, rooms.noise(len(audio), 0.5, rng), rng.uniform(30, 60))
        if rng.random() < self.shares.coloured * hardship:
            audio = rooms.microphone(audio, rng)
        return _quantised(rooms.at_level(audio, rng.uniform(-40, -12)))

    def _announce(
        self, chosen: list[Utterance], segments: tuple[Segment, ...], rng: np.random.Generator, names: random.Random
    ) -> str:
        said = " ".join(segment.text for segment in segments).split()
        named = [utterance.name for utterance in chosen if utterance.name in said]
        if named:
            return announcement(names, named[0]) if rng.random() < self.shares.announced else ""
        if rng.random() >= self.shares.misled:
            return ""
        # a plain word that is said may be announced too
        return announcement(names, names.choice(said) if said and rng.random() < 0.3 else "")


class TokenRules:
    """What the decoder reads and writes for a window."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        numbers = tokenizer.get_vocab()
        self.end, self._start, self._previous = numbers[END], numbers[START], numbers[PREVIOUS]
        self._no_speech, self._no_times = numbers[NO_SPEECH], numbers[NO_TIMESTAMPS]
        self._zero = self._no_times + 1

    def of(self, window: Window, *, with_times: bool) -> tuple[list[int], list[int]]:
        """Tokens and labels of equal length; the announcement is read and not learned."""
        prompt = self._words(window.announced) if window.announced else []
        prompt = [self._previous, *prompt[:223]] if prompt else []
        if window.segments:
            written = self._timed(window.segments) if with_times else self._plain(window.segments)
            labels = [*written, self.end]
        else:
            # nothing follows the start but silence; whoever goes on regardless finds the end
            written = [self._zero if with_times else self._no_times]
            labels = [self._no_speech, self.end]
        return [*prompt, self._start, *written], [IGNORED] * len(prompt) + labels

    def _plain(self, segments: tuple[Segment, ...]) -> list[int]:
        return [self._no_times, *self._words(" ".join(segment.text for segment in segments))]

    def _timed(self, segments: tuple[Segment, ...]) -> list[int]:
        written = []
        for segment in segments:
            written += [self._time(segment.start), *self._words(segment.text)]
            written += [self._time(segment.end)] if segment.end is not None else []
        return written

    def _words(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(f" {text}", add_special_tokens=False).ids)

    def _time(self, seconds: float) -> int:
        return self._zero + min(1500, round(seconds / 0.02))


def hardship_at(part: float) -> float:
    """How often sound is spoilt, 0 to 1, when this part of a run is done.

    What the decoder attends to is found on clean speech, or not for very long; the rest gets used to rooms and noise.
    """
    return min(1.0, max(0.0, (part - 0.4) / 0.3))


def break_off(utterance: Utterance, rng: np.random.Generator, *, inside: bool = True) -> tuple[str, int] | None:
    """A sample inside a word, or before it, and the text of the words that are whole until then; ``None`` where times
    are unknown."""
    known = [(place, sample) for place, sample in utterance.words if place > 0]
    if not known:
        return None
    ends = [*(sample for _, sample in known[1:]), len(utterance.audio)]
    chosen = int(rng.integers(len(known)))
    place, start = known[chosen]
    # three fifths of a word are not yet the word
    sample = start + int(rng.uniform(0, 0.6) * inside * max(0, ends[chosen] - start))
    return utterance.text[:place].strip(), sample


def features_of(audio: Audio) -> NDArray[np.float32]:
    """Log-mel as the engine makes it, shape ``(80, frames)``."""
    features: NDArray[np.float32] = _extractor()(audio, padding=EXTRACTOR["hop_length"])[:, :-1].astype(np.float32)
    return features


def resized(features: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """As if a vocal tract of 1/``factor`` the length had spoken: formants lie ``factor`` times as high.

    Shape ``(80, frames)``, of log-mel. Vocal tract length perturbation (Jaitly and Hinton 2013): frequencies are scaled
    up to a break, and above it squeezed or stretched so that the highest stays the highest.
    """
    centres = _mel_centres()
    top, last = centres[-1], 4_800.0 * min(factor, 1) / factor
    beyond = last * factor + (centres - last) * (top - last * factor) / (top - last)
    heard = np.where(centres <= last, centres * factor, beyond)
    # what lies at f * factor now was at f before
    places = np.interp(np.interp(centres, heard, centres), centres, np.arange(MEL_BANDS))
    below = np.minimum(places.astype(int), MEL_BANDS - 2)
    above = (places - below).astype(np.float32)[:, None]
    moved: NDArray[np.float32] = features[below] * (1 - above) + features[below + 1] * above
    return moved


def stack(features: list[NDArray[np.float32]], *, full: bool) -> NDArray[np.float32]:
    """All in one window, zeros behind each; shape ``(n, 80, frames)``."""
    longest = max(MINIMUM_FRAMES, *(one.shape[1] for one in features))
    frames = FULL_FRAMES if full else min(FULL_FRAMES, -(-longest // FRAME_MULTIPLE) * FRAME_MULTIPLE)
    whole = np.zeros((len(features), MEL_BANDS, frames), np.float32)
    for row, one in zip(whole, features, strict=True):
        row[:, : one.shape[1]] = one[:, :frames]
    return whole


def spell(text: str) -> list[int]:
    """Letters as CTC targets."""
    return [LETTERS.index(letter) + 1 for letter in text if letter in LETTERS]


def _mask(features: NDArray[np.float32], rng: np.random.Generator, share: float) -> None:
    """Wipe a band of frequencies in some windows (SpecAugment, Park et al. 2019)."""
    for window in features:
        if rng.random() < share:
            first, width = int(rng.integers(MEL_BANDS - 10)), int(rng.integers(1, 10))
            window[first : first + width] = window[first : first + width].mean()


def _padded(rows: list[list[int]], filler: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows], dtype=torch.int64)


def _floats(utterance: Utterance) -> Audio:
    return utterance.audio.astype(np.float32) / np.float32(32_768)


def _quantised(audio: Audio) -> Audio:
    """As 16 bits carry it."""
    return (np.round(audio * 32_767) / 32_768).astype(np.float32)


@cache
def _mel_centres() -> NDArray[np.float64]:
    """In Hz, of each band's triangle."""
    filters = np.asarray(_extractor().mel_filters)
    frequencies = np.linspace(0, SAMPLE_RATE / 2, filters.shape[1])
    centres: NDArray[np.float64] = filters @ frequencies / filters.sum(axis=1)
    return centres


@cache
def _extractor() -> Any:
    from faster_whisper.feature_extractor import FeatureExtractor

    return FeatureExtractor(**EXTRACTOR)
