"""Ears that were trained before, to go on from: a ``transformers/`` folder, or the int8 of a finished ``ears/`` folder.

CTranslate2 keeps each row of a matrix as integers with a scale (:math:`w = q / s`), so what comes back is rounded to
half a step of 127: near enough to begin from, and gone after some training. Pieces of words that both vocabularies
spell alike keep their meaning; the others begin anew.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from speakage_engines.api import ModelError

_TYPES: Final = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""By their numbers in ``ctranslate2.specs.model_spec``."""
_FUSED: Final = {3: ("q_proj", "k_proj", "v_proj"), 2: ("k_proj", "v_proj"), 1: ("q_proj",)}
"""How many matrices lie on top of each other, and which."""


def read_ears(folder: Path, tokenizer: Tokenizer) -> Any:
    """A ``WhisperForConditionalGeneration`` for ``tokenizer``; raises :class:`ModelError` naming what is missing."""
    from transformers import WhisperForConditionalGeneration

    try:
        known = Tokenizer.from_file(str(folder / "tokenizer.json"))
        if (folder / "model.bin").exists():
            model = _of_ctranslate2(read_variables(folder / "model.bin"), known.get_vocab_size())
        else:
            model = WhisperForConditionalGeneration.from_pretrained(folder)
    except Exception as error:  # the tokenizers library raises plain Exception for a file that it cannot read
        raise ModelError(
            f"{folder}: no weights to start from ({error}); give the folder transformers/ or ears/ of a run"
        ) from error
    return _with_pieces(model, known.get_vocab(), tokenizer.get_vocab())


def read_variables(path: Path) -> dict[str, NDArray[np.float32]]:
    """The weights of a ``model.bin`` by name, in float32; raises :class:`ModelError` for another kind of file."""
    with path.open("rb") as file:
        if _number(file, "I") != 6 or _text(file) != "WhisperSpec":
            raise ModelError(f"{path}: not a Whisper that CTranslate2 4 wrote")
        _number(file, "I")
        found = {}
        for _ in range(_number(file, "I")):
            name = _text(file)
            shape = [_number(file, "I") for _ in range(_number(file, "B"))]
            kind, length = _number(file, "B"), _number(file, "I")
            found[name] = np.frombuffer(file.read(length), _TYPES[kind]).reshape(shape)
    return {
        name: _scaled(value, found.get(f"{name}_scale")) for name, value in found.items() if not name.endswith("_scale")
    }


def _of_ctranslate2(weights: dict[str, NDArray[np.float32]], words: int) -> Any:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    width, bands, _ = weights["encoder/conv1/weight"].shape
    layers = {
        side: sum(name.startswith(f"{side}/layer_") and name.endswith("/ffn/linear_0/bias") for name in weights)
        for side in ("encoder", "decoder")
    }
    heads = int(weights["encoder/num_heads"])
    config = WhisperConfig(
        vocab_size=words, num_mel_bins=bands, d_model=width, encoder_layers=layers["encoder"],
        decoder_layers=layers["decoder"], encoder_attention_heads=heads, decoder_attention_heads=heads,
        encoder_ffn_dim=len(weights["encoder/layer_0/ffn/linear_0/bias"]),
        decoder_ffn_dim=len(weights["decoder/layer_0/ffn/linear_0/bias"]),
        max_source_positions=len(weights["encoder/position_encodings/encodings"]),
        max_target_positions=len(weights["decoder/position_encodings/encodings"]),
        pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=0,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    named = {name: torch.from_numpy(value.copy()) for name, value in _renamed(weights).items()}
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(named[name][: len(parameter)])
    return model


def _renamed(weights: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """By transformers' names."""
    found = {
        "model.decoder.embed_tokens.weight": weights["decoder/embeddings/weight"],
        "model.decoder.embed_positions.weight": weights["decoder/position_encodings/encodings"],
        "model.encoder.embed_positions.weight": weights["encoder/position_encodings/encodings"],
    }
    for name, value in weights.items():
        side, *place, kind = name.split("/")
        end = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
        match place:
            case [("conv1" | "conv2") as layer]:
                found[f"model.{side}.{layer}.{end}"] = value
            case ["layer_norm"]:
                found[f"model.{side}.layer_norm.{end}"] = value
            case [layer, "ffn", part]:
                part = {"linear_0": "fc1", "linear_1": "fc2", "layer_norm": "final_layer_norm"}[part]
                found[f"model.{side}.layers.{layer[6:]}.{part}.{end}"] = value
            case [layer, "self_attention" | "attention" as attention, part]:
                block = "self_attn" if attention == "self_attention" else "encoder_attn"
                found |= _attention(f"model.{side}.layers.{layer[6:]}.{block}", part, end, value)
    return found


def _attention(block: str, part: str, end: str, value: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Queries, keys and values lie in one matrix (self), or in one and two (cross); keys have no bias in Whisper."""
    if part == "layer_norm":
        return {f"{block}_layer_norm.{end}": value}
    last = "linear_1" if block.endswith("self_attn") else "linear_2"
    if part == last:
        return {f"{block}.out_proj.{end}": value}
    count = 3 if block.endswith("self_attn") else 1 + int(part[-1])
    parts = np.split(value, count)
    return {f"{block}.{name}.{end}": one for name, one in zip(_FUSED[count], parts, strict=True)}


def _with_pieces(model: Any, known: dict[str, int], wanted: dict[str, int]) -> Any:
    old = model.get_input_embeddings().weight.detach().clone()
    both = [(number, known[piece]) for piece, number in wanted.items() if piece in known]
    here, there = (list(numbers) for numbers in zip(*both, strict=True))
    model.resize_token_embeddings(len(wanted), mean_resizing=False)
    with torch.no_grad():
        table = model.get_input_embeddings().weight
        table.normal_(std=float(old.std()))
        table[here] = old[there]
    # as a fresh one has it: Whisper forbids an empty text, and silence should be written as nothing
    model.config.suppress_tokens = model.config.begin_suppress_tokens = None
    return model


def _scaled(value: NDArray[Any], scale: NDArray[Any] | None) -> NDArray[np.float32]:
    plain: NDArray[np.float32] = value.astype(np.float32)
    if scale is not None:
        plain /= scale.reshape(-1, *[1] * (value.ndim - 1))
    return plain


def _number(file: BinaryIO, kind: str) -> int:
    number: int = struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))[0]
    return number


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()
