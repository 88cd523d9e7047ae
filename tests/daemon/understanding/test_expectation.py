"""How many words of a sentence nobody here could do anything with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.understanding.expectation import doubt

KNOWN = frozenset(["a", "bear", "dog", "on", "beach", "the", "in", "snow", "red"])


def unknown(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split() if word not in KNOWN)


@pytest.mark.parametrize(
    ("text", "unlikely"),
    [
        ("a bear on a beach", 0),
        ("A bear, on the beach.", 0),
        ("a beaver on a beech", 2),
        ("two bears", 1),
        ("add a dog to the left of it", 0),
        ("make the beaver bigger", 1),
        ("a maroon dog", 1),
        ("don't show me 4 dog", 0),
        ("undo", 0),
        ("", 0),
        ("Straße", 1),
    ],
)
def test_unlikely_words(text: str, unlikely: int) -> None:
    assert doubt(unknown)(text) == unlikely


def test_names_are_expected() -> None:
    assert doubt(unknown)("Zorka and Rex on a beach") == 2
    assert doubt(unknown, "Rex Zorka Bella")("Zorka and Rex on a beach") == 0


@given(st.text())
def test_nothing_said_is_an_error(text: str) -> None:
    assert doubt(unknown)(text) >= 0
