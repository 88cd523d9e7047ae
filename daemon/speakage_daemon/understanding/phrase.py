"""Wake phrases and wake words in a transcript: what is said after them. Pure.

A phrase counts at the beginning of a sentence only, after fillers at most. Speech models mis-hear and split words ("hay
picture", "hey pic ture"), so words are compared by their likeness, the normalised indel similarity of rapidfuzz: word
by word, and one word more or less by all their letters, more strictly. No word may be wholly another: "a picture" is
not "hey picture".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz.fuzz import ratio

LEAST_OF_A_WORD: Final = 0.55
"""Likeness that every single word of a phrase must have."""
LEAST_OF_LETTERS: Final = 0.88
"""Likeness of all letters where words were split or joined: "paint" is not "paint me"."""
_REST: Final = 0.75
"""Likeness at which words are taken for what is left of a wake word."""
_FILLERS: Final = frozenset(("um", "uh", "er", "oh", "ah", "so", "well", "and"))
_WORD: Final = re.compile(r"[\w'’]+")
_LEFT: Final = " ,.;:!?…–—-"


@dataclass(frozen=True, slots=True)
class Called:
    """A sentence began with a phrase."""

    phrase: str
    likeness: float
    """0 to 1."""
    rest: str
    """What was said after it; empty when that was all."""


def called(text: str, phrases: Sequence[str], least: float) -> Called | None:
    """The phrase that a sentence begins with; the likest where several are alike, ``None`` where none is."""
    found = list(_WORD.finditer(text))
    while found and found[0].group().casefold() in _FILLERS:
        del found[0]
    heard = [match.group().casefold() for match in found]
    best: Called | None = None
    for phrase in phrases:
        likeness, count = _beginning(heard, _words(phrase), least)
        if count and (best is None or likeness > best.likeness):
            best = Called(phrase, likeness, text[found[count - 1].end() :].lstrip(_LEFT))
    return best


def without_rests(text: str, word: str) -> str:
    """A transcript without what a speech model still heard of the wake word before it."""
    found = list(_WORD.finditer(text))
    wanted = _words(word)
    for count in range(min(len(found), len(wanted)), 0, -1):
        heard = [match.group().casefold() for match in found[:count]]
        if _likeness(heard, wanted[-count:]) >= _REST or _is_tail(heard, wanted):
            return text[found[count - 1].end() :].lstrip(_LEFT)
    return text


def _beginning(heard: list[str], wanted: list[str], least: float) -> tuple[float, int]:
    """How alike the beginning is, and how many words that takes; none where it is another."""
    size = len(wanted)
    found = [(0.0, 0)]
    if size <= len(heard) and (likeness := _likeness(heard[:size], wanted)) >= least:
        found.append((likeness, size))
    for count in (size - 1, size + 1):
        likeness = ratio("".join(heard[:count]), "".join(wanted)) / 100
        if 0 < count <= len(heard) and likeness >= max(least, LEAST_OF_LETTERS):
            found.append((likeness, count))
    return max(found, key=lambda one: one[0])


def _likeness(heard: list[str], wanted: list[str]) -> float:
    each = [ratio(one, other) / 100 for one, other in zip(heard, wanted, strict=True)]
    return sum(each) / len(each) if each and min(each) >= LEAST_OF_A_WORD else 0.0


def _is_tail(heard: list[str], wanted: list[str]) -> bool:
    """The last syllable, as in "bu, a castle"."""
    return len(heard) == 1 and len(heard[0]) >= 2 and wanted[-1].endswith(heard[0])


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]
