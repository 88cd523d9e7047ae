"""A text vocabulary made from the captions of a data set: byte-pair pieces, and the words that were really seen.

A byte-pair tokenizer can spell any word, so it would take words that the text encoder never met for known ones. Here
the list of the words of the captions is part of ``tokenizer.json``: whatever is not on it becomes ``<unk>`` before
spelling begins, in every program that loads the folder. Pieces are still worth having: "cherries" shares some with
"cherry", and a later model can start from these weights with a longer list.

Lower-case, punctuation dropped, ``<|startoftext|>`` … ``<|endoftext|>`` around, padded with ``<|pad|>``; thirty-two
words ``<subject-1>`` … ``<subject-32>`` wait for subjects that somebody teaches. This file trains no text encoder.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from speakage_engines.api import EngineError

START: Final = "<|startoftext|>"
END: Final = "<|endoftext|>"
PADDING: Final = "<|pad|>"
UNKNOWN: Final = "<unk>"
SUBJECTS: Final = tuple(f"<subject-{number}>" for number in range(1, 33))
"""Words without a meaning yet, one for each subject that is taught later."""

MOST_WORDS: Final = 20_000
"""More would make the pattern of known words slow."""
_LETTERS: Final = r"\p{L}\p{M}\p{N}"
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularySettings:
    """How large a vocabulary becomes."""

    pieces: int = 2048
    """Tokens at most, special ones included."""
    length: int = 32
    """Tokens of a caption, its start and end included; longer ones are cut."""
    rarest: int = 1
    """A word seen less often than this counts as unknown."""


def build(captions: Iterable[str], folder: Path, settings: VocabularySettings | None = None) -> Any:
    """Learn a tokenizer, save it in transformers' format, and return it as loaded from there.

    Raises :class:`~speakage_engines.api.EngineError` when the captions hold no word or more than fit the list.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    settings = settings or VocabularySettings()
    counts = Counter(word for caption in captions for word in words_of(caption))
    known = sorted(word for word, count in counts.items() if count >= settings.rarest)
    if not known or len(known) > MOST_WORDS:
        raise EngineError(
            f"captions: {len(known)} words seen {settings.rarest} times or more, and 1 to {MOST_WORDS} are needed; "
            f"{'give other captions' if not known else 'raise `rarest`'}"
        )
    special = [PADDING, START, END, UNKNOWN, *SUBJECTS]
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = _spelling()
    # words are marked at their beginning: with the trainer's own mark at the end, ids would differ from run to run
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator(
        _repeated(known, counts),
        trainers.BpeTrainer(vocab_size=settings.pieces, special_tokens=special, show_progress=False),
    )
    tokenizer.normalizer = _spelling(known)
    # found in what the normaliser writes: that is how a strange word becomes one token
    tokenizer.add_special_tokens([AddedToken(UNKNOWN, normalized=True, special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(START, special.index(START)), (END, special.index(END))],
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=END, pad_token=PADDING, unk_token=UNKNOWN,
        additional_special_tokens=list(SUBJECTS), model_max_length=settings.length,
    )  # fmt: skip
    wrapped.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def words_of(caption: str) -> list[str]:
    """The words of a caption as the vocabulary knows them."""
    return _WORD.findall(unicodedata.normalize("NFC", caption).lower().replace("’", "'"))


def _repeated(known: Iterable[str], counts: Counter[str]) -> Iterator[str]:
    """Words by how often they are seen, within reason: a thousand of "a" teach no more than fifty."""
    for word in known:
        for _ in range(min(counts[word], 50)):
            yield word


def _spelling(known: list[str] | None = None) -> Any:
    """Lower-case and one space; with a list, words beyond it become the unknown one."""
    from tokenizers import Regex, normalizers

    steps = [
        normalizers.NFC(),
        normalizers.Lowercase(),
        normalizers.Replace("’", "'"),
        # an apostrophe stays inside a word only; all other signs part words
        normalizers.Replace(Regex(rf"(?<![{_LETTERS}])'|'(?![{_LETTERS}])|[^{_LETTERS}']+"), " "),
        normalizers.Strip(),
    ]
    if known is not None:
        strange = rf"(?<![{_LETTERS}'])(?!(?:{_tree(known)})(?![{_LETTERS}']))[{_LETTERS}']+"
        steps.append(normalizers.Replace(Regex(strange), UNKNOWN))
    return normalizers.Sequence(steps)


def _tree(words: list[str]) -> str:
    """A pattern of all words that shares their beginnings: tried letter by letter, not word by word."""
    branches = []
    for letter, group in groupby(sorted(words), key=lambda word: word[:1]):
        rest = [word[1:] for word in group]
        if not letter:
            branches.append("")
        elif len(rest) == 1:
            branches.append(re.escape(letter + rest[0]))
        else:
            branches.append(re.escape(letter) + _tree(rest))
    # the empty ending is tried last: the longest word wins
    return f"(?:{'|'.join(sorted(branches, key=lambda branch: branch == ''))})"
