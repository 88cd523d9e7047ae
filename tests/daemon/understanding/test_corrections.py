"""Corrections inside a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.understanding.corrections import corrected
from speakage_daemon.understanding.vocabulary import words


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("a red, no, a blue house", "a blue house"),
        ("a red no a blue house", "a blue house"),
        ("a red house, no, blue", "a blue house"),
        ("make it red no blue", "make it blue"),
        ("make it red no blue no green", "make it green"),
        ("a big, no, small dog", "a small dog"),
        ("a dog, no, cat", "a cat"),
        ("a dog, no wait, a cat", "a cat"),
        ("a dog or rather a cat", "a cat"),
        ("a dog, actually a cat", "a cat"),
        ("a red car next to a dog, I mean a cat", "a red car next to a cat"),
        ("two dogs, sorry, three dogs", "three dogs"),
        ("move it to the left, sorry, to the right", "move it to the right"),
        ("move it left, no, right", "move it right"),
        ("a car on a beach, I mean in a forest", "a car in a forest"),
        ("a dog, I mean a cat, on a beach", "a cat on a beach"),
        ("a dog, no, draw a castle", "draw a castle"),
        ("a dog, scratch that, a castle", "a castle"),
        ("scratch that", "scratch that"),
        ("red house, no, tall towers", "red house tall towers"),
        ("no, make it blue", "make it blue"),
        ("no make it blue", "make it blue"),
        ("sorry, a cat", "a cat"),
        ("a dog, sorry", "a dog"),
        ("the, um, dog", "the dog"),
        ("um", "um"),
        ("no", "no"),
    ],
)
def test_the_repair_takes_the_place_of_what_it_repairs(said: str, meant: str) -> None:
    assert corrected(said) == meant


@pytest.mark.parametrize(
    "said", ["a beach, no people", "no people", "a street with no cars", "there is no one", "a red house", "not a dog"]
)
def test_a_no_that_forbids_is_no_correction(said: str) -> None:
    assert corrected(said) == said


_WORDS = words("a red blue no , wait dog sorry i mean two three scratch that um")


@given(st.lists(st.sampled_from(_WORDS)).map(" ".join))
def test_corrections_come_to_an_end_and_add_no_word(said: str) -> None:
    assert len(corrected(said).replace(",", "").split()) <= len(said.replace(",", "").split())
