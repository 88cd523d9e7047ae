"""The command that converts, as a person runs it, and what comes of it painting."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import original_layout as original

from .process import speakage


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A tiny Stable Diffusion 1.x with what checkpoints carry besides."""
    weights = original.random_weights(original.stable_diffusion_1(original.Size()))
    weights |= {f"model_ema.diffusion_model{number}": torch.zeros(1) for number in range(4)}
    weights["a.stranger"] = torch.zeros(1)
    save_file(weights, tmp_path / "model.safetensors")
    original.save_word_tokenizer(tmp_path / "words")
    return tmp_path / "model.safetensors"


def test_a_converted_checkpoint_paints_and_goes_back(checkpoint: Path, tmp_path: Path, engines_folder: Path) -> None:
    ran = speakage(tmp_path, engines_folder, "convert", checkpoint.name, "folder", "--tokenizer", "words")
    assert ran.returncode == 0, ran.stderr
    assert "folder is written: stable-diffusion-1.5 (its text encoder is OpenAI's CLIP)" in ran.stdout
    assert "4 tensors (model_ema.diffusion_model0, " in ran.stdout
    assert "left out, since the conversion does not know them: a.stranger" in ran.stdout
    painted = speakage(
        tmp_path, engines_folder, "say", "a red house", "--out", "out", "--set", f"picture.model={tmp_path / 'folder'}",
        "--set", "picture.backend=torch", "--set", "picture.size=32", "--set", "picture.steps=2",
    )  # fmt: skip
    assert painted.returncode == 0, painted.stderr
    assert len(list((tmp_path / "out").glob("*a-red-house.png"))) == 1
    back = speakage(tmp_path, engines_folder, "convert", "folder", "back.safetensors")
    assert back.returncode == 0, back.stderr
    weights = load_file(checkpoint)
    for name, tensor in load_file(tmp_path / "back.safetensors").items():
        assert torch.equal(tensor, weights.pop(name)), name
    assert sorted(weights) == ["a.stranger", *(f"model_ema.diffusion_model{number}" for number in range(4))]


def test_what_cannot_be_converted_is_one_sentence(checkpoint: Path, tmp_path: Path, engines_folder: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-10])
    for source, sentence in ((checkpoint.name, "damaged or cut short"), ("missing.ckpt", "there is no such file")):
        ran = speakage(tmp_path, engines_folder, "convert", source, "folder", "--tokenizer", "words")
        assert ran.returncode == 78
        assert sentence in ran.stderr
        assert "Traceback" not in ran.stderr
    assert not list(tmp_path.glob("folder*"))
