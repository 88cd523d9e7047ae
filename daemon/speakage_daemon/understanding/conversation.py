"""The conversation: carries words to the director and the director's decisions to the painter.

A thin shell around :mod:`.director`: it draws the seeds, and knows when words were said.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from speakage_daemon.events import PromptCreate
from speakage_daemon.painting.painter import Job, Painter
from speakage_daemon.understanding.director import Decision, Director, Paint, Promote


class Conversation:
    """Implements :class:`speakage_daemon.understanding.transcriber.Listener`, and takes typed prompts."""

    def __init__(self, director: Director, painter: Painter, number: Callable[[], int], seed: int | None) -> None:
        self._director = director
        self._painter = painter
        self._number = number
        self._seed = seed

    def at_pause(self, utterance: int, text: str, transcribe_ms: float, last_voiced_time: float) -> None:
        """Paint on trial."""
        decision = self._director.at_pause(utterance, text, self._draw_seed())
        self._act(decision, transcribe_ms, last_voiced_time)

    def at_end(self, utterance: int, text: str, transcribe_ms: float, last_voiced_time: float) -> None:
        """Promote what was painted, or paint the words that were added."""
        decision = self._director.at_end(utterance, text, self._draw_seed())
        self._act(decision, transcribe_ms, last_voiced_time)

    def typed(self, message: PromptCreate) -> None:
        """Paint what was typed."""
        seed = self._draw_seed() if message.seed is None else message.seed
        decision = self._director.typed(self._number(), message, seed)
        self._act(decision, None, None)

    def _act(self, decision: Decision, transcribe_ms: float | None, last_voiced_time: float | None) -> None:
        match decision:
            case Paint():
                job = Job(
                    paint=decision,
                    requested=time.monotonic(),
                    transcribe_ms=transcribe_ms,
                    last_voiced_time=last_voiced_time,
                )
                self._painter.submit(job)
            case Promote():
                self._painter.promote(decision)
            case None:
                pass

    def _draw_seed(self) -> int:
        return secrets.randbits(32) if self._seed is None else self._seed
