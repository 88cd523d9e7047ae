"""Pictures to be evaluated: a folder of them, or what a model paints for some captions.

Pictures are read when they are asked for, so that a large folder does not fill the memory. No metric is here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from speakage_engines.api import PaintRequest, PictureModel, Rgb
from speakage_engines.evaluation.figure import EvaluationError

ENDINGS: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
METADATA_FILE: Final = "metadata.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSet:
    """Pictures of one size with their names and captions."""

    name: str
    names: tuple[str, ...]
    """Of each picture, without the ending; pairs are found by them."""
    captions: tuple[str, ...]
    """``""`` where there is none."""
    width: int
    height: int
    read: Callable[[int], Rgb]
    """The picture of that number, shape (height, width, 3)."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def resolution(self) -> str:
        """``128×128``."""
        return f"{self.width}×{self.height}"

    def batches(self, size: int = 32) -> Iterator[Tensor]:
        """All of them in order as uint8 of shape (n, 3, height, width)."""
        for start in range(0, len(self), size):
            yield self.tensor(range(start, min(start + size, len(self))))

    def tensor(self, numbers: Sequence[int]) -> Tensor:
        """Some of them as uint8 of shape (n, 3, height, width)."""
        pictures = np.stack([self.read(number) for number in numbers])
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def of_folder(folder: Path, size: int = 0) -> PictureSet:
    """The pictures lying in ``folder``, by name; captions from ``NAME.txt`` or ``metadata.jsonl``.

    ``size`` scales all to so many pixels on each side, after cutting the middle square out; with 0 they are taken as
    they are, and then all must be of one size. Raises :class:`EvaluationError` naming the file.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder} is no folder; give one with pictures in it")
    files = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and not path.name.startswith(".")
    )
    if not files:
        raise EvaluationError(f"{folder} has no pictures ({', '.join(ENDINGS)})")
    width, height = (size, size) if size else _size_of(files[0])
    captions = _captions(folder)

    def read(number: int) -> Rgb:
        return _read(files[number], width, height, scaled=size > 0)

    return PictureSet(
        name=folder.name or str(folder),
        names=tuple(path.stem for path in files),
        captions=tuple(captions.get(path.name) or _caption_beside(path) for path in files),
        width=width,
        height=height,
        read=read,
    )


def painted(
    model: PictureModel,
    captions: Sequence[str],
    *,
    steps: int = 0,
    seed: int = 0,
    watch: Callable[[int, int], None] | None = None,
) -> PictureSet:
    """What a model paints: caption number i with the seed ``seed + i``, so that two models or step counts are paired.

    ``steps`` of 0 takes the model's own default. All are painted at once and kept in memory.
    """
    if not captions:
        raise EvaluationError("there are no captions to paint; give some")
    pictures: list[Rgb] = []
    for number, caption in enumerate(captions):
        request = PaintRequest(prompt=caption, seed=seed + number, steps=steps or model.info.steps, previews=False)
        *_, last = model.paint(request)
        pictures.append(last.rgb)
        if watch is not None:
            watch(number + 1, len(captions))
    name = f"{model.info.choice.name}, {steps or model.info.steps} steps"
    return of_pictures(name, pictures, captions)


def of_pictures(name: str, pictures: Sequence[Rgb], captions: Sequence[str] = ()) -> PictureSet:
    """Pictures at hand, numbered from 0; raises :class:`EvaluationError` unless they are of one size."""
    if not pictures:
        raise EvaluationError(f"{name}: there are no pictures")
    shapes = {picture.shape for picture in pictures}
    if len(shapes) > 1:
        raise EvaluationError(f"{name}: the pictures differ in size ({', '.join(map(str, sorted(shapes)))})")
    if captions and len(captions) != len(pictures):
        raise EvaluationError(f"{name}: {len(pictures)} pictures and {len(captions)} captions")
    digits = len(str(len(pictures) - 1))
    height, width = pictures[0].shape[:2]
    return PictureSet(
        name=name,
        names=tuple(f"{number:0{digits}}" for number in range(len(pictures))),
        captions=tuple(captions) or ("",) * len(pictures),
        width=width,
        height=height,
        read=pictures.__getitem__,
    )


def _read(file: Path, width: int, height: int, *, scaled: bool) -> Rgb:
    try:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise EvaluationError(f"{file} is no readable picture ({str(error)[:160]}); mend it or take it away") from None
    if scaled:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
        if side != width:
            # with a wide enough filter: a careless one shifts FID (Parmar et al. 2022)
            image = image.resize((width, height), Image.Resampling.LANCZOS)
    elif image.size != (width, height):
        raise EvaluationError(
            f"{file} is of {image.width}×{image.height} pixels and not of {width}×{height} like the first; "
            "give a size that all are scaled to"
        )
    return np.asarray(image, dtype=np.uint8)


def _size_of(file: Path) -> tuple[int, int]:
    try:
        with Image.open(file) as image:
            return image.size
    except (OSError, UnidentifiedImageError) as error:
        raise EvaluationError(f"{file} is no readable picture ({str(error)[:160]}); mend it or take it away") from None


def _captions(folder: Path) -> dict[str, str]:
    """From ``metadata.jsonl``: one object a line with ``file_name`` and ``text``."""
    file = folder / METADATA_FILE
    if not file.is_file():
        return {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise EvaluationError(f"{file} is not in UTF-8; convert it") from None
    return dict(_entry(file, number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _entry(file: Path, number: int, line: str) -> tuple[str, str]:
    try:
        entry = json.loads(line)
        return str(entry["file_name"]), str(entry["text"])
    except (ValueError, KeyError, TypeError):
        raise EvaluationError(f'{file}, line {number}: should be {{"file_name": "…", "text": "…"}}') from None


def _caption_beside(picture: Path) -> str:
    file = picture.with_suffix(".txt")
    try:
        return file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    except UnicodeDecodeError:
        raise EvaluationError(f"{file} is not in UTF-8; convert it") from None
