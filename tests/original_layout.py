"""Random checkpoints in Stable Diffusion's original layout, named as the original code builds its modules.

Written after ``ldm/modules/diffusionmodules/openaimodel.py`` and ``model.py`` of CompVis' repository and OpenCLIP's
``transformer.py``: loops that build blocks one after the other, and nothing of the map under test.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

Shapes = dict[str, tuple[int, ...]]
WORDS = ("<pad>", "<unk>", "<end>", "a", "house", "car", "red", "on", "the", "moon", "beach")
TOKENS = 8


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of an original model; the defaults are tiny."""

    channels: int = 32
    multipliers: tuple[int, ...] = (1, 2)
    depths: tuple[int, ...] = (1, 0)
    """Transformer blocks of each level."""
    middle_depth: int = 1
    resnets: int = 1
    context: int = 32
    linear: bool = False
    label: int = 0
    """Width of what the denoiser is told besides the prompt."""
    vae_channels: int = 32
    vae_multipliers: tuple[int, ...] = (1, 2)
    vae_resnets: int = 1
    words: int = len(WORDS)
    tokens: int = TOKENS
    layers: int = 1
    wide: int = 64


FULL_1 = Size(
    channels=320, multipliers=(1, 2, 4, 4), depths=(1, 1, 1, 0), resnets=2, context=768, vae_channels=128,
    vae_multipliers=(1, 2, 4, 4), vae_resnets=2, words=49_408, tokens=77, layers=12, wide=3072,
)  # fmt: skip
FULL_2 = Size(
    channels=320, multipliers=(1, 2, 4, 4), depths=(1, 1, 1, 0), resnets=2, context=1024, linear=True, vae_channels=128,
    vae_multipliers=(1, 2, 4, 4), vae_resnets=2, words=49_408, tokens=77, layers=24, wide=4096,
)  # fmt: skip
FULL_XL = Size(
    channels=320, multipliers=(1, 2, 4), depths=(0, 2, 10), middle_depth=10, resnets=2, context=2048, linear=True,
    label=2816, vae_channels=128, vae_multipliers=(1, 2, 4, 4), vae_resnets=2, words=49_408, tokens=77, layers=12,
    wide=3072,
)  # fmt: skip


def weighted(name: str, *shape: int) -> Shapes:
    """A layer's weight and bias."""
    return {f"{name}.weight": shape, f"{name}.bias": (shape[0],)}


def convolution(name: str, out: int, into: int, kernel: int = 3) -> Shapes:
    """A layer over pixels."""
    return weighted(name, out, into, kernel, kernel)


def resnet(name: str, into: int, out: int, time: int) -> Shapes:
    """The denoiser's ``ResBlock``."""
    shapes = {
        **weighted(f"{name}.in_layers.0", into),
        **convolution(f"{name}.in_layers.2", out, into),
        **weighted(f"{name}.emb_layers.1", out, time),
        **weighted(f"{name}.out_layers.0", out),
        **convolution(f"{name}.out_layers.3", out, out),
    }
    return shapes | (convolution(f"{name}.skip_connection", out, into, 1) if into != out else {})


def transformer(name: str, width: int, size: Size, depth: int) -> Shapes:
    """The denoiser's ``SpatialTransformer``."""
    shapes = weighted(f"{name}.norm", width)
    for end in ("proj_in", "proj_out"):
        shapes |= weighted(f"{name}.{end}", width, width) if size.linear else convolution(
            f"{name}.{end}", width, width, 1
        )  # fmt: skip
    for number in range(depth):
        block = f"{name}.transformer_blocks.{number}"
        for attention, context in (("attn1", width), ("attn2", size.context)):
            shapes |= {
                f"{block}.{attention}.to_q.weight": (width, width),
                f"{block}.{attention}.to_k.weight": (width, context),
                f"{block}.{attention}.to_v.weight": (width, context),
            }
            shapes |= weighted(f"{block}.{attention}.to_out.0", width, width)
        shapes |= weighted(f"{block}.ff.net.0.proj", 8 * width, width) | weighted(f"{block}.ff.net.2", width, 4 * width)
        for norm in ("norm1", "norm2", "norm3"):
            shapes |= weighted(f"{block}.{norm}", width)
    return shapes


def unet(size: Size) -> Shapes:
    """``UNetModel``."""
    first, time = size.channels, 4 * size.channels
    shapes = weighted("time_embed.0", time, first) | weighted("time_embed.2", time, time)
    if size.label:
        shapes |= weighted("label_emb.0.0", time, size.label) | weighted("label_emb.0.2", time, time)
    shapes |= convolution("input_blocks.0.0", first, 4)
    kept, width, number = [first], first, 1
    for level, multiplier in enumerate(size.multipliers):
        for _ in range(size.resnets):
            shapes |= resnet(f"input_blocks.{number}.0", width, multiplier * first, time)
            width = multiplier * first
            if size.depths[level]:
                shapes |= transformer(f"input_blocks.{number}.1", width, size, size.depths[level])
            kept.append(width)
            number += 1
        if level != len(size.multipliers) - 1:
            shapes |= convolution(f"input_blocks.{number}.0.op", width, width)
            kept.append(width)
            number += 1
    shapes |= resnet("middle_block.0", width, width, time) | resnet("middle_block.2", width, width, time)
    shapes |= transformer("middle_block.1", width, size, size.middle_depth)
    number = 0
    for level, multiplier in reversed(list(enumerate(size.multipliers))):
        for index in range(size.resnets + 1):
            layers = 1
            shapes |= resnet(f"output_blocks.{number}.0", width + kept.pop(), multiplier * first, time)
            width = multiplier * first
            if size.depths[level]:
                shapes |= transformer(f"output_blocks.{number}.1", width, size, size.depths[level])
                layers += 1
            if level and index == size.resnets:
                shapes |= convolution(f"output_blocks.{number}.{layers}.conv", width, width)
            number += 1
    return shapes | weighted("out.0", first) | convolution("out.2", 4, first)


def vae_resnet(name: str, into: int, out: int) -> Shapes:
    """The autoencoder's ``ResnetBlock``."""
    shapes = {
        **weighted(f"{name}.norm1", into),
        **convolution(f"{name}.conv1", out, into),
        **weighted(f"{name}.norm2", out),
        **convolution(f"{name}.conv2", out, out),
    }
    return shapes | (convolution(f"{name}.nin_shortcut", out, into, 1) if into != out else {})


def vae_middle(side: str, width: int) -> Shapes:
    """Of the encoder or the decoder."""
    shapes = vae_resnet(f"{side}.mid.block_1", width, width) | vae_resnet(f"{side}.mid.block_2", width, width)
    shapes |= weighted(f"{side}.mid.attn_1.norm", width)
    for end in ("q", "k", "v", "proj_out"):
        shapes |= convolution(f"{side}.mid.attn_1.{end}", width, width, 1)
    return shapes


def vae(size: Size) -> Shapes:
    """``AutoencoderKL``."""
    first, last = size.vae_channels, len(size.vae_multipliers) - 1
    shapes, width = convolution("encoder.conv_in", first, 3), first
    for level, multiplier in enumerate(size.vae_multipliers):
        for index in range(size.vae_resnets):
            shapes |= vae_resnet(f"encoder.down.{level}.block.{index}", width, multiplier * first)
            width = multiplier * first
        if level != last:
            shapes |= convolution(f"encoder.down.{level}.downsample.conv", width, width)
    shapes |= vae_middle("encoder", width) | vae_middle("decoder", width)
    shapes |= weighted("encoder.norm_out", width) | convolution("encoder.conv_out", 8, width)
    shapes |= convolution("decoder.conv_in", width, 4)
    for level in range(last, -1, -1):
        for index in range(size.vae_resnets + 1):
            shapes |= vae_resnet(f"decoder.up.{level}.block.{index}", width, size.vae_multipliers[level] * first)
            width = size.vae_multipliers[level] * first
        if level:
            shapes |= convolution(f"decoder.up.{level}.upsample.conv", width, width)
    shapes |= weighted("decoder.norm_out", width) | convolution("decoder.conv_out", 3, width)
    return shapes | convolution("quant_conv", 8, 8, 1) | convolution("post_quant_conv", 4, 4, 1)


def clip(size: Size, width: int) -> Shapes:
    """OpenAI's text encoder, as transformers had it when Stable Diffusion was published."""
    shapes: Shapes = {
        "text_model.embeddings.token_embedding.weight": (size.words, width),
        "text_model.embeddings.position_embedding.weight": (size.tokens, width),
        **weighted("text_model.final_layer_norm", width),
    }
    for number in range(size.layers):
        layer = f"text_model.encoder.layers.{number}"
        for end in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= weighted(f"{layer}.self_attn.{end}", width, width)
        shapes |= weighted(f"{layer}.layer_norm1", width) | weighted(f"{layer}.layer_norm2", width)
        shapes |= weighted(f"{layer}.mlp.fc1", size.wide, width) | weighted(f"{layer}.mlp.fc2", width, size.wide)
    return shapes


def open_clip(size: Size, width: int, layers: int, wide: int) -> Shapes:
    """OpenCLIP's text tower."""
    shapes: Shapes = {
        "token_embedding.weight": (size.words, width),
        "positional_embedding": (size.tokens, width),
        "text_projection": (width, width),
        "logit_scale": (),
        **weighted("ln_final", width),
    }
    for number in range(layers):
        block = f"transformer.resblocks.{number}"
        shapes |= weighted(f"{block}.ln_1", width) | weighted(f"{block}.ln_2", width)
        shapes |= {f"{block}.attn.in_proj_weight": (3 * width, width), f"{block}.attn.in_proj_bias": (3 * width,)}
        shapes |= weighted(f"{block}.attn.out_proj", width, width)
        shapes |= weighted(f"{block}.mlp.c_fc", wide, width) | weighted(f"{block}.mlp.c_proj", width, wide)
    return shapes


def below(prefix: str, shapes: Shapes) -> Shapes:
    """The same under a prefix."""
    return {f"{prefix}{name}": shape for name, shape in shapes.items()}


def _painter(size: Size) -> Shapes:
    return below("model.diffusion_model.", unet(size)) | below("first_stage_model.", vae(size))


def stable_diffusion_1(size: Size) -> Shapes:
    """A whole checkpoint of Stable Diffusion 1.x."""
    return _painter(size) | below("cond_stage_model.transformer.", clip(size, size.context))


def stable_diffusion_2(size: Size, prefix: str = "cond_stage_model.model.") -> Shapes:
    """A whole checkpoint of Stable Diffusion 2.x; SD-Turbo has another prefix."""
    return _painter(size) | below(prefix, open_clip(size, size.context, size.layers, size.wide))


def stable_diffusion_xl(
    size: Size, widths: tuple[int, int] = (768, 1280), layers: int = 32, wide: int = 5120
) -> Shapes:
    """A whole checkpoint of Stable Diffusion XL."""
    return {
        **_painter(size),
        **below("conditioner.embedders.0.transformer.", clip(size, widths[0])),
        **below("conditioner.embedders.1.model.", open_clip(size, widths[1], layers, wide)),
    }


def random_weights(shapes: Shapes, seed: int = 0) -> dict[str, torch.Tensor]:
    """Of a size that paints something: by the number of inputs, and norms about one."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            values *= torch.Size(shape[1:]).numel() ** -0.5
        elif name.endswith(".weight"):
            values = 1 + values / 10
        weights[name] = values
    return weights


def save_word_tokenizer(folder: Path, words: Iterable[str] = WORDS) -> Path:
    """One token a word; real vocabularies are larger than these models."""
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", model_max_length=TOKENS
    ).save_pretrained(folder)
    return folder
