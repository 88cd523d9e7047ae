"""Scene accuracy of a picture model: paint what was never shown in training, look, and judge.

What is asked for are things that both the model and the detector know. The detector's own error is measured on the
same tasks, drawn instead of painted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from speakage_engines.api import PictureModel
from speakage_engines.evaluation.detector import SceneDetector, Seen, look
from speakage_engines.evaluation.drawn import DrawnTask, scene_tasks
from speakage_engines.evaluation.figure import Evaluation, EvaluationError, Figure, paired_difference
from speakage_engines.evaluation.picture_set import PictureSet, of_pictures, painted
from speakage_engines.evaluation.scene import Task, accuracy, detector_error, judge
from speakage_engines.models import read_settings
from speakage_engines.training.scenes import Scenes, SceneSettings

Watch = Callable[[int, int], None]
"""Told how many pictures are painted, of how many."""


def evaluate_scenes(
    model: PictureModel,
    eyes: SceneDetector,
    *,
    each: int = 200,
    steps: int = 0,
    against: int = 0,
    watch: Watch | None = None,
) -> Evaluation:
    """``each`` unseen captions a row, painted in ``steps`` steps (0: the model's own).

    With ``against``, all are painted once more in so many steps from the same noise, and the difference in points is
    told row by row. Raises :class:`EvaluationError` when model and detector share too few things.
    """
    nouns = shared_nouns(model, eyes)
    drawn = scene_tasks(SceneSettings(only=nouns), each)
    tasks = [task.task for task in drawn]
    name = f"scene detector, {len(nouns)} nouns"
    done = painted(model, [task.caption for task in tasks], steps=steps, watch=watch)
    seen = _looked_at(done, eyes)
    figures, verdicts = accuracy(tasks, seen, resolution=done.resolution, detector=name)
    if against:
        other = painted(model, [task.caption for task in tasks], steps=against, watch=watch)
        ours = [verdict.right for verdict in verdicts]
        theirs = [judge(task, found).right for task, found in zip(tasks, _looked_at(other, eyes), strict=True)]
        own = steps or model.info.steps
        figures += _differences(tasks, ours, theirs, f"{own} step{'s' if own > 1 else ''} less {against}")
    errors = detector_error(tasks, _drawn(drawn, nouns, done, eyes), resolution=done.resolution, detector=name)
    return Evaluation(done.name, figures + errors)


def shared_nouns(model: PictureModel, eyes: SceneDetector) -> tuple[str, ...]:
    """What can be asked for: the detector knows the thing, and the model was taught it, by its own ``speakage.json``.

    A model that does not say what it was taught is asked for all things whose words it knows.
    """
    taught = read_settings(model.info.choice.path).get("things")
    shared = tuple(
        noun for noun in eyes.config.nouns if (not model.unknown_words(noun) if taught is None else noun in taught)
    )
    if len(shared) < 2:
        raise EvaluationError(
            f"{model.info.choice.name}: it knows {len(shared)} of the {len(eyes.config.nouns)} things that the "
            "detector tells apart; give a detector that was trained on the things it knows"
        )
    return shared


def _looked_at(pictures: PictureSet, eyes: SceneDetector) -> list[Seen]:
    return [seen for batch in pictures.batches() for seen in look(eyes, batch)]


def _drawn(drawn: Sequence[DrawnTask], nouns: tuple[str, ...], like: PictureSet, eyes: SceneDetector) -> list[Seen]:
    scenes = Scenes(SceneSettings(only=nouns), like.width)
    return _looked_at(of_pictures("drawn", [scenes.draw(task.scene) for task in drawn]), eyes)


def _differences(tasks: Sequence[Task], ours: Sequence[bool], theirs: Sequence[bool], what: str) -> tuple[Figure, ...]:
    rows = dict.fromkeys(task.row for task in tasks)
    chosen: list[tuple[str, list[int]]] = [
        (row, [place for place, task in enumerate(tasks) if task.row == row]) for row in rows
    ]
    chosen.append(("overall", list(range(len(tasks)))))
    return tuple(
        paired_difference(f"{what}: {row}", [ours[place] for place in places], [theirs[place] for place in places])
        for row, places in chosen
    )
