"""The networks of a latent diffusion model: made new, read from a folder, written as a folder that Speakage loads.

The folder is diffusers' own layout (``model_index.json`` and a folder a part) with ``speakage.json`` beside it.
"""

from __future__ import annotations

import copy
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from speakage_engines.api import EngineError
from speakage_engines.diffusion.folder import quiet_libraries
from speakage_engines.diffusion.text import load_tokenizer
from speakage_engines.models import SETTINGS_FILE
from speakage_engines.training.api import Pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiserShape:
    """A ``UNet2DConditionModel``; every tuple has one entry a level, finest first."""

    channels: tuple[int, ...] = (64, 160, 192)
    layers: tuple[int, ...] = (1, 2, 1)
    heads: tuple[int, ...] = (4, 5, 6)
    attention: tuple[bool, ...] = (False, True, True)
    groups: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class TextShape:
    """The text encoder: CLIP's, which reads from left to right, or BERT's, which reads both ways."""

    kind: Literal["clip", "bert"] = "clip"
    width: int = 192
    layers: int = 3
    heads: int = 6
    feed_forward: int = 512


@dataclass(frozen=True, slots=True)
class Networks:
    """What a picture model consists of."""

    unet: Any
    text: Any
    vae: Any
    tokenizer: Any


def read_tokenizer(path: Path) -> Any:
    """A transformers tokenizer folder; its ``model_max_length`` is the length of every prompt."""
    tokenizer = load_tokenizer(path, sys.maxsize)
    if tokenizer.model_max_length > 512:
        raise EngineError(f"{path}/tokenizer_config.json: model_max_length is missing or above 512; set it")
    return tokenizer


def tokens(tokenizer: Any, captions: list[str]) -> torch.Tensor:
    """Ids of shape ``(n, length)``, padded and cut as the engine does."""
    length = tokenizer.model_max_length
    ids = tokenizer(captions, padding="max_length", max_length=length, truncation=True)["input_ids"]
    return torch.tensor(ids)


def new_unet(shape: DenoiserShape, latent_channels: int, side: int, text_width: int) -> Any:
    """A denoiser that knows nothing yet; ``side`` is that of the latents."""
    from diffusers import UNet2DConditionModel

    down = tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in shape.attention)
    up = tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(shape.attention))
    return UNet2DConditionModel(
        sample_size=side,
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=down,
        up_block_types=up,
        block_out_channels=shape.channels,
        layers_per_block=shape.layers,
        # diffusers means the number of heads
        attention_head_dim=shape.heads,
        cross_attention_dim=text_width,
        norm_num_groups=shape.groups,
    )


def new_text(shape: TextShape, tokenizer: Any) -> Any:
    """A text encoder that knows nothing yet, for a tokenizer."""
    from transformers import BertConfig, BertModel, CLIPTextConfig, CLIPTextModel

    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward,
        "max_position_embeddings": tokenizer.model_max_length,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if shape.kind == "clip":
        # only the pooled vector, which nobody uses, would look for the end
        ends = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
        ends = {name: tokenizer.pad_token_id if number is None else number for name, number in ends.items()}
        return CLIPTextModel(CLIPTextConfig(**sizes, **ends, projection_dim=shape.width))
    model = BertModel(BertConfig(**sizes, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    # only the states are used: what makes one vector of them never gets a gradient
    model.pooler.requires_grad_(False)
    return model


def read_vae(path: Path) -> Any:
    """The autoencoder of a folder: one with KL or a tiny one; raises :class:`EngineError` naming it."""
    import diffusers

    try:
        kind = json.loads((path / "config.json").read_text(encoding="utf-8")).get("_class_name")
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}/config.json: cannot be read ({error}); train an autoencoder first") from error
    if kind not in ("AutoencoderKL", "AutoencoderTiny"):
        raise EngineError(f"{path}/config.json: {kind} is not an autoencoder that can be used")
    # its wide pictures are encoded twice as fast this way
    return _read(getattr(diffusers, kind), path, torch_dtype=torch.float32).to(memory_format=torch.channels_last)


def read_networks(folder: Path) -> Networks:
    """A whole model in float32, to go on from; raises :class:`EngineError` naming what cannot be read."""
    import diffusers
    import transformers

    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        text = getattr(transformers, index["text_encoder"][1])
        unet = getattr(diffusers, index["unet"][1])
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise EngineError(f"{folder}/model_index.json: cannot be used ({error}); give a diffusers folder") from error
    return Networks(
        unet=_read(unet, folder / "unet", torch_dtype=torch.float32),
        text=_read(text, folder / "text_encoder", dtype=torch.float32),
        vae=read_vae(folder / "vae"),
        tokenizer=read_tokenizer(folder / "tokenizer"),
    )


def write_folder(folder: Path, networks: Networks, scheduler: dict[str, Any], settings: Mapping[str, Any]) -> Path:
    """Write a model, weights in float16, in place of an older one; whole or not at all. See :func:`told`."""
    import diffusers

    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    parts = {
        "scheduler": getattr(diffusers, scheduler["_class_name"]).from_config(scheduler),
        "text_encoder": _half(networks.text),
        "tokenizer": networks.tokenizer,
        "unet": _half(networks.unet),
        "vae": _half(networks.vae),
    }
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
    }
    for name, part in parts.items():
        library = "transformers" if name in ("text_encoder", "tokenizer") else "diffusers"
        index[name] = [library, type(part).__name__]
        with quiet_libraries():
            part.save_pretrained(unfinished / name)
    (unfinished / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    (unfinished / SETTINGS_FILE).write_text(json.dumps(dict(settings), indent=2) + "\n", encoding="utf-8")
    replace_folder(unfinished, folder)
    return folder


def told(pictures: Pictures, *, steps: int, guidance: float) -> dict[str, Any]:
    """What a folder says of its model: how it paints, and, where its data knew them, the things that it was taught."""
    settings: dict[str, Any] = {"steps": steps, "guidance": guidance, "size": pictures.size}
    return settings | ({"things": list(pictures.names)} if pictures.names else {})


def replace_folder(unfinished: Path, folder: Path) -> None:
    """Put a finished folder where an older one may be."""
    if folder.exists():
        shutil.rmtree(folder)
    unfinished.rename(folder)


def encode(vae: Any, pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pictures in −1..1 → latents as the denoiser knows them, scaled to about unit variance."""
    encoded = vae.encode(pictures)
    latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.sample(generator)
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    scaled: torch.Tensor = (latents - shift) * vae.config.scaling_factor
    return scaled


def decode(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Latents as the denoiser knows them → pictures in −1..1."""
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    pictures: torch.Tensor = vae.decode(latents / vae.config.scaling_factor + shift, return_dict=False)[0]
    return pictures


def _read(kind: Any, path: Path, **dtype: torch.dtype) -> Any:
    try:
        with quiet_libraries():
            return kind.from_pretrained(path, local_files_only=True, use_safetensors=True, **dtype)
    except (OSError, ValueError, RuntimeError) as error:
        raise EngineError(f"{path}: the weights cannot be read ({error}); get the model again") from error


def _half(network: Any) -> Any:
    return copy.deepcopy(network).half()
