"""Likeness of pairs: known values, torchmetrics' own examples, and torchmetrics' LPIPS with the same weights."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.functional.image import lpips as torchmetrics_lpips
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from speakage_engines.evaluation.figure import EvaluationError
from speakage_engines.evaluation.likeness import Lpips, alexnet_features, load_lpips, ms_ssim, psnr, ssim


def pictures(n: int, side: int, seed: int = 0) -> Tensor:
    """Smooth, as pictures are: noise enlarged."""
    small = torch.rand((n, 3, 12, 12), generator=torch.Generator().manual_seed(seed))
    return (nn.functional.interpolate(small, size=(side, side), mode="bilinear") * 255).byte()


def test_equal_pictures() -> None:
    some = pictures(2, 176)
    assert psnr(some, some) == [math.inf, math.inf]
    assert ssim(some, some) == pytest.approx([1, 1])
    assert ms_ssim(some, some) == pytest.approx([1, 1])


def test_psnr_of_a_known_error() -> None:
    """10 everywhere is a mean square error of 100: 10 log₁₀(255² / 100) dB."""
    grey = torch.full((1, 3, 16, 16), 100, dtype=torch.uint8)
    assert psnr(grey, grey + 10) == pytest.approx([28.1308], abs=1e-4)


def test_ssim_of_flat_pictures_is_the_luminance_term() -> None:
    """(2·100·150 + C₁) / (100² + 150² + C₁), C₁ = (0.01·255)²."""
    flat = torch.full((1, 3, 32, 32), 100, dtype=torch.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(flat, flat + 50) == pytest.approx([(2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)], abs=1e-5)


def test_the_library_gives_what_its_documentation_says() -> None:
    """The examples of torchmetrics 1.9: a changed default would change every figure of ours."""
    target = torch.tensor([[3.0, 2.0], [1.0, 0.0]])
    assert peak_signal_noise_ratio(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), target, data_range=3.0) == pytest.approx(
        2.5527, abs=1e-4
    )
    torch.manual_seed(42)
    preds = torch.rand([3, 3, 256, 256])
    assert structural_similarity_index_measure(preds, preds * 0.75) == pytest.approx(0.9219, abs=2e-3)
    assert multiscale_structural_similarity_index_measure(preds, preds * 0.75, data_range=1.0) == pytest.approx(
        0.9628, abs=2e-3
    )


def test_ms_ssim_refuses_pictures_too_small_for_five_scales() -> None:
    with pytest.raises(EvaluationError, match="161 pixels"):
        ms_ssim(pictures(1, 160), pictures(1, 160))


def test_pictures_of_different_sizes_are_no_pairs() -> None:
    with pytest.raises(EvaluationError, match="no pairs"):
        ssim(pictures(1, 32), pictures(1, 64))


def test_lpips_agrees_with_torchmetrics_on_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    alexnet = alexnet_features()
    # the only thing torchmetrics takes from torchvision
    monkeypatch.setattr(torchmetrics_lpips, "_get_tv_model_features", lambda net, pretrained: alexnet)
    theirs = torchmetrics_lpips._LPIPS(net="alex")
    ours = Lpips(alexnet)
    one, other = pictures(3, 64, 1), pictures(3, 64, 2)
    wanted = theirs(one / 255, other / 255, normalize=True).flatten()
    assert ours(one, other).tolist() == pytest.approx(wanted.tolist(), rel=1e-4)
    assert wanted.min() > 1e-4
    assert ours(one, one).tolist() == [0, 0, 0]


def test_lpips_reads_weights_and_names_the_command_when_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"curl -L --create-dirs -o .*https://download\.pytorch\.org"):
        load_lpips(tmp_path / "missing.pth")
    file = tmp_path / "alexnet.pth"
    alexnet = alexnet_features()
    torch.save(
        {f"features.{name}": value for name, value in alexnet.state_dict().items()}
        | {"classifier.1.bias": torch.zeros(1)},
        file,
    )
    one, other = pictures(1, 64, 1), pictures(1, 64, 2)
    assert torch.equal(load_lpips(file)(one, other), Lpips(alexnet)(one, other))
    file.write_bytes(b"half a download")
    with pytest.raises(EvaluationError, match="fetch it again"):
        load_lpips(file)
