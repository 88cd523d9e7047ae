"""Evaluate ears: word error rate, time to final text, and words invented where nobody speaks.

Everything is heard as the daemon hears it: frames through the speech detector, its verdicts through a segmentation
(passed in, since it is the daemon's), and what that cuts out through the speech model with its gates. Sound is fed
faster than real time; the time to final text is put together from sample counts and the model's own milliseconds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE, Activity, Samples, SpeechDetector, SpeechModel
from speakage_engines.evaluation.figure import Evaluation, EvaluationError, Figure, Interval, LeftOut, of_count
from speakage_engines.evaluation.sounds import SOUNDS, babble, sound
from speakage_engines.speech.gates import plain_words

TAIL_SAMPLES: Final = 2 * SAMPLE_RATE
"""Silence after each recording, in which the segmentation finds its end."""
BOOTSTRAPS: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """An utterance that the segmentation cut out, in samples."""

    start: int
    last_voiced: int
    settled: int
    """From here on its words could be worked out: the pause that nothing followed."""
    end: int
    """Here it was closed; its text is final at the earliest now."""


Segmentation: TypeAlias = Callable[[Iterable[tuple[int, Activity]]], Iterable[Stretch]]
"""From what the detector says of the frame that begins at each sample to utterances, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """All that hears."""

    model: SpeechModel
    detector: SpeechDetector
    segmentation: Segmentation
    hotwords: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Something said, and what it was."""

    audio: Samples
    text: str
    group: str = ""
    """A voice, or a condition such as ``babble 10 dB``: each has a figure of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of one stretch."""

    text: str
    final_ms: float
    """From the last voiced sample to the final text."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Words wrong in one recording, and words said."""

    wrong: int
    """Substituted, left out and put in."""
    said: int


def evaluate_speech(
    ears: Ears, recordings: Sequence[Recording] = (), *, quiet_minutes: int = 60, seed: int = 0
) -> Evaluation:
    """Words of the recordings, and ``quiet_minutes`` of sounds without words, shared evenly among their kinds.

    With recordings there is also babble made of them, as long as one kind of sound; it is told apart and not counted
    with the others, since somebody does speak there.
    """
    figures: list[Figure] = []
    left_out: list[LeftOut] = []
    if recordings:
        figures += _words(ears, recordings)
    else:
        left_out.append(LeftOut("word error rate", "there are no recordings with their words; give some"))
    if quiet_minutes > 0:
        figures += _invented(ears, quiet_minutes, seed)
        figures += _babble(ears, recordings, quiet_minutes, seed)
    else:
        left_out.append(LeftOut("words invented", "no minutes of wordless sound were asked for; give some"))
    return Evaluation(ears.model.choice.name, tuple(figures), tuple(left_out))


def hear(ears: Ears, audio: Samples) -> Iterator[Heard]:
    """Run the whole road over one piece of audio; a stretch whose text the gates reject gives an empty text."""
    ears.detector.reset()
    for stretch in ears.segmentation(_activities(ears.detector, audio)):
        transcript = ears.model.transcribe(audio[stretch.start : stretch.settled], hotwords=ears.hotwords)
        done = max(stretch.end, stretch.settled + transcript.milliseconds * SAMPLE_RATE / 1_000)
        yield Heard(text=transcript.text, final_ms=(done - stretch.last_voiced) * 1_000 / SAMPLE_RATE)


def word_errors(said: str, heard: str) -> Errors:
    """Compare words without case and punctuation; raises :class:`EvaluationError` when nothing was said."""
    import jiwer

    reference, hypothesis = plain_words(said), plain_words(heard)
    if not reference:
        raise EvaluationError(f"the text {said!r} of a recording has no words; wordless sound is measured apart")
    found = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return Errors(found.substitutions + found.deletions + found.insertions, len(reference))


def word_error_rate(name: str, errors: Sequence[Errors], seed: int = 0) -> Figure:
    """In per cent of the words said, with a bootstrap over recordings: the errors of one belong together."""
    wrong = np.array([each.wrong for each in errors])
    said = np.array([each.said for each in errors])
    drawn = np.random.default_rng(seed).integers(len(errors), size=(BOOTSTRAPS, len(errors)))
    rates = wrong[drawn].sum(axis=1) / said[drawn].sum(axis=1)
    low, high = np.quantile(rates, (0.025, 0.975))
    return Figure(
        name=name,
        value=float(100 * wrong.sum() / said.sum()),
        unit="%",
        n=int(said.sum()),
        resolution="",
        features="",
        interval=Interval(float(100 * low), float(100 * high), "95 % bootstrap over recordings")
        if len(errors) > 1
        else None,
    )


def _words(ears: Ears, recordings: Sequence[Recording]) -> Iterator[Figure]:
    groups: dict[str, list[Errors]] = {}
    delays: list[float] = []
    for recording in recordings:
        heard = list(hear(ears, np.pad(recording.audio, (0, TAIL_SAMPLES))))
        delays += [each.final_ms for each in heard if each.text]
        errors = word_errors(recording.text, " ".join(each.text for each in heard))
        groups.setdefault(recording.group, []).append(errors)
    yield word_error_rate("word error rate", [errors for group in groups.values() for errors in group])
    for name, group in groups.items():
        if name:
            yield word_error_rate(f"word error rate: {name}", group)
    if delays:
        for name, value in (("median", statistics.median(delays)), ("95th percentile", _percentile(delays, 95))):
            yield Figure(
                name=f"time to final text: {name}",
                value=value,
                unit="ms",
                n=len(delays),
                resolution="",
                features="",
            )


def _invented(ears: Ears, minutes: int, seed: int) -> Iterator[Figure]:
    samples = minutes * 60 * SAMPLE_RATE // len(SOUNDS)
    total = 0
    for kind in SOUNDS:
        audio = np.pad(sound(kind, samples, seed), (0, TAIL_SAMPLES))
        words = sum(len(plain_words(heard.text)) for heard in hear(ears, audio))
        total += words
        yield _rate(f"words invented: {kind}", words, minutes / len(SOUNDS))
    yield _rate("words invented", total, minutes)


def _babble(ears: Ears, recordings: Sequence[Recording], minutes: int, seed: int) -> Iterator[Figure]:
    if recordings:
        length = minutes * 60 * SAMPLE_RATE // len(SOUNDS)
        audio = np.pad(babble([each.audio for each in recordings], length, seed), (0, TAIL_SAMPLES))
        words = sum(len(plain_words(heard.text)) for heard in hear(ears, audio))
        yield _rate("words written of babble", words, minutes / len(SOUNDS))


def _rate(name: str, words: int, minutes: float) -> Figure:
    """The interval takes words as independent; invented ones come in sentences, so it is rather too narrow."""
    return Figure(
        name=name,
        value=60 * words / minutes,
        unit="words/h",
        n=round(minutes),
        resolution="",
        features="",
        interval=of_count(words, minutes / 60),
    )


def _activities(detector: SpeechDetector, audio: Samples) -> Iterator[tuple[int, Activity]]:
    for start in range(0, len(audio) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        yield start, detector.feed(audio[start : start + FRAME_SAMPLES])


def _percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent))
