"""The segmenter, state by state, and what always holds."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.config import SegmenterSettings
from speakage_daemon.hearing.segmenter import Boundary, Ended, Paused, Resumed, Segmenter, Started, State
from speakage_daemon.hearing.source import Framer
from speakage_engines.api import FRAME_SAMPLES, Activity

SETTINGS = SegmenterSettings(onset_ms=60, pre_roll_ms=100, pause_ms=200, end_ms=400, max_length_ms=2_000)
SPEECH = Activity(voiced=True, probability=0.9)
SOFT = Activity(voiced=False, probability=0.4)
SILENCE = Activity(voiced=False, probability=0.05)
RUMBLE = Activity(voiced=True, probability=0.1)


def play(*stretches: tuple[Activity, int], segmenter: Segmenter | None = None) -> list[Boundary]:
    """Feed stretches of (activity, frames)."""
    segmenter = segmenter or Segmenter(SETTINGS)
    frames = itertools.chain.from_iterable([activity] * count for activity, count in stretches)
    said: list[Boundary] = []
    for index, activity in enumerate(frames):
        said += segmenter.feed(index * FRAME_SAMPLES, activity)
    return said


def at(frame: int) -> int:
    return frame * FRAME_SAMPLES


def test_a_phrase_starts_pauses_and_ends() -> None:
    assert play((SILENCE, 20), (SPEECH, 30), (SILENCE, 40)) == [
        Started(at(20) - 1_600),
        Paused(at(50)),
        Ended(at(70), at(50), "silence"),
    ]


def test_speech_within_the_pause_goes_on() -> None:
    said = play((SILENCE, 20), (SPEECH, 10), (SILENCE, 15), (SPEECH, 10), (SILENCE, 40))
    assert said == [
        Started(at(20) - 1_600),
        Paused(at(30)),
        Resumed(at(45)),
        Paused(at(55)),
        Ended(at(75), at(55), "silence"),
    ]


def test_words_that_lack_something_are_waited_for_longer() -> None:
    patient = SETTINGS.model_copy(update={"unfinished_end_ms": 800})
    for settings, unfinished, ends in ((patient, True, 70), (patient, False, 50), (SETTINGS, False, 50)):
        segmenter = Segmenter(settings)
        said = play((SPEECH, 30), segmenter=segmenter)
        for frame in range(30, 90):
            said += segmenter.feed(at(frame), SILENCE, unfinished=unfinished)
        assert said[1:] == [Paused(at(30)), Ended(at(ends), at(30), "silence")]


def test_nothing_unfinished_is_waited_for_less_than_anything_else() -> None:
    segmenter = Segmenter(SETTINGS.model_copy(update={"unfinished_end_ms": 100}))
    said = play((SPEECH, 30), segmenter=segmenter)
    for frame in range(30, 90):
        said += segmenter.feed(at(frame), SILENCE, unfinished=True)
    assert said[-1] == Ended(at(50), at(30), "silence")


def test_soft_syllables_keep_an_utterance_open_but_open_none() -> None:
    assert play((SOFT, 50)) == []
    said = play((SPEECH, 10), (SOFT, 30), (SILENCE, 40))
    assert said[-1] == Ended(at(60), at(40), "silence")
    assert [type(boundary) for boundary in said] == [Started, Paused, Ended]


def test_rumble_that_only_the_quick_detector_believes_is_not_speech() -> None:
    assert play((RUMBLE, 100)) == []


def test_a_click_shorter_than_the_onset_is_not_speech() -> None:
    assert play((SILENCE, 10), (SPEECH, 2), (SILENCE, 50)) == []


def test_silero_alone_does_not_open() -> None:
    assert play((Activity(voiced=False, probability=0.9), 50)) == []


def test_an_onset_of_one_frame_opens_at_once() -> None:
    settings = SETTINGS.model_copy(update={"onset_ms": 20})
    assert play((SPEECH, 1), segmenter=Segmenter(settings)) == [Started(0)]


def test_a_long_speech_is_cut_and_the_next_begins_where_it_ended() -> None:
    said = play((SPEECH, 150), (SILENCE, 40))
    cuts = [boundary for boundary in said if isinstance(boundary, Ended)]
    starts = [boundary for boundary in said if isinstance(boundary, Started)]
    assert [cut.reason for cut in cuts] == ["max_length", "silence"]
    assert starts[1].sample == cuts[0].sample, "nothing is lost between them"


@pytest.mark.parametrize("reason", ["released", "lost"])
def test_closing_ends_what_is_open(reason: str) -> None:
    segmenter = Segmenter(SETTINGS)
    play((SPEECH, 10), segmenter=segmenter)
    assert segmenter.state is State.SPEECH
    assert segmenter.close(at(10), reason) == [Ended(at(10), at(10), reason)]
    assert segmenter.state is State.SILENCE


def test_closing_in_silence_or_onset_says_nothing() -> None:
    segmenter = Segmenter(SETTINGS)
    assert segmenter.close(0, "released") == []
    play((SPEECH, 1), segmenter=segmenter)
    assert segmenter.state is State.ONSET
    assert segmenter.close(at(1), "released") == []


def test_an_end_no_longer_than_the_pause_ends_at_once() -> None:
    settings = SETTINGS.model_copy(update={"end_ms": 100})
    said = play((SPEECH, 10), (SILENCE, 40), segmenter=Segmenter(settings))
    assert [type(boundary) for boundary in said] == [Started, Paused, Ended]


activities = st.lists(st.sampled_from([SPEECH, SOFT, SILENCE, RUMBLE]), max_size=400)


@given(activities)
def test_starts_and_ends_alternate_in_order_and_lengths_are_bounded(frames: list[Activity]) -> None:
    said = play(*((frame, 1) for frame in frames))
    outer = [boundary for boundary in said if isinstance(boundary, Started | Ended)]
    for index, boundary in enumerate(outer):
        assert isinstance(boundary, Started if index % 2 == 0 else Ended)
    for start, end in zip(outer[::2], outer[1::2], strict=False):
        assert 0 < end.sample - start.sample <= SETTINGS.max_length_ms * 16
        assert start.sample <= end.last_voiced_sample <= end.sample
    positions = [boundary.sample for boundary in outer]
    assert positions == sorted(positions)


class Loudness:
    """A detector made of arithmetic: loud is speech."""

    def feed(self, frame: np.ndarray) -> Activity:
        loud = float(np.abs(frame.astype(int)).mean()) > 1_000
        return Activity(voiced=loud, probability=0.9 if loud else 0.05)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30_000)), max_size=8), st.data())
def test_it_does_not_matter_in_which_pieces_sound_arrives(
    stretches: list[tuple[bool, int]], data: st.DataObject
) -> None:
    sound = np.concatenate([np.zeros(0, np.int16), *(np.full(n, 5_000 * loud, np.int16) for loud, n in stretches)])

    def heard(pieces: list[np.ndarray]) -> list[Boundary]:
        framer, detector, segmenter = Framer(), Loudness(), Segmenter(SETTINGS)
        frames = [frame for piece in pieces for frame in framer.feed(piece)] + list(framer.flush())
        return [boundary for frame in frames for boundary in segmenter.feed(frame.sample, detector.feed(frame.pcm))]

    cuts = sorted(data.draw(st.lists(st.integers(0, len(sound)), max_size=12)))
    assert heard(np.split(sound, cuts)) == heard([sound])


def test_one_sample_at_a_time_equals_all_at_once() -> None:
    sound = np.concatenate([np.zeros(3_000, np.int16), np.full(9_001, 5_000, np.int16), np.zeros(9_000, np.int16)])
    framer, detector, segmenter = Framer(), Loudness(), Segmenter(SETTINGS)
    one_by_one: list[Boundary] = []
    for sample in sound:
        for frame in framer.feed(np.array([sample])):
            one_by_one += segmenter.feed(frame.sample, detector.feed(frame.pcm))
    framer, detector, segmenter = Framer(), Loudness(), Segmenter(SETTINGS)
    at_once = [b for f in framer.feed(sound) for b in segmenter.feed(f.sample, detector.feed(f.pcm))]
    assert one_by_one == at_once
    assert [type(boundary) for boundary in at_once] == [Started, Paused, Ended]
