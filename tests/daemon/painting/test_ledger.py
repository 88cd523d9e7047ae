"""What painting for an utterance came to, in moments that the test chooses."""

from dataclasses import replace

import pytest

from speakage_daemon.events import Timings
from speakage_daemon.painting.ledger import KEPT, Ledger, announced
from speakage_daemon.understanding.moments import Moments

END = Moments(last_voiced=10.0, paused=10.25, ended=10.6, transcribing=10.26, transcribed=10.3)
TYPED = Timings(denoise_ms=7.0)


def test_a_sentence_that_was_drafted_painted_at_its_pause_and_promoted() -> None:
    ledger = Ledger()
    ledger.worked(1, 1, 9.0, 9.1)
    ledger.shown(1, 1, 9.125)
    for step in range(3):
        ledger.worked(1, 2, 10.3 + step / 10, 10.375 + step / 10)
        ledger.shown(1, 2, 10.375 + step / 10)
    timings = ledger.settle(Timings(denoise_ms=150.0), 1, 2, END, promoted=True)
    assert timings.last_voiced_to_first_preview_ms == pytest.approx(-875)
    assert timings.last_voiced_to_final_pixels_ms == pytest.approx(575)
    assert timings.since_last_voiced_ms == timings.last_voiced_to_final_pixels_ms
    assert timings.pause_to_final_pixels_ms == pytest.approx(325)
    assert timings.transcribe_ms == pytest.approx(40)
    assert timings.work_after_decision_ms == 0.0
    assert (timings.revisions_painted, timings.revisions_shown, timings.revisions_wasted) == (2, 2, 0)
    assert timings.wasted_ms == 0.0
    assert timings.denoise_ms == 150.0
    assert announced(timings, END, 10.75).decision_to_final_ms == pytest.approx(150)
    assert ledger.revisions == {"painted": 2, "shown": 2, "wasted": 0, "promoted": 1}


def test_what_is_thrown_away_is_counted_once_and_what_was_never_painted_is_not() -> None:
    ledger = Ledger()
    ledger.worked(1, 1, 10.3, 10.4)
    ledger.worked(1, 1, 10.4, 10.5)
    ledger.wasted(1, 1)
    ledger.wasted(1, 1)
    ledger.wasted(1, 2)
    ledger.worked(1, 3, 10.7, 10.8)
    ledger.shown(1, 3, 10.8)
    timings = ledger.settle(Timings(), 1, 3, END, promoted=False)
    assert (timings.revisions_painted, timings.revisions_shown, timings.revisions_wasted) == (2, 1, 1)
    assert timings.wasted_ms == pytest.approx(200)
    assert ledger.revisions == {"painted": 2, "shown": 1, "wasted": 1, "promoted": 0}


def test_a_picture_that_is_shown_again_was_no_waste_and_counts_from_when_it_was_seen() -> None:
    ledger = Ledger()
    ledger.worked(1, 1, 9.8, 9.9)
    ledger.shown(1, 1, 9.9)
    ledger.wasted(1, 1)
    ledger.shown(1, 2, 10.7)
    ledger.repeated(1, 1, 2)
    timings = ledger.settle(Timings(), 1, 2, END, promoted=True)
    assert timings.last_voiced_to_final_pixels_ms == pytest.approx(-100)
    assert (timings.revisions_painted, timings.revisions_shown, timings.revisions_wasted) == (1, 2, 0)
    ledger.repeated(1, 1, 3)
    assert ledger.revisions == {"painted": 1, "shown": 2, "wasted": 0, "promoted": 1}


def test_only_work_after_the_decision_counts_as_such_words_included() -> None:
    ledger = Ledger()
    ledger.worked(1, 1, 10.5, 10.7)
    ledger.worked(1, 1, 10.8, 10.9)
    late = replace(END, transcribing=10.65, transcribed=10.7)
    timings = ledger.settle(Timings(), 1, 1, late, promoted=False)
    assert timings.work_after_decision_ms == pytest.approx(100 + 100 + 50)


def test_a_turn_that_may_go_on_has_no_decision_yet() -> None:
    ledger = Ledger()
    ledger.worked(1, 1, 10.5, 10.7)
    ledger.shown(1, 1, 10.7)
    moments = replace(END, paused=None, ended=None)
    timings = ledger.settle(Timings(), 1, 1, moments, promoted=True)
    assert timings.work_after_decision_ms is None
    assert timings.pause_to_final_pixels_ms is None
    assert announced(timings, moments, 11.0).decision_to_final_ms is None


def test_a_typed_prompt_has_no_voice() -> None:
    ledger = Ledger()
    ledger.worked(1, 1, 5.0, 5.1)
    ledger.shown(1, 1, 5.1)
    timings = ledger.settle(TYPED, 1, 1, None, promoted=False)
    assert timings == replace(TYPED, revisions_painted=1, revisions_shown=1, revisions_wasted=0, wasted_ms=0)
    assert announced(timings, None, 6.0) == timings


def test_old_accounts_are_let_go_and_the_totals_stay() -> None:
    ledger = Ledger()
    for utterance in range(KEPT + 1):
        ledger.worked(utterance, 1, 0.0, 1.0)
        ledger.wasted(utterance, 1)
    assert ledger.settle(TYPED, KEPT, 2, None, promoted=False).wasted_ms == pytest.approx(1_000)
    assert ledger.settle(TYPED, 0, 2, None, promoted=False).wasted_ms == 0
    assert ledger.revisions["wasted"] == KEPT + 1
