"""The scene detector: a tiny one learns shapes, and what it sees is right on shapes it never saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from speakage_engines.evaluation.detector import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    SceneDetector,
    Seen,
    class_logits,
    look,
    read_detector,
)
from speakage_engines.evaluation.detector_training import (
    TINY,
    DrawnScenes,
    Step,
    as_tensor,
    spoil,
    train_detector,
)
from speakage_engines.evaluation.features import SceneFeatures
from speakage_engines.evaluation.figure import EvaluationError


def summary(seen: Seen) -> tuple[str, list[tuple[str, str, int, int]]]:
    """The background, and each thing with the quarter it is in."""
    return seen.background, sorted(
        (thing.noun, thing.colour, round(2 * thing.x), round(2 * thing.y)) for thing in seen.things
    )


def test_it_sees_what_was_drawn_on_pictures_it_never_saw(detector: SceneDetector, shapes: DrawnScenes) -> None:
    held_out = [shapes.scene(number) for number in range(60)]
    seen = look(detector, as_tensor([picture for picture, _ in held_out]))
    right = sum(summary(found) == summary(truth) for found, (_, truth) in zip(seen, held_out, strict=True))
    assert right >= 54


def test_it_sees_soft_and_noisy_pictures_too_and_larger_ones(detector: SceneDetector, shapes: DrawnScenes) -> None:
    held_out = [shapes.scene(number) for number in range(30)]
    torch.manual_seed(0)
    pictures = as_tensor([picture for picture, _ in held_out])
    larger = torch.nn.functional.interpolate(pictures.float(), size=(160, 160), mode="bilinear").byte()
    for changed in (spoil(pictures).byte(), larger):
        seen = look(detector, changed)
        right = sum(summary(found) == summary(truth) for found, (_, truth) in zip(seen, held_out, strict=True))
        assert right >= 24


def test_an_empty_picture_has_no_things(detector: SceneDetector) -> None:
    (seen,) = look(detector, as_tensor([np.full((64, 64, 3), (235, 235, 225), np.uint8)]))
    assert seen == Seen((), "day")


def test_features_have_the_stated_width_and_logits_show_the_nouns(detector: SceneDetector, shapes: DrawnScenes) -> None:
    network = SceneFeatures(detector)
    scenes = [shapes.scene(number) for number in range(40)]
    found = network(as_tensor([picture for picture, _ in scenes]))
    assert network.name == "scenes (64)"
    assert found.vectors.shape == (40, 64)
    alone = [number for number, (_, truth) in enumerate(scenes) if len({t.noun for t in truth.things}) == 1]
    wanted = [shapes.nouns.index(scenes[number][1].things[0].noun) for number in alone]
    assert found.logits.argmax(dim=1)[alone].tolist() == wanted


def test_logits_count_a_thing_once_however_often_it_shows(detector: SceneDetector, shapes: DrawnScenes) -> None:
    with torch.inference_mode():
        maps = detector(as_tensor([shapes.scene(0)[0]]))
    assert class_logits(maps).max() <= 0  # logarithms of likelihoods, and no sums of them


def test_it_is_kept_and_read_back(detector: SceneDetector, detector_folder: Path, shapes: DrawnScenes) -> None:
    again = read_detector(detector_folder)
    assert again.config == detector.config
    picture = as_tensor([shapes.scene(0)[0]])
    # kept in float16: the same things, a pixel aside
    assert [*map(summary, look(again, picture))] == [*map(summary, look(detector, picture))]


def test_missing_and_damaged_files_are_named(detector_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=f"{CONFIG_FILE} does not exist; train"):
        read_detector(tmp_path)
    (tmp_path / CONFIG_FILE).write_bytes((detector_folder / CONFIG_FILE).read_bytes())
    with pytest.raises(EvaluationError, match=f"{WEIGHTS_FILE} does not exist"):
        read_detector(tmp_path)
    (tmp_path / WEIGHTS_FILE).write_bytes(b"damaged")
    with pytest.raises(EvaluationError, match=f"{WEIGHTS_FILE} cannot be read"):
        read_detector(tmp_path)
    (tmp_path / CONFIG_FILE).write_text('{"nouns": 3}', encoding="utf-8")
    with pytest.raises(EvaluationError, match=f"{CONFIG_FILE} cannot be read"):
        read_detector(tmp_path)


def test_training_repeats_tells_how_far_it_is_and_leaves_held_out_scenes_alone(shapes: DrawnScenes) -> None:
    asked: list[int] = []

    class Noted:
        size, nouns, colours, backgrounds = shapes.size, shapes.nouns, shapes.colours, shapes.backgrounds

        def __len__(self) -> int:
            return 100

        def scene(self, number: int) -> tuple[np.ndarray, Seen]:
            asked.append(number)
            return shapes.scene(number)

    recipe = replace(TINY, steps=12)
    told: list[Step] = []
    before = torch.get_rng_state()
    first = train_detector(Noted(), recipe, told.append)
    assert torch.equal(before, torch.get_rng_state())
    assert min(asked) >= recipe.held_out
    assert [step.step for step in told] == [1, 12]
    assert told[-1].loss < told[0].loss
    assert told[-1].seconds_left == 0
    second = train_detector(Noted(), recipe)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
