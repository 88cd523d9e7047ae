"""The conversation: carries words to the director and the director's decisions to the painter.

A thin shell around :mod:`.director`: it draws the seeds, knows when words were said, and tells what was understood.
Where a language model rewrites prompts, the final picture of a sentence waits for that; whatever is decided on
meanwhile ends the wait, and the picture is the grammar's.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from speakage_daemon.config import Persona, PictureSettings
from speakage_daemon.errors import PictureError
from speakage_daemon.events import (
    CanvasStart,
    DaemonEvent,
    Kind,
    PromptCreate,
    RewritingCompleted,
    RewritingStarted,
    StartChanged,
    Understood,
)
from speakage_daemon.painting.painter import Job, Painter
from speakage_daemon.understanding.budget import Budget
from speakage_daemon.understanding.canvas import Canvas
from speakage_daemon.understanding.chips import described
from speakage_daemon.understanding.director import Decision, Director, Paint, Promote, Verdict, start_of
from speakage_daemon.understanding.meaning import Command, Create, Edit, Meaning, Plain
from speakage_daemon.understanding.moments import Moments
from speakage_daemon.understanding.persona import dressed
from speakage_daemon.understanding.rewriting import Answer, Question, Rewrites, known_names
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
    drafts: Budget
    """What may be painted before the end of a turn; where that is nothing, not even a pause is painted."""
    persona: Callable[[int], Persona | None] = _nobody
    """Who was called by an utterance."""
    rewriter: Rewrites | None = None
    """What rewrites the prompts of final pictures."""
    names: tuple[str, ...] = ()
    """Those that rewriting must not lose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A final picture whose prompt is being rewritten."""

    wording: Paint
    decision: Paint | Promote
    """What becomes of it where the grammar's prompt is painted after all."""
    moments: Moments | None
    canvas: Canvas
    """As the decision left it."""
    since: float
    """Monotonic, s."""


class Conversation:
    """Implements :class:`speakage_daemon.understanding.transcriber.Listener`, and takes typed prompts."""

    def __init__(self, director: Director, painter: Painter, around: Surroundings, settings: PictureSettings) -> None:
        self._director = director
        self._painter = painter
        self._around = around
        self._seed = settings.fixed_seed
        self._told = director.canvas.sheet.start
        self._on_trial = around.drafts.per_minute > 0
        self._waiting: _Waiting | None = None

    @property
    def uploads(self) -> Uploads:
        """Pictures to start from."""
        return self._around.uploads

    def while_speaking(self, utterance: int, settled: str) -> None:
        """Paint what is certain so far in one step, as often as is allowed."""
        now = time.monotonic()
        # asked first: what the director decides, it takes for painted
        if not self._around.drafts.left(now):
            return
        verdict = self._director.while_speaking(utterance, settled, self._draw_seed())
        if verdict.decision:
            self._around.drafts.spend(now)
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
        self._finish(verdict.decision, verdict.wording, moments)
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
        paint = self._director.typed(self._around.number(), message, seed)
        self._finish(paint, paint)
        self._tell_start()

    def start_from(self, message: CanvasStart) -> None:
        """Start from a picture, or no longer; raises :class:`PictureError` for what it cannot start from."""
        self._check(message)
        self._director.start_from(message)
        self._keep_waiting()
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

    def _finish(self, decision: Decision, wording: Paint | None, moments: Moments | None = None) -> None:
        """The final picture: now, or once its prompt is rewritten, where it may be."""
        self._keep_waiting()
        rewriter = self._around.rewriter
        if rewriter is None or wording is None or decision is None:
            self._act(decision, moments)
            return
        canvas, now = self._director.canvas, time.monotonic()
        self._waiting = _Waiting(wording=wording, decision=decision, moments=moments, canvas=canvas, since=now)
        event = RewritingStarted(
            utterance=wording.utterance,
            transcript=wording.transcript,
            understood=wording.prompt,
            budget_ms=rewriter.budget_ms,
        )
        self._around.publish(event)
        persona = self._around.persona(wording.utterance)
        names = (*self._around.names, *known_names(persona.hotwords if persona else ""))
        rewriter.ask(Question(prompt=wording.prompt, names=names), self._rewritten)

    def _keep_waiting(self) -> None:
        """For an answer, unless the canvas is another by now."""
        if self._waiting and self._waiting.canvas is not self._director.canvas:
            self._wait_no_longer()

    def _wait_no_longer(self) -> None:
        """Something newer came: what waits is painted as said, and loses to that where it is not painted yet."""
        if self._waiting and self._around.rewriter:
            self._around.rewriter.cancel()
            waited = (time.monotonic() - self._waiting.since) * 1e3
            self._rewritten(Answer(outcome="superseded", reason="something newer was asked for", milliseconds=waited))

    def _rewritten(self, answer: Answer) -> None:
        """Paint what waited, with what came of it."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            raise AssertionError("nobody is told an answer that nobody waits for")
        paint, decision = waiting.wording, waiting.decision
        if answer.text:
            paint = decision = self._director.rewritten(paint, answer.text)
        event = RewritingCompleted(
            utterance=paint.utterance,
            revision=decision.revision,
            understood=waiting.wording.prompt,
            prompt=paint.prompt,
            outcome=answer.outcome,
            chip=answer.chip,
            reason=answer.reason,
            milliseconds=answer.milliseconds,
        )
        self._around.publish(event)
        match decision:
            case Paint():
                self._submit(
                    Job(
                        paint=decision,
                        requested=waiting.since,
                        moments=waiting.moments,
                        rewrite_ms=answer.milliseconds,
                    )
                )
            case Promote():
                self._painter.promote(decision, waiting.moments)
            case _:
                assert_never(decision)

    def _act(self, decision: Decision, moments: Moments | None = None, *, draft: bool = False) -> None:
        match decision:
            case Paint():
                self._wait_no_longer()
                self._submit(Job(paint=decision, requested=time.monotonic(), moments=moments, draft=draft))
            case Promote():
                self._wait_no_longer()
                self._painter.promote(decision, moments)
            case None:
                pass

    def _submit(self, job: Job) -> None:
        start = job.paint.start
        job.paint = dressed(job.paint, self._around.persona(job.paint.utterance))
        try:
            job.start = self._around.uploads.start(start) if start else None
        except PictureError as error:
            # an undo may lead back to one that is forgotten by now
            self._painter.refuse(job, str(error))
        else:
            self._painter.submit(job)

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
