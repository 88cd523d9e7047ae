"""Figures and their intervals, against published values."""

from __future__ import annotations

import math

import pytest

from speakage_engines.evaluation.figure import (
    Figure,
    Interval,
    as_records,
    in_words,
    measured_on,
    of_count,
    of_mean,
    paired_difference,
    share,
    wilson,
)


def figure(value: float, interval: Interval | None = None) -> Figure:
    return Figure(
        name="FID", value=value, unit="", n=2_000, resolution="128×128", features="scenes (256)", interval=interval
    )


def test_wilson_against_the_examples_of_newcombe_1998() -> None:
    """Table I, method 3: 81/263, 15/148, 0/20, 1/29."""
    for successes, n, low, high in (
        (81, 263, 25.53, 36.62),
        (15, 148, 6.24, 16.05),
        (0, 20, 0, 16.11),
        (1, 29, 0.61, 17.18),
    ):
        interval = wilson(successes, n)
        assert interval.low == pytest.approx(low, abs=0.006)
        assert interval.high == pytest.approx(high, abs=0.006)


def test_wilson_at_the_ends_stays_within_0_and_100() -> None:
    assert wilson(0, 5).low == 0
    assert wilson(5, 5).high == 100
    with pytest.raises(ValueError, match="no share"):
        wilson(0, 0)


def test_a_rate_against_exact_poisson_limits() -> None:
    """Exact limits for 10 events are 4.795 and 18.39, for none 0 and 3.689; Byar is close from 10 on."""
    ten, none = of_count(10, 2.0), of_count(0, 1.0)
    assert ten.low == pytest.approx(4.795 / 2, rel=0.01)
    assert ten.high == pytest.approx(18.39 / 2, rel=0.01)
    assert none.low == 0
    assert none.high == pytest.approx(3.689, rel=0.1)


def test_a_mean_has_an_interval_from_two_values_on() -> None:
    assert of_mean([1.0]) is None
    interval = of_mean([1.0, 2.0, 3.0])
    assert interval is not None
    assert interval.high == pytest.approx(2 + 1.959964 / math.sqrt(3))


def test_paired_difference_counts_only_what_differs() -> None:
    ours = [True] * 90 + [False] * 10
    theirs = [True] * 85 + [False] * 5 + [True] * 2 + [False] * 8
    found = paired_difference("4 steps against 16", ours, theirs)
    assert found.value == pytest.approx(3)
    assert found.unit == "points"
    assert found.interval is not None
    assert found.interval.low < 0 < found.interval.high


def test_a_record_carries_name_value_and_unit_and_the_ends_of_the_interval() -> None:
    assert as_records([share("accuracy", [True, True, False, False])]) == [
        {"name": "accuracy", "value": 50.0, "unit": "%"},
        {"name": "accuracy.low", "value": pytest.approx(15.0, abs=0.1), "unit": "%"},
        {"name": "accuracy.high", "value": pytest.approx(85.0, abs=0.1), "unit": "%"},
    ]


def test_figures_are_rounded_for_people_and_say_what_they_were_measured_on() -> None:
    assert in_words(figure(12.3456, Interval(11.0, 13.5, ""))) == "12.35 (11.00 to 13.50)"
    assert in_words(figure(0.0123)) == "0.012"
    assert in_words(figure(12345.6)) == "12346"
    assert in_words(figure(0)) == "0"
    assert in_words(figure(math.inf)) == "∞"
    assert measured_on(figure(1)) == "n = 2,000, 128×128, scenes (256)"
