"""What is on the canvas, as a value: things, where and when, style, mood, and what should not be there. Pure.

:func:`text_of` writes it as a prompt that a picture model understands: things and what joins them, place, time, style,
mood. No noun is known by name. Prompts are read elsewhere (:mod:`.reading`), and changed elsewhere (:mod:`.changes`).
"""

from __future__ import annotations

from dataclasses import dataclass

from speakage_daemon.understanding.inflection import article, plural
from speakage_daemon.understanding.numbers import spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A thing, or several of one kind: "two big red dogs on the left"."""

    noun: str
    """Singular where :attr:`count` is above one; as it was said otherwise."""
    count: int | None = 1
    """``None`` where the number is not said: "the dog", "clouds"."""
    determiner: str = "a"
    """ "a", "the", "some", "" …; "a" is written "an" where it sounds so."""
    size: str = ""
    qualities: tuple[str, ...] = ()
    colour: str = ""
    position: str = ""
    """What stands behind the noun and belongs to it: "running", "on the left", "in the sky"."""
    link: str = ""
    """What joins it to the thing before: "and", "next to", ","."""

    @property
    def name(self) -> str:
        """What it is called: "dog", "dogs"."""
        return plural(self.noun) if self.many else self.noun

    @property
    def many(self) -> bool:
        """Whether the noun stands for a number that is not one."""
        return self.count is not None and self.count != 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A picture in words."""

    things: tuple[Thing, ...] = ()
    background: str = ""
    """With its preposition: "on a beach"."""
    when: str = ""
    """Time or weather: "at night"."""
    style: str = ""
    """With what it needs behind the rest: "as a pencil sketch"."""
    moods: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    """What should not be there; no part of the prompt's text."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to paint."""
        return not text_of(self)


def thing_text(thing: Thing) -> str:
    """ "a big red dog on the left": without its link."""
    described = _joined(thing.size, *thing.qualities, thing.colour, thing.name)
    number = spelled(thing.count) if thing.count is not None and thing.many else ""
    determiner = "" if number and thing.determiner == "a" else thing.determiner
    if determiner == "a":
        determiner = article(described)
    return _joined(determiner, number, described, thing.position)


def text_of(scene: Scene) -> str:
    """The prompt: "a red car next to two dogs on a beach at night as a pencil sketch, spooky"."""
    things = ""
    for thing in scene.things:
        things += (", " if thing.link == "," else f" {thing.link} ") + thing_text(thing)
    plain = _joined(" ".join(things.split()), scene.background, scene.when, scene.style)
    return ", ".join(part for part in (plain, *scene.moods) if part)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
