"""Starting from a picture: what diffusers paints of the same noise, and what the embedded model makes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderTiny,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionXLImg2ImgPipeline,
)
from numpy.typing import NDArray
from PIL import Image

from engines.diffusion import families
from engines.diffusion.test_families import latents_of
from engines.diffusion.test_pipeline import last, psnr
from speakage_engines.api import EngineError, ModelError, PaintRequest, PictureSpec, Rgb, Start, no_progress
from speakage_engines.diffusion.pipeline import LatentDiffusion, load
from speakage_engines.diffusion.start import latent_mask

# diffusers hands tensors to numpy in a way that numpy 2 deprecates
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.timeout(600),
]

Loaded = Callable[[Literal["torch", "openvino"]], LatentDiffusion]
MakeSpec = Callable[..., PictureSpec]
SIZE = 24
STEPS = 5
HOUSE = PaintRequest(prompt="a red house", seed=5, steps=STEPS, negative="a car")
CASTLE = PaintRequest(prompt="a castle in the snow", seed=5, steps=6)
QUIET = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def noise_picture(size: int = SIZE, seed: int = 0) -> Rgb:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def square_mask(size: int = SIZE, *, low: int = 8, high: int = 16) -> NDArray[np.uint8]:
    mask = np.zeros((size, size), np.uint8)
    mask[low:high, low:high] = 255
    return mask


def tiny_model(name: str, folder: Path, spec: MakeSpec, **scheduler: Any) -> tuple[LatentDiffusion, dict[str, Any]]:
    family = families.FAMILIES[name]
    family = dataclasses.replace(family, schedule={**family.schedule, **scheduler})
    parts = families.components(family)
    families.save(parts, folder, steps=family.steps, guidance=family.guidance, force_zeros_for_empty_prompt=False)
    return load(spec(model=str(folder), backend="torch", precision="fp32", size=SIZE), no_progress), parts


def asked(request: PaintRequest, model: LatentDiffusion, **more: Any) -> dict[str, Any]:
    assert request.start is not None
    return {
        "prompt": request.prompt, "negative_prompt": request.negative, "image": Image.fromarray(request.start.rgb),
        "strength": request.start.strength, "num_inference_steps": request.steps,
        "guidance_scale": model.info.guidance, "generator": torch.Generator().manual_seed(request.seed),
        "output_type": "latent", **more,
    }  # fmt: skip


@pytest.mark.parametrize("strength", [0.25, 0.6, 0.95])
@pytest.mark.parametrize(
    "name", ["stable diffusion 2.1", "sd-turbo", "hyper-sd", "lcm", "sdxs", "sdxl", "sdxl-lightning"]
)
def test_from_a_picture_it_paints_what_diffusers_paints(
    name: str, strength: float, tmp_path: Path, spec: MakeSpec
) -> None:
    model, parts = tiny_model(name, tmp_path / "model", spec)
    if "text_encoder_2" in parts:
        pipeline = StableDiffusionXLImg2ImgPipeline(**parts, add_watermarker=False, force_zeros_for_empty_prompt=False)
    else:
        pipeline = StableDiffusionImg2ImgPipeline(**parts, **QUIET)
    pipeline.set_progress_bar_config(disable=True)
    request = dataclasses.replace(HOUSE, start=Start(rgb=noise_picture(), strength=strength))
    theirs = pipeline(**asked(request, model)).images.numpy()
    ours = latents_of(model, request)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert np.abs(ours - latents_of(model, dataclasses.replace(HOUSE))).max() > 1e-2


@pytest.mark.parametrize("strength", [0.6, 1.0])
@pytest.mark.parametrize("name", ["stable diffusion 2.1", "sd-turbo", "sdxs"])
def test_inside_a_mask_it_paints_what_diffusers_paints(
    name: str, strength: float, tmp_path: Path, spec: MakeSpec
) -> None:
    """At a mask that whole latents fit in: what else is done with a part of one is ours."""
    model, parts = tiny_model(name, tmp_path / "model", spec)
    pipeline = StableDiffusionInpaintPipeline(**parts, **QUIET)
    pipeline.set_progress_bar_config(disable=True)
    mask = square_mask()
    request = dataclasses.replace(HOUSE, start=Start(rgb=noise_picture(), strength=strength, mask=mask))
    theirs = pipeline(
        **asked(request, model, mask_image=Image.fromarray(mask), height=SIZE, width=SIZE)
    ).images.numpy()  # fmt: skip
    np.testing.assert_allclose(latents_of(model, request), theirs, atol=1e-3)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_the_strength_says_how_much_of_the_picture_is_left(embedded: Loaded, backend: Any) -> None:
    model = embedded(backend)
    car = last(model, PaintRequest(prompt="a red car on a beach", seed=3, steps=6))
    other = last(model, PaintRequest(prompt="a rocket in space", seed=4, steps=6))

    def painted(source: Rgb, strength: float) -> Rgb:
        return last(model, dataclasses.replace(CASTLE, start=Start(rgb=source, strength=strength)))

    likeness = [psnr(painted(car, strength), car) for strength in (0.05, 0.3, 0.6, 1.0)]
    assert likeness == sorted(likeness, reverse=True)
    assert likeness[0] > 18 > 12 > likeness[-1]
    assert psnr(painted(car, 0.3), car) > psnr(painted(car, 0.3), other) + 3
    np.testing.assert_array_equal(painted(car, 1.0), painted(other, 1.0))
    np.testing.assert_array_equal(painted(car, 1.0), last(model, CASTLE))


def test_the_same_words_at_a_low_strength_stay_near_the_picture(embedded: Loaded) -> None:
    request = PaintRequest(prompt="a red car on a beach", seed=3, steps=6)
    car = last(embedded("torch"), request)
    again = last(embedded("torch"), dataclasses.replace(request, seed=8, start=Start(rgb=car, strength=0.3)))
    assert psnr(again, car) > 20


@pytest.mark.parametrize("backend", ["torch", "openvino"])
@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_outside_the_mask_nothing_changes_and_inside_the_words_do(
    embedded: Loaded, backend: Any, strength: float
) -> None:
    model = embedded(backend)
    car = last(model, PaintRequest(prompt="a red car on a beach", seed=3, steps=6))
    mask = np.zeros((128, 128), np.uint8)
    mask[11:70, 61:123] = 255
    start = Start(rgb=car, strength=strength, mask=mask)
    pictures = []
    for prompt in ("a big tree on a beach", "a rocket in space"):
        previews = list(model.paint(PaintRequest(prompt=prompt, seed=5, steps=6, start=start)))
        for preview in previews:
            np.testing.assert_array_equal(preview.rgb[mask == 0], car[mask == 0])
        pictures.append(previews[-1].rgb.astype(int))
    inside = mask > 0
    assert np.abs(pictures[0] - pictures[1])[inside].mean() > 15
    assert np.abs(pictures[0] - car)[inside].mean() > 15


def test_previews_count_on_to_the_last_step_and_stop_between_two(embedded: Loaded) -> None:
    start = Start(rgb=noise_picture(128), strength=0.5)
    painting = embedded("torch").paint(dataclasses.replace(CASTLE, start=start))
    assert (next(painting).step, next(painting).step) == (4, 5)
    painting.close()
    (only,) = embedded("torch").paint(dataclasses.replace(CASTLE, start=start, previews=False))
    assert (only.step, only.steps) == (6, 6)


def test_the_encoder_and_the_decoder_fit_together(embedded: Loaded) -> None:
    model = embedded("openvino")
    assert model._sized.encoder is not None
    car = last(model, PaintRequest(prompt="a red car on a beach", seed=3, steps=6))
    latents = model._sized.encoder(car, torch.Generator())
    assert psnr(model._sized.decoders.final(latents.numpy()), car) > 25


def test_a_latent_is_painted_anew_where_any_of_its_pixels_is() -> None:
    mask = np.zeros((16, 16), np.uint8)
    mask[7, 8] = 128
    assert latent_mask(mask, 8).tolist() == [[[[0, 1], [0, 0]]]]
    mask[7, 8] = 127
    assert not latent_mask(mask, 8).any()


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (Start(rgb=noise_picture(64), strength=0.5), "start.rgb is uint8 of shape (64, 64, 3)"),
        (Start(rgb=noise_picture(128), strength=0.0), "start.strength is 0; it should be above 0"),
        (Start(rgb=noise_picture(128), strength=1.5), "start.strength is 1.5"),
        (Start(rgb=noise_picture(128), strength=0.5, mask=square_mask(64)), "start.mask is uint8 of shape (64, 64)"),
        (
            Start(rgb=noise_picture(128), strength=0.5, mask=np.zeros((128, 128), np.uint8)),
            "start.mask is dark everywhere, so nothing would be painted anew",
        ),
    ],
)
def test_what_cannot_be_started_from_is_one_sentence(embedded: Loaded, start: Start, sentence: str) -> None:
    with pytest.raises(EngineError) as raised:
        next(embedded("torch").paint(dataclasses.replace(CASTLE, start=start)))
    assert sentence in str(raised.value)


def test_a_model_without_a_fitting_encoder_paints_but_says_that_it_cannot_start_from_a_picture(
    tmp_path: Path, spec: MakeSpec
) -> None:
    folder = tmp_path / "model"
    family = families.FAMILIES["sdxs"]
    families.save(families.components(family), folder, steps=1, guidance=0.0)
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8), decoder_block_out_channels=(8, 8), num_encoder_blocks=(1, 1, 1),
        num_decoder_blocks=(1, 1), latent_channels=4,
    ).save_pretrained(folder / "vae")  # fmt: skip
    model = load(spec(model=str(folder), backend="torch"), no_progress)
    assert "shrinks pictures 4 times and its decoder enlarges them 2 times" in model.info.no_start
    assert last(model, PaintRequest(prompt="a house", seed=1, steps=1)).shape == (16, 16, 3)
    start = Start(rgb=noise_picture(16), strength=0.5)
    with pytest.raises(ModelError) as raised:
        next(model.paint(PaintRequest(prompt="a house", seed=1, steps=1, start=start)))
    assert str(folder / "vae/config.json") in str(raised.value)
