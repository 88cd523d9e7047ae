"""Corrections inside a sentence: "a red, no, a blue house" → "a blue house". Pure.

A repair takes the place of what it repairs: from the last word of its own kind on (an article, a number, a colour, a
place word), or, where it is one word, that word alone. A "no" that forbids ("a beach, no people") is no correction.
"""

from __future__ import annotations

import re
from typing import Final

from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.reading import either, normal

_START_OVER: Final = frozenset(
    v.words("draw paint show make add remove put change turn give create imagine replace move")
)
_ARTICLES: Final = frozenset((*v.DETERMINERS, *v.SINGLE_FIGURES))
_AFTER_NO: Final = ("a", "an", "the", *v.SINGLE_FIGURES[1:])
"""A bare "no" before these corrects; "no one" and "no people" forbid."""
_JOINING: Final = frozenset(phrase.split()[0] for phrase in (*v.JOINING, *v.PLACE_LINKS)) - {"and", "or"}
_KINDS: Final[tuple[frozenset[str], ...]] = (
    _ARTICLES,
    frozenset(v.COLOURS),
    frozenset((*v.SIZES, "bigger", "smaller")),
    frozenset(v.POSITIONS),
    _JOINING,
    v.QUALITIES,
)
_SORRY: Final = (
    "no wait|wait no|oh no|no no|no sorry|sorry no|no i meant?|i meant?|or rather|sorry|i take that back|correction"
    "|actually no|no actually"
)
_MARK: Final = re.compile(
    rf"(?:^|,? )(?:(?:{_SORRY}),?|(?<=, )(?:no|rather|actually|wait|make that),|(?<=, )(?:actually|rather|make that)"
    rf"|no(?= {either((*_AFTER_NO, *_START_OVER))}\b))(?: |$)"
)
_ALIKE: Final = re.compile(
    "|".join(rf"(?:(?<=\b{word}) no (?={either(kind)}\b))" for kind in (v.COLOURS, v.SIZES) for word in kind)
)
""" "red no blue" without commas, as some ears write it."""
_GOES_ON: Final = re.compile(r", (?=(?:should|is|are|must|on|in|at|next|with|under|above|behind|as)\b)")
""" "the car, I mean the tree*,* should be pink"."""
_FILLER: Final = re.compile(r",? ?\b(?:um+|uh+|erm?|hm+|uhm)\b,?(?= |$)")
_SCRATCH: Final = re.compile(r"(?:^|.*,? )(?:scratch that|forget that|strike that|start again)(?:,? |$)")
_LEADING_NO: Final = re.compile(r"^(?:no|wait|actually|sorry|oh|rather)(?:, | (?=(?:make|the|a|an|it|put|add)\b))")


def corrected(text: str) -> str:
    """The sentence that was meant, in the way of :func:`.reading.normal`."""
    text = normal(text)
    text = _FILLER.sub("", text).strip(" ,") or text
    said = _SCRATCH.match(text)
    if said and text[said.end() :]:
        text = text[said.end() :]
    text = _ALIKE.sub(", no, ", _LEADING_NO.sub("", text) or text)
    while marks := list(_MARK.finditer(text)):
        # the last first: "red, no, blue, no, green"
        mark = marks[-1]
        before, after = text[: mark.start()].strip(" ,"), text[mark.end() :].strip(" ,")
        text = _repaired(before.split(), _GOES_ON.sub(" ", after, count=1).split()) if after else before
    return text


def _repaired(before: list[str], after: list[str]) -> str:
    if not before or after[0] in _START_OVER:
        return " ".join(after)
    if after[0] in before:
        start = len(before) - 1 - before[::-1].index(after[0])
        # "the dog, no, the cat": what follows the same word again is what changed
        return " ".join((*before[:start], *after))
    kind = next((kind for kind in _KINDS if after[0] in kind), frozenset[str]())
    places = [place for place, word in enumerate(before) if word.strip(",") in kind]
    if not places:
        return " ".join((*before[:-1], *after)) if len(after) == 1 else " ".join((*before, *after))
    start = places[-1]
    rest = before[start + 1 :] if len(after) == 1 and kind is not _ARTICLES else []
    return " ".join((*before[:start], *after, *rest))
