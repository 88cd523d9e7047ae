"""The microphone, with a real sound server: what a person who speaks into it would notice."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from speakage_daemon.errors import SourceError
from speakage_daemon.events import DaemonEvent, MicrophoneLost, MicrophoneRestored, MicrophoneSilent
from speakage_daemon.hearing.capture import Capture
from speakage_daemon.hearing.devices import find, input_devices, start_portaudio
from speakage_daemon.hearing.microphone import Microphone
from speakage_daemon.hearing.source import Frame
from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE

from .pulse import RATE, SoundServer

PATIENCE_S = 60


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Three seconds of 440 Hz."""
    path = tmp_path / "tone.wav"
    seconds = np.arange(3 * RATE) / RATE
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((10_000 * np.sin(2 * np.pi * 440 * seconds)).astype("<i2").tobytes())
    return path


class Listener:
    """Hears a microphone in a task, as the ear does, and keeps all that came."""

    def __init__(self, device: str = "") -> None:
        self.events: list[DaemonEvent] = []
        self.frames: list[Frame] = []
        self._changed = asyncio.Event()
        self.microphone = Microphone(device, self._publish)

    def _publish(self, event: DaemonEvent) -> None:
        self.events.append(event)
        self._changed.set()

    async def listen(self) -> None:
        async for frame in self.microphone.frames():
            self.frames.append(frame)
            self._changed.set()

    def count(self, kind: type[DaemonEvent]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    def loud(self) -> list[Frame]:
        return [frame for frame in self.frames if abs(frame.pcm.astype(np.int32)).max() > 5_000]

    async def until(self, kind: type[DaemonEvent]) -> None:
        while not self.count(kind):
            await self._next()

    async def until_told(self, events: int) -> None:
        while len(self.events) < events:
            await self._next()

    async def until_heard(self, frames: int) -> None:
        wanted = len(self.frames) + frames
        while len(self.frames) < wanted:
            await self._next()

    async def until_loud(self, frames: int) -> None:
        while len(self.loud()) < frames:
            await self._next()

    async def _next(self) -> None:
        self._changed.clear()
        await self._changed.wait()


@contextlib.asynccontextmanager
async def listening(device: str = "", patience: float = PATIENCE_S) -> AsyncIterator[Listener]:
    listener = Listener(device)
    async with asyncio.timeout(patience), asyncio.TaskGroup() as group:
        task = group.create_task(listener.listen())
        yield listener
        task.cancel()


def test_a_tone_in_the_room_arrives_as_frames_of_that_pitch(sound_server: SoundServer, tone: Path) -> None:
    async def hear() -> Listener:
        async with listening() as listener:
            await listener.until_heard(1)
            sound_server.speaker.play(tone)
            await listener.until_loud(100)
        return listener

    listener = asyncio.run(hear())

    assert [frame.sample for frame in listener.frames] == list(
        range(0, len(listener.frames) * FRAME_SAMPLES, FRAME_SAMPLES)
    )
    heard = np.concatenate([frame.pcm for frame in listener.loud()[20:70]])
    spectrum = abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(heard) == pytest.approx(440, abs=2)
    assert listener.count(MicrophoneLost) == 0
    assert listener.microphone.name == "microphone: default"


def test_stopping_gives_the_device_back(sound_server: SoundServer) -> None:
    async def hear() -> int:
        async with listening() as listener:
            await listener.until_heard(1)
            return sound_server.recordings()

    assert asyncio.run(hear()) == 1
    assert sound_server.recordings() == 0


def test_a_killed_sound_server_is_lost_once_and_restored_once(sound_server: SoundServer, tone: Path) -> None:
    async def hear() -> tuple[Listener, int]:
        async with listening() as listener:
            await listener.until_heard(10)
            await asyncio.to_thread(sound_server.kill)
            await listener.until(MicrophoneLost)
            before = len(listener.frames)
            await asyncio.to_thread(sound_server.start)
            await listener.until(MicrophoneRestored)
            sound_server.speaker.play(tone)
            await listener.until_loud(20)
        return listener, before

    listener, before = asyncio.run(hear())

    assert listener.count(MicrophoneLost) == 1
    assert listener.count(MicrophoneRestored) == 1
    restored = next(event for event in listener.events if isinstance(event, MicrophoneRestored))
    gap = listener.frames[before].sample - listener.frames[before - 1].sample
    assert gap / SAMPLE_RATE * 1_000 == pytest.approx(restored.gap_ms, abs=200)
    assert restored.source == "microphone: default"


def test_no_microphone_at_start_is_said_once_and_gets_better(sound_server: SoundServer) -> None:
    sound_server.kill()

    async def hear() -> Listener:
        async with listening() as listener:
            await listener.until(MicrophoneLost)
            # tried again and again meanwhile, without a word
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await listener.until_told(2)
            await asyncio.to_thread(sound_server.start)
            await listener.until(MicrophoneRestored)
            await listener.until_heard(10)
        return listener

    listener = asyncio.run(hear())

    assert [type(event) for event in listener.events[:2]] == [MicrophoneLost, MicrophoneRestored]
    lost = listener.events[0]
    assert isinstance(lost, MicrophoneLost)
    assert "no microphone was found" in lost.reason
    assert "browser" in lost.reason
    assert listener.frames[0].sample == 0


def test_a_frozen_sound_server_is_lost_until_it_thaws(sound_server: SoundServer) -> None:
    async def hear() -> Listener:
        async with listening() as listener:
            await listener.until_heard(10)
            sound_server.freeze()
            await listener.until(MicrophoneLost)
            sound_server.thaw()
            await listener.until(MicrophoneRestored)
            await listener.until_heard(10)
        return listener

    listener = asyncio.run(hear())

    assert listener.count(MicrophoneLost) == 1
    assert listener.count(MicrophoneRestored) == 1
    indices = [frame.sample for frame in listener.frames]
    assert indices == sorted(set(indices))


def test_a_frozen_sound_server_does_not_keep_the_daemon_from_stopping(sound_server: SoundServer) -> None:
    async def hear() -> None:
        async with listening() as listener:
            await listener.until_heard(10)
            sound_server.freeze()

    asyncio.run(hear())  # the fixture's time limit is what fails when this hangs
    sound_server.thaw()
    for thread in threading.enumerate():
        if thread.name == "portaudio":
            thread.join(PATIENCE_S)


def test_a_suspended_source_is_lost_until_it_sends_again(sound_server: SoundServer) -> None:
    async def hear() -> tuple[float, Listener]:
        async with listening() as listener:
            await listener.until_heard(10)
            await asyncio.to_thread(sound_server.suspend, True)
            began = time.monotonic()
            await listener.until(MicrophoneLost)
            took = time.monotonic() - began
            await asyncio.to_thread(sound_server.suspend, False)
            await listener.until(MicrophoneRestored)
            await listener.until_heard(10)
        return took, listener

    took, listener = asyncio.run(hear())
    assert took > 0.5, "a hiccup is not a loss"
    assert listener.count(MicrophoneLost) == listener.count(MicrophoneRestored) == 1


def test_a_microphone_that_was_pulled_out_is_told_though_sound_goes_on(sound_server: SoundServer) -> None:
    async def hear() -> Listener:
        async with listening() as listener:
            await listener.until_heard(100)  # 2 s: the server was asked by then
            await asyncio.to_thread(sound_server.unplug)
            await listener.until(MicrophoneLost)
            await listener.until(MicrophoneRestored)
            await listener.until_heard(100)
        return listener

    listener = asyncio.run(hear())
    lost = next(event for event in listener.events if isinstance(event, MicrophoneLost))
    assert "the sound server moved it from 'Remapped Monitor of Null Output' to 'Monitor of" in lost.reason
    assert [type(event) for event in listener.events if not isinstance(event, MicrophoneSilent)] == [
        MicrophoneLost,
        MicrophoneRestored,
    ]


@pytest.mark.timeout(300)
def test_twenty_deaths_of_the_sound_server_in_a_row_are_survived(sound_server: SoundServer) -> None:
    async def hear() -> list[int]:
        sizes = []
        async with listening(patience=240) as listener:
            for death in range(1, 21):
                await listener.until_heard(5)
                await asyncio.to_thread(sound_server.kill)
                while listener.count(MicrophoneLost) < death:
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(sound_server.start)
                while listener.count(MicrophoneRestored) < death:
                    await asyncio.sleep(0.01)
                sizes.append(psutil.Process().memory_info().rss)
        return sizes

    sizes = asyncio.run(hear())
    assert len(sizes) == 20
    assert sizes[-1] - sizes[4] < 10_000_000, "after the first ones nothing is added"


def test_exact_silence_is_told_and_taken_back(sound_server: SoundServer, tone: Path) -> None:
    async def hear() -> Listener:
        async with listening() as listener:
            await listener.until(MicrophoneSilent)
            sound_server.speaker.play(tone)
            await listener.until_loud(10)
        return listener

    listener = asyncio.run(hear())

    assert listener.events[:2] == [MicrophoneSilent(silent=True), MicrophoneSilent(silent=False)]
    assert listener.count(MicrophoneLost) == 0


def test_a_device_nobody_has_is_named_together_with_those_there_are(sound_server: SoundServer) -> None:
    async def hear() -> Listener:
        async with listening("Theremin 3000") as listener:
            await listener.until(MicrophoneLost)
        return listener

    lost = asyncio.run(hear()).events[0]

    assert isinstance(lost, MicrophoneLost)
    assert "'Theremin 3000'" in lost.reason
    assert "default" in lost.reason
    assert "hearing.device" in lost.reason


def test_devices_are_listed_with_their_rates(sound_server: SoundServer) -> None:
    devices = input_devices()

    assert [device.name for device in devices if device.default] == ["default"]
    assert all(device.rates == (16_000, 44_100, 48_000) for device in devices)
    assert all(device.converts and device.channels == 1 for device in devices)
    sound_server.kill()
    assert input_devices() == ()


def test_a_device_is_found_by_part_of_its_name(sound_server: SoundServer) -> None:
    audio = start_portaudio()
    try:
        assert find(audio, "PULS").name == "pulse"
        assert find(audio, "").default
    finally:
        audio.terminate()


def test_a_capture_that_was_closed_does_not_open(sound_server: SoundServer) -> None:
    capture = Capture("", lambda data, when: None)
    capture.close()
    with pytest.raises(SourceError, match="closed before"):
        capture.open()
    assert sound_server.recordings() == 0


def test_opening_prints_nothing_and_hides_nothing_of_python(sound_server: SoundServer) -> None:
    script = """
import sys, threading
from speakage_daemon.hearing.devices import input_devices
stop = threading.Event()
def chatter():
    sys.stderr.write("python speaks")
    stop.wait()
threading.Thread(target=chatter).start()
print(len(input_devices()))
stop.set()
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=sound_server.subprocess_env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert int(ran.stdout) > 0
    assert ran.stderr == "python speaks"
