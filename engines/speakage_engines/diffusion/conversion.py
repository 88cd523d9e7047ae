"""A checkpoint in Stable Diffusion's original layout as a diffusers folder, and such a folder as a checkpoint.

Tensors change their names, and few their shapes; none changes its values or its precision. Which name becomes which is
data (:mod:`~speakage_engines.diffusion.conversion_keys`). A tensor that is missing is an error, one that the map does
not know is told. Adapters (LoRA), tiny decoders and safety checkers are *not* converted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from speakage_engines.api import ModelError, Progress, no_progress
from speakage_engines.diffusion.conversion_files import (
    Tensors,
    open_checkpoint,
    open_part,
    read_json,
    write_json,
    write_tensors,
    written_whole,
)
from speakage_engines.diffusion.conversion_keys import LEFT_OUT, LEFT_OUT_OF_FOLDERS, OLD_VAE_ATTENTION, THIRDS, Form
from speakage_engines.diffusion.conversion_parts import (
    FAMILY_KEY,
    TEXT,
    UNET,
    VAE,
    Family,
    Part,
    Shape,
    families_of,
    find_family,
    parts_of_checkpoint,
    parts_of_folder,
    read_family,
    skeleton,
)
from speakage_engines.diffusion.conversion_tokenizer import find_tokenizer, save_tokenizers
from speakage_engines.diffusion.folder import quiet_libraries
from speakage_engines.models import SETTINGS_FILE, read_settings

_CLASSES: Final[Mapping[str, str]] = {
    UNET: "UNet2DConditionModel",
    VAE: "AutoencoderKL",
    TEXT[0]: "CLIPTextModel",
    TEXT[1]: "CLIPTextModelWithProjection",
}
_PREDICTIONS: Final[Mapping[str, str]] = {"v": "v_prediction", "epsilon": "epsilon"}
"""ModelSpec's words, and diffusers'."""
_NETWORK_STEM: Final = "diffusion_pytorch_model"
_TEXT_STEM: Final = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What was converted, and what was not."""

    target: Path
    family: str
    """A file of ``families/``."""
    reason: str
    """How the family was found."""
    converted: Mapping[str, int]
    """Tensors by part, counted in the source."""
    left_out: tuple[str, ...]
    """Tensors of the source that painting does not need: averages, constants, an unused layer."""
    unknown: tuple[str, ...]
    """Tensors of the source that the map does not know."""


@dataclass(slots=True)
class _Needs:
    """What one part wants of a checkpoint: each of its tensors, the name there, and the form there."""

    part: Part
    wanted: list[tuple[str, Shape, str, Form]] = field(default_factory=list)

    @classmethod
    def of(cls, part: Part) -> _Needs:
        with quiet_libraries():
            shapes = skeleton(part)
        needs = cls(part)
        for key, shape in shapes.items():
            place = part.place(key)
            if place is None:
                raise ModelError(
                    f"the original layout has no place for {key} of the {part.name}; this cannot be converted"
                )
            needs.wanted.append((key, shape, part.prefix + place.name, place.form))
        return needs


def convert(
    source: Path,
    target: Path,
    *,
    family: str | None = None,
    tokenizer: Path | None = None,
    progress: Progress = no_progress,
) -> Conversion:
    """A folder becomes a ``.safetensors`` file, a file a folder; raises :class:`ModelError`, and then writes nothing.

    ``family`` and ``tokenizer`` are for files alone: what the tensors do not tell, and what they do not hold.
    """
    if not source.exists():
        raise ModelError(f"{source}: there is no such file or folder; name a checkpoint, or a diffusers folder")
    if target.exists():
        raise ModelError(f"{target}: is there already; delete it, or name another place")
    if not source.is_dir():
        return _to_folder(source, target, (family, tokenizer), progress)
    if family or tokenizer:
        raise ModelError(f"{source}: a folder has its own family and tokenizer; leave --family and --tokenizer out")
    if target.suffix != ".safetensors":
        raise ModelError(f"{target}: a folder becomes one file; give it a name that ends in .safetensors")
    return _to_checkpoint(source, target, progress)


def _to_folder(source: Path, target: Path, asked: tuple[str | None, Path | None], progress: Progress) -> Conversion:
    tensors = open_checkpoint(source)
    try:
        found, reason = find_family(tensors.shapes, tensors.metadata, asked[0])
        family = read_family(found)
        parts = [_Needs.of(part) for part in parts_of_checkpoint(family, tensors.shapes)]
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from error
    used = {name for needs in parts for *_, name, _form in needs.wanted}
    if missing := sorted(used - tensors.shapes.keys()):
        raise ModelError(f"{source}: {_some(missing)} missing that {family.name} needs; get the whole checkpoint")
    text = next(needs.part.config for needs in parts if needs.part.name == TEXT[0])
    words = find_tokenizer(asked[1], text["vocab_size"], text["max_position_embeddings"])
    scheduler = family.configs["scheduler"]
    told = _PREDICTIONS.get(tensors.metadata.get("modelspec.prediction_type", ""))
    if told and not asked[0]:
        scheduler = scheduler | {"prediction_type": told}
    with written_whole(target) as folder:
        folder.mkdir()
        for index, needs in enumerate(parts):
            progress(f"writing the {needs.part.name}", index / len(parts))
            _write_part(folder / needs.part.name, needs, tensors, source)
        (folder / "scheduler").mkdir()
        write_json(folder / "scheduler/scheduler_config.json", scheduler)
        save_tokenizers(words, folder, family.pad_tokens)
        write_json(folder / SETTINGS_FILE, {"family": family.name, **family.settings})
        write_json(folder / "model_index.json", _index(family, scheduler["_class_name"], type(words).__name__))
    progress("converted", 1.0)
    rest = sorted(tensors.shapes.keys() - used)
    return Conversion(
        target=target,
        family=family.name,
        reason=reason,
        converted={needs.part.name: len({name for *_, name, _form in needs.wanted}) for needs in parts},
        left_out=tuple(name for name in rest if LEFT_OUT.fullmatch(name)),
        unknown=tuple(name for name in rest if not LEFT_OUT.fullmatch(name)),
    )


def _write_part(folder: Path, needs: _Needs, tensors: Tensors, source: Path) -> None:
    folder.mkdir()
    converted = {}
    for key, shape, name, form in needs.wanted:
        tensor = _from_original(tensors.get(name), form)
        if tuple(tensor.shape) != shape:
            raise ModelError(
                f"{source}: {name} has the shape {tensors.shapes[name]}, which does not fit the other tensors of the "
                f"{needs.part.name} ({shape} would); get the file again, or convert a checkpoint of a family known here"
            )
        public = f"text_model.{key}" if needs.part.is_text and not key.startswith("text_projection") else key
        converted[public] = tensor
    stem = _TEXT_STEM if needs.part.is_text else _NETWORK_STEM
    write_tensors(folder / f"{stem}.safetensors", converted, {"format": "pt"})
    write_json(folder / "config.json", needs.part.config)


def _from_original(tensor: torch.Tensor, form: Form) -> torch.Tensor:
    if form == "convolution":
        # some checkpoints keep the layer as it is in diffusers
        return tensor.reshape(tensor.shape[:2])
    if form == "transposed":
        return tensor.T
    return tensor.chunk(3)[THIRDS.index(form)] if form in THIRDS else tensor


def _to_checkpoint(source: Path, target: Path, progress: Progress) -> Conversion:
    configs = {name: read_json(source / name / "config.json") for name in _networks(source / "model_index.json")}
    prediction = str(read_json(source / "scheduler/scheduler_config.json").get("prediction_type", "epsilon"))
    written = read_settings(source).get("family")
    family, reason = _family_of_folder(configs, prediction, written)
    whole: dict[str, torch.Tensor] = {}
    rest: list[str] = []
    converted: dict[str, int] = {}
    for part in parts_of_folder(configs):
        progress(f"reading the {part.name}", len(converted) / (len(configs) + 1))
        found = _original_part(source / part.name, part)
        whole |= found.tensors
        rest += found.rest
        converted[part.name] = found.count
    metadata = {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": read_family(family).architecture,
        "modelspec.prediction_type": "v" if prediction == "v_prediction" else "epsilon",
        # what was only guessed is guessed again by whoever reads it
        **({FAMILY_KEY: family} if family == written else {}),
    }
    progress("writing the checkpoint", len(converted) / (len(configs) + 1))
    with written_whole(target) as unfinished:
        write_tensors(unfinished, whole, metadata)
    progress("converted", 1.0)
    return Conversion(
        target=target,
        family=family,
        reason=reason,
        converted=converted,
        left_out=tuple(name for name in rest if LEFT_OUT_OF_FOLDERS.fullmatch(name.partition("/")[2])),
        unknown=tuple(name for name in rest if not LEFT_OUT_OF_FOLDERS.fullmatch(name.partition("/")[2])),
    )


def _networks(index: Path) -> list[str]:
    """Names of a folder's parts that have a place in a checkpoint; raises :class:`ModelError` for other classes."""
    content = read_json(index)
    classes = {name: (content.get(name) or [None])[-1] for name in _CLASSES}
    if classes[TEXT[1]] is None:
        del classes[TEXT[1]]
    for name, kind in classes.items():
        if kind != _CLASSES[name]:
            raise ModelError(
                f"{index}: {name} is {kind}, and the original layout knows only {_CLASSES[name]}; "
                "this cannot be converted"
            )
    return list(classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OriginalPart:
    """One part of a folder in the original layout."""

    tensors: dict[str, torch.Tensor]
    rest: list[str]
    """Names that its classes do not want, each with its part's."""
    count: int


def _original_part(folder: Path, part: Part) -> _OriginalPart:
    tensors = open_part(folder, _TEXT_STEM if part.is_text else _NETWORK_STEM)
    here = {_modern(name, part): name for name in tensors.shapes}
    try:
        wanted = _Needs.of(part).wanted
    except ModelError as error:
        raise ModelError(f"{folder}/config.json: {error}") from error
    keys = {key for key, *_ in wanted}
    if missing := sorted(keys - here.keys()):
        raise ModelError(f"{folder}: {_some(missing)} missing that its config.json asks for; get the model again")
    gathered: dict[str, list[tuple[Form, torch.Tensor]]] = {}
    for key, shape, name, form in wanted:
        tensor = tensors.get(here[key])
        if form == "convolution" and tensor.ndim > len(shape):
            tensor = tensor.reshape(tensor.shape[:2])
        if tuple(tensor.shape) != shape:
            raise ModelError(
                f"{folder}: {here[key]} has the shape {tuple(tensor.shape)} where config.json asks for {shape}; "
                "get the model again"
            )
        gathered.setdefault(name, []).append((form, tensor))
    return _OriginalPart(
        tensors={name: _to_original(pieces) for name, pieces in gathered.items()},
        rest=[f"{part.name}/{here[key]}" for key in sorted(here.keys() - keys)],
        count=len(keys),
    )


def _modern(name: str, part: Part) -> str:
    """A tensor's name as today's classes have it."""
    if part.is_text:
        return name.removeprefix("text_model.")
    if part.name == VAE and ".attentions." in name:
        for old, new in OLD_VAE_ATTENTION.items():
            name = name.replace(old, new)
    return name


def _to_original(pieces: Iterable[tuple[Form, torch.Tensor]]) -> torch.Tensor:
    by_form = dict(pieces)
    if "query" in by_form:
        return torch.cat([by_form[form] for form in THIRDS])
    ((form, tensor),) = by_form.items()
    if form == "convolution":
        return tensor[:, :, None, None]
    return tensor.T if form == "transposed" else tensor


def _family_of_folder(configs: Mapping[str, Mapping[str, Any]], prediction: str, written: object) -> tuple[str, str]:
    """(name, why); ``written`` is what the folder's settings say."""
    if TEXT[1] in configs:
        found = "stable-diffusion-xl"
    elif configs[TEXT[0]].get("hidden_act") == "quick_gelu":
        found = "stable-diffusion-1.5"
    else:
        found = "stable-diffusion-2.1" if prediction == "v_prediction" else "stable-diffusion-2.1-base"
    if written in families_of(read_family(found).layout):
        return str(written), f"its {SETTINGS_FILE} says so"
    return found, "by its text encoders and its scheduler"


def _index(family: Family, scheduler: str, tokenizer: str) -> dict[str, Any]:
    networks = {name: kind for name, kind in _CLASSES.items() if name in family.configs}
    return {
        "_class_name": family.pipeline,
        **{name: ["transformers" if name in TEXT else "diffusers", kind] for name, kind in networks.items()},
        **{name: ["transformers", tokenizer] for name in family.pad_tokens},
        "scheduler": ["diffusers", scheduler],
    }


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{len(names)} tensors ({shown}{', …' if len(names) > 3 else ''}) are" if len(names) > 1 else f"{shown} is"
