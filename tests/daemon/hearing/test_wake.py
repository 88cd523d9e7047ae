"""The wake gate's two modes."""

from speakage_daemon.hearing.wake import WakeGate


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
