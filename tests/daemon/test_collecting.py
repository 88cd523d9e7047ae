"""The garbage collector rests during a start, and comes back whatever happens."""

import gc

import pytest

from speakage_daemon.collecting import collecting_later


def test_nothing_is_collected_until_all_is_settled_and_then_all_is_kept() -> None:
    with collecting_later() as settled:
        assert not gc.isenabled()
        settled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_start_that_fails_leaves_the_collector_at_work() -> None:
    with pytest.raises(ValueError, match="no model"), collecting_later():
        raise ValueError("no model")
    assert gc.isenabled()
