"""Diffusion: schedule, targets, weights and average against their formulas, and a tiny model that learns to paint."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from diffusers.training_utils import EMAModel

from speakage_engines.api import EngineError, PaintRequest, PictureSpec, load_picture, no_progress
from speakage_engines.training.diffusion import averaged, drop, preset, train
from speakage_engines.training.networks import TextShape, read_networks
from speakage_engines.training.schedule import ScheduleSettings, Target, make_schedule, scheduler_config
from toy_training import COLOURS, Discs, Stopped, course, losses, small_diffusion, stop_at

pytestmark = pytest.mark.usefixtures("one_thread")

EPSILON = ScheduleSettings(target="epsilon", zero_terminal_snr=False)
SETTINGS = [EPSILON, ScheduleSettings(target="v"), ScheduleSettings(target="flow")]


def tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 6, 4, 2, 2, generator=generator)
    return x0, noise, torch.tensor([0, 1, 250, 500, 900, 990])


@pytest.mark.parametrize("settings", SETTINGS[:2])
def test_the_schedule_is_the_one_that_paints(settings: ScheduleSettings) -> None:
    scheduler = DDIMScheduler.from_config(scheduler_config(settings))
    schedule = make_schedule(settings)
    assert torch.allclose(schedule.signal**2, scheduler.alphas_cumprod, atol=1e-6)
    assert bool(schedule.signal[-1] == 0) == settings.zero_terminal_snr
    x0, noise, index = tensors()
    assert torch.allclose(schedule.add_noise(x0, noise, index), scheduler.add_noise(x0, noise, index), atol=1e-3)
    if settings.target == "v":
        assert torch.allclose(schedule.truth(x0, noise, index), scheduler.get_velocity(x0, noise, index), atol=1e-3)


def test_a_flow_goes_straight() -> None:
    schedule = make_schedule(SETTINGS[2])
    x0, noise, _ = tensors()
    index = torch.full((6,), 249)
    noisy = schedule.add_noise(x0, noise, index)
    assert torch.allclose(noisy, 0.75 * x0 + 0.25 * noise)
    assert torch.allclose(schedule.truth(x0, noise, index), noise - x0)
    assert (float(schedule.times[249]), float(schedule.signal[-1])) == (250, 0)


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_true_prediction_gives_picture_and_noise_back(settings: ScheduleSettings) -> None:
    schedule = make_schedule(settings)
    x0, noise, index = tensors()
    truth = schedule.truth(x0, noise, index)
    found = schedule.split(truth, schedule.add_noise(x0, noise, index), index)
    assert torch.allclose(found[0], x0, atol=1e-3)
    assert torch.allclose(found[1], noise, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "floor"), [(EPSILON, 0.0), (SETTINGS[1], 0.0), (SETTINGS[1], 1.0), (SETTINGS[2], 0.5)]
)
def test_a_weighted_error_of_the_target_is_a_min_snr_weighted_error_of_x0(
    settings: ScheduleSettings, floor: float
) -> None:
    """Hang et al. 2023: whatever is predicted, the error of x0 is weighted by min(SNR, γ)."""
    schedule = make_schedule(settings)
    x0, noise, index = tensors()
    noisy = schedule.add_noise(x0, noise, index)
    guess = schedule.truth(x0, noise, index) + 0.1
    error = (guess - schedule.truth(x0, noise, index)).square().mean((1, 2, 3))
    of_x0 = (schedule.split(guess, noisy, index)[0] - x0).square().mean((1, 2, 3))
    snr = (schedule.signal[index] / schedule.noise[index]) ** 2
    expected = snr.clamp(min=floor).clamp(max=5) * of_x0
    assert torch.allclose(schedule.weight(index, 5.0, floor) * error, expected, rtol=2e-2)


def test_the_step_without_signal_is_learned() -> None:
    schedule = make_schedule(SETTINGS[1])
    last = torch.tensor([999])
    assert float(schedule.weight(last, 5.0, 0.0)) == 0
    assert float(schedule.weight(last, 5.0, 1.0)) == 1
    assert float(schedule.weight(last, None, 0.0)) == 1
    with pytest.raises(EngineError, match="set zero_terminal_snr to False"):
        make_schedule(ScheduleSettings(target="epsilon"))


def test_one_caption_in_ten_is_dropped() -> None:
    captions = drop(["a disc"] * 4000, 0.1, torch.Generator().manual_seed(0))
    assert set(captions) == {"a disc", ""}
    assert captions.count("") == pytest.approx(400, abs=60)


def test_the_average_follows_and_is_only_lent() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 0.0)
    average = EMAModel(network.parameters(), decay=0.9)
    expected = 0.0
    for step in range(1, 60):
        torch.nn.init.constant_(network.weight, float(step))
        average.step(network.parameters())
        decay = min(0.9, step / (9 + step)) if step > 1 else 0.0
        expected = decay * expected + (1 - decay) * step
    with averaged(average, network):
        assert network.weight.item() == pytest.approx(expected, rel=1e-4)
    assert network.weight.item() == 59


def test_it_stops_and_goes_on_exactly(vae: Path, words: Path, tmp_path: Path) -> None:
    settings = small_diffusion(vae, words, course=course(steps=9, accumulation=2, checkpoint_every=4))
    whole = train(settings, Discs(), tmp_path / "whole", no_progress)
    with pytest.raises(Stopped):
        train(settings, Discs(), tmp_path / "halves", stop_at(7))
    halves = train(settings, Discs(), tmp_path / "halves", no_progress)
    assert losses(tmp_path / "halves") == losses(tmp_path / "whole")
    for part in ("unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"):
        assert (halves / part).read_bytes() == (whole / part).read_bytes()


def test_the_average_is_what_is_written(vae: Path, words: Path, tmp_path: Path) -> None:
    settings = small_diffusion(vae, words, ema=0.5, course=course(steps=4, learning_rate=0.1, checkpoint_every=4))
    folder = train(settings, Discs(), tmp_path, no_progress)
    parts = torch.load(tmp_path / "checkpoints/step-00000004.pt", weights_only=True)["parts"]
    written = read_networks(folder).unet.conv_in.weight
    newest = parts["taught"]["pair.unet.conv_in.weight"]
    mean = next(one for one in parts["average"]["shadow_params"] if one.shape == written.shape)
    assert torch.allclose(written, mean, atol=1e-3)
    assert not torch.allclose(newest, mean, atol=1e-2)


def test_it_learns_to_paint_what_is_said(model: Path, engines_folder: Path) -> None:
    rows = [float(loss) for _, loss in losses(model.parent)]
    assert rows[-1] < rows[0] / 2
    spec = PictureSpec(
        model=str(model), backend="torch", precision="fp32", models_folder=engines_folder, engines_folder=engines_folder
    )
    painter = load_picture(spec)
    assert (painter.info.steps, painter.info.guidance, painter.info.width) == (8, 2.5, 16)
    assert painter.unknown_words("a red elephant") == ("elephant",)
    for name, colour in COLOURS.items():
        picture = [*painter.paint(PaintRequest(prompt=f"a {name} disc", seed=3, steps=8))][-1].rgb
        middle = picture[6:10, 6:10].mean((0, 1))
        assert int(middle.argmax()) == colour.index(max(colour)), f"{name}: {middle}"
    assert (model.parent / "grids/step-00000300.png").is_file()


@pytest.mark.parametrize(
    ("kind", "target", "backend"), [("bert", "v", "openvino"), ("clip", "flow", "torch"), ("clip", "epsilon", "torch")]
)
def test_the_other_choices_train_are_written_and_paint(
    kind: Any, target: Target, backend: Any, vae: Path, words: Path, tmp_path: Path
) -> None:
    settings = small_diffusion(
        vae,
        words,
        text=TextShape(kind=kind, width=16, layers=1, heads=2, feed_forward=32),
        noise=ScheduleSettings(target=target, zero_terminal_snr=target == "v"),
        snr_floor=0.0 if target == "epsilon" else 1.0,
        course=course(steps=16, batch=4, final_batch=4, warmup=5, log_every=8, checkpoint_every=16),
    )
    folder = train(settings, Discs(), tmp_path, no_progress)
    rows = [float(loss) for _, loss in losses(tmp_path)]
    assert rows[-1] < rows[0]
    index = json.loads((folder / "model_index.json").read_text())
    assert index["text_encoder"][1] == {"bert": "BertModel", "clip": "CLIPTextModel"}[kind]
    scheduler = "FlowMatchEulerDiscreteScheduler" if target == "flow" else "DDIMScheduler"
    assert index["scheduler"][1] == scheduler
    assert read_networks(folder).text.config.vocab_size == 7
    spec = PictureSpec(
        model=str(folder), backend=backend, precision="fp32", models_folder=tmp_path, engines_folder=tmp_path / "built"
    )
    painter = load_picture(spec)
    steps = [*painter.paint(PaintRequest(prompt="a red disc", seed=3, steps=4))]
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert steps[-1].rgb.shape == (16, 16, 3)
    assert np.abs(steps[-1].rgb.astype(int) - steps[0].rgb).max() > 0


def test_a_warm_start_goes_on_where_the_model_was(model: Path, vae: Path, words: Path, tmp_path: Path) -> None:
    short = course(steps=4, batch=16, warmup=100, log_every=4, checkpoint_every=4)
    settings = small_diffusion(vae, words, course=short)
    train(settings, Discs(), tmp_path / "cold", no_progress)
    train(dataclasses.replace(settings, warm_start=model), Discs(), tmp_path / "warm", no_progress)
    cold, warm = (float(losses(tmp_path / name)[0][1]) for name in ("cold", "warm"))
    assert warm < cold / 2


def test_a_warm_start_with_other_words_keeps_those_that_both_know(
    model: Path, vae: Path, words: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    other = AutoTokenizer.from_pretrained(words)
    other.add_tokens(["square"])
    other.model_max_length += 2
    other.save_pretrained(tmp_path / "words")
    short = course(steps=4, batch=16, warmup=100, log_every=4, checkpoint_every=4)
    settings = small_diffusion(vae, tmp_path / "words", course=short)
    train(settings, Discs(), tmp_path / "cold", no_progress)
    warm = train(dataclasses.replace(settings, warm_start=model), Discs(), tmp_path / "warm", no_progress)
    first, later = (float(losses(tmp_path / name)[0][1]) for name in ("cold", "warm"))
    assert later < first / 2
    assert read_networks(warm).text.config.vocab_size == len(other)


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_presets_make_networks(name: Any, vae: Path, words: Path) -> None:
    from speakage_engines.training.networks import new_unet

    own = preset(name, autoencoder=vae, tokenizer=words, guidance=3.0)
    assert own.guidance == 3.0
    with torch.device("meta"):
        unet = new_unet(own.denoiser, 8, 16, own.text.width)
    millions = sum(parameter.numel() for parameter in unet.parameters()) / 1e6
    assert {"cpu": 12 < millions < 18, "gpu": 40 < millions < 120}[name]
