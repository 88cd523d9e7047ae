"""A language model on a real port rewrites prompts, is slow, refuses, talks nonsense; the picture comes in any case."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from language_model import LanguageModel, nobody
from speakage_daemon.config import Persona, RewriterSettings
from speakage_daemon.events import CanvasStart, PromptCreate, RewritingCompleted, RewritingStarted
from speakage_daemon.understanding.director import Promote
from speakage_daemon.understanding.rewriter import LARGEST, Rewriter
from speakage_daemon.understanding.rewriting import Answer, Question

from .test_conversation import NOW, Room, shade

PATIENT = 20_000
"""A budget (ms) that no test comes near."""
CAR = Question(prompt="a red car", names=("Rex",))


@pytest.fixture
def model() -> Iterator[LanguageModel]:
    with LanguageModel() as running:
        yield running


@asynccontextmanager
async def running(url: str, **settings: Any) -> AsyncIterator[Rewriter]:
    rewriter = Rewriter(RewriterSettings(**{"url": url, "budget_ms": PATIENT, **settings}))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        part = tasks.create_task(rewriter.run())
        yield rewriter
        part.cancel()


def asked(url: str, question: Question = CAR, **settings: Any) -> tuple[Answer, Rewriter]:
    async def scenario() -> tuple[Answer, Rewriter]:
        async with running(url, **settings) as rewriter:
            answer: asyncio.Future[Answer] = asyncio.Future()
            rewriter.ask(question, answer.set_result)
            result = await answer
            await rewriter.idle()
            return result, rewriter

    return asyncio.run(scenario())


# --- what is asked and answered ---------------------------------------------------------------------------------------


def test_a_prompt_is_rewritten(model: LanguageModel) -> None:
    answer, rewriter = asked(f"{model.url}/", model="tiny", api_key="sk-secret")
    assert (answer.outcome, answer.text, answer.reason) == ("rewritten", "a red car, in soft light", "")
    assert 0 < answer.milliseconds < PATIENT
    assert rewriter.outcomes["rewritten"] == 1
    (request,) = model.asked
    assert request.body["model"] == "tiny"
    assert request.prompt == "a red car"
    assert request.headers["authorization"] == "Bearer sk-secret"


def test_without_a_key_none_is_sent(model: LanguageModel) -> None:
    asked(model.url)
    assert "authorization" not in model.asked[0].headers


def test_what_is_slow_is_waited_for_no_longer_than_allowed(model: LanguageModel, caplog: Any) -> None:
    model.answers = model.wait
    answer, rewriter = asked(model.url, budget_ms=300)
    assert (answer.outcome, answer.text) == ("too_slow", "")
    assert answer.chip == "rewriter too slow: painted as said"
    assert answer.reason == "no answer within 300 ms"
    assert answer.milliseconds >= 300
    assert rewriter.outcomes["too_slow"] == 1
    assert model.left.wait(20), "the server may stop its work"
    assert "painted as said: no answer within 300 ms" in caplog.text


def test_where_nobody_answers_the_address_is_told() -> None:
    url = nobody()
    answer, _ = asked(url)
    assert answer.outcome == "unreachable"
    assert answer.reason.startswith(f"{url}: ")


def test_no_address_at_all_is_not_reached_either() -> None:
    assert asked("http://no one here/v1")[0].outcome == "unreachable"


@pytest.mark.parametrize(("status", "said"), [(404, "model 'x' not found"), (401, "bad key sk-secret"), (307, "")])
def test_an_http_error_is_told_without_the_key(model: LanguageModel, status: int, said: str, caplog: Any) -> None:
    model.answers = model.send(said.encode(), status)
    answer, _ = asked(model.url, api_key="sk-secret")
    assert answer.outcome == "refused"
    assert answer.reason.startswith(f"status {status}: {said.removesuffix('sk-secret')}")
    assert "sk-secret" not in answer.reason + caplog.text


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>hello</html>", "no chat completion"),
        (b'{"choices": []}', "no chat completion"),
        (b"x" * (LARGEST + 1), "more than"),
    ],
)
def test_nonsense_is_not_painted(model: LanguageModel, body: bytes, why: str) -> None:
    model.answers = model.send(body)
    answer, _ = asked(model.url)
    assert answer.outcome == "unusable"
    assert why in answer.reason


def test_a_lost_name_is_told(model: LanguageModel) -> None:
    model.answers = model.say("a dog on a hill")
    answer, rewriter = asked(model.url, Question(prompt="rex on a hill", names=("Rex",)))
    assert (answer.outcome, answer.reason) == ("name_lost", "Rex is missing in the answer")
    assert rewriter.outcomes["name_lost"] == 1


def test_the_newest_question_wins_and_the_older_connection_is_closed(model: LanguageModel) -> None:
    async def scenario() -> tuple[list[Answer], Rewriter]:
        answers: list[Answer] = []
        model.answers = model.wait
        async with running(model.url) as rewriter:
            rewriter.ask(Question(prompt="a boat"), answers.append)
            assert await asyncio.to_thread(model.waiting.wait, 20)
            model.answers = model.say("{} at sea")
            newest: asyncio.Future[Answer] = asyncio.Future()
            rewriter.ask(Question(prompt="a ship"), newest.set_result)
            answers.append(await newest)
            assert await asyncio.to_thread(model.left.wait, 20)
            rewriter.cancel()
            return answers, rewriter

    answers, rewriter = asyncio.run(scenario())
    assert [answer.text for answer in answers] == ["a ship at sea"]
    assert (rewriter.outcomes["superseded"], rewriter.outcomes["rewritten"]) == (1, 1)


def test_a_question_that_is_cancelled_before_it_was_sent_is_never_sent(model: LanguageModel) -> None:
    async def scenario() -> None:
        rewriter = Rewriter(RewriterSettings(url=model.url))
        rewriter.ask(CAR, lambda _: None)
        rewriter.cancel()
        await rewriter.idle()
        async with asyncio.TaskGroup() as tasks:
            part = tasks.create_task(rewriter.run())
            answer: asyncio.Future[Answer] = asyncio.Future()
            rewriter.ask(Question(prompt="a ship"), answer.set_result)
            await answer
            part.cancel()

    asyncio.run(scenario())
    assert [one.prompt for one in model.asked] == ["a ship"]


def test_the_log_tells_trouble_once_and_its_end_once(model: LanguageModel, caplog: Any) -> None:
    caplog.set_level(logging.INFO, "speakage_daemon")

    async def scenario() -> None:
        async with running(model.url) as rewriter:
            for answers in (model.send(b"?"), model.send(b"?"), model.say("{}!"), model.say("{} at sea")):
                model.answers = answers
                answer: asyncio.Future[Answer] = asyncio.Future()
                rewriter.ask(CAR, answer.set_result)
                await answer

    asyncio.run(scenario())
    told = [record.message for record in caplog.records if record.name.startswith("speakage_daemon")]
    assert len(told) == 2
    assert told[0].startswith("a prompt was not rewritten, and is painted as said: it is no chat completion")
    assert told[1] == "prompts are rewritten again"


def test_prompts_that_leave_the_machine_are_told_of_once(caplog: Any) -> None:
    async def scenario(url: str) -> None:
        async with running(url):
            # its first turn, in which it would tell
            await asyncio.sleep(0)

    asyncio.run(scenario("http://192.0.2.7:8080/v1"))
    asyncio.run(scenario("http://127.0.0.1:8080/v1"))
    told = [record.message for record in caplog.records if "leave this machine" in record.message]
    assert told == ["rewriter.url: the prompts of final pictures leave this machine, for 192.0.2.7"]


# --- what is painted --------------------------------------------------------------------------------------------------


class Studio(Room):
    """A room whose prompts a language model rewrites."""

    def __init__(self, rewriter: Rewriter, **settings: Any) -> None:
        super().__init__(rewriter=rewriter, **settings)
        self.rewriter = rewriter

    async def say(self, utterance: int, text: str) -> None:  # type: ignore[override]
        """And wait for what is painted."""
        super().say(utterance, text)
        await self.rewriter.idle()

    @property
    def painted(self) -> list[tuple[str, int, bool]]:
        return [(job.paint.prompt, job.paint.seed, job.paint.final) for job in self.easel.jobs]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


def play(url: str, script: Callable[[Studio], Awaitable[None]], *, budget_ms: int = PATIENT, **room: Any) -> Studio:
    async def scenario() -> Studio:
        async with running(url, budget_ms=budget_ms) as rewriter:
            studio = Studio(rewriter, **room)
            await script(studio)
            return studio

    return asyncio.run(scenario())


def test_the_final_picture_is_painted_with_the_rewritten_prompt(model: LanguageModel) -> None:
    async def script(room: Studio) -> None:
        room.conversation.while_speaking(1, "a castle")
        await room.say(1, "paint a castle in the snow")

    room = play(model.url, script)
    assert room.painted == [
        ("a castle", 7, False),
        ("a castle in the snow", 7, False),
        ("a castle in the snow, in soft light", 7, True),
    ]
    assert room.easel.promoted == [], "the picture of the pause gives way"
    assert [one.prompt for one in model.asked] == ["a castle in the snow"], "drafts ask nobody"
    last = room.easel.jobs[-1]
    assert (last.paint.rewritten_from, last.paint.transcript) == ("a castle in the snow", "paint a castle in the snow")
    assert last.moments is NOW
    assert last.rewrite_ms > 0
    (started,) = room.of(RewritingStarted)
    assert started == RewritingStarted(
        utterance=1, transcript="paint a castle in the snow", understood="a castle in the snow", budget_ms=PATIENT
    )
    (completed,) = room.of(RewritingCompleted)
    assert (completed.outcome, completed.chip) == ("rewritten", "rewritten")
    assert (completed.understood, completed.prompt) == ("a castle in the snow", last.paint.prompt)
    assert completed.revision == last.paint.revision == 3
    assert completed.milliseconds == last.rewrite_ms


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (lambda model: model.wait, "too_slow"),
        (lambda model: model.send(b"no", 500), "refused"),
        (lambda model: model.say("Sure!\nA castle."), "unusable"),
        (lambda model: model.say("A castle."), "unchanged"),
    ],
)
def test_otherwise_the_grammars_picture_is_the_final_one_and_that_is_told(
    model: LanguageModel, answers: Any, outcome: str
) -> None:
    model.answers = answers(model)

    async def script(room: Studio) -> None:
        await room.say(1, "a castle")

    room = play(model.url, script, budget_ms=400 if outcome == "too_slow" else PATIENT)
    assert room.painted == [("a castle", 7, False)]
    assert room.easel.promoted == [Promote(utterance=1, revision=1)]
    (completed,) = room.of(RewritingCompleted)
    assert (completed.outcome, completed.prompt, completed.revision) == (outcome, "a castle", 1)
    assert bool(completed.reason) == (outcome != "unchanged")


def test_without_a_pauses_picture_the_grammars_prompt_is_painted_when_nobody_answers() -> None:
    async def script(room: Studio) -> None:
        await room.say(1, "a castle")

    room = play(nobody(), script, drafts=0)
    assert room.painted == [("a castle", 7, True)]
    assert room.easel.jobs[0].rewrite_ms > 0, "the time that it cost is told"
    assert room.of(RewritingCompleted)[0].chip == "rewriter not reached: painted as said"


def test_a_typed_prompt_is_rewritten_too(model: LanguageModel) -> None:
    async def script(room: Studio) -> None:
        room.conversation.typed(PromptCreate(prompt="A castle", seed=3, steps=2))
        assert room.easel.jobs == [], "its picture waits"
        await room.rewriter.idle()

    room = play(model.url, script)
    assert room.painted == [("A castle, in soft light", 3, True)]
    paint = room.easel.jobs[0].paint
    assert (paint.steps, paint.revision, paint.rewritten_from) == (2, 1, "A castle")
    assert room.of(RewritingStarted)[0].transcript == "A castle"


def test_commands_ask_nobody_and_undo_and_redo_bring_back_the_very_pictures(model: LanguageModel) -> None:
    said = ("a castle", "make it blue", "undo", "redo", "undo", "show me four", "more like that", "save that")

    async def script(room: Studio) -> None:
        for number, text in enumerate(said, 1):
            await room.say(number, text)

    room = play(model.url, script, seed=-1, drafts=0)
    castle, blue, back, forth, again, four, like = (job.paint for job in room.easel.jobs)
    assert [one.prompt for one in model.asked] == ["a castle", "a blue castle"], "edits begin from what was understood"
    assert castle.prompt == "a castle, in soft light"
    assert blue.prompt == "a blue castle, in soft light"
    assert (blue.seed, blue.rewritten_from) == (castle.seed, "a blue castle")
    for one, other in ((back, castle), (forth, blue), (again, castle)):
        assert (one.prompt, one.seed, one.rewritten_from) == (other.prompt, other.seed, other.rewritten_from)
    assert (four.prompt, four.batch, four.seed) == (castle.prompt, 4, castle.seed)
    assert like.prompt == castle.prompt


def test_undo_brings_back_what_was_painted_as_said(model: LanguageModel) -> None:
    async def script(room: Studio) -> None:
        model.answers = model.send(b"", 500)
        await room.say(1, "a castle")
        model.answers = model.say("{} at dawn")
        await room.say(2, "a castle")
        await room.say(3, "undo")

    room = play(model.url, script, drafts=0)
    assert [prompt for prompt, *_ in room.painted] == ["a castle", "a castle at dawn", "a castle"]


def test_a_picture_among_several_keeps_its_words(model: LanguageModel) -> None:
    async def script(room: Studio) -> None:
        await room.say(1, "a castle")
        await room.say(2, "a dog")
        await room.say(3, "back to the first picture")

    room = play(model.url, script, seed=-1, drafts=0)
    castle, _, back = (job.paint for job in room.easel.jobs)
    assert (back.prompt, back.seed) == (castle.prompt, castle.seed)


def test_what_waits_is_painted_as_said_when_something_newer_comes(model: LanguageModel) -> None:
    model.answers = model.wait

    async def script(room: Studio) -> None:
        Room.say(room, 1, "a castle")
        assert await asyncio.to_thread(model.waiting.wait, 20)
        room.conversation.while_speaking(2, "a")
        assert room.easel.promoted == [], "nothing newer is painted yet"
        room.conversation.while_speaking(2, "a dog")
        assert await asyncio.to_thread(model.left.wait, 20), "nobody waits for it"
        model.answers = model.say("{}, in soft light")
        await room.say(2, "a dog")

    room = play(model.url, script)
    assert room.easel.promoted == [Promote(utterance=1, revision=1)], "no final picture is lost"
    assert [prompt for prompt, *_ in room.painted] == ["a castle", "a dog", "a dog", "a dog, in soft light"]
    outcomes = [(one.utterance, one.outcome) for one in room.of(RewritingCompleted)]
    assert outcomes == [(1, "superseded"), (2, "rewritten")]


@pytest.mark.parametrize("newer", ["undo", "keep this seed", "clear", "a dog"])
def test_whatever_changes_the_canvas_ends_the_wait(model: LanguageModel, newer: str) -> None:
    model.answers = model.wait

    async def script(room: Studio) -> None:
        Room.say(room, 1, "a castle")
        Room.say(room, 2, newer)
        room.conversation.typed(PromptCreate(prompt="a boat"))
        room.conversation.start_from(CanvasStart(image_id=room.uploads.keep(shade(90)).id))
        assert room.rewriter.outcomes["superseded"] == len(room.of(RewritingStarted))
        await room.rewriter.idle()

    room = play(model.url, script, drafts=0)
    prompts = [prompt for prompt, *_ in room.painted]
    assert prompts == ["a castle", *([newer] if newer == "a dog" else []), "a boat"]
    assert {one.outcome for one in room.of(RewritingCompleted)} == {"superseded"}


@pytest.mark.parametrize("said", ["save that", "thank you", "stop listening", "4000 by 4000", ""])
def test_what_changes_nothing_lets_it_wait(model: LanguageModel, said: str) -> None:
    async def script(room: Studio) -> None:
        Room.say(room, 1, "a castle")
        await room.say(2, said)
        await room.say(3, "undo")
        await room.say(4, "redo")

    room = play(model.url, script, drafts=0)
    assert [prompt for prompt, *_ in room.painted] == ["a castle, in soft light"] * 2


def test_an_answer_that_comes_after_the_next_words_began_belongs_to_its_picture(model: LanguageModel) -> None:
    async def script(room: Studio) -> None:
        Room.say(room, 1, "a castle")
        # as far as the next utterance has come there is nothing to paint
        room.conversation.while_speaking(2, "make")
        await room.rewriter.idle()
        await room.say(2, "make it blue")
        await room.say(3, "undo")

    room = play(model.url, script)
    finals = [prompt for prompt, _, final in room.painted if final]
    assert finals == ["a castle, in soft light", "a blue castle, in soft light", "a castle, in soft light"]


def test_names_and_personas_survive(model: LanguageModel) -> None:
    nabu = Persona(word="okay_nabu", name="Nabu", style="watercolor", hotwords="Bella")

    async def script(room: Studio) -> None:
        model.answers = model.say("a dog on a hill")
        await room.say(1, "rex on a hill")
        await room.say(2, "bella on a hill")
        model.answers = model.say("Bella on a green hill")
        await room.say(2, "bella on a hill")

    room = play(model.url, script, names=("Rex",), drafts=0, utterance_2=nabu)
    outcomes = [(one.outcome, one.reason) for one in room.of(RewritingCompleted)]
    assert outcomes == [
        ("name_lost", "Rex is missing in the answer"),
        ("name_lost", "Bella is missing in the answer"),
        ("rewritten", ""),
    ]
    prompts = [prompt for prompt, *_ in room.painted]
    assert prompts == ["rex on a hill", "bella on a hill, watercolor", "Bella on a green hill, watercolor"]


def test_the_daemon_goes_on_while_it_waits(model: LanguageModel) -> None:
    model.answers = model.wait

    async def script(room: Studio) -> None:
        Room.say(room, 1, "a castle")
        turns, began = 0, time.monotonic()
        while not room.of(RewritingCompleted):
            await asyncio.sleep(0)
            turns += 1
        assert time.monotonic() - began >= 0.4
        assert turns > 100, "the event loop was never held"

    play(model.url, script, budget_ms=400)
