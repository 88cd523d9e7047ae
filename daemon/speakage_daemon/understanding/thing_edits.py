"""Forms of edits of things: replaced, moved, counted, described, added. Pure.

Each takes the match of its sentence form (the table is in :mod:`.edits`) and what is on the canvas, and gives changes;
none where the words fit nothing. The picture as a whole is edited in :mod:`.picture_edits`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.changes import Focused, changed
from speakage_daemon.understanding.inflection import positive, singular
from speakage_daemon.understanding.meaning import (
    Add,
    Changes,
    Describe,
    Mood,
    Move,
    Negative,
    Number,
    Recolour,
    Relate,
    Replace,
    Resize,
    Scale,
    Swap,
)
from speakage_daemon.understanding.numbers import count_of
from speakage_daemon.understanding.picture_edits import is_background, other_background
from speakage_daemon.understanding.reading import COLOUR, position_of, scene_of, thing_of
from speakage_daemon.understanding.references import PICTURE, PRONOUNS, named, referred
from speakage_daemon.understanding.scene import Scene, thing_text
from speakage_daemon.understanding.values import Target, increased, lessened, place_phrase, valued

_MAKING: Final = ("make", "turn", "change", "colour", "color", "dye", "set")
"""Verbs that something new to the canvas can be made with: "make the tree blue"."""
_NO_THINGS: Final = ("colour", "color", "size", "style", "background", "mood", "picture", "image", "number", "shape")


# --- one for another --------------------------------------------------------------------------------------------------


def replaced(match: re.Match[str], on: Focused) -> Changes:
    """One for another; what is not there gives way by not being wanted."""
    ref, new = re.sub("^an? ", "the ", match["ref"]), scene_of(match["by"])
    if is_background(ref, on):
        return (place_phrase(match["by"]),)
    at = referred(ref, on)
    if on.scene.empty or not new.things or new != Scene(things=new.things) or not (at or ref.startswith("the ")):
        return ()
    if not at:
        return (Negative(words=ref.removeprefix("the ")), Add(things=new.things))
    first, *others = new.things
    change = Replace(at=at, name=named(at, on.scene.things), by=first)
    if not others:
        return (change,)
    return (change, Add(things=tuple(others), link=others[0].link, anchor=at[-1], before=False))


def instead(match: re.Match[str], on: Focused) -> Changes:
    at = referred("it", on)
    return (Replace(at=at, name=named(at, on.scene.things), by=thing_of(match["by"])),) if at else ()


def swap(match: re.Match[str], on: Focused) -> Changes:
    one, other = referred(match["ref"], on), referred(match["other"], on)
    return (Swap(at=(one[0], other[0]), name=named((one[0], other[0]), on.scene.things)),) if one and other else ()


def swap_both(_match: re.Match[str], on: Focused) -> Changes:
    return (Swap(at=(0, 1), name=named((0, 1), on.scene.things)),) if len(on.scene.things) == 2 else ()


# --- where things are -------------------------------------------------------------------------------------------------


def move(match: re.Match[str], on: Focused) -> Changes:
    at, position = referred(match["ref"], on), position_of(match["to"]) or position_of(f"to the {match['to']}")
    if at and position:
        return (Move(at=at, name=named(at, on.scene.things), position=position),)
    return _newcomer(match["ref"], match["to"], on)


def relate(match: re.Match[str], on: Focused) -> Changes:
    at, anchor = referred(match["ref"], on), referred(match["to"], on)
    if not at or not anchor or at[0] == anchor[0]:
        return ()
    things = on.scene.things
    name = named(anchor[:1], things)
    return (Relate(at=at[:1], name=named(at[:1], things), link=match["link"], anchor=anchor[0], anchor_name=name),)


# --- how many ---------------------------------------------------------------------------------------------------------


def more_of(match: re.Match[str], on: Focused) -> Changes:
    """ "two more dogs", "another dog"."""
    more = 1 if match["count"] == "another" else count_of(match["count"])
    at = referred(match["ref"], on)
    if not more or not at:
        return (Add(things=(thing_of(f"{match['count']} {match['ref']}".replace("another", "a")),)),) if more else ()
    thing = on.scene.things[at[0]]
    return (Number(at=at[:1], name=thing.name, count=(thing.count or 1) + more),)


def less_of(match: re.Match[str], on: Focused) -> Changes:
    less, at = count_of(match["count"]), referred(match["ref"], on)
    if not less or not at:
        return ()
    thing = on.scene.things[at[0]]
    return (Number(at=at[:1], name=thing.name, count=max((thing.count or 1) - less, 1)),)


def only(match: re.Match[str], on: Focused) -> Changes:
    """ "just one dog", "only two of them"."""
    count = count_of(match["count"])
    at = referred("it" if match["ref"] == "of them" else match["ref"], on)
    return (Number(at=at, name=named(at, on.scene.things), count=count),) if count and at else ()


def less(match: re.Match[str], on: Focused) -> Changes:
    words = re.sub("^(?:of )?(?:the |any )", "", match["what"])
    there = match["ref"]
    at = referred(there, on) if there and there not in PRONOUNS else None
    focused = replace(on, focus=at[0]) if at else on
    return lessened(words, focused, referred(words, on) if words not in v.QUALITIES else None)


def more(match: re.Match[str], on: Focused) -> Changes:
    words = match["what"]
    changes = increased(words, on, referred(words, on))
    if changes or on.scene.empty:
        return changes
    if " " not in words and singular(words) == words:
        return (Mood(mood=words),)
    return (Add(things=(thing_of(words),)),)


# --- how things are ---------------------------------------------------------------------------------------------------


def coloured(match: re.Match[str], on: Focused) -> Changes:
    """ "change the colour *of the car* to *blue*"."""
    at = referred(match["ref"] or "it", on)
    return valued(Target(at=at, whole=False), match["value"], on) if at else ()


def set_to(match: re.Match[str], on: Focused) -> Changes:
    """ "make *the big dog* *blue*": the reference ends where the rest is a value."""
    words = match["rest"].split()
    for end in range(1, min(len(words), 7)):
        ref, value = " ".join(words[:end]), " ".join(words[end:])
        known = ref in PICTURE or ref in PRONOUNS or match["verb"] not in ("paint", "draw", "i want", "have", "show")
        at = () if ref in PICTURE else referred(ref, on)
        if at is None or not (known or words[0] in ("the", "my", "both", "all", "everything")):
            continue
        whole = (ref in PICTURE or ref in PRONOUNS) and not on.scene.empty
        if (at or whole) and (changes := valued(Target(at=at, whole=whole), value, on)):
            return changes
    for end in range(2, min(len(words), 5)) if match["verb"] in _MAKING else ():
        if changes := _newcomer(" ".join(words[:end]), " ".join(words[end:]), on):
            return changes
    return ()


def _newcomer(ref: str, value: str, on: Focused) -> Changes:
    """ "make *the tree* *blue*" where no tree was asked for, but one may be seen: it is added, and is blue."""
    noun = ref.removeprefix("the ")
    if on.scene.empty or noun == ref or len(noun.split()) > 3 or noun.split()[0] in _NO_THINGS:
        return ()
    if is_background(noun, on):
        return other_background(noun, value, on)
    add = Add(things=(replace(thing_of(noun), count=1, determiner="a"),))
    with_it = changed(on, add)
    match valued(Target(at=(with_it.focus,), whole=False), value, with_it):
        case (Recolour() | Resize() | Scale() | Move() as change,):
            return (add, change)
        case (Describe(quality=quality) as change,) if quality in v.QUALITIES:
            return (add, change)
        case _:
            return ()


def said_to_be(match: re.Match[str], on: Focused) -> Changes:
    at = () if match["ref"] in PICTURE else referred(match["ref"], on)
    if on.scene.empty:
        return ()
    if at is None:
        return _newcomer(match["ref"], match["value"], on)
    changes = valued(Target(at=at, whole=not at or match["ref"] in PRONOUNS), match["value"], on)
    # "this is sam" names somebody: only "make it …" takes a word that is not known for a quality
    unknown = any(isinstance(change, Describe) and change.quality not in v.QUALITIES for change in changes)
    return () if unknown else changes


def alone(match: re.Match[str], on: Focused) -> Changes:
    """ "bigger", "blue", "spookier": said of the picture or of the last thing."""
    word = match["value"].rpartition(" ")[2]
    comparative = word.endswith("er") and positive(word, v.MOODS | v.QUALITIES | set(v.SIZES)) != word
    if not comparative and not re.fullmatch(COLOUR, match["value"]):
        return ()
    at = referred("it", on)
    return valued(Target(at=at, whole=True), match["value"], on) if at else ()


# --- new things -------------------------------------------------------------------------------------------------------


def give(match: re.Match[str], on: Focused) -> Changes:
    """ "give *the dog* *a hat*"."""
    words = match["rest"].split()
    for end in range(1, min(len(words), 7)):
        if at := referred(" ".join(words[:end]), on):
            return _put_on(at, " ".join(words[end:]))
    return ()


def add_to(match: re.Match[str], on: Focused) -> Changes:
    """ "add *a hat* to *the dog*"."""
    at = referred(match["ref"], on)
    return _put_on(at, match["new"]) if at else ()


def _put_on(at: tuple[int, ...], new: str) -> Changes:
    return (Add(things=(thing_of(new),), link="with", anchor=at[0], before=False),)


def add(match: re.Match[str], on: Focused) -> Changes:
    """At the end, or, where it is said of a thing that is there, beside that."""
    new = scene_of(match["new"])
    if on.scene.empty or not new.things:
        return ()
    *first, last = new.things
    if len(first) == 1 and last.link not in (",", "and") and last.determiner not in ("a", "some", "another"):
        anchor = referred(thing_text(last), on)
        if anchor:
            before = last.link != "with"
            return (Add(things=(first[0],), link=last.link, anchor=anchor[0], before=before),)
    place = "" if is_background(thing_of(new.background).noun.rpartition(" ")[2], on) else new.background
    where = " ".join(part for part in (last.position, place, new.when) if part)
    things = (*first, replace(last, position=where))
    return (Add(things=things, link="with" if match["link"] == "with" else "and"),)


def add_at(match: re.Match[str], on: Focused) -> Changes:
    """ "on the left, a dog"."""
    position = position_of(match["where"])
    if on.scene.empty or position is None:
        return ()
    return (Add(things=(replace(thing_of(match["new"]), position=position),)),)


def add_beside(match: re.Match[str], on: Focused) -> Changes:
    """ "next to it, a dog"."""
    at = referred(match["ref"], on)
    return (Add(things=(thing_of(match["new"]),), link=match["link"], anchor=at[0]),) if at else ()


def beside(match: re.Match[str], on: Focused) -> Changes:
    """ "next to a tree", alone: said of what "it" means."""
    at, new = referred("it", on), scene_of(match["new"])
    if not at or len(new.things) != 1:
        return ()
    return (Add(things=new.things, link=match["link"], anchor=at[0], before=False),)
