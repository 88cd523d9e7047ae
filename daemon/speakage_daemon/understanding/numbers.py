"""Numbers as people say them: "twenty five", "a hundred", "seven point five", "512", "the third". Pure."""

from __future__ import annotations

import re
from typing import Final

from speakage_daemon.understanding.vocabulary import ORDINALS, SINGLE_FIGURES, TEENS, TENS

_WORDS: Final = ("zero", *SINGLE_FIGURES, *TEENS)
_SMALL: Final = {word: number for number, word in enumerate(_WORDS)}
_VALUES: Final = _SMALL | {word: 10 * number for number, word in enumerate(TENS, 2)}
_DIGITS: Final = re.compile(r"\d{1,10}(?:\.\d{1,3})?")
_ORDINAL: Final = re.compile(r"(\d{1,3})(?:st|nd|rd|th)")


def number_of(words: str) -> float | None:
    """What a number says; ``None`` where it is none."""
    if _DIGITS.fullmatch(words):
        return float(words)
    whole, point, digits = words.partition(" point ")
    if point:
        value, part = number_of(whole), number_of(digits)
        if value is None or part is None or part not in range(10) or value % 1:
            return None
        return value + int(part) / 10
    return _spelled(whole)


def count_of(words: str) -> int | None:
    """A whole number that things can be counted with."""
    number = number_of(words)
    return None if number is None or number % 1 else int(number)


def ordinal_of(word: str) -> int | None:
    """ "third" → 3, "2nd" → 2, "last" → -1, "previous" → -2."""
    if word in ORDINALS:
        return ORDINALS.index(word) + 1
    if match := _ORDINAL.fullmatch(word):
        return int(match[1])
    return {"last": -1, "latest": -1, "newest": -1, "previous": -2}.get(word)


def spelled(number: int) -> str:
    """As captions write it: in words below a hundred, in digits above."""
    if not 0 <= number < 100:
        return str(number)
    tens, ones = divmod(number, 10)
    if tens < 2:
        return _WORDS[number]
    return f"{TENS[tens - 2]} {_WORDS[ones]}" if ones else TENS[tens - 2]


def _spelled(words: str) -> int | None:
    total = hundreds = 0
    parts = [part for part in words.replace("-", " ").split() if part not in ("and", "a")]
    for part in parts:
        if part == "hundred":
            hundreds, total = 100 * (total or 1), 0
        elif part in _VALUES and (total == 0 or (total % 10 == 0 and 0 < _VALUES[part] < 10)):
            total += _VALUES[part]
        else:
            return None
    return hundreds + total if parts else None
