"""A wake word and what is said behind it: real voices, the real detector, the real ear and the real transcriber."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from speakage_daemon import app
from speakage_daemon.config import Config, HearingSettings, Persona, SpeechSettings
from speakage_daemon.events import DaemonEvent, ListeningChanged, SpeechStopped, TranscriptionCompleted, WakeDetected
from speakage_engines.api import Samples
from speakage_engines.training.speech import Order, speak

CASTLE = "a castle in the snow"
ROBOT = "draw a robot in the forest"


def said(text: str, words_per_minute: int = 130) -> Samples:
    return speak(Order(text, "", "flite rms", words_per_minute, 50)).audio


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * 16_000), np.int16)


def heard(folder: Path, *pieces: Samples, **settings: object) -> list[DaemonEvent]:
    """What the daemon tells of a recording."""
    path = folder / "said.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.concatenate([silence(1.5), *pieces, silence(1.5)]).tobytes())
    hearing = HearingSettings.model_validate({"source": f"file:{path}", "file_pace": "fast", "mode": "word"} | settings)
    events: list[DaemonEvent] = []
    asyncio.run(app.listen(Config(hearing=hearing, speech=SpeechSettings(model="embedded")), events.append))
    return events


def sentences(events: list[DaemonEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, TranscriptionCompleted) and event.text]


def test_a_sentence_straight_behind_the_word_is_whole_and_has_no_rest_of_it(tmp_path: Path) -> None:
    events = heard(tmp_path, said("a house at night"), silence(1.5), said(f"okay nabu {CASTLE}"))
    assert sentences(events) == [CASTLE], "what was said before the word is not heard at all"
    woken = [event for event in events if isinstance(event, WakeDetected)]
    assert [(event.word, event.persona) for event in woken] == [("okay nabu", "")]
    assert woken[0].score > 0.87


@pytest.mark.parametrize("words_per_minute", [120, 140])
def test_so_is_one_after_a_breath(tmp_path: Path, words_per_minute: int) -> None:
    assert sentences(heard(tmp_path, said(f"okay nabu, {ROBOT}", words_per_minute))) == [ROBOT]


def test_the_word_alone_opens_the_window_and_says_nothing(tmp_path: Path) -> None:
    events = heard(tmp_path, said("okay nabu"), silence(3), said(CASTLE))
    assert [event.text for event in events if isinstance(event, TranscriptionCompleted)] == [CASTLE]
    waiting = [event.waiting_for for event in events if isinstance(event, ListeningChanged)]
    assert waiting[:2] == [("okay nabu",), ()]


def test_no_word_is_needed_until_the_window_is_over(tmp_path: Path) -> None:
    pieces = [said(f"okay nabu {CASTLE}"), silence(1.5), said("make it blue"), silence(4), said("a house at night")]
    events = heard(tmp_path, *pieces, follow_up_s=2)
    assert sentences(events) == [CASTLE, "make it blue"]
    waiting = [event.waiting_for for event in events if isinstance(event, ListeningChanged)]
    assert waiting == [("okay nabu",), (), ("okay nabu",), ("okay nabu",)]


def test_the_word_in_the_window_begins_anew(tmp_path: Path) -> None:
    events = heard(tmp_path, said("okay nabu"), silence(2.5), said(f"okay nabu {CASTLE}"))
    assert sentences(events) == [CASTLE]
    assert len([event for event in events if isinstance(event, WakeDetected)]) == 2
    assert [event.reason for event in events if isinstance(event, SpeechStopped)] == ["woken", "silence"]
    assert [event.reason for event in events if isinstance(event, TranscriptionCompleted)] == ["woken", None]


def test_personas_are_called_by_words_of_their_own(tmp_path: Path) -> None:
    alexa = Persona(word="alexa", name="Alexa", style="watercolor")
    events = heard(tmp_path, said("alexa"), silence(1), said(CASTLE), personas=(alexa,))
    assert [(event.word, event.persona) for event in events if isinstance(event, WakeDetected)] == [("alexa", "Alexa")]
    assert sentences(events) == [CASTLE]
    first = next(event for event in events if isinstance(event, ListeningChanged))
    assert first.waiting_for == ("okay nabu", "alexa")


def test_a_phrase_calls_at_the_beginning_of_a_sentence_only(tmp_path: Path) -> None:
    pieces = [said(CASTLE), silence(1.5), said("imagine a dog on a beach"), silence(1.5), said("make it blue")]
    events = heard(tmp_path, *pieces, mode="phrase", wake_phrases=("imagine",), follow_up_s=3)
    told = [(event.text, event.reason) for event in events if isinstance(event, TranscriptionCompleted)]
    assert told == [("", "not_addressed"), ("a dog on a beach", None), ("make it blue", None)]
    woken = [event for event in events if isinstance(event, WakeDetected)]
    assert [event.word for event in woken] == ["imagine"]
    waiting = [event.waiting_for for event in events if isinstance(event, ListeningChanged)]
    assert waiting[0] == ("imagine",)
    assert () in waiting
