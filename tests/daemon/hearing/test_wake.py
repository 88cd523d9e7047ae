"""The wake gate's four modes."""

import pytest

from speakage_daemon.hearing.wake import PATIENCE, WakeGate, WakeTimes, spoken

SECOND = 16_000
TIMES = WakeTimes(follow_up=5 * SECOND, refractory=2 * SECOND)


def gate(mode: str) -> WakeGate:
    return WakeGate(mode, TIMES, ("okay nabu", "alexa"))


def test_open_hears_until_somebody_says_stop() -> None:
    gate = WakeGate("open")
    assert gate.listening
    assert not gate.start(), "it listens already"
    assert gate.stop()
    assert not gate.listening
    assert not gate.stop()
    assert gate.start()
    assert gate.listening


def test_push_hears_only_between_press_and_release() -> None:
    gate = WakeGate("push")
    assert not gate.listening
    assert gate.start()
    assert gate.listening
    assert gate.stop()
    assert not gate.listening


@pytest.mark.parametrize("mode", ["open", "push"])
def test_modes_without_a_word_never_sleep(mode: str) -> None:
    gate = WakeGate(mode)
    assert gate.awake
    assert not gate.sleep()
    assert not gate.pass_time(3_600 * SECOND, busy=False)
    gate.stop()
    assert gate.awake
    gate.begin(1, 0)
    gate.end(1, SECOND)
    assert gate.meant(1)
    assert gate.woken_by(1) == ""


def test_a_word_wakes_until_the_follow_up_window_is_over() -> None:
    nabu = gate("word")
    assert nabu.listening
    assert not nabu.awake
    assert nabu.waiting_for == ("okay nabu", "alexa")
    assert not nabu.pass_time(SECOND, busy=False), "it sleeps already"
    assert nabu.wake("okay nabu", 10 * SECOND)
    assert nabu.awake
    assert nabu.waiting_for == ()
    assert not nabu.pass_time(15 * SECOND - 1, busy=False)
    assert nabu.pass_time(15 * SECOND, busy=False)
    assert not nabu.awake


def test_without_a_follow_up_window_each_sentence_needs_its_word_and_is_waited_for() -> None:
    nabu = WakeGate("word", WakeTimes(follow_up=0), ("okay nabu",))
    nabu.wake("okay nabu", SECOND)
    assert not nabu.pass_time(SECOND + PATIENCE - 1, busy=False)
    nabu.begin(1, 4 * SECOND)
    nabu.end(1, 7 * SECOND)
    assert nabu.pass_time(7 * SECOND, busy=False)


def test_who_speaks_is_not_cut_short_and_the_window_opens_again_behind() -> None:
    nabu = gate("word")
    nabu.wake("alexa", 10 * SECOND)
    nabu.begin(1, 14 * SECOND)
    assert not nabu.pass_time(18 * SECOND, busy=True)
    nabu.end(1, 18 * SECOND)
    assert not nabu.pass_time(23 * SECOND - 1, busy=False)
    assert nabu.woken_by(1) == "alexa"
    assert nabu.meant(1)
    assert nabu.pass_time(23 * SECOND, busy=False)


def test_a_word_is_not_heard_twice_within_the_refractory_time() -> None:
    nabu = gate("word")
    assert nabu.wake("okay nabu", 10 * SECOND)
    assert not nabu.wake("alexa", 12 * SECOND - 1)
    nabu.begin(1, 12 * SECOND)
    assert nabu.woken_by(1) == "okay nabu"
    assert nabu.wake("alexa", 12 * SECOND)
    nabu.begin(2, 12 * SECOND)
    assert nabu.woken_by(2) == "alexa"


def test_mute_ends_the_window() -> None:
    nabu = gate("word")
    nabu.wake("okay nabu", SECOND)
    assert nabu.stop()
    nabu.start()
    assert not nabu.awake
    nabu.wake("okay nabu", 9 * SECOND)
    assert nabu.sleep()
    assert not nabu.sleep()


def test_a_phrase_makes_an_utterance_meant_and_those_that_follow() -> None:
    picture = gate("phrase")
    picture.begin(1, SECOND)
    assert not picture.meant(1)
    assert picture.address(1, "alexa")
    assert picture.awake
    assert not picture.address(1, "alexa"), "told once"
    assert picture.meant(1)
    picture.end(1, 4 * SECOND)
    picture.begin(2, 9 * SECOND - 1)
    picture.end(2, 10 * SECOND)
    assert picture.meant(2), "it began in the window"
    assert picture.woken_by(2) == "alexa"
    picture.begin(3, 15 * SECOND)
    picture.end(3, 16 * SECOND)
    assert not picture.meant(3)
    assert picture.woken_by(3) == ""
    assert picture.pass_time(16 * SECOND, busy=False)


def test_a_phrase_may_be_understood_after_its_utterance_ended() -> None:
    picture = gate("phrase")
    picture.begin(1, SECOND)
    picture.end(1, 9 * SECOND)
    assert picture.address(1, "okay nabu")
    picture.begin(2, 13 * SECOND)
    assert picture.meant(2), "the window is counted from the end"


def test_what_began_in_the_window_is_meant_however_late_its_words_are_known() -> None:
    picture = gate("phrase")
    picture.begin(1, SECOND)
    picture.address(1, "alexa")
    picture.end(1, 4 * SECOND)
    picture.begin(2, 8 * SECOND)
    picture.end(2, 9 * SECOND)
    assert picture.pass_time(20 * SECOND, busy=False), "the window is over"
    assert picture.meant(2)


def test_only_the_latest_utterances_are_remembered() -> None:
    picture = gate("phrase")
    for number in range(100):
        picture.begin(number, number * SECOND)
    assert not picture.meant(99)
    assert picture.meant(3), "it is long answered"
    assert picture.woken_by(3) == ""


def test_words_are_told_as_people_say_them() -> None:
    assert spoken("okay_nabu") == "okay nabu"
    assert spoken("/models/hey_castle.tflite") == "hey castle"
    assert spoken("models/hey_castle.json") == "hey castle"
    assert spoken("hey picture") == "hey picture"
