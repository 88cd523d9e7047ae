"""Tasks from drawn scenes that were held out, and the truth the detector learns from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speakage_engines.evaluation.detector import look
from speakage_engines.evaluation.detector_training import TINY, as_tensor, train_detector
from speakage_engines.evaluation.drawn import TrueScenes, scene_tasks, truth
from speakage_engines.evaluation.figure import EvaluationError
from speakage_engines.evaluation.scene import ROWS, accuracy, judge
from speakage_engines.training.nouns import FEW
from speakage_engines.training.scene import split_of
from speakage_engines.training.scenes import Scenes, SceneSettings

SETTINGS = SceneSettings()


def test_each_row_has_its_tasks_from_unseen_combinations_and_the_scene_fulfils_its_task() -> None:
    tasks = scene_tasks(SETTINGS, each=12)
    assert [drawn.task.row for drawn in tasks] == [row for row in ROWS for _ in range(12)]
    assert all(split_of(drawn.scene, SETTINGS.unseen) == "unseen" for drawn in tasks)
    assert len({drawn.task.caption for drawn in tasks}) == len(tasks)
    seen = [truth(drawn.scene) for drawn in tasks]
    figures, verdicts = accuracy([drawn.task for drawn in tasks], seen, resolution="", detector="the truth")
    assert [verdict.reason for verdict in verdicts if not verdict.right] == []
    assert figures[-1].value == 100


def test_a_task_is_not_fulfilled_by_the_scene_of_another() -> None:
    tasks = scene_tasks(SETTINGS, each=12)
    for row in ROWS:
        of_row = [drawn for drawn in tasks if drawn.task.row == row]
        fooled = [judge(a.task, truth(b.scene)).right for a in of_row for b in of_row if a is not b]
        assert sum(fooled) < 0.2 * len(fooled)


def test_tasks_repeat_and_too_few_are_said() -> None:
    assert scene_tasks(SETTINGS, each=3) == scene_tasks(SETTINGS, each=3)
    some = replace(SETTINGS, only=FEW[:12])
    again = scene_tasks(some, each=30)
    captions = [drawn.task.caption for drawn in again if drawn.task.row == "single object"]
    assert len(captions) == 30 > len(set(captions)) >= 5
    few = replace(SETTINGS, only=("dog", "cat", "owl", "horse"), coloured=0.0)
    with pytest.raises(EvaluationError, match=r"colours: 0 of 1"):
        scene_tasks(few, each=1)


def test_a_detector_is_trained_on_drawn_scenes() -> None:
    scenes = TrueScenes(Scenes(SETTINGS, size=64))
    assert len(scenes.nouns) >= 120
    picture, seen = scenes.scene(7)
    assert picture.shape == (64, 64, 3)
    assert all(thing.noun in scenes.nouns and thing.colour in ("", *scenes.colours) for thing in seen.things)
    losses: list[float] = []
    detector = train_detector(scenes, replace(TINY, steps=8), lambda step: losses.append(step.loss))
    assert losses[-1] < losses[0]
    assert len(look(detector, as_tensor([picture]))) == 1
