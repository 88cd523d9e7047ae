"""Which answers of a language model are painted, and what people are told of the others."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.config import RewriterSettings
from speakage_daemon.errors import RewriteError
from speakage_daemon.events import MAX_PROMPT, RewriteOutcome
from speakage_daemon.understanding.rewriting import (
    Answer,
    Question,
    answered,
    checked,
    host_beyond,
    known_names,
    prompt_in,
    refusal,
    request,
)

CAR = Question(prompt="a red car on a beach")


def completion(content: object, finish: str | None = "stop") -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}, "finish_reason": finish}]}).encode()


def refused(content: str, question: Question = CAR) -> tuple[str, str]:
    with pytest.raises(RewriteError) as raised:
        checked(content, question)
    return raised.value.outcome, str(raised.value)


def test_the_request_is_small_and_names_the_model_only_where_there_is_one() -> None:
    settings = RewriterSettings(url="http://127.0.0.1:1/v1", model="tiny", instructions="Rewrite.")
    body = json.loads(request(CAR, settings))
    assert body["model"] == "tiny"
    assert body["messages"] == [
        {"role": "system", "content": "Rewrite."},
        {"role": "user", "content": "a red car on a beach"},
    ]
    assert body["stream"] is False
    assert "model" not in json.loads(request(CAR, RewriterSettings(url="http://127.0.0.1:1/v1")))


def test_an_answer_is_one_line_of_plain_text() -> None:
    assert prompt_in(completion("A red car on a windy beach, low sun"), CAR) == "A red car on a windy beach, low sun"
    assert checked('\n  "A red\tcar\x07 on a beach,  low sun"\n\n', CAR) == "A red car on a beach, low sun"
    assert checked("“a red car on a beach”", CAR) == "a red car on a beach"
    assert checked('"a car" and "a beach"', CAR) == '"a car" and "a beach"'
    assert checked('"a car', CAR) == '"a car'
    assert checked("a car \ud800on a beach", CAR) == "a car on a beach"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "the answer is empty"),
        (" \n\x00\n", "the answer is empty"),
        ("Here is the prompt:\n\na red car", "the answer has 2 lines; a prompt is one"),
        ("a car\u2028a beach", "the answer has 2 lines; a prompt is one"),
        ("…!", "the answer has no words"),
        ('""', "the answer has no words"),
        ("a" * (MAX_PROMPT + 1), f"the answer has {MAX_PROMPT + 1} characters; a prompt has at most {MAX_PROMPT}"),
    ],
)
def test_what_is_no_prompt_is_not_painted(content: str, why: str) -> None:
    assert refused(content) == ("unusable", why)


def test_a_prompt_may_be_as_long_as_one_that_is_typed() -> None:
    assert checked("a" * MAX_PROMPT, CAR) == "a" * MAX_PROMPT


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "it is no chat completion (the answer: Invalid JSON"),
        (b"{}", "it is no chat completion (choices: Field required)"),
        (b'{"choices": []}', "it is no chat completion (choices: List should have at least 1 item"),
        (b'{"choices": [{"message": {"content": 7}}]}', "choices.0.message.content"),
        (completion(None), "the answer is empty"),
        (completion("a red car on a", "length"), "the answer was cut off after 200 tokens"),
    ],
)
def test_what_is_no_chat_completion_is_not_painted(body: bytes, why: str) -> None:
    with pytest.raises(RewriteError) as raised:
        prompt_in(body, CAR)
    assert raised.value.outcome == "unusable"
    assert why in str(raised.value)


def test_a_name_that_was_taught_survives_or_the_answer_is_refused() -> None:
    rex = Question(prompt="rex and aunt mary on a beach", names=("Rex", "Aunt Mary", "Bella"))
    assert checked("Rex's day: REX beside Aunt  Mary, at the sea", rex) == "Rex's day: REX beside Aunt Mary, at the sea"
    assert refused("a dog and aunt mary at the sea", rex) == ("name_lost", "Rex is missing in the answer")
    assert refused("T-rexes and aunt mary at the sea", rex)[0] == "name_lost"
    assert refused("Rex and Mary at the sea", rex) == ("name_lost", "Aunt Mary is missing in the answer")


def test_what_only_a_picture_model_knows_survives_without_being_told_of() -> None:
    subject = Question(prompt="a photo of <subject-1> in the snow")
    assert checked("<subject-1> in deep snow", subject) == "<subject-1> in deep snow"
    assert refused("a dog in deep snow", subject) == ("name_lost", "<subject-1> is missing in the answer")


def test_the_same_words_are_no_other_prompt() -> None:
    assert answered("A red car, on a beach.", CAR) == Answer(outcome="unchanged")
    assert answered("a red car at sea", CAR) == Answer(outcome="rewritten", text="a red car at sea")


def test_names_are_the_words_that_ears_expect_and_those_to_keep() -> None:
    assert known_names("Rex, Bella;Rex", "", keep=("Aunt  Mary", " ")) == ("Aunt Mary", "Rex", "Bella")


def test_a_refusal_tells_what_the_server_says_but_not_the_key_that_it_repeats() -> None:
    error = refusal(401, b'{"error":\n "wrong key sk-secret"}', "sk-secret")
    assert (error.outcome, str(error)) == ("refused", 'status 401: {"error": "wrong key …"}')
    assert str(refusal(500, b"", "")) == "status 500: no reason given"
    assert len(str(refusal(500, b"x" * 10_000, ""))) < 300


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:11434/v1", ""),
        ("http://localhost:8080", ""),
        ("http://ollama.localhost/v1", ""),
        ("http://[::1]:8080/v1", ""),
        ("http://192.168.1.7:11434/v1", "192.168.1.7"),
        ("https://api.example.com/v1", "api.example.com"),
        ("", ""),
    ],
)
def test_it_is_known_what_leaves_the_machine(url: str, host: str) -> None:
    assert host_beyond(url) == host


def test_every_outcome_has_a_few_words() -> None:
    chips = [Answer(outcome=outcome).chip for outcome in get_args(RewriteOutcome)]
    assert len(set(chips)) == len(chips)
    assert Answer(outcome="too_slow").chip == "rewriter too slow: painted as said"


@given(st.text(max_size=200), st.text(max_size=50))
def test_whatever_a_model_writes_is_a_prompt_or_refused(content: str, name: str) -> None:
    question = Question(prompt=f"a car and {name}", names=known_names(name))
    try:
        text = checked(content, question)
    except RewriteError:
        return
    assert text == " ".join(text.split())
    assert 0 < len(text) <= MAX_PROMPT
    assert len(text.splitlines()) == 1
