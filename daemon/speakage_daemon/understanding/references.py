"""Which things of a scene some words mean: "it", "the dog", "the other one", "the second cat", "everything". Pure.

A reference that fits nothing is ``None``: who asks decides what that means. Pictures are meant elsewhere
(:func:`.canvas.chosen`).
"""

from __future__ import annotations

import re
from typing import Final

from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.changes import Focused
from speakage_daemon.understanding.inflection import singular
from speakage_daemon.understanding.numbers import ordinal_of
from speakage_daemon.understanding.reading import thing_of
from speakage_daemon.understanding.scene import Thing

PRONOUNS: Final = frozenset(
    ("it", "this", "that", "them", "these", "those", "him", "her", "they", "that one", "this one", "that thing")
)
PICTURE: Final = frozenset(
    f"{determiner} {noun}"
    for determiner in ("the", "this", "that", "the whole", "the entire")
    for noun in ("picture", "image", "thing", "scene", "painting", "drawing", "photo", "canvas", "atmosphere", "mood")
) - {"that thing", "this thing", "the thing"}
_NEW: Final = frozenset(("a", "an", "some", "another", "more", *v.SINGLE_FIGURES))
"""A phrase that begins with one of these names something that is not there yet."""
"""Not a thing in the picture, but all of it."""
_ALL: Final = frozenset(("everything", "all", "all of them", "both", "both of them", "every one", "all things"))
_OTHER: Final = re.compile(r"(?:the |my )?other (?P<noun>.+)")
_MEMBER: Final = re.compile(r"(?:the )?(?P<which>\w+) (?P<noun>.+)")
_EVERY: Final = re.compile(r"(?:both|all|every|each)(?: of)?(?: the| my| these| those)? (?P<noun>.+)")
_LONGEST: Final = 6
"""Words in a reference."""


def referred(words: str, on: Focused) -> tuple[int, ...] | None:
    """The places of the things that are meant."""
    things = on.scene.things
    first = words.partition(" ")[0]
    if not things or not words or first in _NEW or len(words.split()) > _LONGEST:
        return None
    if words in PRONOUNS:
        return (min(on.focus, len(things) - 1),)
    if words in _ALL:
        return tuple(range(len(things)))
    if every := _EVERY.fullmatch(words):
        return _of_the_kind(every["noun"], things) or None
    if other := _OTHER.fullmatch(words):
        return _other(other["noun"], on)
    if (member := _MEMBER.fullmatch(words)) and (which := ordinal_of(member["which"])) is not None:
        return _nth(which, _of_the_kind(member["noun"], things))
    found = _of_the_kind(words, things)
    if len(found) > 1 and not _means_many(words):
        return (on.focus,) if on.focus in found else found[:1]
    return found or None


def named(at: tuple[int, ...], things: tuple[Thing, ...]) -> str:
    """What people call them."""
    return " and ".join(things[index].name for index in at)


def _other(noun: str, on: Focused) -> tuple[int, ...] | None:
    things = on.scene.things
    focus = min(on.focus, len(things) - 1)
    kind = _of_the_kind(things[focus].noun if noun in ("one", "ones") else noun, things)
    others = tuple(index for index in kind if index != focus)
    if not others and noun == "one" and len(things) == 2:
        others = (1 - focus,)
    return others[:1] or None


def _nth(which: int, kind: tuple[int, ...]) -> tuple[int, ...] | None:
    place = which - 1 if which > 0 else len(kind) + which
    return (kind[place],) if 0 <= place < len(kind) else None


def _of_the_kind(words: str, things: tuple[Thing, ...]) -> tuple[int, ...]:
    """All that the words fit: by the whole noun, else by its head, else by any word of it."""
    meant = thing_of(words)
    fitting = [index for index, thing in enumerate(things) if _has(thing, meant)]
    if meant.noun in ("one", "ones", "thing", "things"):
        return tuple(fitting)
    noun = singular(meant.noun)
    for names in (_whole, _head, _any):
        if found := tuple(index for index in fitting if noun in names(things[index])):
            return found
    return ()


def _has(thing: Thing, meant: Thing) -> bool:
    """Whether it has all that is said of it."""
    return (
        meant.colour in ("", thing.colour)
        and (meant.size == thing.size or v.SIZES.get(meant.size, 2) in (2, v.SIZES.get(thing.size, 2)))
        and set(meant.qualities) <= set(thing.qualities)
        and meant.position in ("", thing.position)
    )


def _whole(thing: Thing) -> tuple[str, ...]:
    return (singular(thing.noun),)


def _head(thing: Thing) -> tuple[str, ...]:
    return (singular(thing.noun.partition(" of ")[0].rpartition(" ")[2]),)


def _any(thing: Thing) -> tuple[str, ...]:
    return tuple(singular(word) for word in thing.noun.split())


def _means_many(words: str) -> bool:
    meant = thing_of(words).noun
    return singular(meant) != meant
