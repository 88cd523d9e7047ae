"""Pictures of other sizes than the model was loaded with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

from engines.diffusion import families
from engines.diffusion.test_adapters import Model, kohya, made
from engines.diffusion.test_families import latents_of, saved, told_apart
from engines.diffusion.test_pipeline import last, psnr
from speakage_engines.api import ModelError, PaintRequest, PictureSpec, Size, Start, no_progress
from speakage_engines.diffusion.pipeline import LatentDiffusion, load
from speakage_engines.diffusion.sizes import KEPT, Sizes

# diffusers hands tensors to numpy in a way that numpy 2 deprecates
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.timeout(600),
]

Loaded = Callable[[Literal["torch", "openvino"]], LatentDiffusion]
MakeSpec = Callable[..., PictureSpec]
HOUSE = PaintRequest(prompt="a red house", seed=5, steps=3)
WIDE = (24, 16)
QUIET = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def sized(size: Size | None, **changes: Any) -> PaintRequest:
    return dataclasses.replace(HOUSE, size=size, **changes)


@pytest.mark.parametrize("name", ["stable diffusion 1.5", "sdxl"])
@pytest.mark.parametrize("size", [(24, 16), (16, 32)])
def test_a_size_is_painted_as_diffusers_paints_it(tmp_path: Path, spec: MakeSpec, name: str, size: Size) -> None:
    folder, parts = saved(name, tmp_path / "model")
    model = load(spec(model=str(folder), backend="torch", precision="fp32", guidance=5.0), no_progress)
    if name == "sdxl":
        pipeline: Any = StableDiffusionXLPipeline(**parts, add_watermarker=False)
    else:
        pipeline = StableDiffusionPipeline(**parts, **QUIET)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        HOUSE.prompt, num_inference_steps=HOUSE.steps, guidance_scale=5.0, width=size[0], height=size[1],
        generator=torch.Generator().manual_seed(HOUSE.seed), output_type="latent",
    ).images.numpy()  # fmt: skip
    request = sized(size)
    np.testing.assert_allclose(latents_of(model, request), theirs, atol=1e-4)
    assert last(model, request).shape == (size[1], size[0], 3)


def test_a_size_and_the_one_loaded_with_are_the_same_engine(tiny: Path, spec: MakeSpec) -> None:
    model = load(spec(model=str(tiny), backend="torch"), no_progress)
    own = model.info.engine_key
    larger = load(spec(model=str(tiny), backend="torch", size=32), no_progress)
    np.testing.assert_array_equal(last(model, sized((32, 32))), last(larger, HOUSE))
    assert model.info.engine_key == larger.info.engine_key != own
    assert (model.info.width, model.info.height) == (16, 16), "as it was loaded"
    last(model, HOUSE)
    assert model.info.engine_key == own


def test_the_embedded_model_paints_wide_pictures_on_both_backends(embedded: Loaded) -> None:
    request = PaintRequest(prompt="a red car on a beach", seed=3, steps=4, size=(192, 128))
    ours, reference = (last(embedded(backend), request) for backend in ("openvino", "torch"))
    assert ours.shape == (128, 192, 3)
    assert psnr(ours, reference) > 35
    sides = ours[:, :24].astype(float).mean(), ours[:, -24:].astype(float).mean()
    assert all(30 < side < 225 for side in sides), "the beach goes on to both sides"


def test_a_picture_that_failed_does_not_lend_its_engines_name_to_the_next(tiny: Path, spec: MakeSpec) -> None:
    model = load(spec(model=str(tiny), backend="torch"), no_progress)
    larger = load(spec(model=str(tiny), backend="torch", size=32), no_progress)
    with pytest.raises(ModelError, match="nobody"):
        last(model, sized((32, 32), adapters=("nobody",)))
    last(model, sized((32, 32)))
    assert model.info.engine_key == larger.info.engine_key


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_what_is_worn_is_worn_in_every_size(tmp_path: Path, spec: MakeSpec, backend: str) -> None:
    small: Model = made("stable diffusion 1.5", tmp_path)
    small.keep("one", kohya(small, seed=0))
    small.keep("two", kohya(small, seed=100))

    def opened(**changes: Any) -> LatentDiffusion:
        given = {"backend": backend, "precision": "fp32", "guidance": 5.0, "adapter_rank": 4, **changes}
        return load(spec(model=str(small.path), models_folder=small.models, **given), no_progress)

    model, larger = opened(), opened(size=32)
    for adapters in (("one",), ("two:0.5",), None, ("one",)):
        ours, theirs = sized((32, 32), adapters=adapters), sized(None, adapters=adapters)
        np.testing.assert_allclose(latents_of(model, ours), latents_of(larger, theirs), atol=1e-4)
        assert model.info.engine_key == larger.info.engine_key
    bare = latents_of(opened(), sized(None))
    assert told_apart(latents_of(model, sized(None, adapters=("one",))), bare)
    np.testing.assert_allclose(latents_of(model, sized(None)), bare, atol=1e-5)


def test_a_picture_is_started_from_in_the_size_that_is_painted(tiny: Path, spec: MakeSpec) -> None:
    model = load(spec(model=str(tiny), backend="torch"), no_progress)
    width, height = WIDE
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    mask[:, 8:16] = 255
    picture = last(model, sized(WIDE, start=Start(rgb=rgb, strength=1.0, mask=mask)))
    np.testing.assert_array_equal(picture[:, :8], rgb[:, :8])
    assert not np.array_equal(picture[:, 8:16], rgb[:, 8:16])


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ((22, 16), "22 × 16: this model paints sides that are multiples of 4"),
        ((0, 16), "0 × 16: this model paints sides that are multiples of 4"),
        ((64, 32), "64 × 32: this model paints 1024 pixels at most, as 32 × 32"),
    ],
)
def test_sizes_that_cannot_be_painted_are_refused(tiny: Path, spec: MakeSpec, size: Size, sentence: str) -> None:
    model = load(spec(model=str(tiny), backend="torch"), no_progress)
    with pytest.raises(ModelError, match=sentence):
        list(model.paint(sized(size)))
    assert not model.is_ready(size)
    assert last(model, HOUSE).shape == (16, 16, 3), "it goes on with its own"


def test_the_latest_sizes_stay_in_memory_and_are_made_once(tiny: Path, spec: MakeSpec) -> None:
    model = load(spec(model=str(tiny), backend="torch"), no_progress)
    first = model._sized
    made: list[Size] = []

    def make(size: Size) -> Any:
        made.append(size)
        return dataclasses.replace(first)

    sizes = Sizes((16, 16), first, lambda _size: "", make)
    others = [(16 + 8 * number, 16) for number in range(1, KEPT + 2)]
    for size in (*others, (16, 16), others[-1]):
        sizes.at(size)
    assert made == others
    assert [sizes.is_ready(size) for size in others] == [False] + [True] * KEPT
    assert sizes.at((16, 16)) is first
    sizes.at(others[0])
    assert made == [*others, others[0]]


def test_what_is_prepared_is_ready(tiny: Path, spec: MakeSpec) -> None:
    model = load(spec(model=str(tiny), backend="torch"), no_progress)
    assert model.is_ready((16, 16))
    assert not model.is_ready(WIDE)
    model.prepare(WIDE)
    assert model.is_ready(WIDE)


def test_families_share_what_a_size_costs(tmp_path: Path, spec: MakeSpec) -> None:
    """Text is not encoded again for another size."""
    path = families.save(families.components(families.FAMILIES["sdxl"]), tmp_path / "model", steps=2, guidance=5.0)
    model = load(spec(model=str(path), backend="torch"), no_progress)
    last(model, HOUSE)
    runs = model._parts.text.runs
    last(model, sized(WIDE))
    assert model._parts.text.runs == runs
