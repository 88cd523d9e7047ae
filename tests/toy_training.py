"""Pictures and networks so small that a recipe trains in seconds."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from speakage_engines.training import autoencoder, diffusion
from speakage_engines.training.api import Example
from speakage_engines.training.course import Course
from speakage_engines.training.networks import DenoiserShape, TextShape

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 230)}


class Numbered:
    """Pictures that show their number."""

    size = 2
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return 1000

    def example(self, number: int) -> Example:
        return Example(np.full((2, 2, 3), number % 256, np.uint8), str(number))


class Discs:
    """A disc of one of three colours on white, 16 × 16, and where it is in cells of 2 × 2."""

    size = 16
    names = tuple(COLOURS)

    def __len__(self) -> int:
        return 3000

    def example(self, number: int) -> Example:
        random = np.random.default_rng(number)
        name = list(COLOURS)[number % 3]
        rows, columns = np.mgrid[: self.size, : self.size]
        row, column, radius = random.integers(6, 10), random.integers(6, 10), random.integers(6, 9)
        picture = np.full((self.size, self.size, 3), 240, np.uint8)
        disc = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        picture[disc] = COLOURS[name]
        content = disc[::2, ::2].astype(np.int16) * (list(COLOURS).index(name) + 1)
        return Example(picture, f"a {name} disc", content)


class Stopped(Exception):  # noqa: N818 - it is no error: somebody switched the machine off
    """A run that ends in the middle."""


def stop_at(step: int) -> Callable[[str, float], None]:
    """A progress that ends the run when it tells of a step."""

    def progress(what: str, done: float) -> None:
        if f"step {step} of" in what:
            raise Stopped

    return progress


def losses(folder: Path) -> list[tuple[int, str]]:
    """Steps and losses as the log has them, to the last digit."""
    with (folder / "log.csv").open(newline="", encoding="utf-8") as file:
        return [(int(row["step"]), row["loss"]) for row in csv.DictReader(file)]


def course(**changes: Any) -> Course:
    own: dict[str, Any] = {
        "steps": 12, "batch": 4, "final_batch": 8, "widen_at": 0.5, "learning_rate": 3e-3, "warmup": 2,
        "precision": "fp32", "log_every": 1, "checkpoint_every": 5,
    }  # fmt: skip
    return Course(**{**own, **changes})


def small_autoencoder(**changes: Any) -> autoencoder.Settings:
    own: dict[str, Any] = {
        "latent_channels": 4, "encoder_width": 16, "decoder_width": 16, "encoder_blocks": (1, 1),
        "decoder_blocks": (1, 1), "kl_channels": (8, 16), "groups": 4, "gradient_weight": 0.5, "square_weight": 1.0,
        "course": course(),
    }  # fmt: skip
    return autoencoder.Settings(**{**own, **changes})


def small_diffusion(vae: Path, words: Path, **changes: Any) -> diffusion.Settings:
    own: dict[str, Any] = {
        "autoencoder": vae, "tokenizer": words, "course": course(), "paint_steps": 4,
        "denoiser": DenoiserShape(channels=(16, 32), layers=(1, 1), heads=(2, 2), attention=(False, True), groups=8),
        "text": TextShape(width=16, layers=1, heads=2, feed_forward=32),
    }  # fmt: skip
    return diffusion.Settings(**{**own, **changes})
