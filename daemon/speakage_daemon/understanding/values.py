"""What is said of things, and of the whole picture: "blue", "much bigger", "on the left", "a cat", "spooky". Pure.

Given the things that are meant, a value becomes changes; a value that fits nothing becomes none. Which words are the
value and which the reference is found elsewhere (:mod:`.edits`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.changes import Focused
from speakage_daemon.understanding.inflection import article, positive, singular
from speakage_daemon.understanding.meaning import (
    Background,
    Change,
    Describe,
    Mood,
    Move,
    Negative,
    Number,
    Recolour,
    Replace,
    Resize,
    Scale,
    When,
)
from speakage_daemon.understanding.numbers import count_of
from speakage_daemon.understanding.reading import COLOUR, place_of, position_of, thing_of, time_of
from speakage_daemon.understanding.references import named
from speakage_daemon.understanding.scene import Thing

_PADDING: Final = re.compile(
    r"^(?:to be|to look|look|be|become|into|to|as|a bit|a little bit|a little|a lot|much|even|more|very|really|so"
    r"|way|far|just|all|of|painted|completely|further|slightly|turn|in(?= \w+$)) "
)
_SCALES: Final = {
    "bigger": 1, "larger": 1, "huger": 1, "smaller": -1, "littler": -1, "tinier": -1, "shorter": -1,
}  # fmt: skip
_ENOUGH: Final = re.compile(r"much|a lot|way|far")
_QUALITY: Final = re.compile(
    r"(?!(?:around|over|down|back|again|off|out|away|there|here|now|please|like|well)$)[a-z'-]{3,}"
)
"""Any one word but those that say where or how."""
_NEEDS_NO_ARTICLE: Final = frozenset(("space", "mars", "home", "water", "outer space"))
_NEEDS_THE: Final = frozenset(("snow", "sky", "air", "grass", "sand", "ground", "universe", "moon", "sea", "ocean"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a value is said of."""

    at: tuple[int, ...]
    """Things; empty for the picture alone."""
    whole: bool
    """Whether the whole picture may be meant: it is by "the picture", and may be by "it"."""


def valued(target: Target, said: str, on: Focused) -> tuple[Change, ...]:
    """The changes that a value makes to its target; empty where it fits nothing."""
    value = _bare(said)
    simple = _simple(target, value, said, on)
    if simple is not None:
        return (simple,)
    if " and " in value:
        parts = tuple(_simple(target, _bare(part), said, on) for part in value.split(" and "))
        if all(parts):
            return tuple(part for part in parts if part is not None)
    return _new_thing(target, value, on)


def place_phrase(words: str) -> Background | When:
    """A place as it is said behind the rest: "forest" → "in a forest", "red" → "on a red background"."""
    link, _, phrase = words.partition(" ")
    bare = re.sub(r"^(?:an?|the) ", "", words)
    if time_of(words):
        return When(phrase=words)
    if place_of(link, phrase):
        return Background(phrase=words)
    if bare in v.TIMES and singular(bare) not in v.PLACES:
        return When(phrase=v.TIMES[bare])
    if re.fullmatch(COLOUR, bare):
        return Background(phrase=f"on {article(bare)} {bare} background")
    noun = thing_of(words).noun.partition(" of ")[0].rpartition(" ")[2]
    usual = v.PLACES.get(noun) or v.PLACES.get(singular(noun), "in front of")
    if words == bare and noun in _NEEDS_THE:
        words = f"the {bare}"
    elif words == bare and bare not in _NEEDS_NO_ARTICLE and singular(noun) == noun:
        words = f"{article(bare)} {bare}"
    return Background(phrase=f"{usual} {words}")


def lessened(said: str, on: Focused, at: tuple[int, ...] | None) -> tuple[Change, ...]:
    """ "less …", "too …": fewer of a thing, an end to a mood, or else something that should not be there."""
    things = on.scene.things
    word = positive(v.MOOD_NOUNS.get(said, said), v.MOODS | v.QUALITIES | set(v.SIZES))
    if at is not None:
        return tuple(_fewer(index, things[index], said) for index in at)
    focus = (min(on.focus, len(things) - 1),) if things else ()
    if word in v.SIZES and focus:
        return (Scale(at=focus, name=named(focus, things), steps=-1 if v.SIZES[word] > 2 else 1),)
    if word in on.scene.moods:
        return (Mood(mood=word, wanted=False),)
    if focus and word in things[focus[0]].qualities:
        return (Describe(at=focus, name=named(focus, things), quality=word, wanted=False),)
    if word in v.OPPOSITE_MOODS:
        return (Mood(mood=v.OPPOSITE_MOODS[word]),)
    return (Negative(words=re.sub(r"^(?:of )?(?:the|any|a) ", "", said)),)


def increased(said: str, on: Focused, at: tuple[int, ...] | None) -> tuple[Change, ...]:
    """ "more …" of things that are there, or of a mood; empty where it is neither."""
    things = on.scene.things
    if at is not None:
        return tuple(_further(index, things[index]) for index in at)
    word = positive(v.MOOD_NOUNS.get(said, said), v.MOODS)
    if word in v.MOODS:
        return (Mood(mood=word),)
    if re.fullmatch(COLOUR, said):
        return (Mood(mood=f"{said} tones"),)
    return ()


def _bare(said: str) -> str:
    value = _PADDING.sub("", said)
    return value if value == said else _bare(value)


def _simple(target: Target, value: str, said: str, on: Focused) -> Change | None:
    """A value of one kind."""
    mood = positive(value, v.MOODS)
    name = named(target.at, on.scene.things)
    if target.whole and mood in v.MOODS:
        return Mood(mood=mood)
    if re.fullmatch(COLOUR, value.replace(" and ", "_and_")):
        return Recolour(at=target.at, name=name, colour=value) if target.at else Mood(mood=f"{value} tones")
    if time_of(value) or (target.whole and value in v.TIMES):
        return When(phrase=v.TIMES.get(value, value))
    link, _, phrase = value.partition(" ")
    if place_of(link, phrase):
        return Background(phrase=value)
    if position := position_of(value) or position_of(f"to the {value.removeprefix('the ')}"):
        return Move(at=target.at, name=name, position=position) if target.at else None
    return _measure(target.at, name, value, said) if target.at else None


def _measure(at: tuple[int, ...], name: str, value: str, said: str) -> Change | None:
    if value in _SCALES:
        return Scale(at=at, name=name, steps=_SCALES[value] * (2 if _ENOUGH.match(said) else 1))
    if value in v.SIZES:
        return Resize(at=at, name=name, size=value)
    if (count := count_of(value)) is not None:
        return Number(at=at, name=name, count=count)
    quality = positive(value, v.QUALITIES)
    return Describe(at=at, name=name, quality=quality) if _QUALITY.fullmatch(quality) else None


def _new_thing(target: Target, value: str, on: Focused) -> tuple[Change, ...]:
    """ "make it *a cat*", "make that *two dogs*"."""
    first = value.partition(" ")[0]
    if not target.at or not (first in ("a", "an", "some") or count_of(first) is not None):
        return ()
    things, at = on.scene.things, target.at
    new = thing_of(value)
    if new.count is not None and new == Thing(noun=new.noun, count=new.count, determiner=new.determiner):
        same = all(singular(things[index].noun) == singular(new.noun) for index in at)
        if same or new.noun in ("of them", "of it"):
            return (Number(at=at, name=named(at, things), count=new.count),)
    return (Replace(at=at, name=named(at, things), by=replace(new, link="")),)


def _fewer(index: int, thing: Thing, said: str) -> Change:
    if thing.count is None:
        return Describe(at=(index,), name=thing.name, quality="few")
    if thing.count > 1:
        return Number(at=(index,), name=thing.name, count=thing.count - 1)
    if singular(said) != said:
        # only one was asked for, and more are seen
        return Negative(words=f"many {said}")
    return Scale(at=(index,), name=thing.name, steps=-1)


def _further(index: int, thing: Thing) -> Change:
    if thing.count is None:
        return Describe(at=(index,), name=thing.name, quality="many")
    return Number(at=(index,), name=thing.name, count=thing.count + 1)
