"""What a model is made of: its family, found by its tensors' names, and each part's configuration, found by shapes.

Families are small JSON files in ``families/``: the configurations of the public models, as diffusers and transformers
write them. A checkpoint's own shapes come before them, so that a model of another width or depth keeps it; what no
shape tells (activation, groups, heads, scheduler) stays the family's. No weights are read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any, Final, TypeAlias

import torch

from speakage_engines.api import ModelError
from speakage_engines.diffusion.conversion_keys import (
    CLIP_PREFIXES,
    OPEN_CLIP_PREFIXES,
    SECOND_OPEN_CLIP_PREFIX,
    UNET_PREFIX,
    UNUSED_TEXT_LAYER,
    VAE_PREFIX,
    Place,
    clip_place,
    open_clip_place,
    unet_place,
    vae_place,
)

Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = Mapping[str, Shape]

HEAD_WIDTH: Final = 64
"""Of CLIP's heads, and of the denoiser's in Stable Diffusion 2.x and XL."""
UNET: Final = "unet"
VAE: Final = "vae"
TEXT: Final = ("text_encoder", "text_encoder_2")
_PROJECTION: Final = ".proj_in.weight"
_MIDDLE: Final = "UNetMidBlock2DCrossAttn"
"""diffusers' default."""
FAMILY_KEY: Final = "speakage.family"
"""In a checkpoint's metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One file of ``families/``."""

    name: str
    layout: str
    """The family whose names and shapes of tensors it has, at the end of ``like``; often itself."""
    pipeline: str
    """Class name in ``model_index.json``."""
    architecture: str
    """By ModelSpec (a convention for a checkpoint's metadata)."""
    settings: dict[str, Any]
    """For ``speakage.json``."""
    tiny_decoder: str
    """Repository of the decoder that makes previews of its latents."""
    pad_tokens: dict[str, str]
    """By the name of the tokenizer's folder."""
    configs: dict[str, dict[str, Any]]
    """By the name of the part's folder, the scheduler's among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One network of a model, and where a checkpoint keeps it."""

    name: str
    """Of its folder."""
    prefix: str
    """Of its tensors in a checkpoint."""
    config: dict[str, Any]
    place: Callable[[str], Place | None]
    """From a tensor's name in the folder (a text encoder's without ``text_model.``) to its place."""

    @property
    def is_text(self) -> bool:
        """Text encoders are transformers' models, the other parts diffusers'."""
        return self.name in TEXT


def family_names() -> list[str]:
    """In order of the alphabet."""
    return sorted(file.name.removesuffix(".json") for file in _folder().iterdir() if file.name.endswith(".json"))


def families_of(layout: str) -> list[str]:
    """Those whose tensors are named and shaped alike, so that a checkpoint does not tell which it is."""
    return [name for name in family_names() if _layout(name) == layout]


def read_family(name: str) -> Family:
    """Raises :class:`ModelError` naming those there are."""
    if name not in family_names():
        raise ModelError(f"there is no family called {name!r}; there are: {', '.join(family_names())}")
    content = _content(name)
    return Family(
        name=name,
        layout=_layout(name),
        **{key: content.pop(key) for key in ("pipeline", "architecture", "settings", "tiny_decoder", "pad_tokens")},
        configs={key: value for key, value in content.items() if isinstance(value, dict)},
    )


def _folder() -> Any:
    return files("speakage_engines") / "diffusion" / "families"


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_folder() / f"{name}.json").read_text(encoding="utf-8"))
    return content


def _layout(name: str) -> str:
    like = _read(name).get("like")
    return _layout(like) if like else name


def _content(name: str) -> dict[str, Any]:
    """A family that is ``like`` another changes some fields of its networks; its scheduler is wholly its own."""
    content = _read(name)
    if "like" not in content:
        return content
    base = _content(content.pop("like"))
    for part in (UNET, VAE):
        own = content.get(part, {})
        # fields of one class mean nothing to another
        other = own.get("_class_name", base[part]["_class_name"]) != base[part]["_class_name"]
        content[part] = own if other else base[part] | own
    return base | content


def find_family(shapes: Shapes, metadata: Mapping[str, str], asked: str | None = None) -> tuple[str, str]:
    """(name, why) of a checkpoint's family, or the one that is asked for; raises :class:`ModelError`.

    Stable Diffusion 2.x at 768 and at 512 pixels and SD-Turbo differ in nothing but what they predict and how many
    steps they take, and a wrong guess paints noise: the metadata must tell, or the person. What was distilled from 1.x
    and XL is not known by its tensors either, and taken for these; whoever has such a file asks for its family.
    """
    layout, reason = _find_layout(shapes)
    if asked is not None:
        if read_family(asked).layout != layout:
            raise ModelError(
                f"it cannot be of the family {asked}, since {reason}; families of its layout are: "
                f"{', '.join(families_of(layout))}"
            )
        return asked, "as asked for"
    if (written := metadata.get(FAMILY_KEY)) in families_of(layout):
        return str(written), "its metadata says so"
    if not any(name.startswith(f"{UNET_PREFIX}middle_block.") for name in shapes):
        raise ModelError("its denoiser has no middle block; if it is SDXS, say so with --family sdxs-512")
    if layout != "stable-diffusion-2.1":
        return layout, reason
    told = {"stable-diffusion-v2-768-v": "stable-diffusion-2.1", "stable-diffusion-v2-512": "stable-diffusion-2.1-base"}
    if name := told.get(metadata.get("modelspec.architecture", "")):
        return name, "its metadata says so"
    raise ModelError(
        "it has Stable Diffusion 2.x's shape, but does not say whether it predicts v (768 pixels), the noise (512) or "
        "is SD-Turbo; say which with --family stable-diffusion-2.1, stable-diffusion-2.1-base or sd-turbo"
    )


def _find_layout(shapes: Shapes) -> tuple[str, str]:
    """(name, why) of the family whose names of tensors a checkpoint has; raises :class:`ModelError` where none has."""
    if not any(name.startswith(UNET_PREFIX) for name in shapes):
        raise ModelError(
            f"there is no {UNET_PREFIX}* in it, so this is not a whole Stable Diffusion checkpoint in the original "
            "layout (a LoRA, a VAE, or a file of another library); convert a whole checkpoint"
        )
    if f"{SECOND_OPEN_CLIP_PREFIX}token_embedding.weight" in shapes:
        return "stable-diffusion-xl", "it has two text encoders"
    if any(f"{prefix}text_model.embeddings.token_embedding.weight" in shapes for prefix in CLIP_PREFIXES):
        return "stable-diffusion-1.5", "its text encoder is OpenAI's CLIP"
    if not any(f"{prefix}token_embedding.weight" in shapes for prefix in OPEN_CLIP_PREFIXES):
        raise ModelError(
            "it has no text encoder that is known here (CLIP or OpenCLIP); convert a whole checkpoint of Stable "
            "Diffusion 1.x, 2.x or XL"
        )
    if any(name.startswith(f"{UNET_PREFIX}label_emb.") for name in shapes):
        raise ModelError("its denoiser is told more than the prompt (label_emb), as SDXL's refiner; it paints no scene")
    return "stable-diffusion-2.1", "its text encoder is OpenCLIP's"


def parts_of_checkpoint(family: Family, shapes: Shapes) -> list[Part]:
    """The parts with configurations that fit the tensors; raises :class:`ModelError` for shapes that no part has."""
    readers: dict[str, Callable[[dict[str, Any], Shapes], dict[str, Any]]] = {UNET: _unet_config, VAE: _vae_config}
    parts: list[Part] = []
    for name in (UNET, VAE, *(text for text in TEXT if text in family.configs)):
        part = _part(name, _original_config(family, name), shapes)
        below = {key.removeprefix(part.prefix): shape for key, shape in shapes.items() if key.startswith(part.prefix)}
        reader = readers.get(name, _clip_config if part.prefix in CLIP_PREFIXES else _open_clip_config)
        try:
            config = reader(part.config, below)
        except (KeyError, IndexError) as error:
            raise ModelError(f"{part.prefix}*: tensors of the {name} are missing, {error} first") from error
        parts.append(_part(name, config, shapes))
    if (into := parts[0].config["in_channels"]) != (out := parts[0].config["out_channels"]):
        raise ModelError(f"its denoiser takes {into} channels and gives {out}: it fills holes, and paints nothing new")
    return parts


def _original_config(family: Family, part: str) -> dict[str, Any]:
    """The layout has no place for tiny decoders: a checkpoint of a family with one keeps its layout's autoencoder."""
    config = family.configs[part]
    tiny = part == VAE and config["_class_name"] == "AutoencoderTiny"
    return read_family(family.layout).configs[VAE] if tiny else config


def parts_of_folder(configs: Mapping[str, dict[str, Any]]) -> list[Part]:
    """The parts as a checkpoint will keep them, by the configurations of a folder."""
    return [_part(name, config, {}, alone="text_encoder_2" not in configs) for name, config in configs.items()]


def _part(name: str, config: dict[str, Any], shapes: Shapes, *, alone: bool = True) -> Part:
    if name == UNET:
        return Part(name=name, prefix=UNET_PREFIX, config=config, place=partial(unet_place, config=config))
    if name == VAE:
        return Part(name=name, prefix=VAE_PREFIX, config=config, place=partial(vae_place, config=config))
    # the activation tells who trained a text encoder: OpenAI with its quick GELU, OpenCLIP with the exact one
    openai = config.get("hidden_act") == "quick_gelu"
    place = partial(clip_place if openai else open_clip_place, config=config)
    prefixes = CLIP_PREFIXES if openai else OPEN_CLIP_PREFIXES
    prefix = next((one for one in prefixes if any(key.startswith(one) for key in shapes)), prefixes[0 if alone else 1])
    if name == "text_encoder_2":
        prefix = SECOND_OPEN_CLIP_PREFIX
    return Part(name=name, prefix=prefix, config=config, place=place)


def skeleton(part: Part) -> dict[str, Shape]:
    """Every tensor that a part's classes want, by name, with its shape; raises :class:`ModelError`."""
    import diffusers
    import transformers

    try:
        with torch.device("meta"):
            if part.name == UNET:
                model = diffusers.UNet2DConditionModel.from_config(part.config)
            elif part.name == VAE:
                model = diffusers.AutoencoderKL.from_config(part.config)
            else:
                kind = (part.config.get("architectures") or ["CLIPTextModel"])[0]
                model = getattr(transformers, kind)(transformers.CLIPTextConfig.from_dict(part.config))
    except (AttributeError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(f"the {part.name} cannot be built as its shapes or its config.json say: {error}") from error
    return {key.removeprefix("text_model."): tuple(value.shape) for key, value in model.state_dict().items()}


def _unet_config(base: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
    widths: list[int] = []
    resnets, depths = [0], [0]
    for number in range(1, _count(shapes, r"input_blocks\.(\d+)\.")):
        block = f"input_blocks.{number}"
        if f"{block}.0.op.weight" in shapes:
            resnets.append(0)
            depths.append(0)
            continue
        width = shapes[f"{block}.0.in_layers.2.weight"][0]
        widths[len(resnets) - 1 :] = [width]
        resnets[-1] += 1
        depths[-1] = max(depths[-1], _count(shapes, rf"{re.escape(block)}\.1\.transformer_blocks\.(\d+)\."))
    # all have it alike; not all have a middle block
    attention = next((name[: -len(_PROJECTION)] for name in shapes if name.endswith(_PROJECTION)), "middle_block.1")
    linear = len(shapes[f"{attention}{_PROJECTION}"]) == 2
    down = ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths]
    config = base | {
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": resnets[0],
        "cross_attention_dim": shapes[f"{attention}.transformer_blocks.0.attn2.to_k.weight"][1],
        "down_block_types": down,
        "up_block_types": [kind.replace("Down", "Up") for kind in reversed(down)],
        "use_linear_projection": linear,
    }
    if (middle := "middle_block.0.in_layers.0.weight" in shapes) != bool(base.get("mid_block_type", _MIDDLE)):
        config["mid_block_type"] = _MIDDLE if middle else None
    if isinstance(base["attention_head_dim"], list):
        config["attention_head_dim"] = [max(1, width // HEAD_WIDTH) for width in widths]
    if max(depths) > 1:
        config["transformer_layers_per_block"] = [max(1, depth) for depth in depths]
    if "label_emb.0.0.weight" in shapes and base.get("addition_embed_type"):
        config["projection_class_embeddings_input_dim"] = shapes["label_emb.0.0.weight"][1]
    return config


def _vae_config(base: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
    levels = _count(shapes, r"encoder\.down\.(\d+)\.")
    widths = [shapes[f"encoder.down.{level}.block.0.conv1.weight"][0] for level in range(levels)]
    return base | {
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "block_out_channels": widths,
        "layers_per_block": _count(shapes, r"encoder\.down\.0\.block\.(\d+)\."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }


def _clip_config(base: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
    return _text_config(
        base,
        vocabulary=shapes["text_model.embeddings.token_embedding.weight"],
        tokens=shapes["text_model.embeddings.position_embedding.weight"],
        wide=shapes["text_model.encoder.layers.0.mlp.fc1.weight"],
        layers=_count(shapes, r"text_model\.encoder\.layers\.(\d+)\."),
    )


def _open_clip_config(base: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
    config = _text_config(
        base,
        vocabulary=shapes["token_embedding.weight"],
        tokens=shapes["positional_embedding"],
        wide=shapes["transformer.resblocks.0.mlp.c_fc.weight"],
        layers=_count(shapes, r"transformer\.resblocks\.(\d+)\."),
    )
    if "CLIPTextModelWithProjection" in base["architectures"]:
        return config | {"projection_dim": shapes["text_projection"][1]}
    return config | {"num_hidden_layers": min(config["num_hidden_layers"], UNUSED_TEXT_LAYER)}


def _text_config(base: dict[str, Any], *, vocabulary: Shape, tokens: Shape, wide: Shape, layers: int) -> dict[str, Any]:
    return base | {
        "vocab_size": vocabulary[0],
        "hidden_size": vocabulary[1],
        "max_position_embeddings": tokens[0],
        "intermediate_size": wide[0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, vocabulary[1] // HEAD_WIDTH),
    }


def _count(shapes: Shapes, pattern: str) -> int:
    """How many there are of what the pattern's group numbers from 0."""
    found = (re.match(pattern, name) for name in shapes)
    return max((int(match[1]) for match in found if match), default=-1) + 1
