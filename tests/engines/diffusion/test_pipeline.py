"""Painting: the embedded model on both backends against diffusers' own pipeline, and tiny models in its shape."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from speakage_engines.api import (
    Blend,
    Carried,
    CompiledModule,
    EngineError,
    ModelError,
    PaintRequest,
    PictureSpec,
    Preview,
    Rgb,
    no_progress,
)
from speakage_engines.diffusion.pipeline import LatentDiffusion, load
from speakage_engines.diffusion.sizes import Sizes

# diffusers hands tensors to numpy in a way that numpy 2 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Loaded = Callable[[Literal["torch", "openvino"]], LatentDiffusion]
MakeSpec = Callable[..., PictureSpec]
CAR = PaintRequest(prompt="a car on a beach", seed=3, steps=4)


def last(model: LatentDiffusion, request: PaintRequest) -> Rgb:
    return [preview.rgb for preview in model.paint(request)][-1]


def psnr(one: Rgb, other: Rgb) -> float:
    """Peak signal to noise, dB."""
    error = np.square(one.astype(np.float64) - other).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


class Counted:
    """A compiled module that counts."""

    def __init__(self, module: CompiledModule) -> None:
        self.module = module
        self.precision = module.precision
        self.calls = 0

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        self.calls += 1
        return self.module(*inputs)


def counted(model: LatentDiffusion) -> tuple[LatentDiffusion, Counted]:
    denoiser = Counted(model._sized.denoiser)
    return with_denoiser(model, denoiser), denoiser


def with_denoiser(model: LatentDiffusion, denoiser: CompiledModule) -> LatentDiffusion:
    """The same model, but for the denoiser of its own size."""
    sized = dataclasses.replace(model._sized, denoiser=denoiser)
    sizes = Sizes(model._parts.sizes.own, sized, lambda _size: "", lambda _size: sized)
    return LatentDiffusion(model._folder, model.info, dataclasses.replace(model._parts, sizes=sizes))


@pytest.fixture(scope="module")
def guided(spec: MakeSpec) -> LatentDiffusion:
    """The embedded model, loaded to paint with guidance, which it was distilled to do without."""
    return load(spec(backend="openvino", guidance=3.0), no_progress)


def test_torch_paints_what_diffusers_paints(embedded: Loaded) -> None:
    model = embedded("torch")
    pipeline = StableDiffusionPipeline.from_pretrained(model.info.choice.path, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    painted = pipeline(
        CAR.prompt, num_inference_steps=CAR.steps, guidance_scale=model.info.guidance, width=128, height=128,
        generator=torch.Generator().manual_seed(CAR.seed), output_type="np",
    )  # fmt: skip
    theirs = np.rint(painted.images[0] * 255)
    assert np.abs(theirs - last(model, CAR)).mean() < 0.5


@pytest.mark.parametrize("guidance", [1.0, 6.0])
def test_another_guidance_needs_no_other_engine(guided: LatentDiffusion, spec: MakeSpec, guidance: float) -> None:
    wanted = dataclasses.replace(CAR, guidance=guidance)
    own = guided
    loaded = load(spec(backend="openvino", guidance=guidance), no_progress)
    assert psnr(last(own, wanted), last(loaded, CAR)) > 40
    assert psnr(last(own, wanted), last(own, CAR)) < 35
    if guidance == 1:
        with pytest.raises(EngineError, match=r"guidance 6: .*without guidance.*picture\.guidance above 1"):
            last(loaded, dataclasses.replace(CAR, guidance=6))
    assert psnr(last(own, dataclasses.replace(CAR, guidance=own.info.guidance)), last(own, CAR)) > 90


def test_openvino_paints_what_torch_paints(embedded: Loaded) -> None:
    assert psnr(last(embedded("openvino"), CAR), last(embedded("torch"), CAR)) > 40


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_a_bf16_engine_tells_neighbouring_timesteps_apart(embedded: Loaded, spec: MakeSpec, backend: str) -> None:
    """Rounded to bf16 they would be one, and the prediction would not move from one to the other."""
    model = (
        embedded("openvino") if backend == "openvino" else load(spec(backend="torch", precision="bf16"), no_progress)
    )
    if model.info.precision != "bf16":
        pytest.skip("this CPU does not compute in bf16")
    guidance = model._parts.text.guidance
    told = model._parts.text(CAR.prompt, "", guidance, (128, 128))
    noise = np.random.default_rng(0).standard_normal((1, 8, 16, 16)).astype(np.float32)
    moved, expected = (
        each._predict(noise, 834, told, guidance) - each._predict(noise, 830, told, guidance)
        for each in (model, embedded("torch"))
    )
    assert (moved * expected).sum() / (expected * expected).sum() == pytest.approx(1, abs=0.3)


def test_previews_come_one_a_step_and_grow_towards_the_picture(embedded: Loaded) -> None:
    previews = list(embedded("openvino").paint(CAR))
    assert [(preview.step, preview.steps) for preview in previews] == [(step, 4) for step in (1, 2, 3, 4)]
    assert all(preview.rgb.shape == (128, 128, 3) and preview.rgb.dtype == np.uint8 for preview in previews)
    likeness = [psnr(preview.rgb, previews[-1].rgb) for preview in previews[:-1]]
    assert likeness == sorted(likeness)
    for earlier, later in itertools.pairwise(previews):
        assert later.denoise_ms > earlier.denoise_ms
        assert later.decode_ms > earlier.decode_ms


def test_without_previews_only_the_picture_comes_and_is_the_same(embedded: Loaded) -> None:
    request = PaintRequest(prompt="a car on a beach", seed=3, steps=4)
    with_previews = list(embedded("torch").paint(request))
    (alone,) = embedded("torch").paint(dataclasses.replace(request, previews=False))
    assert (alone.step, alone.steps) == (4, 4)
    np.testing.assert_array_equal(alone.rgb, with_previews[-1].rgb)


def test_a_revision_goes_on_from_the_picture_before_it(embedded: Loaded) -> None:
    """The less is painted anew, the nearer it is to that one, and with all of it painted anew it is as from noise."""
    model = embedded("openvino")
    before = list(model.paint(CAR))[-1]
    assert before.latents is not None
    latents = before.latents

    def revised(strength: float, steps: int = 4) -> list[Preview]:
        carried = Carried(latents=latents, strength=strength)
        request = PaintRequest(prompt="a castle in the snow", seed=CAR.seed, steps=steps, carried=carried)
        return list(model.paint(request))

    fresh = last(model, dataclasses.replace(CAR, prompt="a castle in the snow"))
    little, some = revised(0.05)[-1].rgb, revised(0.17)[-1].rgb
    assert psnr(little, before.rgb) - 3 > psnr(some, before.rgb) > psnr(fresh, before.rgb) + 1.5
    assert [preview.step for preview in revised(0.5)] == [3, 4], "the first steps are left out"
    assert [preview.step for preview in revised(0.5, steps=1)] == [1]
    np.testing.assert_array_equal(revised(1.0)[-1].rgb, fresh)


@pytest.mark.parametrize(
    ("shape", "strength", "told"),
    [((1, 8, 8, 8), 0.5, "after a change of model or size"), ((1, 8, 16, 16), 0.0, "above 0 and at most 1")],
)
def test_what_cannot_be_carried_over_is_refused(
    embedded: Loaded, shape: tuple[int, ...], strength: float, told: str
) -> None:
    carried = Carried(latents=np.zeros(shape, np.float32), strength=strength)
    with pytest.raises(ModelError, match=told):
        list(embedded("openvino").paint(dataclasses.replace(CAR, carried=carried)))


def test_words_blend_from_those_of_another_picture_to_the_prompts(embedded: Loaded) -> None:
    """Image by image it leaves the one and nears the other, without a text encoder, and ends at the prompt's own."""
    model = embedded("openvino")
    draft = dataclasses.replace(CAR, steps=1)
    castle = dataclasses.replace(draft, prompt="a castle in the snow")
    before, own = list(model.paint(draft))[-1], last(model, castle)
    runs = model._parts.text.runs

    def blended(share: float) -> Rgb:
        assert before.told is not None
        return last(model, dataclasses.replace(castle, blend=Blend(before=before.told, share=share)))

    images = [before.rgb, *map(blended, (0.25, 0.5, 0.75, 1.0))]
    assert model._parts.text.runs == runs
    left, near = ([psnr(image, end) for image in images] for end in (before.rgb, own))
    assert left == sorted(left, reverse=True)
    assert near == sorted(near)
    farthest = min(psnr(one, other) for one, other in itertools.pairwise(images))
    assert farthest > psnr(before.rgb, own) + 3, "no image jumps as far as without"
    np.testing.assert_array_equal(images[-1], own)
    np.testing.assert_array_equal(last(model, castle), own)


def test_a_blend_goes_on_from_what_an_interrupted_one_showed(embedded: Loaded) -> None:
    model = embedded("openvino")
    draft = dataclasses.replace(CAR, steps=1)
    told = list(model.paint(draft))[-1].told
    assert told is not None
    castle = dataclasses.replace(draft, prompt="a castle in the snow")
    halfway = list(model.paint(dataclasses.replace(castle, blend=Blend(before=told, share=0.5))))[-1]
    assert halfway.told is not None
    again = dataclasses.replace(draft, blend=Blend(before=halfway.told, share=1e-6))
    assert psnr(last(model, again), halfway.rgb) > 50


def test_what_should_not_be_seen_blends_too(guided: LatentDiffusion) -> None:
    """Guided by contrast it is told both: without the prompt first."""
    model = guided
    draft = dataclasses.replace(CAR, steps=1)
    before = list(model.paint(dataclasses.replace(draft, negative="a beach")))[-1].told
    assert before is not None
    between = list(model.paint(dataclasses.replace(draft, blend=Blend(before=before, share=0.5))))[-1].told
    assert between is not None
    (without, with_prompt), (former, same) = between[0], before[0]
    assert not np.allclose(without, former, atol=0.01)
    np.testing.assert_array_equal(with_prompt, same)


@pytest.mark.parametrize(
    ("shape", "share", "told"),
    [((2, 5, 8), 0.5, r"blend\.before: .*after a change of model or size"),
     (None, 0.0, r"blend\.share: 0.0; it should be above 0 and at most 1"),
     (None, 1.5, r"blend\.share: 1.5")],
)  # fmt: skip
def test_what_cannot_be_blended_is_refused(
    embedded: Loaded, shape: tuple[int, ...] | None, share: float, told: str
) -> None:
    model = embedded("openvino")
    before = list(model.paint(dataclasses.replace(CAR, steps=1)))[-1].told
    assert before is not None
    if shape:
        before = (np.zeros(shape, np.float32),)
    with pytest.raises(ModelError, match=told):
        list(model.paint(dataclasses.replace(CAR, blend=Blend(before=before, share=share))))


def test_pictures_hang_on_seed_prompt_and_negative(guided: LatentDiffusion) -> None:
    model = guided
    # on a bare ground the embedded model paints much the same from every seed
    request = dataclasses.replace(CAR, prompt="a car in the forest")
    first = last(model, request)
    assert np.array_equal(first, last(model, request))
    for change in ({"seed": 4}, {"prompt": "a cat at night"}, {"negative": "a beach"}):
        assert psnr(first, last(model, dataclasses.replace(request, **change))) < 25


def test_a_repeated_prompt_costs_no_text_encoding(embedded: Loaded) -> None:
    model = embedded("openvino")
    last(model, dataclasses.replace(CAR, prompt="a red house"))
    runs = model._parts.text.runs
    last(model, dataclasses.replace(CAR, prompt="a flimsy red house?", seed=9))
    assert model._parts.text.runs == runs
    last(model, dataclasses.replace(CAR, prompt="a blue house"))
    assert model._parts.text.runs == runs + 1


def test_unknown_words_are_told(embedded: Loaded) -> None:
    model = embedded("openvino")
    assert model.unknown_words("A flimsy car in Zanzibar?") == ("flimsy", "Zanzibar")
    assert model.unknown_words("a car on a beach") == ()
    assert model.unknown_words("") == ()


def test_prompts_that_differ_in_unknown_words_are_alike_and_others_are_not(embedded: Loaded) -> None:
    model = embedded("openvino")
    castle, house = (dataclasses.replace(CAR, prompt=f"a {thing} in the snow") for thing in ("castle", "house"))
    told = list(model.paint(castle))[-1].told
    assert told is not None
    runs = model._parts.text.runs
    assert model.likeness(dataclasses.replace(castle, prompt="a castle in the qwzx snow"), told) == 1.0
    assert model.likeness(house, told) < 0.95
    assert model._parts.text.runs == runs + 1
    last(model, house)
    assert model._parts.text.runs == runs + 1, "what was told is kept for the picture"


def test_words_beyond_the_tokenizer_are_told(embedded: Loaded) -> None:
    model = embedded("openvino")
    room = model._folder.tokens - len(("start", "end"))
    beyond = model.unknown_words("a car " * (room // 2) + "and a house on a beach")
    assert beyond == ("and", "a", "house", "on", "a", "beach")


def test_stopping_early_runs_no_further_step(embedded: Loaded) -> None:
    model, denoiser = counted(embedded("openvino"))
    previews = model.paint(CAR)
    assert denoiser.calls == 0
    assert [next(previews).step, next(previews).step] == [1, 2]
    assert denoiser.calls == 2
    del previews
    gc.collect()
    assert denoiser.calls == 2
    assert len(list(model.paint(CAR))) == 4


def test_what_was_loaded_is_told(embedded: Loaded) -> None:
    ours, reference = embedded("openvino").info, embedded("torch").info
    assert (ours.width, ours.height, ours.steps, ours.guidance, ours.sampler) == (128, 128, 1, 1.0, "LCMScheduler")
    assert (ours.backend, reference.backend, reference.precision) == ("openvino", "torch", "fp32")
    assert ours.precision in ("fp32", "bf16")
    assert ours.engine_key != reference.engine_key
    assert "speakage models get" in ours.choice.reason


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"size": 120}, "picture.size is 120; this model takes multiples of 32"),
     ({"model": "/nowhere"}, "picture.model: /nowhere does not exist")],
)  # fmt: skip
def test_what_cannot_be_is_refused(spec: MakeSpec, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        load(spec(backend="torch", **changes), no_progress)


def test_numbers_that_are_not_finite_are_an_error(embedded: Loaded) -> None:
    def broken(*inputs: NDArray[Any]) -> NDArray[np.float32]:
        return np.full_like(inputs[0], np.nan)

    model = embedded("torch")
    nan = Counted(model._sized.denoiser)
    nan.module = broken  # type: ignore[assignment]
    wrong = with_denoiser(model, nan)
    with pytest.raises(ModelError, match="not finite"):
        list(wrong.paint(CAR))


# --- tiny models in the shape of Stable Diffusion, without guidance -------------------------------------------------


def paint(model: LatentDiffusion, steps: int = 3) -> list[Preview]:
    return list(model.paint(PaintRequest(prompt="a red house", seed=1, steps=steps)))


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_folder_in_stable_diffusions_shape_paints(tiny: Path, spec: MakeSpec, backend: str) -> None:
    model = load(spec(model=str(tiny), backend=backend), no_progress)
    assert (model.info.width, model.info.steps, model.info.guidance) == (16, 2, 0.0)
    previews = paint(model)
    assert [preview.step for preview in previews] == [1, 2, 3]
    assert all(preview.rgb.shape == (16, 16, 3) for preview in previews)
    assert model.unknown_words("a purple house") == ("purple",)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_its_tiny_decoder_shows_the_previews_and_not_the_picture(
    with_tiny_decoder: Path, spec: MakeSpec, backend: str
) -> None:
    tiny = load(spec(model=str(with_tiny_decoder), backend=backend), no_progress)
    shutil.rmtree(with_tiny_decoder / "tiny_vae")
    plain = load(spec(model=str(with_tiny_decoder), backend=backend), no_progress)
    for step, (ours, theirs) in enumerate(zip(paint(tiny), paint(plain), strict=True), start=1):
        assert np.array_equal(ours.rgb, theirs.rgb) == (step == 3)
    assert tiny.info.engine_key != plain.info.engine_key


def test_both_backends_paint_the_tiny_model_alike(tiny: Path, spec: MakeSpec) -> None:
    pictures = [
        paint(load(spec(model=str(tiny), backend=backend, precision="fp32"), no_progress))[-1].rgb
        for backend in ("torch", "openvino")
    ]
    assert psnr(*pictures) > 40


def test_a_folder_of_half_precision_files_paints(tiny: Path, spec: MakeSpec) -> None:
    whole = paint(load(spec(model=str(tiny), backend="torch"), no_progress))
    for file in tiny.glob("*/*.safetensors"):
        file.rename(file.with_suffix(".fp16.safetensors"))
    halves = paint(load(spec(model=str(tiny), backend="torch"), no_progress))
    assert np.array_equal(whole[-1].rgb, halves[-1].rgb)


@pytest.mark.parametrize("sampler", ["PNDMScheduler", "HeunDiscreteScheduler", "LCMScheduler"])
def test_schedulers_that_call_twice_still_end_at_the_last_step(tiny: Path, spec: MakeSpec, sampler: str) -> None:
    config = {"_class_name": sampler, "skip_prk_steps": True}
    (tiny / "scheduler/scheduler_config.json").write_text(json.dumps(config))
    model, denoiser = counted(load(spec(model=str(tiny), backend="torch"), no_progress))
    assert [preview.step for preview in paint(model, 5)] == [1, 2, 3, 4, 5]
    assert denoiser.calls == {"PNDMScheduler": 6, "HeunDiscreteScheduler": 9, "LCMScheduler": 5}[sampler]


def test_the_key_names_what_shapes_a_picture(tiny: Path, spec: MakeSpec) -> None:
    def key(**changes: Any) -> str:
        return load(spec(**{"model": str(tiny), "backend": "torch", **changes}), no_progress).info.engine_key

    keys = [key(), key(size=32), key(guidance=3.0), key(guidance=4.0), key(precision="bf16"), key(backend="openvino")]
    config = tiny / "scheduler/scheduler_config.json"
    config.write_text(config.read_text().replace("trailing", "leading"))
    keys.append(key())
    tokenizer = tiny / "tokenizer/tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    assert key() == keys[-1]
