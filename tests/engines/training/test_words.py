"""Words carried over: what both vocabularies spell alike keeps its meaning, whatever its number."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from speakage_engines.training.networks import TextShape, new_text, tokens
from speakage_engines.training.tokenizer import VocabularySettings, build
from speakage_engines.training.words import carry_words

SHORT = VocabularySettings(length=8)


@pytest.mark.parametrize("kind", ["clip", "bert"])
def test_a_caption_that_both_know_means_the_same(kind: str, tmp_path: Path) -> None:
    old = build(["a red cat", "a blue dog"], tmp_path / "old", SHORT)
    new = build(["a blue dog on a green meadow", "a red cat"], tmp_path / "new", SHORT)
    torch.manual_seed(0)
    text = new_text(TextShape(kind=kind, width=16, layers=2, heads=2, feed_forward=32), old).eval()  # type: ignore[arg-type]
    carried, number = carry_words(text, old, new)
    assert 40 < number < len(new)
    assert tokens(old, ["a red cat"]).tolist() != tokens(new, ["a red cat"]).tolist()
    with torch.no_grad():
        before = text(input_ids=tokens(old, ["a red cat"])).last_hidden_state
        after = carried.eval()(input_ids=tokens(new, ["a red cat"])).last_hidden_state
    assert torch.allclose(before, after, atol=1e-6)


def test_a_longer_caption_repeats_the_last_place(tmp_path: Path) -> None:
    old = build(["a red cat"], tmp_path / "old", SHORT)
    new = build(["a red cat"], tmp_path / "new", VocabularySettings(length=10))
    text = new_text(TextShape(width=16, layers=1, heads=2, feed_forward=32), old)
    carried, _ = carry_words(text, old, new)
    places = carried.state_dict()["embeddings.position_embedding.weight"]
    assert len(places) == 10
    assert torch.equal(places[7], places[9])
