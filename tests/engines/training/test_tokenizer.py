"""The vocabulary: round trips, words nobody ever said, words for subjects, and how the painter reads all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from speakage_engines.api import EngineError
from speakage_engines.diffusion.text import TextEncoder, load_tokenizer
from speakage_engines.training.scenes import PRESETS, Scenes
from speakage_engines.training.tokenizer import SUBJECTS, VocabularySettings, build, words_of

SETTINGS = VocabularySettings(pieces=2048)


class Echo:
    """A text encoder whose states are its tokens."""

    precision = "fp32"

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        return inputs[0].astype(np.float32)[..., None]


@pytest.fixture(scope="module")
def captions() -> Sequence[str]:
    pictures = Scenes(PRESETS["cpu"])
    return [pictures.caption(number) for number in range(20_000)]


@pytest.fixture(scope="module")
def folder(captions: Sequence[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vocabulary") / "tokenizer"
    build(captions, folder, SETTINGS)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(folder, SETTINGS.pieces)


def test_captions_come_back_from_their_tokens(tokenizer: Any, captions: Sequence[str]) -> None:
    for caption in captions[:2000]:
        ids = tokenizer(caption)["input_ids"]
        assert tokenizer.unk_token_id not in ids, caption
        assert tokenizer.decode(ids, skip_special_tokens=True) == " ".join(words_of(caption)), caption


def test_captions_fit(tokenizer: Any, captions: Sequence[str]) -> None:
    assert max(len(ids) for ids in tokenizer(list(captions), truncation=False)["input_ids"]) <= SETTINGS.length


def test_a_caption_begins_ends_and_is_padded(tokenizer: Any) -> None:
    row = tokenizer("A Cat", padding="max_length", truncation=True)["input_ids"]
    tokens = tokenizer.convert_ids_to_tokens(row)
    assert len(row) == SETTINGS.length
    assert tokens[:5] == ["<|startoftext|>", "▁a", "▁cat", "<|endoftext|>", "<|pad|>"]
    assert set(tokens[4:]) == {"<|pad|>"}


@pytest.mark.parametrize("word", ["zebu", "cathedral", "qxzvkj", "catdog", "ca", "зебра", "o'cat", "catsup"])
def test_a_word_that_no_caption_had_is_unknown_though_it_could_be_spelt(tokenizer: Any, word: str) -> None:
    assert tokenizer(word, add_special_tokens=False)["input_ids"] == [tokenizer.unk_token_id]
    assert tokenizer(f"a cat, {word}!", add_special_tokens=False)["input_ids"].count(tokenizer.unk_token_id) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a Red car!", "a red car"),
        ("a t-shirt", "a t shirt"),
        ("“a cat”", "a cat"),
        ("i’d like a cat", "i'd like a cat"),
    ],
)
def test_case_and_punctuation_say_nothing(tokenizer: Any, one: str, other: str) -> None:
    assert tokenizer(one)["input_ids"] == tokenizer(other)["input_ids"]
    assert tokenizer.unk_token_id not in tokenizer(one)["input_ids"]


def test_every_subject_has_a_token_of_its_own(tokenizer: Any) -> None:
    ids = [tokenizer(subject, add_special_tokens=False)["input_ids"] for subject in SUBJECTS]
    assert all(len(row) == 1 for row in ids)
    assert len({row[0] for row in ids} - {tokenizer.unk_token_id, tokenizer.pad_token_id}) == 32
    assert tokenizer.convert_ids_to_tokens(tokenizer("a <subject-3> on a beach")["input_ids"])[2] == "<subject-3>"


def test_the_painter_names_unknown_words_and_paints_the_rest(folder: Path) -> None:
    encoder = TextEncoder(load_tokenizer(folder, SETTINGS.pieces), Echo(), SETTINGS.length)
    reading = encoder.read("a zebu next to a red house, please")
    assert (reading.text, reading.unknown) == ("a next to a red house please", ("zebu",))
    assert encoder.read("A big red balloon at night").unknown == ()


def test_rare_words_can_be_left_out(tmp_path: Path) -> None:
    settings = VocabularySettings(pieces=120, length=12, rarest=2)
    tokenizer = build(["a cat", "a cat", "a dog"], tmp_path / "tokenizer", settings)
    assert tokenizer.unk_token_id not in tokenizer("a cat")["input_ids"]
    assert tokenizer.unk_token_id in tokenizer("a dog")["input_ids"]


def test_the_same_captions_make_the_same_file(captions: Sequence[str], folder: Path, tmp_path: Path) -> None:
    build(captions, tmp_path / "again", SETTINGS)
    assert (tmp_path / "again/tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert json.loads((folder / "tokenizer_config.json").read_text())["model_max_length"] == SETTINGS.length


@pytest.mark.parametrize("captions", [[], ["", " … "], (f"word{number}" for number in range(20_001))])
def test_captions_without_words_or_with_far_too_many_are_refused(captions: Any, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"captions: \d+ words seen"):
        build(captions, tmp_path / "tokenizer")
    assert not (tmp_path / "tokenizer").exists()


@given(
    st.lists(st.sampled_from(["a", "an", "ant", "ants", "antenna", "i", "i'd", "7", "größe"]), min_size=1, max_size=9)
)
def test_words_on_the_list_are_known_and_all_others_are_not(small: Any, words: list[str]) -> None:
    ids = small(" ".join(words), add_special_tokens=False)["input_ids"]
    known = {"a", "ant", "ants", "i'd", "größe"}
    assert ids.count(small.unk_token_id) == sum(word not in known for word in words)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A list of words that begin alike."""
    settings = VocabularySettings(pieces=90, length=200)
    return build(["a ant", "ants i'd größe"], tmp_path_factory.mktemp("small") / "tokenizer", settings)
