"""Where a wake word ended, with a pause behind it and without."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from speakage_daemon.hearing.word_end import EARLY, LATE, PATIENCE, Moment, word_end
from speakage_engines.api import FRAME_SAMPLES, Activity

LAG = 1_440
HEARD = 32_000


def moments(*quiet: tuple[int, int], until: int = HEARD + PATIENCE) -> list[Moment]:
    """Speech up to a place, with silence between the places given (samples)."""
    found = []
    for sample in range(HEARD - 16_000, until, FRAME_SAMPLES):
        silent = any(first <= sample < last for first, last in quiet)
        found.append(Moment(sample, Activity(voiced=not silent, probability=0.05 if silent else 0.9)))
    return found


def test_without_a_pause_it_ended_the_usual_time_ago_and_that_is_known_late() -> None:
    assert word_end(moments(until=HEARD + PATIENCE - FRAME_SAMPLES), HEARD, LAG) is None
    assert word_end(moments(), HEARD, LAG) == HEARD - LAG


def test_a_pause_is_its_end_and_known_at_once() -> None:
    pause = (HEARD - 960, HEARD + 3_200)
    assert word_end(moments(pause, until=HEARD), HEARD, LAG) == HEARD - 960


def test_slow_speakers_are_heard_before_they_are_done() -> None:
    pause = (HEARD + 3_200, HEARD + 6_400)
    assert word_end(moments(pause, until=HEARD + 3_200 + 640), HEARD, LAG) is None, "40 ms are a consonant"
    assert word_end(moments(pause, until=HEARD + 3_200 + 960), HEARD, LAG) == HEARD + 3_200


def test_a_stop_consonant_is_no_pause() -> None:
    assert word_end(moments((HEARD - 640, HEARD)), HEARD, LAG) == HEARD - LAG


def test_the_pause_inside_the_word_and_one_in_the_sentence_are_not_its_end() -> None:
    between = (HEARD - 8_000, HEARD - 6_400)
    later = (HEARD + LATE + FRAME_SAMPLES, HEARD + PATIENCE)
    assert word_end(moments(between, later), HEARD, LAG) == HEARD - LAG
    assert between[0] < HEARD - LAG - EARLY


def test_of_two_pauses_the_likelier_is_taken() -> None:
    near, far = (HEARD - 960, HEARD + 320), (HEARD + 1_600, HEARD + 3_200)
    assert word_end(moments(near, far), HEARD, LAG) == near[0]


def test_nothing_is_known_of_nothing() -> None:
    assert word_end([], HEARD, LAG) is None


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=80, max_size=80))
def test_it_lies_where_a_word_may_end(probabilities: list[float]) -> None:
    heard = [
        Moment(HEARD - 16_000 + index * FRAME_SAMPLES, Activity(voiced=True, probability=probability))
        for index, probability in enumerate(probabilities)
    ]
    end = word_end(heard, HEARD, LAG)
    assert end is not None
    assert HEARD - LAG - EARLY <= end <= HEARD + LATE
    assert all(one.sample < other.sample for one, other in pairwise(heard))
