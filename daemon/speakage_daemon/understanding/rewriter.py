"""The rewriter: asks an OpenAI-compatible server for other words for a prompt, and waits no longer than it may.

A thin shell around :mod:`.rewriting`. It asks one question at a time, the newest; one that nobody waits for any more is
cancelled, and its connection closed, which servers take for the end of their work. It runs on the event loop and never
blocks it. What is painted when there is no answer is not decided here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, get_args

import httpx2

from speakage_daemon.config import RewriterSettings
from speakage_daemon.errors import RewriteError
from speakage_daemon.events import RewriteOutcome
from speakage_daemon.understanding.rewriting import (
    Answer,
    Question,
    answered,
    host_beyond,
    prompt_in,
    refusal,
    request,
)

LARGEST: Final = 256 * 1024
"""Bytes of a server's answer."""
_GOOD: Final = ("rewritten", "unchanged")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    question: Question
    then: Callable[[Answer], None]
    since: float
    """Monotonic, s."""


class Rewriter:
    """Implements :class:`.rewriting.Rewrites`."""

    def __init__(self, settings: RewriterSettings) -> None:
        self.outcomes: Counter[str] = Counter(dict.fromkeys(get_args(RewriteOutcome), 0))
        """How many questions came to what, since the start."""
        self._settings = settings
        self._key = settings.api_key.get_secret_value()
        self._slot: _Asked | None = None
        self._asking: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._told: RewriteOutcome = "rewritten"
        """What the log has last."""

    @property
    def budget_ms(self) -> int:
        """How long an answer is waited for."""
        return self._settings.budget_ms

    def ask(self, question: Question, then: Callable[[Answer], None]) -> None:
        """Ask this; whatever was asked before is waited for no longer."""
        self.cancel()
        self._slot = _Asked(question, then, time.monotonic())
        self._idle.clear()
        self._wake.set()

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        if self._idle.is_set():
            return
        if self._asking is not None:
            self._asking.cancel()
        self._slot = self._asking = None
        self.outcomes["superseded"] += 1
        self._idle.set()

    async def idle(self) -> None:
        """Until no answer is waited for."""
        await self._idle.wait()

    async def run(self) -> None:
        """Ask until cancelled."""
        if host := host_beyond(self._settings.url):
            log.warning("rewriter.url: the prompts of final pictures leave this machine, for %s", host)
        # the system's certificates take a moment to read
        async with await asyncio.to_thread(self._client) as client, asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                self._wake.clear()
                if self._slot is not None:
                    asked, self._slot = self._slot, None
                    self._asking = tasks.create_task(self._follow(client, asked), name="rewriting")

    def _client(self) -> httpx2.AsyncClient:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return httpx2.AsyncClient(
            headers=headers,
            verify=self._settings.url.startswith("https:"),
            # no proxy of the environment: what is said goes where the configuration says, and nowhere else
            trust_env=False,
            timeout=None,
        )

    async def _follow(self, client: httpx2.AsyncClient, asked: _Asked) -> None:
        answer = await self._answer(client, asked.question)
        answer = replace(answer, milliseconds=(time.monotonic() - asked.since) * 1e3)
        self._asking = None
        self.outcomes[answer.outcome] += 1
        self._note(answer)
        self._idle.set()
        asked.then(answer)

    async def _answer(self, client: httpx2.AsyncClient, question: Question) -> Answer:
        try:
            async with asyncio.timeout(self.budget_ms / 1e3):
                body = await self._fetch(client, request(question, self._settings))
            return answered(prompt_in(body, question), question)
        except TimeoutError:
            return Answer(outcome="too_slow", reason=f"no answer within {self.budget_ms} ms")
        except RewriteError as error:
            return Answer(outcome=error.outcome, reason=str(error))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Answer(outcome="unreachable", reason=f"{self._settings.url}: {error or type(error).__name__}")
        except Exception:
            # the border of this question: the picture is painted in any case
            log.exception("rewriting failed")
            return Answer(outcome="unusable", reason="the daemon made a mistake; its log says which")

    async def _fetch(self, client: httpx2.AsyncClient, body: bytes) -> bytes:
        answer = bytearray()
        async with client.stream("POST", f"{self._settings.url}/chat/completions", content=body) as response:
            async for piece in response.aiter_raw():
                answer += piece
                if len(answer) > LARGEST:
                    raise RewriteError("unusable", f"the answer has more than {LARGEST} bytes")
        if response.status_code != httpx2.codes.OK:
            raise refusal(response.status_code, bytes(answer), self._key)
        return bytes(answer)

    def _note(self, answer: Answer) -> None:
        """Once when it begins to fail, or fails in another way, and once when it works again."""
        before, self._told = self._told, answer.outcome
        if answer.outcome in _GOOD:
            if before not in _GOOD:
                log.info("prompts are rewritten again")
        elif answer.outcome != before:
            log.warning("a prompt was not rewritten, and is painted as said: %s", answer.reason)
