"""Words to numbers as Whisper's decoders want them: a byte-level BPE, and Whisper's special tokens after it.

The order and names of the special tokens are those that faster-whisper and CTranslate2 look for. No weights here.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable
from typing import Any, Final

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, WhitespaceSplit
from tokenizers.trainers import BpeTrainer

END: Final = "<|endoftext|>"
START: Final = "<|startoftranscript|>"
PREVIOUS: Final = "<|startofprev|>"
NO_SPEECH: Final = "<|nospeech|>"
NO_TIMESTAMPS: Final = "<|notimestamps|>"
SPECIAL: Final = (
    *(END, START, "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>", PREVIOUS, NO_SPEECH, NO_TIMESTAMPS),
    *(f"<|{step * 0.02:.2f}|>" for step in range(1501)),
)
SPACE: Final = "Ġ"
"""How byte-level vocabularies write the space before a word."""
_FIRST_PRIVATE: Final = 0xE000


def train(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of at most ``size`` pieces, the special tokens on top.

    Every word begins with a piece that holds its space *and* its first letter. faster-whisper forbids the first
    piece of " ♪", which is the lone space; a word that needed it could never be written.
    """
    letters = string.ascii_letters
    private = {letter: chr(_FIRST_PRIVATE + place) for place, letter in enumerate(letters)}
    bytes_ = sorted(ByteLevel.alphabet())
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = WhitespaceSplit()
    trainer = BpeTrainer(
        vocab_size=2 * len(letters) + max(0, size - len(bytes_) - len(letters)),
        initial_alphabet=[*private.values(), *string.ascii_letters],
        show_progress=False,
    )
    bpe.train_from_iterator((_marked(text, private) for text in texts), trainer)
    back = {mark: f"{SPACE}{letter}" for letter, mark in private.items()}
    trained: dict[str, Any] = json.loads(bpe.to_str())["model"]
    merges = [(SPACE, letter) for letter in letters]
    merges += [(_back(left, back), _back(right, back)) for left, right in trained["merges"]]
    learned = [left + right for left, right in merges]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys([*bytes_, *learned]))}
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer


def _marked(text: str, private: dict[str, str]) -> str:
    """The first letter of every word as a character of its own, so that no merge crosses it from the left."""
    return " ".join(private[word[0]] + word[1:] for word in re.findall(r"[A-Za-z]+", text))


def _back(piece: str, back: dict[str, str]) -> str:
    return back[piece[0]] + piece[1:] if piece[0] in back else piece
