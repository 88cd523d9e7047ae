from __future__ import annotations

from speakage_daemon.hearing.supervision import FIRST_SOUND_S, MUTE_S, STALL_S, MuteDetector, Supervision

RATE = 48_000
PIECE_S = 0.02


def heard(seconds: float, speed: float = 1.0) -> Supervision:
    """A stream opened at 0 that delivered for so long, at ``speed`` times its rate."""
    supervision = Supervision(RATE, opened=0)
    for piece in range(1, round(seconds / PIECE_S) + 1):
        supervision.arrived(piece * PIECE_S, round(RATE * PIECE_S * speed))
    return supervision


def test_steady_sound_is_no_trouble() -> None:
    assert heard(60).trouble(60) is None


def test_a_stream_may_take_a_while_to_begin_but_not_for_ever() -> None:
    supervision = Supervision(RATE, opened=100)

    assert supervision.trouble(100 + FIRST_SOUND_S) is None
    assert supervision.trouble(100.1 + FIRST_SOUND_S) == "it sends no sound"


def test_sound_that_stays_away_is_trouble() -> None:
    supervision = heard(5)

    assert supervision.trouble(4.9 + STALL_S) is None
    assert supervision.trouble(5.1 + STALL_S) == "no sound has arrived for 1 s"


def test_a_sample_clock_that_falls_behind_is_trouble() -> None:
    assert heard(20, speed=0.8).trouble(20) == "only 80 % of its sound arrives"


def test_drift_of_the_sample_clock_is_no_trouble_however_long() -> None:
    assert heard(3_600, speed=0.999).trouble(3_600) is None


def test_sound_held_up_for_a_moment_and_then_delivered_at_once_is_no_trouble() -> None:
    supervision = heard(10)
    for _ in range(45):
        supervision.arrived(10.9, round(RATE * PIECE_S))

    assert supervision.trouble(10.9) is None


def test_a_young_stream_is_not_judged_by_its_clock() -> None:
    assert heard(3, speed=0.5).trouble(3) is None


def test_long_zeros_are_told_once_and_taken_back_once() -> None:
    mute = MuteDetector()
    pieces = round((MUTE_S + 2) / PIECE_S)

    told = [mute.feed(PIECE_S, zero=True) for _ in range(pieces)]
    back = [mute.feed(PIECE_S, zero=False) for _ in range(3)]

    assert [state for state in told if state is not None] == [True]
    assert told.index(True) >= round(MUTE_S / PIECE_S) - 1
    assert back == [False, None, None]


def test_zeros_between_sounds_do_not_add_up() -> None:
    mute = MuteDetector()

    for _ in range(10):
        assert mute.feed(MUTE_S - 0.1, zero=True) is None
        assert mute.feed(PIECE_S, zero=False) is None
