"""From a prompt to the states that the denoiser attends to, with a cache, and the words that are not known.

A growing sentence repeats itself, so the newest texts are kept (least recently used go first).
"""

from __future__ import annotations

import bisect
import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speakage_engines.api import CompiledModule, ModelError

CACHE_SIZE: Final = 256
"""Texts: 80 MB with Stable Diffusion 2.x, 160 MB with SDXL's two encoders, less with smaller ones."""
_WORD: Final = re.compile(r"<[\w-]+>|[^\W_]+(?:['’][^\W_]+)*")
"""A word, or a reserved token such as ``<subject-1>``."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a tokenizer reads a prompt."""

    text: str
    """What is encoded: the prompt, or its known words when there are others."""
    unknown: tuple[str, ...]
    """Words without a token of their own, in order, then known words beyond the tokenizer's length, in order."""


class TextEncoder:
    """A tokenizer, a compiled text encoder and a cache of what they made. Any thread may :meth:`read`, at any time."""

    def __init__(self, tokenizer: Any, encode: CompiledModule, length: int) -> None:
        self._tokenizer = tokenizer
        self._encode = encode
        self._length = length
        self._reading = Lock()
        self._by_words = _marks_unknown(tokenizer)
        self._cache: OrderedDict[tuple[str, tuple[int, ...]], NDArray[np.float32]] = OrderedDict()
        self.variant = ""
        """What else shapes the states: the adapters that the network wears."""
        self.runs = 0
        """How often the network ran: a repeated prompt costs none."""

    def read(self, prompt: str) -> Reading:
        """Which words the model takes; runs no network."""
        if not self._by_words:
            return Reading(prompt, self._beyond(prompt))
        known: list[str] = []
        unknown: list[str] = []
        for word in _WORD.findall(prompt):
            ids = self._ids(word, add_special_tokens=False, truncation=True)
            meaning = [token for token in ids if token != self._tokenizer.pad_token_id]
            if meaning and self._tokenizer.unk_token_id not in meaning:
                known.append(word)
            else:
                unknown.append(word)
        text = " ".join(known) if unknown else prompt
        return Reading(text, (*unknown, *self._beyond(text)))

    def __call__(self, prompt: str) -> NDArray[np.float32]:
        """What the network gives, ``(1, …)``; the same tokens cost the network one run, however they are spelt."""
        text = self.read(prompt).text
        ids = tuple(self._ids(text, padding="max_length", max_length=self._length, truncation=True))
        key = (self.variant, ids)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        states = self._encode(np.asarray([ids], np.int64))
        self.runs += 1
        self._cache[key] = states
        if len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        return states

    def _beyond(self, text: str) -> tuple[str, ...]:
        """Words of a long prompt that fall off its end."""
        if self._tokens(text) <= self._length:
            return ()
        words = list(_WORD.finditer(text))
        fitting = bisect.bisect_right(words, self._length, key=lambda word: self._tokens(text[: word.end()]))
        return tuple(word.group() for word in words[fitting:])

    def _tokens(self, text: str) -> int:
        """How many there are, beginning and end included."""
        # asked without warnings: by the tokenizer, a text longer than the model is worth one
        return len(self._ids(text, truncation=False, verbose=False))

    def _ids(self, text: str, **options: Any) -> list[int]:
        # tokenizers keep padding and truncation in themselves, and refuse another thread meanwhile
        with self._reading:
            ids: list[int] = self._tokenizer(text, **options)["input_ids"]
        return ids


def load_tokenizer(path: Path, vocabulary: int) -> Any:
    """The tokenizer in a folder; raises :class:`ModelError` when it is damaged or made for another text encoder."""
    from transformers import AutoTokenizer

    remedy = "get the model again"
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    except Exception as error:  # the tokenizers library raises plain Exception for a file that it cannot parse
        raise ModelError(f"{path}: the tokenizer cannot be read ({error}); {remedy}") from error
    if tokenizer.pad_token_id is None:
        raise ModelError(f"{path}/tokenizer_config.json: there is no pad_token; {remedy}")
    if len(tokenizer) > vocabulary:
        raise ModelError(f"{path}: it has {len(tokenizer)} tokens, the text encoder only {vocabulary}; {remedy}")
    return tokenizer


def _marks_unknown(tokenizer: Any) -> bool:
    """Word-level tokenizers map strange words to one token; byte-level ones can spell anything."""
    probe = tokenizer("qxzvkj", add_special_tokens=False)["input_ids"]
    return all(token in (tokenizer.unk_token_id, tokenizer.pad_token_id) for token in probe)
