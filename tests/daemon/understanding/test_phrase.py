"""Wake phrases, as they are heard and mis-heard."""

import pytest

from speakage_daemon.understanding.phrase import called, without_rests

PHRASES = ("hey picture", "paint me")
LEAST = 0.75


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Hey picture, a castle in the snow", "a castle in the snow"),
        ("hey picture a castle", "a castle"),
        ("hay picture: a castle", "a castle"),
        ("Hey Pitcher. A castle!", "A castle!"),
        ("hey pic ture a castle", "a castle"),
        ("heypicture a castle", "a castle"),
        ("um, so hey picture a castle", "a castle"),
        ("paint me a castle", "a castle"),
    ],
)
def test_what_follows_the_phrase_is_the_prompt(text: str, rest: str) -> None:
    found = called(text, PHRASES, LEAST)
    assert found is not None
    assert found.rest == rest
    assert 0.75 <= found.likeness <= 1


@pytest.mark.parametrize(
    "text",
    [
        "a castle in the snow",
        "look at that, hey picture, a castle",
        "a picture of a castle",
        "hey there",
        "paint a castle",
        "hey",
        "um",
        "",
    ],
)
def test_what_begins_otherwise_calls_nobody(text: str) -> None:
    assert called(text, PHRASES, LEAST) is None


def test_the_phrase_alone_calls_and_has_no_prompt() -> None:
    found = called("Hey picture!", PHRASES, LEAST)
    assert found is not None
    assert (found.phrase, found.likeness, found.rest) == ("hey picture", 1.0, "")


def test_the_likest_of_several_phrases_is_taken() -> None:
    found = called("hey pictor a castle", ("hey picture", "hey pictor"), LEAST)
    assert found is not None
    assert found.phrase == "hey pictor"


def test_likeness_is_what_the_setting_asks_for() -> None:
    assert called("hay picture a castle", PHRASES, 0.95) is None
    assert called("hey picture a castle", PHRASES, 1.0) is not None


def test_a_phrase_of_one_word_and_one_of_none() -> None:
    found = called("imagine a dog", ("", "imagine"), LEAST)
    assert found is not None
    assert (found.phrase, found.rest) == ("imagine", "a dog")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Okay, Nabu, a castle in the snow", "a castle in the snow"),
        ("nabu a castle", "a castle"),
        ("Nabo. A castle", "A castle"),
        ("bu, a castle", "a castle"),
        ("a castle in the snow", "a castle in the snow"),
        ("a boat by the sea", "a boat by the sea"),
        ("u-boat", "u-boat"),
        ("okay nabu", ""),
        ("", ""),
    ],
)
def test_rests_of_the_wake_word_are_dropped_and_nothing_else(text: str, left: str) -> None:
    assert without_rests(text, "okay nabu") == left


def test_nobody_who_was_not_woken_has_rests() -> None:
    assert without_rests("a castle", "") == "a castle"
