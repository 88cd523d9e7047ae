"""CLIP's tokenizer for a converted folder: checkpoints in the original layout hold none.

It is taken from a folder that has one, or made from CLIP's list of byte pairs, which the package ``open_clip_torch``
ships. Nothing of that package is run.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from speakage_engines.api import ModelError
from speakage_engines.diffusion.text import load_tokenizer

BYTE_PAIRS: Final = "bpe_simple_vocab_16e6.txt.gz"
START: Final = "<|startoftext|>"
END: Final = "<|endoftext|>"
_TOKENS: Final = 49_408
"""CLIP's vocabulary: 256 bytes, those again at a word's end, the pairs, and two marks; the list goes on behind it."""


def find_tokenizer(asked: Path | None, vocabulary: int, tokens: int) -> Any:
    """The tokenizer of a folder, of a list of byte pairs, or of open_clip's own; raises :class:`ModelError`."""
    if asked is None:
        return clip_tokenizer(_shipped_byte_pairs(), vocabulary, tokens)
    if asked.is_dir():
        return load_tokenizer(asked, vocabulary)
    return clip_tokenizer(asked, vocabulary, tokens)


def save_tokenizers(tokenizer: Any, folder: Path, pad_tokens: Mapping[str, str]) -> None:
    """One folder each, with its family's padding where the tokenizer knows that token."""
    known = tokenizer.get_vocab()
    for name, pad in pad_tokens.items():
        if pad in known:
            tokenizer.pad_token = pad
        tokenizer.save_pretrained(folder / name)


def clip_tokenizer(byte_pairs: Path, vocabulary: int, tokens: int) -> Any:
    """From the file that OpenAI published with CLIP; raises :class:`ModelError`."""
    from transformers import CLIPTokenizer

    try:
        with gzip.open(byte_pairs, "rt", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{byte_pairs}: cannot be read ({error}); name a folder with a tokenizer, or {BYTE_PAIRS}"
        ) from error
    pairs = [tuple(line.split()) for line in lines[1 : _TOKENS - 512 - 2 + 1]]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ModelError(f"{byte_pairs}: is no list of byte pairs; name a folder with a tokenizer, or {BYTE_PAIRS}")
    letters = _byte_letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in pairs), START, END]
    if len(words) > vocabulary:
        raise ModelError(
            f"{byte_pairs}: CLIP has {len(words)} tokens, this text encoder only {vocabulary}; name the folder of its "
            "own tokenizer with --tokenizer"
        )
    return CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=pairs, model_max_length=tokens
    )


def _byte_letters() -> list[str]:
    """A letter for each byte, in CLIP's order: those that can be seen as they are, then the others from U+0100 on."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(seen)
    return [chr(code) for code in seen] + [chr(256 + number) for number in range(others)]


def _shipped_byte_pairs() -> Path:
    spec = find_spec("open_clip")
    places = (spec.submodule_search_locations if spec else None) or []
    for place in places:
        if (path := Path(place) / BYTE_PAIRS).is_file():
            return path
    raise ModelError(
        "a checkpoint holds no tokenizer, and CLIP's vocabulary is not installed; install it with: pip install "
        "'speakage[convert]', or name a folder that has a tokenizer with --tokenizer"
    )
