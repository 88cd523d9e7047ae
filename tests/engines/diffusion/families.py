"""Tiny random models of every family: real configurations, made small. Parts that families share have the same weights.

Each is what the published folder says of itself: classes, scheduler, prediction, guidance; only widths are ours. What
the project ships of a family (:func:`shipped`) is taken from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerFast

from speakage_engines.diffusion.conversion_parts import read_family

WORDS = ("<pad>", "<unk>", "<end>", "a", "house", "car", "red", "on", "the", "moon", "beach")
TOKENS = 8
WIDTH = 16
POOLED = 12
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
LEADING = {**BETAS, "timestep_spacing": "leading", "steps_offset": 1}
XL = {
    "cross_attention_dim": 2 * WIDTH, "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": POOLED + 6 * 8, "use_linear_projection": True,
    "transformer_layers_per_block": [1, 2],
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Family:
    """What one family's folder says."""

    steps: int
    guidance: float
    scheduler: str
    schedule: dict[str, Any]
    unet: dict[str, Any] = field(default_factory=dict)
    xl: bool = False
    vae: Callable[[], torch.nn.Module]


def unet(**changes: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(**{
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "layers_per_block": 1, "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "cross_attention_dim": WIDTH, "attention_head_dim": 8,
        "norm_num_groups": 4, **changes,
    })  # fmt: skip


def vae(**changes: Any) -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(**{
        "down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2,
        "block_out_channels": (8, 16), "norm_num_groups": 4, "latent_channels": 4, **changes,
    })  # fmt: skip


def xl_vae() -> AutoencoderKL:
    return vae(scaling_factor=0.13025, force_upcast=True)


def tiny_vae() -> AutoencoderTiny:
    torch.manual_seed(0)
    return AutoencoderTiny(
        encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1), latent_channels=4,
    )  # fmt: skip


def text_config(**changes: Any) -> CLIPTextConfig:
    return CLIPTextConfig(**{
        "vocab_size": len(WORDS), "hidden_size": WIDTH, "intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": TOKENS, "pad_token_id": 0, "bos_token_id": 2,
        "eos_token_id": 2, "projection_dim": POOLED, **changes,
    })  # fmt: skip


def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", pad_token="<pad>", model_max_length=TOKENS
    )


def components(family: Family) -> dict[str, Any]:
    """What diffusers' pipelines are made of."""
    torch.manual_seed(0)
    parts = {"text_encoder": CLIPTextModel(text_config()).eval(), "tokenizer": tokenizer()}
    if family.xl:
        torch.manual_seed(1)
        second = CLIPTextModelWithProjection(text_config(hidden_act="gelu")).eval()
        parts |= {"text_encoder_2": second, "tokenizer_2": tokenizer()}
    scheduler = getattr(diffusers, family.scheduler).from_config(family.schedule)
    return {**parts, "unet": unet(**family.unet).eval(), "vae": family.vae().eval(), "scheduler": scheduler}


def save(parts: dict[str, Any], folder: Path, *, steps: int, guidance: float, **index: Any) -> Path:
    """As diffusers lays a pipeline down, with our settings."""
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    classes = {name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()}
    (folder / "model_index.json").write_text(json.dumps({**classes, **index}))
    (folder / "speakage.json").write_text(json.dumps({"steps": steps, "guidance": guidance}))
    return folder


def shipped(name: str, make_vae: Callable[[], torch.nn.Module] | None = None, **changes: Any) -> Family:
    """Steps, guidance and scheduler of a family that the project knows; ``changes`` are to its denoiser."""
    known = read_family(name)
    xl = known.layout == "stable-diffusion-xl"
    return Family(
        steps=known.settings["steps"],
        guidance=known.settings["guidance"],
        scheduler=known.configs["scheduler"]["_class_name"],
        schedule=known.configs["scheduler"],
        unet={**XL, **changes} if xl else changes,
        xl=xl,
        vae=make_vae or (xl_vae if xl else vae),
    )


FAMILIES = {
    "stable diffusion 1.5": Family(
        steps=3, guidance=7.5, scheduler="PNDMScheduler", schedule={**LEADING, "skip_prk_steps": True}, vae=vae
    ),
    "stable diffusion 2.1": Family(
        steps=3, guidance=7.5, scheduler="DDIMScheduler", vae=vae, unet={"use_linear_projection": True},
        schedule={**LEADING, "prediction_type": "v_prediction", "clip_sample": False, "set_alpha_to_one": False},
    ),
    "sd-turbo": shipped("sd-turbo"),
    "hyper-sd": shipped("hyper-sd15"),
    "hyper-sd unified": shipped("hyper-sd15-unified"),
    "sdxs": shipped("sdxs-512", tiny_vae, mid_block_type=None),
    "lcm": shipped("lcm", time_cond_proj_dim=8),
    "lcm-lora": shipped("lcm-lora-sd15"),
    "sdxl": Family(steps=3, guidance=5.0, scheduler="EulerDiscreteScheduler", schedule=LEADING, unet=XL, xl=True,
                   vae=xl_vae),
    "sdxl-turbo": shipped("sdxl-turbo"),
    "sdxl-lightning": shipped("sdxl-lightning"),
    "sdxl-lightning 1 step": shipped("sdxl-lightning-1-step"),
    "lcm-sdxl": Family(steps=4, guidance=8.0, scheduler="LCMScheduler", schedule=BETAS, xl=True, vae=xl_vae,
                       unet={**XL, "time_cond_proj_dim": 8}),
}  # fmt: skip
