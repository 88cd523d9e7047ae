"""LoRA files of every layout, several at once and switched while running: what diffusers and peft make of the same."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from engines.diffusion import families
from engines.diffusion.test_families import latents_of, told_apart
from speakage_engines.adapter_choice import available, resolve_adapters
from speakage_engines.api import ModelError, PaintRequest, PictureSpec, no_progress
from speakage_engines.diffusion.pipeline import LatentDiffusion, load

pytestmark = [
    # diffusers hands tensors to numpy in a way that numpy 2 deprecates
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning"),
    pytest.mark.timeout(600),
]

Tensors = dict[str, torch.Tensor]
HOUSE = PaintRequest(prompt="a red house", seed=5, steps=3)
ATTENTION = ("to_q", "to_v", "to_out.0", "proj_in", "q_proj", "fc1")
WIDE = ("conv1", "conv_shortcut", "downsamplers.0.conv")


@dataclasses.dataclass(frozen=True)
class Model:
    """A tiny random one, and where its adapters lie."""

    path: Path
    parts: dict[str, Any]
    models: Path

    def keep(self, name: str, tensors: Tensors, metadata: dict[str, str] | None = None) -> Path:
        (self.models / "adapters").mkdir(parents=True, exist_ok=True)
        path = self.models / f"adapters/{name}.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
        return path

    def layers(self, ends: tuple[str, ...], *parts: str) -> Iterator[tuple[str, str, torch.nn.Module]]:
        for part in parts or [name for name in ("unet", "text_encoder", "text_encoder_2") if name in self.parts]:
            for name, layer in self.parts[part].named_modules():
                if name.endswith(ends):
                    yield part, name, layer


def made(family: str, folder: Path) -> Model:
    kind = families.FAMILIES[family]
    parts = families.components(kind)
    path = families.save(parts, folder / "model", steps=kind.steps, guidance=kind.guidance)
    return Model(path, parts, folder / "models")


@pytest.fixture(params=["stable diffusion 1.5", "sdxl"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    return made(request.param, tmp_path)


@pytest.fixture
def small(tmp_path: Path) -> Model:
    return made("stable diffusion 1.5", tmp_path)


def matrices(layer: Any, rank: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    if isinstance(layer, torch.nn.Linear):
        shapes: tuple[tuple[int, ...], ...] = (rank, layer.in_features), (layer.out_features, rank)
    else:
        shapes = (rank, layer.in_channels, *layer.kernel_size), (layer.out_channels, rank, 1, 1)
    down, up = (0.5 * torch.randn(shape, generator=generator) for shape in shapes)
    return down, up


def kohya(model: Model, rank: int = 4, seed: int = 0, ends: tuple[str, ...] = ATTENTION, alpha: float = 2.0) -> Tensors:
    """As kohya's trainer writes them: layers of diffusers with underscores, and alphas."""
    several = "text_encoder_2" in model.parts
    stems = {
        "unet": "lora_unet",
        "text_encoder": "lora_te1_text_model" if several else "lora_te_text_model",
        "text_encoder_2": "lora_te2_text_model",
    }
    tensors = {}
    for number, (part, name, layer) in enumerate(model.layers(ends)):
        stem = f"{stems[part]}_{name.removeprefix('text_model.').replace('.', '_')}"
        down, up = matrices(layer, rank, seed + number)
        tensors |= {
            f"{stem}.lora_down.weight": down,
            f"{stem}.lora_up.weight": up,
            f"{stem}.alpha": torch.tensor(alpha),
        }
    return tensors


def in_peft(model: Model, rank: int = 4, seed: int = 0) -> Tensors:
    """As diffusers writes them today."""
    tensors = {}
    for number, (part, name, layer) in enumerate(model.layers(ATTENTION)):
        down, up = matrices(layer, rank, seed + number)
        tensors |= {f"{part}.{name}.lora_A.weight": down, f"{part}.{name}.lora_B.weight": up}
    return tensors


def theirs(model: Model, worn: dict[str, float], request: PaintRequest = HOUSE) -> NDArray[np.float32]:
    """What diffusers' pipeline paints with the files of these names."""
    if "text_encoder_2" in model.parts:
        pipeline: Any = StableDiffusionXLPipeline(**model.parts, add_watermarker=False)
    else:
        pipeline = StableDiffusionPipeline(
            **model.parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    pipeline.set_progress_bar_config(disable=True)
    for name in worn:
        pipeline.load_lora_weights(model.models / "adapters", weight_name=f"{name}.safetensors", adapter_name=name)
    if worn:
        pipeline.set_adapters(list(worn), list(worn.values()))
    painted: NDArray[np.float32] = pipeline(
        request.prompt, num_inference_steps=request.steps, width=16, height=16, output_type="latent",
        guidance_scale=families.FAMILIES["sdxl"].guidance, generator=torch.Generator().manual_seed(request.seed),
    ).images.numpy()  # fmt: skip
    return painted


@pytest.fixture
def opened(spec: Callable[..., PictureSpec]) -> Callable[..., LatentDiffusion]:
    def open_model(model: Model, *adapters: str, **changes: Any) -> LatentDiffusion:
        given = {"backend": "torch", "precision": "fp32", "guidance": families.FAMILIES["sdxl"].guidance, **changes}
        return load(spec(model=str(model.path), models_folder=model.models, adapters=adapters, **given), no_progress)

    return open_model


Open = Callable[..., LatentDiffusion]


@pytest.mark.parametrize("ends", [ATTENTION, (*ATTENTION, *WIDE)], ids=["narrow", "wide"])
def test_kohyas_layout_paints_what_diffusers_paints(model: Model, opened: Open, ends: tuple[str, ...]) -> None:
    """The denoiser's part: diffusers loses that of the text encoder on its way to transformers 5."""
    model.keep("one", {name: tensor for name, tensor in kohya(model, ends=ends).items() if "lora_unet" in name})
    ours = latents_of(opened(model, "one:0.7"), HOUSE)
    np.testing.assert_allclose(ours, theirs(model, {"one": 0.7}), atol=1e-4)
    assert told_apart(ours, latents_of(opened(model), HOUSE))


def test_the_layout_of_diffusers_paints_what_diffusers_paints(model: Model, opened: Open) -> None:
    model.keep("one", in_peft(model))
    ours = latents_of(opened(model, "one"), HOUSE)
    np.testing.assert_allclose(ours, theirs(model, {"one": 1.0}), atol=1e-4)
    assert told_apart(ours, latents_of(opened(model), HOUSE))


def test_kohyas_layout_changes_what_that_of_diffusers_changes(model: Model, opened: Open) -> None:
    """Text encoders and all: the same matrices under the other's names, with alpha / rank in them."""
    model.keep("one", kohya(model, rank=4, alpha=2.0))
    model.keep("two", {name: 0.5 * tensor if "lora_B" in name else tensor for name, tensor in in_peft(model).items()})
    np.testing.assert_allclose(
        latents_of(opened(model, "one"), HOUSE), latents_of(opened(model, "two"), HOUSE), atol=1e-5
    )


def test_several_are_worn_at_once_each_by_its_scale(model: Model, opened: Open) -> None:
    model.keep("one", in_peft(model, rank=4, seed=0))
    model.keep("two", in_peft(model, rank=3, seed=100))
    ours = latents_of(opened(model, "one:0.5", "two:-0.25"), HOUSE)
    np.testing.assert_allclose(ours, theirs(model, {"one": 0.5, "two": -0.25}), atol=1e-4)


def test_sdxls_layers_may_have_their_original_names(tmp_path: Path, opened: Open) -> None:
    """kohya's trainer for SDXL: the same file, read by diffusers."""
    model = made("sdxl", tmp_path)
    layer = model.parts["unet"].down_blocks[1].attentions[0].transformer_blocks[0].attn1.to_q
    down, up = matrices(layer, 4, 0)
    stem = "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q"
    model.keep(
        "one", {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up, f"{stem}.alpha": torch.tensor(4.0)}
    )
    ours = latents_of(opened(model, "one"), HOUSE)
    diffusers_name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
    renamed = load_file(model.models / "adapters/one.safetensors")
    model.keep("two", {name.replace(stem, diffusers_name): tensor for name, tensor in renamed.items()})
    np.testing.assert_allclose(ours, theirs(model, {"two": 1.0}), atol=1e-4)
    assert told_apart(ours, latents_of(opened(model), HOUSE))


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"alpha_pattern": {"attn1.to_q": 8}}], ids=str)
def test_pefts_own_folder_says_how_strong_it_is(small: Model, opened: Open, settings: dict[str, Any]) -> None:
    config = peft.LoraConfig(r=4, lora_alpha=3, target_modules=["to_q", "to_v"], init_lora_weights=False, **settings)
    torch.manual_seed(3)
    trained = peft.get_peft_model(families.unet(**families.FAMILIES["stable diffusion 1.5"].unet), config)
    trained.save_pretrained(small.models / "adapters/dog")
    assert available(small.models) == ("dog",)
    ours = latents_of(opened(small, "dog"), HOUSE)
    merged = dataclasses.replace(small, parts={**small.parts, "unet": trained.merge_and_unload().eval()})
    np.testing.assert_allclose(ours, theirs(merged, {}), atol=1e-4)


def test_diffusers_metadata_says_how_strong_it_is(small: Model, opened: Open) -> None:
    small.keep("one", in_peft(small), {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 8, "unet.r": 4})})
    doubled = {name: 2 * tensor if name.startswith("unet") and "lora_B" in name else tensor
               for name, tensor in in_peft(small).items()}  # fmt: skip
    small.keep("two", doubled)
    np.testing.assert_allclose(
        latents_of(opened(small, "one"), HOUSE), latents_of(opened(small, "two"), HOUSE), atol=1e-5
    )


def test_they_are_switched_while_running(small: Model, opened: Open) -> None:
    small.keep("one", kohya(small, seed=0))
    small.keep("two", kohya(small, seed=100))
    bare, usual = latents_of(opened(small), HOUSE), latents_of(opened(small, "one"), HOUSE)
    model = opened(small, "one")
    key = model.info.engine_key
    assert model.info.adapters == ("one:1",)

    def painted(*adapters: str) -> NDArray[np.float32]:
        request = dataclasses.replace(HOUSE, adapters=adapters)
        list(model.paint(request))
        return latents_of(model, request)

    np.testing.assert_allclose(painted(), bare, atol=1e-5)
    np.testing.assert_allclose(painted("two:0.5"), latents_of(opened(small, "two:0.5"), HOUSE), atol=1e-5)
    assert model.info.adapters == ("two:0.5",)
    assert model.info.engine_key != key
    list(model.paint(HOUSE))
    assert model.info.engine_key == key
    np.testing.assert_allclose(latents_of(model, HOUSE), usual, atol=1e-5)


def test_a_prompt_is_encoded_anew_where_the_text_encoder_is_changed_and_only_there(small: Model, opened: Open) -> None:
    tensors = kohya(small)
    small.keep("words", {name: tensor for name, tensor in tensors.items() if "lora_te" in name})
    small.keep("paint", {name: tensor for name, tensor in tensors.items() if "lora_unet" in name})
    model = opened(small, adapter_rank=4)
    runs = []
    for adapters in ((), ("paint",), ("words",), (), ("words",)):
        list(model.paint(dataclasses.replace(HOUSE, adapters=adapters)))
        runs.append(model._parts.text.runs)
    assert [later - earlier for earlier, later in itertools.pairwise(runs)] == [0, 2, 0, 0]


def test_openvino_paints_alike_and_compiles_once_for_all(small: Model, opened: Open, engines_folder: Path) -> None:
    small.keep("one", kohya(small, rank=2, ends=(*ATTENTION, *WIDE)))
    small.keep("two", kohya(small, rank=3, seed=50, ends=(*ATTENTION, *WIDE)))
    model, reference = (opened(small, "one:0.5", "two", backend=backend) for backend in ("openvino", "torch"))
    for adapters in (None, (), ("two:0.3",)):
        request = dataclasses.replace(HOUSE, adapters=adapters)
        pictures = [list(one.paint(request))[-1].rgb.astype(int) for one in (model, reference)]
        assert np.abs(pictures[0] - pictures[1]).max() <= 2
    engines = sorted(engines_folder.glob("*/engine.json"))
    assert engines
    opened(small, "two", "one:0.2", backend="openvino")
    assert sorted(engines_folder.glob("*/engine.json")) == engines


def test_the_key_tells_files_and_scales_apart(small: Model, opened: Open) -> None:
    small.keep("one", kohya(small))
    keys = [opened(small, *adapters).info.engine_key for adapters in ((), ("one",), ("one:0.5",))]
    small.keep("one", kohya(small, seed=1))
    keys.append(opened(small, "one").info.engine_key)
    small.keep("one", kohya(small))
    assert opened(small, "one").info.engine_key == keys[1]
    assert len(set(keys)) == 4


def test_without_room_or_with_too_little_the_remedy_is_named_and_the_old_ones_stay(small: Model, opened: Open) -> None:
    small.keep("one", kohya(small, rank=4))
    small.keep("large", kohya(small, rank=5))
    small.keep("wide", kohya(small, ends=(*ATTENTION, *WIDE)))
    with pytest.raises(ModelError, match=r"without room for adapters.*picture\.adapter_rank"):
        list(opened(small).paint(dataclasses.replace(HOUSE, adapters=("one",))))
    model = opened(small, "one")
    before = latents_of(model, HOUSE)
    with pytest.raises(ModelError, match=r"a rank of 9 or more.*room for 8.*picture\.adapter_rank"):
        list(model.paint(dataclasses.replace(HOUSE, adapters=("one", "large"))))
    with pytest.raises(ModelError, match=r"conv.* was compiled without room"):
        list(model.paint(dataclasses.replace(HOUSE, adapters=("wide",))))
    np.testing.assert_array_equal(latents_of(model, HOUSE), before)
    roomy = opened(small, "one", adapter_rank=9)
    list(roomy.paint(dataclasses.replace(HOUSE, adapters=("one", "large"))))
    assert roomy.info.adapters == ("one:1", "large:1")


def test_what_cannot_be_used_is_refused_by_name(small: Model, tmp_path: Path, opened: Open) -> None:
    whole = kohya(small)
    first = next(name.removesuffix(".alpha") for name in whole if name.endswith(".alpha"))
    cases = {
        "DoRA": ({**whole, f"{first}.dora_scale": torch.ones(1)}, "it is a DoRA"),
        "LoHa": ({f"{first}.hada_w1_a": torch.ones(1)}, "it is a LoHa"),
        "LoKr": ({f"{first}.lokr_w1": torch.ones(1)}, "it is a LoKr"),
        "embedding": ({"emb_params": torch.ones(1)}, "emb_params is no part of a LoRA"),
        "half": ({f"{first}.lora_up.weight": whole[f"{first}.lora_up.weight"]}, "one matrix of two"),
        "narrow": ({**whole, f"{first}.lora_down.weight": torch.ones(4, 3)}, "do not fit; it was made for another"),
        "strange": ({f"lora_unet_nowhere.{end}.weight": torch.ones(1, 1) for end in ("lora_up", "lora_down")},
                    "1 of the 1 layers it changes are not in this model, lora_unet_nowhere first"),
    }  # fmt: skip
    for name, (tensors, sentence) in cases.items():
        small.keep(name, tensors)
        with pytest.raises(ModelError, match=sentence):
            opened(small, name)
    path = small.keep("cut", whole)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"cut\.safetensors: cannot be read"):
        opened(small, "cut")


def test_references_name_a_file_and_a_scale(small: Model) -> None:
    path = small.keep("dog", kohya(small))
    for reference, scale in (("dog", 1.0), ("dog:0.8", 0.8), (str(path), 1.0), (f"{path}:-2", -2.0), (" dog:0 ", 0.0)):
        (choice,) = resolve_adapters((reference,), small.models)
        assert (choice.path, choice.name, choice.scale) == (path, "dog", scale)


def test_a_picture_is_asked_for_with_names_and_not_with_paths(small: Model, tmp_path: Path, opened: Open) -> None:
    inside = small.keep("dog", kohya(small))
    outside = Path(inside.rename(tmp_path / "cat.safetensors"))
    small.keep("dog", kohya(small, seed=9))
    model = opened(small, str(outside), adapter_rank=8)
    for name in ("cat:0.5", "dog"):
        list(model.paint(dataclasses.replace(HOUSE, adapters=(name,))))
        assert model.info.adapters == (name if ":" in name else f"{name}:1",)
    for path in (str(outside), str(inside), "../cat"):
        with pytest.raises(ModelError, match=r"there is no adapter .* there are: dog\. Give one of them$"):
            list(model.paint(dataclasses.replace(HOUSE, adapters=(path,))))


@pytest.mark.parametrize(
    ("references", "sentence"),
    [(("cat",), r"there is no adapter 'cat'; in .* there are: dog"), (("dog:11",), r"'dog:11' should lie in -10 to 10"),
     (("dog:nan",), "should lie in"), (("",), "names no adapter"), ((":1",), "names no adapter"),
     (("dog", "dog:0.5"), "names dog twice"), (("dog:x",), "there is no adapter 'dog:x'")],
)  # fmt: skip
def test_a_wrong_reference_names_the_remedy(small: Model, references: tuple[str, ...], sentence: str) -> None:
    small.keep("dog", kohya(small))
    with pytest.raises(ModelError, match=sentence):
        resolve_adapters(references, small.models)
