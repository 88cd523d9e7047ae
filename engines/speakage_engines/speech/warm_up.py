"""Proof at start that a speech model hears: it transcribes a clip that ships, and the words must come out.

A model with the wrong features, a foreign tokenizer or half its weights loads without a complaint and writes fluent
nonsense; one known sentence tells. This does *not* measure how well a model hears.
"""

from __future__ import annotations

import logging
import wave
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import numpy as np

from speakage_engines.api import SAMPLE_RATE, ModelError, Samples, SpeechModel
from speakage_engines.speech.gates import plain_words

log = logging.getLogger(__name__)

ARTICLES: Final = frozenset({"a", "an", "the"})


@dataclass(frozen=True, slots=True)
class Clip:
    """A spoken sentence and its words."""

    audio: Samples
    text: str


def shipped_clip() -> Clip:
    """The clip inside the package: English, a synthetic voice, 16 kHz."""
    folder = files("speakage_engines") / "embedded"
    with (folder / "warm_up.wav").open("rb") as opened, wave.open(opened) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (SAMPLE_RATE, 1, 2):
            raise ModelError("warm_up.wav: not 16 kHz, mono, 16 bit; install speakage again")
        audio = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return Clip(audio, (folder / "warm_up.txt").read_text(encoding="utf-8").strip())


def prove(model: SpeechModel) -> None:
    """Transcribe the clip; wrong words raise :class:`ModelError`, or only warn when another language is expected."""
    clip = shipped_clip()
    try:
        heard = model.transcribe(clip.audio)
    except (RuntimeError, ValueError) as error:  # CTranslate2: shapes or kernels that do not fit
        raise ModelError(f"{model.choice.path}: the model loads but cannot run ({error}); get it again") from error
    if _telling(heard.text) == _telling(clip.text):
        return
    why = f" (rejected: {heard.rejection})" if heard.rejection else ""
    what = f"{model.choice.path}: the warm-up clip says {clip.text!r}, the model heard {heard.text!r}{why}"
    if model.language not in ("", "en"):
        log.warning("%s; it listens for %r, so that may be right", what, model.language)
    else:
        raise ModelError(f"{what}; get the model again, or choose another as speech.model")


def _telling(text: str) -> list[str]:
    """The words without articles: "the castle" is as right as "a castle"."""
    return [word for word in plain_words(text) if word not in ARTICLES]
