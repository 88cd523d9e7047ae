"""Sentences that plainly lack something are waited for; those that could be whole are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.understanding.canvas import Canvas, Sheet, apply
from speakage_daemon.understanding.meaning import Create
from speakage_daemon.understanding.reading import scene_of
from speakage_daemon.understanding.turn import certain, unfinished

BLANK = Canvas(sheet=Sheet(steps=6, guidance=2.5, width=128, height=128))
CASTLE = apply(BLANK, Create(scene=scene_of("a castle in the snow")))


@pytest.mark.parametrize(
    "said",
    ["a house next to the", "draw me a", "a dog and", "a big red", "um", "paint me", "a castle in the snow with",
     "  a boat   on the ", "a picture of", "two", "can you draw"],
)  # fmt: skip
def test_what_lacks_something_is_unfinished(said: str) -> None:
    assert unfinished(said, BLANK)


@pytest.mark.parametrize(
    "said", ["a castle", "a castle in the snow", "undo", "show me four", "another one", "a red balloon", "", "  "]
)
def test_what_could_be_whole_is_finished(said: str) -> None:
    assert not unfinished(said, BLANK)


@pytest.mark.parametrize(
    ("said", "lacks"),
    [("make it blue", False), ("make the castle bigger", False), ("add a", True),
     ("add a moon", False), ("remove the", True), ("remove the castle", False), ("change the castle to a", True)],
)  # fmt: skip
def test_edits_of_a_picture_need_their_last_word(said: str, lacks: bool) -> None:
    assert unfinished(said, CASTLE) is lacks


def test_a_colour_that_ends_an_edit_is_certain_and_one_that_waits_for_its_noun_is_not() -> None:
    assert certain("make it blue", CASTLE) == "make it blue"
    assert certain("a castle and a blue", CASTLE) == "a castle"


@given(st.text(max_size=60))
def test_no_text_is_an_error(said: str) -> None:
    assert unfinished(said, CASTLE) in (True, False)
