"""The ear: runs the detector, the gate and the segmenter over every frame, and hands out utterances.

The detector costs well under a millisecond a frame, less than handing a frame to a thread and back, so it runs on
the event loop. The ear never waits for anyone, except when it reads a file as fast as possible.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, assert_never

import numpy as np

from speakage_daemon.config import SegmenterSettings
from speakage_daemon.events import (
    AudioLevel,
    DaemonEvent,
    EndReason,
    ListeningChanged,
    SpeechLevel,
    SpeechStarted,
    SpeechStopped,
)
from speakage_daemon.hearing.floor import Floor, FloorChanged
from speakage_daemon.hearing.gain import AutomaticGain, Level
from speakage_daemon.hearing.segmenter import Boundary, Ended, Paused, Resumed, Segmenter, Started, State
from speakage_daemon.hearing.source import Frame
from speakage_daemon.hearing.utterance import Utterance
from speakage_daemon.hearing.wake import WakeGate
from speakage_daemon.hearing.waker import Waker
from speakage_daemon.hearing.word_end import Moment
from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE, Samples, SpeechDetector

LEVEL_FRAMES: Final = 5
"""Frames between two level events: 100 ms."""
SILENCE_DBFS: Final = -96.0
WAKE_MS: Final = 1_500
"""Sound kept until it is known where a wake word ended."""
LEAD: Final = SAMPLE_RATE * 200 // 1_000
"""Samples of silence in place of the wake word: speech models are taught on sentences that do not begin at once."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """A frame, and what the detector of speech says of it."""

    moment: Moment
    pcm: Samples


class Ear:
    """Turns what the floor hears into utterances."""

    def __init__(
        self,
        settings: SegmenterSettings,
        gate: WakeGate,
        detector: SpeechDetector,
        floor: Floor,
        publish: Callable[[DaemonEvent], None],
        *,
        gain: AutomaticGain | None = None,
        waker: Waker | None = None,
    ) -> None:
        self.utterances: asyncio.Queue[Utterance] = asyncio.Queue()
        """Never full: an utterance is never dropped."""
        self.numbers = itertools.count(1)
        """Numbers utterances; typed prompts draw from it too."""
        self._gate = gate
        self._detector = detector
        self._floor = floor
        self._publish = publish
        self._gain = gain
        self._level: Level = "good"
        self._segmenter = Segmenter(settings)
        self._utterance: Utterance | None = None
        self._waker = waker
        kept_ms = settings.pre_roll_ms + settings.onset_ms + (WAKE_MS if waker else 0)
        self._recent: deque[_Heard] = deque(maxlen=self._frames(kept_ms) + 2)
        self._word_end = 0
        """What was heard before it is a wake word: no utterance has it."""
        self._position = 0
        """Where the next frame begins, on one clock across sources."""
        self._source = "none"
        """Whose frames are heard now; the floor may be further."""
        self._followed = 0
        """Up to where the segmenter has heard."""
        self._offset = 0
        self._meter = _Meter()

    async def run(self, clock: Callable[[], float], caught_up: Callable[[], Awaitable[None]]) -> None:
        """Hear until cancelled. ``caught_up`` is awaited after each utterance of a source that can wait."""
        async for item in self._floor.heard():
            if isinstance(item, FloorChanged):
                self._change_source(item, clock())
                continue
            ended = self._hear(item, clock())
            if ended and not self._floor.live:
                await caught_up()

    def listen(self, on: bool, now: float) -> None:
        """Start or stop listening; what is open is finished when it stops."""
        changed = self._gate.start() if on else self._gate.stop()
        if not changed:
            return
        if not on:
            self._close("released", now)
        elif self._waker:
            self._waker.reset()
        self.announce()

    def asked_to_listen(self, on: bool, now: float) -> None:
        """As :meth:`listen`, by somebody's words: where a wake word calls, "stop listening" only ends the window."""
        if on or not self._gate.sleep():
            self.listen(on, now)
        else:
            self.announce_gate()

    def announce(self) -> None:
        """Tell everyone whether and from where words are heard."""
        self._announce(self._floor.holder)

    def announce_gate(self) -> None:
        """Tell everyone that a wake word is needed, or no longer."""
        self._announce(self._source)

    def _hear(self, frame: Frame, now: float) -> bool:
        """One frame; True when it ended an utterance."""
        sample = frame.sample + self._offset
        self._position = sample + FRAME_SAMPLES
        pcm = self._gain.apply(frame.pcm) if self._gain else frame.pcm
        activity = self._detector.feed(pcm)
        if level := self._meter.feed(frame.pcm, activity.probability):
            self._publish(level)
        if not self._gate.listening:
            self._recent.clear()
            return False
        if self._gain:
            self._gain.learn(frame.pcm, activity.probability)
            self._tell_level(self._gain.level)
        heard = _Heard(Moment(sample, activity), pcm)
        self._recent.append(heard)
        if self._gate.pass_time(self._position, busy=self._segmenter.state is not State.SILENCE):
            self.announce_gate()
        if self._waker is None:
            return self._follow(heard, now)
        return self._listen_for_word(self._waker, heard, now)

    def _listen_for_word(self, waker: Waker, newest: _Heard, now: float) -> bool:
        """One frame where a wake word comes first; what follows the word is heard from where the word ended."""
        asleep = not self._gate.awake
        if waker.feed(newest.pcm, self._position):
            if self._utterance is not None:
                self._utterance.void()
                # what comes next may begin within it
                self._close("woken", now, self._utterance.start)
            if asleep:
                self.announce_gate()
        if waker.busy:
            end = waker.word_end([heard.moment for heard in self._recent])
            if end is None:
                return False
            self._word_end = end
            after = [heard for heard in self._recent if heard.moment.sample >= end]
            # all of them, whichever ended an utterance
            return sum(self._follow(heard, now) for heard in after) > 0
        return self._gate.awake and self._follow(newest, now)

    def _follow(self, heard: _Heard, now: float) -> bool:
        """Cut utterances; True when one ended."""
        self._followed = heard.moment.sample + FRAME_SAMPLES
        if self._utterance is not None:
            self._utterance.extend(heard.pcm)
        ended = False
        unfinished = self._utterance is not None and self._utterance.unfinished
        for boundary in self._segmenter.feed(heard.moment.sample, heard.moment.activity, unfinished=unfinished):
            self._act(boundary, now)
            ended = ended or isinstance(boundary, Ended)
        return ended

    def _tell_level(self, level: Level) -> None:
        """Say once that speech is too quiet or too loud, and once that it is not."""
        if level != self._level:
            self._level = level
            self._publish(SpeechLevel(level=level))

    def _act(self, boundary: Boundary, now: float) -> None:
        match boundary:
            case Started(sample):
                self._start(sample)
            case Paused(last_voiced):
                self._current.pause(self._time_of(last_voiced, now), now)
            case Resumed():
                self._current.resume()
            case Ended(sample, last_voiced, reason):
                self._current.end(reason, self._time_of(last_voiced, now), now)
                self._gate.end(self._current.number, sample)
                self._publish(
                    SpeechStopped(
                        utterance=self._current.number, sample=sample, last_voiced_sample=last_voiced, reason=reason
                    )
                )
                self._utterance = None
            case _:
                assert_never(boundary)

    def _start(self, sample: int) -> None:
        sample = max(sample, self._word_end - LEAD)
        heard = np.concatenate([heard.pcm for heard in self._recent if heard.moment.sample < self._followed])
        pre_roll = heard[-(self._followed - sample) :]
        pre_roll[: max(0, len(pre_roll) - (self._followed - self._word_end))] = 0
        utterance = Utterance(next(self.numbers), sample, pre_roll)
        self._gate.begin(utterance.number, sample)
        self._utterance = utterance
        self.utterances.put_nowait(utterance)
        self._publish(SpeechStarted(utterance=utterance.number, sample=sample))

    def _change_source(self, change: FloorChanged, now: float) -> None:
        self._close("released" if change.given_up or change.source != "none" else "lost", now)
        if change.given_up and self._gate.mode == "push":
            self._gate.stop()
        self._detector.reset()
        if self._gain:
            self._gain.reset()
            self._tell_level(self._gain.level)
        if self._waker:
            self._waker.reset()
        self._recent.clear()
        self._offset = self._position
        self._source = change.source
        self._announce(change.source)

    def _close(self, reason: EndReason, now: float, sample: int | None = None) -> None:
        for boundary in self._segmenter.close(self._position if sample is None else sample, reason):
            self._act(boundary, now)

    def _announce(self, source: str) -> None:
        gate = self._gate
        self._publish(
            ListeningChanged(listening=gate.listening, mode=gate.mode, source=source, waiting_for=gate.waiting_for)
        )

    @property
    def _current(self) -> Utterance:
        if self._utterance is None:
            raise AssertionError("the segmenter spoke of an utterance that was never started")
        return self._utterance

    def _time_of(self, sample: int, now: float) -> float:
        """Monotonic time (s) at which a sample was heard: the newest one was heard now."""
        return now - (self._position - sample) / SAMPLE_RATE

    @staticmethod
    def _frames(milliseconds: int) -> int:
        return math.ceil(milliseconds * SAMPLE_RATE / 1_000 / FRAME_SAMPLES)


class _Meter:
    """Loudness over the last 100 ms."""

    def __init__(self) -> None:
        self._squares = 0.0
        self._peak = 0
        self._frames = 0

    def feed(self, pcm: Samples, probability: float) -> AudioLevel | None:
        wide = pcm.astype(np.int32)
        self._squares += float(np.mean(wide * wide))
        self._peak = max(self._peak, int(np.abs(wide).max()))
        self._frames += 1
        if self._frames < LEVEL_FRAMES:
            return None
        rms = math.sqrt(self._squares / self._frames)
        level = AudioLevel(rms_dbfs=_dbfs(rms), peak_dbfs=_dbfs(self._peak), speech=round(probability, 3))
        self._squares, self._peak, self._frames = 0.0, 0, 0
        return level


def _dbfs(value: float) -> float:
    return round(max(20 * math.log10(value / 32_768), SILENCE_DBFS), 1) if value else SILENCE_DBFS
