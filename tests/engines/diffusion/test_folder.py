"""Damaged and foreign model folders: each is refused by a sentence that names the file and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from speakage_engines.api import ModelError, PictureSpec, no_progress
from speakage_engines.diffusion.folder import read_folder
from speakage_engines.diffusion.pipeline import load

# diffusers hands tensors to numpy in a way that numpy 2 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"


def change(file: str, **fields: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**content, **fields}))

    return apply


def write(file: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(text) and None


def truncate(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:-100]) and None


def without_a_tensor(file: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / file)
        tensors.pop(sorted(tensors)[0])
        save_file(tensors, folder / file, metadata={"format": "pt"})

    return apply


def of_another_shape(file: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / file)
        name = sorted(tensors)[0]
        save_file({**tensors, name: torch.zeros(3)}, folder / file, metadata={"format": "pt"})

    return apply


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no unet weights": (lambda folder: (folder / UNET).unlink(), r"lacks unet/\*\.safetensors"),
    "broken unet config": (write("unet/config.json", "{"), r"unet/config\.json: cannot be read .*get the model again"),
    "config of a list": (write("vae/config.json", "[]"), r"vae/config\.json: should hold a JSON object"),
    "config without a field": (
        write("text_encoder/config.json", "{}"),
        r"text_encoder/config\.json: hidden_size is None where a number above 0 belongs",
    ),
    "vae without blocks": (change("vae/config.json", block_out_channels=None), r"vae/config\.json: block_out_channels"),
    "cut unet": (truncate(UNET), r"/unet: the weights cannot be read .*get the model again"),
    "cut vae": (truncate(VAE), r"/vae: the weights cannot be read"),
    "cut text encoder": (truncate("text_encoder/model.safetensors"), r"/text_encoder: the weights cannot be read"),
    "a tensor gone from the unet": (without_a_tensor(UNET), r"/unet: .*get the model again"),
    "a tensor gone from the text encoder": (
        without_a_tensor("text_encoder/model.safetensors"),
        r"/text_encoder: 1 tensors do not fit config\.json \(missing_keys",
    ),
    "another shape in the unet": (of_another_shape(UNET), r"/unet: the weights cannot be read"),
    "another shape in the text encoder": (
        of_another_shape("text_encoder/model.safetensors"),
        r"/text_encoder: .*get the model again",
    ),
    "broken tokenizer": (write("tokenizer/tokenizer.json", "{"), r"/tokenizer: the tokenizer cannot be read"),
    "tokenizer of another model": (
        change("text_encoder/config.json", vocab_size=5),
        r"/tokenizer: it has 11 tokens, the text encoder only 5",
    ),
    "broken scheduler": (write("scheduler/scheduler_config.json", "nothing"), r"scheduler_config\.json: cannot be"),
    "foreign scheduler": (
        change("scheduler/scheduler_config.json", _class_name="FlowMatchHeunDiscreteScheduler"),
        r"FlowMatchHeunDiscreteScheduler cannot be used",
    ),
    "sdxl by its index": (
        change("model_index.json", text_encoder=["transformers", "CLIPTextModelWithProjection"]),
        r"model_index\.json: text_encoder is CLIPTextModelWithProjection; only CLIPTextModel or BertModel can be used",
    ),
    "sdxl with one text encoder": (
        change("unet/config.json", addition_embed_type="text_time"),
        r"model_index\.json: text_encoder_2 is None; only CLIPTextModelWithProjection can be used",
    ),
    "a denoiser that is told pictures": (
        change("unet/config.json", addition_embed_type="image"),
        r"unet/config\.json: addition_embed_type is image; .*cannot be used yet",
    ),
    "a transformer": (change("model_index.json", unet=None), r"model_index\.json: unet is None; only UNet2D"),
    "an odd index": (change("model_index.json", unet=[]), r"model_index\.json: unet is \[\]; only UNet2D"),
    "inpainting": (change("unet/config.json", in_channels=9), r"unet/config\.json: out_channels is 4, but its in_chan"),
    "a vae of another family": (change("vae/config.json", latent_channels=16), r"vae/config\.json: latent_channels is"),
    "a text encoder of another family": (
        change("text_encoder/config.json", hidden_size=32),
        r"text_encoder/config\.json: hidden_size is 32, but the unet's cross_attention_dim 16",
    ),
    "settings that are no JSON": (write("speakage.json", "steps"), r"speakage\.json: cannot be read .*mend it or"),
    "steps that are no number": (write("speakage.json", '{"steps": "few"}'), r"speakage\.json: invalid literal"),
    "no steps": (write("speakage.json", '{"steps": 0}'), r"speakage\.json: steps 0, .* cannot be"),
    "weights of zeros": (
        lambda folder: save_file(
            {name: torch.zeros_like(tensor) for name, tensor in load_file(folder / VAE).items()},
            folder / VAE, metadata={"format": "pt"},
        ),
        r"paints one flat colour",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_folder_that_cannot_be_used_says_why(tiny: Path, spec: Callable[..., PictureSpec], case: str) -> None:
    damage, sentence = CASES[case]
    damage(tiny)
    with pytest.raises(ModelError, match=re.compile(sentence, re.DOTALL)):
        load(spec(model=str(tiny), backend="torch"), no_progress)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [(change("tiny_vae/config.json", latent_channels=16), r"tiny_vae/config\.json: latent_channels is 16"),
     (change("tiny_vae/config.json", block_out_channels=[8, 8, 8]), r"tiny_vae/config\.json: it enlarges 4 times"),
     (change("tiny_vae/config.json", _class_name="VQModel"), r"tiny_vae/config\.json: VQModel cannot be used"),
     (truncate("tiny_vae/diffusion_pytorch_model.safetensors"), r"/tiny_vae: the weights cannot be read")],
)  # fmt: skip
def test_a_damaged_tiny_decoder_is_no_silent_loss(
    with_tiny_decoder: Path, spec: Callable[..., PictureSpec], damage: Callable[[Path], None], sentence: str
) -> None:
    damage(with_tiny_decoder)
    with pytest.raises(ModelError, match=re.compile(sentence, re.DOTALL)):
        load(spec(model=str(with_tiny_decoder), backend="torch"), no_progress)


def test_a_tiny_decoder_as_its_authors_publish_it_is_read(with_tiny_decoder: Path) -> None:
    file = with_tiny_decoder / "tiny_vae/config.json"
    content = json.loads(file.read_text())
    content.pop("block_out_channels")
    file.write_text(json.dumps(content))
    assert read_folder(with_tiny_decoder).factor == 2


def test_without_settings_stable_diffusions_own_hold(tiny: Path) -> None:
    (tiny / "speakage.json").unlink()
    folder = read_folder(tiny)
    assert (folder.steps, folder.guidance, folder.size, folder.multiple) == (20, 7.5, 16, 4)
