"""A random denoiser in SDXL's shape, tiny: it is told of sizes and of a pooled prompt besides the prompt.

A module of its own, since exports are made in another process, which imports it by name.
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from typing_extensions import override

from speakage_engines.compile.module import Input, Module


class Projected(torch.nn.Module):
    """Sizes as waves, in the type that they came in: diffusers makes them float32, and ONNX joins only equal types."""

    def __init__(self, projection: torch.nn.Module) -> None:
        super().__init__()
        self.projection = projection

    @override
    def forward(self, sizes: torch.Tensor) -> torch.Tensor:
        waves: torch.Tensor = self.projection(sizes)
        return waves.to(sizes.dtype)


class Conditioned(torch.nn.Module):
    """Takes as inputs what diffusers takes in a dictionary."""

    def __init__(self, model: UNet2DConditionModel) -> None:
        super().__init__()
        self.model = model
        self.model.add_time_proj = Projected(model.add_time_proj)

    @override
    def forward(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        states: torch.Tensor,
        text_embeds: torch.Tensor,
        time_ids: torch.Tensor,
    ) -> torch.Tensor:
        added = {"text_embeds": text_embeds, "time_ids": time_ids}
        prediction: torch.Tensor = self.model(latents, timestep, states, added_cond_kwargs=added, return_dict=False)[0]
        return prediction


def sdxl_shaped() -> torch.nn.Module:
    torch.manual_seed(0)
    model = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4), use_linear_projection=True, transformer_layers_per_block=1,
        cross_attention_dim=64, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=80, norm_num_groups=8,
    )  # fmt: skip
    return Conditioned(model)


SDXL = Module(
    name="denoiser",
    load=sdxl_shaped,
    inputs=(
        Input(name="latents", shape=(1, 4, 8, 8)),
        Input(name="timestep", shape=(1,), dtype="int64"),
        Input(name="states", shape=(1, 77, 64)),
        Input(name="text_embeds", shape=(1, 32)),
        Input(name="time_ids", shape=(1, 6)),
    ),
    weights="random, seed 0, SDXL's shape",
)
