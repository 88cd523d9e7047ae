"""What was understood, in a few words for the display: ``("edit", "colour: blue", "car")``. Pure.

The first chip is the kind; the others say what changes, and of what. Nothing is shown here.
"""

from __future__ import annotations

from typing import assert_never

from speakage_daemon.understanding.meaning import (
    Add,
    Allow,
    Background,
    Change,
    Choose,
    Command,
    Create,
    Describe,
    Edit,
    Meaning,
    Mood,
    MoreLikeThat,
    Move,
    Negative,
    NudgeGuidance,
    NudgeStrength,
    Number,
    OnThings,
    Order,
    Plain,
    Recolour,
    Redo,
    Relate,
    Remove,
    Replace,
    Reshape,
    Resize,
    Scale,
    ScaleSize,
    ScaleSteps,
    SetBatch,
    SetGuidance,
    SetSeed,
    SetSize,
    SetSteps,
    SetStrength,
    Style,
    Swap,
    Undo,
    When,
)
from speakage_daemon.understanding.numbers import spelled
from speakage_daemon.understanding.scene import Scene, Thing, thing_text


def described(meaning: Meaning) -> tuple[str, ...]:
    """The chips for a meaning."""
    match meaning:
        case Create(scene=scene):
            return ("create", *_scene(scene))
        case Edit(changes=changes):
            return ("edit", *(chip for change in changes for chip in _change(change)))
        case Command(order=order):
            return ("command", _order(order))
        case _:
            assert_never(meaning)


def _scene(scene: Scene) -> tuple[str, ...]:
    parts = (
        *(thing_text(thing) for thing in scene.things),
        _named("background", scene.background),
        _named("time", scene.when),
        _named("style", scene.style),
        *(_named("mood", mood) for mood in scene.moods),
        *(_named("without", negative) for negative in scene.negatives),
    )
    return tuple(part for part in parts if part)


def _named(name: str, words: str) -> str:
    return f"{name}: {words}" if words else ""


def _change(change: Change) -> tuple[str, ...]:
    match change:
        case OnThings():
            return (_of_things(change), change.name)
        case Add(things=things):
            return ("add", *_texts(things))
        case Background(phrase=phrase):
            return (f"background: {phrase or 'none'}",)
        case When(phrase=phrase):
            return (f"time: {phrase}",)
        case Style(phrase=phrase):
            return (f"style: {phrase or 'none'}",)
        case Mood(mood=mood, wanted=wanted):
            return (f"mood: {mood}" if wanted else f"mood: not {mood}",)
        case Negative(words=words):
            return (f"without: {words}",)
        case Allow(words=words):
            return (f"allowed: {words}",)
        case Reshape(shape=shape):
            return (f"shape: {shape.value}",)
        case MoreLikeThat():
            return ("more like that",)
        case _:
            assert_never(change)


def _of_things(
    change: Remove | Replace | Recolour | Resize | Scale | Describe | Number | Move | Relate | Swap,
) -> str:
    match change:
        case Remove():
            return "remove"
        case Replace(by=by):
            return f"replace by: {thing_text(by)}"
        case Recolour(colour=colour):
            return f"colour: {colour}"
        case Resize(size=size):
            return f"size: {size}"
        case Scale(steps=steps):
            return "size: bigger" if steps > 0 else "size: smaller"
        case Describe(quality=quality, wanted=wanted):
            return quality if wanted else f"not {quality}"
        case Number(count=count):
            return f"number: {spelled(count)}"
        case Move(position=position):
            return f"place: {position}"
        case Relate(link=link, anchor_name=anchor):
            return f"place: {link} {anchor}"
        case Swap():
            return "swap"
        case _:
            assert_never(change)


def _order(order: Order) -> str:
    match order:
        case Plain():
            return order.value
        case Undo(times=times):
            return "undo" if times == 1 else f"undo × {times}"
        case Redo(times=times):
            return "redo" if times == 1 else f"redo × {times}"
        case Choose(number=number):
            return f"picture {number}" if number > 0 else {-1: "last picture"}.get(number, "previous picture")
        case SetSteps(steps=steps):
            return f"steps: {steps}"
        case ScaleSteps(factor=factor):
            return "steps: more" if factor > 1 else "steps: fewer"
        case SetSize(width=width, height=height):
            return f"size: {width} × {height}"
        case ScaleSize(factor=factor):
            return "picture: larger" if factor > 1 else "picture: smaller"
        case SetSeed(seed=seed):
            return f"seed: {seed}"
        case SetGuidance(guidance=guidance):
            return f"guidance: {guidance:g}"
        case NudgeGuidance(by=by):
            return "guidance: more" if by > 0 else "guidance: less"
        case SetBatch(batch=batch):
            return f"pictures at once: {batch}"
        case SetStrength(strength=strength):
            return f"strength: {strength:g}"
        case NudgeStrength(by=by):
            return "strength: more" if by > 0 else "strength: less"
        case _:
            assert_never(order)


def _texts(things: tuple[Thing, ...]) -> tuple[str, ...]:
    return tuple(thing_text(thing) for thing in things)
