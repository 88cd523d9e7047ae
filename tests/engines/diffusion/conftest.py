"""Picture models for tests: the embedded one on both backends, and tiny random ones in Stable Diffusion's shape."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from engines.diffusion import families
from speakage_engines.api import PictureSpec
from speakage_engines.diffusion.pipeline import LatentDiffusion, load


@pytest.fixture(scope="session")
def spec(engines_folder: Path) -> Callable[..., PictureSpec]:
    """A specification of a picture model, none on disk."""

    def make(**changes: Any) -> PictureSpec:
        return PictureSpec(**{"models_folder": engines_folder / "none", "engines_folder": engines_folder, **changes})

    return make


@pytest.fixture(scope="session")
def embedded(spec: Callable[..., PictureSpec]) -> Callable[[Literal["torch", "openvino"]], LatentDiffusion]:
    """The model that ships, loaded once for each backend."""

    @cache
    def loaded(backend: Literal["torch", "openvino"]) -> LatentDiffusion:
        return load(spec(backend=backend), lambda _what, _done: None)

    return loaded


@pytest.fixture(scope="session")
def tiny_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model in Stable Diffusion's shape, without guidance, as diffusers saves its parts."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16, attention_head_dim=8, norm_num_groups=4,
    )  # fmt: skip
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16), norm_num_groups=4, latent_channels=4,
    )  # fmt: skip
    text = CLIPTextConfig(
        vocab_size=len(families.WORDS), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=families.TOKENS, pad_token_id=0, bos_token_id=2, eos_token_id=2,
    )  # fmt: skip
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing"
    ).save_pretrained(folder / "scheduler")
    families.tokenizer().save_pretrained(folder / "tokenizer")
    (folder / "model_index.json").write_text(
        '{"_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "EulerDiscreteScheduler"],'
        ' "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "PreTrainedTokenizerFast"],'
        ' "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}'
    )
    (folder / "speakage.json").write_text('{"steps": 2, "guidance": 0.0}')
    return folder


@pytest.fixture
def tiny(tiny_original: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, the test's to change."""
    return Path(shutil.copytree(tiny_original, tmp_path / "model"))


@pytest.fixture
def with_tiny_decoder(tiny: Path) -> Path:
    """The tiny model with a decoder for previews, as ``models get`` lays it down."""
    torch.manual_seed(1)
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1), latent_channels=4,
    ).save_pretrained(tiny / "tiny_vae")  # fmt: skip
    return tiny
