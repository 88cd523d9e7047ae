"""An OpenAI-compatible server for the tests of rewriting: real HTTP on a free port; a test scripts its answers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True)
class Asked:
    """One request."""

    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][-1]["content"])


class LanguageModel:
    """Runs in a thread between ``with`` and its end; ``answers`` may be set at any time."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: Callable[[Request], Awaitable[Response]] = self.say("{}, in soft light")
        self.waiting = threading.Event()
        """A request is being kept waiting."""
        self.left = threading.Event()
        """Whoever was kept waiting has closed the connection."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        routes = [Route("/v1/chat/completions", self._complete, methods=["POST"])]
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="warning", timeout_graceful_shutdown=1, lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._socket.close()

    def say(self, text: str, finish: str = "stop") -> Callable[[Request], Awaitable[Response]]:
        """Answer with this text; braces stand for what was asked."""

        async def answer(_: Request) -> Response:
            content = text.replace("{}", self.asked[-1].prompt)
            return self.completion({"message": {"role": "assistant", "content": content}, "finish_reason": finish})

        return answer

    def send(self, body: bytes, status: int = 200) -> Callable[[Request], Awaitable[Response]]:
        """Answer with these bytes."""

        async def answer(_: Request) -> Response:
            return Response(body, status, media_type="application/json")

        return answer

    async def wait(self, request: Request) -> Response:
        """Answer nothing, until the other side has gone."""
        self.waiting.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.left.set()
        return Response()

    @staticmethod
    def completion(choice: dict[str, Any]) -> Response:
        body = {"id": "chat-1", "object": "chat.completion", "choices": [{"index": 0, **choice}], "usage": {}}
        return Response(json.dumps(body), media_type="application/json")

    async def _complete(self, request: Request) -> Response:
        self.asked.append(Asked(dict(request.headers), await request.json()))
        return await self.answers(request)


def nobody() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return f"http://127.0.0.1:{gone.getsockname()[1]}/v1"
