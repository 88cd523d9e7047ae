"""Low-rank adapters (LoRA, Hu et al. 2022) in files: read in the layouts of kohya, peft and diffusers.

Each layout names a layer in its own way; here every name that a layer of the model may have is written down, and what
a file holds is looked up. A file with anything left over is refused, not half used. DoRA, LoHa, LoKr and kin compute
something else and are refused by name.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from speakage_engines.adapter_choice import AdapterChoice
from speakage_engines.api import ModelError
from speakage_engines.compile.low_rank import NARROW, Layer, LowRank, Room, layers_of
from speakage_engines.diffusion.conversion_keys import unet_place
from speakage_engines.diffusion.folder import Config, Folder

Changes: TypeAlias = Mapping[str, Mapping[str, Sequence[LowRank]]]
"""By part (``unet``, ``text_encoder``, …) and layer."""

DENOISER: Final = "unet"
_TENSOR: Final = re.compile(
    r"(?P<layer>.+?)(?:(?:\.lora_|_lora\.|\.lora\.)(?P<matrix>A|B|down|up)(?:\.default(?:_\d+)?)?\.weight|\.(?P<alpha>alpha))"
)
_OTHERS: Final = {
    "DoRA": re.compile(r".*(?:dora_scale|lora_magnitude_vector).*"),
    "LoHa": re.compile(r".*\.hada_w.*"),
    "LoKr": re.compile(r".*\.lokr_w.*"),
    "LoCon in Tucker's form": re.compile(r".*\.lora_mid\..*"),
}
"""Kinds of adapters that are something else, by names of their tensors."""
_METADATA: Final = "lora_adapter_metadata"
"""Where diffusers writes peft's settings."""


@dataclass(frozen=True, slots=True)
class Place:
    """A layer of a model."""

    part: str
    layer: Layer


class Adapters:
    """The adapters of one model: what they may change, and those that were read, which are kept."""

    def __init__(self, folder: Folder) -> None:
        self.layers = dict(_layers(folder))
        """By part: all that adapters may change."""
        self._places = dict(_places(folder, self.layers))
        self._read: dict[str, dict[Place, LowRank]] = {}

    def changes(self, choices: Sequence[AdapterChoice]) -> dict[str, dict[str, list[LowRank]]]:
        """What these add together, each by its scale; raises :class:`ModelError` naming the file."""
        together: dict[str, dict[str, list[LowRank]]] = {part: {} for part in self.layers}
        for choice in choices:
            if not choice.scale:
                continue
            for place, change in self.read(choice).items():
                scaled = LowRank(change.down, np.float32(choice.scale) * change.up)
                together[place.part].setdefault(place.layer.name, []).append(scaled)
        return together

    def rooms(self, choices: Sequence[AdapterChoice], least: int) -> dict[str, Room]:
        """By part: room for all of these at a time, and for ``least`` ranks of others; a multiple of 8."""
        ranks: Counter[Place] = Counter()
        for choice in choices:
            ranks.update({place: len(change.down) for place, change in self.read(choice).items()})
        rank = 8 * math.ceil(max(least, *ranks.values(), 1) / 8)
        wide = any(place.layer.kernel != NARROW for place in ranks)
        return {
            part: Room(rank=rank, layers=tuple(layer for layer in layers if wide or layer.kernel == NARROW))
            for part, layers in self.layers.items()
        }

    def read(self, choice: AdapterChoice) -> dict[Place, LowRank]:
        """What a file changes, with alpha in it but not the scale; raises :class:`ModelError` naming the file."""
        if choice.digest not in self._read:
            self._read[choice.digest] = dict(_read(choice.path, self._places))
        return self._read[choice.digest]


def _layers(folder: Folder) -> Iterator[tuple[str, tuple[Layer, ...]]]:
    """Of each part, from its configuration."""
    import transformers
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(Config(folder.path / DENOISER / "config.json").content)
        yield DENOISER, tuple(layers_of(unet))
        for part in folder.text:
            kind = getattr(transformers, part.kind)
            text = kind(kind.config_class.from_pretrained(folder.path / part.name))
            yield part.name, tuple(layers_of(text))


def _places(folder: Folder, layers: Mapping[str, Sequence[Layer]]) -> Iterator[tuple[str, Place]]:
    """Every name that a file may call a layer by."""
    config = Config(folder.path / DENOISER / "config.json").content
    for layer in layers[DENOISER]:
        place = Place(DENOISER, layer)
        for name in (f"{DENOISER}.{layer.name}", f"base_model.model.{layer.name}", layer.name):
            yield name, place
        yield f"lora_unet_{_underscored(layer.name)}", place
        if old := re.fullmatch(r"(.+)\.(to_[qkv]|to_out)(?:\.0)?", layer.name):
            # as diffusers wrote them before it used peft: the branch lies in the attention's processor
            yield f"{DENOISER}.{old[1]}.processor.{old[2]}", place
            yield f"{old[1]}.processor.{old[2]}", place
        # kohya's trainer for SDXL names layers as the original code does, which knows levels of one depth only
        if isinstance(config["layers_per_block"], int) and (original := unet_place(f"{layer.name}.weight", config)):
            yield f"lora_unet_{_underscored(original.name.removesuffix('.weight'))}", place
    several = len(folder.text) > 1
    for number, part in enumerate(folder.text, 1):
        for layer in layers[part.name]:
            own = layer.name.removeprefix("text_model.")
            for name in (own, f"text_model.{own}"):
                yield f"{part.name}.{name}", Place(part.name, layer)
                yield f"lora_te{number if several else ''}_{_underscored(name)}", Place(part.name, layer)
                if number == 1:
                    # a text encoder's own file does not say which it is
                    yield f"base_model.model.{name}", Place(part.name, layer)


def _underscored(name: str) -> str:
    return name.replace(".", "_")


def _read(path: Path, places: Mapping[str, Place]) -> Iterator[tuple[Place, LowRank]]:
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); get the adapter again") from error
    factors = _Factors(path, metadata)
    grouped = _grouped(path, tensors)
    if strange := [name for name in grouped if name not in places]:
        raise ModelError(
            f"{path}: {len(strange)} of the {len(grouped)} layers it changes are not in this model, {strange[0]} "
            "first; it was made for another family of models"
        )
    for name, matrices in grouped.items():
        place = places[name]
        if not {"down", "up"} <= matrices.keys():
            raise ModelError(f"{path}: {name} has one matrix of two; get the adapter again")
        yield place, _change(path, place, matrices, factors.of(name, place, matrices))


def _grouped(path: Path, tensors: Mapping[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """By the layer's name in the file: ``down``, ``up`` and, where there is one, ``alpha``."""
    grouped: dict[str, dict[str, torch.Tensor]] = {}
    kinds = {"A": "down", "B": "up"}
    for name, tensor in tensors.items():
        if kind := next((kind for kind, pattern in _OTHERS.items() if pattern.fullmatch(name)), None):
            raise ModelError(
                f"{path}: it is a {kind} ({name}), which Speakage does not know; only plain LoRA can be used"
            )
        if not (found := _TENSOR.fullmatch(name)):
            raise ModelError(
                f"{path}: {name} is no part of a LoRA; only files with a LoRA and nothing else can be used"
            )
        matrix = found["alpha"] or kinds.get(found["matrix"], found["matrix"])
        grouped.setdefault(found["layer"], {})[matrix] = tensor
    if not grouped:
        raise ModelError(f"{path}: it is empty; get the adapter again")
    return grouped


def _change(path: Path, place: Place, matrices: Mapping[str, torch.Tensor], factor: float) -> LowRank:
    down, up = (matrices[name].float().numpy() for name in ("down", "up"))
    if down.ndim == 4 and place.layer.kernel == down.shape[2:] == NARROW:
        down = down.reshape(down.shape[:2])
    change = LowRank(down, np.float32(factor) * up.reshape(up.shape[:2]))
    try:
        place.layer.check(change)
    except ValueError as error:
        raise ModelError(f"{path}: {error}; it was made for another model") from None
    return change


class _Factors:
    """alpha / rank of every layer: from the file's own numbers, its metadata, or peft's configuration beside it."""

    def __init__(self, path: Path, metadata: Mapping[str, str]) -> None:
        beside = path.with_name("adapter_config.json")
        try:
            if _METADATA in metadata:
                self._told: Mapping[str, Any] = json.loads(metadata[_METADATA])
            elif path.name == "adapter_model.safetensors" and beside.is_file():
                self._told = json.loads(beside.read_text(encoding="utf-8"))
            else:
                self._told = {}
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: its settings cannot be read ({error}); get the adapter again") from error

    def of(self, name: str, place: Place, matrices: Mapping[str, torch.Tensor]) -> float:
        rank = matrices["down"].shape[0]
        if "alpha" in matrices:
            return float(matrices["alpha"]) / rank
        told = {key.removeprefix(f"{place.part}."): value for key, value in self._told.items()}
        alpha = _by_pattern(told.get("alpha_pattern") or {}, name, told.get("lora_alpha", rank))
        return float(alpha) / (math.sqrt(rank) if told.get("use_rslora") else rank)


def _by_pattern(patterns: Mapping[str, float], name: str, otherwise: float) -> float:
    """As peft looks them up: the first pattern that is the end of the layer's name."""
    return next((value for end, value in patterns.items() if re.match(rf"(.*\.)?({end})$", name)), otherwise)
