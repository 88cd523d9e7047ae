"""Torch paints until the engines are there; whoever watches is told of both."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from fakes import INFO, Board, Record, StepByStep
from speakage_daemon.events import ImageCompleted, PartialImage, Picture
from speakage_daemon.gallery import PictureRecord
from speakage_daemon.painting.continuity import Continuity
from speakage_daemon.painting.painter import Painter
from speakage_daemon.painting.priority import EarsFirst
from speakage_daemon.painting.succession import stand_in, succeed
from speakage_engines.api import BuildError, PictureModel, PictureSpec

from .test_painter import job


class Studio:
    """A painter on a slow backend; the other one arrives when it is let."""

    def __init__(self, failing: str = "") -> None:
        self.first = StepByStep(permits=threading.Semaphore(0), info=replace(INFO, backend="torch"))
        self.second = StepByStep(info=replace(INFO, backend="openvino"))
        self.made = threading.Event()
        self.failing = failing
        self.board = Board()
        self.arrived: list[PictureModel] = []
        self.events = Record()
        self.changed = asyncio.Event()

    def load(self) -> PictureModel:
        assert self.made.wait(20)
        if self.failing:
            raise BuildError(self.failing)
        return self.second

    def publish(self, event, image: bytes | None = None) -> None:
        self.events.append(event)
        self.changed.set()

    def keep(self, rgb: np.ndarray, record: PictureRecord) -> Picture | None:
        return None

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not met():
                self.changed.clear()
                await self.changed.wait()

    def finals(self) -> list[str]:
        return [event.backend for event in self.events if isinstance(event, ImageCompleted)]

    def play(self, script: Callable[[Painter, "asyncio.Task[None]"], "asyncio.Future[None]"]) -> None:
        async def go() -> None:
            with ThreadPoolExecutor(1) as executor:
                painter = Painter(self.first, executor, EarsFirst(), self.publish, self.keep, self.board, Continuity())
                async with asyncio.TaskGroup() as tasks:
                    running = tasks.create_task(painter.run())
                    loading = asyncio.to_thread(self.load)
                    coming = tasks.create_task(succeed(loading, painter, self.board, self.arrived.append))
                    await script(painter, coming)
                    running.cancel()
                self.first.permits.release(100)

        asyncio.run(go())


def test_a_picture_that_was_begun_is_finished_and_the_next_is_the_successors() -> None:
    studio = Studio()

    async def script(painter: Painter, coming: "asyncio.Task[None]") -> None:
        painter.submit(job("a car"))
        studio.first.permits.release(1)
        await studio.until(lambda: any(isinstance(event, PartialImage) for event in studio.events))
        assert "torch paints" in studio.board.badges["engines"]
        studio.made.set()
        await coming
        studio.first.permits.release(100)
        await studio.until(lambda: len(studio.finals()) == 1)
        painter.submit(job("a boat", utterance=2))
        await studio.until(lambda: len(studio.finals()) == 2)

    studio.play(script)
    assert studio.finals() == ["torch", "openvino"]
    assert [prompt for prompt, _ in studio.second.steps_run] == ["a boat"] * 4
    assert studio.board.badges == {}
    assert studio.arrived == [studio.second]


def test_when_the_engines_cannot_be_made_torch_goes_on_and_says_why() -> None:
    studio = Studio(failing="no space left on the disk; free some")

    async def script(painter: Painter, coming: "asyncio.Task[None]") -> None:
        studio.first.permits.release(100)
        studio.made.set()
        await coming
        painter.submit(job("a car"))
        await studio.until(lambda: len(studio.finals()) == 1)

    studio.play(script)
    assert studio.finals() == ["torch"]
    assert studio.board.badges["engines"].endswith("slower: no space left on the disk; free some")
    assert studio.arrived == []


def test_nothing_stands_in_unless_asked_and_needed(tmp_path: Path) -> None:
    wanted = PictureSpec(
        models_folder=tmp_path, engines_folder=tmp_path, model="embedded", backend="openvino", precision="fp32",
        device="cpu", steps=3,
    )  # fmt: skip
    assert stand_in(wanted, "wait") is None
    interim = stand_in(wanted, "torch")
    assert interim == replace(wanted, backend="torch", precision="auto", device="auto")
    assert stand_in(interim, "torch") is None
