"""Distillation: its steps against diffusers' schedulers, and a tiny student that paints at once what was said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from speakage_engines.api import (
    EngineError,
    PaintRequest,
    PictureModel,
    PictureSpec,
    Rgb,
    load_picture,
    no_progress,
)
from speakage_engines.training import diffusion
from speakage_engines.training.distil import (
    Settings,
    Way,
    follow,
    guided,
    preset,
    pseudo_huber,
    student_scheduler,
    train,
)
from speakage_engines.training.schedule import ScheduleSettings, make_schedule, of_alphas, scheduler_config
from toy_training import COLOURS, Discs, Stopped, course, losses, small_diffusion, stop_at

pytestmark = pytest.mark.usefixtures("one_thread")


def tensors() -> tuple[torch.Tensor, torch.Tensor]:
    noisy, prediction = torch.randn(2, 1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    return noisy, prediction


@pytest.mark.parametrize("at", [1, 20, 49])
def test_a_step_of_the_way_is_ddims(at: int) -> None:
    settings = ScheduleSettings()
    scheduler = DDIMScheduler.from_config(scheduler_config(settings))
    scheduler.set_timesteps(50)
    way = Way(make_schedule(settings), 50, 10.0)
    timestep = scheduler.timesteps[49 - at]
    assert int(way.index(torch.tensor([at]))) == int(timestep)
    noisy, prediction = tensors()
    expected = scheduler.step(prediction, timestep, noisy, eta=0.0).prev_sample
    assert torch.allclose(way.step(noisy, prediction, torch.tensor([at])), expected, atol=1e-4)


def test_the_answer_is_what_the_scheduler_paints(model: Path) -> None:
    scheduler = student_scheduler(Settings(teacher=model, course=course()))
    scheduler.set_timesteps(4)
    way = Way(of_alphas(scheduler.alphas_cumprod, "v"), 50, 10.0)
    noisy, prediction = tensors()
    for timestep in scheduler.timesteps:
        expected = scheduler.step(prediction, timestep, noisy).denoised
        at = torch.tensor([(int(timestep) + 1) // 20 - 1])
        assert int(way.index(at)) == int(timestep), "the scheduler visits points of the way only"
        assert torch.allclose(way.answer(noisy, prediction, at), expected, atol=1e-4)


def test_at_the_end_of_the_way_there_is_nothing_to_say() -> None:
    way = Way(make_schedule(ScheduleSettings()), 50, 10.0)
    noisy, prediction = tensors()
    assert torch.equal(way.answer(noisy, prediction, torch.tensor([-1])), noisy)


def test_distance_guidance_and_average() -> None:
    assert float(pseudo_huber(torch.tensor([3.0, -3.0]), 4.0)) == pytest.approx(1.0)
    both = torch.cat([torch.full((1, 1, 1, 1), 1.0), torch.full((1, 1, 1, 1), 3.0)])
    assert float(guided(both, 2.5)) == pytest.approx(6.0)
    slow, fast = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(slow.weight, 1.0)
    torch.nn.init.constant_(fast.weight, 3.0)
    follow(slow, fast, 0.75)
    assert slow.weight.item() == pytest.approx(1.5)


def test_it_stops_and_goes_on_exactly(model: Path, tmp_path: Path) -> None:
    settings = Settings(teacher=model, course=course(steps=7, checkpoint_every=3, accumulation=2))
    whole = train(settings, Discs(), tmp_path / "whole", no_progress)
    with pytest.raises(Stopped):
        train(settings, Discs(), tmp_path / "halves", stop_at(5))
    halves = train(settings, Discs(), tmp_path / "halves", no_progress)
    assert losses(tmp_path / "halves") == losses(tmp_path / "whole")
    weights = "unet/diffusion_pytorch_model.safetensors"
    assert (halves / weights).read_bytes() == (whole / weights).read_bytes()
    assert (halves / weights).read_bytes() != (model / weights).read_bytes()


def picture(painter: PictureModel, prompt: str, steps: int) -> Rgb:
    return [*painter.paint(PaintRequest(prompt=prompt, seed=5, steps=steps))][-1].rgb


def test_the_student_paints_at_once_what_the_teacher_paints_in_many(
    model: Path, tmp_path: Path, engines_folder: Path
) -> None:
    long = course(steps=60, batch=16, final_batch=16, learning_rate=3e-3, warmup=10, log_every=10, checkpoint_every=60)
    # few points, since what is known at the end of the way comes up one point a step
    folder = train(Settings(teacher=model, points=4, course=long), Discs(), tmp_path, no_progress)

    def load(path: Path) -> PictureModel:
        places = {"models_folder": engines_folder, "engines_folder": engines_folder}
        return load_picture(PictureSpec(model=str(path), backend="torch", precision="fp32", **places))

    teacher, student = load(model), load(folder)
    assert (student.info.steps, student.info.guidance, student.info.sampler) == (4, 1.0, "LCMScheduler")
    far: dict[str, list[float]] = {"teacher": [], "student": []}
    for name, colour in COLOURS.items():
        prompt = f"a {name} disc"
        for steps in (1, 2, 4):
            middle = picture(student, prompt, steps)[6:10, 6:10].mean((0, 1))
            assert int(middle.argmax()) == colour.index(max(colour)), f"{name} in {steps}: {middle}"
        goal = picture(teacher, prompt, 50).astype(float)
        for who, painter in (("teacher", teacher), ("student", student)):
            far[who].append(float(np.abs(picture(painter, prompt, 1) - goal).mean()))
    assert np.mean(far["student"]) < np.mean(far["teacher"]), far
    assert (tmp_path / "grids/step-00000060.png").is_file()


def test_teachers_that_cannot_be_taken_are_refused(vae: Path, words: Path, tmp_path: Path) -> None:
    flow = small_diffusion(vae, words, noise=ScheduleSettings(target="flow"), course=course(steps=1))
    teacher = diffusion.train(flow, Discs(), tmp_path / "flow", no_progress)
    with pytest.raises(EngineError, match="train the teacher with target v or epsilon"):
        train(Settings(teacher=teacher, course=course()), Discs(), tmp_path / "run", no_progress)
    with pytest.raises(EngineError, match="train a model first"):
        train(Settings(teacher=tmp_path / "none", course=course()), Discs(), tmp_path / "run", no_progress)
    with pytest.raises(EngineError, match="paint_steps is 0"):
        train(Settings(teacher=teacher, paint_steps=0, course=course()), Discs(), tmp_path / "run", no_progress)


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_presets_take_changes(name: Any, model: Path) -> None:
    assert preset(name, teacher=model, paint_steps=2).paint_steps == 2
