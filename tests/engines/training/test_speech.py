"""Synthesised speech in a folder: continued, never made twice, and never with a voice of the yardstick."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from speakage_engines.api import SAMPLE_RATE, ModelError
from speakage_engines.training import speech
from speakage_engines.training.speech import (
    FESTIVAL_VOICES,
    HELD_OUT,
    Order,
    Plan,
    Speech,
    festival_voices,
    held_out,
    make,
    order,
    speak,
)

INSTALLED = festival_voices()
FESTIVAL = [
    pytest.param(
        f"festival {voice}",
        marks=pytest.mark.skipif(voice not in INSTALLED, reason=f"festival's {voice} is optional and not installed"),
    )
    for voice in FESTIVAL_VOICES
]


def wanted(voice: str, words_per_minute: int = 150) -> Order:
    return Order("a red balloon next to a house", "", voice, words_per_minute, 50)


@pytest.mark.parametrize(
    "voice", ["espeak-ng en-us+f3", "espeak-ng en", "flite slt", "flite kal", *FESTIVAL, *HELD_OUT]
)
def test_voices_speak_at_their_rate_without_silence_around(voice: str) -> None:
    spoken = speak(wanted(voice))
    assert spoken.audio.dtype == np.int16
    assert 1 < len(spoken.audio) / SAMPLE_RATE < 4
    assert abs(int(spoken.audio[0])) > 32
    assert abs(int(spoken.audio[-1])) > 32
    assert len(speak(wanted(voice, 200)).audio) < len(spoken.audio) < len(speak(wanted(voice, 120)).audio)


def test_espeak_says_where_words_begin() -> None:
    spoken = speak(wanted("espeak-ng en-us+f3"))
    text = spoken.text
    places = [place for place, _ in spoken.words]
    assert {text[place:].split()[0] for place in places} >= {"red", "balloon", "next", "house"}
    samples = [sample for _, sample in spoken.words]
    assert samples == sorted(samples)
    assert samples[0] == 0
    assert samples[-1] < len(spoken.audio)
    # "balloon" is spoken where it is said to be: alone it is as long, give or take the neighbours' influence
    start, end = (dict(spoken.words)[text.index(word)] for word in ("balloon", "next"))
    alone = len(speak(Order("balloon", "", "espeak-ng en-us+f3", 150, 50)).audio)
    assert (end - start) / alone == pytest.approx(1, abs=0.35)


@pytest.mark.parametrize("accent", speech.ACCENTS)
def test_every_accent_is_installed_and_a_voice_of_its_own(accent: str) -> None:
    assert len(speak(wanted(f"espeak-ng {accent}")).audio)


def test_held_out_voices_are_known_in_every_combination() -> None:
    assert all(map(held_out, HELD_OUT))
    assert held_out("espeak-ng en-gb-scotland+f3")
    assert held_out("espeak-ng en+gustave")
    assert held_out("espeak-ng en-029+miguel")
    assert held_out("flite awb_time")
    assert not held_out("espeak-ng en-us+michel")


def test_no_plan_holds_a_voice_of_the_yardstick() -> None:
    for plan in (Plan(20_000, 1, FESTIVAL_VOICES), Plan(20_000, 7)):
        voices = {order(plan, number).voice for number in range(plan.utterances)}
        assert not [voice for voice in voices if held_out(voice)]
        assert len(voices) > 400, "there are many voices beside"
        assert {voice.split()[0] for voice in voices} >= {"espeak-ng", "flite"}
        assert {voice[9:] for voice in voices if voice.startswith("festival")} == set(plan.festival)


def test_voices_of_festival_that_are_not_installed_take_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(INSTALLED) <= set(FESTIVAL_VOICES)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert festival_voices() == ()


def test_a_voice_of_the_yardstick_is_refused_where_shards_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "FLITE_VOICES", ("awb",))
    with pytest.raises(ModelError, match="flite awb is held out"):
        make(tmp_path / "speech", Plan(30), 1)
    assert not list(tmp_path.rglob("*.npy"))


def test_a_folder_is_continued_and_never_made_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "SHARD_UTTERANCES", 4)
    monkeypatch.setattr(speech.shutil, "which", lambda _name: None)
    folder, plan, told = tmp_path / "speech", Plan(10), list[tuple[int, int]]()
    whole = make(folder, plan, 1, lambda done, of: told.append((done, of)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert len(whole) == 10
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    audio = [whole.utterance(number) for number in range(10)]
    (folder / "speech-00001.npy").unlink()
    with pytest.raises(ModelError, match="1 shards are not spoken yet"):
        Speech(folder)
    told.clear()
    again = make(folder, plan, 1, lambda done, of: told.append((done, of)))
    assert told == [(2, 3), (3, 3)]
    for path, written in before.items():
        assert (path.stat().st_mtime_ns == written) == (path.name != "speech-00001.npy")
    for number, utterance in enumerate(audio):
        assert again.utterance(number).text == order(plan, number).text == utterance.text
        assert again.samples(number) == len(again.utterance(number).audio)
    assert not list(folder.glob("*.part"))


def test_another_plan_wants_another_folder(tmp_path: Path) -> None:
    make(tmp_path, Plan(2), 1)
    with pytest.raises(ModelError, match="give another folder"):
        make(tmp_path, Plan(3), 1)


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps({"utterances": 3, "colour": 1}))
    with pytest.raises(ModelError, match=r"plan\.json: cannot be read"):
        make(tmp_path, Plan(3), 1)


def test_a_missing_synthesiser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ModelError, match="apt-get install flite"):
        speak(wanted("flite slt"))


def test_unknown_voices_are_named() -> None:
    with pytest.raises(ModelError, match="no voice 'xx-nowhere'"):
        speak(wanted("espeak-ng xx-nowhere"))
    with pytest.raises(ModelError, match="no synthesiser 'parrot'"):
        speak(wanted("parrot polly"))
