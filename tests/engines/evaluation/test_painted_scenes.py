"""Scene accuracy with the detector that ships, of a painter that is right, and wrong on purpose in a single step."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from speakage_engines.api import ModelChoice, PaintRequest, PictureModelInfo, Preview
from speakage_engines.evaluation.detector import SceneDetector, embedded_detector, read_detector
from speakage_engines.evaluation.drawn import scene_tasks
from speakage_engines.evaluation.figure import EvaluationError
from speakage_engines.evaluation.painted_scenes import evaluate_scenes, shared_nouns
from speakage_engines.training.nouns import FEW
from speakage_engines.training.scenes import Scenes, SceneSettings

EACH = 6


class Draughtsman:
    """Draws what the tasks ask for; in a single step, nothing but black."""

    def __init__(self, nouns: tuple[str, ...]) -> None:
        settings = SceneSettings(only=nouns)
        self._nouns = nouns
        self._scenes = Scenes(settings)
        self._tasks = {task.task.caption: task.scene for task in scene_tasks(settings, EACH)}
        self.info = PictureModelInfo(
            choice=ModelChoice(name="draughtsman", path=Path("/nowhere"), reason=""),
            backend="torch", backend_reason="", precision="", width=128, height=128, steps=4, guidance=0.0, sampler="",
            engine_key="",
        )  # fmt: skip

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        return () if prompt in self._nouns else (prompt,)

    def paint(self, request: PaintRequest) -> Iterator[Preview]:
        drawn = self._scenes.draw(self._tasks[request.prompt])
        rgb = drawn if request.steps > 1 else np.zeros_like(drawn)
        yield Preview(
            step=request.steps, steps=request.steps, rgb=rgb, encode_prompt_ms=0, denoise_ms=0, decode_ms=0
        )  # fmt: skip


@pytest.fixture(scope="module")
def eyes() -> SceneDetector:
    return read_detector(embedded_detector())


def test_what_is_drawn_right_is_judged_right_and_black_pictures_are_not(eyes: SceneDetector) -> None:
    told: list[int] = []
    # in the order of the detector, so that the tasks are the same
    nouns = tuple(noun for noun in eyes.config.nouns if noun in FEW)
    found = evaluate_scenes(Draughtsman(nouns), eyes, each=EACH, against=1, watch=lambda done, _: told.append(done))
    figures = {figure.name: figure for figure in found.figures}
    assert found.subject == "draughtsman, 4 steps"
    assert told == [*range(1, 6 * EACH + 1)] * 2
    overall = figures["scene accuracy: overall"]
    assert (overall.n, overall.resolution, overall.features) == (36, "128×128", "scene detector, 50 nouns")
    assert overall.value >= 75
    assert figures["4 steps less 1: overall"].value >= 70
    # the painter draws: what it gets wrong is what the detector gets wrong
    missed = {name.rpartition(": ")[2]: figure.value for name, figure in figures.items() if ", missed: " in name}
    assert {row: 100 - figures[f"scene accuracy: {row}"].value for row in missed} == pytest.approx(missed)


def test_a_model_is_asked_for_what_it_says_it_was_taught(eyes: SceneDetector, tmp_path: Path) -> None:
    """An orange ground teaches the word, and not the fruit."""
    painter = Draughtsman((*FEW, "orange"))
    assert "orange" in shared_nouns(painter, eyes)
    (tmp_path / "speakage.json").write_text(json.dumps({"things": ["dog", "cat", "gramophone"]}))
    painter.info = dataclasses.replace(painter.info, choice=dataclasses.replace(painter.info.choice, path=tmp_path))
    assert set(shared_nouns(painter, eyes)) == {"dog", "cat"}


def test_model_and_detector_have_to_share_things(eyes: SceneDetector) -> None:
    stranger = Draughtsman(FEW)
    stranger._nouns = ("gramophone",)
    with pytest.raises(EvaluationError, match=r"draughtsman: it knows 0 of the \d+ things"):
        shared_nouns(stranger, eyes)
