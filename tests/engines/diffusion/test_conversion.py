"""Conversion against diffusers' own reading of single files, on random weights in the original layout."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

import original_layout as original
from speakage_engines.api import ModelError, PaintRequest, PictureSpec, load_picture
from speakage_engines.diffusion import conversion_tokenizer
from speakage_engines.diffusion.conversion import Conversion, _Needs, convert
from speakage_engines.diffusion.conversion_parts import (
    family_names,
    find_family,
    parts_of_checkpoint,
    read_family,
)

# diffusers hands tensors to numpy in a way that numpy 2 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TINY_1 = original.Size()
TINY_2 = original.Size(linear=True, layers=24)
TINY_XL = original.Size(
    multipliers=(1, 2, 2), depths=(0, 2, 3), middle_depth=3, resnets=2, context=96, linear=True, label=1600
)

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    return original.save_word_tokenizer(tmp_path / "words")


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A tiny Stable Diffusion 1.x."""
    return save(tmp_path / "first.safetensors", original.stable_diffusion_1(TINY_1))


def save(path: Path, shapes: original.Shapes, metadata: dict[str, str] | None = None, **more: torch.Tensor) -> Path:
    save_file({**original.random_weights(shapes), **more}, path, metadata=metadata)
    return path


def folder_of(source: Path, tokenizer: Path, **options: Any) -> tuple[Path, Conversion]:
    target = source.with_suffix("")
    return target, convert(source, target, tokenizer=tokenizer, **options)


def weights_of(folder: Path, part: str) -> Tensors:
    (file,) = (folder / part).glob("*.safetensors")
    return load_file(file)


def config_of(folder: Path, part: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / part / "config.json").read_text())
    return content


def check_same(ours: Tensors, theirs: Tensors) -> None:
    assert sorted(ours) == sorted(theirs)
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name


def check_painter(folder: Path, checkpoint: Tensors) -> None:
    """The denoiser and the autoencoder, as diffusers converts them."""
    check_same(weights_of(folder, "unet"), convert_ldm_unet_checkpoint(dict(checkpoint), config_of(folder, "unet")))
    check_same(weights_of(folder, "vae"), convert_ldm_vae_checkpoint(dict(checkpoint), config_of(folder, "vae")))


def test_stable_diffusion_1_becomes_what_diffusers_makes_of_it(first: Path, tokenizer: Path) -> None:
    folder, told = folder_of(first, tokenizer)
    checkpoint = load_file(first)
    check_painter(folder, checkpoint)
    check_same(weights_of(folder, "text_encoder"), convert_ldm_clip_checkpoint(checkpoint))
    assert (told.family, told.left_out, told.unknown) == ("stable-diffusion-1.5", (), ())
    assert sum(told.converted.values()) == len(checkpoint)


@pytest.mark.parametrize("prefix", ["cond_stage_model.model.", "conditioner.embedders.0.model."])
def test_stable_diffusion_2_becomes_what_diffusers_makes_of_it(tmp_path: Path, tokenizer: Path, prefix: str) -> None:
    source = save(tmp_path / "second.safetensors", original.stable_diffusion_2(TINY_2, prefix))
    folder, told = folder_of(source, tokenizer, family="sd-turbo")
    checkpoint = load_file(source)
    check_painter(folder, checkpoint)
    # diffusers leaves the last layer out by its whole name, so it is shown that one
    named = {name.replace(prefix, "cond_stage_model.model."): tensor for name, tensor in checkpoint.items()}
    theirs = convert_open_clip_checkpoint(CLIPTextModel.from_pretrained(folder / "text_encoder"), named)
    check_same(weights_of(folder, "text_encoder"), theirs)
    assert config_of(folder, "text_encoder")["num_hidden_layers"] == 23
    assert told.unknown == ()
    assert len(told.left_out) == 12 + 2, "the layer that is never run, the projection and the scale"
    assert all(".resblocks.23." in name or name.endswith(("text_projection", "logit_scale")) for name in told.left_out)
    assert json.loads((folder / "speakage.json").read_text()) == {"family": "sd-turbo", "steps": 1, "guidance": 0.0}
    assert config_of(folder, "unet")["use_linear_projection"] is True


def test_stable_diffusion_xl_becomes_what_diffusers_makes_of_it(tmp_path: Path, tokenizer: Path) -> None:
    shapes = original.stable_diffusion_xl(TINY_XL, widths=(32, 64), layers=2, wide=96)
    source = save(tmp_path / "xl.safetensors", shapes)
    folder, told = folder_of(source, tokenizer)
    checkpoint = load_file(source)
    check_painter(folder, checkpoint)
    check_same(weights_of(folder, "text_encoder"), convert_ldm_clip_checkpoint(checkpoint))
    from transformers import CLIPTextModelWithProjection

    second = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2")
    theirs = convert_open_clip_checkpoint(second, checkpoint, "conditioner.embedders.1.model.")
    check_same(weights_of(folder, "text_encoder_2"), theirs)
    check_same(second.state_dict(), theirs)
    assert config_of(folder, "unet")["transformer_layers_per_block"] == [1, 2, 3]
    assert (told.family, told.left_out, told.unknown) == (
        "stable-diffusion-xl", ("conditioner.embedders.1.model.logit_scale",), ()
    )  # fmt: skip


FULL = {
    "stable-diffusion-1.5": (original.stable_diffusion_1(original.FULL_1), 686 + 248 + 196),
    "stable-diffusion-2.1": (original.stable_diffusion_2(original.FULL_2), 686 + 248 + 372),
    "stable-diffusion-xl": (original.stable_diffusion_xl(original.FULL_XL), 1680 + 248 + 196 + 517),
}


@pytest.mark.parametrize("name", FULL)
def test_every_tensor_of_the_full_models_has_its_place(name: str) -> None:
    """By name alone: diffusers converts tensors of one element that carry their number."""
    shapes, count = FULL[name]
    family = read_family(name)
    needs = {one.part.name: one for one in map(_Needs.of, parts_of_checkpoint(family, shapes))}
    for part in family.configs.keys() - {"scheduler"}:
        assert needs[part].part.config == family.configs[part], "shapes say what the public model's configuration says"
    numbers = {key: torch.full((1,) * len(shapes[key]), float(index)) for index, key in enumerate(shapes)}
    theirs = {
        "unet": convert_ldm_unet_checkpoint(dict(numbers), family.configs["unet"]),
        "vae": convert_ldm_vae_checkpoint(dict(numbers), family.configs["vae"]),
    }
    if name != "stable-diffusion-2.1":
        text = convert_ldm_clip_checkpoint(numbers)
        theirs["text_encoder"] = {key.removeprefix("text_model."): value for key, value in text.items()}
    for part, tensors in theirs.items():
        ours = {key: float(numbers[place]) for key, _, place, _ in needs[part].wanted}
        assert ours == {key: float(value) for key, value in tensors.items()}
    assert sum(len(one.wanted) for one in needs.values()) == count
    for one in needs.values():
        for _, shape, place, form in one.wanted:
            there = torch.Size(shapes[place]).numel()
            assert there == torch.Size(shape).numel() * (3 if form in ("query", "key", "value") else 1)


def test_a_folder_becomes_a_checkpoint_that_diffusers_reads_as_the_same(tiny: Path, tmp_path: Path) -> None:
    target = tmp_path / "back.safetensors"
    config = json.loads((tiny / "text_encoder/config.json").read_text())
    assert config["hidden_act"] == "quick_gelu"
    convert(tiny, target)
    checkpoint = load_file(target)
    for kind, part in ((UNet2DConditionModel, "unet"), (AutoencoderKL, "vae")):
        theirs = kind.from_single_file(target, config=str(tiny), subfolder=part, local_files_only=True)
        check_same(theirs.state_dict(), kind.from_pretrained(tiny / part).state_dict())
    text = {key.removeprefix("text_model."): value for key, value in convert_ldm_clip_checkpoint(checkpoint).items()}
    check_same(text, CLIPTextModel.from_pretrained(tiny / "text_encoder").state_dict())


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        (original.stable_diffusion_1(TINY_1), None),
        (original.stable_diffusion_2(TINY_2), "stable-diffusion-2.1"),
        (original.stable_diffusion_xl(TINY_XL, widths=(32, 64), layers=2, wide=96), None),
    ],
    ids=["1", "2", "xl"],
)
def test_there_and_back_nothing_changes(
    tmp_path: Path, tokenizer: Path, shapes: original.Shapes, family: str | None
) -> None:
    source = save(tmp_path / "source.safetensors", shapes)
    folder, told = folder_of(source, tokenizer, family=family)
    back = convert(folder, tmp_path / "back.safetensors")
    checkpoint = {name: value for name, value in load_file(source).items() if name not in told.left_out}
    check_same(load_file(back.target), checkpoint)
    assert (back.left_out, back.unknown) == ((), ())
    # what the first file did not tell, the second does
    again, retold = folder_of(back.target, tokenizer)
    assert retold.family == told.family
    for part in told.converted:
        check_same(weights_of(again, part), weights_of(folder, part))
        assert config_of(again, part) == config_of(folder, part)


def test_a_converted_folder_paints(first: Path, tokenizer: Path, spec: Callable[..., PictureSpec]) -> None:
    folder, _ = folder_of(first, tokenizer)
    model = load_picture(spec(model=str(folder), backend="torch", size=32, steps=3))
    assert model.info.sampler == "PNDMScheduler"
    assert model.info.guidance == 7.5
    previews = list(model.paint(PaintRequest(prompt="a red house", seed=1, steps=3)))
    assert previews[-1].rgb.shape == (32, 32, 3)
    pipeline = StableDiffusionPipeline.from_single_file(
        first, config=str(folder), local_files_only=True, safety_checker=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    loaded = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    for part in ("unet", "vae", "text_encoder"):
        check_same(getattr(loaded, part).state_dict(), getattr(pipeline, part).state_dict())
    theirs = pipeline(
        "a red house", num_inference_steps=3, height=32, width=32, guidance_scale=7.5, output_type="np",
        generator=torch.Generator().manual_seed(1),
    ).images[0]  # fmt: skip
    assert abs(previews[-1].rgb / 255 - theirs).max() < 0.02


LAYOUTS = {
    "stable-diffusion-1.5": original.stable_diffusion_1(TINY_1),
    "stable-diffusion-2.1": original.stable_diffusion_2(TINY_2),
    "stable-diffusion-xl": original.stable_diffusion_xl(TINY_XL, widths=(32, 64), layers=2, wide=96),
}
NO_PLACE = {"lcm": r"no place for time_embedding\.cond_proj\.weight of the unet"}
SMALL = {
    name: shape
    for name, shape in LAYOUTS["stable-diffusion-1.5"].items()
    if not name.startswith("model.diffusion_model.middle_block.")
}
"""As SDXS is: without a middle block."""


@pytest.mark.parametrize("name", sorted(set(family_names()) - NO_PLACE.keys()))
def test_a_file_of_every_family_paints_as_its_family_does(
    tmp_path: Path, tokenizer: Path, spec: Callable[..., PictureSpec], name: str
) -> None:
    family = read_family(name)
    source = save(tmp_path / "mine.safetensors", SMALL if name == "sdxs-512" else LAYOUTS[family.layout])
    folder, told = folder_of(source, tokenizer, family=name)
    assert (told.family, told.unknown) == (name, ())
    assert json.loads((folder / "scheduler/scheduler_config.json").read_text()) == family.configs["scheduler"]
    model = load_picture(spec(model=str(folder), backend="torch", size=32))
    assert (model.info.steps, model.info.guidance) == (family.settings["steps"], family.settings["guidance"])
    assert model.info.sampler == family.configs["scheduler"]["_class_name"]
    steps = min(family.settings["steps"], 4)
    previews = list(model.paint(PaintRequest(prompt="a red house", seed=1, steps=steps)))
    assert [preview.step for preview in previews] == list(range(1, steps + 1))
    assert previews[-1].rgb.std() > 1


@pytest.mark.parametrize("name", NO_PLACE)
def test_a_family_that_no_file_can_hold_says_what_is_missing(tmp_path: Path, tokenizer: Path, name: str) -> None:
    source = save(tmp_path / "mine.safetensors", LAYOUTS[read_family(name).layout])
    with pytest.raises(ModelError, match=NO_PLACE[name]):
        folder_of(source, tokenizer, family=name)


@pytest.mark.parametrize(
    ("layout", "asked"),
    [(one, other) for one in LAYOUTS for other in ("sd-turbo", "sdxl-lightning", "hyper-sd15")
     if read_family(other).layout != one],
)  # fmt: skip
def test_a_family_of_another_layout_is_refused_with_those_that_fit(
    tmp_path: Path, tokenizer: Path, layout: str, asked: str
) -> None:
    source = save(tmp_path / "mine.safetensors", LAYOUTS[layout])
    with pytest.raises(ModelError, match=f"it cannot be of the family {asked}, since it.*: ") as caught:
        folder_of(source, tokenizer, family=asked)
    listed = str(caught.value).rpartition(": ")[2].split(", ")
    assert listed == [name for name in family_names() if read_family(name).layout == layout]
    assert not source.with_suffix("").exists()


def test_a_distilled_model_is_still_one_there_and_back(tmp_path: Path, tokenizer: Path) -> None:
    source = save(tmp_path / "mine.safetensors", LAYOUTS["stable-diffusion-xl"])
    folder, _ = folder_of(source, tokenizer, family="sdxl-lightning")
    back = convert(folder, tmp_path / "back.safetensors")
    assert (back.family, back.reason) == ("sdxl-lightning", "its speakage.json says so")
    again, told = folder_of(back.target, tokenizer)
    assert (told.family, told.reason) == ("sdxl-lightning", "its metadata says so")
    for file in ("speakage.json", "scheduler/scheduler_config.json"):
        assert (again / file).read_text() == (folder / file).read_text()


def test_a_denoiser_without_a_middle_block_is_not_taken_for_another(tmp_path: Path, tokenizer: Path) -> None:
    source = save(tmp_path / "small.safetensors", SMALL)
    with pytest.raises(ModelError, match="no middle block; if it is SDXS, say so with --family sdxs-512"):
        folder_of(source, tokenizer)
    folder, _ = folder_of(source, tokenizer, family="sdxs-512")
    assert config_of(folder, "unet")["mid_block_type"] is None
    assert config_of(folder, "vae")["_class_name"] == "AutoencoderKL"
    back = convert(folder, tmp_path / "back.safetensors")
    check_same(load_file(back.target), load_file(source))


def test_sdxs_has_the_size_that_its_authors_published() -> None:
    """1.26 GB in fp32, by the listing of its repository."""
    with torch.device("meta"):
        denoiser = UNet2DConditionModel.from_config(read_family("sdxs-512").configs["unet"])
    assert sum(weight.numel() for weight in denoiser.parameters()) * 4 == pytest.approx(1.26e9, rel=0.005)


def test_averages_and_constants_are_left_out_and_strangers_named(tmp_path: Path, tokenizer: Path) -> None:
    names = ("model_ema.diffusion_modelout2bias", "betas", "sqrt_alphas_cumprod", "a.stranger")
    more = {name: torch.zeros(1) for name in names}
    more["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.zeros(1)
    source = save(tmp_path / "more.safetensors", original.stable_diffusion_1(TINY_1), **more)
    _, told = folder_of(source, tokenizer)
    assert told.left_out == tuple(sorted(more.keys() - {"a.stranger"}))
    assert told.unknown == ("a.stranger",)


def test_precision_stays(tmp_path: Path, tokenizer: Path) -> None:
    halves = {
        name: value.half() for name, value in original.random_weights(original.stable_diffusion_1(TINY_1)).items()
    }
    save_file(halves, tmp_path / "half.safetensors")
    folder, _ = folder_of(tmp_path / "half.safetensors", tokenizer)
    assert {value.dtype for value in weights_of(folder, "unet").values()} == {torch.float16}


def test_folders_of_the_first_diffusers_name_their_attention_otherwise(tiny: Path, tmp_path: Path) -> None:
    convert(tiny, tmp_path / "new.safetensors")
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    file = tiny / "vae/diffusion_pytorch_model.safetensors"
    old = {}
    for name, value in load_file(file).items():
        for new, was in names.items():
            name = name.replace(f".{new}.", f".{was}.")
        old[name] = value
    assert any(".proj_attn." in name for name in old)
    save_file(old, file, metadata={"format": "pt"})
    told = convert(tiny, tmp_path / "old.safetensors")
    assert told.unknown == ()
    check_same(load_file(tmp_path / "old.safetensors"), load_file(tmp_path / "new.safetensors"))


@pytest.mark.parametrize("kind", ["shards", "half"])
def test_folders_keep_their_weights_in_several_ways(tiny: Path, tmp_path: Path, kind: str) -> None:
    convert(tiny, tmp_path / "whole.safetensors")
    file = tiny / "unet/diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    file.unlink()
    if kind == "half":
        save_file(weights, file.with_name("diffusion_pytorch_model.fp16.safetensors"))
    else:
        names = list(weights)
        for number in (1, 2):
            shard = {name: weights[name] for name in names[number - 1 :: 2]}
            save_file(shard, file.with_name(f"diffusion_pytorch_model-{number:05}-of-00002.safetensors"))
    convert(tiny, tmp_path / "again.safetensors")
    check_same(load_file(tmp_path / "again.safetensors"), load_file(tmp_path / "whole.safetensors"))


def test_pickles_of_weights_alone_are_read(first: Path, tokenizer: Path, tmp_path: Path) -> None:
    source = tmp_path / "pickle.ckpt"
    weights = load_file(first)
    # pickles can hold one tensor under two names
    weights["model.diffusion_model.out.0.bias"] = weights["model.diffusion_model.out.0.weight"]
    torch.save({"state_dict": weights, "global_step": 7}, source)
    folder, _ = folder_of(source, tokenizer)
    check_painter(folder, weights)


class Trap:
    """Whoever unpickles it runs its code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("trapped"),)


def spoiled(kind: str, first: Path) -> Path:
    """A source that cannot be converted."""
    path = first.with_name(f"spoiled{'.ckpt' if 'pickle' in kind else '.safetensors'}")
    weights = load_file(first)
    match kind:
        case "truncated":
            path.write_bytes(first.read_bytes()[:-100])
        case "header":
            path.write_bytes(first.read_bytes()[:5])
        case "foreign":
            save_file({"lora_unet_down.lora_up.weight": torch.zeros(2, 2)}, path)
        case "no text":
            save_file({name: value for name, value in weights.items() if "cond_stage" not in name}, path)
        case "second":
            save(path, original.stable_diffusion_2(TINY_2))
        case "refiner" | "inpainting":
            shapes = original.stable_diffusion_2(TINY_2, "conditioner.embedders.0.model.")
            if kind == "refiner":
                save(path, shapes | {"model.diffusion_model.label_emb.0.0.weight": (1, 1)})
            else:
                weights["model.diffusion_model.input_blocks.0.0.weight"] = torch.zeros(32, 9, 3, 3)
                save_file(weights, path)
        case "incomplete":
            weights.pop("model.diffusion_model.middle_block.0.in_layers.0.bias")
            save_file(weights, path)
        case "no vae":
            save_file({name: value for name, value in weights.items() if "first_stage" not in name}, path)
        case "misshapen":
            weights["model.diffusion_model.middle_block.0.in_layers.0.bias"] = torch.zeros(3)
            save_file(weights, path)
        case "pickle with code":
            torch.save({"state_dict": weights, "callback": Trap()}, path)
        case "old pickle with code":
            path.write_bytes(pickle.dumps(Trap()))
        case "truncated pickle":
            torch.save(weights, path)
            path.write_bytes(path.read_bytes()[:-1000])
        case "pickle of something":
            torch.save([1, 2], path)
    return path


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("missing", "there is no such file or folder"),
        ("truncated", r"damaged or cut short \(.*get the file again"),
        ("header", r"damaged or cut short \(.*get the file again"),
        ("foreign", "not a whole Stable Diffusion checkpoint"),
        ("no text", "no text encoder that is known here"),
        ("second", "say which with --family stable-diffusion-2.1, stable-diffusion-2.1-base or sd-turbo"),
        ("refiner", "SDXL's refiner"),
        ("inpainting", "takes 9 channels and gives 4: it fills holes"),
        ("incomplete", r"middle_block\.0\.in_layers\.0\.bias is missing that stable-diffusion-1\.5 needs"),
        ("no vae", r"first_stage_model\.\*: tensors of the vae are missing"),
        ("misshapen", r"in_layers\.0\.bias has the shape \(3,\)"),
        ("pickle with code", "could run code, so it is not opened"),
        ("old pickle with code", "could run code, so it is not opened"),
        ("truncated pickle", r"damaged or cut short \("),
        ("pickle of something", "it holds a list, not tensors by name"),
    ],
)
def test_what_cannot_be_converted_is_said_in_one_sentence_and_nothing_is_written(
    first: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch, kind: str, sentence: str
) -> None:
    source, target = spoiled(kind, first), first.with_name("target")
    monkeypatch.chdir(first.parent)
    before = sorted(first.parent.iterdir())
    with pytest.raises(ModelError, match=sentence) as caught:
        convert(source, target, tokenizer=tokenizer)
    assert str(source) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(first.parent.iterdir()) == before


def test_a_target_that_is_there_is_not_touched(first: Path, tokenizer: Path, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    with pytest.raises(ModelError, match="target: is there already; delete it, or name another place"):
        convert(first, tmp_path / "target", tokenizer=tokenizer)
    assert (tmp_path / "target").read_text() == "mine"


def test_a_place_that_takes_no_files_is_named(first: Path, tokenizer: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        convert(first, tmp_path / "file/target", tokenizer=tokenizer)


def test_folders_that_the_original_layout_cannot_hold_are_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"give it a name that ends in \.safetensors"):
        convert(tiny, tmp_path / "target")
    with pytest.raises(ModelError, match="leave --family and --tokenizer out"):
        convert(tiny, tmp_path / "target.safetensors", family="sd-turbo")
    file = tiny / "unet/diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights.pop("conv_in.bias")
    save_file(weights, file)
    with pytest.raises(ModelError, match=r"unet: conv_in\.bias is missing that its config\.json asks for"):
        convert(tiny, tmp_path / "target.safetensors")
    index = tiny / "model_index.json"
    index.write_text(index.read_text().replace("CLIPTextModel", "BertModel"))
    with pytest.raises(ModelError, match="text_encoder is BertModel, and the original layout knows only CLIPTextModel"):
        convert(tiny, tmp_path / "target.safetensors")
    assert not list(tmp_path.glob("target*"))


def test_the_metadata_tells_which_stable_diffusion_2_it_is() -> None:
    shapes = original.stable_diffusion_2(TINY_2)
    told = {"modelspec.architecture": "stable-diffusion-v2-512"}
    assert find_family(shapes, told) == ("stable-diffusion-2.1-base", "its metadata says so")


def test_a_family_that_is_not_known_is_named(first: Path, tokenizer: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no family called 'sd-turbot'; there are: .*, sd-turbo, "):
        folder_of(first, tokenizer, family="sd-turbot")


def test_without_a_tokenizer_the_remedy_is_told(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setattr("sys.path_importer_cache", {})
    with pytest.raises(ModelError, match=r"pip install 'speakage\[convert\]', or name a folder .* --tokenizer"):
        convert(first, first.with_suffix(""))


def test_clips_tokenizer_is_made_from_its_list_of_pairs(tmp_path: Path) -> None:
    pairs = ["c a", "ca t</w>", "h o", "ho u", "hou s", "hous e</w>"]
    path = tmp_path / conversion_tokenizer.BYTE_PAIRS
    path.write_bytes(gzip.compress("\n".join(['"bpe_simple_vocab_16e6.txt#version: 0.2', *pairs]).encode()))
    made = conversion_tokenizer.find_tokenizer(path, 49_408, 77)
    conversion_tokenizer.save_tokenizers(made, tmp_path, {"tokenizer": "<|endoftext|>", "tokenizer_2": "!"})
    end = 2 * 256 + len(pairs) + 1
    for folder, pad in (("tokenizer", end), ("tokenizer_2", 0)):
        tokenizer = conversion_tokenizer.find_tokenizer(tmp_path / folder, 49_408, 77)
        ids = tokenizer("A cat", padding="max_length", max_length=77)["input_ids"]
        # a letter at a word's end is its number plus 256
        assert ids[:5] == [end - 1, ord("a") - ord("!") + 256, 512 + 1, end, pad]
        assert (len(ids), ids[-1]) == (77, pad)
    with pytest.raises(ModelError, match=f"CLIP has {end + 1} tokens, this text encoder only 100"):
        conversion_tokenizer.find_tokenizer(path, 100, 77)
    path.write_bytes(b"no gzip")
    with pytest.raises(ModelError, match="cannot be read"):
        conversion_tokenizer.find_tokenizer(path, 49_408, 77)
