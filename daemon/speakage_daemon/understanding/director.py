"""The director: from words to what should be painted. Pure.

Every utterance is a new picture. At a pause the text is taken for finished and painted; at the end of the utterance
that picture is promoted, or, when words were added since, the new text is painted. One utterance keeps one seed, so
that the picture grows instead of jumping. Seeds come in as arguments; there is no chance in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from speakage_daemon.events import PromptCreate
from speakage_daemon.understanding.prompt import prompt_of, same_meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """What holds for every picture until someone changes it."""

    steps: int
    negative: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    """Paint this, now; whatever was being painted has lost."""

    utterance: int
    revision: int
    transcript: str
    prompt: str
    negative: str
    seed: int
    steps: int
    final: bool
    """False at a pause: the picture waits for :class:`Promote`."""
    adapters: tuple[str, ...] | None = None
    """None for the usual ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote:
    """The picture of that revision is the final one."""

    utterance: int
    revision: int


Decision: TypeAlias = Paint | Promote | None


class Director:
    """Holds the canvas and the newest revision."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._newest: Paint | None = None

    def at_pause(self, utterance: int, transcript: str, seed: int) -> Decision:
        """The words so far, finished on trial. ``seed`` is taken for an utterance's first picture only."""
        return self._revise(utterance, transcript, seed, final=False)

    def at_end(self, utterance: int, transcript: str, seed: int) -> Decision:
        """The words, finished."""
        return self._revise(utterance, transcript, seed, final=True)

    def typed(self, utterance: int, message: PromptCreate, seed: int) -> Paint:
        """A typed prompt is taken to the letter, and is final at once."""
        self._newest = Paint(
            utterance=utterance,
            revision=1,
            transcript=message.prompt,
            prompt=message.prompt,
            negative=self._canvas.negative,
            seed=seed,
            steps=message.steps or self._canvas.steps,
            final=True,
            adapters=message.adapters,
        )
        return self._newest

    def _revise(self, utterance: int, transcript: str, seed: int, *, final: bool) -> Decision:
        prompt = prompt_of(transcript)
        if not prompt:
            return None
        before = self._newest if self._newest and self._newest.utterance == utterance else None
        if before and same_meaning(before.prompt, prompt):
            return Promote(utterance=utterance, revision=before.revision) if final else None
        self._newest = Paint(
            utterance=utterance,
            revision=before.revision + 1 if before else 1,
            transcript=transcript,
            prompt=prompt,
            negative=self._canvas.negative,
            seed=before.seed if before else seed,
            steps=self._canvas.steps,
            final=final,
        )
        return self._newest
