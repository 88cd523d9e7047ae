"""A recipe: train the scene detector on drawn scenes, whose truth is known because they were drawn.

The pictures are spoilt a little (blurred by a smaller size, noised, brightened), since what a diffusion model paints
is softer than what was drawn, and a detector that has only seen sharp edges would blame the painter for it. It never
sees a painted picture. The number of a scene decides which part it belongs to: held-out numbers are never trained on.

Mixed precision (bf16) throughout. :data:`CPU` is meant for two cores and 128 pixels, :data:`TINY` for tests.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from speakage_engines.api import Rgb
from speakage_engines.evaluation.detector import DetectorConfig, Maps, SceneDetector, Seen


class DrawnScenes(Protocol):
    """Drawn pictures whose truth is known; the same number gives the same scene."""

    size: int
    nouns: Sequence[str]
    colours: Sequence[str]
    """That things are drawn in."""
    backgrounds: Sequence[str]

    def __len__(self) -> int:
        """How many there are; drawn data may say any large number."""

    def scene(self, number: int) -> tuple[Rgb, Seen]:
        """The picture of that number and what is on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorRecipe:
    """How long and how wide."""

    steps: int = 2_500
    batch: int = 32
    learning_rate: float = 2e-3
    """At its peak; it rises over a twentieth of the steps and falls to nothing as a cosine."""
    width: int = 32
    held_out: int = 2_000
    """The first so many scenes are never trained on."""
    seed: int = 0
    device: str = "cpu"


TOLD_EVERY: Final = 50
"""Steps."""

CPU: Final = DetectorRecipe()
GPU: Final = DetectorRecipe(steps=30_000, batch=128, width=64, device="cuda")
TINY: Final = DetectorRecipe(steps=40, batch=8, width=4, held_out=16)


@dataclass(frozen=True, slots=True)
class Step:
    """How training goes."""

    step: int
    steps: int
    loss: float
    seconds_left: float


def train_detector(
    scenes: DrawnScenes,
    recipe: DetectorRecipe = CPU,
    watch: Callable[[Step], None] | None = None,
) -> SceneDetector:
    """Train from scratch; the same recipe on the same machine gives the same weights."""
    config = DetectorConfig(
        nouns=tuple(scenes.nouns),
        colours=tuple(scenes.colours),
        backgrounds=tuple(scenes.backgrounds),
        size=scenes.size,
        width=recipe.width,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = SceneDetector(config).to(recipe.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return _train(network, scenes, recipe, watch)


def _train(
    detector: SceneDetector,
    scenes: DrawnScenes,
    recipe: DetectorRecipe,
    watch: Callable[[Step], None] | None,
) -> SceneDetector:
    numbers = np.random.default_rng(recipe.seed)
    optimiser = torch.optim.AdamW(detector.parameters(), lr=recipe.learning_rate, weight_decay=0.01)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share_of_rate(step, recipe.steps))
    detector.train()
    began = time.monotonic()
    for step in range(1, recipe.steps + 1):
        drawn = [scenes.scene(int(n)) for n in numbers.integers(recipe.held_out, len(scenes), recipe.batch)]
        pictures = spoil(as_tensor([picture for picture, _ in drawn])).to(recipe.device)
        with torch.autocast(torch.device(recipe.device).type, torch.bfloat16):
            seen = detector(pictures.contiguous(memory_format=torch.channels_last))
        loss = loss_of(Maps(*(each.float() for each in seen)), [truth for _, truth in drawn], detector.config)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 5.0)
        optimiser.step()
        rate.step()
        if watch is not None and (step % TOLD_EVERY == 0 or step in (1, recipe.steps)):
            left = (time.monotonic() - began) / step * (recipe.steps - step)
            watch(Step(step, recipe.steps, float(loss.detach()), left))
    return detector.cpu().eval()


def as_tensor(pictures: Sequence[Rgb]) -> Tensor:
    """Pictures of one size, (height, width, 3) each, as uint8 of shape (n, 3, height, width)."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def spoil(pictures: Tensor) -> Tensor:
    """Half of them softened, all of them noised and brightened or darkened a little; floats of 0 to 255."""
    spoilt = pictures.float()
    side = pictures.shape[-1]
    soft = torch.rand(len(pictures)) < 0.5
    if soft.any():
        smaller = int(side * (0.4 + 0.6 * float(torch.rand(()))))
        small = functional.interpolate(spoilt[soft], size=(smaller, smaller), mode="bilinear", antialias=True)
        spoilt[soft] = functional.interpolate(small, size=(side, side), mode="bilinear")
    shape = (len(pictures), 1, 1, 1)
    contrast, brightness = 1 + 0.15 * torch.randn(shape), 10 * torch.randn(shape)
    noise = torch.randn_like(spoilt) * (12 * torch.rand(shape))
    return ((spoilt - 127.5) * contrast + 127.5 + brightness + noise).clamp(0, 255)


def loss_of(maps: Maps, truths: Sequence[Seen], config: DetectorConfig) -> Tensor:
    """Focal loss of the middles, cross-entropy of the classes, L1 of the extents."""
    heat, cells, classes, extents = _targets(truths, config, maps.middle.shape[-1])
    heat = heat.to(maps.middle.device)
    backgrounds = ("", *config.backgrounds)
    background = torch.tensor([backgrounds.index(truth.background) for truth in truths], device=heat.device)
    loss = _focal(maps.middle[:, 0], heat) + functional.cross_entropy(maps.background, background)
    if not cells:
        return loss
    picture, row, column = (list(index) for index in zip(*cells, strict=True))
    nouns = torch.tensor([noun for noun, _ in classes], device=heat.device)
    colours = torch.tensor([colour for _, colour in classes], device=heat.device)
    wanted = torch.tensor(extents, device=heat.device)
    return (
        loss
        + functional.cross_entropy(maps.noun[picture, :, row, column], nouns)
        + functional.cross_entropy(maps.colour[picture, :, row, column], colours)
        + functional.l1_loss(maps.extent[picture, :, row, column], wanted)
    )


def _targets(
    truths: Sequence[Seen], config: DetectorConfig, side: int
) -> tuple[Tensor, list[tuple[int, int, int]], list[tuple[int, int]], list[tuple[float, float]]]:
    """The map of middles, and for each thing its cell, its classes and its extent."""
    axis = torch.arange(side).float() + 0.5
    heat = torch.zeros(len(truths), side, side)
    cells: list[tuple[int, int, int]] = []
    classes: list[tuple[int, int]] = []
    extents: list[tuple[float, float]] = []
    colours = ("", *config.colours)
    for number, truth in enumerate(truths):
        for thing in truth.things:
            row, column = (min(side - 1, max(0, int(place * side))) for place in (thing.y, thing.x))
            # a bell as wide as a tenth of the thing: beside the middle is less wrong than far away
            wide, high = (max(0.7, extent * side / 10) for extent in (thing.width, thing.height))
            bell = torch.exp(
                -((axis[None, :] - column - 0.5) ** 2) / (2 * wide**2)
                - (axis[:, None] - row - 0.5) ** 2 / (2 * high**2)
            )
            heat[number] = torch.maximum(heat[number], bell)
            cells.append((number, row, column))
            classes.append((config.nouns.index(thing.noun), colours.index(thing.colour)))
            extents.append((thing.width, thing.height))
    return heat, cells, classes, extents


def _focal(logits: Tensor, heat: Tensor) -> Tensor:
    """Equation 1 of CenterNet, α = 2, β = 4, over the number of things."""
    likelihood = logits.sigmoid()
    middle = heat == 1
    hits = functional.logsigmoid(logits) * (1 - likelihood) ** 2
    misses = functional.logsigmoid(-logits) * likelihood**2 * (1 - heat) ** 4
    return -torch.where(middle, hits, misses).sum() / middle.sum().clamp(min=1)


def _share_of_rate(step: int, steps: int) -> float:
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
