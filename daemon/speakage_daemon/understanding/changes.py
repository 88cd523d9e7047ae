"""What a change makes of a scene. Pure.

A change names things by their places; one that names a place that is not there changes nothing. The focus is the thing
that "it" means next. Seeds, sizes and history are the canvas's (:mod:`.canvas`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, assert_never

from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.inflection import singular
from speakage_daemon.understanding.meaning import (
    Add,
    Allow,
    Background,
    Describe,
    Mood,
    Move,
    Negative,
    Number,
    OnThings,
    Recolour,
    Relate,
    Remove,
    Replace,
    Resize,
    Scale,
    SceneChange,
    Style,
    Swap,
    When,
)
from speakage_daemon.understanding.scene import Scene, Thing

_MOST: Final = 100
"""Things of one kind that can be asked for."""
_IN_THE_PICTURE: Final = frozenset(v.POSITIONS.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Focused:
    """A scene, and the place of the thing that "it" means."""

    scene: Scene
    focus: int = 0


def changed(before: Focused, change: SceneChange) -> Focused:
    """The scene after a change."""
    scene = before.scene
    match change:
        case OnThings():
            return _things_changed(before, change)
        case Add():
            return _added(before, change)
        case Background(phrase=phrase):
            things = tuple(replace(thing, position=_without_place(thing.position)) for thing in scene.things)
            return replace(before, scene=replace(scene, background=phrase, things=things))
        case When(phrase=phrase):
            return replace(before, scene=replace(scene, when=phrase))
        case Style(phrase=phrase):
            return replace(before, scene=replace(scene, style=phrase))
        case Mood(mood=mood, wanted=wanted):
            gone = {mood, v.OPPOSITE_MOODS.get(mood)}
            moods = tuple(other for other in scene.moods if other not in gone)
            return replace(before, scene=replace(scene, moods=(*moods, mood) if wanted else moods))
        case Negative(words=words):
            others = tuple(other for other in scene.negatives if other != words)
            return replace(before, scene=replace(scene, negatives=(*others, words)))
        case Allow(words=words):
            return replace(before, scene=replace(scene, negatives=_allowed(scene, words)))
        case _:
            assert_never(change)


def _things_changed(
    before: Focused,
    change: Remove | Replace | Recolour | Resize | Scale | Describe | Number | Move | Relate | Swap,
) -> Focused:
    things = before.scene.things
    at = tuple(index for index in change.at if 0 <= index < len(things))
    if not at:
        return before
    match change:
        case Remove():
            return _removed(before, at)
        case Relate():
            return _related(before, at[0], change)
        case Swap():
            return _swapped(before, at)
        case _:
            new = list(things)
            for index in at:
                new[index] = _thing_changed(things[index], change)
            return Focused(scene=replace(before.scene, things=tuple(new)), focus=at[-1])


def _thing_changed(thing: Thing, change: Replace | Recolour | Resize | Scale | Describe | Number | Move) -> Thing:
    match change:
        case Replace(by=by):
            return replace(by, link=thing.link, position=by.position or thing.position)
        case Recolour(colour=colour):
            return replace(thing, colour=colour)
        case Resize(size=size):
            return replace(thing, size=size)
        case Scale(steps=steps):
            step = v.SIZES.get(thing.size, 2) + steps
            return replace(thing, size=v.SIZE_STEPS[min(max(step, 0), len(v.SIZE_STEPS) - 1)])
        case Describe(quality=quality, wanted=wanted):
            others = tuple(other for other in thing.qualities if other != quality)
            return replace(thing, qualities=(*others, quality) if wanted else others)
        case Number(count=count):
            count = min(max(count, 1), _MOST)
            determiner = thing.determiner if thing.determiner in ("the", "my", "our") else "a"
            return replace(thing, noun=singular(thing.noun), count=count, determiner=determiner)
        case Move(position=position):
            return replace(thing, position=position)
        case _:
            assert_never(change)


def _added(before: Focused, change: Add) -> Focused:
    scene, old = before.scene, list(before.scene.things)
    listed = change.link == "and" and change.things[-1].link == "and"
    new = [replace(change.things[0], link="," if listed else change.link), *change.things[1:]]
    anchor = change.anchor
    if anchor is None or not 0 <= anchor < len(old):
        if old and old[-1].link == "and" and change.link == "and":
            old[-1] = replace(old[-1], link=",")
        place = len(old)
    elif change.before:
        place = anchor
        new = [replace(new[0], link=old[anchor].link), *new[1:]]
        old[anchor] = replace(old[anchor], link=change.link)
    else:
        place = anchor + 1
    things = _joined([*old[:place], *new, *old[place:]])
    negatives = scene.negatives
    for thing in new:
        negatives = _allowed(replace(scene, negatives=negatives), thing.noun)
    return Focused(scene=replace(scene, things=things, negatives=negatives), focus=place)


def _removed(before: Focused, at: tuple[int, ...]) -> Focused:
    old = before.scene.things
    left = [thing for index, thing in enumerate(old) if index not in at]
    # what was meant by "it" stays meant; where it went itself, the first thing is
    focus = 0 if before.focus in at else before.focus - sum(index < before.focus for index in at)
    return Focused(scene=replace(before.scene, things=_joined(left)), focus=focus)


def _related(before: Focused, at: int, change: Relate) -> Focused:
    things = list(before.scene.things)
    if change.anchor == at or not 0 <= change.anchor < len(things):
        return before
    moved = things.pop(at)
    place = change.anchor - (at < change.anchor)
    left = list(_joined(things))
    pair = [replace(moved, link=left[place].link, position=""), replace(left[place], link=change.link)]
    new = _joined([*left[:place], *pair, *left[place + 1 :]])
    return Focused(scene=replace(before.scene, things=new), focus=place)


def _swapped(before: Focused, at: tuple[int, ...]) -> Focused:
    if len(at) != 2:
        return before
    things = list(before.scene.things)
    one, other = at
    first, second = things[one], things[other]
    things[one] = replace(second, link=first.link, position=first.position)
    things[other] = replace(first, link=second.link, position=second.position)
    return replace(before, scene=replace(before.scene, things=tuple(things)))


def _joined(things: list[Thing]) -> tuple[Thing, ...]:
    """The first is joined to nothing, and the last of a list by "and"."""
    things = [replace(thing, link="") if index == 0 else thing for index, thing in enumerate(things)]
    if things and things[-1].link == ",":
        things[-1] = replace(things[-1], link="and")
    return tuple(things)


def _allowed(scene: Scene, words: str) -> tuple[str, ...]:
    return tuple(other for other in scene.negatives if singular(other) != singular(words))


def _without_place(position: str) -> str:
    """What a thing does, and where in the picture it is, stay when the place changes."""
    if position in _IN_THE_PICTURE or position in v.ACTIONS:
        return position
    first = position.partition(" ")[0]
    return first if first in v.ACTIONS else ""
