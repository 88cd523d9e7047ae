"""The scene detector: finds the things of a drawn scene, what each is, its colour, and the background.

A small convolutional network that gives, for every cell of a grid, how likely the middle of a thing is there
(after CenterNet, Zhou et al. 2019), and for that thing a noun, a colour and a size; and one background for the whole
picture. Its pooled features also serve as the feature network that is at hand offline: they know drawn scenes and
nothing else, so distances in them compare models of drawn scenes with each other, and with nothing published.

It is trained by :mod:`~speakage_engines.evaluation.detector_training`, never on the outputs of a model that it judges.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from speakage_engines.evaluation.figure import EvaluationError

STRIDE: Final = 4
"""Pixels a cell is wide."""
WEIGHTS_FILE: Final = "detector.safetensors"
CONFIG_FILE: Final = "detector.json"
MOST_THINGS: Final = 32
"""In one picture; what is less likely than these is not looked at."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing in a picture; places and sizes are shares of the picture's side, from its upper left corner."""

    noun: str
    colour: str
    """``""`` when the thing has its natural colours."""
    x: float
    """Of its middle."""
    y: float
    width: float
    height: float
    likelihood: float = 1.0
    """1 for what was drawn, less for what was detected."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is in a picture: found by the detector, or known because it was drawn."""

    things: tuple[Thing, ...]
    background: str
    """``""`` when the picture has none of the backgrounds that the detector knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig:
    """Everything that shapes the network."""

    nouns: tuple[str, ...]
    colours: tuple[str, ...]
    backgrounds: tuple[str, ...]
    size: int
    """Pixels on each side of the pictures it was trained on; others are scaled to it."""
    width: int = 32
    """Channels of the first stage; the features have eight times as many."""
    threshold: float = 0.4
    """A likelihood above which something is a thing."""


def embedded_detector() -> Path:
    """Folder of the detector that ships."""
    return Path(str(files("speakage_engines"))) / "embedded" / "detector"


class Maps(NamedTuple):
    """What the network says, before any decision."""

    middle: Tensor
    """Logits that a thing's middle is there, shape (n, 1, cells, cells)."""
    noun: Tensor
    """Logits, shape (n, nouns, cells, cells)."""
    colour: Tensor
    """Logits, natural first, shape (n, 1 + colours, cells, cells)."""
    extent: Tensor
    """Width and height as shares of the side, shape (n, 2, cells, cells)."""
    background: Tensor
    """Logits, none first, shape (n, 1 + backgrounds)."""
    features: Tensor
    """Shape (n, 8 · width)."""


class SceneDetector(nn.Module):
    """The network; :func:`look` turns its maps into decisions."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        wide = config.width
        self.stem = _stage(3, wide)
        self.stages = nn.ModuleList(
            [_stage(wide, 2 * wide), _stage(2 * wide, 4 * wide), _stage(4 * wide, 8 * wide)],
        )
        neck = 4 * wide
        self.sideways = nn.ModuleList([nn.Conv2d(depth * wide, neck, 1) for depth in (2, 4, 8)])
        self.neck = _block(neck, neck)
        self.middle = nn.Conv2d(neck, 1, 1)
        self.noun = nn.Conv2d(neck, len(config.nouns), 1)
        self.colour = nn.Conv2d(neck, 1 + len(config.colours), 1)
        self.extent = nn.Conv2d(neck, 2, 1)
        self.background = nn.Linear(8 * wide, 1 + len(config.backgrounds))
        # nearly every cell is empty: begin by saying so (Lin et al. 2017)
        nn.init.constant_(self.middle.bias, -4.0)  # type: ignore[arg-type]  # the layer has a bias

    @override
    def forward(self, pictures: Tensor) -> Maps:
        """Take uint8 or float pictures of 0 to 255, shape (n, 3, h, w), of any size."""
        flow = self.stem(self._fit(pictures))
        levels = []
        for stage in self.stages:
            flow = stage(flow)
            levels.append(flow)
        features = flow.mean(dim=(2, 3))
        merged = self.sideways[-1](levels[-1])
        for level, sideways in zip(reversed(levels[:-1]), reversed(list(self.sideways)[:-1]), strict=True):
            merged = sideways(level) + functional.interpolate(merged, size=level.shape[2:], mode="nearest")
        cells = self.neck(merged)
        return Maps(
            middle=self.middle(cells),
            noun=self.noun(cells),
            colour=self.colour(cells),
            extent=self.extent(cells).sigmoid(),
            background=self.background(features),
            features=features,
        )

    def _fit(self, pictures: Tensor) -> Tensor:
        side = (self.config.size, self.config.size)
        scaled = pictures.float() / 127.5 - 1
        if tuple(scaled.shape[2:]) == side:
            return scaled
        return functional.interpolate(scaled, size=side, mode="bilinear", align_corners=False, antialias=True)


def look(detector: SceneDetector, pictures: Tensor, batch: int = 64) -> list[Seen]:
    """What the detector sees in each of the pictures, shape (n, 3, h, w), uint8."""
    detector.eval()
    seen: list[Seen] = []
    with torch.inference_mode():
        for start in range(0, len(pictures), batch):
            part = pictures[start : start + batch]
            maps = detector(part)
            seen += [_decide(detector.config, maps, number) for number in range(len(part))]
    return seen


def class_logits(maps: Maps) -> Tensor:
    """Nouns by how strongly each shows anywhere in the picture, shape (n, nouns): what an Inception Score can take."""
    return (maps.noun.log_softmax(dim=1) + functional.logsigmoid(maps.middle)).amax(dim=(2, 3))


def save(detector: SceneDetector, folder: Path) -> None:
    """Write weights, in float16, and configuration."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    halves = {
        name: value.half() if value.is_floating_point() else value for name, value in detector.state_dict().items()
    }
    # convolutions were trained with their channels last
    save_file({name: value.contiguous() for name, value in halves.items()}, folder / WEIGHTS_FILE)
    text = json.dumps(asdict(detector.config), indent=2, ensure_ascii=False) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")


def read_detector(folder: Path) -> SceneDetector:
    """The detector in ``folder``; raises :class:`EvaluationError` naming the file when it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder / CONFIG_FILE
    try:
        loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        loaded |= {name: tuple(loaded[name]) for name in ("nouns", "colours", "backgrounds")}
        detector = SceneDetector(DetectorConfig(**loaded))
        file = folder / WEIGHTS_FILE
        detector.load_state_dict(load_file(file))
    except FileNotFoundError:
        raise EvaluationError(f"{file} does not exist; train a scene detector into {folder} first") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise EvaluationError(f"{file} cannot be read ({str(error)[:160]}); train the scene detector anew") from None
    return detector.eval()


def _decide(config: DetectorConfig, maps: Maps, number: int) -> Seen:
    """The peaks of one picture's map of middles, and the likeliest class of everything else."""
    likelihood = maps.middle[number, 0].sigmoid()
    peaks = functional.max_pool2d(likelihood[None], 3, stride=1, padding=1)[0] == likelihood
    order = (likelihood * peaks).flatten().topk(min(MOST_THINGS, likelihood.numel()))
    cells = likelihood.shape[1]
    things: list[Thing] = []
    for value, place in zip(order.values.tolist(), order.indices.tolist(), strict=True):
        if value < config.threshold:
            break
        row, column = divmod(place, cells)
        thing = _thing(config, maps, (number, row, column))
        if not any(_same(thing, other) for other in things):
            things.append(replace(thing, likelihood=value))
    return Seen(tuple(things), ("", *config.backgrounds)[int(maps.background[number].argmax())])


def _thing(config: DetectorConfig, maps: Maps, where: tuple[int, int, int]) -> Thing:
    number, row, column = where
    cells = maps.middle.shape[-1]
    width, height = maps.extent[number, :, row, column].tolist()
    return Thing(
        noun=config.nouns[int(maps.noun[number, :, row, column].argmax())],
        colour=("", *config.colours)[int(maps.colour[number, :, row, column].argmax())],
        x=(column + 0.5) / cells,
        y=(row + 0.5) / cells,
        width=width,
        height=height,
    )


def _same(thing: Thing, other: Thing) -> bool:
    """Two peaks within a third of a thing are one thing seen twice."""
    return (
        abs(thing.x - other.x) < (thing.width + other.width) / 6
        and abs(thing.y - other.y) < (thing.height + other.height) / 6
    )


def _stage(inside: int, outside: int) -> nn.Sequential:
    """Half the resolution."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
        _block(outside, outside),
    )


def _block(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )
