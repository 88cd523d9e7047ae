"""From a prompt to a scene and back."""

import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.reading import (
    normal,
    place_of,
    position_of,
    scene_of,
    style_of,
    thing_of,
    time_of,
    verbatim,
)
from speakage_daemon.understanding.scene import Scene, Thing, text_of, thing_text
from speakage_engines.training import grammar, nouns
from speakage_engines.training.backgrounds import PLACES
from speakage_engines.training.styles import STYLES


def test_a_prompt_is_taken_apart() -> None:
    assert scene_of("A big red car next to two dogs on a beach at night as a comic, spooky, no people") == Scene(
        things=(
            Thing(noun="car", size="big", colour="red"),
            Thing(noun="dog", count=2, determiner="", link="next to"),
        ),
        background="on a beach",
        when="at night",
        style="as a comic",
        moods=("spooky",),
        negatives=("people",),
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "a red car next to two dogs on a beach",
        "a cat, a dog and a bird",
        "a boat on the sea and a bird in the sky",
        "a castle on a hill with a tree",
        "a dog running on a beach at night",
        "a dog running",
        "a dog on the left and a cat on the right in a forest",
        "a dog sitting next to a king on a throne",
        "a girl in a red dress holding a balloon",
        "the two small dogs",
        "one old dark blue house",
        "a black and white cat in black and white",
        "an old man with a hat in the rain, spooky",
        "fifty birds above the sea",
        "clouds",
        "a dog under the stars",
        "in pixel art style",
        "on a beach",
        "a dog in the style of van gogh",
        "a table at the bottom of the sea",
    ],
)
def test_a_plain_prompt_comes_back_as_it_was(prompt: str) -> None:
    scene = scene_of(prompt)
    assert text_of(scene) == prompt
    assert verbatim(prompt) not in scene.things or " " not in prompt


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("A car,  on a beach.", "a car on a beach"),
        ("a dog that is blue", "a blue dog"),
        ("two dogs painted red", "two red dogs"),
        ("a watercolor of a dog", "a dog as a watercolor"),
        ("a dog, watercolor", "a dog as a watercolor"),
        ("on a beach there is a dog", "a dog on a beach"),
        ("at night, a dog", "a dog at night"),
        ("in a car, a dog", "in a car, a dog"),
        ("a fish underwater", "a fish under water"),
        ("a couple of cats", "two cats"),
        ("12 cats", "twelve cats"),
        ("a dog on the right side", "a dog on the right side"),
        ("a street without any people, cars or dogs", "a street"),
        ("a street without people and a dog", "a street and a dog"),
        ("", ""),
        (" ... ", ""),
    ],
)
def test_prompts_are_written_plainly(said: str, written: str) -> None:
    assert text_of(scene_of(said)) == written


@pytest.mark.parametrize(
    "prompt", ["straße mit haus", "a dog next to", "and", "on the left", "a sky quickly above four clouds quickly"]
)
def test_what_cannot_be_taken_apart_stays_one_phrase(prompt: str) -> None:
    assert text_of(scene_of(prompt)) == prompt


def test_plain_captions_of_the_training_come_back_as_they_were() -> None:
    dice = random.Random(3)
    relations = [relation for relation in grammar.RELATIONS if relation != "between"]
    for _ in range(400):
        things = tuple(_mention(dice) for _ in range(dice.choice((1, 1, 2, 2, 3))))
        relation = {1: None, 2: dice.choice(relations), 3: dice.choice(("and", "between"))}[len(things)]
        background, style = dice.choice((None, *PLACES)), dice.choice((None, *STYLES))
        caption = grammar.plain(grammar.Meaning(things, relation, background, style))
        scene = scene_of(caption)
        assert text_of(scene) == caption
        # a table is a thing as well as a place
        assert len(scene.things) == len(things) + (background == "kitchen"), caption
        assert (scene.style or scene.when.removeprefix("at night")) != "" or style is None, caption


def _mention(dice: random.Random) -> grammar.Mention:
    noun = dice.choice(nouns.core())
    count = dice.choice((1, 1, 2, 3)) if noun.countable else 1
    return grammar.Mention(
        noun.name, count, dice.choice((None, "red", "blue", "orange")), dice.choice(("usual", "big", "small"))
    )


_WORDS = sorted(
    {word for phrase in (*v.JOINING, *v.NEGATING, *v.ACTIONS, *v.DOING) for word in phrase.split()}
    | set(v.DETERMINERS) | set(v.PLACES) | set(v.TIMES) | {"dog", "dogs", "owl", "red", "big", "two", "1", ",", "style"}
)  # fmt: skip
_LEFT_OUT = v.words("a an the and with without no but or any there is are we i see as in style that which painted of")


@given(st.one_of(st.lists(st.sampled_from(_WORDS), max_size=14).map(" ".join), st.text(max_size=60)))
def test_no_word_is_lost(prompt: str) -> None:
    scene = scene_of(prompt)
    written = f"{text_of(scene)} {' '.join(scene.negatives)}"
    assert _content(normal(prompt)) - _content(written) == Counter()


def _content(text: str) -> Counter[str]:
    return Counter(word for word in re.findall(r"[^\s,]+", text) if word not in _LEFT_OUT)


@given(st.text(max_size=60))
def test_writing_and_reading_again_changes_nothing(prompt: str) -> None:
    once = text_of(scene_of(prompt))
    assert text_of(scene_of(once)) == once


def test_things_are_written_with_number_article_and_place() -> None:
    assert thing_text(Thing(noun="owl")) == "an owl"
    assert thing_text(Thing(noun="owl", size="big")) == "a big owl"
    assert thing_text(Thing(noun="mouse", count=3, determiner="the")) == "the three mice"
    assert thing_text(Thing(noun="dog", position="on the left")) == "a dog on the left"
    assert Thing(noun="dog", count=2).name == "dogs"
    assert Thing(noun="clouds", count=None).name == "clouds"


def test_an_empty_scene_has_nothing_to_paint() -> None:
    assert Scene().empty
    assert Scene(negatives=("people",)).empty
    assert not Scene(style="in oil").empty


def test_noun_phrases() -> None:
    assert thing_of("the") == Thing(noun="the", count=None, determiner="")
    assert thing_of("orange") == Thing(noun="orange", count=None, determiner="")
    assert thing_of("a red big old dog") == Thing(noun="old dog", size="big", colour="red")
    assert thing_of("a happy sad dog") == Thing(noun="dog", qualities=("happy", "sad"))
    assert thing_of("a light blue hot dog") == Thing(noun="hot dog", colour="light blue")
    assert thing_of("a small small dog") == Thing(noun="small dog", size="small")


def test_places_times_positions_and_styles() -> None:
    assert place_of("on", "a sandy beach")
    assert place_of("with", "a red background")
    assert not place_of("above", "the sea")
    assert not place_of("in", "")
    assert time_of("in winter")
    assert not time_of("in the forest")
    assert (position_of("to the left"), position_of("at the top")) == ("on the left", "at the top")
    assert position_of("to the left corner") == "in the left corner"
    assert position_of("upwards") is None
    assert (style_of("a comic"), style_of("in oil"), style_of("a dog")) == ("in comic style", "in oil", None)
