"""The grammar: whether a sentence asks for a new picture, an edit or a command, and which. Pure.

Corrections inside the sentence are resolved first (:mod:`.corrections`), polite words are taken off, then it is tried
as a command (:mod:`.orders`, :mod:`.strength`), then as an edit of what is on the canvas (:mod:`.edits`). What is
neither, or could be something else, is a new picture: nothing that was said is lost, and no text is an error. Nothing
is done here (:mod:`.canvas` does).
"""

from __future__ import annotations

import re
from typing import Final

from speakage_daemon.understanding.canvas import Canvas
from speakage_daemon.understanding.changes import Focused
from speakage_daemon.understanding.corrections import corrected
from speakage_daemon.understanding.edits import changes_of
from speakage_daemon.understanding.meaning import Command, Create, Edit, Meaning, Negative, Plain, Reshape
from speakage_daemon.understanding.orders import order_of
from speakage_daemon.understanding.prompt import prompt_of
from speakage_daemon.understanding.reading import scene_of
from speakage_daemon.understanding.strength import named_strength, strength_of

_POLITE: Final = re.compile(
    r"""^(?:
        (?:um+|uh+|er+|hm+|well|okay|ok|so|hey|hello|hi|please|maybe|perhaps|oh|alright|all\ right|yes|yeah|now|then
          |and\ then|and\ now|computer|speakage|actually|you\ know|i\ think|kindly)\b
      | just(?=\ (?:make|add|remove|put|move|change|turn|draw|paint|show)\b)
      | and(?=\ (?:the|it|that|both|all)\b.*\ (?:is|are|should)\ )
      | (?:(?:the\ )?same(?:\ one|\ thing|\ picture)?,?\ )?but\b
      | also(?=,)
      | i\ (?:have\ )?changed\ my\ mind\b
      | (?:can|could|would|will)\ you\b(?:\ (?:please|maybe|just))*
      | (?:can|could)\ we\b(?=\ (?:make|add|remove|put|move|change|turn|try)\b)
      | (?:i\ (?:want|need|would\ like|'d\ like)|i'd\ like)\ (?:you\ )?to\ (?:see\ )?(?=\w)
      | let(?:\ us|'s|s)\b(?=\ (?:make|add|remove|try|put|move|change|see|have|turn|take|go))
    )[\s,]*""",
    re.VERBOSE,
)
_THANKS: Final = re.compile(
    r"(?:[\s,]+(?:please|thanks|thank you|for me|right now|now|if you can|if possible|will you|can you|would you)"
    r"|, (?:okay|ok))$"
)
_CONTRACTIONS: Final = {
    "don't": "do not", "doesn't": "does not", "dont": "do not", "isn't": "is not", "it's": "it is", "that's": "that is",
    "there's": "there is", "i'd": "i would", "i'll": "i will", "let's": "let us", "shouldn't": "should not",
}  # fmt: skip
_TIMES: Final = re.compile(r"(?<=\d) ?[x×] ?(?=\d)")
_ADDING: Final = re.compile(r"^(?:also |and )*(?:add|insert|include|put in|and|also|plus|with)(?: also)? (?=\w)")
_WITHOUT_A_PICTURE: Final = (Negative, Reshape)
"""Edits that make sense before there is a picture."""


def understand(text: str, canvas: Canvas) -> Meaning:
    """What a sentence means on this canvas. Never raises."""
    said = _unpadded(corrected(text))
    plain = " ".join(_CONTRACTIONS.get(word, word) for word in _TIMES.sub(" by ", said).split())
    sentence = plain.replace(",", "")
    strength = strength_of(sentence) if canvas.sheet.start else None
    if order := strength or named_strength(sentence) or order_of(sentence):
        return Command(order=order)
    on = Focused(scene=canvas.sheet.scene, focus=canvas.sheet.focus)
    changes = changes_of(plain, on)
    if changes and (not on.scene.empty or all(isinstance(change, _WITHOUT_A_PICTURE) for change in changes)):
        return Edit(changes=changes)
    prompt = prompt_of(said)
    scene = scene_of((_ADDING.sub("", prompt) or prompt) if on.scene.empty else prompt)
    if not scene.empty:
        return Create(scene=scene)
    if scene.negatives:
        return Edit(changes=tuple(Negative(words=words) for words in scene.negatives))
    return Command(order=Plain.NOTHING)


def _unpadded(text: str) -> str:
    """Polite words and fillers taken off both ends."""
    for pattern in (_POLITE, _THANKS):
        previous = ""
        while text != previous:
            previous = text
            text = pattern.sub("", text).strip(" ,") or text
    return text
