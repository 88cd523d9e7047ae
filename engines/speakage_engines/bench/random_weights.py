"""A diffusers folder of a family's real configuration whose weights are random: as slow as the real one, and offline.

It paints nothing that one would want to see. The tokenizer spells letter by letter, since CLIP's list of words is not
shipped; networks get as many tokens as ever. The folder is kept and used again.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import torch

from speakage_engines.api import ModelError, Progress
from speakage_engines.compile.key import digest_of
from speakage_engines.diffusion.conversion_files import write_json, written_whole
from speakage_engines.diffusion.conversion_parts import TEXT, VAE, Family
from speakage_engines.diffusion.folder import quiet_libraries, read_folder
from speakage_engines.models import SETTINGS_FILE

Decoder: TypeAlias = Literal["full", "tiny"]

TINY: Final[dict[str, Any]] = {
    "_class_name": "AutoencoderTiny",
    "act_fn": "relu",
    "encoder_block_out_channels": [64, 64, 64, 64],
    "decoder_block_out_channels": [64, 64, 64, 64],
    "num_encoder_blocks": [1, 3, 3, 3],
    "num_decoder_blocks": [3, 3, 3, 1],
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "scaling_factor": 1.0,
    "upsampling_scaling_factor": 2,
}
"""TAESD's shape (github.com/madebyollin/taesd), which is also that of SDXL's."""
SCHEDULER: Final = "scheduler"
SEED: Final = 0
_CONTRAST: Final = 30.0
"""Times the last layer of a decoder as it is drawn, which alone gives one flat grey."""


def with_decoder(family: Family, decoder: Decoder) -> Family:
    """The family with the tiny decoder in the place of its own, or as it is."""
    return family if decoder == "full" else replace(family, configs=family.configs | {VAE: TINY})


def random_folder(family: Family, place: Path, size: int, progress: Progress) -> Path:
    """A folder in ``place``, written now if it is not there; raises :class:`ModelError` before minutes go into it."""
    with tempfile.TemporaryDirectory() as outline:
        _outline(family, Path(outline))
        check_size(Path(outline), size)
    target = place / f"{family.name}-{digest_of({**family.configs, 'settings': family.settings})[:12]}"
    if target.is_dir():
        return target
    with written_whole(target) as folder:
        _outline(family, folder)
        networks = [part for part in family.configs if part != SCHEDULER]
        for index, part in enumerate(networks):
            progress(f"drawing random weights for the {part}", index / len(networks))
            _draw(part, family.configs[part], folder / part, SEED + index)
    return target


def check_size(folder: Path, size: int) -> None:
    """Raises :class:`ModelError` for a model that cannot paint, or not at this size; 0 is its own."""
    found = read_folder(folder)
    if size % found.multiple:
        raise ModelError(f"the size {size} cannot be painted; this model takes multiples of {found.multiple}")


def _outline(family: Family, folder: Path) -> None:
    """All but the weights."""
    folder.mkdir(exist_ok=True)
    for part, config in family.configs.items():
        (folder / part).mkdir()
        write_json(folder / part / ("scheduler_config.json" if part == SCHEDULER else "config.json"), config)
    for name in family.pad_tokens:
        part = TEXT[0] if name == "tokenizer" else TEXT[1]
        _tokenizer(family.configs[part]).save_pretrained(folder / name)
    write_json(folder / SETTINGS_FILE, family.settings)
    write_json(folder / "model_index.json", _index(family))


def _index(family: Family) -> dict[str, Any]:
    networks = {
        part: ["transformers", _class_of(config)] if part in TEXT else ["diffusers", _class_of(config)]
        for part, config in family.configs.items()
    }
    tokenizers = {name: ["transformers", "PreTrainedTokenizerFast"] for name in family.pad_tokens}
    return {"_class_name": family.pipeline, **networks, **tokenizers}


def _class_of(config: dict[str, Any]) -> str:
    return str(config.get("_class_name") or config["architectures"][0])


def _tokenizer(config: dict[str, Any]) -> Any:
    """Every letter is a token; the last of the vocabulary ends a prompt and fills it up, as CLIP's does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    start, end = "<|startoftext|>", "<|endoftext|>"
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    # a test's vocabulary may be smaller than an alphabet
    words = {letter: number for number, letter in enumerate(letters)}
    words |= {start: config["vocab_size"] - 2, end: config["vocab_size"] - 1}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, words[start]), (end, words[end])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=start,
        eos_token=end,
        pad_token=end,
        unk_token=end,
        model_max_length=config["max_position_embeddings"],
    )


def _draw(part: str, config: dict[str, Any], folder: Path, seed: int) -> None:
    """As the classes initialise themselves, in half precision: as the public models are published."""
    import diffusers
    import transformers

    with torch.random.fork_rng(devices=[]), quiet_libraries():
        torch.manual_seed(seed)
        if part in TEXT:
            kind = transformers.CLIPTextConfig.from_dict(config)
            network = getattr(transformers, _class_of(config))(kind)
        else:
            network = getattr(diffusers, _class_of(config)).from_config(config)
        if part == VAE:
            _enliven(network)
        network.half().save_pretrained(folder)


@torch.no_grad()
def _enliven(vae: Any) -> None:
    """A random decoder paints grey, which the pipeline rightly takes for damage."""
    last = [module for module in vae.decoder.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    last.weight *= _CONTRAST
