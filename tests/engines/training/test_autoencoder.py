"""The autoencoder's losses against their formulas, and a tiny run: it learns, stops, and goes on exactly."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from speakage_engines.api import EngineError, no_progress
from speakage_engines.training.autoencoder import divergence, edge_l1, gradient_l1, latent_scale, preset, train
from speakage_engines.training.batches import first
from speakage_engines.training.networks import read_vae
from toy_training import Discs, Stopped, course, losses, small_autoencoder, stop_at

pytestmark = pytest.mark.usefixtures("one_thread")


def half() -> torch.Tensor:
    """Black on the left, white on the right, 4 × 4."""
    picture = torch.full((1, 3, 4, 4), -1.0)
    picture[..., 2:] = 1
    return picture


def test_without_weight_the_error_is_l1_and_with_it_edges_count_more() -> None:
    picture = half()
    far, near = picture.clone(), picture.clone()
    far[..., 3] += 0.5
    near[..., 1] += 0.5
    assert float(edge_l1(far, picture, 0)) == pytest.approx(0.125)
    # the edge of height 2 lies between the second column and the third; it makes weights of 9, 9, 9 and 1
    assert float(edge_l1(near, picture, 4)) == pytest.approx(0.5 * 9 / 28)
    assert float(edge_l1(far, picture, 4)) == pytest.approx(0.5 * 1 / 28)


def test_the_gradient_error_sees_edges_and_not_brightness() -> None:
    assert float(gradient_l1(half() + 0.3, half())) == pytest.approx(0, abs=1e-6)
    # one of three columns of differences is off by 2
    assert float(gradient_l1(torch.zeros(1, 3, 4, 4), half())) == pytest.approx(2 / 3)


def test_the_divergence_is_torchs_own() -> None:
    mean, log_variance = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).mean()
    assert float(divergence(mean, log_variance)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kind", ["tiny", "kl"])
def test_it_stops_and_goes_on_exactly(kind: str, tmp_path: Path) -> None:
    settings = small_autoencoder(kind=kind)
    whole = train(settings, Discs(), tmp_path / "whole", no_progress)
    with pytest.raises(Stopped):
        train(settings, Discs(), tmp_path / "halves", stop_at(8))
    assert losses(tmp_path / "halves")[-1][0] == 8
    halves = train(settings, Discs(), tmp_path / "halves", no_progress)
    assert losses(tmp_path / "halves") == losses(tmp_path / "whole")
    assert [step for step, _ in losses(tmp_path / "whole")] == list(range(1, 13))
    one, other = read_vae(whole).state_dict(), read_vae(halves).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert json.loads((halves / "config.json").read_text()) == json.loads((whole / "config.json").read_text())


def test_a_changed_setting_is_another_run(tmp_path: Path) -> None:
    settings = small_autoencoder(course=course(steps=5))
    train(settings, Discs(), tmp_path, no_progress)
    with pytest.raises(EngineError, match=r"edge_weight was 4.0 and is 1.0"):
        train(dataclasses.replace(settings, edge_weight=1.0), Discs(), tmp_path, no_progress)


def test_it_learns_and_its_latents_have_unit_variance(vae: Path) -> None:
    rows = [float(loss) for _, loss in losses(vae.parent)]
    assert rows[-1] < rows[0] / 3
    read = read_vae(vae)
    assert read.config.scaling_factor == pytest.approx(latent_scale(read, first(Discs(), 256).pictures(read.device)))
    shown = first(Discs(), 16).pictures(read.device)
    with torch.no_grad():
        restored = read.decode(read.encode(shown).latents).sample
    assert float((restored - shown).abs().mean()) < 0.2
    assert (vae.parent / "grids").is_dir()


def test_a_warm_start_keeps_what_was_learned(vae: Path, tmp_path: Path) -> None:
    settings = small_autoencoder(warm_start=vae, course=course(steps=2, warmup=100, log_every=1, checkpoint_every=2))
    train(settings, Discs(), tmp_path, no_progress)
    assert float(losses(tmp_path)[0][1]) < 2 * float(losses(vae.parent)[-1][1])


BF16 = """
import sys
from pathlib import Path
from speakage_engines.api import no_progress
from speakage_engines.training.autoencoder import train
from toy_training import Discs, course, small_autoencoder

settings = small_autoencoder(course=course(steps=2, accumulation=2, precision="bf16", workers=1))
train(settings, Discs(), Path(sys.argv[1]), no_progress)
"""


def test_bf16_accumulation_and_a_worker_run(tmp_path: Path) -> None:
    # in a process of its own, as `speakage train` is
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    ran = subprocess.run(
        [sys.executable, "-c", BF16, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "vae" / "config.json").is_file()


def test_sizes_that_cannot_be_halved_are_refused(tmp_path: Path) -> None:
    class Odd(Discs):
        size = 17

    with pytest.raises(EngineError, match="17 pixels cannot be halved 1 times"):
        train(small_autoencoder(), Odd(), tmp_path, no_progress)


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_presets_log_between_checkpoints(name: str) -> None:
    own = preset(name, latent_channels=6)  # type: ignore[arg-type]
    assert own.latent_channels == 6
    assert own.course.checkpoint_every % own.course.log_every == 0
