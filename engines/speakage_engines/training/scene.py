"""What is on a drawn picture: the truth from which the picture, its caption and its marks in an evaluation follow.

Coordinates and sizes are shares of the picture's side; the origin is top left. Nothing is decided or drawn here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["one", "two", "three", "several"]
"""``several`` are two to five of a kind."""
Size = Literal["small", "usual", "big"]
Relation = Literal["and", "next to", "above", "below", "left of", "right of", "between"]
"""Of the first thing to the second; ``between`` to the second and the third; ``and`` says nothing of positions."""
Split = Literal["train", "unseen"]

MIRRORED: Final[dict[Relation, Relation]] = {"above": "below", "right of": "left of"}
"""Relations that say the same as another one with the things exchanged."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one drawing of a thing stands."""

    x: float
    """Of its middle."""
    y: float
    side: float
    """The longer of its width and height."""
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing, or several of a kind, all of one colour and size."""

    noun: str
    spots: tuple[Spot, ...]
    colour: str | None = None
    """Where its own colour is not what is shown."""
    size: Size = "usual"

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.spots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything on a picture."""

    kind: Kind
    things: tuple[Thing, ...]
    """In the order in which the caption names them."""
    relation: Relation | None
    background: str
    """A key of :data:`backgrounds.PLACES`."""
    variant: int
    """Which drawing of the background."""
    style: str | None
    """A key of :data:`styles.STYLES`."""
    wording: int | None
    """The number from which free wording is made; None for the plain caption."""
    bare: bool = False
    """Whether the caption leaves the background unsaid."""


def combination(scene: Scene) -> str:
    """What is held out together: things, how many, their relation, and the background; no colours, sizes or styles.

    Scenes that say the same with the things exchanged are the same combination.
    """
    names = [f"{thing.count} {thing.noun}" for thing in scene.things]
    relation = scene.relation or ""
    if scene.relation in MIRRORED:
        relation, names = MIRRORED[scene.relation], names[::-1]
    elif relation in ("and", "next to"):
        names.sort()
    elif relation == "between":
        names[1:] = sorted(names[1:])
    return "|".join([*names, relation, scene.background])


def split_of(scene: Scene, unseen: float) -> Split:
    """Where a scene belongs when that share of all combinations is held out; the same in every process and version."""
    digest = hashlib.blake2b(combination(scene).encode(), digest_size=8).digest()
    return "unseen" if int.from_bytes(digest, "big") < unseen * 2**64 else "train"
