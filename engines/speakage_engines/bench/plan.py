"""What is measured: the contestants, the job that each of them gets, and the prompts. Pure, and loads nothing.

Each contestant paints the same prompts with the same seeds, weights, steps and guidance; no prompt comes twice, so
that a text encoder's cache is no help.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from speakage_engines.api import BackendName, EngineError, PictureSpec, PrecisionName

Library: TypeAlias = Literal["speakage", "diffusers", "optimum-intel"]

BASELINE: Final = "diffusers torch fp32"
"""What every ratio is taken against."""
SEED: Final = 1

_COLOURS: Final = ("red", "blue", "green", "yellow", "pink", "purple", "white", "orange")
_NOUNS: Final = (
    "car", "house", "boat", "castle", "rocket", "robot", "horse", "dog", "cat", "bird", "truck", "tree", "train",
    "dragon", "owl", "umbrella",
)  # fmt: skip
_PLACES: Final = ("on a beach", "in the forest", "in the snow", "in space", "in the desert")


class BenchError(EngineError):
    """Something cannot be measured as asked; the message names what and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way from a prompt to a picture."""

    library: Library
    backend: BackendName
    precision: PrecisionName

    @property
    def name(self) -> str:
        """As tables have it: ``diffusers torch fp32``, ``speakage openvino auto``."""
        return f"{self.library} {self.backend} {self.precision}"

    @property
    def slug(self) -> str:
        """As names of figures have it."""
        return self.name.replace(" ", "-")

    @property
    def ours(self) -> bool:
        """Whether it is this project's own."""
        return self.library == "speakage"


PEERS: Final = (
    Contestant(library="diffusers", backend="torch", precision="fp32"),
    Contestant(library="diffusers", backend="torch", precision="bf16"),
)
OPTIONAL_PEERS: Final = {
    "optimum.intel": Contestant(library="optimum-intel", backend="openvino", precision="auto"),
}
"""By the module that has to be installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What all contestants paint with."""

    name: str
    """Of the model, or of the family whose weights are random."""
    spec: PictureSpec
    """Its ``model`` is the folder; backend and precision are each contestant's own."""
    size: int
    steps: int
    guidance: float

    @property
    def title(self) -> str:
        """``sd-turbo, 512×512, 1 step``."""
        return f"{self.name}, {self.size}×{self.size}, {self.steps} step{'s' if self.steps > 1 else ''}"

    @property
    def slug(self) -> str:
        """For names of figures and files."""
        return re.sub(r"[^\w.-]+", "-", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a contestant's process is told."""

    contestant: Contestant
    subject: Subject
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often. In a round every contestant has one turn: a call that is not timed, then those that are."""

    runs: int
    """Timed calls of each contestant."""
    rounds: int

    @property
    def calls(self) -> tuple[int, ...]:
        """Timed calls by round: as even as can be."""
        return tuple(self.runs // self.rounds + (number < self.runs % self.rounds) for number in range(self.rounds))

    @property
    def prompts(self) -> int:
        """How many are needed, each once."""
        return self.runs + self.rounds


def own_prompts(count: int) -> tuple[str, ...]:
    """Different prompts in words that the embedded model knows; raises :class:`BenchError` for too many."""
    most = math.prod(map(len, (_COLOURS, _NOUNS, _PLACES)))
    if count > most:
        raise BenchError(
            f"this takes {count} prompts and there are {most}; ask for fewer --runs, or bring more with --prompts"
        )
    prompts = []
    for number in range(count):
        rest, place = divmod(number, len(_PLACES))
        colour, noun = divmod(rest, len(_NOUNS))
        prompts.append(f"a {_COLOURS[colour]} {_NOUNS[noun]} {_PLACES[place]}")
    return tuple(prompts)


def read_prompts(file: Path, count: int) -> tuple[str, ...]:
    """The first ``count`` of a file with one prompt a line; raises :class:`BenchError`."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{file} cannot be read ({error}); name a text file with one prompt a line") from None
    prompts = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(prompts) < count:
        raise BenchError(f"{file} has {len(prompts)} different prompts, this takes {count}; add some, or lower --runs")
    return prompts[:count]
