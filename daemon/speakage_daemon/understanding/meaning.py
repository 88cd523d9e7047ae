"""What a sentence can mean: a new picture, an edit of the one on the canvas, or a command. Pure values.

Three closed unions: :data:`Meaning`, :data:`Change` (what edits are made of), :data:`Order` (what commands are).
Nothing is understood here and nothing is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from speakage_daemon.understanding.scene import Scene, Thing


class Shape(Enum):
    """Width to height."""

    SQUARE = "square"
    WIDE = "wide"
    TALL = "tall"


# --- changes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OnThings:
    """What happens to things of the scene."""

    at: tuple[int, ...]
    """Their places in :attr:`Scene.things`."""
    name: str
    """What they are called, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """More things."""

    things: tuple[Thing, ...]
    link: str = "and"
    anchor: int | None = None
    """The thing they are put to; ``None`` puts them last."""
    before: bool = True
    """True for "a moon *above* the house", false for "the dog *with* a hat"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove(OnThings):
    """Things go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace(OnThings):
    """Another thing in its place."""

    by: Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Recolour(OnThings):
    """Another colour."""

    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize(OnThings):
    """Another size."""

    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(OnThings):
    """Bigger or smaller, by steps."""

    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe(OnThings):
    """One more quality, or one less."""

    quality: str
    wanted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(OnThings):
    """How many."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(OnThings):
    """To a place in the picture."""

    position: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relate(OnThings):
    """To another thing: "put the dog *under the tree*"."""

    link: str
    anchor: int
    anchor_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap(OnThings):
    """Two things change places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Where it is; empty for nowhere."""

    phrase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Time or weather."""

    phrase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How it is drawn; empty for the usual way."""

    phrase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """A mood more, or one less."""

    mood: str
    wanted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Negative:
    """What should not be there."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """What may be there again."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape:
    """Wider, taller, square."""

    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreLikeThat:
    """Four of it: the one that is liked, and three with other seeds."""


SceneChange: TypeAlias = (
    Add | Remove | Replace | Recolour | Resize | Scale | Describe | Number | Move | Relate | Swap
    | Background | When | Style | Mood | Negative | Allow
)  # fmt: skip
"""What changes the words of a picture."""
Change: TypeAlias = SceneChange | Reshape | MoreLikeThat
Changes: TypeAlias = tuple[Change, ...]
"""In order; empty where a sentence form does not fit."""


# --- orders -----------------------------------------------------------------------------------------------------------


class Plain(Enum):
    """Orders without a number."""

    AGAIN = "again"
    """The same words, another seed."""
    SAVE = "save"
    CLEAR = "clear"
    STOP_LISTENING = "stop listening"
    START_LISTENING = "start listening"
    CANCEL = "cancel"
    """What was begun is not wanted; the canvas stays."""
    NOTHING = "nothing to do"
    """ "thank you"."""
    HELP = "what can be said"
    KEEP_SEED = "keep this seed"
    SURPRISE = "any seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Take back."""

    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Redo:
    """Take back what was taken back."""

    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose:
    """One of the pictures shown: 1 is the first, -1 the last, -2 the one before it."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSteps:
    """Denoising steps."""

    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSteps:
    """More or fewer of them."""

    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSize:
    """Pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSize:
    """A larger or a smaller picture."""

    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSeed:
    """A seed, from now on."""

    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetGuidance:
    """Classifier-free guidance scale."""

    guidance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NudgeGuidance:
    """Closer to the words, or freer."""

    by: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBatch:
    """Pictures at once."""

    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStrength:
    """How much may change of the picture that is started from, above 0 and to 1."""

    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NudgeStrength:
    """More or less of it."""

    by: float


Order: TypeAlias = (
    Plain | Undo | Redo | Choose | SetSteps | ScaleSteps | SetSize | ScaleSize | SetSeed | SetGuidance
    | NudgeGuidance | SetBatch | SetStrength | NudgeStrength
)  # fmt: skip


# --- meanings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """A new picture."""

    scene: Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Changes to the picture on the canvas, in order."""

    changes: Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something to do, or a setting."""

    order: Order


Meaning: TypeAlias = Create | Edit | Command
"""The closed union of what a sentence can mean."""
