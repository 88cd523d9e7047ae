"""Scenes that need no font: coloured squares and circles on plain grounds, whose truth is known."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from speakage_engines.api import Rgb
from speakage_engines.evaluation.detector import SceneDetector, Seen, Thing, save
from speakage_engines.evaluation.detector_training import DetectorRecipe, train_detector

INKS = {"red": (220, 40, 40), "blue": (40, 60, 220)}
GROUNDS = {"day": (235, 235, 225), "night": (30, 30, 45)}
_CORNERS = ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73))


class Shapes:
    """One to four shapes, of one size, in the quarters of a picture."""

    size = 64
    nouns: Sequence[str] = ("square", "circle")
    colours: Sequence[str] = tuple(INKS)
    backgrounds: Sequence[str] = tuple(GROUNDS)

    def __len__(self) -> int:
        return 1_000_000

    def scene(self, number: int) -> tuple[Rgb, Seen]:
        dice = random.Random(number)
        things = tuple(
            Thing(dice.choice(self.nouns), dice.choice(self.colours), x, y, 0.3, 0.3)
            for x, y in dice.sample(_CORNERS, dice.randint(1, 4))
        )
        seen = Seen(things, dice.choice(self.backgrounds))
        return draw(seen, self.size), seen


def draw(seen: Seen, size: int = 64) -> Rgb:
    """The picture of what is to be seen."""
    image = Image.new("RGB", (size, size), GROUNDS[seen.background])
    pen = ImageDraw.Draw(image)
    for thing in seen.things:
        box = [
            (thing.x - thing.width / 2) * size,
            (thing.y - thing.height / 2) * size,
            (thing.x + thing.width / 2) * size,
            (thing.y + thing.height / 2) * size,
        ]
        shape = pen.rectangle if thing.noun == "square" else pen.ellipse
        shape(box, fill=INKS[thing.colour])
    return np.asarray(image)


@pytest.fixture(scope="session")
def shapes() -> Shapes:
    return Shapes()


@pytest.fixture(scope="session")
def draw_seen() -> Callable[[Seen], Rgb]:
    return draw


@pytest.fixture(scope="session")
def detector(shapes: Shapes) -> Iterator[SceneDetector]:
    """Trained in some seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # steps this small lose more than they win by sharing
    yield train_detector(shapes, DetectorRecipe(steps=120, batch=16, width=8, held_out=100))
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def detector_folder(detector: SceneDetector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    save(detector, folder)
    return folder


@pytest.fixture
def picture_folder(shapes: Shapes, tmp_path: Path) -> Callable[[str, range], Path]:
    """Writes drawn shapes as PNG files with captions beside them."""

    def write(name: str, numbers: range) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for place, number in enumerate(numbers):
            picture, seen = shapes.scene(number)
            Image.fromarray(picture).save(folder / f"{place:03}.png")
            (folder / f"{place:03}.txt").write_text(f"{len(seen.things)} things", encoding="utf-8")
        return folder

    return write
