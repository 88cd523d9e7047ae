"""To whom an utterance speaks: what of its words is meant for the daemon, and which persona was called.

A thin shell around the gate and :mod:`.phrase`. In the mode ``phrase`` words are written down in any case, here on this
machine, and forgotten unless they are meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from speakage_daemon.config import HearingSettings, Persona
from speakage_daemon.events import DaemonEvent, WakeDetected
from speakage_daemon.hearing.wake import WakeGate, spoken
from speakage_daemon.understanding.phrase import called, without_rests

NOT_MEANT: Final = "not_addressed"
"""Why the text of an utterance is empty that began with no wake phrase."""


@dataclass(frozen=True, slots=True)
class Told:
    """Whom to tell."""

    publish: Callable[[DaemonEvent], None]
    announce: Callable[[], None]
    """Of whether a word is waited for."""


class Address:
    """Asked by the transcriber of every text, and by the conversation of every picture."""

    def __init__(self, settings: HearingSettings, gate: WakeGate, told: Told) -> None:
        self._gate = gate
        self._told = told
        self._likeness = settings.phrase_likeness
        self._phrases = phrases(settings)
        self._personas = personas(settings)

    def meant(self, utterance: int, text: str) -> str | None:
        """The words without what called; ``None`` when they were not meant for the daemon."""
        match self._gate.mode:
            case "word":
                return without_rests(text, self._gate.woken_by(utterance))
            case "phrase":
                return self._after_phrase(utterance, text)
            case _:
                return text

    def hotwords(self, utterance: int) -> str:
        """Words to expect besides those that are always expected."""
        persona = self.persona(utterance)
        expected = self._phrases if self._gate.mode == "phrase" else ()
        return " ".join((*expected, persona.hotwords if persona else "")).strip()

    def persona(self, utterance: int) -> Persona | None:
        """Who was called, if anybody was."""
        return self._personas.get(self._gate.woken_by(utterance))

    def _after_phrase(self, utterance: int, text: str) -> str | None:
        found = called(text, self._phrases, self._likeness)
        if found is None:
            return text if self._gate.meant(utterance) else None
        asleep = not self._gate.awake
        if self._gate.address(utterance, found.phrase):
            persona = self.persona(utterance)
            name = persona.name if persona else ""
            self._told.publish(WakeDetected(word=found.phrase, persona=name, score=round(found.likeness, 3)))
            if asleep:
                self._told.announce()
        return found.rest


def words(settings: HearingSettings) -> tuple[str, ...]:
    """Every wake word that is listened for, once, as the configuration has it."""
    return tuple(dict.fromkeys((*settings.wake_words, *(persona.word for persona in settings.personas))))


def phrases(settings: HearingSettings) -> tuple[str, ...]:
    """Every wake phrase, once, as people say it."""
    return tuple(dict.fromkeys(map(spoken, (*settings.wake_phrases, *(one.word for one in settings.personas)))))


def personas(settings: HearingSettings) -> dict[str, Persona]:
    """By what calls them, as people say it."""
    return {spoken(persona.word): persona for persona in settings.personas}
