r"""Train an autoencoder: pictures to latents an eighth as wide, and back.

Two kinds. ``kl`` is latent diffusion's (Rombach et al. 2022): the encoder gives a normal distribution
:math:`q(z|x) = N(\mu, \sigma^2)`, held near the standard one by (Kingma and Welling 2014, appendix B)

.. math:: KL(q \| N(0, 1)) = \tfrac12 (\mu^2 + \sigma^2 - 1 - \log \sigma^2).

``tiny`` (diffusers' ``AutoencoderTiny``, after TAESD) has no distribution: its latents are kept small by their mean
square, and noised while it learns, so that near latents mean near pictures. It decodes many times faster.

Both minimise :math:`L_{edges} + \lambda_g L_{gradient} + \lambda_z L_{latent}`, where the error of a pixel counts more
where the picture has edges, :math:`w = 1 + k \cdot edges(x)`,

.. math:: L_{edges} = \frac{\sum w |\hat x - x|}{\sum w}, \qquad L_{gradient} = |\nabla \hat x - \nabla x|.

With plain L1, small things on plain backgrounds stay blurred: nearly all pixels are background. A share of squared
error is added, since L1 alone first paints everything in the median colour, and takes long to leave it.

How to run::

    vae = autoencoder.train(autoencoder.preset("cpu"), pictures, Path("runs/autoencoder"), progress)

Started again on the same folder, it goes on from its last checkpoint; ``accelerate launch`` runs it on several GPUs.
Writes ``vae/`` (a diffusers folder, with the scaling factor that gives latents unit variance), ``log.csv``, and
``grids/`` (above the pictures, below what came back). It does *not* use a discriminator or a perceptual network.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn import functional
from typing_extensions import override

from speakage_engines.api import EngineError, Progress
from speakage_engines.diffusion.folder import quiet_libraries
from speakage_engines.training.api import Pictures
from speakage_engines.training.batches import first
from speakage_engines.training.course import Course, Run
from speakage_engines.training.log import write_grid
from speakage_engines.training.networks import read_vae, replace_folder

_MEASURED = 256
"""Pictures whose latents say the scale."""
_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that shapes a run. Of each tuple, one entry a level, finest first; each level after it halves the picture."""

    kind: Literal["tiny", "kl"] = "tiny"
    warm_start: Path | None = None
    """Folder of an autoencoder to go on from, with a fresh optimiser; its own shape is taken."""
    latent_channels: int = 8
    encoder_width: int = 32
    decoder_width: int = 48
    encoder_blocks: tuple[int, ...] = (0, 1, 2, 2)
    decoder_blocks: tuple[int, ...] = (1, 2, 2, 3)
    kl_channels: tuple[int, ...] = (48, 96, 128, 128)
    """Of encoder and decoder (``kl``), in place of widths and blocks."""
    groups: int = 16
    """Of the normalisation (``kl``)."""
    edge_weight: float = 4.0
    gradient_weight: float = 2.0
    square_weight: float = 0.5
    """Of the squared error."""
    latent_weight: float = 1e-3
    """Of the mean square of the latents (``tiny``)."""
    kl_weight: float = 1e-4
    """Of the divergence, as a mean over the latents (``kl``)."""
    latent_noise: float = 0.05
    """Standard deviation (``tiny``)."""
    course: Course


def preset(name: Literal["cpu", "gpu"], **changes: Any) -> Settings:
    """``cpu``: meant for two cores and 128 pixels. ``gpu``: for one large GPU. A run says first how long it takes."""
    if name == "cpu":
        own = Settings(course=Course(steps=10_000, batch=8, final_batch=16, learning_rate=1.5e-3))
    else:
        own = Settings(
            encoder_width=64,
            decoder_width=64,
            encoder_blocks=(1, 2, 3, 3),
            course=Course(steps=8_000, batch=64, final_batch=64, learning_rate=1e-3, workers=12),
        )
    return dataclasses.replace(own, **changes)


def train(settings: Settings, pictures: Pictures, folder: Path, progress: Progress) -> Path:
    """Train, or go on; returns the folder of the autoencoder, which the recipe for diffusion takes.

    Raises :class:`EngineError` with the remedy when the settings cannot be, or are not those the run began with.
    """
    run = Run("autoencoder", settings.course, folder, progress)
    vae = _new(settings, pictures.size)
    model = run.prepare(Reconstruction(vae, settings.latent_noise))
    run.begin({"vae": vae}, dataclasses.asdict(settings), pictures)
    latent_weight = settings.kl_weight if hasattr(vae, "quant_conv") else settings.latent_weight
    shown = first(pictures, _SHOWN).pictures(run.device)

    while run.goes_on:
        for batch in run.batches():
            x = batch.pictures(run.device)
            with run.autocast():
                restored, penalty = model(x, run.generator)
            run.backward(restoration_loss(settings, restored.float(), x) + latent_weight * penalty)
        run.advance()
        if run.at_checkpoint:
            if run.is_main:
                write_grid(folder / f"grids/step-{run.step:08d}.png", [shown, _restore(vae, shown)])
            run.save()
    if run.is_main:
        _write(folder / "vae", vae, latent_scale(vae, first(pictures, _MEASURED).pictures(run.device)))
    run.wait()
    return folder / "vae"


class Reconstruction(torch.nn.Module):
    """(pictures, generator) → (the pictures again, what the latents cost)."""

    def __init__(self, vae: Any, noise: float) -> None:
        super().__init__()
        self.vae = vae
        self._noise = noise

    @override
    def forward(self, pictures: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        encoded = self.vae.encode(pictures)
        if hasattr(encoded, "latent_dist"):
            latents = encoded.latent_dist.sample(generator)
            penalty = divergence(encoded.latent_dist.mean.float(), encoded.latent_dist.logvar.float())
        else:
            noise = torch.randn(encoded.latents.shape, generator=generator, device=pictures.device)
            latents = encoded.latents + self._noise * noise
            penalty = encoded.latents.float().square().mean()
        return self.vae.decode(latents, return_dict=False)[0], penalty


def divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL from the standard normal distribution, as a mean over all latents."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()


def restoration_loss(settings: Settings, restored: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """All but the cost of the latents."""
    edges = edge_l1(restored, pictures, settings.edge_weight)
    squares = (restored - pictures).square().mean()
    return edges + settings.square_weight * squares + settings.gradient_weight * gradient_l1(restored, pictures)


def edge_l1(restored: torch.Tensor, pictures: torch.Tensor, weight: float) -> torch.Tensor:
    """L1 that counts more near edges."""
    right, down = _gradients(pictures)
    edges = functional.pad(right.abs(), (0, 1)) + functional.pad(down.abs(), (0, 0, 0, 1))
    # an edge counts on both its sides
    near = functional.max_pool2d(edges.amax(1, keepdim=True), 3, stride=1, padding=1)
    weights = 1 + weight * near
    return (weights * (restored - pictures).abs()).mean() / weights.mean()


def gradient_l1(restored: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """How differently two pictures rise and fall from each pixel to the next."""
    (right, down), (true_right, true_down) = _gradients(restored), _gradients(pictures)
    return (right - true_right).abs().mean() + (down - true_down).abs().mean()


@torch.no_grad()
def latent_scale(vae: Any, pictures: torch.Tensor) -> float:
    """What latents are multiplied by so that they have unit variance (Rombach et al. 2022, appendix G)."""
    parts = [vae.encode(part) for part in torch.split(pictures, 16)]
    latents = [part.latents if hasattr(part, "latents") else part.latent_dist.mean for part in parts]
    return 1 / max(float(torch.cat(latents).std()), 1e-6)


def _gradients(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return pictures[..., :, 1:] - pictures[..., :, :-1], pictures[..., 1:, :] - pictures[..., :-1, :]


def _new(settings: Settings, size: int) -> Any:
    from diffusers import AutoencoderKL, AutoencoderTiny

    if settings.warm_start:
        return read_vae(settings.warm_start)
    levels = len(settings.kl_channels if settings.kind == "kl" else settings.decoder_blocks)
    if size % 2 ** (levels - 1):
        raise EngineError(f"pictures of {size} pixels cannot be halved {levels - 1} times; take another size")
    if settings.kind == "kl":
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=settings.kl_channels,
            latent_channels=settings.latent_channels,
            norm_num_groups=settings.groups,
            sample_size=size,
        )
    # diffusers takes the decoder's blocks coarsest first
    return AutoencoderTiny(
        encoder_block_out_channels=(settings.encoder_width,) * levels,
        decoder_block_out_channels=(settings.decoder_width,) * levels,
        num_encoder_blocks=settings.encoder_blocks,
        num_decoder_blocks=settings.decoder_blocks[::-1],
        latent_channels=settings.latent_channels,
    )


@torch.no_grad()
def _restore(vae: Any, pictures: torch.Tensor) -> torch.Tensor:
    encoded = vae.encode(pictures)
    latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mean
    restored: torch.Tensor = vae.decode(latents, return_dict=False)[0]
    return restored


def _write(folder: Path, vae: Any, scale: float) -> None:
    if not math.isfinite(scale):
        raise EngineError("the latents are not finite; start again in another folder with a lower learning_rate")
    vae.register_to_config(scaling_factor=scale)
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    with quiet_libraries():
        vae.save_pretrained(unfinished)
    replace_folder(unfinished, folder)
