"""Rewriting prompts: what a language model is asked, which answers are taken, and what people are told. Pure.

The grammar's prompt stays what is understood, changed and undone; an answer is only other words for one picture. What
comes from a model is believed as little as what comes from any client: it is one line of a prompt's length, and it
keeps the names that the picture model was taught, or it is not painted. Nothing is sent here (:mod:`.rewriter` does).
"""

from __future__ import annotations

import ipaddress
import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from speakage_daemon.config import RewriterSettings
from speakage_daemon.errors import RewriteError
from speakage_daemon.events import MAX_PROMPT, RewriteOutcome
from speakage_daemon.understanding.prompt import same_meaning

MAX_TOKENS: Final = 200
"""Of an answer: more than any text encoder reads."""
_EXCERPT: Final = 200
"""Characters of what a server says about an error."""
_TAUGHT: Final = re.compile(r"<[\w-]+>")
"""Tokens that a picture model was taught are written so."""
_QUOTES: Final = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`"}
_CHIPS: Final[dict[RewriteOutcome, str]] = {
    "rewritten": "rewritten",
    "unchanged": "rewriter changed nothing",
    "too_slow": "rewriter too slow: painted as said",
    "unreachable": "rewriter not reached: painted as said",
    "refused": "rewriter refused: painted as said",
    "unusable": "rewriter made no prompt: painted as said",
    "name_lost": "rewriter lost a name: painted as said",
    "superseded": "not rewritten: something newer came",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt to rewrite."""

    prompt: str
    """As the grammar has it."""
    names: tuple[str, ...] = ()
    """Those of them that are in the prompt must be in the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a question."""

    outcome: RewriteOutcome
    text: str = ""
    """The prompt to paint; empty where that is the grammar's."""
    reason: str = ""
    """Why it is, in a sentence."""
    milliseconds: float = 0.0

    @property
    def chip(self) -> str:
        """In a few words, for a display."""
        return _CHIPS[self.outcome]


class Rewrites(Protocol):
    """Asks a language model; one question at a time, the newest."""

    @property
    def budget_ms(self) -> int:
        """How long an answer is waited for."""

    def ask(self, question: Question, then: Callable[[Answer], None]) -> None:
        """Returns at once; ``then`` is called on the event loop, unless this is cancelled or another is asked."""

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""


def request(question: Question, settings: RewriterSettings) -> bytes:
    """The body of a chat completion."""
    body = {
        **({"model": settings.model} if settings.model else {}),
        "messages": [
            {"role": "system", "content": settings.instructions},
            {"role": "user", "content": question.prompt},
        ],
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        "stream": False,
    }
    return json.dumps(body).encode()


def prompt_in(body: bytes, question: Question) -> str:
    """The prompt in a chat completion; raises :class:`RewriteError` where there is none to paint."""
    try:
        choice = _Completion.model_validate_json(body).choices[0]
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise RewriteError("unusable", f"it is no chat completion ({place}: {first['msg']})") from None
    if choice.finish_reason == "length":
        raise RewriteError("unusable", f"the answer was cut off after {MAX_TOKENS} tokens")
    return checked(choice.message.content or "", question)


def checked(content: str, question: Question) -> str:
    """What a model wrote as one line of plain text; raises :class:`RewriteError` where that is no prompt."""
    lines = [line for line in map(_plain, content.splitlines()) if line]
    if not lines:
        raise RewriteError("unusable", "the answer is empty")
    if len(lines) > 1:
        raise RewriteError("unusable", f"the answer has {len(lines)} lines; a prompt is one")
    text = _unquoted(lines[0])
    if len(text) > MAX_PROMPT:
        raise RewriteError("unusable", f"the answer has {len(text)} characters; a prompt has at most {MAX_PROMPT}")
    if not any(character.isalnum() for character in text):
        raise RewriteError("unusable", "the answer has no words")
    for name in (*question.names, *_TAUGHT.findall(question.prompt)):
        if _has(question.prompt, name) and not _has(text, name):
            raise RewriteError("name_lost", f"{name} is missing in the answer")
    return text


def answered(text: str, question: Question) -> Answer:
    """For a prompt that may be painted."""
    if same_meaning(text, question.prompt):
        return Answer(outcome="unchanged")
    return Answer(outcome="rewritten", text=text)


def refusal(status: int, body: bytes, secret: str) -> RewriteError:
    """For an HTTP error: its status and what the server says about it, without the key that it may repeat."""
    said = _plain(body.decode(errors="replace"))
    said = said.replace(secret, "…") if secret else said
    return RewriteError("refused", f"status {status}: {said[:_EXCERPT] or 'no reason given'}")


def known_names(*texts: str, keep: Iterable[str] = ()) -> tuple[str, ...]:
    """Every word of the texts and every name as it is, once; for :attr:`Question.names`."""
    words = (word for text in texts for word in re.split(r"[\s,;]+", text))
    return tuple(dict.fromkeys(name for name in (*(" ".join(one.split()) for one in keep), *words) if name))


def host_beyond(url: str) -> str:
    """The host that prompts leave this machine for; empty where they do not."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return ""
    try:
        return "" if ipaddress.ip_address(host).is_loopback else host
    except ValueError:
        return host


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


def _plain(text: str) -> str:
    """Controls and lone surrogates are no text."""
    printable = (" " if unicodedata.category(character) in {"Cc", "Cs"} else character for character in text)
    return " ".join("".join(printable).split())


def _unquoted(text: str) -> str:
    """Models like to quote what they were asked for."""
    closing, inner = _QUOTES.get(text[0]), text[1:-1]
    if closing is None or not text.endswith(closing) or closing in inner:
        return text
    return inner.strip() or text


def _has(text: str, name: str) -> bool:
    pattern = r"\s+".join(map(re.escape, name.casefold().split()))
    return re.search(rf"(?<!\w){pattern}(?!\w)", text.casefold()) is not None
