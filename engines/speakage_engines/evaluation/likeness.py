"""How like one picture is to another of the same subject: PSNR, SSIM, MS-SSIM and LPIPS, pair by pair.

The first three are torchmetrics'. LPIPS is Zhang et al. 2018 (AlexNet, version 0.1) with the trained heads that
torchmetrics ships; torchmetrics itself needs torchvision for the network under them, which is only five convolutions.
The AlexNet weights are a download of their own: this module never fetches them, it names the command.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from pickle import UnpicklingError
from typing import Final

import torch
from torch import Tensor, nn
from typing_extensions import override

from speakage_engines.evaluation.figure import EvaluationError

SMALLEST_FOR_MS_SSIM: Final = 161
"""Pixels: five scales of an 11-pixel window (Wang et al. 2003) need more than (11 - 1) · 2⁴."""
ALEXNET_FILE: Final = "alexnet-owt-7be5be79.pth"
ALEXNET_ADDRESS: Final = f"https://download.pytorch.org/models/{ALEXNET_FILE}"
_SHIFT: Final = (-0.030, -0.088, -0.188)
_SCALE: Final = (0.458, 0.448, 0.450)
_SEES: Final = (1, 4, 7, 9, 11)
"""Layers of AlexNet whose output LPIPS compares: its five rectifiers."""


def psnr(pictures: Tensor, references: Tensor) -> list[float]:
    """Decibels for each pair of uint8 pictures, shape (n, 3, h, w); infinite for equal ones."""
    from torchmetrics.functional.image import peak_signal_noise_ratio

    _check(pictures, references)
    values = peak_signal_noise_ratio(
        pictures.double(), references.double(), data_range=255.0, reduction="none", dim=(1, 2, 3)
    )
    return [float(value) for value in values]


def ssim(pictures: Tensor, references: Tensor) -> list[float]:
    """Wang et al. 2004, with the usual Gaussian window of σ = 1.5; 1 for equal pictures."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    _check(pictures, references)
    values = structural_similarity_index_measure(
        pictures.double(), references.double(), data_range=255.0, reduction="none"
    )
    return torch.as_tensor(values).reshape(-1).tolist()


def ms_ssim(pictures: Tensor, references: Tensor) -> list[float]:
    """Wang et al. 2003; raises :class:`EvaluationError` for pictures too small for its five scales."""
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    _check(pictures, references)
    if min(pictures.shape[2:]) < SMALLEST_FOR_MS_SSIM:
        raise EvaluationError(
            f"MS-SSIM needs pictures of {SMALLEST_FOR_MS_SSIM} pixels or more, not "
            f"{pictures.shape[3]}×{pictures.shape[2]}; enlarging them would make another metric of it, use SSIM"
        )
    values = multiscale_structural_similarity_index_measure(
        pictures.double(), references.double(), data_range=255.0, reduction="none", normalize="relu"
    )
    return values.reshape(-1).tolist()


class Lpips(nn.Module):
    """Calls give one distance a pair; 0 for equal pictures."""

    shift: Tensor
    scale: Tensor

    def __init__(self, alexnet: nn.Sequential) -> None:
        super().__init__()
        self.alexnet = alexnet
        self.heads = nn.ParameterList(_heads())
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1))
        self.eval().requires_grad_(requires_grad=False)

    @override
    def forward(self, pictures: Tensor, references: Tensor) -> Tensor:
        """Equation 1 of the paper, for uint8 pictures of shape (n, 3, h, w); gives shape (n,)."""
        _check(pictures, references)
        total = torch.zeros(len(pictures))
        for head, one, other in zip(self.heads, self._layers(pictures), self._layers(references), strict=True):
            difference = (_unit(one) - _unit(other)) ** 2
            total += (difference * head).sum(dim=1).mean(dim=(1, 2))
        return total

    def _layers(self, pictures: Tensor) -> list[Tensor]:
        flow = (pictures.float() / 127.5 - 1 - self.shift) / self.scale
        seen = []
        for number, layer in enumerate(self.alexnet):
            flow = layer(flow)
            if number in _SEES:
                seen.append(flow)
        return seen


def load_lpips(weights: Path | None = None) -> Lpips:
    """LPIPS with AlexNet's published weights; raises :class:`EvaluationError` with the command when missing."""
    path = weights or Path(torch.hub.get_dir()) / "checkpoints" / ALEXNET_FILE
    if not path.is_file():
        raise EvaluationError(
            f"LPIPS needs the weights of AlexNet at {path}; get them with: "
            f"curl -L --create-dirs -o {path} {ALEXNET_ADDRESS}"
        )
    network = alexnet_features()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(
            {name.removeprefix("features."): value for name, value in state.items() if name.startswith("features.")}
        )
    except (OSError, RuntimeError, ValueError, EOFError, AttributeError, LookupError, UnpicklingError) as error:
        raise EvaluationError(
            f"{path} does not hold AlexNet's weights ({str(error)[:160]}); delete it and fetch it again"
        ) from None
    return Lpips(network)


def alexnet_features() -> nn.Sequential:
    """The convolutions of AlexNet as torchvision lays them out, without weights."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
    )


def _heads() -> list[Tensor]:
    """The trained weights of each channel, from torchmetrics' package, each of shape (1, channels, 1, 1)."""
    path = Path(str(files("torchmetrics"))) / "functional" / "image" / "lpips_models" / "alex.pth"
    state = torch.load(path, map_location="cpu", weights_only=True)
    return [state[f"lin{number}.model.1.weight"] for number in range(len(_SEES))]


def _unit(layer: Tensor) -> Tensor:
    return layer / torch.sqrt(1e-8 + (layer**2).sum(dim=1, keepdim=True))


def _check(pictures: Tensor, references: Tensor) -> None:
    if pictures.shape != references.shape or pictures.ndim != 4:
        raise EvaluationError(
            f"pictures of shape {tuple(pictures.shape)} and references of shape {tuple(references.shape)} are no pairs"
        )
