"""How much the picture moves while a sentence grows, and what holding it still costs: ``picture.continuity``.

Every sentence is painted as the daemon would: two drafts of one step, the picture of the pause, and another after
words were added; once beginning from the same noise each time, and once for every strength from the picture before.
Neighbours are compared by SSIM and by the cosine distance between the scene detector's features. *Shown* is how often
the detector finds the sentence's first thing in the last picture: holding still is worth nothing when the words are not
followed.

Run: ``python benchmarks/continuity.py [--sentences 20] [--strengths 0.7 0.5 0.3] [--json PATH]``
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console
from rich.table import Table
from speech_set import NOUNS, PLACES, with_article

from speakage_daemon.app import picture_spec
from speakage_daemon.config import Config, PictureSettings
from speakage_engines.api import Carried, PaintRequest, PictureModel, Preview, load_picture
from speakage_engines.evaluation.detector import embedded_detector, look, read_detector
from speakage_engines.evaluation.features import SceneFeatures
from speakage_engines.evaluation.likeness import ssim

DRAFT: Final = 1
CHANGES: Final = ("draft → draft", "draft → picture", "picture → picture")
"""From each revision of a sentence to the next. Drafts are soft, and soft pictures are like each other: only what lies
between the same kinds compares."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is painted of it, one after the other."""

    noun: str
    revisions: tuple[tuple[str, int], ...]
    """Prompt and steps."""


@dataclass(slots=True)
class Found:
    """Of one setting, over all sentences."""

    likeness: list[list[float]] = field(default_factory=list)
    """Of each sentence, by :data:`CHANGES`."""
    distance: list[list[float]] = field(default_factory=list)
    shown: list[bool] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    """A whole sentence."""


def sentences(count: int, nouns: tuple[str, ...], steps: int) -> list[Sentence]:
    """Of the picture grammar, with things that the detector knows."""
    rng = random.Random(2026)
    known = [noun for noun in NOUNS if noun in nouns]
    made = []
    for _ in range(count):
        first, second = rng.sample(known, 2)
        place = rng.choice(PLACES)
        thing = with_article(first)
        short, whole = f"{thing} {place}", f"{thing} and {with_article(second)} {place}"
        made.append(Sentence(first, ((thing, DRAFT), (short, DRAFT), (short, steps), (whole, steps))))
    return made


def paint(model: PictureModel, sentence: Sentence, seed: int, strength: float | None) -> list[Preview]:
    """The picture of each revision."""
    pictures: list[Preview] = []
    for prompt, steps in sentence.revisions:
        request = PaintRequest(prompt=prompt, seed=seed, steps=steps)
        if pictures and strength is not None:
            latents = pictures[-1].latents
            if latents is None:
                raise RuntimeError("this model gives no latents to go on from")
            request = replace(request, carried=Carried(latents=latents, strength=strength))
        pictures.append(list(model.paint(request))[-1])
    return pictures


def measure(model: PictureModel, count: int, strengths: list[float]) -> dict[str, Found]:
    """All settings, sentence by sentence in turn, so that a busy moment of the machine meets all."""
    detector = read_detector(embedded_detector())
    features = SceneFeatures(detector)
    settings: dict[str, float | None] = {"noise": None} | {f"previous, {value:g}": value for value in strengths}
    found = {name: Found() for name in settings}
    for seed, sentence in enumerate(sentences(count, detector.config.nouns, model.info.steps)):
        for name, strength in settings.items():
            began = time.perf_counter()
            pictures = paint(model, sentence, seed, strength)
            took = (time.perf_counter() - began) * 1e3
            batch = torch.stack([torch.from_numpy(one.rgb.copy()).permute(2, 0, 1) for one in pictures])
            vectors = torch.nn.functional.normalize(features(batch).vectors, dim=1)
            row = found[name]
            row.likeness.append(ssim(batch[1:], batch[:-1]))
            row.distance.append([1 - float(one @ other) for one, other in pairwise(vectors)])
            row.shown.append(any(thing.noun == sentence.noun for thing in look(detector, batch[-1:])[0].things))
            row.milliseconds.append(took)
    return found


def report(found: dict[str, Found], count: int) -> list[dict[str, Any]]:
    """Print the table; return its figures."""
    table = Table(title=f"{count} sentences, from each revision to the next: SSIM ↑ and feature distance ↓")
    for heading in ("continuity", *CHANGES, "shown ↑", "ms a sentence", "÷ noise"):
        table.add_column(heading, justify="left" if heading == "continuity" else "right")
    base = statistics.median(found["noise"].milliseconds)
    figures: list[dict[str, Any]] = []
    for name, row in found.items():
        likeness, distance = (list(map(statistics.mean, zip(*of, strict=True))) for of in (row.likeness, row.distance))
        shown, took = statistics.mean(row.shown), statistics.median(row.milliseconds)
        cells = [f"{one:.3f} {other:.3f}" for one, other in zip(likeness, distance, strict=True)]
        table.add_row(name, *cells, f"{shown:.0%}", f"{took:.0f}", f"{took / base:.2f}")
        slug = f"continuity.{name.replace(', ', '_')}"
        for change, one, other in zip(CHANGES, likeness, distance, strict=True):
            figures.append({"name": f"{slug}.{change}.ssim", "value": one, "unit": "1"})
            figures.append({"name": f"{slug}.{change}.feature_distance", "value": other, "unit": "1"})
        figures += [
            {"name": f"{slug}.shown", "value": shown, "unit": "fraction"},
            {"name": f"{slug}.time_to_noise", "value": took / base, "unit": "ratio"},
        ]
    Console(width=110).print(table)
    return figures


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=20)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.7, 0.5, 0.3])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    model = load_picture(picture_spec(Config(picture=PictureSettings(model="embedded"))))
    figures = report(measure(model, options.sentences, options.strengths), options.sentences)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
