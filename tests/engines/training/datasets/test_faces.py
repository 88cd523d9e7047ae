"""Sentences from attributes: only what is marked is said, in good grammar, in many ways, and the same each time."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_engines.training.datasets.faces import ATTRIBUTES, HAS, IS, WEARS, FaceCaptions, describe

marks = st.frozensets(st.sampled_from(ATTRIBUTES))
WOMAN = frozenset({"Young", "Smiling", "Wavy_Hair", "Brown_Hair", "Wearing_Lipstick", "High_Cheekbones", "No_Beard"})


def test_all_forty_are_there() -> None:
    assert len(set(ATTRIBUTES)) == len(ATTRIBUTES) == 40


@given(marks, st.integers(0, 2**32))
def test_only_what_is_marked_is_said(marked: frozenset[str], seed: int) -> None:
    text = describe(marked, np.random.default_rng(seed))
    left = re.sub(r"\b(straight|wavy|black|blond|brown|gray) (straight|wavy|black|blond|brown|gray) hair\b", "", text)
    for shape_or_colour in re.findall(r"\b(straight|wavy|black|blond|brown|gray)\b", text):
        assert f"{shape_or_colour.capitalize()}_Hair" in marked
    for name, phrases in (IS | WEARS | HAS).items():
        for phrase in phrases:
            said = re.search(rf"\b{phrase.format(his='(his|her)')}\b", left)
            # "a hat" is not "that", and "young" is no part of another word
            assert not said or name in marked, (text, name)
    assert not re.search(r"\bno beard\b", text) or {"Male", "No_Beard"} <= marked


@given(marks, st.integers(0, 2**32))
def test_sentences_are_whole_and_agree(marked: frozenset[str], seed: int) -> None:
    text = describe(marked, np.random.default_rng(seed))
    assert re.fullmatch(r"([A-Z][a-z0-9' ,-]+\.)( [A-Z][a-z0-9' ,-]+\.)*", text), text
    wrong = r"\b(she|her|woman)\b" if "Male" in marked else r"\b(he|his|man)\b"
    assert not re.search(wrong, text.lower()), text
    assert "  " not in text
    assert "camera" not in text or not marked & (IS | HAS | WEARS).keys(), "what is marked comes first"


def test_the_same_picture_and_number_give_the_same_sentence() -> None:
    first, second = FaceCaptions("000001", WOMAN, 10), FaceCaptions("000001", WOMAN, 10)
    assert list(first) == list(second)
    assert first[-1] == first[9]
    assert first[2:4] == [first[2], first[3]]
    with pytest.raises(IndexError, match="there are 10"):
        first[10]


def test_sentences_vary_with_number_and_picture() -> None:
    captions = FaceCaptions("000001", WOMAN, 10)
    assert len(set(captions)) >= 9
    assert list(captions) != list(FaceCaptions("000002", WOMAN, 10))


def test_every_mark_is_said_sooner_or_later() -> None:
    for name, phrases in (IS | HAS | WEARS).items():
        text = " ".join(FaceCaptions("x", frozenset({name}), 40)).replace("his", "her")
        assert all(phrase.format(his="her") in text for phrase in phrases), name
    assert all("smiling" in text for text in FaceCaptions("x", frozenset({"Smiling", "No_Beard"}), 40))
    assert "no beard" in " ".join(FaceCaptions("x", frozenset({"Male", "No_Beard"}), 40))


def test_nothing_marked_is_still_a_caption() -> None:
    assert set(FaceCaptions("x", frozenset(), 30)) >= {"This woman looks into the camera."}
