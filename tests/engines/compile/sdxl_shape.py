"""A random denoiser in SDXL's shape, tiny: it is told sizes and a pooled prompt besides the prompt.

A module of its own, since exports are made in another process, which imports it by name.
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel

from speakage_engines.compile.module import Input, Module
from speakage_engines.diffusion.modules import Prediction


def sdxl_shaped() -> torch.nn.Module:
    torch.manual_seed(0)
    model = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4), use_linear_projection=True, transformer_layers_per_block=1,
        cross_attention_dim=64, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=80, norm_num_groups=8,
    )  # fmt: skip
    return Prediction(model)


SDXL = Module(
    name="denoiser",
    load=sdxl_shaped,
    inputs=(
        Input(name="latents", shape=(1, 4, 8, 8)),
        Input(name="time", shape=(1, 32)),
        Input(name="states", shape=(1, 77, 64)),
        Input(name="added", shape=(1, 80)),
    ),
    weights="random, seed 0, SDXL's shape",
)
