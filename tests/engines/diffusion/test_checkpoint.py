"""A single file as ``picture.model``: converted once, found again, and refused by one sentence."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file

import original_layout as original
from speakage_engines.api import ModelChoice, ModelError, PaintRequest, PictureSpec, Rgb, check_model, no_progress
from speakage_engines.diffusion.checkpoint import FOLDER, TOKENIZER, folder_of
from speakage_engines.diffusion.conversion import convert
from speakage_engines.diffusion.pipeline import LatentDiffusion, load

MakeSpec = Callable[..., PictureSpec]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A tiny Stable Diffusion 1.x, with the tokenizer that its few words need."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    original.save_word_tokenizer(folder / TOKENIZER)
    path = folder / "mine.safetensors"
    save_file(original.random_weights(original.stable_diffusion_1(original.Size())), path)
    return path


def painted(model: Path, spec: MakeSpec, **changes: Any) -> Rgb:
    loaded = load(spec(model=str(model), size=32, steps=2, **changes), no_progress)
    return [preview.rgb for preview in loaded.paint(PaintRequest(prompt="a red house", seed=1, steps=2))][-1]


def converted(models: Path) -> list[Path]:
    return sorted(path for path in (models / FOLDER).iterdir() if path.name != ".lock")


def test_a_single_file_paints_what_its_folder_paints(file: Path, spec: MakeSpec, tmp_path: Path) -> None:
    models = tmp_path / "models"
    picture = painted(file, spec, backend="torch", models_folder=models)
    (made,) = converted(models)
    assert made.name.startswith("mine-")
    convert(file, tmp_path / "folder", tokenizer=file.with_name(TOKENIZER))
    assert np.array_equal(picture, painted(tmp_path / "folder", spec, backend="torch"))
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert np.array_equal(picture, painted(file, spec, backend="torch", models_folder=models))
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before


def test_a_ckpt_of_weights_is_read_without_running_it(file: Path, tmp_path: Path) -> None:
    ckpt = file.with_suffix(".ckpt")
    torch.save({"state_dict": load_file(file)}, ckpt)
    ours, theirs = (folder_of(path, tmp_path, no_progress) / "unet" for path in (ckpt, file))
    assert (ours / "config.json").read_text() == (theirs / "config.json").read_text()
    weights = load_file(theirs / "diffusion_pytorch_model.safetensors")
    for name, tensor in load_file(ours / "diffusion_pytorch_model.safetensors").items():
        assert torch.equal(tensor, weights[name])


def test_another_file_or_tokenizer_is_another_folder(file: Path, tmp_path: Path) -> None:
    folders = [folder_of(file, tmp_path, no_progress)]
    moved = file.rename(file.with_name("moved.safetensors")).rename(file)
    assert folder_of(moved, tmp_path, no_progress) == folders[0]
    words = next((file.parent / TOKENIZER).glob("tokenizer.json"))
    words.write_text(words.read_text() + "\n")
    folders.append(folder_of(file, tmp_path, no_progress))
    save_file(original.random_weights(original.stable_diffusion_1(original.Size()), seed=1), file)
    folders.append(folder_of(file, tmp_path, no_progress))
    assert sorted(folders) == converted(tmp_path)
    assert len(set(folders)) == 3


def test_a_folder_that_is_no_longer_whole_is_made_again(file: Path, tmp_path: Path) -> None:
    weights = folder_of(file, tmp_path, no_progress) / "vae/diffusion_pytorch_model.safetensors"
    weights.unlink()
    folder_of(file, tmp_path, no_progress)
    assert weights.is_file()


def tiny_decoder(folder: Path, factor: int) -> Path:
    torch.manual_seed(1)
    blocks = (1,) * factor
    AutoencoderTiny(
        encoder_block_out_channels=(8,) * factor, decoder_block_out_channels=(8,) * factor, num_encoder_blocks=blocks,
        num_decoder_blocks=blocks, latent_channels=4,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_the_tiny_decoder_of_its_own_family_makes_the_previews(file: Path, spec: MakeSpec, tmp_path: Path) -> None:
    def paint() -> list[Rgb]:
        loaded = load(spec(model=str(file), size=32, backend="torch", models_folder=tmp_path / "models"), no_progress)
        return [preview.rgb for preview in loaded.paint(PaintRequest(prompt="a red house", seed=1, steps=2))]

    plain = paint()
    tiny_decoder(file.with_name("taesdxl"), 2)
    assert np.array_equal(paint()[0], plain[0]), "SDXL's is of another family"
    tiny_decoder(file.with_name("taesd"), 2)
    first, last = paint()
    assert not np.array_equal(first, plain[0])
    assert np.array_equal(last, plain[1])
    (made,) = converted(tmp_path / "models")
    assert sorted(path.name for path in made.iterdir() if "tiny" in path.name) == ["tiny_vae"]


def tell(file: Path, said: object) -> Path:
    told = file.with_name("mine.speakage.json")
    told.write_text(said if isinstance(said, str) else json.dumps(said))
    return told


def test_a_file_is_of_the_family_that_the_file_beside_it_names(
    file: Path, spec: MakeSpec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def loaded() -> LatentDiffusion:
        return load(spec(model=str(file), size=32, backend="torch", models_folder=tmp_path / "models"), no_progress)

    with caplog.at_level(logging.INFO):
        untold = loaded().info
    assert (untold.sampler, untold.steps, untold.guidance) == ("PNDMScheduler", 20, 7.5)
    told = file.with_name("mine.speakage.json")
    others = "hyper-sd15, hyper-sd15-unified, lcm, lcm-lora-sd15, sdxs-512"
    assert f"if it is another of its layout ({others}), say so in {told}" in caplog.text
    tell(file, {"family": "hyper-sd15"})
    model = loaded()
    assert (model.info.sampler, model.info.steps, model.info.guidance) == ("DDIMScheduler", 4, 0.0)
    assert len(list(model.paint(PaintRequest(prompt="a red house", seed=1, steps=4)))) == 4
    tell(file, {"family": "hyper-sd15-unified"})
    assert loaded().info.sampler == "TCDScheduler"
    told.unlink()
    assert loaded().info.sampler == "PNDMScheduler"
    assert len(converted(tmp_path / "models")) == 3


@pytest.mark.parametrize(
    ("said", "sentence"),
    [({"family": "sdxl-lightening"}, "there is no family called 'sdxl-lightening'; there are: .*, sdxl-lightning, "),
     ({"family": ["sd-turbo"]}, "there is no family called .'sd-turbo'.; there are: "),
     ({}, "there is no family called None; there are: "),
     ({"family": "sd-turbo", "steps": 2}, "steps cannot be said there, only family; set picture.steps"),
     ('["sd-turbo"]', 'should hold a JSON object, as {"family": "sd-turbo"}'),
     ("sd-turbo", r"cannot be read \(.*; mend it or delete it"),
     ({"family": "sdxl-turbo"}, "cannot be of the family sdxl-turbo, since its text encoder is OpenAI's CLIP; families "
      "of its layout are: hyper-sd15, hyper-sd15-unified, lcm, lcm-lora-sd15, sdxs-512, stable-diffusion-1.5")],
)  # fmt: skip
def test_a_family_that_cannot_be_is_refused_with_those_that_can(
    file: Path, tmp_path: Path, said: object, sentence: str
) -> None:
    told = tell(file, said)
    with pytest.raises(ModelError, match=sentence) as caught:
        folder_of(file, tmp_path / "models", no_progress)
    assert str(told) in str(caught.value)


class Trap:
    """Would run code when unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("trapped"),)


def spoil(kind: str, file: Path) -> Path:
    match kind:
        case "cut short":
            file.write_bytes(file.read_bytes()[:-100])
        case "foreign":
            save_file({"lora_unet_down.lora_up.weight": torch.zeros(2, 2)}, file)
        case "undecided":
            second = original.stable_diffusion_2(original.Size(linear=True, layers=24))
            save_file(original.random_weights(second), file)
        case "code":
            file = file.with_suffix(".ckpt")
            file.write_bytes(pickle.dumps(Trap()))
    return file


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("cut short", r"damaged or cut short \(.*get the file again"),
        ("foreign", "not a whole Stable Diffusion checkpoint .*convert a whole checkpoint"),
        (
            "undecided",
            "convert says: .*with --family stable-diffusion-2.1, .* or sd-turbo .*named in .*mine.speakage.json",
        ),
        ("code", "could run code, so it is not opened; get the model as .safetensors"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_leaves_nothing(
    file: Path, spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = spoil(kind, file)
    with pytest.raises(ModelError, match=sentence) as caught:
        load(spec(model=str(path), backend="torch", models_folder=tmp_path / "models"), no_progress)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert converted(tmp_path / "models") == []
    assert not Path("trapped").exists()


def test_a_models_folder_that_takes_no_files_is_named(file: Path) -> None:
    with pytest.raises(ModelError, match=r"converted: cannot be written .*set models\.folder to another"):
        folder_of(file, file, no_progress)


def test_the_doctor_sees_a_single_file_that_is_cut_short(file: Path) -> None:
    choice = ModelChoice(name="mine", path=file, reason="")
    check_model(choice)
    spoil("cut short", file)
    with pytest.raises(ModelError, match=r"mine\.safetensors: damaged or cut short"):
        check_model(choice)
