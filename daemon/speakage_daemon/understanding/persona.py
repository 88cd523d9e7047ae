"""Who was called, and how they paint: a persona's style goes into the prompt, its adapters onto the model. Pure.

The canvas knows nothing of it: "undo" or "make it blue", said to another persona, is painted the way of that one.
"""

from __future__ import annotations

from dataclasses import replace

from speakage_daemon.config import Persona
from speakage_daemon.understanding.director import Paint


def dressed(paint: Paint, persona: Persona | None) -> Paint:
    """What a persona makes of what is to be painted; nobody changes nothing."""
    if persona is None:
        return paint
    prompt = f"{paint.prompt}, {persona.style}" if persona.style else paint.prompt
    return replace(paint, prompt=prompt, adapters=persona.adapters or paint.adapters)
