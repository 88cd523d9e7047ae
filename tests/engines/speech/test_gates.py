"""The gates, by themselves: every branch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_engines.api import Rejection
from speakage_engines.speech.gates import Gates, loudness_dbfs, plain_words, repeats


@pytest.mark.parametrize(
    ("text", "log_probability", "no_speech", "verdict"),
    [
        ("a car on a beach", -0.2, 0.0, None),
        ("a car on a beach", -0.2, 0.99, None),
        ("a car on a beach", -1.1, 0.0, "low_confidence"),
        ("thank you", -1.1, 0.7, "no_speech"),
        ("the sea the sea the sea the sea", -0.1, 0.0, "repetition"),
        ("very " * 40, -0.1, 0.0, "repetition"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", -0.1, 0.0, "repetition"),
        ("", -0.2, 0.0, None),
    ],
)
def test_verdicts(text: str, log_probability: float, no_speech: float, verdict: Rejection | None) -> None:
    assert Gates().judge(text, log_probability, no_speech) == verdict


def test_three_times_is_said_four_times_is_stuck() -> None:
    assert not repeats("no no no")
    assert repeats("No, no no... no!")
    assert not repeats("a cat next to a cat next to a cat")
    assert repeats("a cat next to " * 4)


@given(st.lists(st.integers(), unique=True, max_size=60))
def test_different_words_never_repeat(numbers: list[int]) -> None:
    assert not repeats(" ".join(f"w{abs(number)}{'n' * (number < 0)}" for number in numbers))


def test_loudness() -> None:
    assert loudness_dbfs(np.zeros(0, np.int16)) == -np.inf
    assert loudness_dbfs(np.zeros(1_000, np.int16)) == -np.inf
    assert loudness_dbfs(np.full(1_600, 32_767, np.int16)) == pytest.approx(0, abs=0.01)
    short_and_loud = np.concatenate([np.zeros(3_200, np.int16), np.full(320, 3_277, np.int16), np.zeros(99, np.int16)])
    assert loudness_dbfs(short_and_loud) == pytest.approx(-20, abs=0.01)


def test_what_cannot_hold_words() -> None:
    gates = Gates()
    assert gates.cannot_hold_words(np.full(1_599, 9_000, np.int16)), "too short"
    assert gates.cannot_hold_words(np.full(16_000, 30, np.int16)), "too quiet"
    assert not gates.cannot_hold_words(np.full(1_600, 40, np.int16))


def test_plain_words() -> None:
    assert plain_words("It's a Château, no. 7 — isn’t it?") == ["it's", "a", "château", "no", "7", "isn’t", "it"]
