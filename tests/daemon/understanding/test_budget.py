"""So many in any minute, and no more."""

from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.understanding.budget import MINUTE, Budget


def take(budget: Budget, now: float) -> bool:
    left = budget.left(now)
    if left:
        budget.spend(now)
    return left


def test_what_is_spent_comes_back_after_a_minute() -> None:
    budget = Budget(2)
    assert [take(budget, now) for now in (0.0, 10.0, 20.0, 59.9)] == [True, True, False, False]
    assert take(budget, 60.0)
    assert not take(budget, 69.9)
    assert take(budget, 70.0)


def test_nothing_can_be_taken_from_nothing() -> None:
    assert not Budget(0).left(0.0)


def test_what_could_be_done_without_takes_no_more_than_half() -> None:
    budget = Budget(5)
    spared = []
    for now in (0.0, 1.0, 2.0):
        spared.append(budget.spare(now))
        if spared[-1]:
            budget.spend(now)
    assert spared == [True, True, False]
    assert [take(budget, now) for now in (3.0, 4.0, 5.0, 6.0)] == [True, True, True, False]
    assert not budget.spare(61.0), "three are spent still"
    assert budget.spare(64.0)
    assert not Budget(1).spare(0.0)


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(0, 5))
def test_no_minute_has_more(pauses: list[float], most: int) -> None:
    budget, now, taken = Budget(most), 0.0, []
    for pause in pauses:
        now += pause
        if take(budget, now):
            taken.append(now)
    assert all(sum(start <= one < start + MINUTE for one in taken) <= most for start in taken)
