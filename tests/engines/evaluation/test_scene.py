"""Scene accuracy: what is asked against what is seen, GenEval's rule of positions, and the detector's own error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from speakage_engines.api import Rgb
from speakage_engines.evaluation.detector import SceneDetector, Seen, Thing, look
from speakage_engines.evaluation.detector_training import as_tensor
from speakage_engines.evaluation.figure import EvaluationError, in_words
from speakage_engines.evaluation.scene import Task, Wanted, accuracy, detector_error, judge, side_of


def thing(noun: str = "cat", x: float = 0.5, y: float = 0.5, colour: str = "", side: float = 0.3) -> Thing:
    return Thing(noun, colour, x, y, side, side)


CAT_AND_DOG = Seen((thing("cat", 0.25), thing("dog", 0.75)), "beach")


@pytest.mark.parametrize(
    ("task", "seen", "reason"),
    [
        (Task(row="single object", caption="", wanted=(Wanted("cat"),)), CAT_AND_DOG, ""),
        (Task(row="single object", caption="", wanted=(Wanted("owl"),)), CAT_AND_DOG, "no owl"),
        (Task(row="two objects", caption="", wanted=(Wanted("cat"), Wanted("dog"))), CAT_AND_DOG, ""),
        (Task(row="two objects", caption="", wanted=(Wanted("cat"), Wanted("owl"))), CAT_AND_DOG, "no owl"),
        (
            Task(row="counting", caption="", wanted=(Wanted("cat", count=2),)),
            Seen((thing(x=0.2), thing(x=0.8)), ""),
            "",
        ),
        (
            Task(row="counting", caption="", wanted=(Wanted("cat", count=2),)),
            Seen((thing(x=0.2), thing(x=0.8), thing(y=0.9)), ""),
            "3 × cat instead of 2",
        ),
        (Task(row="colours", caption="", wanted=(Wanted("cat", "red"),)), Seen((thing(colour="red"),), ""), ""),
        (
            Task(row="colours", caption="", wanted=(Wanted("cat", "red"),)),
            Seen((thing(colour="blue"), thing("dog", colour="red")), ""),
            "cat is not red",
        ),
        (Task(row="background", caption="", background="beach"), CAT_AND_DOG, ""),
        (
            Task(row="background", caption="", background="night"),
            CAT_AND_DOG,
            "the background is beach, not night",
        ),
        (
            Task(row="position", caption="", wanted=(Wanted("cat"), Wanted("dog")), side="left of"),
            CAT_AND_DOG,
            "",
        ),
        (
            Task(row="position", caption="", wanted=(Wanted("dog"), Wanted("cat")), side="left of"),
            CAT_AND_DOG,
            "dog is not left of cat",
        ),
        (
            Task(row="position", caption="", wanted=(Wanted("cat"), Wanted("cat")), side="above"),
            Seen((thing(y=0.8), thing(y=0.2)), ""),
            "",
        ),
    ],
)
def test_each_row(task: Task, seen: Seen, reason: str) -> None:
    verdict = judge(task, seen)
    assert verdict.reason == reason
    assert verdict.right == (reason == "")


def test_positions_as_geneval_has_them() -> None:
    """An offset below a tenth of both extents is none; a diagonal is both sides when each is half the distance."""
    middle = thing(x=0.5, y=0.5)
    assert side_of(thing(x=0.2, y=0.5), middle) == ("left of",)
    assert side_of(thing(x=0.8, y=0.5), middle) == ("right of",)
    assert side_of(thing(x=0.5, y=0.2), middle) == ("above",)
    assert side_of(thing(x=0.5, y=0.8), middle) == ("below",)
    assert side_of(thing(x=0.1, y=0.1), middle) == ("left of", "above")
    assert side_of(thing(x=0.45, y=0.5), middle) == ()
    assert side_of(thing(x=0.5, y=0.5), middle) == ()
    assert side_of(thing(x=0.2, y=0.45), middle) == ("left of",)


def test_a_task_must_make_sense() -> None:
    with pytest.raises(ValueError, match="not of 1"):
        Task(row="position", caption="a cat", wanted=(Wanted("cat"),), side="above")
    with pytest.raises(ValueError, match="asks for nothing"):
        Task(row="background", caption="a cat")


def test_figures_by_row_and_overall_with_intervals() -> None:
    tasks = [Task(row="single object", caption="a cat", wanted=(Wanted("cat"),))] * 8
    tasks += [Task(row="background", caption="a cat at night", background="night")] * 2
    seen = [CAT_AND_DOG] * 7 + [Seen((), "")] + [Seen((), "night"), CAT_AND_DOG]
    figures, verdicts = accuracy(tasks, seen, resolution="64×64", detector="scenes (64)")
    assert [(f.name, f.value, f.n) for f in figures] == [
        ("scene accuracy: single object", 87.5, 8),
        ("scene accuracy: background", 50, 2),
        ("scene accuracy: overall", 80, 10),
    ]
    assert in_words(figures[0]) == "87.5 % (52.9 to 97.8)"
    assert figures[0].features == "scenes (64)"
    assert [verdict.right for verdict in verdicts].count(False) == 2


def test_a_picture_for_each_task() -> None:
    task = Task(row="background", caption="", background="night")
    with pytest.raises(EvaluationError, match="one picture for each task"):
        accuracy([task], [], resolution="", detector="")
    with pytest.raises(EvaluationError, match="no tasks"):
        detector_error([], [], resolution="", detector="")


def test_the_detectors_own_error_on_drawn_scenes(detector: SceneDetector, draw_seen: Callable[[Seen], Rgb]) -> None:
    tasks, truths = [], []
    for colour, other in (("red", "blue"), ("blue", "red")):
        for noun, another in (("square", "circle"), ("circle", "square")):
            tasks.append(Task(row="position", caption="", wanted=(Wanted(noun), Wanted(another)), side="left of"))
            truths.append(Seen((thing(noun, 0.27, 0.27, colour), thing(another, 0.73, 0.27, other)), "day"))
            tasks.append(Task(row="colours", caption="", wanted=(Wanted(noun, colour),)))
            truths.append(Seen((thing(noun, 0.27, 0.73, colour),), "night"))
            for count in (2, 3):
                tasks.append(Task(row="counting", caption="", wanted=(Wanted(noun, count=count),)))
                spots = ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73))[:count]
                truths.append(Seen(tuple(thing(noun, x, y, colour) for x, y in spots), "day"))
    drawn = look(detector, as_tensor([draw_seen(truth) for truth in truths]))
    figures = {f.name: f.value for f in detector_error(tasks, drawn, resolution="64×64", detector="scenes (64)")}
    assert set(figures) == {
        f"detector error, {what}: {row}" for what in ("missed", "fooled") for row in ("position", "colours", "counting")
    }
    assert max(figures.values()) <= 12.5


def test_a_blind_detector_misses_and_an_all_seeing_one_is_fooled() -> None:
    tasks = [Task(row="counting", caption="", wanted=(Wanted("cat", count=n),)) for n in (1, 2)]
    blind = detector_error(tasks, [Seen((), ""), Seen((), "")], resolution="", detector="")
    assert [f.value for f in blind] == [100, 0]
    swapped = detector_error(
        tasks, [Seen((thing(), thing(x=0.9)), ""), Seen((thing(),), "")], resolution="", detector=""
    )
    assert [f.value for f in swapped] == [100, 100]
