"""Models, detectors and sources that implement the Protocols and do what a test tells them."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from speakage_daemon.events import DaemonEvent
from speakage_daemon.hearing.source import Frame
from speakage_engines.api import (
    FRAME_SAMPLES,
    Activity,
    Doubt,
    EngineError,
    ModelChoice,
    PaintRequest,
    PictureModelInfo,
    Preview,
    Samples,
    Size,
    Start,
    Told,
    Transcript,
)

CHOICE = ModelChoice(name="fake", path=Path(), reason="a test asks for it")
INFO = PictureModelInfo(
    choice=CHOICE,
    backend="torch",
    backend_reason="a test asks for it",
    precision="fp32",
    width=16,
    height=16,
    steps=4,
    guidance=1.0,
    sampler="none",
    engine_key="0" * 32,
)
LOUD = np.full(FRAME_SAMPLES, 8_000, np.int16)
QUIET = np.zeros(FRAME_SAMPLES, np.int16)


class LoudIsSpeech:
    """A detector made of arithmetic."""

    def __init__(self, threshold: int = 1_000) -> None:
        self.resets = 0
        self._threshold = threshold

    def feed(self, frame: Samples) -> Activity:
        loud = bool(np.abs(frame.astype(int)).mean() > self._threshold)
        return Activity(voiced=loud, probability=0.9 if loud else 0.05)

    def reset(self) -> None:
        self.resets += 1


class CountsFrames:
    """A speech model that hears one word for each 200 ms, so that its words tell how much it was given."""

    choice = CHOICE
    language = "en"

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.doubts: list[Doubt | None] = []
        self.rejection: str | None = None
        self.broken = False

    def transcribe(self, audio: Samples, *, hotwords: str = "", doubt: Doubt | None = None) -> Transcript:
        self.calls.append(len(audio))
        self.doubts.append(doubt)
        if self.broken:
            raise EngineError("the engine is out of memory")
        loud = int((np.abs(audio.astype(int)) > 1_000).sum())
        words = [f"w{index}" for index in range(loud // 3_200)]
        return Transcript(
            text="" if self.rejection else " ".join(words),
            rejection=self.rejection,  # type: ignore[arg-type]
            average_log_probability=-0.1,
            no_speech_probability=0.0,
            encoder_frames=len(audio) // 160,
            milliseconds=0.0,
        )


@dataclass
class StepByStep:
    """A picture model whose every step waits for a permit, and whose picture is its seed and step.

    What it is told is the number of the request, and one of the same known words is told the same.
    """

    permits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(10_000))
    steps_run: list[tuple[str, int]] = field(default_factory=list)
    requests: list[PaintRequest] = field(default_factory=list)
    fail_on: str = ""
    info: PictureModelInfo = INFO
    starts: list[Start | None] = field(default_factory=list)
    prepared: list[Size] = field(default_factory=list)

    def is_ready(self, size: Size) -> bool:
        return size == (self.info.width, self.info.height) or size in self.prepared

    def prepare(self, size: Size) -> None:
        if size == (666, 666):
            raise EngineError("there is no room on the disk")
        self.prepared.append(size)

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        return tuple(word for word in prompt.split() if word.startswith("zz"))

    def likeness(self, request: PaintRequest, told: Told) -> float:
        words, before = (
            [word for word in each.prompt.split() if not word.startswith("zz")]
            for each in (request, self.requests[int(told[0].flat[0]) - 1])
        )
        return 1.0 if words == before else 0.97

    def paint(self, request: PaintRequest) -> Iterator[Preview]:
        self.starts.append(request.start)
        self.info = replace(self.info, adapters=request.adapters or ())
        self.requests.append(request)
        width, height = request.size or (16, 16)
        for step in range(1, request.steps + 1):
            assert self.permits.acquire(timeout=20)
            if request.prompt == self.fail_on:
                raise EngineError("the engine is out of memory")
            self.steps_run.append((request.prompt, step))
            if not request.previews and step < request.steps:
                continue
            yield Preview(
                step=step,
                steps=request.steps,
                rgb=np.full((height, width, 3), request.seed % 200 + step, np.uint8),
                encode_prompt_ms=1.0,
                denoise_ms=2.0 * step,
                decode_ms=1.0 * step,
                latents=np.full((1, 4, 2, 2), step, np.float32),
                told=(np.full((1, 2), len(self.requests), np.float32),),
            )


@dataclass
class Script:
    """A source that plays frames it is given, and then ends or waits."""

    pcm: list[Samples]
    name: str = "file: script"
    live: bool = False
    endless: bool = False

    async def frames(self) -> AsyncIterator[Frame]:
        import asyncio

        for index, frame in enumerate(self.pcm):
            yield Frame(index * FRAME_SAMPLES, frame)
        if self.endless:
            await asyncio.Event().wait()


class Record(list[DaemonEvent]):
    """Publishes into a list."""

    def __call__(self, event: DaemonEvent, image: bytes | None = None) -> None:
        self.append(event)

    def of(self, *types: str) -> list[DaemonEvent]:
        return [event for event in self if event.type in types]


class Board:
    """Keeps badges, and all that was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.badges: dict[str, str] = {}

    def set_badge(self, cause: str, sentence: str) -> None:
        self.badges[cause] = sentence
        self.told.append(sentence)

    def clear_badge(self, cause: str) -> None:
        self.badges.pop(cause)
