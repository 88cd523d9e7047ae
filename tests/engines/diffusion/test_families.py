"""Every family paints, on torch and on OpenVINO; SDXL and LCM what diffusers' own pipelines paint of the same noise."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LatentConsistencyModelPipeline, StableDiffusionXLPipeline
from numpy.typing import NDArray

from engines.diffusion import families
from speakage_engines.api import Blend, ModelError, PaintRequest, PictureSpec, no_progress
from speakage_engines.compile.store import EngineStore
from speakage_engines.diffusion.blueprint import draw_up
from speakage_engines.diffusion.conditioning import Guidance
from speakage_engines.diffusion.folder import read_folder
from speakage_engines.diffusion.modules import decoder
from speakage_engines.diffusion.pipeline import LatentDiffusion, load
from speakage_engines.diffusion.slerp import slerp
from speakage_engines.diffusion.waves import guidance_waves

pytestmark = [
    # diffusers hands tensors to numpy in a way that numpy 2 deprecates
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.timeout(600),  # exports of many networks, on a machine that may be busy
]

MakeSpec = Callable[..., PictureSpec]
HOUSE = PaintRequest(prompt="a red house", seed=5, steps=3)


def latents_of(model: LatentDiffusion, request: PaintRequest) -> NDArray[np.float32]:
    """Of the finished picture."""
    latents = list(model.paint(request))[-1].latents
    assert latents is not None
    return latents


def saved(name: str, folder: Path, **index: Any) -> tuple[Path, dict[str, Any]]:
    family = families.FAMILIES[name]
    parts = families.components(family)
    return families.save(parts, folder, steps=family.steps, guidance=family.guidance, **index), parts


def told_apart(ours: NDArray[np.float32], others: NDArray[np.float32]) -> bool:
    return float(np.abs(ours - others).max()) > 1e-3


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, spec: MakeSpec) -> dict[str, Path]:
    """Folders of all families, whose networks one builder exports: to start one for each would take a minute."""
    folders = {name: saved(name, tmp_path_factory.mktemp("family") / "model")[0] for name in families.FAMILIES}
    store = EngineStore(spec().engines_folder)
    with store.building():
        for folder in folders.values():
            for module in draw_up(spec(model=str(folder))).modules:
                store.onnx(module)
    return folders


@pytest.mark.parametrize("name", families.FAMILIES)
def test_every_family_paints_alike_on_both_backends(exported: dict[str, Path], spec: MakeSpec, name: str) -> None:
    family, folder = families.FAMILIES[name], exported[name]
    pictures = []
    for backend in ("torch", "openvino"):
        model = load(spec(model=str(folder), backend=backend, precision="fp32"), no_progress)
        assert (model.info.steps, model.info.guidance, model.info.sampler) == (
            family.steps, family.guidance, family.scheduler,
        )  # fmt: skip
        previews = list(model.paint(dataclasses.replace(HOUSE, steps=family.steps)))
        assert len(previews) == family.steps
        pictures.append(previews[-1].rgb.astype(int))
    assert pictures[0].shape == (16, 16, 3)
    assert np.abs(pictures[0] - pictures[1]).max() <= 2


@pytest.mark.parametrize("name", families.FAMILIES)
def test_a_step_runs_the_denoiser_twice_only_for_guidance_by_contrast(tmp_path: Path, name: str) -> None:
    folder = read_folder(saved(name, tmp_path / "model")[0])
    contrast = name in ("stable diffusion 1.5", "stable diffusion 2.1", "sdxl")
    assert Guidance.of(folder, folder.guidance).batch == (2 if contrast else 1)


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize(("guidance", "negative"), [(5.0, None), (5.0, "a car on the moon"), (0.0, None)])
def test_sdxl_paints_what_diffusers_paints(
    tmp_path: Path, spec: MakeSpec, zeros: bool, guidance: float, negative: str | None
) -> None:
    folder, parts = saved("sdxl", tmp_path / "model", force_zeros_for_empty_prompt=zeros)
    pipeline = StableDiffusionXLPipeline(**parts, force_zeros_for_empty_prompt=zeros, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        HOUSE.prompt, negative_prompt=negative, num_inference_steps=HOUSE.steps, guidance_scale=guidance, width=24,
        height=24, generator=torch.Generator().manual_seed(HOUSE.seed), output_type="latent",
    ).images.numpy()  # fmt: skip
    model = load(spec(model=str(folder), backend="torch", precision="fp32", guidance=guidance, size=24), no_progress)
    request = dataclasses.replace(HOUSE, negative=negative or "")
    ours = latents_of(model, request)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert told_apart(ours, latents_of(model, dataclasses.replace(request, prompt="a car")))


@pytest.mark.parametrize("which", ["pooled", "sizes"])
def test_what_sdxl_is_told_beside_the_prompt_shapes_the_picture(tmp_path: Path, spec: MakeSpec, which: str) -> None:
    """Else the comparison with diffusers would prove nothing of it."""
    folder, _ = saved("sdxl-turbo", tmp_path / "model")
    model = load(spec(model=str(folder), backend="torch"), no_progress)
    guidance = model._parts.text.guidance
    states, added = model._parts.text(HOUSE.prompt, "", guidance, (16, 16))
    other = added.copy()
    other[:, slice(families.POOLED) if which == "pooled" else slice(families.POOLED, None)] = 0
    noise = np.random.default_rng(0).standard_normal((1, 4, 8, 8)).astype(np.float32)
    ours, others = (model._predict(noise, 800, (states, told), guidance) for told in (added, other))
    assert told_apart(ours, others)


@pytest.mark.parametrize("name", ["sdxl", "lcm-sdxl"])
def test_sdxl_blends_each_encoder_and_the_pooled_prompt_and_leaves_sizes_and_guidance(
    tmp_path: Path, spec: MakeSpec, name: str
) -> None:
    folder, _ = saved(name, tmp_path / "model")
    model = load(spec(model=str(folder), backend="torch"), no_progress)
    text = model._parts.text
    before, after = (text(prompt, "", text.guidance, (16, 16)) for prompt in ("a car on the moon", HOUSE.prompt))
    between = text.on_the_way(Blend(before=before, share=0.3), after)
    states, pooled = (slice(families.WIDTH), slice(families.WIDTH, None)), slice(families.POOLED)
    for one in states:
        np.testing.assert_array_equal(between[0][..., one], slerp(before[0][..., one], after[0][..., one], 0.3))
    np.testing.assert_array_equal(between[1][:, pooled], slerp(before[1][:, pooled], after[1][:, pooled], 0.3))
    rest = slice(families.POOLED, None)
    np.testing.assert_array_equal(between[1][:, rest], after[1][:, rest])
    assert len(between) == len(after)
    for ours, theirs in zip(between[2:], after[2:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    picture, blended = (
        latents_of(model, dataclasses.replace(HOUSE, blend=blend)) for blend in (None, Blend(before=before, share=0.3))
    )
    assert told_apart(picture, blended)


def test_lcm_paints_what_diffusers_paints(tmp_path: Path, spec: MakeSpec) -> None:
    folder, parts = saved("lcm", tmp_path / "model")
    pipeline = LatentConsistencyModelPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        HOUSE.prompt, num_inference_steps=4, guidance_scale=3.0, width=16, height=16,
        generator=torch.Generator().manual_seed(HOUSE.seed), output_type="latent",
    ).images.numpy()  # fmt: skip
    request = dataclasses.replace(HOUSE, steps=4)
    ours, others = (
        latents_of(load(spec(model=str(folder), backend="torch", guidance=guidance), no_progress), request)
        for guidance in (3.0, 9.0)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert told_apart(ours, others)


@pytest.mark.parametrize("width", [8, 9, 256])
def test_guidance_is_told_in_diffusers_waves(width: int) -> None:
    theirs = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, torch.tensor([6.5]), width)
    np.testing.assert_allclose(guidance_waves(7.5, width), theirs.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("stable diffusion 1.5", (20, 7.5)), ("sdxl", (30, 5.0)), ("lcm", (4, 8.5)), ("hyper-sd unified", (4, 0.0))],
)
def test_without_settings_the_familys_own_hold(tmp_path: Path, name: str, expected: tuple[int, float]) -> None:
    path, _ = saved(name, tmp_path / "model")
    (path / "speakage.json").unlink()
    folder = read_folder(path)
    assert (folder.steps, folder.guidance) == expected


@pytest.mark.parametrize(
    ("name", "upcast", "expected"), [("sdxl", True, True), ("sdxl", False, False), ("sd-turbo", True, False)]
)
def test_only_sdxls_decoder_is_kept_from_fp16(tmp_path: Path, name: str, upcast: bool, expected: bool) -> None:
    path, _ = saved(name, tmp_path / "model")
    config = path / "vae/config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "force_upcast": upcast}))
    assert decoder(read_folder(path), (16, 16)).overflows is expected


@pytest.mark.parametrize(
    ("file", "changes", "sentence"),
    [("text_encoder_2/config.json", {"hidden_size": 32}, "hidden_size is 32, but .* less the first .*'s 16 is 16"),
     ("text_encoder_2/config.json", {"max_position_embeddings": 9}, "is 9, but the first text encoder's 8"),
     ("text_encoder_2/config.json", {"projection_dim": 13},
      "projection_class_embeddings_input_dim is 60, but the pooled prompt and six sizes make 61"),
     ("unet/config.json", {"addition_time_embed_dim": None}, "addition_time_embed_dim is None where a number"),
     ("model_index.json", {"text_encoder": [None, None]}, "text_encoder is None; only CLIPTextModel can be used")],
)  # fmt: skip
def test_parts_of_sdxl_that_do_not_fit_are_named(
    tmp_path: Path, file: str, changes: dict[str, Any], sentence: str
) -> None:
    path, _ = saved("sdxl", tmp_path / "model")
    (path / file).write_text(json.dumps({**json.loads((path / file).read_text()), **changes}))
    with pytest.raises(ModelError, match=sentence):
        read_folder(path)


def test_the_key_names_what_stands_for_an_empty_prompt_and_both_tokenizers(tmp_path: Path, spec: MakeSpec) -> None:
    path, _ = saved("sdxl", tmp_path / "model")

    def key() -> str:
        return load(spec(model=str(path), backend="torch"), no_progress).info.engine_key

    keys = [key()]
    index = path / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "force_zeros_for_empty_prompt": False}))
    keys.append(key())
    words = path / "tokenizer_2/tokenizer.json"
    words.write_text(words.read_text() + "\n")
    keys.append(key())
    assert len(set(keys)) == 3
