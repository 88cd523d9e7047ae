"""What is where, as a second lesson for a denoiser: for data that know it, as drawn scenes do.

A picture's error says little of a small thing that should be a cat, and much of the meadow behind it. So errors on
things count more; and a head reads the denoiser's features between its two finest levels and names the thing in every
cell, which needs exactly what is hardest to learn: which word means which thing, and where the caption wants it. The
head is thrown away with the run. Deep supervision (Lee et al. 2015), with what is drawn in place of another network's
features, to which REPA (Yu et al. 2025) aligns a denoiser and so trains it in a fraction of the steps.
"""

from __future__ import annotations

from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812
from typing_extensions import override

GROUND: Final = 0.1
"""How much a cell of the background counts for the head, against one of a thing."""


class Taught(torch.nn.Module):
    """A network around a ``UNet2DConditionModel`` with a head that names what is where.

    ``(noisy latents, timesteps, token ids)`` → ``(prediction, scores)``, scores of shape ``(n, names + 1, rows, rows)``
    for nothing and each name; None without names.
    """

    def __init__(self, pair: torch.nn.Module, unet: Any, names: int) -> None:
        super().__init__()
        self.pair = pair
        self.head: torch.nn.Module | None = None
        self._seen: torch.Tensor | None = None
        if not names:
            return
        channels = unet.config.block_out_channels[:2][-1]
        norm = torch.nn.GroupNorm(unet.config.norm_num_groups, channels)
        self.head = torch.nn.Sequential(norm, torch.nn.SiLU(), torch.nn.Conv2d(channels, names + 1, 1))
        unet.up_blocks[-2:][0].register_forward_hook(self._see)

    @override
    def forward(
        self, latents: torch.Tensor, times: torch.Tensor, ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        prediction = self.pair(latents, times, ids)
        if self.head is None:
            return prediction, None
        seen, self._seen = self._seen, None
        return prediction, self.head(seen)

    def _see(self, _block: Any, _given: Any, features: torch.Tensor) -> None:
        self._seen = features if self.training else None


def naming_loss(scores: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every cell; ``content`` of shape ``(n, rows, rows)`` is brought to the size of the scores."""
    weight = torch.ones(scores.shape[1], device=scores.device)
    weight[0] = GROUND
    return F.cross_entropy(scores.float(), _to_size(content.float(), scores).long(), weight)


def emphasised(error: torch.Tensor, content: torch.Tensor, emphasis: float) -> torch.Tensor:
    """Errors of shape ``(n, channels, side, side)`` with those on things ``1 + emphasis`` times as heavy, mean kept."""
    weight = 1 + emphasis * _to_size((content > 0).float(), error)[:, None]
    return error * weight / weight.mean()


def _to_size(cells: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(cells[:, None], like.shape[-2:], mode="nearest")[:, 0]
