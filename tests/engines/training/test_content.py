"""The second lesson: its loss and weights against numbers worked out by hand, and a head that learns what is where."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import UNet2DConditionModel

from speakage_engines.training.content import GROUND, Taught, emphasised, naming_loss
from speakage_engines.training.diffusion import Denoiser

pytestmark = pytest.mark.usefixtures("one_thread")


def test_errors_on_things_count_more_and_the_mean_stays() -> None:
    content = torch.zeros(1, 4, 4, dtype=torch.long)
    content[0, 0, 0] = 3
    error = emphasised(torch.ones(1, 2, 8, 8), content, 2.0)
    assert error.mean().item() == pytest.approx(1)
    assert error[0, :, :2, :2].unique().tolist() == pytest.approx([3 / (18 / 16)])
    assert error[0, 0, 2:, 2:].unique().tolist() == pytest.approx([1 / (18 / 16)])
    assert torch.equal(emphasised(torch.ones(1, 2, 8, 8), content, 0.0), torch.ones(1, 2, 8, 8))


def test_the_loss_of_the_head_is_a_weighted_cross_entropy() -> None:
    content = torch.tensor([[[0, 0], [0, 2]]])
    assert naming_loss(torch.zeros(1, 3, 4, 4), content).item() == pytest.approx(math.log(3))
    scores = torch.zeros(1, 3, 2, 2)
    scores[0, 0] = 50.0
    assert naming_loss(scores, content).item() == pytest.approx(50 / (1 + 3 * GROUND))


def test_a_head_learns_and_leaves_the_prediction_as_it_was() -> None:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16, attention_head_dim=2, norm_num_groups=8,
    )  # fmt: skip

    class Words(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, return_dict: bool) -> tuple[torch.Tensor]:
            return (torch.nn.functional.one_hot(input_ids, 16).float(),)

    pair = Denoiser(unet, Words())
    latents, times, ids = torch.randn(4, 4, 8, 8), torch.full((4,), 999), torch.tensor([[1], [2], [1], [2]])
    before = pair(latents, times, ids)
    taught = Taught(pair, unet, 2)
    content = torch.zeros(4, 8, 8, dtype=torch.long)
    content[:, 2:6, 2:6] = ids.view(4, 1, 1)
    optimiser = torch.optim.Adam(taught.parameters(), lr=3e-3)
    losses = []
    for step in range(150):
        prediction, scores = taught(latents if step == 0 else torch.randn(4, 4, 8, 8), times, ids)
        if step == 0:
            assert torch.equal(prediction, before)
        assert scores is not None
        losses.append(naming_loss(scores, content))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < losses[0] / 5
    # only the words tell the two things apart: it was the denoiser that learned to pass them on
    exchanged = taught(latents, times, 3 - ids)[1]
    assert exchanged is not None
    assert exchanged[:, 1:, 3, 3].argmax(1).tolist() == [1, 0, 1, 0]


def test_without_names_there_is_no_head() -> None:
    unet = torch.nn.Identity()
    assert Taught(torch.nn.Identity(), unet, 0).head is None
