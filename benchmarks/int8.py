"""What 8 bits cost and bring: the embedded picture model on OpenVINO in each precision, turn by turn, against torch.

    python benchmarks/int8.py [--rounds 10] [--threads 1] [--json PATH]

The pictures of each precision are compared with those of torch in fp32 by PSNR; times are medians over all pictures.
The first run makes the engines, which takes minutes. bf16 is left out where the CPU does not compute in it.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np

from speakage_daemon.app import picture_spec
from speakage_daemon.config import Config, PictureSettings
from speakage_engines.api import PaintRequest, PictureModel, Preview, Rgb, load_picture

PROMPTS = ("a castle in the snow", "a red car on the beach", "a robot in the forest", "a boat on the sea")


def load(threads: int, **changes: str) -> PictureModel:
    settings = PictureSettings(model="embedded", threads=threads, **changes)
    return load_picture(picture_spec(Config(picture=settings)))


def paint(model: PictureModel, seed: int) -> Preview:
    request = PaintRequest(prompt=PROMPTS[seed % len(PROMPTS)], seed=seed, steps=model.info.steps)
    return list(model.paint(request))[-1]


def psnr(picture: Rgb, reference: Rgb) -> float:
    error = np.mean((picture.astype(np.float64) - reference) ** 2)
    return float(10 * np.log10(255**2 / error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    torch = load(asked.threads, backend="torch", precision="fp32")
    usual_precision = load(asked.threads, backend="openvino").info.precision
    precisions = dict.fromkeys(("fp32", usual_precision, "int8"))
    models = {name: load(asked.threads, backend="openvino", precision=name) for name in precisions}
    painted: dict[str, list[Preview]] = defaultdict(list)
    near: dict[str, list[float]] = defaultdict(list)
    for seed in range(asked.rounds):
        wanted = paint(torch, seed).rgb
        for name, model in models.items():
            found = paint(model, seed)
            painted[name].append(found)
            near[name].append(psnr(found.rgb, wanted))
    usual = statistics.median(one.denoise_ms + one.decode_ms for one in painted[usual_precision])
    print(
        f"| precision | denoiser ms | decoder ms | ÷ {usual_precision} | PSNR dB | lowest |\n|---|---|---|---|---|---|"
    )
    figures = []
    for name, pictures in painted.items():
        denoise, decode = (
            statistics.median(getattr(one, f"{part}_ms") for one in pictures) for part in ("denoise", "decode")
        )
        both = statistics.median(one.denoise_ms + one.decode_ms for one in pictures) / usual
        mean, least = statistics.mean(near[name]), min(near[name])
        print(f"| {name} | {denoise:.0f} | {decode:.0f} | {both:.2f} | {mean:.1f} | {least:.1f} |")
        figures.append({"name": f"{name}: time, to {usual_precision}", "value": both, "unit": "ratio"})
        figures.append({"name": f"{name}: PSNR against torch in fp32", "value": mean, "unit": "dB"})
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
