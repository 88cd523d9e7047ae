"""Folders with random weights: of a family's real shape, the same every time, refused before minutes go into them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from speakage_engines.api import ModelError, no_progress
from speakage_engines.bench.painters import open_painter
from speakage_engines.bench.plan import Contestant, Job, Subject
from speakage_engines.bench.random_weights import TINY, random_folder, with_decoder
from speakage_engines.diffusion.conversion_parts import Family, family_names, read_family
from speakage_engines.diffusion.folder import read_folder

FULL_VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL", "block_out_channels": [8, 8, 8, 8], "norm_num_groups": 4, "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
}  # fmt: skip


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{file.parent.name}.{name}": tensor
        for file in sorted(folder.glob("*/*.safetensors"))
        for name, tensor in load_file(file).items()
    }


def test_the_same_family_has_the_same_weights_and_is_made_once(tiny_family: Family, tmp_path: Path) -> None:
    told: list[str] = []
    one = random_folder(tiny_family, tmp_path / "one", 0, lambda what, _done: told.append(what))
    other = random_folder(tiny_family, tmp_path / "other", 0, no_progress)
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) and tensor.dtype == torch.float16 for name, tensor in ours.items())
    assert len(told) == 3
    assert random_folder(tiny_family, tmp_path / "one", 0, lambda what, _done: told.append(what)) == one
    assert len(told) == 3


def test_another_shape_is_another_folder(tiny_family: Family, tmp_path: Path) -> None:
    wider = replace(
        tiny_family, configs=tiny_family.configs | {"vae": {**tiny_family.configs["vae"], "act_fn": "silu"}}
    )
    assert random_folder(tiny_family, tmp_path, 0, no_progress) != random_folder(wider, tmp_path, 0, no_progress)


def test_sd_turbo_keeps_its_real_shape_with_a_tiny_decoder() -> None:
    turbo = with_decoder(read_family("sd-turbo"), "tiny")
    assert turbo.configs["vae"] == TINY
    assert turbo.configs["unet"]["block_out_channels"] == [320, 640, 1280, 1280]
    assert turbo.settings == {"steps": 1, "guidance": 0.0}
    assert with_decoder(read_family("sd-turbo"), "full") == read_family("sd-turbo")


def test_a_tiny_decoder_is_a_decoder_itself(tiny_family: Family, tmp_path: Path) -> None:
    assert read_folder(random_folder(tiny_family, tmp_path, 0, no_progress)).tiny


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("decoder", ["full", "tiny"])
def test_what_a_random_decoder_paints_is_not_flat(
    tiny_family: Family, tiny_subject: Subject, tmp_path: Path, decoder: str
) -> None:
    """Else the pipeline would take it for damage."""
    kinds = {"full": FULL_VAE, "tiny": TINY}
    shape = replace(tiny_family, configs=tiny_family.configs | {"vae": kinds[decoder]})
    folder = random_folder(shape, tmp_path, 0, no_progress)
    subject = replace(tiny_subject, spec=replace(tiny_subject.spec, model=str(folder), size=64), size=64)
    contestant = Contestant(library="speakage", backend="torch", precision="fp32")
    painted = open_painter(Job(contestant=contestant, subject=subject, prompts=())).paint("a red house", 1)
    assert np.asarray(painted.picture).std() > 5


@pytest.mark.parametrize("size", [33, 511])
def test_a_size_that_cannot_be_is_refused_before_anything_is_drawn(tmp_path: Path, size: int) -> None:
    with pytest.raises(ModelError, match=f"the size {size} cannot be painted; this model takes multiples of 64"):
        random_folder(read_family("sd-turbo"), tmp_path, size, no_progress)
    assert not list(tmp_path.iterdir())


def test_a_family_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ModelError, match="there is no family called 'sd-9'; there are: ") as caught:
        read_family("sd-9")
    assert all(name in str(caught.value) for name in family_names())
