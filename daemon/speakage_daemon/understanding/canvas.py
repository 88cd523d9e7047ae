"""The canvas: what is being painted and how, what it was before, and what has been shown. Pure.

Everything a sentence can change is on one :class:`Sheet`; every change keeps the old sheet, so that undo and redo reach
all of them, settings too. Seeds are drawn elsewhere and told by :func:`painted`; nothing is painted here, and what is
already painted is not forgotten by an undo.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from speakage_daemon.events import Start
from speakage_daemon.understanding.changes import Focused, changed
from speakage_daemon.understanding.meaning import (
    Choose,
    Command,
    Create,
    Edit,
    Meaning,
    MoreLikeThat,
    NudgeGuidance,
    NudgeStrength,
    Order,
    Plain,
    Redo,
    Reshape,
    ScaleSize,
    ScaleSteps,
    SetBatch,
    SetGuidance,
    SetSeed,
    SetSize,
    SetSteps,
    SetStrength,
    Shape,
    Undo,
)
from speakage_daemon.understanding.scene import Scene, text_of

_KEPT: Final = 500
"""Sheets to go back to, and pictures to choose from; older ones are let go."""
_MOST_STEPS: Final = 100
_LEAST_GUIDANCE, _MOST_GUIDANCE = 1.0, 30.0
"""1 follows the prompt and nothing more; below, the prompt is left out again."""
_MOST_AT_ONCE: Final = 16
_SMALLEST, _LARGEST = 64, 2_048
_LEAST_STRENGTH: Final = 0.05
STRENGTH: Final = 0.6
"""Of a picture that is started from, unless something else is asked for."""
PART_STRENGTH: Final = 1.0
"""Of a part of one: nothing is left of what was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What undo brings back."""

    scene: Scene = field(default_factory=Scene)
    focus: int = 0
    """Place of the thing that "it" means."""
    seeds: tuple[int, ...] = ()
    """One a picture, those that are known; the rest, up to :attr:`batch`, are still to be drawn."""
    seed_kept: bool = False
    """Whether the next new picture takes the first seed too."""
    steps: int
    guidance: float
    width: int
    """Pixels, a multiple of :attr:`grain`; so is the height."""
    height: int
    grain: int = 8
    batch: int = 1
    """Pictures at once."""
    start: Start | None = None
    """The picture that is started from; ``None`` for noise alone."""
    rewritten: str = ""
    """What a language model wrote for this scene; the scene stays what is understood and changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """A sheet, with its past and its future."""

    sheet: Sheet
    past: tuple[Sheet, ...] = ()
    """Oldest first."""
    future: tuple[Sheet, ...] = ()
    """What was undone, next first."""
    shown: tuple[Sheet, ...] = ()
    """Every picture painted, oldest first, each with the one seed it has."""
    standing_negative: str = ""
    """What no picture should show, whatever is said."""

    @property
    def prompt(self) -> str:
        """What is to be painted."""
        return text_of(self.sheet.scene)

    @property
    def wording(self) -> str:
        """The same in the words that are painted: a language model's, where it wrote some."""
        return self.sheet.rewritten or self.prompt

    @property
    def negative(self) -> str:
        """What is not."""
        return ", ".join(words for words in (self.standing_negative, *self.sheet.scene.negatives) if words)


def apply(canvas: Canvas, meaning: Meaning) -> Canvas:
    """The canvas after what was said."""
    match meaning:
        case Create(scene=scene):
            if canvas.sheet.scene.empty:
                # "no people", said before there was a picture, was meant for this one
                scene = replace(scene, negatives=(*canvas.sheet.scene.negatives, *scene.negatives))
            seeds = canvas.sheet.seeds[:1] if canvas.sheet.seed_kept else ()
            return _turned(canvas, replace(canvas.sheet, scene=scene, focus=0, seeds=seeds, rewritten=""))
        case Edit():
            return _turned(canvas, _edited(canvas.sheet, meaning))
        case Command(order=order):
            return _ordered(canvas, order)
        case _:
            assert_never(meaning)


def painted(canvas: Canvas, seeds: tuple[int, ...]) -> Canvas:
    """The sheet was painted with these seeds, one a picture: they can be meant from now on."""
    sheet = replace(canvas.sheet, seeds=seeds)
    pictures = tuple(replace(sheet, seeds=(seed,), batch=1) for seed in seeds)
    return replace(canvas, sheet=sheet, shown=(*canvas.shown, *pictures)[-_KEPT:])


def reworded(canvas: Canvas, text: str) -> Canvas:
    """A language model wrote this for what was decided on last: it belongs to those pictures, after an undo too."""
    newest = len(canvas.shown) - len(canvas.sheet.seeds)
    shown = (*canvas.shown[:newest], *(replace(sheet, rewritten=text) for sheet in canvas.shown[newest:]))
    return replace(canvas, sheet=replace(canvas.sheet, rewritten=text), shown=shown)


def started(canvas: Canvas, start: Start) -> Canvas:
    """From now on this picture is what is changed: the words that there were are not about it."""
    sheet = replace(canvas.sheet, scene=Scene(), focus=0, seeds=(), start=start, rewritten="")
    if _fresh(canvas.sheet, bool(start.mask_id)):
        # taken in its place, so that undo leads to what was before both
        return replace(canvas, sheet=sheet, future=())
    return _turned(canvas, sheet)


def let_go(canvas: Canvas) -> Canvas:
    """Start from it no longer: from the whole picture again where a part was meant, else from noise alone.

    Where nothing was said since, the canvas is as it was before.
    """
    start, before = canvas.sheet.start, canvas
    if start is None:
        return canvas
    while before.past and _fresh(before.sheet, bool(start.mask_id)):
        before = _back(before, 1)
    if before is not canvas and not _fresh(before.sheet, bool(start.mask_id)):
        return before
    earlier = (sheet.start for sheet in reversed(canvas.past))
    under = next((other for other in earlier if other is None or not other.mask_id), None) if start.mask_id else None
    return _turned(canvas, replace(canvas.sheet, start=under))


def chosen(canvas: Canvas, number: int) -> Sheet | None:
    """The picture that a number means: in the grid where one is shown, else among all that were; ``None`` for none."""
    sheet = canvas.sheet
    grid = tuple(replace(sheet, seeds=(seed,), batch=1) for seed in sheet.seeds) if len(sheet.seeds) > 1 else ()
    pictures = grid or canvas.shown
    index = number - 1 if number > 0 else len(pictures) + number
    return pictures[index] if 0 <= index < len(pictures) else None


def _edited(sheet: Sheet, edit: Edit) -> Sheet:
    for change in edit.changes:
        match change:
            case Reshape(shape=shape):
                sheet = _shaped(sheet, shape)
            case MoreLikeThat():
                sheet = replace(sheet, batch=4, seeds=sheet.seeds[:1])
            case _:
                after = changed(Focused(scene=sheet.scene, focus=sheet.focus), change)
                kept = sheet.rewritten if after.scene == sheet.scene else ""
                sheet = replace(sheet, scene=after.scene, focus=after.focus, rewritten=kept)
    return sheet


def _ordered(canvas: Canvas, order: Order) -> Canvas:
    match order:
        case Undo(times=times):
            return _back(canvas, times)
        case Redo(times=times):
            return _forth(canvas, times)
        case Choose(number=number):
            picture = chosen(canvas, number)
            return canvas if picture is None else _turned(canvas, picture)
        case Plain.SAVE | Plain.HELP | Plain.CANCEL | Plain.NOTHING | Plain.STOP_LISTENING | Plain.START_LISTENING:
            # others act on these
            return canvas
        case _:
            return _turned(canvas, _set(canvas.sheet, order))


def _set(
    sheet: Sheet,
    order: Plain
    | SetSteps
    | ScaleSteps
    | SetSize
    | ScaleSize
    | SetSeed
    | SetGuidance
    | NudgeGuidance
    | SetBatch
    | SetStrength
    | NudgeStrength,
) -> Sheet:
    match order:
        case Plain.CLEAR:
            return replace(sheet, scene=Scene(), focus=0, seeds=(), start=None, rewritten="")
        case Plain.KEEP_SEED:
            return replace(sheet, seed_kept=True)
        case Plain():
            # again, or any seed: the next one is drawn
            return replace(sheet, seeds=(), seed_kept=False)
        case SetSteps(steps=steps):
            return replace(sheet, steps=_within(steps, 1, _MOST_STEPS))
        case ScaleSteps(factor=factor):
            return replace(sheet, steps=_within(round(sheet.steps * factor), 1, _MOST_STEPS))
        case SetSize(width=width, height=height):
            return _sized(sheet, width, height)
        case ScaleSize(factor=factor):
            return _sized(sheet, sheet.width * factor, sheet.height * factor)
        case SetSeed(seed=seed):
            return replace(sheet, seeds=(seed % 2**32,), seed_kept=True)
        case SetGuidance(guidance=guidance):
            return replace(sheet, guidance=min(max(guidance, _LEAST_GUIDANCE), _MOST_GUIDANCE))
        case NudgeGuidance(by=by):
            return replace(sheet, guidance=min(max(sheet.guidance + by, _LEAST_GUIDANCE), _MOST_GUIDANCE))
        case SetBatch(batch=batch):
            batch = _within(batch, 1, _MOST_AT_ONCE)
            return replace(sheet, batch=batch, seeds=sheet.seeds[:batch])
        case SetStrength(strength=strength):
            return _strong(sheet, strength)
        case NudgeStrength(by=by):
            return _strong(sheet, sheet.start.strength + by) if sheet.start else sheet
        case _:
            assert_never(order)


def _strong(sheet: Sheet, strength: float) -> Sheet:
    if sheet.start is None:
        return sheet
    return replace(sheet, start=replace(sheet.start, strength=round(min(max(strength, _LEAST_STRENGTH), 1.0), 2)))


def _fresh(sheet: Sheet, masked: bool) -> bool:
    """Nothing was said since this start, of a part or of the whole."""
    return sheet.start is not None and bool(sheet.start.mask_id) == masked and sheet.scene.empty


def _turned(canvas: Canvas, sheet: Sheet) -> Canvas:
    """A new sheet; the old one can be had back. Even one like the old: undo takes back the last thing said."""
    return replace(canvas, sheet=sheet, past=(*canvas.past, canvas.sheet)[-_KEPT:], future=())


def _back(canvas: Canvas, times: int) -> Canvas:
    times = min(times, len(canvas.past))
    for _ in range(times):
        *past, sheet = canvas.past
        canvas = replace(canvas, sheet=sheet, past=tuple(past), future=(canvas.sheet, *canvas.future))
    return canvas


def _forth(canvas: Canvas, times: int) -> Canvas:
    times = min(times, len(canvas.future))
    for _ in range(times):
        sheet, *future = canvas.future
        canvas = replace(canvas, sheet=sheet, past=(*canvas.past, canvas.sheet), future=tuple(future))
    return canvas


def _within(number: int, least: int, most: int) -> int:
    return min(max(number, least), most)


def _sized(sheet: Sheet, width: float, height: float) -> Sheet:
    grain = sheet.grain
    least = -(-_SMALLEST // grain) * grain

    def side(pixels: float) -> int:
        return _within(round(pixels / grain) * grain, least, _LARGEST)

    return replace(sheet, width=side(width), height=side(height))


def _shaped(sheet: Sheet, shape: Shape) -> Sheet:
    """The shorter side stays; the longer one is half as long again."""
    short = min(sheet.width, sheet.height)
    long = short * 1.5
    match shape:
        case Shape.SQUARE:
            return _sized(sheet, short, short)
        case Shape.WIDE:
            return _sized(sheet, long, short)
        case Shape.TALL:
            return _sized(sheet, short, long)
        case _:
            assert_never(shape)
