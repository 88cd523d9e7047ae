"""Drawn scenes as an evaluation needs them: truths for the detector to learn from, and tasks to paint.

Tasks come from combinations that no training ever showed, and each keeps the scene it was made from, so that the same
task can also be drawn, and the detector's own error measured on it. Nothing is drawn or decided here that
:mod:`speakage_engines.training.scenes` does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Final

from speakage_engines.api import Rgb
from speakage_engines.evaluation.detector import Seen, Thing
from speakage_engines.evaluation.figure import EvaluationError
from speakage_engines.evaluation.scene import ROWS, Row, Side, Task, Wanted
from speakage_engines.training import grammar
from speakage_engines.training.backgrounds import PLACES
from speakage_engines.training.glyphs import COLOURS
from speakage_engines.training.nouns import core, every
from speakage_engines.training.scene import Relation, Scene
from speakage_engines.training.scenes import Scenes, SceneSettings

_SIDES: Final[dict[Relation, Side]] = {
    "left of": "left of",
    "right of": "right of",
    "above": "above",
    "below": "below",
}
_PATIENCE: Final = 100
"""Scenes looked at for every task that is wanted, before taking captions a second time."""
_TIMES: Final = 6
"""How often a caption may be asked for in a row, each time from other noise, where few are held out."""


@dataclass(frozen=True, slots=True)
class DrawnTask:
    """A task, and a scene that fulfils it."""

    task: Task
    scene: Scene


class TrueScenes:
    """Drawn scenes as :class:`~speakage_engines.evaluation.detector_training.DrawnScenes`."""

    def __init__(self, scenes: Scenes) -> None:
        settings = scenes.settings
        known = core() if settings.vocabulary == "core" else every()
        self.size = scenes.size
        self.nouns: Sequence[str] = settings.only or tuple(noun.name for noun in known)
        self.colours: Sequence[str] = tuple(COLOURS)
        self.backgrounds: Sequence[str] = tuple(PLACES)
        self._scenes = scenes

    def __len__(self) -> int:
        return len(self._scenes)

    def scene(self, number: int) -> tuple[Rgb, Seen]:
        """The picture of that number and what is on it."""
        scene = self._scenes.scene(number)
        return self._scenes.draw(scene), truth(scene)


def truth(scene: Scene) -> Seen:
    """What the detector ought to see in the picture of that scene."""
    things = tuple(
        Thing(thing.noun, thing.colour or "", spot.x, spot.y, spot.side, spot.side)
        for thing in scene.things
        for spot in thing.spots
    )
    return Seen(things, scene.background)


def scene_tasks(settings: SceneSettings, each: int = 200) -> list[DrawnTask]:
    """``each`` tasks a row, from held-out combinations, in plain wording; always the same for the same settings.

    Few things make few combinations: then captions come again, which with other noise is another picture. Raises
    :class:`EvaluationError` when each would have to come more than six times.
    """
    plain = replace(settings, styled=0.0, sized=0.0, natural=0.0, bare=0.0)
    unseen = Scenes(plain, split="unseen")
    found: dict[Row, dict[str, DrawnTask]] = {row: {} for row in ROWS}
    for number in range(each * _PATIENCE):
        for drawn in _tasks_of(unseen.scene(number)):
            row = found[drawn.task.row]
            if len(row) < each:
                row.setdefault(drawn.task.caption, drawn)
        if all(len(row) == each for row in found.values()):
            break
    if all(_TIMES * len(row) >= each for row in found.values()):
        return [drawn for row in found.values() for drawn in islice(cycle(row.values()), each)]
    short = ", ".join(f"{row}: {len(tasks)}" for row, tasks in found.items() if _TIMES * len(tasks) < each)
    raise EvaluationError(
        f"these scenes have too few unseen captions ({short} of {each}); ask for fewer, or hold more out"
    )


def _tasks_of(scene: Scene) -> Iterator[DrawnTask]:
    """The rows that a scene can stand for; a scene with a colour in it asks for nothing but colours."""
    first = scene.things[0]
    coloured = any(thing.colour for thing in scene.things)
    wanted = tuple(Wanted(thing.noun) for thing in scene.things)
    caption = grammar.plain(grammar.meaning(scene))

    def task(row: Row, wanted: tuple[Wanted, ...] = (), side: Side | None = None, background: str = "") -> DrawnTask:
        return DrawnTask(Task(row=row, caption=caption, wanted=wanted, side=side, background=background), scene)

    if scene.kind == "one" and coloured:
        yield task("colours", (Wanted(first.noun, first.colour or ""),))
    elif coloured:
        return
    elif scene.kind == "one":
        # one caption asks one question: which, follows from its words
        if len(caption) % 2:
            yield task("single object", wanted)
        else:
            yield task("background", background=scene.background)
    elif scene.kind == "several":
        yield task("counting", (Wanted(first.noun, count=first.count),))
    elif scene.kind == "two" and scene.relation in _SIDES:
        yield task("position", wanted, side=_SIDES[scene.relation])
    elif scene.kind == "two":
        yield task("two objects", wanted)
