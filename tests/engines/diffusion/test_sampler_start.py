"""The sampler's way from a picture, for every scheduler: how many steps, how much noise, and what a mask keeps."""

from __future__ import annotations

import pytest
import torch

from engines.diffusion.test_sampler import CASES, SHAPE, TOLERANCE, knows, picture, scheduler
from speakage_engines.diffusion.sampler import Origin, _noised, _skip, divided, sample

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize(
    ("steps", "strength", "expected"),
    [
        (6, 1.0, (6, 6)), (6, 0.95, (6, 5)), (6, 0.5, (6, 3)), (6, 0.35, (6, 2)), (6, 0.2, (6, 1)), (6, 0.1, (10, 1)),
        (1, 1.0, (1, 1)), (1, 0.5, (2, 1)), (1, 0.95, (2, 1)), (4, 0.01, (20, 1)), (20, 0.75, (20, 15)),
    ],
)  # fmt: skip
def test_at_least_one_step_is_run_and_no_more_than_were_asked_for(
    steps: int, strength: float, expected: tuple[int, int]
) -> None:
    assert divided(steps, strength) == expected


@pytest.mark.parametrize(("steps", "strength"), [(5, 0.25), (5, 0.6), (10, 0.95)])
@pytest.mark.parametrize("case", CASES)
def test_from_a_picture_every_scheduler_ends_at_what_the_denoiser_knows(case: str, steps: int, strength: float) -> None:
    schedule, x0, generator = scheduler(case), picture(), torch.Generator().manual_seed(0)
    origin = Origin(latents=x0, strength=strength)
    noise = torch.randn(SHAPE, generator=generator)
    estimates = list(sample(knows(x0, schedule), schedule, noise, steps, generator, origin))
    _, run = divided(steps, strength)
    assert [estimate.step for estimate in estimates] == list(range(steps - run + 1, steps + 1))
    for estimate in estimates:
        torch.testing.assert_close(estimate.latents, x0, atol=0.2 if estimate.step == steps else TOLERANCE, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_noise_is_added_as_the_scheduler_adds_it(case: str) -> None:
    schedule, x0 = scheduler(case), picture()
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    schedule.set_timesteps(6)
    first = _skip(schedule, 3)
    at = schedule.timesteps[first : first + 1]
    # their arguments come in another order
    expected = schedule.scale_noise(x0, at, noise) if "flow" in case else schedule.add_noise(x0, noise, at)
    torch.testing.assert_close(_noised(schedule, x0, noise, first), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("case", CASES)
def test_what_a_mask_keeps_ends_as_it_was_and_is_shown_at_every_step(case: str, strength: float) -> None:
    schedule, x0, generator = scheduler(case), picture(), torch.Generator().manual_seed(0)
    kept = torch.full(SHAPE, 0.5)
    mask = torch.zeros(1, 1, *SHAPE[2:])
    mask[..., :3] = 1
    origin = Origin(latents=kept, strength=strength, mask=mask)
    noise = torch.randn(SHAPE, generator=generator)
    for estimate in sample(knows(x0, schedule), schedule, noise, 6, generator, origin):
        torch.testing.assert_close(estimate.latents[..., 3:], kept[..., 3:])
        if estimate.step < 6:
            torch.testing.assert_close(estimate.latents[..., :3], x0[..., :3], atol=TOLERANCE, rtol=0)
