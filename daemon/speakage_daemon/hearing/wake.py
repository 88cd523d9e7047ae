"""The wake gate: whether what is heard now is meant for the daemon. Pure.

Four modes. ``open``: everything is meant, until somebody says stop. ``push``: only what is said between start and
stop, like a button. ``word``: what follows a wake word, which a detector hears. ``phrase``: what follows a phrase at
the beginning of an utterance, which its transcript tells. In the last two the gate is asleep or awake:

======= ===================================================== =======
state   when                                                  becomes
======= ===================================================== =======
asleep  the word is heard, :meth:`WakeGate.wake`              awake
asleep  an utterance began with the phrase                    awake
awake   ``follow_up`` samples after the end of what was       asleep
        meant, or after the word and :data:`PATIENCE`, and
        nothing is being said
awake   :meth:`WakeGate.sleep`, :meth:`WakeGate.stop`         asleep
======= ===================================================== =======

A word that is heard again within ``refractory`` samples is the same one. All positions are sample counts at 16 kHz;
there is no clock here. What was said is not looked at: see :mod:`speakage_daemon.understanding.phrase`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from speakage_daemon.events import Mode

PATIENCE: Final = 5 * 16_000
"""After a word alone its sentence is waited for, however short the follow-up window is (samples)."""
_REMEMBERED: Final = 64
"""Utterances whose words may still come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeTimes:
    """In samples."""

    follow_up: int = 8 * 16_000
    """No word is needed so long after the last that was meant."""
    refractory: int = 2 * 16_000
    """A word is not heard twice within so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One utterance."""

    start: int
    end: int | None = None
    word: str | None = None
    """What it was woken by; ``None`` while it is not known to be meant."""
    invited: bool = False
    """Whether it began in the follow-up window."""


def spoken(word: str) -> str:
    """How people say a word of the configuration: ``models/okay_nabu.tflite`` is "okay nabu"."""
    for ending in (".tflite", ".json"):
        if word.endswith(ending):
            word = word.removesuffix(ending).rpartition("/")[2]
    return word.replace("_", " ").strip()


class WakeGate:
    """Holds whether the daemon listens, and whether it is awake."""

    def __init__(self, mode: Mode, times: WakeTimes | None = None, words: tuple[str, ...] = ()) -> None:
        self.mode: Mode = mode
        self._words = words
        self._times = times or WakeTimes()
        self._listening = mode != "push"
        self._needs_word = mode in ("word", "phrase")
        self._awake = not self._needs_word
        self._until = 0
        """Where the follow-up window ends."""
        self._deaf_until = 0
        """Where the refractory time ends."""
        self._word = ""
        self._turns: dict[int, _Turn] = {}

    @property
    def listening(self) -> bool:
        """True while sound is taken for speech to the daemon, or for a wake word."""
        return self._listening

    @property
    def awake(self) -> bool:
        """True while no wake word is needed."""
        return self._awake

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """One of these must be said first; empty while none is needed."""
        return () if self._awake else self._words

    def start(self) -> bool:
        """Un-mute, or press the button; True when that changed something."""
        changed = not self._listening
        self._listening = True
        return changed

    def stop(self) -> bool:
        """Mute, or let the button go; True when that changed something."""
        changed = self._listening
        self._listening = False
        self.sleep()
        return changed

    def sleep(self) -> bool:
        """End the follow-up window; True when that changed something. Modes without a word never sleep."""
        changed = self._needs_word and self._awake
        self._awake = self._awake and not self._needs_word
        self._until = 0
        return changed

    def pass_time(self, sample: int, *, busy: bool) -> bool:
        """The sound before ``sample`` is heard; ``busy`` while something is being said. True when it fell asleep."""
        if not self._needs_word or not self._awake or busy or sample < self._until:
            return False
        return self.sleep()

    def wake(self, word: str, sample: int) -> bool:
        """The detector heard a word; False when it is the one before, still."""
        if sample < self._deaf_until:
            return False
        self._deaf_until = sample + self._times.refractory
        self._word = word
        self._open_window(sample, PATIENCE)
        return True

    def begin(self, utterance: int, sample: int) -> None:
        """An utterance begins there."""
        meant = self.mode != "phrase"
        self._turns[utterance] = _Turn(start=sample, word=self._word if meant else None, invited=sample < self._until)
        for old in list(self._turns)[:-_REMEMBERED]:
            del self._turns[old]

    def end(self, utterance: int, sample: int) -> None:
        """It ends there."""
        turn = self._turns[utterance] = replace(self._turns[utterance], end=sample)
        if turn.word is not None:
            self._open_window(sample)

    def meant(self, utterance: int) -> bool:
        """Whether an utterance needs no phrase: it has had one, or began in the follow-up window."""
        turn = self._turns.get(utterance)
        if turn is None or turn.word is not None:
            return True
        # by the time its words are known the window may be over, or have opened for the sentence before
        if not turn.invited and turn.start >= self._until:
            return False
        self.address(utterance, self._word)
        return True

    def address(self, utterance: int, phrase: str) -> bool:
        """An utterance began with a phrase: it is meant; False when that was known."""
        turn = self._turns[utterance]
        if turn.word == phrase:
            return False
        self._word = phrase
        self._turns[utterance] = replace(turn, word=phrase)
        self._open_window(turn.end if turn.end is not None else turn.start)
        return True

    def woken_by(self, utterance: int) -> str:
        """The word or phrase before an utterance, or before those that led to it; empty for none."""
        turn = self._turns.get(utterance)
        return (turn.word if turn else None) or ""

    def _open_window(self, sample: int, least: int = 0) -> None:
        if self._needs_word:
            self._awake = True
            self._until = max(self._until, sample + max(self._times.follow_up, least))
