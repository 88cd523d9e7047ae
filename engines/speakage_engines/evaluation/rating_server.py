"""A tiny local server for the rating page: hands out the page and keeps what raters send as CSV files.

Loopback only, one page, one address to post to. It is no part of the daemon, and nothing else is ever served: the key
that says which model is which lies in the same folder and must not be reachable.
"""

from __future__ import annotations

import csv
import io
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from typing_extensions import override

from speakage_engines.evaluation.figure import EvaluationError
from speakage_engines.evaluation.rating import PAGE_FILE, RESULT_COLUMNS

LARGEST_RESULT: Final = 1_000_000
"""Bytes."""


class RatingServer(ThreadingHTTPServer):
    """Serves the rating page of ``folder`` on 127.0.0.1; ``serve_forever`` runs it, ``port`` says where."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.page = folder / PAGE_FILE
        self.results = folder / "results"
        if not self.page.is_file():
            raise EvaluationError(f"{self.page} does not exist; write a rating page first")
        self.results.mkdir(exist_ok=True)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise EvaluationError(f"port {port} cannot be used ({error.strerror}); choose another") from None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """For the browser."""
        return f"http://127.0.0.1:{self.port}/"


class _Handler(BaseHTTPRequestHandler):
    server: RatingServer
    timeout = 10

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        if self.path != "/":
            self._say(HTTPStatus.NOT_FOUND, "there is one page here: /")
            return
        self._say(HTTPStatus.OK, self.server.page.read_bytes(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        length = self.headers.get("Content-Length", "")
        if self.path != "/results" or not length.isdecimal():
            self._say(HTTPStatus.BAD_REQUEST, "post the choices as CSV to /results")
            return
        if int(length) > LARGEST_RESULT:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST_RESULT} bytes")
            return
        body = self.rfile.read(int(length))
        try:
            header = next(csv.reader(io.StringIO(body.decode("utf-8"))), [])
        except (UnicodeDecodeError, csv.Error):
            header = []
        if tuple(header) != RESULT_COLUMNS:
            self._say(HTTPStatus.BAD_REQUEST, f"the columns should be {', '.join(RESULT_COLUMNS)}")
            return
        # written whole or not at all
        unfinished = self.server.results / f".{uuid4().hex}.part"
        unfinished.write_bytes(body)
        unfinished.rename(self.server.results / f"{uuid4().hex}.csv")
        self._say(HTTPStatus.OK, "kept")

    @override
    def log_message(self, format: str, *args: Any) -> None:  # the name is the library's
        """Say nothing of each request."""

    def _is_ours(self) -> bool:
        """Whether the page itself asks: another site in the same browser could post here too."""
        names = {f"127.0.0.1:{self.server.port}", f"localhost:{self.server.port}"}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") in names and (origin is None or origin.removeprefix("http://") in names):
            return True
        self._say(HTTPStatus.FORBIDDEN, "ask for 127.0.0.1, from its own page")
        return False

    def _say(self, status: HTTPStatus, body: str | bytes, kind: str = "text/plain; charset=utf-8") -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
