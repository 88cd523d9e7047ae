"""The line of one client: what replaces what, in which order, and when it is given up."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.events import (
    AudioLevel,
    DaemonEvent,
    ImageCompleted,
    ImageStarted,
    ImageSuperseded,
    MicrophoneSilent,
    PartialImage,
    TranscriptionCompleted,
    TranscriptionUpdated,
)
from speakage_daemon.serving.outbox import Encoded, Outbox

LEVEL = AudioLevel(rms_dbfs=-20, peak_dbfs=-10, speech=0.5)
OTHER = MicrophoneSilent(silent=True)


def preview(utterance: int = 1, revision: int = 1, step: int = 1) -> PartialImage:
    return PartialImage(
        utterance=utterance, revision=revision, prompt="", seed=0, steps=4, backend="", step=step, width=8, height=8,
        image_type="image/png",
    )  # fmt: skip


def started(utterance: int = 1, revision: int = 1) -> ImageStarted:
    return ImageStarted(
        utterance=utterance, revision=revision, prompt="", seed=0, steps=4, backend="", transcript="", width=8, height=8
    )


def superseded(utterance: int = 1, revision: int = 1) -> ImageSuperseded:
    return ImageSuperseded(utterance=utterance, revision=revision, prompt="", seed=0, steps=4, backend="", step=1)


def completed(utterance: int = 1, revision: int = 1) -> ImageCompleted:
    return ImageCompleted(
        utterance=utterance, revision=revision, prompt="", seed=0, steps=4, backend="", picture=None, transcript="",
        width=8, height=8, image_type="image/png", sha256="", promoted=False,
    )  # fmt: skip


def words(utterance: int = 1) -> TranscriptionUpdated:
    return TranscriptionUpdated(utterance=utterance, committed="", pending="")


def final_words(utterance: int = 1) -> TranscriptionCompleted:
    return TranscriptionCompleted(utterance=utterance, text="", transcribe_ms=1, since_last_voiced_ms=1)


def drained(outbox: Outbox) -> list[Encoded]:
    frames = []
    while (frame := outbox.take()) is not None:
        frames.append(frame)
    return frames


def filled(*items: tuple[DaemonEvent, str], capacity: int = 100) -> Outbox:
    outbox = Outbox(capacity)
    for event, frame in items:
        outbox.put(event, frame)
    return outbox


def test_an_empty_outbox_has_nothing() -> None:
    assert Outbox(8).take() is None


def test_most_events_keep_their_order() -> None:
    outbox = filled((OTHER, "a"), (started(), "b"), (OTHER, "c"))
    assert len(outbox) == 3
    assert drained(outbox) == ["a", "b", "c"]


def test_the_newest_preview_takes_the_place_of_the_one_that_waits() -> None:
    outbox = Outbox(8)
    assert not outbox.put(preview(step=1), "p1")
    assert not outbox.put(OTHER, "a")
    assert outbox.put(preview(step=2), "p2")
    assert drained(outbox) == ["p2", "a"]


def test_a_taken_preview_is_not_counted_as_dropped() -> None:
    outbox = filled((preview(step=1), "p1"))
    assert outbox.take() == "p1"
    assert not outbox.put(preview(step=2), "p2")


def test_the_preview_of_a_newer_picture_stays_behind_the_news_of_its_begin() -> None:
    outbox = filled((preview(1, 1), "p1"), (superseded(1, 1), "s1"), (started(1, 2), "b2"), (preview(1, 2), "p2"))
    assert drained(outbox) == ["s1", "b2", "p2"]


def test_a_preview_that_was_moved_to_the_end_keeps_its_place_there() -> None:
    outbox = filled((preview(1, 1), "p1"), (started(1, 2), "b2"), (preview(1, 2), "p2"), (OTHER, "a"))
    outbox.put(preview(1, 2, step=2), "p3")
    assert drained(outbox) == ["b2", "p3", "a"]


def test_an_overtaken_preview_stays_overtaken_when_something_else_follows() -> None:
    outbox = filled((preview(1, 1), "p1"), (started(1, 2), "b2"), (OTHER, "a"), (preview(1, 2), "p2"))
    assert drained(outbox) == ["b2", "a", "p2"]


def test_a_final_makes_its_own_preview_superfluous() -> None:
    outbox = filled((preview(), "p"), (OTHER, "a"))
    assert outbox.put(completed(), "final")
    assert drained(outbox) == ["a", "final"]


def test_a_final_leaves_the_preview_of_another_picture() -> None:
    outbox = filled((preview(2, 1), "p"))
    assert not outbox.put(completed(1, 1), "final")
    assert drained(outbox) == ["p", "final"]


def test_a_superseded_picture_still_shows_its_preview_first() -> None:
    # until the next picture has one, it is the best there is to see
    assert drained(filled((preview(), "p"), (superseded(), "s"))) == ["p", "s"]


def test_the_newest_level_wins() -> None:
    assert drained(filled((LEVEL, "l1"), (OTHER, "a"), (LEVEL, "l2"))) == ["l2", "a"]


def test_the_newest_words_of_each_utterance_win() -> None:
    outbox = filled((words(1), "w1"), (words(2), "x1"), (words(1), "w2"))
    assert drained(outbox) == ["w2", "x1"]


def test_final_words_replace_the_waiting_ones_of_their_utterance() -> None:
    outbox = filled((words(1), "w"), (words(2), "x"), (final_words(1), "done"))
    assert drained(outbox) == ["x", "done"]


def test_finals_are_never_dropped_while_the_client_is_kept() -> None:
    outbox = filled(*((completed(number), str(number)) for number in range(8)), capacity=8)
    assert not outbox.overflowed
    assert drained(outbox) == [str(number) for number in range(8)]


def test_a_line_that_is_too_long_gives_the_client_up() -> None:
    outbox = filled(*((OTHER, str(number)) for number in range(9)), capacity=8)
    assert outbox.overflowed
    assert outbox.take() is None
    assert not outbox.put(preview(), "p")
    assert len(outbox) == 0


@pytest.mark.parametrize("event", [LEVEL, preview(), words()])
def test_what_is_replaced_cannot_overflow(event: DaemonEvent) -> None:
    outbox = filled(*((event, "x") for _ in range(100)), capacity=8)
    assert not outbox.overflowed
    assert len(outbox) == 1


def test_nothing_that_changes_often_starves_what_changes_more_often() -> None:
    # a client that takes one frame while three previews, one level and one hypothesis are made
    outbox, got = Outbox(100), []
    for _ in range(30):
        for event, kind in [(preview(), "p"), (LEVEL, "l"), (preview(), "p"), (words(), "w"), (preview(), "p")]:
            outbox.put(event, kind)
        got.append(outbox.take())
    assert {kind: got.count(kind) for kind in "plw"} == {"p": 10, "l": 10, "w": 10}


pictures = st.tuples(st.integers(1, 3), st.integers(1, 3))
events: st.SearchStrategy[DaemonEvent] = st.one_of(
    pictures.map(lambda p: preview(*p)),
    pictures.map(lambda p: started(*p)),
    pictures.map(lambda p: superseded(*p)),
    pictures.map(lambda p: completed(*p)),
    st.integers(1, 3).map(words),
    st.integers(1, 3).map(final_words),
    st.sampled_from([LEVEL, OTHER]),
)


@given(st.lists(st.one_of(events, st.just("take")), max_size=60))
def test_image_events_leave_in_the_order_they_came_and_no_final_is_lost(steps: list[DaemonEvent | str]) -> None:
    outbox, put, taken = Outbox(1000), [], []
    for number, step in enumerate(steps, start=1):
        if isinstance(step, str):
            taken.append(outbox.take())
        else:
            event = dataclasses.replace(step, event_id=number)
            put.append(event)
            outbox.put(event, str(number))
    taken += drained(outbox)
    numbers = [int(frame) for frame in taken if frame is not None]
    by_number = {event.event_id: event for event in put}
    images = [number for number in numbers if hasattr(by_number[number], "revision")]
    assert images == sorted(images)
    finals = {event.event_id for event in put if isinstance(event, ImageCompleted | TranscriptionCompleted)}
    assert finals <= set(numbers)
    assert len(numbers) == len(set(numbers))
