"""How the original layout of Stable Diffusion names the tensors that a diffusers folder holds: the map, as data.

It is written in one direction, from a diffusers name to its place in a checkpoint, and read in both. Known are the
denoiser (``input_blocks``, ``middle_block``, ``output_blocks``), the autoencoder (``encoder.down``, ``decoder.up``),
and the text encoders as OpenAI's CLIP and as OpenCLIP lay them out. No tensor is read here, and no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Form: TypeAlias = Literal["same", "convolution", "transposed", "query", "key", "value"]
"""As it is; a linear layer kept as a 1×1 convolution; a matrix kept for multiplying from the right; or one third of a
fused projection, in this order."""

THIRDS: Final[tuple[Form, ...]] = ("query", "key", "value")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint keeps a tensor, below the prefix of its part."""

    name: str
    form: Form = "same"


UNET_PREFIX: Final = "model.diffusion_model."
VAE_PREFIX: Final = "first_stage_model."
CLIP_PREFIXES: Final = ("cond_stage_model.transformer.", "conditioner.embedders.0.transformer.")
OPEN_CLIP_PREFIXES: Final = ("cond_stage_model.model.", "conditioner.embedders.0.model.")
"""The first of each is Stable Diffusion's own; the second that of the code of SDXL and SD-Turbo."""
SECOND_OPEN_CLIP_PREFIX: Final = "conditioner.embedders.1.model."

UNUSED_TEXT_LAYER: Final = 23
"""Stable Diffusion 2.x reads OpenCLIP's last layer but one: the last lies in the checkpoint and is never run."""

LEFT_OUT: Final = re.compile(
    r"model_ema\..*"
    r"|(?:betas|alphas_cumprod(?:_prev)?|sqrt_.*|log_one_minus_.*|posterior_.*|lvlb_weights|logvar)"
    r"|(?:global_step|scale_factor|v_pred|ztsnr|denoiser\.sigmas)"
    r"|first_stage_model\.loss\..*"
    r"|.*\.embeddings\.position_ids"
    r"|(?:cond_stage_model|conditioner\.embedders\.\d)\.(?:model\.)?(?:logit_scale|attn_mask|text_projection)"
    r"|(?:cond_stage_model|conditioner\.embedders\.0)\.model\.transformer\.resblocks\.23\..*"
)
"""Names in a checkpoint that painting does not need: averages, constants of the schedule, the unused layer."""
LEFT_OUT_OF_FOLDERS: Final = re.compile(r".*\.position_ids|text_projection\.weight")
"""Names in a folder that belong to no layer of the original layout."""

_UNET: Final[Mapping[str, str]] = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_UNET_RESNET: Final[Mapping[str, str]] = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_UNET_BLOCK: Final = re.compile(
    r"(?:(?P<side>down|up)_blocks\.(?P<block>\d+)|mid_block)"
    r"\.(?P<kind>resnets|attentions|downsamplers|upsamplers)\.(?P<index>\d+)\.(?P<rest>.+)\.(?P<end>weight|bias)"
)

_VAE: Final[Mapping[str, str]] = {
    "quant_conv": "quant_conv",
    "post_quant_conv": "post_quant_conv",
    **{f"{side}.{name}": f"{side}.{name}" for side in ("encoder", "decoder") for name in ("conv_in", "conv_out")},
    **{f"{side}.conv_norm_out": f"{side}.norm_out" for side in ("encoder", "decoder")},
}
_VAE_BLOCK: Final = re.compile(
    r"(?P<side>encoder|decoder)\.(?:(?:down|up)_blocks\.(?P<block>\d+)|mid_block)"
    r"\.(?P<kind>resnets|attentions|downsamplers|upsamplers)\.(?P<index>\d+)\.(?P<rest>.+)\.(?P<end>weight|bias)"
)
_VAE_ATTENTION: Final[Mapping[str, str]] = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
OLD_VAE_ATTENTION: Final[Mapping[str, str]] = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}
"""How folders written by the first versions of diffusers name the autoencoder's attention."""

_OPEN_CLIP: Final[Mapping[str, Place]] = {
    "embeddings.token_embedding.weight": Place("token_embedding.weight"),
    "embeddings.position_embedding.weight": Place("positional_embedding"),
    "final_layer_norm.weight": Place("ln_final.weight"),
    "final_layer_norm.bias": Place("ln_final.bias"),
    "text_projection.weight": Place("text_projection", "transposed"),
}
_OPEN_CLIP_LAYER: Final[Mapping[str, str]] = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_TEXT_LAYER: Final = re.compile(r"encoder\.layers\.(?P<layer>\d+)\.(?P<rest>.+)\.(?P<end>weight|bias)")


def unet_place(key: str, config: Mapping[str, Any]) -> Place | None:
    """Of a denoiser's tensor; ``config`` is its ``config.json``, since blocks are numbered on in a checkpoint."""
    stem, _, end = key.rpartition(".")
    if stem in _UNET:
        return Place(f"{_UNET[stem]}.{end}")
    if not (found := _UNET_BLOCK.fullmatch(key)):
        return None
    kind, index, rest = found["kind"], int(found["index"]), found["rest"]
    if kind == "resnets":
        if rest not in _UNET_RESNET:
            return None
        rest = _UNET_RESNET[rest]
    if found["side"] is None:
        slot = 2 * index if kind == "resnets" else 2 * index + 1
        return Place(f"middle_block.{slot}.{rest}.{found['end']}")
    layers, block = int(config["layers_per_block"]), int(found["block"])
    if found["side"] == "down":
        number = 1 + block * (layers + 1) + (layers if kind == "downsamplers" else index)
        slots = {"resnets": "0", "attentions": "1", "downsamplers": "0"}
        rest = "op" if kind == "downsamplers" else rest
        return Place(f"input_blocks.{number}.{slots[kind]}.{rest}.{found['end']}")
    number = block * (layers + 1) + (layers if kind == "upsamplers" else index)
    attends = "CrossAttn" in config["up_block_types"][block]
    slots = {"resnets": "0", "attentions": "1", "upsamplers": "2" if attends else "1"}
    return Place(f"output_blocks.{number}.{slots[kind]}.{rest}.{found['end']}")


def vae_place(key: str, config: Mapping[str, Any]) -> Place | None:
    """Of an autoencoder's tensor; a checkpoint counts the decoder's blocks from the picture inwards."""
    stem, _, end = key.rpartition(".")
    if stem in _VAE:
        return Place(f"{_VAE[stem]}.{end}")
    if not (found := _VAE_BLOCK.fullmatch(key)):
        return None
    side, kind, rest, end = found["side"], found["kind"], found["rest"], found["end"]
    if kind == "attentions":
        if rest not in _VAE_ATTENTION:
            return None
        form: Form = "convolution" if end == "weight" and rest != "group_norm" else "same"
        return Place(f"{side}.mid.attn_{int(found['index']) + 1}.{_VAE_ATTENTION[rest]}.{end}", form)
    rest = "nin_shortcut" if rest == "conv_shortcut" else rest
    if found["block"] is None:
        return Place(f"{side}.mid.block_{int(found['index']) + 1}.{rest}.{end}")
    levels = len(config["block_out_channels"])
    block = int(found["block"]) if side == "encoder" else levels - 1 - int(found["block"])
    where = f"{side}.{'down' if side == 'encoder' else 'up'}.{block}"
    if kind == "resnets":
        return Place(f"{where}.block.{found['index']}.{rest}.{end}")
    return Place(f"{where}.{kind.removesuffix('rs')}.{rest}.{end}")


def clip_place(key: str, config: Mapping[str, Any]) -> Place | None:  # noqa: ARG001  the parts' maps are called alike
    """Of OpenAI's CLIP, whose names transformers kept; ``key`` is without ``text_model.``."""
    return Place(f"text_model.{key}")


def open_clip_place(key: str, config: Mapping[str, Any]) -> Place | None:  # noqa: ARG001  the parts' maps are called alike
    """Of OpenCLIP, which fuses query, key and value; ``key`` is without ``text_model.``."""
    if key in _OPEN_CLIP:
        return _OPEN_CLIP[key]
    if not (found := _TEXT_LAYER.fullmatch(key)):
        return None
    where, rest, end = f"transformer.resblocks.{found['layer']}", found["rest"], found["end"]
    if rest in _OPEN_CLIP_LAYER:
        return Place(f"{where}.{_OPEN_CLIP_LAYER[rest]}.{end}")
    fused: dict[str, Form] = {"self_attn.q_proj": "query", "self_attn.k_proj": "key", "self_attn.v_proj": "value"}
    return Place(f"{where}.attn.in_proj_{end}", fused[rest]) if rest in fused else None
