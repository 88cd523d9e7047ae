"""Captioned pictures without end, drawn and not downloaded: things from the emoji font on painted backgrounds.

A number determines a scene entirely, in any order and any process. Combinations of things, relation and background are
held out by hash, so that an evaluation on ``split="unseen"`` asks for what no training ever showed. This file decides
what is on a picture and puts it together; the drawing is done by ``glyphs``, ``backgrounds`` and ``styles``, the
wording by ``grammar``.

>>> pictures = Scenes(PRESETS["cpu"])
>>> pictures.example(7).caption
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from speakage_engines.training import backgrounds, grammar, nouns, styles
from speakage_engines.training.api import Example, Pictures
from speakage_engines.training.glyphs import COLOURS, Glyphs
from speakage_engines.training.scene import Kind, Relation, Scene, Size, Split, Spot, Thing, split_of

BARE_BACKGROUND: Final = "meadow"
"""What is behind a thing when nobody says where it is."""
TRIES: Final = 100_000
"""Scenes composed in search of one of the right split before giving up."""
CELL: Final = 8
"""Pixels on each side of a cell of :meth:`Scenes.content`."""
FILLED: Final = 0.85
"""How much of its square a drawn thing fills, about: a disc of that diameter."""

_LOST: Final = {"night": {"black"}, "space": {"black"}, "cave": {"black"}, "snow": {"white"}}
"""Colours that could not be seen there."""
_SIDES: Final[dict[Kind, dict[Size, float]]] = {
    "one": {"small": 0.28, "usual": 0.56, "big": 0.86},
    "two": {"small": 0.21, "usual": 0.37, "big": 0.47},
    "three": {"small": 0.16, "usual": 0.25, "big": 0.31},
}
_SEVERAL: Final = {
    2: (0.36, ((0.27, 0.55), (0.73, 0.55))),
    3: (0.34, ((0.5, 0.29), (0.27, 0.72), (0.73, 0.72))),
    4: (0.34, ((0.27, 0.3), (0.73, 0.3), (0.27, 0.73), (0.73, 0.73))),
    5: (0.27, ((0.22, 0.25), (0.78, 0.25), (0.5, 0.5), (0.22, 0.76), (0.78, 0.76))),
}
_ROW: Final = ((0.19, 0.55), (0.5, 0.55), (0.81, 0.55))
_PLACES: Final[dict[Relation, tuple[tuple[float, float], ...]]] = {
    "and": ((0.27, 0.55), (0.73, 0.55)),
    "next to": ((0.27, 0.55), (0.73, 0.55)),
    "left of": ((0.27, 0.55), (0.73, 0.55)),
    "right of": ((0.73, 0.55), (0.27, 0.55)),
    "above": ((0.5, 0.27), (0.5, 0.75)),
    "below": ((0.5, 0.75), (0.5, 0.27)),
    "between": (_ROW[1], _ROW[0], _ROW[2]),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSettings:
    """How varied the scenes are: begin narrow and widen, and small models learn more of it."""

    vocabulary: Literal["core", "every"] = "core"
    only: tuple[str, ...] = ()
    """Nouns to draw; all of the vocabulary when empty."""
    one: float = 0.45
    two: float = 0.33
    three: float = 0.08
    several: float = 0.14
    """Shares of the kinds of scenes, of their sum."""
    coloured: float = 0.35
    """Share of things in another colour, of those that can have one."""
    sized: float = 0.2
    """Share of things small or big."""
    styled: float = 0.1
    natural: float = 0.6
    """Share of captions in free wording."""
    bare: float = 0.08
    """Share of captions that leave the background unsaid."""
    plain: float = 0.2
    """Share of backgrounds of one colour."""
    jitter: float = 0.03
    """How far things stray from their places at most, as a share of the picture's side; small things stray less."""
    stretch: float = 0.06
    """How far sizes stray at most, as a share of the size."""
    mirrored: float = 0.0
    """Share of things that look the other way."""
    shuffled: float = 0.0
    """Share of "a next to b", "a and b" with the first on the right."""
    variants: int = 8
    """Drawings of each background."""
    unseen: float = 0.05
    """Share of combinations that are held out."""
    seed: int = 0


PRESETS: Final = {
    "few": SceneSettings(
        only=nouns.FEW, one=0.36, two=0.38, three=0.0, several=0.26, coloured=0.15, sized=0.05, styled=0.0,
        natural=0.25, jitter=0.015, stretch=0.03, variants=3,
    ),
    "narrow": SceneSettings(
        one=0.7, two=0.22, three=0.0, several=0.08, coloured=0.2, sized=0.08, styled=0.0, natural=0.2,
        jitter=0.015, stretch=0.03, variants=3,
    ),
    "cpu": SceneSettings(),
    "gpu": SceneSettings(
        vocabulary="every", one=0.4, two=0.33, three=0.12, several=0.15, sized=0.22, styled=0.12, natural=0.7,
        jitter=0.05, stretch=0.1, mirrored=0.3, shuffled=0.3, variants=32,
    ),
}  # fmt: skip
"""By name: ``few`` and ``narrow`` to begin with, ``cpu`` for what two cores can learn, ``gpu`` for all the font has."""


class Scenes(Pictures):
    """Drawn pictures, each with its scene; raises :class:`~speakage_engines.api.ModelError` without the font."""

    def __init__(
        self, settings: SceneSettings, size: int = 128, length: int = 1_000_000, split: Split = "train"
    ) -> None:
        unknown = set(settings.only) - set(nouns.by_name())
        if unknown:
            raise ValueError(f"only: there is no picture of {', '.join(sorted(unknown))}")
        if split == "unseen" and settings.unseen <= 0:
            raise ValueError("unseen: nothing is held out; it must be above 0 to draw unseen scenes")
        self.settings = settings
        self.size = size
        self.split: Split = split
        self._length = length
        self._background = lru_cache(2048)(backgrounds.paint)
        names = settings.only or tuple(
            noun.name for noun in (nouns.core() if settings.vocabulary == "core" else nouns.every())
        )
        self.names = names
        self._countable = tuple(name for name in names if nouns.by_name()[name].countable)
        self._glyphs = Glyphs()

    @override
    def __len__(self) -> int:
        return self._length

    @override
    def __reduce__(self) -> tuple[type[Scenes], tuple[SceneSettings, int, int, Split]]:
        """Sent to other processes as its settings: the font is opened there again."""
        return Scenes, (self.settings, self.size, self._length, self.split)

    @override
    def example(self, number: int) -> Example:
        """The picture of that number; it may be greater than the length."""
        scene = self.scene(number)
        return Example(self.draw(scene), grammar.caption(scene), self.content(scene))

    def caption(self, number: int) -> str:
        """The caption of a picture that is not drawn."""
        return grammar.caption(self.scene(number))

    def scene(self, number: int) -> Scene:
        """What is on the picture of that number."""
        dice = random.Random(f"{self.settings.seed}/{self.split}/{number}")  # noqa: S311  # drawing, not secrets
        for _ in range(TRIES):
            scene = self._compose(dice)
            if split_of(scene, self.settings.unseen) == self.split:
                return scene
        raise ValueError(f"split {self.split}: of {TRIES} combinations none is in it; change `unseen` or `only`")

    def draw(self, scene: Scene) -> NDArray[np.uint8]:
        """The picture of a scene, also of one that was made up: RGB of ``(size, size, 3)``."""
        picture = self._background(scene.background, scene.variant, self.size).copy()
        for thing in scene.things:
            noun = nouns.by_name()[thing.noun]
            for spot in thing.spots:
                # even sizes only: half as many to scale and to remember
                pixels = max(4, 2 * round(spot.side * self.size / 2))
                glyph = self._glyphs.scaled(noun.glyph, noun.recolouring, thing.colour, pixels, spot.mirrored)
                corner = (round(spot.x * self.size - glyph.width / 2), round(spot.y * self.size - glyph.height / 2))
                picture.paste(glyph, corner, glyph)
        if scene.style is not None:
            picture = styles.STYLES[scene.style].draw(picture)
        return np.array(picture)

    def content(self, scene: Scene) -> NDArray[np.int16]:
        """Which of :attr:`names` stands where, counted from 1: cells of 8 × 8 pixels, 0 for the background."""
        rows = self.size // CELL
        across = (np.arange(rows) + 0.5) / rows
        cells = np.zeros((rows, rows), np.int16)
        for thing in scene.things:
            number = self.names.index(thing.noun) + 1
            for spot in thing.spots:
                away = np.hypot(across[None, :] - spot.x, across[:, None] - spot.y)
                cells[away < FILLED * spot.side / 2] = number
        return cells

    # --- what is on it ----------------------------------------------------------------------------------------------

    def _compose(self, dice: random.Random) -> Scene:
        settings = self.settings
        kind = self._kind(dice)
        style = dice.choice(tuple(styles.STYLES)) if dice.random() < settings.styled else None
        colours = style is None or styles.STYLES[style].colours
        bare = dice.random() < settings.bare
        background = BARE_BACKGROUND if bare else self._choose_background(dice, colours)
        relation = _choose_relation(kind, dice)
        return Scene(
            kind=kind,
            things=self._things(kind, relation, background if colours else None, dice),
            relation=relation,
            background=background,
            variant=dice.randrange(settings.variants),
            style=style,
            wording=dice.getrandbits(32) if dice.random() < settings.natural else None,
            bare=bare,
        )

    def _kind(self, dice: random.Random) -> Kind:
        settings = self.settings
        kinds: tuple[Kind, ...] = ("one", "two", "three", "several")
        return dice.choices(kinds, (settings.one, settings.two, settings.three, settings.several))[0]

    def _choose_background(self, dice: random.Random, colours: bool) -> str:
        """Without colours a plain one could not be told from another."""
        plain = colours and dice.random() < self.settings.plain
        return dice.choice(_PLAIN if plain else _SCENIC)

    def _things(
        self, kind: Kind, relation: Relation | None, background: str | None, dice: random.Random
    ) -> tuple[Thing, ...]:
        """``background`` is None where colours cannot be seen."""
        if kind == "several":
            side, places = _SEVERAL[dice.randint(2, 5)]
            name = dice.choice(self._countable)
            spots = tuple(self._spot(x, y, side, dice) for x, y in places)
            return (Thing(name, spots, self._colour(name, background, dice)),)
        sides = _SIDES[kind]
        places = ((0.5, 0.53),) if relation is None else _PLACES[relation]
        if kind == "three" and relation == "and":
            places = _ROW
        if relation in ("and", "next to") and dice.random() < self.settings.shuffled:
            places = places[::-1]
        things = []
        for name, (x, y) in zip(dice.sample(self.names, len(places)), places, strict=True):
            size: Size = dice.choice(("small", "big")) if dice.random() < self.settings.sized else "usual"
            spot = self._spot(x, y, sides[size], dice)
            things.append(Thing(name, (spot,), self._colour(name, background, dice), size))
        return tuple(things)

    def _colour(self, name: str, background: str | None, dice: random.Random) -> str | None:
        noun = nouns.by_name()[name]
        if dice.random() >= self.settings.coloured or noun.recolouring == "none" or background is None:
            return None
        lost = {backgrounds.PLACES[background].colour, name, *_LOST.get(background, ())}
        return dice.choice([colour for colour in COLOURS if colour not in lost])

    def _spot(self, x: float, y: float, side: float, dice: random.Random) -> Spot:
        """Near the place, and inside the picture."""
        settings = self.settings
        side *= 1 + dice.uniform(-settings.stretch, settings.stretch)
        side = min(side, 0.96)
        near, far = side / 2 + 0.01, 0.99 - side / 2
        # the smaller things are, the closer they stand
        astray = settings.jitter * min(1.0, 2 * side)
        x = min(max(x + dice.uniform(-astray, astray), near), far)
        y = min(max(y + dice.uniform(-astray, astray), near), far)
        return Spot(round(x, 4), round(y, 4), round(side, 4), dice.random() < settings.mirrored)


_SCENIC: Final = tuple(name for name, place in backgrounds.PLACES.items() if place.colour is None)
_PLAIN: Final = tuple(name for name, place in backgrounds.PLACES.items() if place.colour is not None)


def _choose_relation(kind: Kind, dice: random.Random) -> Relation | None:
    if kind == "two":
        return dice.choice(("and", "next to", "above", "below", "left of", "right of"))
    if kind == "three":
        return dice.choice(("and", "and", "between"))
    return None
