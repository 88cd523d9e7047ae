"""Numbers as they are said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.understanding.numbers import count_of, number_of, ordinal_of, spelled


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("four", 4),
        ("twenty five", 25),
        ("twenty-five", 25),
        ("a hundred", 100),
        ("five hundred and twelve", 512),
        ("512", 512),
        ("7.5", 7.5),
        ("seven point five", 7.5),
        ("point five", None),
        ("seven point", None),
        ("seven point twelve", None),
        ("seven point one point two", None),
        ("twenty twenty", None),
        ("five two", None),
        ("a", None),
        ("dogs", None),
        ("", None),
    ],
)
def test_numbers_in_words_and_digits(said: str, number: float | None) -> None:
    assert number_of(said) == number


def test_things_are_counted_in_whole_numbers() -> None:
    assert (count_of("three"), count_of("2.5"), count_of("dog")) == (3, None, None)


def test_ordinals() -> None:
    assert [ordinal_of(word) for word in ("first", "3rd", "last", "previous", "dog")] == [1, 3, -1, -2, None]


@given(st.integers(0, 99))
def test_what_is_spelled_is_read_back(number: int) -> None:
    assert number_of(spelled(number)) == number
    assert not spelled(number).isdigit()


def test_large_numbers_stay_digits() -> None:
    assert (spelled(100), spelled(-1)) == ("100", "-1")
