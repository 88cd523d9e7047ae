"""Words while they are spoken, at the pause and at the end."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fakes import CountsFrames, Record
from speakage_daemon.config import SpeechSettings
from speakage_daemon.events import TranscriptionCompleted, TranscriptionUpdated
from speakage_daemon.hearing.utterance import Utterance
from speakage_daemon.painting.priority import EarsFirst
from speakage_daemon.understanding.moments import Moments
from speakage_daemon.understanding.transcriber import Transcriber

SECOND = np.full(16_000, 8_000, np.int16)
HALF = SECOND[:8_000]
SILENCE = np.zeros(4_000, np.int16)
NOW = (100.0, 100.25)
"""When the last voiced sample was heard, and when it was found to be the last."""


class Notes:
    """Who acts on finished words: writes them down."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int, str]] = []
        self.settled: list[tuple[int, str]] = []
        self.lacking = ""
        self.moments: list[Moments] = []
        self.changed = asyncio.Event()

    def lacks_something(self, text: str) -> bool:
        return text == self.lacking

    def while_speaking(self, utterance: int, settled: str) -> None:
        self.settled.append((utterance, settled))

    def at_pause(self, utterance: int, text: str, moments: Moments) -> None:
        self.said.append(("pause", utterance, text))
        self.moments.append(moments)
        self.changed.set()

    def at_end(self, utterance: int, text: str, moments: Moments) -> None:
        self.said.append(("end", utterance, text))
        self.moments.append(moments)
        self.changed.set()

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.said) < count:
                self.changed.clear()
                await self.changed.wait()


class Scene:
    def __init__(self, tick_ms: int = 240) -> None:
        self.settings = SpeechSettings(tick_ms=tick_ms, hotwords="Zorka")
        self.unknown_words: Callable[[str], Iterable[str]] | None = None
        self.model = CountsFrames()
        self.events = Record()
        self.notes = Notes()
        self.utterances: asyncio.Queue[Utterance] = asyncio.Queue()

    def play(self, script) -> None:
        async def go() -> None:
            with ThreadPoolExecutor(1) as executor:
                transcriber = Transcriber(
                    self.settings,
                    self.model,
                    executor,
                    EarsFirst(),
                    self.events,
                    unknown_words=self.unknown_words,
                )
                async with asyncio.TaskGroup() as tasks:
                    running = tasks.create_task(transcriber.run(self.utterances, self.notes))
                    await script(self)
                    running.cancel()

        asyncio.run(go())

    async def updated(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.events.of("transcription.updated")) < count:
                await asyncio.sleep(0.001)


def words(count: int) -> str:
    return " ".join(f"w{index}" for index in range(count))


def test_words_settle_while_they_are_spoken_and_are_finished_at_the_pause() -> None:
    scene = Scene()

    async def script(scene: Scene) -> None:
        utterance = Utterance(1, 0, SECOND)
        scene.utterances.put_nowait(utterance)
        await scene.updated(1)
        utterance.extend(HALF)
        await scene.updated(2)
        utterance.extend(SILENCE)
        utterance.pause(*NOW)
        await scene.notes.wait(1)
        runs = len(scene.model.calls)
        utterance.end("silence", 100.0, 100.6)
        await scene.notes.wait(2)
        assert len(scene.model.calls) == runs, "the text of the pause was kept: nothing is left to do at the end"

    scene.play(script)
    updates = [event for event in scene.events if isinstance(event, TranscriptionUpdated)]
    assert (updates[0].committed, updates[0].pending) == ("", words(5))
    assert (updates[1].committed, updates[1].pending) == (words(5), "w5 w6")
    assert (updates[-1].committed, updates[-1].pending) == (words(7), "")
    assert scene.notes.said == [("pause", 1, words(7)), ("end", 1, words(7))]
    assert scene.notes.settled == [(1, words(5))]
    completed = next(event for event in scene.events if isinstance(event, TranscriptionCompleted))
    assert (completed.text, completed.reason) == (words(7), None)
    pause, end = scene.notes.moments
    assert (pause.last_voiced, pause.paused, pause.ended) == (100.0, 100.25, None)
    assert (end.last_voiced, end.paused, end.ended) == (100.0, 100.25, 100.6)
    assert (end.transcribing, end.transcribed) == (pause.transcribing, pause.transcribed)
    assert completed.transcribe_ms == end.transcribe_ms > 0


@pytest.mark.parametrize(("unknown_words", "unlikely"), [(str.split, 1), (lambda _: (), 0), (None, None)])
def test_the_ears_are_told_which_words_are_likely(
    unknown_words: Callable[[str], Iterable[str]] | None, unlikely: int | None
) -> None:
    scene = Scene()
    scene.unknown_words = unknown_words

    async def script(scene: Scene) -> None:
        utterance = Utterance(1, 0, SECOND)
        scene.utterances.put_nowait(utterance)
        utterance.pause(*NOW)
        await scene.notes.wait(1)

    scene.play(script)
    assert [doubt and doubt("show Zorka a beaver") for doubt in scene.model.doubts] == [unlikely]


def test_speech_after_the_pause_is_heard_again_whole() -> None:
    scene = Scene()

    async def script(scene: Scene) -> None:
        utterance = Utterance(1, 0, SECOND)
        scene.utterances.put_nowait(utterance)
        utterance.pause(*NOW)
        await scene.notes.wait(1)
        utterance.resume()
        utterance.extend(SECOND)
        utterance.pause(*NOW)
        await scene.notes.wait(2)
        utterance.end("silence", *NOW)
        await scene.notes.wait(3)

    scene.play(script)
    assert scene.notes.said == [("pause", 1, words(5)), ("pause", 1, words(10)), ("end", 1, words(10))]


def test_an_utterance_knows_that_its_words_lack_something_until_speech_goes_on() -> None:
    scene = Scene()
    scene.notes.lacking = words(5)
    known = []

    async def script(scene: Scene) -> None:
        utterance = Utterance(1, 0, SECOND)
        scene.utterances.put_nowait(utterance)
        for count in (1, 2):
            utterance.pause(*NOW)
            await scene.notes.wait(count)
            known.append(utterance.unfinished)
            utterance.resume()
            known.append(utterance.unfinished)
            utterance.extend(SECOND)
        utterance.end("silence", *NOW)
        await scene.notes.wait(3)

    scene.play(script)
    assert known == [True, False, False, False]


def test_an_end_without_a_pause_is_transcribed_whole() -> None:
    scene = Scene()

    async def script(scene: Scene) -> None:
        utterance = Utterance(1, 0, SECOND)
        utterance.extend(SECOND)
        utterance.end("released", *NOW)
        scene.utterances.put_nowait(utterance)
        await scene.notes.wait(1)

    scene.play(script)
    assert scene.notes.said == [("end", 1, words(10))]


def test_without_ticks_nothing_is_transcribed_before_the_end() -> None:
    scene = Scene(tick_ms=0)

    async def script(scene: Scene) -> None:
        utterance = Utterance(1, 0, SECOND)
        scene.utterances.put_nowait(utterance)
        utterance.extend(HALF)
        utterance.pause(*NOW)
        for _ in range(20):
            await asyncio.sleep(0)
        assert scene.model.calls == []
        utterance.end("silence", *NOW)
        await scene.notes.wait(1)

    scene.play(script)
    assert scene.notes.said == [("end", 1, words(7))]
    assert len(scene.model.calls) == 1


def test_rejected_sound_completes_without_words_and_says_why() -> None:
    scene = Scene()
    scene.model.rejection = "no_speech"

    async def script(scene: Scene) -> None:
        utterance = Utterance(1, 0, SECOND)
        utterance.end("silence", *NOW)
        scene.utterances.put_nowait(utterance)
        await scene.notes.wait(1)

    scene.play(script)
    completed = next(event for event in scene.events if isinstance(event, TranscriptionCompleted))
    assert (completed.text, completed.reason) == ("", "no_speech")
    assert scene.notes.said == [("end", 1, "")]


def test_utterances_are_followed_in_order() -> None:
    scene = Scene()

    async def script(scene: Scene) -> None:
        first, second = Utterance(1, 0, SECOND), Utterance(2, 16_000, HALF)
        for utterance in (first, second):
            scene.utterances.put_nowait(utterance)
        second.end("silence", *NOW)
        first.end("silence", *NOW)
        await scene.notes.wait(2)
        await scene.utterances.join()

    scene.play(script)
    assert [number for _, number, _ in scene.notes.said] == [1, 2]


def test_an_engine_that_fails_costs_one_utterance_and_says_so() -> None:
    scene = Scene()
    scene.model.broken = True

    async def script(scene: Scene) -> None:
        first = Utterance(1, 0, SECOND)
        first.end("silence", *NOW)
        scene.utterances.put_nowait(first)
        await scene.notes.wait(1)
        scene.model.broken = False
        second = Utterance(2, 0, SECOND)
        second.end("silence", *NOW)
        scene.utterances.put_nowait(second)
        await scene.notes.wait(2)

    scene.play(script)
    reasons = [event.reason for event in scene.events if isinstance(event, TranscriptionCompleted)]
    assert reasons == ["failed", None]
    assert scene.notes.said[1] == ("end", 2, words(5))
