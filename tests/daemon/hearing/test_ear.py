"""The ear and the floor together: who is heard, and what becomes of it."""

import asyncio
import time
from collections.abc import Callable

import numpy as np
import pytest

from fakes import LOUD, QUIET, LoudIsSpeech, Record, Script
from speakage_daemon.config import SegmenterSettings
from speakage_daemon.events import ListeningChanged, SpeechLevel, SpeechStarted, SpeechStopped
from speakage_daemon.hearing.ear import Ear
from speakage_daemon.hearing.floor import QUEUE_FRAMES, Floor
from speakage_daemon.hearing.gain import AutomaticGain
from speakage_daemon.hearing.remote import RemoteSource
from speakage_daemon.hearing.source import Source
from speakage_daemon.hearing.utterance import Phase
from speakage_daemon.hearing.wake import WakeGate

SETTINGS = SegmenterSettings(onset_ms=60, pre_roll_ms=100, pause_ms=200, end_ms=400)
PHRASE = [QUIET] * 20 + [LOUD] * 30 + [QUIET] * 40


class Scene:
    """An ear at a floor, running."""

    def __init__(
        self, main: Source | None, mode: str = "open", *, threshold: int = 1_000, gain: AutomaticGain | None = None
    ) -> None:
        self.events = Record()
        self.detector = LoudIsSpeech(threshold)
        self.floor = Floor(main)
        self.ear = Ear(SETTINGS, WakeGate(mode), self.detector, self.floor, self.publish, gain=gain)
        self.changed = asyncio.Event()

    def publish(self, event: object) -> None:
        self.events.append(event)
        self.changed.set()

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not met():
                self.changed.clear()
                await self.changed.wait()

    def play(self, script: Callable[["Scene"], object]) -> None:
        async def go() -> None:
            async def nobody_waits() -> None:
                return

            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self.floor.run()),
                    tasks.create_task(self.ear.run(time.monotonic, nobody_waits)),
                ]
                await script(self)
                for task in running:
                    task.cancel()

        asyncio.run(go())

    def sources(self) -> list[str]:
        return [event.source for event in self.events if isinstance(event, ListeningChanged)]


def over(scene: Scene) -> bool:
    return scene.sources()[-1:] == ["none"]


def test_a_phrase_becomes_one_utterance_with_its_sound_and_pre_roll() -> None:
    scene = Scene(Script(PHRASE))

    async def script(scene: Scene) -> None:
        await scene.until(lambda: over(scene))

    scene.play(script)
    utterance = scene.ear.utterances.get_nowait()
    assert utterance.phase is Phase.ENDED
    assert utterance.reason == "silence"
    assert utterance.ended_time - utterance.last_voiced_time == pytest.approx(0.4), "20 frames of silence, by samples"
    assert utterance.paused_time <= utterance.ended_time
    assert utterance.start == 20 * 320 - 1_600
    assert utterance.length == (70 - 20) * 320 + 1_600
    sound = utterance.audio()
    assert not sound[:1_600].any()
    assert sound[1_600 : 1_600 + 30 * 320].all(), "nothing of the speech is missing"
    assert [event.type for event in scene.events.of("input_audio_buffer.speech_started")] != []
    stopped = next(event for event in scene.events if isinstance(event, SpeechStopped))
    assert (stopped.last_voiced_sample, stopped.reason) == (50 * 320, "silence")
    assert scene.sources() == ["file: script", "none"]


def test_levels_are_told_ten_times_a_second() -> None:
    scene = Scene(Script(PHRASE))

    async def script(scene: Scene) -> None:
        await scene.until(lambda: over(scene))

    scene.play(script)
    levels = scene.events.of("input_audio_buffer.level")
    assert len(levels) == len(PHRASE) // 5
    assert levels[0].rms_dbfs == -96.0
    assert -13 < levels[6].rms_dbfs < -12, "8000 of 32768 is −12.2 dB"


def test_quiet_speech_is_turned_up_and_its_speaker_told_once() -> None:
    soft = LOUD // 160
    scene = Scene(Script([soft] * 200), threshold=10, gain=AutomaticGain())

    async def script(scene: Scene) -> None:
        await scene.until(lambda: over(scene))

    scene.play(script)
    utterance = scene.ear.utterances.get_nowait()
    heard = np.abs(utterance.audio().astype(np.int32))
    assert heard[-320:].max() > 10 * np.abs(soft.astype(np.int32)).max()
    levels = [event.level for event in scene.events if isinstance(event, SpeechLevel)]
    assert levels == ["too_quiet", "good"], "the hint goes with the source that it was about"
    levels = scene.events.of("input_audio_buffer.level")
    assert {level.rms_dbfs for level in levels} == {levels[0].rms_dbfs}, "the meter shows what arrives"


def test_nobody_is_told_how_loud_they_speak_while_nothing_is_heard() -> None:
    scene = Scene(Script([LOUD // 160] * 200), mode="push", threshold=10, gain=AutomaticGain())

    async def script(scene: Scene) -> None:
        await scene.until(lambda: over(scene))

    scene.play(script)
    assert not [event for event in scene.events if isinstance(event, SpeechLevel)]


def test_a_source_that_goes_away_mid_phrase_loses_nothing_that_was_said() -> None:
    scene = Scene(Script([QUIET] * 10 + [LOUD] * 30))

    async def script(scene: Scene) -> None:
        await scene.until(lambda: over(scene))

    scene.play(script)
    utterance = scene.ear.utterances.get_nowait()
    assert (utterance.phase, utterance.reason) == (Phase.ENDED, "lost")
    assert utterance.length >= 30 * 320


def test_push_hears_only_what_is_said_while_the_button_is_held() -> None:
    guest = Script(PHRASE, name="client: button", endless=True)
    scene = Scene(None, mode="push")

    async def script(scene: Scene) -> None:
        scene.floor.take(guest)
        await scene.until(lambda: len(scene.events.of("input_audio_buffer.level")) >= len(PHRASE) // 5)
        assert not scene.events.of("input_audio_buffer.speech_started"), "nobody pressed the button"

    scene.play(script)

    pressed = Scene(Script([QUIET] * 5 + [LOUD] * 25, endless=True), mode="push")

    async def press(scene: Scene) -> None:
        scene.ear.listen(True, time.monotonic())
        await scene.until(lambda: len(scene.events.of("input_audio_buffer.level")) >= 6)
        scene.ear.listen(False, time.monotonic())
        scene.ear.listen(False, time.monotonic())

    pressed.play(press)
    stopped = [event for event in pressed.events if isinstance(event, SpeechStopped)]
    assert [event.reason for event in stopped] == ["released"]
    listening = [event.listening for event in pressed.events if isinstance(event, ListeningChanged)]
    assert listening == [False, True, False] or listening == [True, True, False], listening


def test_a_client_takes_the_floor_and_gives_it_back() -> None:
    home = Script([QUIET] * 3, name="microphone: home", live=True, endless=True)
    scene = Scene(home)

    async def script(scene: Scene) -> None:
        await scene.until(lambda: scene.sources() == ["microphone: home"])
        scene.floor.take(Script(PHRASE, name="client: phone"))
        await scene.until(lambda: scene.sources()[-1] == "microphone: home" and len(scene.sources()) == 3)

    scene.play(script)
    assert scene.sources() == ["microphone: home", "client: phone", "microphone: home"]
    assert scene.floor.dropped_frames == 0
    started = next(event for event in scene.events if isinstance(event, SpeechStarted))
    assert started.sample >= 3 * 320, "one clock goes on across sources"
    assert scene.detector.resets == 3


def test_a_live_source_never_waits_and_what_is_dropped_is_counted() -> None:
    async def go() -> None:
        floor = Floor(Script([QUIET] * (QUEUE_FRAMES + 40), name="microphone: fast", live=True))
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            pump = tasks.create_task(floor.run())
            while floor.holder != "none":
                await asyncio.sleep(0)
            heard = floor.heard()
            first = [await anext(heard) for _ in range(5)]
            pump.cancel()
        assert floor.dropped_frames >= 40
        assert first[0].source == "microphone: fast", "who speaks is never dropped"
        assert first[1].sample >= 40 * 320, "the oldest went"

    asyncio.run(go())


def test_a_source_that_can_wait_loses_nothing() -> None:
    scene = Scene(Script([QUIET] * (3 * QUEUE_FRAMES)))

    async def script(scene: Scene) -> None:
        await scene.until(lambda: over(scene))

    scene.play(script)
    assert scene.floor.dropped_frames == 0
    assert len(scene.events.of("input_audio_buffer.level")) == 3 * QUEUE_FRAMES // 5


def test_a_client_that_takes_the_floor_again_is_heard_at_once() -> None:
    scene = Scene(None)

    async def script(scene: Scene) -> None:
        scene.floor.take(Script([QUIET] * 3, name="client: phone", endless=True))
        await scene.until(lambda: scene.sources()[-1:] == ["client: phone"])
        scene.floor.take(Script(PHRASE, name="client: phone again"))
        await scene.until(lambda: over(scene))

    scene.play(script)
    assert scene.sources() == ["client: phone", "client: phone again", "none"]
    assert len(scene.events.of("input_audio_buffer.speech_started")) == 1


def test_a_client_that_gives_up_the_floor_lets_the_button_go_after_all_it_said() -> None:
    guest = RemoteSource("button", 16_000, "pcm_s16le")
    scene = Scene(None, mode="push")

    async def script(scene: Scene) -> None:
        scene.floor.take(guest)
        scene.ear.listen(True, time.monotonic())
        for frame in [QUIET] * 10 + [LOUD] * 30:
            guest.feed(frame.tobytes())
        guest.close()
        await scene.until(lambda: over(scene))

    scene.play(script)
    utterance = scene.ear.utterances.get_nowait()
    assert (utterance.phase, utterance.reason) == (Phase.ENDED, "released")
    assert int((utterance.audio() > 1_000).sum()) == 30 * 320, "what was sent before the end is heard whole"
    assert [event.listening for event in scene.events if isinstance(event, ListeningChanged)][-1] is False
