"""What a scene is called: one plain caption, a great many free ones, and the way back from plain words. Pure.

Plain: ``[number] [size] [colour] thing [relation thing] background [style]``, "a big red balloon above a house at night
in pixel art style". Free wording is what people say: other words, other orders, articles left out, "um", "please".
The same scene and number always give the same words.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from speakage_engines.training import nouns
from speakage_engines.training.backgrounds import PLACES
from speakage_engines.training.glyphs import COLOURS
from speakage_engines.training.scene import Relation, Scene, Size, Thing
from speakage_engines.training.styles import STYLES

RELATIONS: Final[dict[Relation, tuple[str, ...]]] = {
    "and": ("and", "with", "together with", "along with"),
    "next to": ("next to", "beside", "near", "close to", "by"),
    "above": ("above", "over", "on top of", "higher than"),
    "below": ("below", "under", "underneath", "beneath"),
    "left of": ("to the left of", "left of", "on the left of", "on the left side of"),
    "right of": ("to the right of", "right of", "on the right of", "on the right side of"),
    "between": ("between", "in between", "in the middle of"),
}
"""The first of each is the plain one."""
SIZES: Final[dict[Size, tuple[str, ...]]] = {
    "small": ("small", "little", "tiny"),
    "usual": ("",),
    "big": ("big", "large", "huge", "giant"),
}
NUMBERS: Final = {1: ("one", "1"), 2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4"), 5: ("five", "5")}

_OPPOSITE: Final[dict[Relation, Relation]] = {
    "above": "below", "below": "above", "left of": "right of", "right of": "left of"
}  # fmt: skip
_EACH: Final[dict[Relation, tuple[str, str]]] = {
    "above": ("at the top", "at the bottom"), "below": ("at the bottom", "at the top"),
    "left of": ("on the left", "on the right"), "right of": ("on the right", "on the left"),
}  # fmt: skip
_LEAD_INS: Final = (
    "a picture of", "a painting of", "a drawing of", "an image of", "show me", "draw", "draw me", "paint", "paint me",
    "please draw", "please paint", "can you draw", "can you paint", "could you paint me", "could you please show me",
    "i want", "i want to see", "i would like to see", "i'd like", "let's see", "let us have", "imagine", "how about",
    "make", "make a picture of", "give me", "there is", "there's", "we see", "i see", "what about", "okay", "hey",
)  # fmt: skip
_FILLERS: Final = ("um", "uh", "er", "well", "you know", "like", "maybe", "just")
_TAILS: Final = ("please", "thank you", "thanks", "for me")


@dataclass(frozen=True, slots=True)
class Mention:
    """What words say of a thing."""

    noun: str
    count: int = 1
    colour: str | None = None
    size: Size = "usual"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What words say of a picture."""

    things: tuple[Mention, ...]
    relation: Relation | None = None
    background: str | None = None
    """None where it is not said."""
    style: str | None = None


def meaning(scene: Scene) -> Meaning:
    """What its plain caption says."""
    return Meaning(
        tuple(Mention(thing.noun, thing.count, thing.colour, thing.size) for thing in scene.things),
        scene.relation,
        None if scene.bare else scene.background,
        scene.style,
    )


def caption(scene: Scene) -> str:
    """Plain or free, as the scene has it."""
    return plain(meaning(scene)) if scene.wording is None else free(scene, random.Random(scene.wording))  # noqa: S311


def plain(meant: Meaning) -> str:
    """The one plain caption: what :func:`parse` takes back."""
    said = [_plain_thing(thing) for thing in meant.things]
    return " ".join(
        part
        for part in (
            _joined(said, RELATIONS[meant.relation][0] if meant.relation else ""),
            PLACES[meant.background].phrases[0] if meant.background else "",
            STYLES[meant.style].phrases[0] if meant.style else "",
        )
        if part
    )


def free(scene: Scene, dice: random.Random) -> str:
    """One of the many ways to say it."""
    words = _placed(scene, _related(scene, dice), dice)
    if scene.style:
        words = _styled(scene.style, words, dice)
    if dice.random() < 0.2:
        words = f"{dice.choice(_LEAD_INS)} {words}"
    if dice.random() < 0.06:
        split = words.split(" ")
        split.insert(dice.randrange(len(split)), dice.choice(_FILLERS))
        words = " ".join(split)
    return f"{words} {dice.choice(_TAILS)}" if dice.random() < 0.05 else words


def parse(text: str) -> Meaning | None:
    """What a caption in the order of plain ones says; synonyms are known, other orders are not (None)."""
    rest = " ".join(text.lower().split())
    rest, style = _cut_tail(rest, {phrase: name for name, style in STYLES.items() for phrase in style.phrases})
    rest, background = _cut_tail(rest, {phrase: name for name, place in PLACES.items() for phrase in place.phrases})
    things: list[Mention] = []
    links: list[str] = []
    pattern, words = _thing_pattern()
    while True:
        match = pattern.match(rest)
        if match is None:
            return None
        things.append(_mention(match, words))
        rest = rest[match.end() :]
        if not rest:
            break
        link = next((link for link in _links() if rest.startswith(f" {link} ") or (link == "," == rest[0])), None)
        if link is None:
            return None
        links.append(link)
        rest = rest[len(link) + (1 if link == "," else 2) :].lstrip()
    if len(things) > 3:
        return None
    relation = next((_links()[link] for link in links if link != ","), None)
    return Meaning(tuple(things), relation, background, style)


def counted(noun: str, count: int) -> str:
    """ "a dog", "an owl", "three mice", "some bread"."""
    return _plain_thing(Mention(noun, count))


# --- plain ------------------------------------------------------------------------------------------------------------


def _plain_thing(thing: Mention) -> str:
    noun = nouns.by_name()[thing.noun]
    name = nouns.plural(thing.noun) if thing.count > 1 else thing.noun
    described = " ".join(word for word in (SIZES[thing.size][0], thing.colour, name) if word)
    if not noun.countable:
        return f"some {described}"
    return f"{NUMBERS[thing.count][0]} {described}" if thing.count > 1 else f"{nouns.article(described)} {described}"


def _joined(said: list[str], link: str) -> str:
    """ "a link b"; three things: "a, b and c" or "a between b and c"."""
    if len(said) < 3:
        return f" {link} ".join(said)
    if link == RELATIONS["and"][0]:
        return f"{said[0]}, {said[1]} and {said[2]}"
    return f"{said[0]} {link} {said[1]} and {said[2]}"


# --- free -------------------------------------------------------------------------------------------------------------


def _related(scene: Scene, dice: random.Random) -> str:
    said = [_free_thing(thing, dice) for thing in scene.things]
    relation = scene.relation
    if relation is None:
        return said[0]
    if len(said) == 3:
        link = dice.choice(RELATIONS[relation])
        if relation == "and" and dice.random() < 0.3:
            return " and ".join(said)
        return _joined(said, link if relation == "between" else "and")
    if relation in _EACH and dice.random() < 0.15:
        first, second = _EACH[relation]
        return f"{said[0]} {first} and {said[1]} {second}"
    if relation in _OPPOSITE and dice.random() < 0.25:
        relation, said = _OPPOSITE[relation], said[::-1]
    copula = (
        dice.choice((" is", " standing", " right", " that is")) if dice.random() < 0.1 and relation != "and" else ""
    )
    return _joined(said, f"{copula} {dice.choice(RELATIONS[relation])}".strip())


def _free_thing(thing: Thing, dice: random.Random) -> str:
    noun = nouns.by_name()[thing.noun]
    name = dice.choice((noun.name, *noun.synonyms)) if dice.random() < 0.4 else noun.name
    if thing.count > 1:
        name = nouns.plural(name)
    size = dice.choice(SIZES[thing.size])
    if size and dice.random() < 0.1:
        size = f"{dice.choice(('very', 'really', 'pretty'))} {size}"
    colour = {"gray": dice.choice(("gray", "grey")), "purple": dice.choice(("purple", "purple", "violet"))}.get(
        thing.colour or "", thing.colour or ""
    )
    after = ""
    if colour and dice.random() < 0.08:
        colour, after = "", f" {dice.choice(('that is', 'which is', 'painted')) if thing.count == 1 else 'in'} {colour}"
    described = " ".join(word for word in (size, colour, name) if word) + after
    return _determined(described, thing.count, noun.countable, dice)


def _determined(described: str, count: int, countable: bool, dice: random.Random) -> str:
    if not countable:
        return f"{dice.choice(('some', 'some', 'the', '', 'a little'))} {described}".strip()
    if count > 1:
        number = dice.choice((NUMBERS[count][0], *NUMBERS[count]))
        if count == 2 and dice.random() < 0.2:
            number = dice.choice(("a pair of", "a couple of"))
        return f"{number} {described}"
    chance = dice.random()
    if chance < 0.7:
        return f"{nouns.article(described)} {described}"
    return f"{dice.choice(('the', 'the', '', '', '', '', 'one', 'my', 'this'))} {described}".strip()


def _placed(scene: Scene, words: str, dice: random.Random) -> str:
    if scene.bare:
        return words
    place = PLACES[scene.background]
    phrase = dice.choice((place.phrases[0], *place.phrases))
    if dice.random() < 0.06:
        phrase = re.sub(r"\b(a|an|the) ", "", phrase)
    chance = dice.random()
    if chance < 0.7:
        return f"{words} {phrase}"
    if chance < 0.8:
        return f"{words}, {phrase}"
    if chance < 0.87:
        return f"{phrase} {dice.choice(('there is ', '', 'we see ', 'i see '))}{words}"
    return f"{place.noun} {dice.choice(('with', 'with', 'and'))} {words}"


def _styled(style: str, words: str, dice: random.Random) -> str:
    words_for = STYLES[style]
    chance = dice.random()
    if chance < 0.5:
        return f"{words} {dice.choice(words_for.phrases)}"
    if chance < 0.7:
        return f"{words}, {words_for.noun}"
    described = f"{nouns.article(words_for.noun)} {words_for.noun}"
    return f"{described} of {words}" if chance < 0.9 else f"{words_for.noun} of {words}"


# --- back from words --------------------------------------------------------------------------------------------------


def _cut_tail(text: str, phrases: dict[str, str]) -> tuple[str, str | None]:
    for phrase in sorted(phrases, key=len, reverse=True):
        if text.endswith(f" {phrase}"):
            return text[: -len(phrase) - 1].rstrip(","), phrases[phrase]
    return text, None


@cache
def _links() -> dict[str, Relation]:
    """Words between things, longest first, and what they say; a comma means that more follow."""
    links = {word: relation for relation, words in RELATIONS.items() for word in words}
    return {",": "and", **{word: links[word] for word in sorted(links, key=len, reverse=True)}}


@cache
def _thing_pattern() -> tuple[re.Pattern[str], dict[str, str]]:
    """One thing with all that is said before it, and which noun each word means."""
    words: dict[str, str] = {}
    for noun in reversed(nouns.every()):
        for word in (*noun.synonyms, noun.name):
            words[nouns.plural(word)] = noun.name
            words[word] = noun.name
    numbers = "|".join(word for forms in NUMBERS.values() for word in forms)
    sizes = "|".join(word for forms in SIZES.values() for word in forms if word)
    things = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(
        rf"(?:(?P<count>an?|the|some|{numbers}) )?(?:(?P<size>{sizes}) )?"
        rf"(?:(?P<colour>{'|'.join(COLOURS)}|grey|violet) )?(?P<noun>{things})(?![\w'-])"
    ), words


def _mention(match: re.Match[str], words: dict[str, str]) -> Mention:
    count = next((number for number, forms in NUMBERS.items() if match["count"] in forms), 1)
    size = next(size for size, forms in SIZES.items() if (match["size"] or "") in forms)
    colour = {"grey": "gray", "violet": "purple"}.get(match["colour"] or "", match["colour"])
    return Mention(words[match["noun"]], count, colour, size)
