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
from speakage_daemon.hearing.segmenter import Boundary, Ended, Paused, Resumed, Segmenter, Started
from speakage_daemon.hearing.source import Frame
from speakage_daemon.hearing.utterance import Utterance
from speakage_daemon.hearing.wake import WakeGate
from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE, Samples, SpeechDetector

LEVEL_FRAMES: Final = 5
"""Frames between two level events: 100 ms."""
SILENCE_DBFS: Final = -96.0


class Ear:
    """Turns what the floor hears into utterances."""

    def __init__(
        self,
        settings: SegmenterSettings,
        gate: WakeGate,
        detector: SpeechDetector,
        floor: Floor,
        publish: Callable[[DaemonEvent], None],
        gain: AutomaticGain | None = None,
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
        self._recent: deque[Samples] = deque(maxlen=self._frames(settings.pre_roll_ms + settings.onset_ms) + 2)
        self._position = 0
        """Where the next frame begins, on one clock across sources."""
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
        self.announce()

    def announce(self) -> None:
        """Tell everyone whether and from where words are heard."""
        self._announce(self._floor.holder)

    def _hear(self, frame: Frame, now: float) -> bool:
        """One frame; True when it ended an utterance."""
        sample = frame.sample + self._offset
        self._position = sample + FRAME_SAMPLES
        pcm = self._gain.apply(frame.pcm) if self._gain else frame.pcm
        activity = self._detector.feed(pcm)
        self._judge(frame.pcm, activity.probability)
        if level := self._meter.feed(frame.pcm, activity.probability):
            self._publish(level)
        if not self._gate.listening:
            self._recent.clear()
            return False
        self._recent.append(pcm)
        if self._utterance is not None:
            self._utterance.extend(pcm)
        ended = False
        unfinished = self._utterance is not None and self._utterance.unfinished
        for boundary in self._segmenter.feed(sample, activity, unfinished=unfinished):
            self._act(boundary, now)
            ended = ended or isinstance(boundary, Ended)
        return ended

    def _judge(self, pcm: Samples, probability: float) -> None:
        """Say once that speech is too quiet or too loud, and once that it is not."""
        if self._gain is None:
            return
        self._gain.learn(pcm, probability)
        if self._gain.level != self._level:
            self._level = self._gain.level
            self._publish(SpeechLevel(level=self._level))

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
                self._publish(
                    SpeechStopped(
                        utterance=self._current.number, sample=sample, last_voiced_sample=last_voiced, reason=reason
                    )
                )
                self._utterance = None
            case _:
                assert_never(boundary)

    def _start(self, sample: int) -> None:
        heard = np.concatenate(list(self._recent))
        wanted = self._position - sample
        utterance = Utterance(next(self.numbers), sample, heard[-wanted:])
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
        self._recent.clear()
        self._offset = self._position
        self._announce(change.source)

    def _close(self, reason: EndReason, now: float) -> None:
        for boundary in self._segmenter.close(self._position, reason):
            self._act(boundary, now)

    def _announce(self, source: str) -> None:
        self._publish(ListeningChanged(listening=self._gate.listening, mode=self._gate.mode, source=source))

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
