"""Captions: articles, plurals, plain wording and back, and free wording that still says what is there."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from speakage_engines.training import grammar, nouns
from speakage_engines.training.grammar import Meaning, Mention
from speakage_engines.training.scene import Scene
from speakage_engines.training.scenes import PRESETS, Scenes
from speakage_engines.training.styles import STYLES


def scenes(count: int, preset: str = "gpu") -> list[Scene]:
    pictures = Scenes(PRESETS[preset])
    return [pictures.scene(number) for number in range(count)]


@pytest.mark.parametrize(
    ("noun", "count", "said"),
    [
        ("cat", 1, "a cat"), ("owl", 1, "an owl"), ("unicorn", 1, "a unicorn"), ("umbrella", 1, "an umbrella"),
        ("hourglass", 1, "an hourglass"), ("x-ray", 1, "an x-ray"), ("bread", 1, "some bread"),
        ("bus", 2, "two buses"), ("cherry", 3, "three cherries"), ("monkey", 4, "four monkeys"),
        ("mouse", 5, "five mice"),
        ("sheep", 2, "two sheep"), ("leaf", 2, "two leaves"), ("fox", 2, "two foxes"), ("church", 2, "two churches"),
        ("wolf", 2, "two wolves"), ("tomato", 2, "two tomatoes"), ("piano", 2, "two pianos"), ("fish", 3, "three fish"),
        ("bowl of rice", 2, "two bowls of rice"), ("man with a turban", 2, "two men with a turban"),
        ("computer mouse", 2, "two computer mice"), ("snowman", 2, "two snowmen"), ("knife", 2, "two knives"),
    ],
)  # fmt: skip
def test_articles_and_plurals(noun: str, count: int, said: str) -> None:
    assert grammar.counted(noun, count) == said


def test_the_article_looks_at_the_word_behind_it() -> None:
    assert grammar.plain(Meaning((Mention("owl", size="big"),))) == "a big owl"
    assert grammar.plain(Meaning((Mention("cat", colour="orange"),))) == "an orange cat"


def test_no_word_means_two_things() -> None:
    words = [word for noun in nouns.every() for word in (noun.name, *noun.synonyms)]
    assert len(words) == len(set(words))
    assert all(nouns.plural(word) == word for word in words if nouns.plural(word) in words)
    for word in words:
        assert re.fullmatch(r"[a-z]+(?:[ -][a-z]+)*", word), word


def test_there_is_enough_to_draw() -> None:
    assert len(nouns.core()) >= 120
    assert len(nouns.every()) >= 500
    assert nouns.every()[: len(nouns.core())] == nouns.core()


def test_plain_captions_say_what_is_there() -> None:
    for scene in scenes(4000):
        text = grammar.plain(grammar.meaning(scene))
        assert grammar.parse(text) == grammar.meaning(scene), text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (
            "a big red balloon above a house at night in pixel art style",
            Meaning((Mention("balloon", 1, "red", "big"), Mention("house")), "above", "night", "pixel art"),
        ),
        ("three mice on a beach", Meaning((Mention("mouse", 3),), None, "beach")),
        ("an orange on an orange background", Meaning((Mention("orange"),), None, "plain orange")),
        (
            "a dog between a cat and a bow and arrow",
            Meaning((Mention("dog"), Mention("cat"), Mention("bow and arrow")), "between"),
        ),
        (
            "two large bunnies beside a grey car",
            Meaning((Mention("rabbit", 2, size="big"), Mention("car", 1, "gray")), "next to"),
        ),
        ("a cat, a dog and a cat face", Meaning((Mention("cat"), Mention("dog"), Mention("cat face")), "and")),
    ],
)  # fmt: skip
def test_words_are_understood(text: str, meant: Meaning) -> None:
    assert grammar.parse(text) == meant


@pytest.mark.parametrize(
    "text", ["", "a", "a zebu", "a cat quite near a dog", "at night", "a cat and", "a cat, a dog, a cow and a pig"]
)
def test_what_is_not_understood_is_not_guessed(text: str) -> None:
    assert grammar.parse(text) is None


def test_free_wording_names_every_thing() -> None:
    for scene in scenes(3000):
        text = grammar.free(scene, random.Random(3))
        for thing in scene.things:
            noun = nouns.by_name()[thing.noun]
            forms = [nouns.plural(word) if thing.count > 1 else word for word in (noun.name, *noun.synonyms)]
            # a filler may stand between the words of a noun
            assert any(re.search(r"\b" + r" (?:\w+ ){0,2}".join(form.split()) + r"\b", text) for form in forms), text
            shown = {"gray": "gray|grey", "purple": "purple|violet"}.get(thing.colour or "", thing.colour or "")
            assert re.search(rf"\b(?:{shown})\b", text), text
            assert any(word in text for word in grammar.SIZES[thing.size]), text


def test_free_wording_says_who_is_above_whom() -> None:
    """Exchanged things need the opposite word."""
    pictures = Scenes(
        replace(PRESETS["cpu"], only=("cat", "car"), coloured=0, sized=0, styled=0, one=0, several=0, three=0)
    )
    seen = set()
    for number in range(1500):
        scene = pictures.scene(number)
        if scene.relation not in ("above", "below"):
            continue
        text = re.sub(r"\b(?:um|uh|er|well|you know|like|maybe|just) ", "", grammar.free(scene, random.Random(number)))
        upper = min(scene.things, key=lambda thing: thing.spots[0].y).noun
        lower = ({"cat", "car"} - {upper}).pop()
        higher = re.search(rf"\b{upper}\b.*\b(?:above|over|on top of|higher than)\b.*\b{lower}\b", text)
        deeper = re.search(rf"\b{lower}\b.*\b(?:below|under|underneath|beneath)\b.*\b{upper}\b", text)
        each = re.search(rf"\b{upper}\b.* at .*top\b", text)
        assert higher or deeper or each, text
        seen.add((bool(higher), bool(deeper), bool(each)))
    assert len(seen) >= 3


def test_there_are_many_ways_to_say_the_same() -> None:
    scene = next(scene for scene in scenes(500, "cpu") if scene.kind == "two" and not scene.bare)
    ways = {grammar.free(scene, random.Random(number)) for number in range(500)}
    assert len(ways) > 200
    assert any(way.startswith(scene.things[0].noun) for way in ways)


def test_the_number_of_a_wording_decides_it() -> None:
    for scene in scenes(200):
        assert grammar.caption(replace(scene, wording=5)) == grammar.caption(replace(scene, wording=5))
        assert grammar.caption(replace(scene, wording=None)) == grammar.plain(grammar.meaning(scene))


def test_styles_without_colours_are_not_given_any() -> None:
    for scene in scenes(3000):
        if scene.style and not STYLES[scene.style].colours:
            assert not any(thing.colour for thing in scene.things)
            assert not scene.background.startswith("plain")
