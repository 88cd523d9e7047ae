"""Unfinished tails: the words at the end of a sentence that still wait for a noun. Pure.

"a house next to the" is "a house" so far, and "a red" is nothing yet: to paint a red would be a guess.
"""

from __future__ import annotations

from typing import Final

from speakage_daemon.understanding import vocabulary as v

_WAITING: Final = frozenset(
    {
        *v.DETERMINERS, *v.COLOURS, *v.SHADES, *v.SIZES, *v.QUALITIES, *v.DOING, *v.SINGLE_FIGURES, *v.TEENS, *v.TENS,
        *(word for phrase in (*v.JOINING, *v.NEGATING) for word in phrase.split()),
        *v.words("very really more most but then as like style of for from that which who is are it me"),
    }
)  # fmt: skip


def finished(text: str) -> str:
    """The text without its unfinished tail; empty when all of it is."""
    words = text.split()
    while words and words[-1].strip(",.;:!?").lower() in _WAITING:
        words.pop()
    return " ".join(words)
