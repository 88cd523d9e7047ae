"""The conversation: carries words to the director and the director's decisions to the painter.

A thin shell around :mod:`.director`: it draws the seeds, knows when words were said, and tells what was understood.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from speakage_daemon.config import Persona, PictureSettings
from speakage_daemon.errors import PictureError
from speakage_daemon.events import CanvasStart, DaemonEvent, Kind, PromptCreate, StartChanged, Understood
from speakage_daemon.painting.painter import Job, Painter
from speakage_daemon.understanding.budget import Budget
from speakage_daemon.understanding.chips import described
from speakage_daemon.understanding.director import Decision, Director, Paint, Promote, Verdict, start_of
from speakage_daemon.understanding.meaning import Command, Create, Edit, Meaning, Plain
from speakage_daemon.understanding.moments import Moments
from speakage_daemon.understanding.persona import dressed
from speakage_daemon.uploads import Uploads


def _nobody(_utterance: int) -> Persona | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a conversation needs of the other parts."""

    number: Callable[[], int]
    """The next utterance's, for a typed prompt."""
    listen: Callable[[bool], None]
    """Start or stop listening."""
    publish: Callable[[DaemonEvent], None]
    uploads: Uploads
    """Pictures to start from."""
    persona: Callable[[int], Persona | None] = _nobody
    """Who was called by an utterance."""


class Conversation:
    """Implements :class:`speakage_daemon.understanding.transcriber.Listener`, and takes typed prompts."""

    def __init__(self, director: Director, painter: Painter, around: Surroundings, settings: PictureSettings) -> None:
        self._director = director
        self._painter = painter
        self._around = around
        self._seed = settings.fixed_seed
        self._told = director.canvas.sheet.start
        self._drafts = Budget(settings.drafts_per_minute)
        self._on_trial = settings.drafts_per_minute > 0

    @property
    def uploads(self) -> Uploads:
        """Pictures to start from."""
        return self._around.uploads

    def while_speaking(self, utterance: int, settled: str) -> None:
        """Paint what is certain so far in one step, as often as is allowed."""
        now = time.monotonic()
        # asked first: what the director decides, it takes for painted
        if not self._drafts.left(now):
            return
        verdict = self._director.while_speaking(utterance, settled, self._draw_seed())
        if verdict.decision:
            self._drafts.spend(now)
            self._tell(utterance, settled, verdict, final=False)
            self._act(verdict.decision, draft=True)

    def lacks_something(self, text: str) -> bool:
        """Whether the words so far are plainly not all."""
        return self._director.lacks_something(text)

    def at_pause(self, utterance: int, text: str, moments: Moments) -> None:
        """Paint on trial, where anything may be."""
        if not self._on_trial:
            return
        verdict = self._director.at_pause(utterance, text, self._draw_seed())
        self._tell(utterance, text, verdict, final=False)
        self._act(verdict.decision, moments)

    def at_end(self, utterance: int, text: str, moments: Moments) -> None:
        """Promote what was painted, or paint the words that were added; follow a command."""
        verdict = self._director.at_end(utterance, text, self._draw_seed())
        self._tell(utterance, text, verdict, final=True)
        self._act(verdict.decision, moments)
        self._tell_start()
        match verdict.meaning:
            case Command(order=Plain.STOP_LISTENING):
                self._around.listen(False)
            case _:
                pass

    def typed(self, message: PromptCreate) -> None:
        """Paint what was typed; raises :class:`PictureError` for what it cannot start from."""
        self._check(message)
        seed = self._draw_seed() if message.seed is None else message.seed
        self._act(self._director.typed(self._around.number(), message, seed))
        self._tell_start()

    def start_from(self, message: CanvasStart) -> None:
        """Start from a picture, or no longer; raises :class:`PictureError` for what it cannot start from."""
        self._check(message)
        self._director.start_from(message)
        self._tell_start()

    def _check(self, message: CanvasStart | PromptCreate) -> None:
        if start := start_of(message):
            self._around.uploads.start(start)
        elif field := next((name for name in ("mask_id", "strength") if getattr(message, name) is not None), None):
            raise PictureError(f"{field}: there is nothing to start from without image_id; send both")

    def _tell_start(self) -> None:
        start = self._director.canvas.sheet.start
        if start != self._told:
            self._told = start
            self._around.publish(StartChanged(start=start))

    def _tell(self, utterance: int, text: str, verdict: Verdict, *, final: bool) -> None:
        if verdict.meaning is None:
            return
        _, *chips = described(verdict.meaning)
        event = Understood(
            utterance=utterance,
            text=text,
            kind=_kind(verdict.meaning),
            chips=tuple(chips),
            cannot=verdict.cannot or None,
            final=final,
        )
        self._around.publish(event)

    def _act(self, decision: Decision, moments: Moments | None = None, *, draft: bool = False) -> None:
        match decision:
            case Paint():
                paint = dressed(decision, self._around.persona(decision.utterance))
                job = Job(paint=paint, requested=time.monotonic(), moments=moments, draft=draft)
                try:
                    job.start = self._around.uploads.start(decision.start) if decision.start else None
                except PictureError as error:
                    # an undo may lead back to one that is forgotten by now
                    self._painter.refuse(job, str(error))
                else:
                    self._painter.submit(job)
            case Promote():
                self._painter.promote(decision, moments)
            case None:
                pass

    def _draw_seed(self) -> int:
        return secrets.randbits(32) if self._seed is None else self._seed


def _kind(meaning: Meaning) -> Kind:
    match meaning:
        case Create():
            return "create"
        case Edit():
            return "edit"
        case Command():
            return "command"
        case _:
            assert_never(meaning)
