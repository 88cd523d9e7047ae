"""Reading prompts: words the model has no token for, words it has no room for, and what is remembered."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE, WordLevel
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from speakage_engines.api import ModelError
from speakage_engines.diffusion.text import CACHE_SIZE, TextEncoder, load_tokenizer

LENGTH = 8


class Echo:
    """A text encoder whose states are its tokens."""

    precision = "fp32"

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        return inputs[0].astype(np.float32)[..., None]


def spelling() -> PreTrainedTokenizerFast:
    """Byte-level, as CLIP's is: it can spell anything, a letter a token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE({letter: index for index, letter in enumerate(["<end>", *alphabet])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<end>", pad_token="<end>", model_max_length=LENGTH
    )


@pytest.fixture
def by_words(tiny: Path) -> TextEncoder:
    return TextEncoder(AutoTokenizer.from_pretrained(tiny / "tokenizer"), Echo(), LENGTH)


def test_words_without_a_token_are_left_out_and_named(by_words: TextEncoder) -> None:
    reading = by_words.read("a purple house, on the hill")
    assert (reading.text, reading.unknown) == ("a house on the", ("purple", "hill"))
    assert np.array_equal(by_words("a purple house, on the hill"), by_words("a house on the"))


def test_known_prompts_stay_as_they_are(by_words: TextEncoder) -> None:
    reading = by_words.read("a house  on the beach")
    assert (reading.text, reading.unknown) == ("a house  on the beach", ())


def test_words_beyond_the_length_are_named_after_the_unknown_ones(by_words: TextEncoder) -> None:
    assert by_words.read("a zebra " + "red " * 7 + "house moon").unknown == ("zebra", "house", "moon")
    assert by_words.read("red " * LENGTH).unknown == ()


def test_a_tokenizer_that_spells_knows_every_word() -> None:
    encoder = TextEncoder(spelling(), Echo(), LENGTH)
    assert encoder.read("a zebu").unknown == ()
    assert encoder.read("a zebu ox").unknown == ("ox",)


def test_one_long_word_is_not_lost_without_a_word() -> None:
    encoder = TextEncoder(spelling(), Echo(), LENGTH)
    assert encoder.read("nine letters").unknown == ("letters",)
    assert encoder.read("extraordinarily").unknown == ("extraordinarily",)
    assert encoder.read("一座房子在海边").unknown == ("一座房子在海边",)


def test_texts_of_the_same_tokens_run_the_network_once(by_words: TextEncoder) -> None:
    for prompt in ("a red car", "a red car", "a  red car", "please a red car"):
        by_words(prompt)
    assert by_words.runs == 1
    by_words("a red house")
    assert by_words.runs == 2


def test_words_may_be_looked_up_while_another_thread_encodes(by_words: TextEncoder) -> None:
    with ThreadPoolExecutor(1) as other:
        encoding = other.submit(lambda: [by_words(f"a house {number}").shape for number in range(1_000)])
        while not encoding.done():
            assert by_words.read("a purple house").unknown == ("purple",)
    assert set(encoding.result()) == {(1, LENGTH, 1)}


def test_the_text_used_longest_ago_is_forgotten_first() -> None:
    encoder = TextEncoder(spelling(), Echo(), LENGTH)
    for number in range(CACHE_SIZE):
        encoder(f"{number}")
    encoder("0")
    encoder("one more")
    assert encoder.runs == CACHE_SIZE + 1
    encoder("0")
    assert encoder.runs == CACHE_SIZE + 1
    encoder("1")
    assert encoder.runs == CACHE_SIZE + 2


def test_a_tokenizer_without_padding_is_refused(tiny: Path) -> None:
    file = tiny / "tokenizer/tokenizer_config.json"
    content = json.loads(file.read_text())
    content.pop("pad_token")
    file.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"tokenizer_config\.json: there is no pad_token; get the model again"):
        load_tokenizer(tiny / "tokenizer", 100)


def test_a_folder_that_is_not_there_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the tokenizer cannot be read"):
        load_tokenizer(tmp_path / "none", 100)


def test_a_reserved_token_is_one_word() -> None:
    tokenizer = Tokenizer(WordLevel({"<unk>": 0, "<pad>": 1, "a": 2, "<subject-1>": 3, "beach": 4}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    encoder = TextEncoder(
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>"), Echo(), LENGTH
    )
    assert encoder.read("a <subject-1>, zebra beach").unknown == ("zebra",)
    assert encoder.read("a <subject-2> beach").unknown == ("<subject-2>",)
