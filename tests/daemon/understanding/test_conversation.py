"""What is said is told as it is understood, painted, or followed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from speakage_daemon.config import Persona, PictureSettings
from speakage_daemon.errors import PictureError
from speakage_daemon.events import CanvasStart, PromptCreate, Start, StartChanged, Understood
from speakage_daemon.painting.painter import Job
from speakage_daemon.understanding.budget import Budget
from speakage_daemon.understanding.canvas import Canvas, Sheet
from speakage_daemon.understanding.conversation import Conversation, Surroundings
from speakage_daemon.understanding.director import Director, Promote
from speakage_daemon.understanding.moments import Moments
from speakage_daemon.understanding.rewriting import Rewrites
from speakage_daemon.uploads import KEPT, Uploads

NOW = Moments(last_voiced=100.0, transcribing=100.25, transcribed=100.3)


class Easel:
    """Takes what a painter takes."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.promoted: list[Promote] = []
        self.refused: list[str] = []

    def refuse(self, job: Job, reason: str) -> None:
        self.refused.append(reason)

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def promote(self, decision: Promote, moments: Moments | None = None) -> None:
        self.promoted.append(decision)


class Room:
    def __init__(
        self,
        seed: int = 7,
        drafts: int = 100,
        steps: int = 6,
        rewriter: Rewrites | None = None,
        names: tuple[str, ...] = (),
        **called: Persona,
    ) -> None:
        self.easel: Any = Easel()
        self.listening: list[bool] = []
        self.told: list[Any] = []
        self.uploads = Uploads(8, 8)
        around = Surroundings(
            number=lambda: 9,
            listen=self.listening.append,
            publish=self.told.append,
            uploads=self.uploads,
            rewriter=rewriter,
            names=names,
            drafts=Budget(drafts),
        )
        if called:
            around = replace(around, persona=lambda utterance: called.get(f"utterance_{utterance}"))
        canvas = Canvas(sheet=Sheet(steps=steps, guidance=2.5, width=128, height=128))
        settings = PictureSettings(seed=seed)
        self.conversation = Conversation(Director(canvas, 256 * 256), self.easel, around, settings)

    def say(self, utterance: int, text: str) -> None:
        self.conversation.at_pause(utterance, text, NOW)
        self.conversation.at_end(utterance, text, NOW)


def test_a_sentence_is_told_at_its_pause_and_at_its_end_and_painted_once() -> None:
    room = Room()
    room.say(1, "paint a car on a beach")
    assert room.told == [
        Understood(
            utterance=1,
            text="paint a car on a beach",
            kind="create",
            chips=("a car", "background: on a beach"),
            final=final,
        )
        for final in (False, True)
    ]
    assert [job.paint.prompt for job in room.easel.jobs] == ["a car on a beach"]
    assert room.easel.promoted == [Promote(utterance=1, revision=1)]


def test_what_is_certain_is_painted_and_told_while_someone_speaks() -> None:
    room = Room()
    for settled in ("a", "a castle", "a castle in", "a castle in the snow"):
        room.conversation.while_speaking(1, settled)
    room.say(1, "a castle in the snow")
    jobs = [(job.paint.prompt, job.paint.steps, job.paint.final) for job in room.easel.jobs]
    assert jobs == [("a castle", 1, False), ("a castle in the snow", 1, False), ("a castle in the snow", 6, False)]
    assert [one.chips for one in room.told[:2]] == [("a castle",), ("a castle", "background: in the snow")]


def test_no_more_is_painted_while_someone_speaks_than_the_settings_allow() -> None:
    room = Room(drafts=1)
    room.conversation.while_speaking(1, "a castle")
    room.conversation.while_speaking(1, "a castle in the snow")
    assert [job.paint.prompt for job in room.easel.jobs] == ["a castle"]
    room.say(1, "a castle in the snow")
    assert [job.paint.steps for job in room.easel.jobs] == [1, 6]


def test_where_no_drafts_are_allowed_nothing_is_painted_before_the_end() -> None:
    room = Room(drafts=0)
    room.conversation.while_speaking(1, "a castle")
    room.conversation.at_pause(1, "a castle in the snow", NOW)
    assert (room.easel.jobs, room.told) == ([], [])
    room.conversation.at_end(1, "a castle in the snow", NOW)
    assert [(job.paint.prompt, job.paint.final) for job in room.easel.jobs] == [("a castle in the snow", True)]


def test_a_draft_that_was_not_allowed_is_not_taken_for_painted() -> None:
    """With a model of one step it would be promoted, and nobody would ever see it."""
    room = Room(drafts=0, steps=1)
    room.conversation.while_speaking(1, "a castle")
    room.say(1, "a castle")
    assert [job.paint.prompt for job in room.easel.jobs] == ["a castle"]


def test_an_edit_is_told_as_one() -> None:
    room = Room()
    room.say(1, "a car")
    room.say(2, "make it blue")
    assert (room.told[-1].kind, room.told[-1].chips) == ("edit", ("colour: blue", "car"))
    assert room.easel.jobs[-1].paint.prompt == "a blue car"


def test_stop_listening_is_followed_at_the_end() -> None:
    room = Room()
    room.conversation.at_pause(1, "stop listening", NOW)
    assert room.listening == []
    room.conversation.at_end(1, "stop listening", NOW)
    assert room.listening == [False]
    assert room.easel.jobs == []
    assert room.told[-1].kind == "command"


def test_what_cannot_be_done_is_told() -> None:
    room = Room()
    room.say(1, "a car")
    room.say(2, "4000 by 4000")
    assert room.told[-1].cannot == "2048 × 2048: this model paints 65536 pixels at most"
    assert len(room.easel.jobs) == 1
    room.say(3, "make it wider")
    assert (room.told[-1].cannot, room.easel.jobs[-1].paint.size) == (None, (192, 128))


def test_silence_is_not_told() -> None:
    room = Room()
    room.say(1, "")
    assert room.told == []


def test_seeds_are_drawn_unless_one_is_set() -> None:
    drawn, fixed = Room(seed=-1), Room(seed=7)
    for room in (drawn, fixed):
        room.say(1, "a car")
        room.say(2, "a boat")
    assert [job.paint.seed for job in fixed.easel.jobs] == [7, 7]
    assert len({job.paint.seed for job in drawn.easel.jobs}) == 2


def shade(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


def test_a_picture_is_started_from_told_once_and_cleared_by_voice() -> None:
    room = Room()
    picture = room.uploads.keep(shade(90)).id
    room.conversation.start_from(CanvasStart(image_id=picture))
    room.say(1, "a castle")
    (job,) = room.easel.jobs
    assert job.start.strength == 0.6
    np.testing.assert_array_equal(job.start.rgb, shade(90))
    room.say(2, "only a little")
    assert room.easel.jobs[-1].start.strength == 0.35
    room.say(3, "clear")
    starts = [told.start for told in room.told if isinstance(told, StartChanged)]
    assert starts == [Start(image_id=picture, strength=0.6), Start(image_id=picture, strength=0.35), None]
    room.say(4, "a dog")
    assert room.easel.jobs[-1].start is None


def test_what_a_message_cannot_start_from_changes_nothing() -> None:
    room = Room()
    for message, sentence in (
        (CanvasStart(image_id="0" * 64), "image_id: no picture"),
        (CanvasStart(strength=0.5), "strength: there is nothing to start from without image_id"),
        (CanvasStart(mask_id="0" * 64), "mask_id: there is nothing"),
    ):
        with pytest.raises(PictureError, match=sentence):
            room.conversation.start_from(message)
    with pytest.raises(PictureError, match="image_id"):
        room.conversation.typed(PromptCreate(prompt="a car", image_id="0" * 64))
    assert room.told == []
    assert room.easel.jobs == []


def test_an_undo_to_a_picture_that_is_forgotten_says_so() -> None:
    room = Room()
    room.conversation.typed(PromptCreate(prompt="a castle", image_id=room.uploads.keep(shade(200)).id))
    room.conversation.typed(PromptCreate(prompt="a dog", image_id=room.uploads.keep(shade(201)).id))
    for value in range(KEPT):
        room.uploads.keep(shade(value))
    room.say(3, "undo")
    assert len(room.easel.jobs) == 2
    (reason,) = room.easel.refused
    assert "send it again" in reason


def test_who_was_called_paints_in_their_own_way() -> None:
    nabu = Persona(word="okay_nabu", name="Nabu", style="watercolor", adapters=("wash",))
    room = Room(utterance_1=nabu)
    room.say(1, "a car")
    room.say(2, "make it blue")
    painted = [(job.paint.prompt, job.paint.adapters) for job in room.easel.jobs]
    assert painted == [("a car, watercolor", ("wash",)), ("a blue car", None)]
    assert room.easel.promoted[0] == Promote(utterance=1, revision=1), "it is one picture, with the style and without"
