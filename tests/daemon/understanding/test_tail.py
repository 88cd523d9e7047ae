"""What waits for a noun is not painted yet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.understanding.tail import finished


@pytest.mark.parametrize(
    ("said", "certain"),
    [("a house next to the", "a house"), ("a red", ""), ("a big red", ""), ("a dog and", "a dog"), ("", ""),
     ("two", ""), ("a car on a beach", "a car on a beach"), ("a castle in the snow at", "a castle in the snow"),
     ("a house, in front of", "a house,"), ("make it", "make"), ("a girl holding a", "a girl"),
     ("a street with no", "a street"), ("a Very Red", ""), ("a boat in the style of", "a boat")],
)  # fmt: skip
def test_the_unfinished_tail_is_held_back(said: str, certain: str) -> None:
    assert finished(said) == certain


@given(st.text(max_size=60))
def test_what_is_certain_is_how_it_begins_and_has_no_tail_itself(said: str) -> None:
    certain = finished(said)
    assert " ".join(said.split()).startswith(certain)
    assert finished(certain) == certain
