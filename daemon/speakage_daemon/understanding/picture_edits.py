"""Forms of edits of the whole picture: shape, style, place, time, and what should not be there. Pure.

Each takes the match of its sentence form (the table is in :mod:`.edits`) and what is on the canvas, and gives changes;
none where the words fit nothing. Things are edited in :mod:`.thing_edits`.
"""

from __future__ import annotations

import re
from typing import Final

from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.changes import Focused
from speakage_daemon.understanding.inflection import article, singular
from speakage_daemon.understanding.meaning import (
    Add,
    Allow,
    Background,
    Change,
    Changes,
    MoreLikeThat,
    Negative,
    Number,
    Remove,
    Reshape,
    Shape,
    Style,
    When,
)
from speakage_daemon.understanding.numbers import count_of
from speakage_daemon.understanding.reading import COLOUR, scene_of, style_of, thing_of
from speakage_daemon.understanding.references import PICTURE, named, referred
from speakage_daemon.understanding.scene import Scene
from speakage_daemon.understanding.values import place_phrase

SHAPES: Final = {
    "wider": Shape.WIDE, "wide": Shape.WIDE, "widescreen": Shape.WIDE, "landscape": Shape.WIDE,
    "horizontal": Shape.WIDE, "taller": Shape.TALL, "tall": Shape.TALL, "portrait": Shape.TALL,
    "vertical": Shape.TALL, "higher": Shape.TALL, "narrower": Shape.TALL, "square": Shape.SQUARE,
}  # fmt: skip


def shape(match: re.Match[str], _on: Focused) -> Changes:
    return (Reshape(shape=SHAPES[match["shape"]]),)


def more_like_that(_match: re.Match[str], _on: Focused) -> Changes:
    return (MoreLikeThat(),)


def style(match: re.Match[str], _on: Focused) -> Changes:
    words = match["style"]
    phrase = style_of(words) or style_of(f"in {words}") or style_of(f"as {words}")
    return (Style(phrase=phrase),) if phrase else ()


def named_style(match: re.Match[str], on: Focused) -> Changes:
    words = match["style"].removeprefix("the style of ")
    return style(match, on) or (Style(phrase=f"in the style of {words}"),)


def no_style(_match: re.Match[str], _on: Focused) -> Changes:
    return (Style(phrase=""),)


def background(match: re.Match[str], _on: Focused) -> Changes:
    return (place_phrase(match["place"]),)


def no_background(_match: re.Match[str], _on: Focused) -> Changes:
    return (Background(phrase=""),)


def placed(match: re.Match[str], on: Focused) -> Changes:
    """ "put it *on a beach at night*", and "in the forest" alone."""
    ref, words = match["ref"], match["place"]
    if on.scene.empty or not (ref is None or ref in PICTURE or referred(ref, on)):
        return ()
    first, _, phrase = words.partition(" ")
    if first in ("to", "into"):
        noun = phrase.rpartition(" ")[2]
        return (place_phrase(phrase),) if noun in v.PLACES else ()
    there = scene_of(words)
    if there != Scene(background=there.background, when=there.when):
        return ()
    background: Changes = (Background(phrase=there.background),) if there.background else ()
    return (*background, When(phrase=there.when)) if there.when else background


def time(match: re.Match[str], on: Focused) -> Changes:
    return () if on.scene.empty else (When(phrase=v.TIMES[match["time"]]),)


def is_background(words: str, on: Focused) -> bool:
    """ "the beach" of "on a beach"."""
    noun = singular(words.removeprefix("the "))
    return noun in {singular(word) for word in on.scene.background.split()[1:]}


def other_background(noun: str, value: str, on: Focused) -> Changes:
    """ "make the beach red"."""
    if not re.fullmatch(rf"{COLOUR}|[\w-]+", value):
        return ()
    said = next(word for word in on.scene.background.split() if singular(word) == singular(noun))
    before, _, after = on.scene.background.rpartition(said)
    before = re.sub(r"\ban? $", f"{article(value)} ", before)
    return (Background(phrase=f"{before}{value} {said}{after}"),)


# --- away -------------------------------------------------------------------------------------------------------------


def without(match: re.Match[str], on: Focused) -> Changes:
    """ "no people", "without the tree"."""
    return _without(match["ref"], on)


def _without(words: str, on: Focused) -> Changes:
    """Gone where it is there; not wanted where it is not."""
    changes: list[Change] = []
    for word in re.split(r",? (?:and|or|nor) |, ", words):
        bare = re.sub(r"^(?:no|any|the|a|an|more|that|those|these|my) ", "", word)
        if len(bare.split()) > 4:
            return ()
        at = referred(word, on) or referred(bare, on)
        if not at and is_background(bare, on):
            return (Background(phrase=""),)
        changes.append(Remove(at=at, name=named(at, on.scene.things)) if at else Negative(words=bare))
    removed = tuple(index for change in changes if isinstance(change, Remove) for index in change.at)
    others: Changes = tuple(change for change in changes if not isinstance(change, Remove))
    return (*((Remove(at=removed, name=named(removed, on.scene.things)),) if removed else ()), *others)


def remove(match: re.Match[str], on: Focused) -> Changes:
    """ "remove the tree", "one of the dogs", "the hat from the dog"."""
    words = match["ref"].partition(" from ")[0]
    first, _, rest = words.partition(" ")
    count = 1 if first in ("a", "an") else count_of(first)
    at = referred(rest, on) if count else None
    if not count or not at:
        return _without(words, on)
    thing = on.scene.things[at[0]]
    if thing.count and thing.count > count:
        return (Number(at=at[:1], name=thing.name, count=thing.count - count),)
    return (Remove(at=at[:1], name=thing.name),)


def allow(match: re.Match[str], on: Focused) -> Changes:
    words = re.sub("^(?:the|some|any) ", "", match["ref"])
    if singular(words) in {singular(negative) for negative in on.scene.negatives}:
        return (Allow(words=words),)
    return (Add(things=(thing_of(match["ref"]),)),) if match["back"] else ()
