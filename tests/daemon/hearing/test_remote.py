from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.errors import SourceError
from speakage_daemon.hearing.remote import QUEUE_S, RemoteSource
from speakage_daemon.hearing.resample import PcmFormat
from speakage_daemon.hearing.source import Frame, Source
from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE

PATIENCE_S = 10


async def heard(source: Source) -> list[Frame]:
    async with asyncio.timeout(PATIENCE_S):
        return [frame async for frame in source.frames()]


def test_a_clients_pcm_is_heard_until_it_closes() -> None:
    sound = np.arange(1, 1_001, dtype="<i2")

    async def session() -> list[Frame]:
        source = RemoteSource("phone", SAMPLE_RATE, "pcm_s16le")
        assert (source.name, source.live) == ("client: phone", True)
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(heard(source))
            await asyncio.sleep(0)  # the listener is there first
            for at in range(0, 1_000, 100):
                source.feed(sound[at : at + 100].tobytes())
            source.close()
            source.close()
        return hearing.result()

    frames = asyncio.run(session())

    assert [frame.sample for frame in frames] == [0, 320, 640, 960]
    assert np.concatenate([frame.pcm for frame in frames])[:1_000].tolist() == sound.tolist()


@pytest.mark.parametrize(("pcm_format", "scale"), [("pcm_s16le", 32_768), ("pcm_f32le", 1)])
def test_a_browsers_rate_and_format_are_converted(pcm_format: PcmFormat, scale: float) -> None:
    tone = 0.5 * scale * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    data = tone.astype("<i2" if pcm_format == "pcm_s16le" else "<f4")

    async def session() -> list[Frame]:
        source = RemoteSource("browser", 48_000, pcm_format)
        for piece in np.split(data, 375):
            source.feed(piece.tobytes())
        source.close()
        return await heard(source)

    pcm = np.concatenate([frame.pcm for frame in asyncio.run(session())])

    assert len(pcm) == pytest.approx(SAMPLE_RATE, abs=FRAME_SAMPLES)
    assert np.argmax(abs(np.fft.rfft(pcm[:SAMPLE_RATE]))) == pytest.approx(440, abs=1)
    assert abs(pcm).max() == pytest.approx(16_384, rel=0.01)


def test_of_too_much_sound_the_newest_ten_seconds_are_heard_and_the_rest_is_counted() -> None:
    async def session() -> tuple[RemoteSource, list[Frame]]:
        source = RemoteSource("flood", SAMPLE_RATE, "pcm_s16le")
        for _ in range(12):
            source.feed(np.ones(SAMPLE_RATE, "<i2").tobytes())
        source.close()
        return source, await heard(source)

    source, frames = asyncio.run(session())

    assert len(frames) == QUEUE_S * SAMPLE_RATE / FRAME_SAMPLES
    assert source.dropped == 2 * SAMPLE_RATE / FRAME_SAMPLES
    assert frames[0].sample == 2 * SAMPLE_RATE
    assert frames[-1].sample == 12 * SAMPLE_RATE - FRAME_SAMPLES


@pytest.mark.parametrize(
    ("pcm_format", "data", "sentence"),
    [
        ("pcm_s16le", b"\0" * 3, "3 bytes are not whole samples; pcm_s16le has 2"),
        ("pcm_f32le", b"\0" * 6, "6 bytes are not whole samples; pcm_f32le has 4"),
        ("pcm_s16le", b"\0" * 32_002, "more than 1 s at once"),
        ("pcm_f32le", b"\0" * 64_004, "more than 1 s at once"),
        ("pcm_f32le", b"\xff" * 4, "finite"),
    ],
)
def test_bad_pieces_are_refused_and_the_sound_around_them_is_heard(
    pcm_format: PcmFormat, data: bytes, sentence: str
) -> None:
    good = b"\0" * FRAME_SAMPLES * (2 if pcm_format == "pcm_s16le" else 4)

    async def session() -> list[Frame]:
        source = RemoteSource("confused", SAMPLE_RATE, pcm_format)
        source.feed(good)
        with pytest.raises(SourceError, match=sentence):
            source.feed(data)
        source.feed(good)
        source.close()
        return await heard(source)

    assert [frame.sample for frame in asyncio.run(session())] == [0, FRAME_SAMPLES]


def test_sound_after_the_end_is_refused() -> None:
    source = RemoteSource("late", SAMPLE_RATE, "pcm_s16le")
    source.close()
    with pytest.raises(SourceError, match=r"session\.update"):
        source.feed(b"\0\0")


def test_a_rate_that_cannot_be_heard_is_refused() -> None:
    with pytest.raises(SourceError, match="audio_rate"):
        RemoteSource("odd", 1_000, "pcm_s16le")


@given(st.lists(st.integers(0, 2_000)))
def test_the_pieces_sound_arrives_in_do_not_matter(cuts: list[int]) -> None:
    sound = np.arange(2_000, dtype="<i2")

    async def session(pieces: list[np.ndarray]) -> list[int]:
        source = RemoteSource("any", 48_000, "pcm_s16le")
        for piece in pieces:
            source.feed(piece.tobytes())
        source.close()
        return np.concatenate([frame.pcm for frame in await heard(source)]).tolist()

    assert asyncio.run(session(np.split(sound, sorted(cuts)))) == asyncio.run(session([sound]))
