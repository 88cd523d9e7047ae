from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import time
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from speakage_daemon.errors import SourceError
from speakage_daemon.hearing.recording import FileSource, StdinSource
from speakage_daemon.hearing.source import Frame, Source
from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE

PATIENCE_S = 20


async def heard(source: Source) -> list[Frame]:
    async with asyncio.timeout(PATIENCE_S):
        return [frame async for frame in source.frames()]


def sound(frames: list[Frame]) -> np.ndarray:
    return np.concatenate([frame.pcm for frame in frames])


def write_wav(path: Path, pcm: np.ndarray, rate: int = SAMPLE_RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return 10_000 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)


def pitch(pcm: np.ndarray) -> float:
    return float(np.argmax(abs(np.fft.rfft(pcm))) * SAMPLE_RATE / len(pcm))


def test_a_16_khz_recording_is_heard_as_it_is_then_silence(tmp_path: Path) -> None:
    pcm = np.random.default_rng(1).integers(-20_000, 20_000, 5_000, np.int16)

    frames = asyncio.run(heard(FileSource(write_wav(tmp_path / "a.wav", pcm), "fast", trailing_silence_s=0.5)))

    assert [frame.sample for frame in frames] == [FRAME_SAMPLES * number for number in range(len(frames))]
    whole = sound(frames)
    assert np.array_equal(whole[:5_000], pcm)
    assert not whole[5_000:].any()
    assert 8_000 <= len(whole) - 5_000 < 8_000 + FRAME_SAMPLES


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (48_000, 2), (8_000, 1), (96_000, 2)])
def test_any_rate_and_channels_become_16_khz_mono(tmp_path: Path, rate: int, channels: int) -> None:
    path = write_wav(tmp_path / "a.wav", np.repeat(tone(rate), channels), rate, channels)

    whole = sound(asyncio.run(heard(FileSource(path, "fast", trailing_silence_s=0))))

    assert len(whole) == pytest.approx(SAMPLE_RATE, abs=FRAME_SAMPLES)
    assert pitch(whole) == pytest.approx(440, abs=2)
    assert abs(whole).max() == pytest.approx(10_000, rel=0.05)


@pytest.mark.parametrize(("suffix", "codec"), [("mp3", "mp3"), ("flac", "flac"), ("ogg", "libopus"), ("m4a", "aac")])
def test_compressed_formats_are_decoded(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(48_000).astype(np.int16)[None, :], "s16", "mono")
        frame.sample_rate = 48_000
        resampler = av.AudioResampler(
            stream.format, "mono", 48_000, frame_size=stream.codec_context.frame_size or 1_024
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(piece))

    whole = sound(asyncio.run(heard(FileSource(path, "fast"))))

    assert pitch(whole[2_000:14_000]) == pytest.approx(440, abs=2)


def test_real_time_pace_is_kept_by_the_clock_whatever_the_listener_does(tmp_path: Path) -> None:
    source = FileSource(write_wav(tmp_path / "a.wav", tone(SAMPLE_RATE)), "realtime", trailing_silence_s=0.2)

    async def session() -> list[float]:
        ends = []
        async for frame in source.frames():
            ends.append(time.monotonic() - (frame.sample + FRAME_SAMPLES) / SAMPLE_RATE)
            await asyncio.sleep(0.005)  # a listener that takes its time must not slow the clock
        return ends

    ends = asyncio.run(session())

    assert source.live
    assert len(ends) == 60
    began = ends[0]
    # never early; and if each frame's delay added up, the last would be 0.3 s late or more
    assert min(ends) > began - 0.02
    assert min(ends[-10:]) - began < 0.2


def test_fast_pace_does_not_wait(tmp_path: Path) -> None:
    source = FileSource(write_wav(tmp_path / "a.wav", tone(SAMPLE_RATE, 120)), "fast")
    began = time.monotonic()

    assert len(asyncio.run(heard(source))) == 121 * 50
    assert time.monotonic() - began < 60
    assert not source.live


@pytest.mark.parametrize("pace", ["realtime", "fast"])
def test_a_listener_may_leave_in_the_middle(tmp_path: Path, pace: str) -> None:
    path = write_wav(tmp_path / "a.wav", tone(SAMPLE_RATE, 30))

    async def session() -> int:
        source = FileSource(path, "realtime" if pace == "realtime" else "fast")
        async with asyncio.timeout(PATIENCE_S), contextlib.aclosing(source.frames()) as frames:
            async for frame in frames:
                if frame.sample > 3_000:
                    return frame.sample
        return -1

    assert asyncio.run(session()) == 3_200


def _missing(folder: Path) -> Path:
    return folder / "nowhere.wav"


def _empty(folder: Path) -> Path:
    (folder / "empty.wav").touch()
    return folder / "empty.wav"


def _text(folder: Path) -> Path:
    (folder / "letter.mp3").write_text("dear reader, " * 1_000)
    return folder / "letter.mp3"


def _picture(folder: Path) -> Path:
    with av.open(str(folder / "film.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10, width=32, height=32)
        for frame in [av.VideoFrame(32, 32, "yuv420p"), None]:
            container.mux(stream.encode(frame))
    return folder / "film.mp4"


def _silent(folder: Path) -> Path:
    return write_wav(folder / "nothing.wav", np.empty(0))


def _folder(folder: Path) -> Path:
    return folder


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_missing, "no such file; give the path"),
        (_empty, "name an audio file"),
        (_text, "name an audio file"),
        (_picture, "no sound, only pictures or data; name an audio file"),
        (_silent, "holds no sound at all; name a file"),
        (_folder, "is a folder; give the path"),
    ],
)
def test_what_cannot_be_heard_is_refused_at_once_by_name_and_with_the_remedy(
    tmp_path: Path, make: object, sentence: str
) -> None:
    assert callable(make)
    path = make(tmp_path)
    with pytest.raises(SourceError) as caught:
        FileSource(path)
    assert str(path) in str(caught.value)
    assert sentence in str(caught.value)


def test_a_damaged_recording_is_heard_up_to_the_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.wav"
    source = FileSource(write_wav(path, tone(SAMPLE_RATE, 20)), "fast", trailing_silence_s=0)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    with caplog.at_level(logging.WARNING):
        frames = asyncio.run(heard(source))

    assert pitch(sound(frames)) == pytest.approx(440, abs=2)
    assert 9 < len(frames) / 50 < 10.1


@contextlib.contextmanager
def pipe():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        yield reader, writer


def test_standard_input_is_heard_to_its_end(tmp_path: Path) -> None:
    pcm = np.arange(-3_000, 3_000, dtype="<i2")

    async def session() -> list[Frame]:
        with pipe() as (reader, writer):
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(heard(StdinSource(reader.fileno())))
                for at in range(0, len(pcm.tobytes()), 333):  # an odd number: samples are cut in half
                    await asyncio.to_thread(writer.write, pcm.tobytes()[at : at + 333])
                writer.close()
            return hearing.result()

    frames = asyncio.run(session())

    assert [frame.sample for frame in frames] == [FRAME_SAMPLES * number for number in range(19)]
    assert np.array_equal(sound(frames)[:6_000], pcm)


def test_a_file_as_standard_input_is_heard_too(tmp_path: Path) -> None:
    path = tmp_path / "a.pcm"
    path.write_bytes(np.ones(16_000, "<i2").tobytes())
    with path.open("rb") as file:
        assert len(asyncio.run(heard(StdinSource(file.fileno())))) == 50


def test_standard_input_that_stays_silent_does_not_keep_the_daemon_from_stopping() -> None:
    async def session() -> None:
        with pipe() as (reader, _writer), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(StdinSource(reader.fileno()).frames())

    asyncio.run(session())  # pytest's time limit is what fails when the reading thread stays


def test_a_process_that_was_interrupted_while_it_waited_for_input_ends_cleanly() -> None:
    script = """
import asyncio
from speakage_daemon.hearing.recording import StdinSource
async def main():
    async with asyncio.timeout(0.2):
        await anext(StdinSource().frames())
try:
    asyncio.run(main())
except TimeoutError:
    print("stopped")
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.wait(PATIENCE_S) == 0  # its input is still open
            assert process.stdout is not None
            assert process.stderr is not None
            assert (process.stdout.read(), process.stderr.read()) == (b"stopped\n", b"")
        finally:
            process.kill()


def test_a_terminal_is_not_a_recording() -> None:
    leader, follower = os.openpty()
    try:
        with pytest.raises(SourceError, match="pipe 16 kHz mono s16le PCM"):
            StdinSource(follower)
    finally:
        os.close(leader)
        os.close(follower)
