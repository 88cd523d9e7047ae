"""Which words are likely to be said here: what the picture model knows, and what one says to talk about pictures. Pure.

The speech model is told how many words of a reading are not (:data:`~speakage_engines.api.Doubt`), and believes another
that it heard almost as well. Nothing is forbidden: an unknown word that was heard clearly is written down, and the
display strikes it through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final

from speakage_daemon.events import Start
from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.canvas import Canvas, Sheet
from speakage_daemon.understanding.commands import understand
from speakage_daemon.understanding.meaning import Command
from speakage_engines.api import Doubt

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_CANVAS: Final = Canvas(
    sheet=Sheet(steps=1, guidance=1, width=64, height=64, start=Start(image_id="any", strength=0.5))
)
"""On it every command is one: those about the picture that is started from, too."""


def _each(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset(chain.from_iterable(phrase.split() for phrase in phrases))


TALKING: Final = _each(
    chain(
        *(v.ASKING, v.JOINING, v.NEGATING, v.DETERMINERS, v.SIZES, v.POSITIONS, v.PLACE_LINKS),
        *(v.SINGLE_FIGURES, v.TEENS, v.TENS, v.ORDINALS),
    )
)
"""What is said *about* pictures, whatever the picture model makes of it. What is *in* them it should know."""


def doubt(unknown_words: Callable[[str], Iterable[str]], expected: str = "") -> Doubt:
    """Counts words that ``unknown_words`` gives back, other than those of talking and ``expected`` ones (names)."""
    spared = TALKING | _each([expected.lower()])

    def count(text: str) -> int:
        words = [word for word in _WORD.findall(text.lower()) if word not in spared and not word.isdigit()]
        if not words or isinstance(understand(text, _CANVAS), Command):
            return 0
        return len(list(unknown_words(" ".join(words))))

    return count
