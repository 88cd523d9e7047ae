"""A tiny random model in Stable Diffusion's shape, made as `speakage bench --random-weights` makes the real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speakage_engines.api import PictureSpec, no_progress
from speakage_engines.bench.plan import Subject
from speakage_engines.bench.random_weights import random_folder
from speakage_engines.diffusion.conversion_parts import Family, read_family

UNET: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel", "sample_size": 16, "in_channels": 4, "out_channels": 4,
    "layers_per_block": 1, "block_out_channels": [16, 32], "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "cross_attention_dim": 16, "attention_head_dim": 8,
    "norm_num_groups": 8,
}  # fmt: skip
TINY_VAE: dict[str, Any] = {
    "_class_name": "AutoencoderTiny", "encoder_block_out_channels": [8, 8], "decoder_block_out_channels": [8, 8],
    "num_encoder_blocks": [1, 1], "num_decoder_blocks": [1, 1], "latent_channels": 4, "scaling_factor": 1.0,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "architectures": ["CLIPTextModel"], "vocab_size": 300, "hidden_size": 16, "intermediate_size": 16,
    "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 40, "pad_token_id": 299,
    "bos_token_id": 298, "eos_token_id": 299, "hidden_act": "gelu",
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny_family() -> Family:
    """SD-Turbo but for its size."""
    turbo = read_family("sd-turbo")
    scheduler = turbo.configs["scheduler"]
    return replace(
        turbo, name="tiny", configs={"unet": UNET, "vae": TINY_VAE, "text_encoder": TEXT, "scheduler": scheduler}
    )


@pytest.fixture(scope="session")
def tiny_subject(tiny_family: Family, engines_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Two steps at 32×32."""
    folder = random_folder(tiny_family, tmp_path_factory.mktemp("random"), 32, no_progress)
    spec = PictureSpec(
        model=str(folder),
        size=32,
        steps=2,
        guidance=0.0,
        models_folder=engines_folder / "none",
        engines_folder=engines_folder,
    )
    return Subject(name="tiny", spec=spec, size=32, steps=2, guidance=0.0)
