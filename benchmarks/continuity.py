"""How much the picture moves while a sentence grows, and what holding it still costs: ``picture.continuity``.

Every sentence is painted as the daemon would: two drafts of one step, the picture of the pause, and another after
words were added; once beginning from the same noise each time, once for every strength from the picture before, and
once for every number of images that lead from one draft to the next by a blend of their words. Neighbouring images are
compared by SSIM and by the cosine distance between the scene detector's features; where several lead from a revision to
the next, the two that differ most are told, the farthest that the picture jumps, and the mean besides. *Shown* is how
often the detector finds the sentence's first thing in the last picture: holding still is worth nothing when the words
are not followed.

Run: ``python benchmarks/continuity.py [--sentences 20] [--strengths 0.7 0.5 0.3] [--frames 4 8] [--json PATH]``
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console
from rich.table import Table
from speech_set import NOUNS, PLACES, with_article

from speakage_daemon.app import picture_spec
from speakage_daemon.config import Config, PictureSettings
from speakage_daemon.painting.continuity import between
from speakage_engines.api import Carried, PaintRequest, PictureModel, Preview, load_picture
from speakage_engines.evaluation.detector import embedded_detector, look, read_detector
from speakage_engines.evaluation.features import SceneFeatures
from speakage_engines.evaluation.likeness import ssim

DRAFT: Final = 1
CHANGES: Final = ("draft → draft", "draft → picture", "picture → picture")
"""From each revision of a sentence to the next. Drafts are soft, and soft pictures are like each other: only what lies
between the same kinds compares."""
COLUMNS: Final = (*CHANGES, "draft → draft: mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How revisions hang together."""

    strength: float | None = None
    """Of the picture before, for ``previous``."""
    images: int = 1
    """From one draft to the next, for ``blend``."""


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
    """Of each sentence, by :data:`CHANGES`, and the mean of the images from draft to draft."""
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


def paint(model: PictureModel, sentence: Sentence, seed: int, setting: Setting) -> list[list[Preview]]:
    """The images of each revision, its own picture last."""
    revisions: list[list[Preview]] = []
    for prompt, steps in sentence.revisions:
        requests = [PaintRequest(prompt=prompt, seed=seed, steps=steps)]
        if revisions:
            before = revisions[-1][-1]
            if before.latents is None or before.told is None:
                raise RuntimeError("this model gives nothing to go on from")
            if setting.strength is not None:
                requests = [replace(requests[0], carried=Carried(latents=before.latents, strength=setting.strength))]
            elif steps == DRAFT:
                requests = [*between(requests[0], before.told, setting.images), *requests]
        revisions.append([list(model.paint(request))[-1] for request in requests])
    return revisions


def measure(model: PictureModel, count: int, settings: dict[str, Setting]) -> dict[str, Found]:
    """All settings, sentence by sentence in turn, so that a busy moment of the machine meets all."""
    detector = read_detector(embedded_detector())
    features = SceneFeatures(detector)
    found = {name: Found() for name in settings}
    for seed, sentence in enumerate(sentences(count, detector.config.nouns, model.info.steps)):
        for name, setting in settings.items():
            began = time.perf_counter()
            revisions = paint(model, sentence, seed, setting)
            took = (time.perf_counter() - began) * 1e3
            images = [image.rgb for revision in revisions for image in revision]
            batch = torch.stack([torch.from_numpy(one.copy()).permute(2, 0, 1) for one in images])
            vectors = torch.nn.functional.normalize(features(batch).vectors, dim=1)
            likeness = ssim(batch[1:], batch[:-1])
            distance = [1 - float(one @ other) for one, other in pairwise(vectors)]
            row = found[name]
            # from the last image of each revision to the last of the next
            ends = list(accumulate(map(len, revisions)))
            pairs = [slice(since - 1, until - 1) for since, until in pairwise(ends)]
            row.likeness.append([*(min(likeness[pair]) for pair in pairs), statistics.mean(likeness[pairs[0]])])
            row.distance.append([*(max(distance[pair]) for pair in pairs), statistics.mean(distance[pairs[0]])])
            row.shown.append(any(thing.noun == sentence.noun for thing in look(detector, batch[-1:])[0].things))
            row.milliseconds.append(took)
    return found


def report(found: dict[str, Found], count: int) -> list[dict[str, Any]]:
    """Print the table; return its figures."""
    table = Table(
        title=f"{count} sentences, from each revision to the next: SSIM ↑ and feature distance ↓ at the farthest"
    )
    for heading in ("continuity", *COLUMNS, "shown ↑", "ms a sentence", "÷ noise"):
        table.add_column(heading, justify="left" if heading == "continuity" else "right")
    base = statistics.median(found["noise"].milliseconds)
    figures: list[dict[str, Any]] = []
    for name, row in found.items():
        likeness, distance = (list(map(statistics.mean, zip(*of, strict=True))) for of in (row.likeness, row.distance))
        shown, took = statistics.mean(row.shown), statistics.median(row.milliseconds)
        cells = [f"{one:.3f} {other:.3f}" for one, other in zip(likeness, distance, strict=True)]
        table.add_row(name, *cells, f"{shown:.0%}", f"{took:.0f}", f"{took / base:.2f}")
        slug = f"continuity.{name.replace(', ', '_')}"
        for change, one, other in zip(COLUMNS, likeness, distance, strict=True):
            figures.append({"name": f"{slug}.{change}.ssim", "value": one, "unit": "1"})
            figures.append({"name": f"{slug}.{change}.feature_distance", "value": other, "unit": "1"})
        figures += [
            {"name": f"{slug}.shown", "value": shown, "unit": "fraction"},
            {"name": f"{slug}.time_to_noise", "value": took / base, "unit": "ratio"},
        ]
    Console(width=120).print(table)
    return figures


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=20)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.7, 0.5, 0.3])
    parser.add_argument("--frames", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    model = load_picture(picture_spec(Config(picture=PictureSettings(model="embedded"))))
    settings = {
        "noise": Setting(),
        **{f"previous, {strength:g}": Setting(strength=strength) for strength in options.strengths},
        **{f"blend, {images}": Setting(images=images) for images in options.frames},
    }
    figures = report(measure(model, options.sentences, settings), options.sentences)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
