"""What is left of a sentence when the polite words are gone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.understanding.prompt import prompt_of, same_meaning


@pytest.mark.parametrize(
    ("said", "painted"),
    [
        ("a car on a beach", "a car on a beach"),
        ("A car on a beach.", "A car on a beach"),
        ("could you paint me a car on a beach", "a car on a beach"),
        ("Could you please draw me a picture of a house in the snow, please?", "a house in the snow"),
        ("um, okay, now show me two cats in a meadow, thank you!", "two cats in a meadow"),
        ("I would like to see a rocket in space", "a rocket in space"),
        ("I'd like a dragon", "a dragon"),
        ("let's have a boat by the sea", "a boat by the sea"),
        ("imagine a castle", "a castle"),
        ("  a   cat\n on a mat ", "a cat on a mat"),
        ("how about a robot in the forest for me", "a robot in the forest"),
        ("the painting of a moon", "a moon"),
        ("a drawing board", "a drawing board"),
        ("showers over a town", "showers over a town"),
        ("please", ""),
        ("draw", ""),
        ("", ""),
    ],
)
def test_lead_ins_and_thanks_are_taken_off(said: str, painted: str) -> None:
    assert prompt_of(said) == painted


@given(st.text(max_size=80))
def test_taking_off_twice_is_taking_off_once(said: str) -> None:
    once = prompt_of(said)
    assert prompt_of(once) == once
    assert len(once) <= len(said)


def test_same_meaning_is_blind_to_case_punctuation_and_spacing() -> None:
    assert same_meaning("A car, on a beach.", "a car on  a beach")
    assert not same_meaning("a car on a beach", "a cat on a beach")
    assert not same_meaning("a car", "a car on a beach")
