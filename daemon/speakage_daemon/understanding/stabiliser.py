"""The stabiliser: which words of a growing transcript can be trusted. Pure.

LocalAgreement-2 (Liu et al. 2020; Macháček et al. 2023): a word is committed when two consecutive hypotheses agree
on it and on all words before it. Committed words are not taken back while the utterance goes on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """A hypothesis, split where trust ends."""

    committed: str
    pending: str


class Stabiliser:
    """Holds the hypotheses of one utterance."""

    def __init__(self) -> None:
        self._committed: list[str] = []
        self._previous: list[str] = []

    def update(self, text: str) -> Words:
        """The next hypothesis for the whole utterance so far."""
        words = text.split()
        agreed = len(self._committed)
        while agreed < min(len(words), len(self._previous)) and _same(words[agreed], self._previous[agreed]):
            self._committed.append(words[agreed])
            agreed += 1
        self._previous = words
        return Words(" ".join(self._committed), " ".join(words[len(self._committed) :]))

    def settle(self, text: str) -> Words:
        """A hypothesis for all that was said: every word of it is committed, older ones give way."""
        self._committed = self._previous = text.split()
        return Words(" ".join(self._committed), "")


def _same(one: str, other: str) -> bool:
    """Case and punctuation still move while the sentence grows."""
    return _bare(one) == _bare(other)


def _bare(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum()) or word
