"""Commands: what to do, and the settings of the canvas. Pure.

Only a whole sentence is a command: "undo" is, "a dog with an undo button" is not. What changes the picture's words is
an edit (:mod:`.edits`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from speakage_daemon.understanding.meaning import (
    Choose,
    NudgeGuidance,
    Order,
    Plain,
    Redo,
    ScaleSize,
    ScaleSteps,
    SetBatch,
    SetGuidance,
    SetSeed,
    SetSize,
    SetSteps,
    Undo,
)
from speakage_daemon.understanding.numbers import count_of, number_of, ordinal_of


def _each(order: Order, phrases: str) -> dict[str, Order]:
    return {" ".join(phrase.split()): order for phrase in phrases.split(",")}


_SENTENCES: Final[dict[str, Order]] = {
    **_each(
        Undo(),
        """
        undo, undo that, undo it, undo this, undo the last change, undo the last one, go back, back, step back,
        one step back, take that back, take it back, revert, revert that, not that, that is wrong, that was wrong,
        i do not like it, i do not like that, that was better before, it was better before
        """,
    ),
    **_each(
        Redo(),
        """
        redo, redo that, redo it, go forward, forward, one step forward, step forward
        """,
    ),
    **_each(
        Plain.AGAIN,
        """
        again, do it again, do that again, try again, once again, once more, one more, one more time, repeat,
        repeat that, another one, another, another picture, another version, a different one, something else,
        paint it again, draw it again, next, next one, give me another one, show me another one, make another one,
        roll again, show me another, new one, a new one
        """,
    ),
    **_each(
        Plain.SAVE,
        """
        save, save that, save it, save this, save this one, save that one, save the picture, save this picture,
        keep it, keep that, keep this, keep this one, keep that one, keep the picture
        """,
    ),
    **_each(
        Plain.CLEAR,
        """
        clear, clear that, clear it, clear all, clear everything, clear the canvas, clear the picture, start over,
        start again, start from scratch, from scratch, new picture, a new picture, empty canvas, blank canvas,
        an empty canvas, a blank canvas, delete everything, remove everything, delete the picture, wipe the canvas
        """,
    ),
    **_each(
        Plain.STOP_LISTENING,
        """
        stop listening, stop, do not listen, be quiet, go to sleep, good night, sleep, mute, pause, pause listening,
        stop listening to me
        """,
    ),
    **_each(
        Plain.START_LISTENING,
        """
        start listening, listen, listen to me, listen again, wake up, unmute, resume, continue, go on, start
        """,
    ),
    **_each(
        Plain.CANCEL,
        """
        cancel, cancel that, cancel it, never mind, nevermind, forget it, forget that, wait, wait a moment,
        stop painting
        """,
    ),
    **_each(
        Plain.NOTHING,
        """
        thanks, thank you, thank you very much, hello, hi, hey, yes, yeah, yep, no, nope, okay, ok, nice, great, wow,
        cool, i like it, i like that, that is nice, that is great, very nice, perfect, wonderful, please, um, uh, oh,
        good, well done, good morning
        """,
    ),
    **_each(
        Choose(number=-2),
        """
        previous, previous one, show me the previous
        """,
    ),
    **_each(
        Plain.HELP,
        """
        help, help me, what can you do, what can i say, how does this work
        """,
    ),
    **_each(
        Plain.KEEP_SEED,
        """
        keep this seed, keep the seed, keep that seed, keep seed, same seed, use the same seed, use this seed,
        the same seed, lock the seed, fix the seed, hold the seed, remember the seed, remember this seed
        """,
    ),
    **_each(
        Plain.SURPRISE,
        """
        surprise me, random, random seed, a random seed, use a random seed, any seed, new seed, a new seed,
        change the seed, change seed, another seed, a different seed, use a different seed, use another seed,
        unlock the seed, forget the seed, something random
        """,
    ),
    **_each(
        ScaleSteps(factor=2),
        """
        more steps, use more steps, double the steps, twice the steps, higher quality, better quality, best quality,
        slower
        """,
    ),
    **_each(
        ScaleSteps(factor=0.5),
        """
        fewer steps, less steps, use fewer steps, half the steps, lower quality, faster, quicker
        """,
    ),
    **_each(
        ScaleSize(factor=1.5),
        """
        make the picture bigger, make the picture larger, a bigger picture, a larger picture, bigger picture,
        larger picture, make the image bigger, make the image larger, higher resolution, more resolution, more pixels
        """,
    ),
    **_each(
        ScaleSize(factor=2 / 3),
        """
        make the picture smaller, a smaller picture, smaller picture, make the image smaller, lower resolution,
        less resolution, fewer pixels
        """,
    ),
    **_each(
        ScaleSize(factor=2),
        """
        double the size, twice the size, double the resolution, twice the resolution
        """,
    ),
    **_each(
        ScaleSize(factor=0.5),
        """
        half the size, half the resolution
        """,
    ),
    **_each(
        NudgeGuidance(by=1.5),
        """
        more guidance, stronger guidance, higher guidance, stick to my words, follow my words,
        stick closer to my words, closer to my words, listen to my words, follow the words more, follow my words more
        """,
    ),
    **_each(
        NudgeGuidance(by=-1.5),
        """
        less guidance, weaker guidance, lower guidance, be more creative, more creative, be creative, more freedom,
        be freer
        """,
    ),
    **_each(
        SetBatch(batch=1),
        """
        just one, only one, one at a time, one picture at a time, a single picture, no grid, just one picture,
        only one picture, one picture, show me one, show me just one, show me only one
        """,
    ),
}
_NUMBER: Final = r"(?P<number>[\w.]+(?: [\w.]+){0,4}?)"
_SET: Final = r"(?:(?:use|set|take|with|do|make it|paint it in|paint it with|in|at) )?(?:the )?(?:number of )?"
_PICTURES: Final = (
    r"(?:pictures?|images?|versions?|variations?|variants?|ones|options?|of them|of it|of those|at once|at a time)"
)
_TAKE: Final = (
    r"(?:(?:i (?:like|want|take|choose|prefer)|i will take|take|choose|pick|use|select|show me|show|go back to|back to|"
    r"go to|give me|let us take|let us go with|go with|keep) )?"
)


def _steps(match: re.Match[str]) -> Order | None:
    steps = count_of(match["number"])
    return None if not steps else SetSteps(steps=steps)


def _guidance(match: re.Match[str]) -> Order | None:
    guidance = number_of(match["number"])
    return None if guidance is None else SetGuidance(guidance=guidance)


def _seed(match: re.Match[str]) -> Order | None:
    seed = count_of(match["number"])
    return None if seed is None else SetSeed(seed=seed)


def _size(match: re.Match[str]) -> Order | None:
    width, height = count_of(match["number"]), count_of(match["other"] or match["number"])
    return None if not width or not height or min(width, height) < 16 else SetSize(width=width, height=height)


def _batch(match: re.Match[str]) -> Order | None:
    batch = 1 if match["number"] == "single" else count_of(match["number"])
    return None if not batch else SetBatch(batch=batch)


def _choice(match: re.Match[str]) -> Order | None:
    number = ordinal_of(match["which"])
    return None if number is None or not number else Choose(number=number)


def _counted_choice(match: re.Match[str]) -> Order | None:
    number = count_of(match["number"])
    return None if not number else Choose(number=number)


def _undo(match: re.Match[str]) -> Order | None:
    times = {"once": 1, "twice": 2, "everything": 500, "all": 500}.get(match["number"]) or count_of(match["number"])
    if not times:
        return None
    return Redo(times=times) if match["what"] in ("redo", "go forward") else Undo(times=times)


_PATTERNS: Final[tuple[tuple[str, Callable[[re.Match[str]], Order | None]], ...]] = (
    (rf"{_SET}{_NUMBER} (?:more )?steps?", _steps),
    (rf"{_SET}steps (?:to |is |are )?{_NUMBER}", _steps),
    (rf"{_SET}guidance(?: scale)?(?: of| to| is)? {_NUMBER}", _guidance),
    (rf"{_SET}seed(?: number)?(?: of| to| is)? {_NUMBER}", _seed),
    (
        rf"{_SET}(?:size |resolution )?(?:of |to )?{_NUMBER} (?:by|x|times) (?P<other>[\w.]+(?: \w+){{0,4}}?)"
        r"(?: pixels)?",
        _size,
    ),
    (rf"{_SET}(?:size |resolution )?(?:of |to )?{_NUMBER}(?P<other>) pixels", _size),
    (rf"{_SET}(?:size|resolution) (?:of |to )?{_NUMBER}(?P<other>)", _size),
    (rf"(?:show|give|paint|draw|make)(?: me| us)? {_NUMBER}(?: {_PICTURES})?", _batch),
    (rf"(?:show me |give me |i want |make |paint )?(?:a )?grid of {_NUMBER}(?: {_PICTURES})?", _batch),
    (rf"(?:i want |let us have |let us see )?{_NUMBER} {_PICTURES}", _batch),
    (rf"{_TAKE}(?:the )?(?P<which>\w+) (?:one|picture|image|version|variation|drawing|painting)", _choice),
    (rf"{_TAKE}the (?P<which>\w+)", _choice),
    (rf"{_TAKE}(?:picture|image|version|variation|number)(?: number)? {_NUMBER}", _counted_choice),
    (r"(?P<what>undo|redo|go back|go forward)(?: that| it)? (?P<number>\w+)(?: times| steps?)?", _undo),
)
_COMPILED: Final = tuple((re.compile(pattern), make) for pattern, make in _PATTERNS)


def order_of(text: str) -> Order | None:
    """The command that a sentence is, polite words taken off; ``None`` where it is none."""
    if text in _SENTENCES:
        return _SENTENCES[text]
    for pattern, make in _COMPILED:
        if (match := pattern.fullmatch(text)) and (order := make(match)):
            return order
    return None
