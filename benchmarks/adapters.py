"""What LoRAs cost: to switch them while running, and to have room for them.

Pictures of one step are painted with the same two adapters again, with others (whose text encoder parts change the
prompt's states too), and on a model without room. Adapters are random, of the rank given, on all attention layers.

Run: ``python benchmarks/adapters.py [--model embedded | --random-weights stable-diffusion-1.5] [--backend openvino]
[--rank 16] [--rounds 20] [--size PIXELS] [--json PATH]``; the first run makes the engines, which takes minutes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from speakage_daemon.app import picture_spec
from speakage_daemon.config import Config
from speakage_engines.adapter_choice import FOLDER
from speakage_engines.api import PaintRequest, PictureModel, PictureSpec, load_picture
from speakage_engines.bench.random_weights import random_folder, with_decoder
from speakage_engines.diffusion.adapters import Adapters
from speakage_engines.diffusion.conversion_parts import read_family
from speakage_engines.diffusion.folder import read_folder
from speakage_engines.models import resolve_picture

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "q_proj", "k_proj", "v_proj", "out_proj")
NAMES = ("one", "two", "three", "four")


def write_adapters(model: Path, models: Path, rank: int) -> None:
    """Random ones in kohya's layout, as small as trained ones are."""
    (models / FOLDER).mkdir(parents=True)
    layers = Adapters(read_folder(model)).layers
    several = "text_encoder_2" in layers
    stems = {"unet": "lora_unet", "text_encoder": "lora_te1" if several else "lora_te", "text_encoder_2": "lora_te2"}
    for number, name in enumerate(NAMES):
        torch.manual_seed(number)
        tensors = {}
        for part, inside in layers.items():
            for layer in (layer for layer in inside if layer.name.endswith(ATTENTION)):
                own = layer.name.removeprefix("text_model.").replace(".", "_")
                stem = f"{stems[part]}_{own}" if part == "unet" else f"{stems[part]}_text_model_{own}"
                tensors[f"{stem}.lora_down.weight"] = 0.01 * torch.randn(rank, layer.inputs)
                tensors[f"{stem}.lora_up.weight"] = 0.01 * torch.randn(layer.outputs, rank)
        save_file(tensors, models / FOLDER / f"{name}.safetensors")


def seconds(model: PictureModel, adapters: tuple[str, ...] | None) -> float:
    request = PaintRequest(prompt="a castle in the snow", seed=1, steps=1, previews=False, adapters=adapters)
    began = time.perf_counter()
    list(model.paint(request))
    return time.perf_counter() - began


def measure(spec: PictureSpec, rounds: int) -> dict[str, list[float]]:
    dressed = load_picture(replace(spec, adapters=NAMES[:2]))
    found: dict[str, list[float]] = {"same": [], "switched": [], "no room": []}
    worn = [NAMES[:2], NAMES[2:]]
    for adapters in worn:
        # each pair has been read from its files and told to the text encoder once
        seconds(dressed, adapters)
    for number in range(rounds):
        found["same"].append(seconds(dressed, worn[(number + 1) % 2]))
        found["switched"].append(seconds(dressed, worn[number % 2]))
    del dressed
    bare = load_picture(spec)
    found["no room"] = [seconds(bare, None) for _ in range(rounds)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--random-weights", metavar="FAMILY")
    parser.add_argument("--backend", default="openvino", choices=("openvino", "torch"))
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    spec = replace(picture_spec(Config()), model=asked.model, backend=asked.backend, size=asked.size)
    if asked.random_weights:
        family = with_decoder(read_family(asked.random_weights), "tiny")
        folder = random_folder(family, spec.engines_folder / "random", asked.size, lambda _what, _done: None)
        spec = replace(spec, model=str(folder))
    with tempfile.TemporaryDirectory() as models:
        write_adapters(resolve_picture(spec).path, Path(models), asked.rank)
        found = measure(replace(spec, models_folder=Path(models)), asked.rounds)
    name = asked.random_weights or asked.model
    medians = {what: 1e3 * statistics.median(times) for what, times in found.items()}
    same, others, bare = (medians[what] for what in ("same", "switched", "no room"))
    print(f"{name} on {asked.backend}, two adapters of rank {asked.rank} at a time, one step, {asked.rounds} rounds\n")
    print("| the same again ms | others ms | the switch ms | no room ms | room × |\n|---|---|---|---|---|")
    print(f"| {same:.0f} | {others:.0f} | {others - same:.1f} | {bare:.0f} | {same / bare:.2f} |")
    if asked.json:
        figures = [
            {"name": f"{name} {asked.backend}: switch adapters", "value": others - same, "unit": "ms"},
            {
                "name": f"{name} {asked.backend}: with room for adapters, to without",
                "value": same / bare,
                "unit": "ratio",
            },
        ]
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
