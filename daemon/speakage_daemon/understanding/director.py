"""The director: from words to what should be painted. Pure.

Holds the canvas. What is said is a new picture, an edit of the one on the canvas, or a command (:mod:`.commands`).
While someone speaks, the words that have settled are painted in one step, without their unfinished tail, each time that
they mean something else. At a pause the words are taken for finished and their picture is painted; at the end of the
utterance that picture is promoted, or, when words were added since, the new one is painted. An utterance is always
understood on the canvas that it found, so that its revisions do not add up, and a command is followed at its end only.
New pictures of one utterance keep one seed, and an edit keeps its picture's, so that it grows instead of jumping. Seeds
come in as arguments; there is no chance in here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from speakage_daemon.events import CanvasStart, PromptCreate, Start
from speakage_daemon.understanding.canvas import (
    PART_STRENGTH,
    STRENGTH,
    Canvas,
    Sheet,
    apply,
    let_go,
    painted,
    reworded,
    started,
)
from speakage_daemon.understanding.commands import understand
from speakage_daemon.understanding.meaning import (
    Command,
    Create,
    Edit,
    Meaning,
    Negative,
    NudgeGuidance,
    Plain,
    SetGuidance,
    SetStrength,
)
from speakage_daemon.understanding.prompt import same_meaning
from speakage_daemon.understanding.reading import scene_of
from speakage_daemon.understanding.turn import certain, unfinished
from speakage_daemon.understanding.vocabulary import words
from speakage_engines.api import Size

_WITHOUT_GUIDANCE: Final = "guidance: this model paints without"
_NO_NEGATIVES: Final = "leaving out what nobody asked for: this model paints without guidance"
_NO_START: Final = "a strength without a picture to start from"
_STARTED: Final = "another size, while a picture is started from"
_EDITING: Final = frozenset(
    words(
        "make add remove delete erase put move change turn replace swap switch give take get bring without no not more",
        "less fewer the it them they this that also with colour color paint draw let set use keep try instead another",
    )
)
"""What edits begin with."""
_FILLERS: Final = frozenset(words("please now then ok okay so and but um uh oh well can could would you we i want to"))
_PAINTS_NOTHING: Final = (
    Plain.SAVE,
    Plain.HELP,
    Plain.CANCEL,
    Plain.NOTHING,
    Plain.STOP_LISTENING,
    Plain.START_LISTENING,
    Plain.KEEP_SEED,
)


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
    guidance: float | None = None
    """None for the model's own."""
    batch: int = 1
    """Pictures in one image."""
    size: Size | None = None
    """None for the model's own."""
    start: Start | None = None
    """The picture that it starts from."""
    rewritten_from: str = ""
    """The prompt as the grammar has it, where a language model wrote another."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a picture: the next one has the next number, as in A1111's batches, so seed and batch name them all."""
        return tuple((self.seed + number) % 2**32 for number in range(self.batch))

    @property
    def all_steps(self) -> int:
        """Of all its pictures."""
        return self.steps * self.batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote:
    """The picture of that revision is the final one."""

    utterance: int
    revision: int


Decision: TypeAlias = Paint | Promote | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was understood, and what is to be painted for it."""

    meaning: Meaning | None = None
    """None when nothing was said."""
    cannot: str = ""
    """What of it cannot be done: then nothing of it is."""
    decision: Decision = None
    wording: Paint | None = None
    """The same final picture, where its prompt is the grammar's and new: that may be rewritten before it is painted."""


class Director:
    """Holds the canvas and the newest revision."""

    def __init__(self, canvas: Canvas, most_pixels: int = 2_048 * 2_048) -> None:
        """``canvas`` has the model's own size; ``most_pixels`` is width times height of the largest that it paints."""
        self._canvas = canvas
        self._own_size = canvas.sheet.width, canvas.sheet.height
        self._most_pixels = most_pixels
        self._found = canvas
        """As it was when the utterance began."""
        self._utterance = -1
        self._seed = 0
        self._newest: Paint | None = None
        self._own_guidance = canvas.sheet.guidance

    @property
    def canvas(self) -> Canvas:
        """As the last utterance left it."""
        return self._canvas

    def while_speaking(self, utterance: int, settled: str, seed: int) -> Verdict:
        """The words that have settled so far: a picture of one step, when they show another than before."""
        self._begin(utterance, seed)
        text = certain(settled, self._found)
        if not text:
            return Verdict()
        meaning = understand(text, self._found)
        if isinstance(meaning, Command) or self._may_become_an_edit(text, meaning):
            return Verdict()
        canvas = apply(self._found, meaning)
        if not canvas.prompt or self._cannot(meaning, canvas):
            return Verdict()
        wanted = replace(self._asked_for(canvas, settled, final=False), steps=1, batch=1)
        if self._newest and _same_picture(replace(self._newest, steps=1, batch=1), wanted):
            return Verdict(meaning=meaning)
        self._newest = wanted
        return Verdict(meaning=meaning, decision=wanted)

    def lacks_something(self, transcript: str) -> bool:
        """Whether the speaker plainly has not done: "a house next to the"."""
        return unfinished(transcript, self._canvas)

    def at_pause(self, utterance: int, transcript: str, seed: int) -> Verdict:
        """The words so far, finished on trial. ``seed`` is taken for an utterance's first picture only."""
        return self._revise(utterance, transcript, seed, final=False)

    def at_end(self, utterance: int, transcript: str, seed: int) -> Verdict:
        """The words, finished."""
        return self._revise(utterance, transcript, seed, final=True)

    def typed(self, utterance: int, message: PromptCreate, seed: int) -> Paint:
        """A typed prompt is taken to the letter, and is final at once; what is said next may change it."""
        start = start_of(message) or self._canvas.sheet.start
        self._begin(utterance, seed)
        self._newest = Paint(
            utterance=utterance,
            revision=1,
            transcript=message.prompt,
            prompt=message.prompt,
            negative=self._canvas.standing_negative,
            seed=seed,
            steps=message.steps or self._canvas.sheet.steps,
            final=True,
            adapters=message.adapters,
            guidance=self._guidance(self._canvas),
            size=None if start else self._size(self._canvas),
            start=start,
        )
        canvas = apply(self._canvas, Create(scene=scene_of(message.prompt)))
        self._canvas = painted(replace(canvas, sheet=self._starting(canvas.sheet, start)), (seed,))
        return self._newest

    def rewritten(self, paint: Paint, text: str) -> Paint:
        """A language model wrote this for the picture that was decided on last: that is what it is painted with.

        The canvas keeps it beside the scene, so that undo, redo, "again" and "show me four" paint the same words. It
        must not have changed since the decision.
        """
        canvas = reworded(self._canvas, text)
        if self._found is self._canvas:
            # the next utterance has begun, and nothing is painted for it yet
            self._found = canvas
        self._canvas = canvas
        return replace(paint, prompt=text, rewritten_from=paint.prompt)

    def start_from(self, message: CanvasStart) -> None:
        """From now on, and for an utterance that is being heard too."""
        start = start_of(message)
        canvas = started(self._canvas, start) if start else let_go(self._canvas)
        sheet = self._starting(canvas.sheet, canvas.sheet.start)
        self._canvas = self._found = canvas if sheet == canvas.sheet else replace(canvas, sheet=sheet)

    def _begin(self, utterance: int, seed: int) -> None:
        if utterance != self._utterance:
            self._utterance, self._seed, self._found, self._newest = utterance, seed, self._canvas, None

    def _revise(self, utterance: int, transcript: str, seed: int, *, final: bool) -> Verdict:
        self._begin(utterance, seed)
        if not transcript.strip():
            return Verdict()
        meaning = understand(transcript, self._found)
        canvas = apply(self._found, meaning)
        if cannot := self._cannot(meaning, canvas):
            return Verdict(meaning=meaning, cannot=cannot)
        if isinstance(meaning, Command) and not final:
            return Verdict(meaning=meaning)
        decision: Decision = None
        wording: Paint | None = None
        if canvas.prompt and not _paints_nothing(meaning, canvas, self._found):
            asked_for = self._asked_for(canvas, transcript, final=final)
            decision = self._decide(asked_for)
            if final:
                canvas = painted(canvas, asked_for.seeds)
                wording = None if isinstance(meaning, Command) or asked_for.rewritten_from else asked_for
        if final:
            self._canvas = canvas
        return Verdict(meaning=meaning, decision=decision, wording=wording)

    def _asked_for(self, canvas: Canvas, transcript: str, *, final: bool) -> Paint:
        sheet = canvas.sheet
        return Paint(
            utterance=self._utterance,
            revision=self._newest.revision + 1 if self._newest else 1,
            transcript=transcript,
            prompt=canvas.wording,
            negative=canvas.negative,
            seed=sheet.seeds[0] if sheet.seeds else self._seed,
            steps=sheet.steps,
            final=final,
            guidance=self._guidance(canvas),
            batch=sheet.batch,
            size=self._size(canvas),
            start=sheet.start,
            rewritten_from=canvas.prompt if sheet.rewritten else "",
        )

    def _may_become_an_edit(self, text: str, meaning: Meaning) -> bool:
        """ "make the castle" is a castle, until "blue" follows: no picture jumps there and back."""
        if self._found.sheet.scene.empty or not isinstance(meaning, Create):
            return False
        first = next((word for word in text.lower().split() if word.strip(",") not in _FILLERS), "")
        return first in _EDITING

    def _cannot(self, meaning: Meaning, canvas: Canvas) -> str:
        """Why it cannot be painted, whose canvas that would be; empty where it can."""
        match meaning:
            case Command(order=SetGuidance() | NudgeGuidance()) if self._own_guidance <= 1:
                return _WITHOUT_GUIDANCE
            case Edit(changes=changes) if self._own_guidance <= 1 and all(isinstance(one, Negative) for one in changes):
                return _NO_NEGATIVES
            case Command(order=SetStrength()) if self._found.sheet.start is None:
                return _NO_START
            case _:
                return self._cannot_size(canvas.sheet)

    def _cannot_size(self, sheet: Sheet) -> str:
        if (sheet.width, sheet.height) == self._own_size:
            return ""
        if sheet.start is not None:
            return _STARTED
        if sheet.width * sheet.height > self._most_pixels:
            return f"{sheet.width} × {sheet.height}: this model paints {self._most_pixels} pixels at most"
        return ""

    def _starting(self, sheet: Sheet, start: Start | None) -> Sheet:
        """What is started from has the model's own size."""
        if start is None:
            return replace(sheet, start=None)
        width, height = self._own_size
        return replace(sheet, start=start, width=width, height=height)

    def _size(self, canvas: Canvas) -> Size | None:
        size = canvas.sheet.width, canvas.sheet.height
        return None if size == self._own_size else size

    def _guidance(self, canvas: Canvas) -> float | None:
        return None if canvas.sheet.guidance == self._own_guidance else canvas.sheet.guidance

    def _decide(self, wanted: Paint) -> Decision:
        """Paint it, unless this utterance's newest picture is the same."""
        before = self._newest
        if before and _same_picture(before, wanted):
            return Promote(utterance=before.utterance, revision=before.revision) if wanted.final else None
        self._newest = wanted
        return wanted


def start_of(message: CanvasStart | PromptCreate) -> Start | None:
    """What a message wants to start from, if anything."""
    if message.image_id is None:
        return None
    usual = PART_STRENGTH if message.mask_id else STRENGTH
    return Start(image_id=message.image_id, mask_id=message.mask_id or "", strength=message.strength or usual)


def same_but_for_words(one: Paint, other: Paint) -> bool:
    """Whether two pictures are asked for alike, prompts and adapters aside."""
    ours, theirs = (
        (each.negative, each.seed, each.steps, each.guidance, each.batch, each.size, each.start)
        for each in (one, other)
    )
    return ours == theirs


def _same_picture(one: Paint, other: Paint) -> bool:
    return same_but_for_words(one, other) and same_meaning(one.prompt, other.prompt)


def _paints_nothing(meaning: Meaning, canvas: Canvas, found: Canvas) -> bool:
    """Orders that others follow, and those that left all as it was: there is nothing to undo, or no such picture."""
    if not isinstance(meaning, Command):
        return False
    return meaning.order in _PAINTS_NOTHING or canvas == found
