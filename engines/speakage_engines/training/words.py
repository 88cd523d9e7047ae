"""A text encoder carried over to another vocabulary: what it knows of a word goes along, new words begin anew."""

from __future__ import annotations

import copy
from typing import Any

import torch

_WORD_STARTS = "\N{LOWER ONE EIGHTH BLOCK}"
"""What byte-pair vocabularies write in front of the piece that begins a word; word lists write nothing."""


def carry_words(text: Any, known: Any, tokenizer: Any) -> tuple[Any, int]:
    """``text``, whose tokenizer is ``known``, for ``tokenizer``; and how many of its words and pieces were known.

    Embeddings of words that both spell alike are kept, those of the others are drawn with the spread of the old ones.
    A longer prompt repeats the place of the last. All other weights are kept.
    """
    old, new = _pieces(known), _pieces(tokenizer)
    both = [(number, old[piece]) for piece, number in new.items() if piece in old]
    model = _same_shape(text, tokenizer)
    words, places = (_table(text, kind).weight for kind in ("word", "place"))
    with torch.no_grad():
        new_words, new_places = (_table(model, kind).weight for kind in ("word", "place"))
        new_words.normal_(std=words.std().item())
        here, there = zip(*both, strict=True)
        new_words[list(here)] = words[list(there)]
        last = torch.arange(len(new_places)).clamp(max=len(places) - 1)
        new_places.copy_(places[last])
    return model, len(both)


def _pieces(tokenizer: Any) -> dict[str, int]:
    """All by number; those of a word list are marked as the pieces that begin a word are."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    if any(piece.startswith(_WORD_STARTS) for piece in vocabulary):
        return vocabulary
    special = set(tokenizer.all_special_tokens)
    return {piece if piece in special else _WORD_STARTS + piece: number for piece, number in vocabulary.items()}


def _same_shape(text: Any, tokenizer: Any) -> Any:
    config = copy.deepcopy(text.config)
    config.vocab_size = len(tokenizer)
    config.max_position_embeddings = tokenizer.model_max_length
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(config, name, getattr(tokenizer, name) or tokenizer.pad_token_id)
    model = type(text)(config)
    tables = {id(_table(model, kind).weight) for kind in ("word", "place")}
    kept = dict(text.named_parameters())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if id(weight) not in tables:
                weight.copy_(kept[name])
    return model


def _table(text: Any, kind: str) -> Any:
    """The table of embeddings of words or of places, as CLIP and BERT name them."""
    if kind == "word":
        return text.get_input_embeddings()
    return next(
        module
        for name, module in text.named_modules()
        if name.rpartition(".")[2] in ("position_embedding", "position_embeddings")
    )
