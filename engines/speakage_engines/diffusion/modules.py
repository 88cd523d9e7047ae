"""The networks of a folder as modules to compile: text encoders, denoiser, decoders and encoder, each in its wrapper.

Weights are read when a module is loaded, not before; their digest is read at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError
from typing_extensions import override

from speakage_engines.api import ModelError, Size
from speakage_engines.compile.key import weights_digest
from speakage_engines.compile.low_rank import Room, with_room
from speakage_engines.compile.module import Input, Module
from speakage_engines.diffusion.folder import DECODERS, Config, Folder, TextPart, quiet_libraries

Rooms: TypeAlias = Mapping[str, Room]
"""For adapters, by the name of a part's folder; a part without one has none."""


def text_encoders(folder: Folder, rooms: Rooms) -> list[Module]:
    """Token ids ``(1, tokens)`` → states ``(1, tokens, width)``, where there is one encoder.

    Where there are two: the first gives the states before its last layer, the second a row ``(1, n)`` of those and then
    its pooled prompt. Their names differ from the only one's, since the same weights then compute something else.
    """
    if folder.sizes is None:
        only = folder.text[0]
        return [with_room(_text_encoder("text-encoder", folder.path, only, _LastStates), rooms.get(only.name))]
    names, wrappers = ("first-text-encoder", "second-text-encoder"), (_StatesBeforeLast, _StatesAndPooled)
    return [
        with_room(_text_encoder(name, folder.path, part, wrapper), rooms.get(part.name))
        for name, part, wrapper in zip(names, folder.text, wrappers, strict=True)
    ]


def denoiser(folder: Folder, size: Size, batch: int, rooms: Rooms) -> Module:
    """(latents, projected timesteps, text states, …), each ``batch`` long → prediction of the latents' shape.

    After the states come, for a denoiser that is told them, pooled prompts with projected sizes, and guidance; last
    the adapters, where there is room for them.
    """
    path = folder.path / "unet"
    inputs = [
        Input(name="latents", shape=(batch, folder.channels, *folder.latent_sides(size))),
        Input(name="time", shape=(batch, folder.time.width)),
        Input(name="states", shape=(batch, folder.tokens, folder.width)),
    ]
    if folder.added:
        inputs.append(Input(name="added", shape=(batch, folder.added)))
    if folder.guidance_width:
        inputs.append(Input(name="guidance", shape=(batch, folder.guidance_width)))
    module = Module(name="denoiser", load=partial(_load_denoiser, path), inputs=tuple(inputs), weights=_digest(path))
    return with_room(module, rooms.get("unet"))


def decoder(folder: Folder, size: Size) -> Module:
    """Latents ``(1, channels, h, w)`` as the denoiser knows them → picture ``(1, 3, height, width)`` in 0..1."""
    return _decoder("decoder", folder, "vae", size)


def tiny_decoder(folder: Folder, size: Size) -> Module | None:
    """The family's tiny decoder for previews: the folder's ``tiny_vae``; none where the decoder itself is tiny."""
    if folder.tiny or not (folder.path / "tiny_vae").is_dir():
        return None
    return _decoder("tiny-decoder", folder, "tiny_vae", size)


def encoder(folder: Folder, size: Size, weights: str) -> Module | None:
    """Picture ``(1, 3, height, width)`` in 0..1 → latents ``(1, n, h, w)`` as the denoiser knows them.

    A tiny encoder gives the latents; the other one twice as many channels: their means, then their deviations.
    ``weights`` are the decoder's, of the same files. None where :attr:`Folder.no_encoder` says why.
    """
    if folder.no_encoder:
        return None
    return Module(
        name="picture-encoder",
        load=partial(_load_encoder, folder.path / "vae", "AutoencoderTiny" if folder.tiny else "AutoencoderKL"),
        inputs=(Input(name="picture", shape=(1, 3, size[1], size[0])),),
        weights=weights,
        overflows=folder.overflows,
    )


def _text_encoder(name: str, folder: Path, part: TextPart, wrapper: type[torch.nn.Module]) -> Module:
    path = folder / part.name
    inputs = (Input(name="input_ids", shape=(1, part.tokens), dtype="int64"),)
    load = partial(_load_text_encoder, path, part.kind, wrapper)
    return Module(name=name, load=load, inputs=inputs, weights=_digest(path))


def _decoder(name: str, folder: Folder, part: str, size: Size) -> Module:
    path = folder.path / part
    kind = Config(path / "config.json").content.get("_class_name")
    if kind not in DECODERS:
        raise ModelError(f"{path}/config.json: {kind} cannot be used; only {' or '.join(DECODERS)} can")
    return Module(
        name=name,
        load=partial(_load_decoder, path, kind),
        inputs=(Input(name="latents", shape=(1, folder.channels, *folder.latent_sides(size))),),
        weights=_digest(path),
        overflows=folder.overflows and part == "vae",
    )


def _load_text_encoder(path: Path, kind: str, wrapper: type[torch.nn.Module]) -> torch.nn.Module:
    import transformers

    return wrapper(_weights(getattr(transformers, kind), path, "model", "dtype"))


def _load_denoiser(path: Path) -> torch.nn.Module:
    from diffusers import UNet2DConditionModel

    return Prediction(_weights(UNet2DConditionModel, path))


def _load_decoder(path: Path, kind: str) -> torch.nn.Module:
    import diffusers

    return _Decoded(_weights(getattr(diffusers, kind), path))


def _load_encoder(path: Path, kind: str) -> torch.nn.Module:
    import diffusers

    return _Encoded(_weights(getattr(diffusers, kind), path))


class _LastStates(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    @override
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.model(input_ids=input_ids, return_dict=False)[0]
        return states


class _StatesBeforeLast(torch.nn.Module):
    """As SDXL wants them: of the layer before the last, without the norm that follows the last."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    @override
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.model(input_ids=input_ids, output_hidden_states=True).hidden_states[-2]
        return states


class _StatesAndPooled(torch.nn.Module):
    """Both in one row, since a module returns one tensor."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    @override
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        found = self.model(input_ids=input_ids, output_hidden_states=True)
        return torch.cat([found.hidden_states[-2].flatten(1), found.text_embeds], dim=1)


class Prediction(torch.nn.Module):
    """A denoiser that takes as inputs what diffusers' class projects itself, or takes in a dictionary.

    The time comes as :class:`~speakage_engines.diffusion.waves.TimeProjection` makes it, in place of the model's own
    projection; so do sizes, behind the pooled prompt.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.model.get_time_embed = _as_given
        self._added = model.config.addition_embed_type == "text_time"
        if self._added:
            self.model.get_aug_embed = _added_as_given

    @override
    def forward(
        self, latents: torch.Tensor, time: torch.Tensor, states: torch.Tensor, *told: torch.Tensor
    ) -> torch.Tensor:
        embedded = {"embedded": self.model.add_embedding(told[0])} if self._added else None
        guidance = told[self._added :]
        prediction: torch.Tensor = self.model(
            latents,
            time,
            encoder_hidden_states=states,
            timestep_cond=guidance[0] if guidance else None,
            added_cond_kwargs=embedded,
            return_dict=False,
        )[0]
        return prediction


def _as_given(sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
    return timestep.to(sample.dtype)


def _added_as_given(*, added_cond_kwargs: dict[str, torch.Tensor], **_: torch.Tensor) -> torch.Tensor:
    return added_cond_kwargs["embedded"]


class _Scaled(torch.nn.Module):
    """An autoencoder, and the scaling that the denoiser's latents have."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.scale = float(model.config.scaling_factor)
        self.shift = float(getattr(model.config, "shift_factor", None) or 0.0)


class _Decoded(_Scaled):
    """Undoes the scaling that the denoiser's latents have, decodes, and maps −1..1 to 0..1."""

    @override
    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        picture: torch.Tensor = self.model.decode(latents / self.scale + self.shift, return_dict=False)[0]
        return (picture / 2 + 0.5).clamp(0, 1)


class _Encoded(_Scaled):
    """The way back: maps 0..1 to −1..1, encodes, and gives latents the scaling that the denoiser knows."""

    @override
    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        found = self.model.encode(picture * 2 - 1, return_dict=False)[0]
        if isinstance(found, torch.Tensor):
            return (found - self.shift) * self.scale
        return torch.cat([found.mean - self.shift, found.std], dim=1) * self.scale


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
