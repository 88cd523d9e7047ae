"""Tiny models that the recipes made, for tests of what comes after them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from speakage_engines.api import no_progress
from speakage_engines.training import autoencoder, diffusion
from toy_training import COLOURS, Discs, course, small_autoencoder, small_diffusion


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Networks this small only wait for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer with one token a word."""
    names = ("<pad>", "<unk>", "a", "disc", *COLOURS)
    tokenizer = Tokenizer(WordLevel({name: index for index, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp("words") / "tokenizer"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", model_max_length=5
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def vae(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    """A tiny autoencoder that has seen a few hundred discs."""
    settings = small_autoencoder(
        course=course(
            steps=250, batch=8, final_batch=8, learning_rate=5e-3, warmup=20, log_every=10, checkpoint_every=250
        )
    )
    return autoencoder.train(settings, Discs(), tmp_path_factory.mktemp("vae"), no_progress)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, vae: Path, words: Path) -> Path:
    """A diffusion model that paints discs of the colour asked for."""
    long = course(
        steps=300, batch=12, final_batch=12, learning_rate=3e-3, warmup=20, log_every=20, checkpoint_every=300
    )
    settings = small_diffusion(vae, words, course=long, ema=0.98, paint_steps=8)
    return diffusion.train(settings, Discs(), tmp_path_factory.mktemp("diffusion"), no_progress)
