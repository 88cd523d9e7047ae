"""What the configurations of a diffusers folder say of the model in it. Reads no weights.

Taken are latent models with a ``UNet2DConditionModel`` and an ``AutoencoderKL`` or ``AutoencoderTiny``: those of
Stable Diffusion 1.x and 2.x with one text encoder (CLIP's, or BERT's), of SDXL with its two, and either with a denoiser
that is told how strongly it is guided (LCM). What was distilled from them (SD-Turbo, SDXL-Turbo, SDXL-Lightning,
Hyper-SD, SDXS) has their shape. Anything else is refused by name.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from speakage_engines.api import ModelError, Size
from speakage_engines.diffusion.waves import TimeProjection
from speakage_engines.models import SETTINGS_FILE, read_settings

DECODERS: Final = ("AutoencoderKL", "AutoencoderTiny")
DEFAULT_STEPS: Final = 20
DEFAULT_GUIDANCE: Final = 7.5
"""What Stable Diffusion 1.x was made for; a folder's ``speakage.json`` says better."""
SDXL_STEPS: Final = 30
SDXL_GUIDANCE: Final = 5.0
LCM_STEPS: Final = 4
LCM_GUIDANCE: Final = 8.5
"""diffusers' defaults for denoisers that are told their guidance."""
_DISTILLED: Final = ("LCMScheduler", "TCDScheduler")
"""Schedulers that only distilled models are used with: few steps, and no guidance that the denoiser is not told."""
_SIZES: Final = 6
"""Numbers that SDXL is told: height and width of the original, of the crop's corner, and of the picture."""
_ONE_ENCODER: Final[Mapping[str, tuple[str, ...]]] = {"text_encoder": ("CLIPTextModel", "BertModel")}
_TWO_ENCODERS: Final[Mapping[str, tuple[str, ...]]] = {
    "text_encoder": ("CLIPTextModel",),
    "text_encoder_2": ("CLIPTextModelWithProjection",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """One text encoder of a folder."""

    name: str
    """Of its folder."""
    tokenizer: str
    """Of its tokenizer's folder."""
    kind: str
    """Class of the encoder."""
    tokens: int
    """Length of a prompt in tokens, with its beginning and end."""
    vocabulary: int
    """Tokens that it knows."""
    width: int
    """Of its states."""
    pooled: int
    """Width of the pooled prompt; 0 where it gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What the configurations of a folder say."""

    path: Path
    channels: int
    """Of the latents."""
    scale: float
    """Of the latents that the denoiser knows, against the autoencoder's own."""
    factor: int
    """Pixels on each side of one latent."""
    multiple: int
    """Pixels: the sides of a picture are whole multiples of it."""
    text: tuple[TextPart, ...]
    """One, or SDXL's two."""
    width: int
    """Of the text states, all encoders' together."""
    time: TimeProjection
    sizes: TimeProjection | None
    """How the denoiser is told sizes, if it is."""
    added: int
    """Width of what it is told beside the states: pooled prompt and sizes; 0 for nothing."""
    guidance_width: int
    """Of the waves by which the denoiser is told how strongly it is guided; 0 where it is not."""
    zeros_for_empty: bool
    """An empty negative prompt means zeros in the place of text states."""
    overflows: bool
    """The decoder's values do not fit in fp16 (SDXL's, unless ``force_upcast`` is off)."""
    tiny: bool
    """The decoder is a tiny one itself."""
    no_encoder: str
    """Why no picture can be started from, naming the file; empty where one can."""
    scheduler: dict[str, Any]
    steps: int
    guidance: float
    size: int
    """Pixels on both sides, as the model was made for."""

    @property
    def tokens(self) -> int:
        """Length of a prompt, the same for all encoders."""
        return self.text[0].tokens

    def latent_sides(self, size: Size) -> tuple[int, int]:
        """Height and width of the latents of a picture."""
        width, height = size
        return height // self.factor, width // self.factor


def read_folder(path: Path) -> Folder:
    """Read and check the configurations; raises :class:`ModelError` naming the file."""
    index, unet, vae = (Config(path / name) for name in ("model_index.json", "unet/config.json", "vae/config.json"))
    _check_class(index, "unet", ("UNet2DConditionModel",))
    _check_class(index, "vae", DECODERS)
    _check_unet(unet)
    text = _text_parts(path, index, unet)
    channels, factor, pooled = unet.integer("in_channels"), vae.factor(), text[-1].pooled
    _compare(unet, "out_channels", channels, "its in_channels")
    _compare(vae, "latent_channels", channels, "the unet's in_channels")
    _check_tiny(path, channels, factor)
    sizes = _projection(unet, unet.integer("addition_time_embed_dim")) if pooled else None
    added = pooled + _SIZES * sizes.width if sizes else 0
    if added:
        _compare(unet, "projection_class_embeddings_input_dim", added, "the pooled prompt and six sizes make")
    tiny = vae.content.get("_class_name") == "AutoencoderTiny"
    scheduler = Config(path / "scheduler/scheduler_config.json").content
    guidance_width = unet.integer("time_cond_proj_dim") if unet.content.get("time_cond_proj_dim") else 0
    steps, guidance, size = _settings(
        path,
        _defaults(str(scheduler.get("_class_name")), xl=bool(added), told=bool(guidance_width)),
        lambda: unet.integer("sample_size") * factor,
    )
    return Folder(
        path=path,
        channels=channels,
        scale=float(vae.content.get("scaling_factor", 1.0 if tiny else 0.18215)),
        factor=factor,
        multiple=factor * unet.factor(),
        text=text,
        width=sum(part.width for part in text),
        time=_projection(unet, unet.channels()[0]),
        sizes=sizes,
        added=added,
        guidance_width=guidance_width,
        zeros_for_empty=bool(sizes and index.content.get("force_zeros_for_empty_prompt", True)),
        overflows=bool(sizes and not tiny and vae.content.get("force_upcast", True)),
        tiny=tiny,
        no_encoder=_no_encoder(vae, factor) if tiny else "",
        scheduler=scheduler,
        steps=steps,
        guidance=guidance,
        size=size,
    )


class Config:
    """One ``config.json``, whose errors name it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: cannot be read ({error}); get the model again") from error
        if not isinstance(content, dict):
            raise ModelError(f"{path}: should hold a JSON object; get the model again")
        self.content: dict[str, Any] = content

    def integer(self, field: str) -> int:
        """A whole number above zero."""
        value = self.content.get(field)
        if not isinstance(value, int) or value < 1:
            raise ModelError(f"{self.path}: {field} is {value!r} where a number above 0 belongs; this cannot be used")
        return value

    def factor(self) -> int:
        """How often a network halves the sides of what it is given, as the power of two."""
        return int(2 ** (len(self.channels()) - 1))

    def channels(self) -> list[int]:
        """Of each level of the network."""
        channels = self.content.get("block_out_channels", self.content.get("decoder_block_out_channels"))
        if not isinstance(channels, list) or not channels:
            raise ModelError(
                f"{self.path}: block_out_channels is {channels!r} where a list belongs; get the model again"
            )
        return channels


def _class_of(index: Config, part: str) -> str:
    named = index.content.get(part)
    return str(named[-1] if isinstance(named, list) and named else named)


def _check_class(index: Config, part: str, classes: tuple[str, ...]) -> str:
    if (found := _class_of(index, part)) not in classes:
        raise ModelError(f"{index.path}: {part} is {found}; only {' or '.join(classes)} can be used")
    return found


def _check_unet(unet: Config) -> None:
    if unet.content.get("time_embedding_type", "positional") != "positional":
        raise ModelError(f"{unet.path}: time_embedding_type is not 'positional'; this family cannot be used yet")
    known = {"addition_embed_type": "text_time", "class_embed_type": None, "encoder_hid_dim_type": None}
    for field, taken in known.items():
        if (value := unet.content.get(field)) and value != taken:
            raise ModelError(
                f"{unet.path}: {field} is {value}; a family that is told more than a prompt, sizes and guidance cannot "
                "be used yet"
            )


def _text_parts(path: Path, index: Config, unet: Config) -> tuple[TextPart, ...]:
    """One text encoder, or two where the denoiser is told sizes, which fit the denoiser and each other."""
    parts, encoders = [], _TWO_ENCODERS if unet.content.get("addition_embed_type") else _ONE_ENCODER
    for name, classes in encoders.items():
        kind, config = _check_class(index, name, classes), Config(path / name / "config.json")
        part = TextPart(
            name=name,
            tokenizer=name.replace("text_encoder", "tokenizer"),
            kind=kind,
            width=config.integer("hidden_size"),
            tokens=config.integer("max_position_embeddings"),
            vocabulary=config.integer("vocab_size"),
            pooled=config.integer("projection_dim") if kind.endswith("WithProjection") else 0,
        )
        parts.append(part)
        _compare(config, "max_position_embeddings", parts[0].tokens, "the first text encoder's")
        if len(parts) == len(encoders):
            others = sum(part.width for part in parts[:-1])
            whose = "the unet's cross_attention_dim" + (f" less the first text encoder's {others} is" if others else "")
            _compare(config, "hidden_size", unet.integer("cross_attention_dim") - others, whose)
    return tuple(parts)


def _projection(unet: Config, width: int) -> TimeProjection:
    return TimeProjection(
        width=width,
        cosines_first=bool(unet.content.get("flip_sin_to_cos", True)),
        shift=float(unet.content.get("freq_shift", 0)),
    )


def _no_encoder(vae: Config, factor: int) -> str:
    """A tiny autoencoder's two halves have sizes of their own."""
    channels = vae.content.get("encoder_block_out_channels")
    if not isinstance(channels, list) or not channels:
        return f"{vae.path}: there is no encoder in it (encoder_block_out_channels), so no picture can be started from"
    if (shrinks := int(2 ** (len(channels) - 1))) != factor:
        return (
            f"{vae.path}: its encoder shrinks pictures {shrinks} times and its decoder enlarges them {factor} times, "
            "so no picture can be started from"
        )
    return ""


def _check_tiny(path: Path, channels: int, factor: int) -> None:
    if not (tiny := path / "tiny_vae").is_dir():
        return
    preview = Config(tiny / "config.json")
    _compare(preview, "latent_channels", channels, "the unet's in_channels")
    if preview.factor() != factor:
        raise ModelError(f"{preview.path}: it enlarges {preview.factor()} times, the vae {factor} times; delete {tiny}")


def _compare(config: Config, field: str, expected: int, whose: str) -> None:
    if (found := config.integer(field)) != expected:
        raise ModelError(
            f"{config.path}: {field} is {found}, but {whose} {expected}; these files cannot paint together"
        )


def _defaults(scheduler: str, *, xl: bool, told: bool) -> tuple[int, float]:
    """Steps and guidance of models whose folder has no ``speakage.json``."""
    if told:
        return LCM_STEPS, LCM_GUIDANCE
    if scheduler in _DISTILLED:
        return LCM_STEPS, 0.0
    return (SDXL_STEPS, SDXL_GUIDANCE) if xl else (DEFAULT_STEPS, DEFAULT_GUIDANCE)


def _settings(path: Path, defaults: tuple[int, float], own_size: Callable[[], int]) -> tuple[int, float, int]:
    """Steps, guidance and size, from ``speakage.json`` where it has them."""
    settings = read_settings(path)
    try:
        steps, guidance = int(settings.get("steps", defaults[0])), float(settings.get("guidance", defaults[1]))
        size = int(settings["size"]) if "size" in settings else own_size()
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path / SETTINGS_FILE}: {error}; mend it or delete it") from error
    if steps < 1 or guidance < 0 or size < 1:
        raise ModelError(
            f"{path / SETTINGS_FILE}: steps {steps}, guidance {guidance:g} and size {size} cannot be; "
            "mend it or delete it"
        )
    return steps, guidance, size


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Without the bars of transformers, and without what diffusers says of configurations it wrote itself."""
    from transformers.utils import logging as bars

    talker = logging.getLogger("diffusers.configuration_utils")
    shown, level = bars.is_progress_bar_enabled(), talker.level
    bars.disable_progress_bar()
    talker.setLevel(logging.ERROR)
    try:
        yield
    finally:
        talker.setLevel(level)
        if shown:
            bars.enable_progress_bar()
