from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.hearing.source import Frame, Framer
from speakage_engines.api import FRAME_SAMPLES, Samples

SOUND = st.integers(0, 5 * FRAME_SAMPLES).map(lambda length: np.arange(1, length + 1, dtype=np.int16))


def framed(pieces: list[Samples]) -> list[Frame]:
    framer = Framer()
    return [frame for piece in pieces for frame in framer.feed(piece)] + list(framer.flush())


def same(left: list[Frame], right: list[Frame]) -> bool:
    return [(frame.sample, frame.pcm.tolist()) for frame in left] == [(f.sample, f.pcm.tolist()) for f in right]


@given(SOUND, st.lists(st.integers(0, 5 * FRAME_SAMPLES)))
def test_the_pieces_sound_arrives_in_do_not_matter(sound: Samples, cuts: list[int]) -> None:
    assert same(framed(np.split(sound, sorted(min(cut, len(sound)) for cut in cuts))), framed([sound]))


@given(SOUND)
def test_one_sample_at_a_time_equals_all_at_once(sound: Samples) -> None:
    assert same(framed([sound[at : at + 1] for at in range(len(sound))]), framed([sound]))


@given(SOUND)
def test_nothing_is_lost_and_only_the_last_frame_is_filled_with_silence(sound: Samples) -> None:
    frames = framed([sound])
    whole = np.concatenate([frame.pcm for frame in frames] or [sound])

    assert np.array_equal(whole[: len(sound)], sound)
    assert not whole[len(sound) :].any()
    assert len(whole) - len(sound) < FRAME_SAMPLES
    assert [frame.sample for frame in frames] == list(range(0, len(whole), FRAME_SAMPLES))


@given(st.integers(0, 2 * FRAME_SAMPLES), st.integers(0, 5 * FRAME_SAMPLES))
def test_lost_samples_move_what_follows_to_its_place_in_time(before: int, lost: int) -> None:
    framer = Framer()
    heard = list(framer.feed(np.ones(before, np.int16)))
    framer.skip(lost)
    (after,) = framer.feed(np.ones(FRAME_SAMPLES, np.int16))

    assert after.pcm.all()
    assert before + lost <= after.sample < before + lost + FRAME_SAMPLES
    assert after.sample % FRAME_SAMPLES == 0
    assert all(frame.sample < after.sample for frame in heard)
