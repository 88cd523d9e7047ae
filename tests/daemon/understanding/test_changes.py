"""What a change makes of a scene."""

import pytest

from speakage_daemon.understanding.changes import Focused, changed
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
from speakage_daemon.understanding.reading import scene_of, thing_of
from speakage_daemon.understanding.scene import text_of

THREE = "a dog, a cat and a bird"


def after(prompt: str, change: SceneChange, focus: int = 0) -> str:
    return text_of(changed(Focused(scene=scene_of(prompt), focus=focus), change).scene)


@pytest.mark.parametrize(
    ("prompt", "change", "text"),
    [
        (THREE, Remove(at=(0,), name=""), "a cat and a bird"),
        (THREE, Remove(at=(2,), name=""), "a dog and a cat"),
        (THREE, Remove(at=(0, 1, 2), name=""), ""),
        (THREE, Replace(at=(1,), name="", by=thing_of("two owls")), "a dog, two owls and a bird"),
        ("a dog on the left", Replace(at=(0,), name="", by=thing_of("a cat")), "a cat on the left"),
        (THREE, Recolour(at=(0, 2), name="", colour="red"), "a red dog, a cat and a red bird"),
        ("a red dog", Recolour(at=(0,), name="", colour="blue"), "a blue dog"),
        ("a big dog", Resize(at=(0,), name="", size="tiny"), "a tiny dog"),
        ("a large dog", Scale(at=(0,), name="", steps=1), "a huge dog"),
        ("a giant dog", Scale(at=(0,), name="", steps=2), "a huge dog"),
        ("a mini dog", Scale(at=(0,), name="", steps=-1), "a tiny dog"),
        ("a dog", Describe(at=(0,), name="", quality="happy"), "a happy dog"),
        ("a happy old dog", Describe(at=(0,), name="", quality="happy"), "an old happy dog"),
        ("a happy old dog", Describe(at=(0,), name="", quality="happy", wanted=False), "an old dog"),
        ("a dog", Number(at=(0,), name="", count=1_000), "100 dogs"),
        ("dogs", Number(at=(0,), name="", count=0), "a dog"),
        ("my dog", Number(at=(0,), name="", count=2), "my two dogs"),
        (THREE, Move(at=(1,), name="", position="on the left"), "a dog, a cat on the left and a bird"),
        (THREE, Relate(at=(2,), name="", link="under", anchor=0, anchor_name=""), "a bird under a dog and a cat"),
        (THREE, Relate(at=(0,), name="", link="under", anchor=2, anchor_name=""), "a cat and a dog under a bird"),
        (THREE, Relate(at=(0,), name="", link="under", anchor=0, anchor_name=""), THREE),
        (THREE, Relate(at=(0,), name="", link="under", anchor=9, anchor_name=""), THREE),
        ("a dog on the left next to a cat", Swap(at=(0, 1), name=""), "a cat on the left next to a dog"),
        (THREE, Swap(at=(0, 1, 2), name=""), THREE),
        (THREE, Recolour(at=(7, -1), name="", colour="red"), THREE),
        ("a dog", Add(things=(thing_of("a cat"),)), "a dog and a cat"),
        ("a dog and a cat", Add(things=(thing_of("a bird"),)), "a dog, a cat and a bird"),
        ("a dog", Add(things=scene_of("a cat and a bird").things), "a dog, a cat and a bird"),
        ("a dog", Add(things=(thing_of("a hat"),), link="with", anchor=0, before=False), "a dog with a hat"),
        (
            "a dog and a house",
            Add(things=(thing_of("a moon"),), link="above", anchor=1),
            "a dog and a moon above a house",
        ),
        ("a dog", Add(things=(thing_of("a moon"),), link="above", anchor=5), "a dog above a moon"),
        ("", Add(things=(thing_of("a cat"),)), "a cat"),
        ("a dog on a beach", Background(phrase="in a forest"), "a dog in a forest"),
        ("a dog on a beach and a cat at night", Background(phrase=""), "a dog and a cat at night"),
        ("a dog running on a beach and a cat", Background(phrase="at home"), "a dog running and a cat at home"),
        ("a dog on the left and a cat", Background(phrase="at home"), "a dog on the left and a cat at home"),
        ("a dog running and a cat", Background(phrase="at home"), "a dog running and a cat at home"),
        ("a dog", When(phrase="at night"), "a dog at night"),
        ("a dog as a comic", Style(phrase="in oil"), "a dog in oil"),
        ("a dog, dark", Mood(mood="bright"), "a dog, bright"),
        ("a dog, dark, spooky", Mood(mood="dark", wanted=False), "a dog, spooky"),
    ],
)
def test_the_prompt_after_a_change(prompt: str, change: SceneChange, text: str) -> None:
    assert after(prompt, change) == text


def test_what_is_not_wanted() -> None:
    street = Focused(scene=scene_of("a street without cars"))
    both = changed(changed(street, Negative(words="people")), Negative(words="cars"))
    assert both.scene.negatives == ("people", "cars")
    assert changed(both, Allow(words="car")).scene.negatives == ("people",)
    assert changed(both, Add(things=(thing_of("a car"), thing_of("people")))).scene.negatives == ()


def test_it_is_what_was_spoken_of_last() -> None:
    three = Focused(scene=scene_of(THREE), focus=2)
    assert changed(three, Recolour(at=(1,), name="", colour="red")).focus == 1
    assert changed(three, Add(things=(thing_of("a moon"),))).focus == 3
    assert changed(three, Remove(at=(0,), name="")).focus == 1
    assert changed(three, Remove(at=(2,), name="")).focus == 0
    assert changed(three, Style(phrase="in oil")).focus == 2


def test_every_change_is_handled() -> None:
    on = Focused(scene=scene_of("a dog"))
    with pytest.raises(AssertionError):
        changed(on, "red")
    with pytest.raises(AssertionError):
        changed(on, OnThings(at=(0,), name=""))
