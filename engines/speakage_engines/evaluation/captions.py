"""CLIP score: how well a picture fits its caption, by a CLIP model on disk (Hessel et al. 2021, torchmetrics' scale).

torchmetrics' own function does not understand what today's transformers return, so the cosine is taken here. Nothing
is ever downloaded: when the model is missing, the message names the command.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from speakage_engines.api import Rgb
from speakage_engines.evaluation.figure import EvaluationError

CLIP_MODEL: Final = "openai/clip-vit-base-patch32"
"""The one that the paper of the CLIP score uses."""
_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION: Final = (0.26862954, 0.26130258, 0.27577711)


class ClipScore:
    """Calls give 100 · max(cos, 0) for each picture and its caption."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self.name = name
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._side = int(model.config.vision_config.image_size)
        self._length = int(model.config.text_config.max_position_embeddings)

    def __call__(self, pictures: Sequence[Rgb], captions: Sequence[str]) -> list[float]:
        """One score a picture; longer captions than the model can read are cut, as everywhere."""
        words = self._tokenizer(
            list(captions), return_tensors="pt", padding=True, truncation=True, max_length=self._length
        )
        with torch.inference_mode():
            out = self._model(
                input_ids=words["input_ids"],
                attention_mask=words["attention_mask"],
                pixel_values=torch.stack([prepare(picture, self._side) for picture in pictures]),
            )
            cosine = torch.nn.functional.cosine_similarity(out.image_embeds, out.text_embeds)
        scores: list[float] = (100 * cosine.clamp(min=0)).tolist()
        return scores


def prepare(picture: Rgb, side: int) -> Tensor:
    """As CLIP's authors do: the shorter side scaled by bicubic interpolation, the middle cut out, normalised."""
    height, width = picture.shape[:2]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    image = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    pixels = np.asarray(image.crop((left, top, left + side, top + side)), dtype=np.float32) / 255
    return torch.from_numpy((pixels - np.array(_MEAN, np.float32)) / np.array(_DEVIATION, np.float32)).permute(2, 0, 1)


def load_clip(model: str = CLIP_MODEL) -> ClipScore:
    """A CLIP model of a folder, or of the hub's cache on disk; raises :class:`EvaluationError` with the command."""
    from transformers import AutoTokenizer, CLIPModel

    try:
        network = CLIPModel.from_pretrained(model, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        remedy = (
            f"the folder should hold a CLIP model with its tokenizer ({str(error).splitlines()[0][:160]})"
            if Path(model).is_dir() or os.sep in model.replace("/", "", 1)
            else f"get it with: hf download {model} --exclude '*.h5' --exclude '*.msgpack'"
        )
        raise EvaluationError(f"the CLIP score needs the model {model}, which is not on disk; {remedy}") from None
    return ClipScore(network, tokenizer, f"CLIP {Path(model).name}")
