"""What is said: sentences made from the vocabulary, invented names, and the words announced before a sentence.

Everything follows from the generator that is passed in. Texts are lower case without punctuation, as the ears write
them. This module does *not* speak, and does *not* know which things can be painted.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from speakage_engines.training.nouns import FEW, article
from speakage_engines.training.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    COMMAND_FRAMES,
    COMMANDS,
    LEAD_INS,
    NAMES,
    NUMBERS,
    QUALITIES,
    RELATIONS,
    SIZES,
    STYLES,
    TAILS,
    all_nouns,
    plural,
    with_article,
)

FAMILIAR_SHARE: Final = 0.4
"""Of the things said, those that the embedded picture model paints: they are what most people will say."""
INVENTED_SHARE: Final = 0.6
"""Of the names said, those made up on the spot: only the announcement tells how they are spelled."""

_ONSETS: Final = "b bl br c ch cl d dr f fl g gl gr h j k kl l m n p pl r s sh sk st t th tr v w z zw"
_VOWELS: Final = "a e i o u ai ee oo"
_CODAS: Final = "b ck d g k l ll m n nd r rk rt s ss t x z"
_ENDINGS: Final = ("", "", "", "a", "o", "ie", "us", "el", "ina", "ix", "or", "en")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and the name in it."""

    text: str
    name: str = ""
    """Empty when nobody is named."""


def invented_name(rng: random.Random) -> str:
    """A name that nobody has, of one to three syllables, which a synthesiser can read: ``zorkina``, ``brell``."""
    onsets, vowels, codas = _ONSETS.split(), _VOWELS.split(), ["", "", "", *_CODAS.split()]
    syllables = rng.choices((1, 2, 3), (2, 5, 1))[0]
    parts = [rng.choice(onsets) + rng.choice(vowels) + rng.choice(codas) for _ in range(syllables)]
    return "".join(parts) + rng.choice(_ENDINGS)


def sentence(rng: random.Random) -> Sentence:
    """A wish (two thirds), a command, a name, or words in no order at all, so that grammar does not replace hearing."""
    kind = rng.random()
    if kind < 0.62:
        return Sentence(_wish(rng))
    if kind < 0.74:
        return Sentence(rng.choice(COMMANDS))
    if kind < 0.9:
        return _framed(rng)
    loose = [
        rng.choice((all_nouns(), all_nouns(), COLOURS, QUALITIES, SIZES, NUMBERS, NAMES, STYLES)) for _ in range(4)
    ]
    return Sentence(" ".join(rng.choice(list(words)) for words in loose[: rng.randint(1, 4)]))


def announcement(rng: random.Random, name: str = "") -> str:
    """Words to expect, as settings give them: ``name``, when there is one, among others that are not said.

    Upper or lower case and the separator vary, since people write them as they like.
    """
    others = [
        invented_name(rng) if rng.random() < INVENTED_SHARE else rng.choice(NAMES) for _ in range(rng.randrange(6))
    ]
    names = [name, *others] if name else others or [invented_name(rng)]
    rng.shuffle(names)
    if rng.random() < 0.5:
        names = [word.capitalize() for word in names]
    return rng.choice((" ", ", ", ", ")).join(names)


def _wish(rng: random.Random) -> str:
    things = [_thing(rng)]
    for _ in range(rng.choices((0, 1, 2), (55, 38, 7))[0]):
        things += [rng.choice(RELATIONS[:6] if rng.random() < 0.5 else RELATIONS), _thing(rng)]
    parts = [*things]
    if rng.random() < 0.6:
        parts.append(_background(rng))
    if rng.random() < 0.15:
        style = rng.choice(STYLES)
        parts.append(rng.choice((f"in the style of {article(style)} {style}", f"as {article(style)} {style}", style)))
    if rng.random() < 0.55:
        parts.insert(0, rng.choice(LEAD_INS))
    if rng.random() < 0.06:
        parts.append(rng.choice(TAILS))
    return " ".join(parts)


def _noun(rng: random.Random) -> str:
    return rng.choice(FEW) if rng.random() < FAMILIAR_SHARE else rng.choice(all_nouns())


def _thing(rng: random.Random) -> str:
    noun = _noun(rng)
    adjectives = []
    if rng.random() < 0.3:
        adjectives.append(rng.choice(COLOURS))
    if rng.random() < 0.2:
        adjectives.insert(0, rng.choice(SIZES))
    if rng.random() < 0.15:
        adjectives.insert(0, rng.choice(QUALITIES))
    if rng.random() < 0.15:
        return " ".join([rng.choice(NUMBERS[:4] if rng.random() < 0.7 else NUMBERS), *adjectives, plural(noun)])
    if rng.random() < 0.08:
        return " ".join([*adjectives, rng.choice((noun, plural(noun)))])
    if rng.random() < 0.12:
        return " ".join(["the", *adjectives, noun])
    return f"{article(adjectives[0])} {' '.join(adjectives)} {noun}" if adjectives else with_article(noun)


def _background(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return f"on {rng.choice(('a', 'the'))} {rng.choice(COLOURS)} background"
    return rng.choice(BACKGROUNDS)


def _framed(rng: random.Random) -> Sentence:
    frame = rng.choice(COMMAND_FRAMES)
    name = ""
    if "{name}" in frame:
        name = invented_name(rng) if rng.random() < INVENTED_SHARE else rng.choice(NAMES)
    text = frame.format(
        one=_thing(rng),
        number=f"{rng.choice(NUMBERS)} {plural(_noun(rng))}",
        noun=_noun(rng),
        plural=plural(_noun(rng)),
        colour=rng.choice(COLOURS),
        size=rng.choice(SIZES),
        quality=rng.choice(QUALITIES),
        style=rng.choice(STYLES),
        relation=rng.choice(RELATIONS),
        background=_background(rng),
        name=name,
    )
    return Sentence(text, name)


def announcements(seed: int, count: int = 2_000) -> list[str]:
    """Announcements for a tokenizer to learn from."""
    rng = random.Random(f"announcements {seed}")  # noqa: S311 - data, not secrets
    return [announcement(rng) for _ in range(count)]
