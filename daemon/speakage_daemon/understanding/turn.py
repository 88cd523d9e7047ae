"""Whose turn it is: which of the words so far are certain, and whether something is plainly missing. Pure.

What has an unfinished tail (:mod:`.tail`) is waited for longer than a sentence that could be whole. What could go on
and need not ("a castle", then "in the snow") counts as whole: nobody would wait after every sentence for that.
"""

from __future__ import annotations

from speakage_daemon.understanding.canvas import Canvas
from speakage_daemon.understanding.commands import understand
from speakage_daemon.understanding.meaning import Command, Describe, Edit, Mood, Plain, Recolour, Resize, Scale
from speakage_daemon.understanding.tail import finished


def certain(text: str, canvas: Canvas) -> str:
    """Without its unfinished tail; "make it blue" has none, though a colour often waits for its noun."""
    match understand(text, canvas):
        case Edit(changes=(*_, Recolour() | Resize() | Scale() | Describe() | Mood())):
            return text
        case _:
            return finished(text)


def unfinished(text: str, canvas: Canvas) -> bool:
    """Whether more has to come: "a house next to the", "draw me a", "um"; not "undo", not "make it blue"."""
    said = " ".join(text.split())
    match understand(said, canvas):
        case Command(order=Plain.NOTHING):
            return bool(said)
        case Command():
            return False
        case _:
            return certain(said, canvas) != said
