"""A diffusers folder as modules to compile: text encoder, denoiser, decoder. Reads configurations, not weights.

Only Stable Diffusion's shape is taken: one text encoder (CLIP's, or BERT's), a ``UNet2DConditionModel``, and
an ``AutoencoderKL`` or ``AutoencoderTiny``. Anything else is refused by name.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from typing_extensions import override

from speakage_engines.api import ModelError
from speakage_engines.compile.key import weights_digest
from speakage_engines.compile.module import Input, Module
from speakage_engines.models import SETTINGS_FILE, read_settings

DEFAULT_STEPS: Final = 20
DEFAULT_GUIDANCE: Final = 7.5
"""What Stable Diffusion 1.x was made for; a folder's ``speakage.json`` says better."""


_CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
    "text_encoder": ("CLIPTextModel", "BertModel"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeProjection:
    """How a denoiser is told the time: by sines and cosines of it (DDPM, Ho et al. 2020, appendix B).

    Made here and in float32, not by the engine: bf16 would round a timestep of 833 to 832, and its angles to radians.
    """

    width: int
    cosines_first: bool
    shift: float

    def __call__(self, timestep: float, batch: int) -> NDArray[np.float32]:
        """Shape ``(batch, width)``."""
        from diffusers.models.embeddings import get_timestep_embedding

        waves: NDArray[np.float32] = get_timestep_embedding(
            torch.full((batch,), timestep),
            self.width,
            flip_sin_to_cos=self.cosines_first,
            downscale_freq_shift=self.shift,
        ).numpy()
        return waves


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What the configurations of a folder say."""

    path: Path
    channels: int
    """Of the latents."""
    factor: int
    """Pixels on each side of one latent."""
    multiple: int
    """Pixels: the sides of a picture are whole multiples of it."""
    tokens: int
    """Length of a prompt in tokens, with its beginning and end."""
    vocabulary: int
    """Tokens that the text encoder knows."""
    width: int
    """Of the text states."""
    text: str
    """Class of the text encoder."""
    time: TimeProjection
    tiny: bool
    """The decoder is a tiny one itself."""
    scheduler: dict[str, Any]
    steps: int
    guidance: float
    size: int


def read_folder(path: Path) -> Folder:
    """Read and check the configurations; raises :class:`ModelError` naming the file."""
    _check_classes(path)
    unet, vae, text = (_Config(path / part / "config.json") for part in ("unet", "vae", "text_encoder"))
    _check_unet(unet)
    channels, width, factor = unet.integer("in_channels"), unet.integer("cross_attention_dim"), vae.factor()
    _compare(unet, "out_channels", channels, "its in_channels")
    _compare(vae, "latent_channels", channels, "the unet's in_channels")
    _compare(text, "hidden_size", width, "the unet's cross_attention_dim")
    if (tiny := path / "tiny_vae").is_dir():
        preview = _Config(tiny / "config.json")
        _compare(preview, "latent_channels", channels, "the unet's in_channels")
        if preview.factor() != factor:
            raise ModelError(
                f"{preview.path}: it enlarges {preview.factor()} times, the vae {factor} times; delete {tiny}"
            )
    steps, guidance, size = _settings(path, lambda: unet.integer("sample_size") * factor)
    return Folder(
        path=path,
        channels=channels,
        factor=factor,
        multiple=factor * unet.factor(),
        tokens=text.integer("max_position_embeddings"),
        vocabulary=text.integer("vocab_size"),
        width=width,
        text=_class_of(_Config(path / "model_index.json"), "text_encoder"),
        time=TimeProjection(
            width=unet.channels()[0],
            cosines_first=bool(unet.content.get("flip_sin_to_cos", True)),
            shift=float(unet.content.get("freq_shift", 0)),
        ),
        tiny=vae.content.get("_class_name") == "AutoencoderTiny",
        scheduler=_Config(path / "scheduler/scheduler_config.json").content,
        steps=steps,
        guidance=guidance,
        size=size,
    )


class _Config:
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


def _check_classes(path: Path) -> None:
    index = _Config(path / "model_index.json")
    for part, classes in _CLASSES.items():
        if (found := _class_of(index, part)) not in classes:
            raise ModelError(f"{index.path}: {part} is {found}; only {' or '.join(classes)} can be used")


def _class_of(index: _Config, part: str) -> str:
    named = index.content.get(part)
    return str(named[-1] if isinstance(named, list) and named else named)


def _check_unet(unet: _Config) -> None:
    if unet.content.get("time_embedding_type", "positional") != "positional":
        raise ModelError(f"{unet.path}: time_embedding_type is not 'positional'; this family cannot be used yet")
    for field in ("time_cond_proj_dim", "addition_embed_type", "class_embed_type", "encoder_hid_dim_type"):
        if value := unet.content.get(field):
            raise ModelError(
                f"{unet.path}: {field} is {value}; a family that needs more than a prompt (SDXL, guidance embeddings "
                "and kin) cannot be used yet"
            )


def _compare(config: _Config, field: str, expected: int, whose: str) -> None:
    if (found := config.integer(field)) != expected:
        raise ModelError(
            f"{config.path}: {field} is {found}, but {whose} {expected}; these files cannot paint together"
        )


def _settings(path: Path, own_size: Callable[[], int]) -> tuple[int, float, int]:
    """Steps, guidance and size, from ``speakage.json`` where it has them."""
    settings = read_settings(path)
    try:
        steps, guidance = int(settings.get("steps", DEFAULT_STEPS)), float(settings.get("guidance", DEFAULT_GUIDANCE))
        size = int(settings["size"]) if "size" in settings else own_size()
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path / SETTINGS_FILE}: {error}; mend it or delete it") from error
    if steps < 1 or guidance < 0 or size < 1:
        raise ModelError(
            f"{path / SETTINGS_FILE}: steps {steps}, guidance {guidance:g} and size {size} cannot be; "
            "mend it or delete it"
        )
    return steps, guidance, size


def text_encoder(folder: Folder) -> Module:
    """Token ids ``(1, tokens)`` → states ``(1, tokens, width)``."""
    path = folder.path / "text_encoder"
    inputs = (Input(name="input_ids", shape=(1, folder.tokens), dtype="int64"),)
    load = partial(_load_text_encoder, path, folder.text)
    return Module(name="text-encoder", load=load, inputs=inputs, weights=_digest(path))


def denoiser(folder: Folder, size: int, batch: int) -> Module:
    """(latents, projected timesteps, text states), each ``batch`` long → prediction of the latents' shape."""
    path, side = folder.path / "unet", size // folder.factor
    inputs = (
        Input(name="latents", shape=(batch, folder.channels, side, side)),
        Input(name="time", shape=(batch, folder.time.width)),
        Input(name="states", shape=(batch, folder.tokens, folder.width)),
    )
    return Module(name="denoiser", load=partial(_load_denoiser, path), inputs=inputs, weights=_digest(path))


def decoder(folder: Folder, size: int) -> Module:
    """Latents ``(1, channels, h, w)`` as the denoiser knows them → picture ``(1, 3, height, width)`` in 0..1."""
    return _decoder("decoder", folder, "vae", size)


def tiny_decoder(folder: Folder, size: int) -> Module | None:
    """The family's tiny decoder for previews: the folder's ``tiny_vae``; none where the decoder itself is tiny."""
    if folder.tiny or not (folder.path / "tiny_vae").is_dir():
        return None
    return _decoder("tiny-decoder", folder, "tiny_vae", size)


def _decoder(name: str, folder: Folder, part: str, size: int) -> Module:
    path, side = folder.path / part, size // folder.factor
    kind = _Config(path / "config.json").content.get("_class_name")
    if kind not in _CLASSES["vae"]:
        raise ModelError(f"{path}/config.json: {kind} cannot be used; only {' or '.join(_CLASSES['vae'])} can")
    inputs = (Input(name="latents", shape=(1, folder.channels, side, side)),)
    return Module(name=name, load=partial(_load_decoder, path, kind), inputs=inputs, weights=_digest(path))


def _load_text_encoder(path: Path, kind: str) -> torch.nn.Module:
    import transformers

    return _LastHiddenState(_weights(getattr(transformers, kind), path, "model", "dtype"))


def _load_denoiser(path: Path) -> torch.nn.Module:
    from diffusers import UNet2DConditionModel

    return _Prediction(_weights(UNet2DConditionModel, path))


def _load_decoder(path: Path, kind: str) -> torch.nn.Module:
    import diffusers

    return _Decoded(_weights(getattr(diffusers, kind), path))


class _LastHiddenState(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    @override
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.model(input_ids=input_ids, return_dict=False)[0]
        return states


class _Prediction(torch.nn.Module):
    """Takes the time as :class:`TimeProjection` makes it, in place of the model's own projection."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.model.get_time_embed = _as_given

    @override
    def forward(self, latents: torch.Tensor, time: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        prediction: torch.Tensor = self.model(latents, time, encoder_hidden_states=states, return_dict=False)[0]
        return prediction


def _as_given(sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
    return timestep.to(sample.dtype)


class _Decoded(torch.nn.Module):
    """Undoes the scaling that the denoiser's latents have, decodes, and maps −1..1 to 0..1."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.scale = float(model.config.scaling_factor)
        self.shift = float(getattr(model.config, "shift_factor", None) or 0.0)

    @override
    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        picture: torch.Tensor = self.model.decode(latents / self.scale + self.shift, return_dict=False)[0]
        return (picture / 2 + 0.5).clamp(0, 1)


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


def _weights(kind: Any, path: Path, stem: str = "diffusion_pytorch_model", dtype: str = "torch_dtype") -> Any:
    """Load one part in float32, fp16 files included; a part with tensors missing is refused, not made up."""
    half_only = not any(path.glob(f"{stem}.safetensors*")) and any(path.glob(f"{stem}.fp16*.safetensors"))
    kinds = {dtype: torch.float32, "variant": "fp16" if half_only else None}
    try:
        with quiet_libraries():
            model, info = kind.from_pretrained(
                path, local_files_only=True, use_safetensors=True, output_loading_info=True, **kinds
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{path}: the weights cannot be read ({error}); get the model again") from error
    for what in ("missing_keys", "mismatched_keys"):
        if wrong := sorted(map(str, info[what])):
            raise ModelError(
                f"{path}: {len(wrong)} tensors do not fit config.json ({what}, {wrong[0]} first); get the model again"
            )
    return model


def _digest(path: Path) -> str:
    weights = sorted(path.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"{path}: there is no .safetensors file in it; get the model again")
    try:
        return weights_digest([path / "config.json", *weights])
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error}); get the model again") from error
