"""The CLIP score: against transformers' own similarity on a tiny model, and the command when there is none."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from speakage_engines.evaluation.captions import ClipScore, load_clip, prepare
from speakage_engines.evaluation.figure import EvaluationError


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    words = ("[PAD]", "[BOS]", "[EOS]", "a", "red", "cat")
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[PAD]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 1), ("[EOS]", 2)]
    )
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**small, "vocab_size": len(words), "max_position_embeddings": 8, "bos_token_id": 1, "eos_token_id": 2}
    vision = {**small, "image_size": 32, "patch_size": 16}
    folder = tmp_path / "clip"
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(folder)
    return folder


def test_scores_are_a_hundred_times_the_cosine_and_never_below_nothing(clip_folder: Path) -> None:
    clip = load_clip(str(clip_folder))
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (40, 48, 3), dtype=np.uint8) for _ in range(6)]
    captions = ["a cat", "a red cat", "red", "cat", "a " * 30, "cat cat"]
    scores = clip(pictures, captions)
    model = CLIPModel.from_pretrained(clip_folder).eval()
    ids = [[1, 3, 5, 2], [1, 3, 4, 5, 2], [1, 4, 2], [1, 5, 2], [1, *[3] * 6, 2], [1, 5, 5, 2]]
    for picture, token_ids, score in zip(pictures, ids, scores, strict=True):
        with torch.inference_mode():
            out = model(input_ids=torch.tensor([token_ids]), pixel_values=prepare(picture, 32)[None])
            cosine = float(out.logits_per_image / model.logit_scale.exp())
        assert score == pytest.approx(max(0, 100 * cosine), abs=1e-3)
    assert clip.name == "CLIP clip"
    assert max(scores) > 0
    with torch.no_grad():
        model.text_projection.weight.neg_()
    turned = ClipScore(model, PreTrainedTokenizerFast.from_pretrained(clip_folder), "turned")(pictures, captions)
    assert [score for score, before in zip(turned, scores, strict=True) if before > 0] == [0] * sum(
        s > 0 for s in scores
    )


def test_pictures_are_prepared_as_clip_was_trained() -> None:
    """The middle of a wide picture, normalised by the published means."""
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, 16:48] = 255
    prepared = prepare(picture, 32)
    assert prepared.shape == (3, 32, 32)
    assert prepared[0, 16, 16] == pytest.approx((1 - 0.48145466) / 0.26862954, abs=1e-4)
    assert prepared[:, :, 2:30].std(dim=(1, 2)).max() == 0


def test_a_missing_model_is_said_with_the_command_within_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(EvaluationError, match=r"get it with: hf download openai/clip-vit-base-patch32 "):
        load_clip()
    with pytest.raises(EvaluationError, match=r"the folder should hold a CLIP model"):
        load_clip(str(tmp_path))
    assert time.monotonic() - began < 20


def test_it_takes_no_other_model_for_clip(clip_folder: Path) -> None:
    assert isinstance(load_clip(str(clip_folder)), ClipScore)
