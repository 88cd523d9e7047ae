"""The HTTP routes: the display, the pictures, health, metrics and the schema of the stream.

Every error is ``{"error": {"code": …, "message": …}}`` with a sentence for people. Nothing here paints or hears.
"""

from __future__ import annotations

import asyncio
import importlib.resources
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from speakage_daemon.errors import GalleryError
from speakage_daemon.serving import metrics, wire
from speakage_daemon.serving.desk import Pictures
from speakage_daemon.serving.hub import Hub
from speakage_daemon.serving.stream import MAX_PICTURE_ID

MAX_LISTED: Final = 200
_DEFAULT_LISTED: Final = 50
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


class BadRequestError(Exception):
    """A parameter of the query is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Pages:
    """Answers every HTTP request."""

    hub: Hub
    pictures: Pictures
    ready: Callable[[], str | None]
    """Why the daemon is not ready, or ``None`` when it is."""

    def routes(self) -> Sequence[BaseRoute]:
        """What is served where."""
        return [
            Route("/", self.index),
            Route("/display/{name}", self.display),
            Route("/healthz", self.health),
            Route("/readyz", self.readiness),
            Route("/metrics", self.metrics),
            Route("/v1/schema", self.schema),
            Route("/v1/pictures", self.list_pictures),
            Route("/v1/pictures/{id:int}.png", self.picture_file),
            Route("/v1/pictures/{id:int}", self.delete_picture, methods=["DELETE"]),
        ]

    async def index(self, _request: Request) -> Response:
        """The display."""
        return await _display_file("index.html")

    async def display(self, request: Request) -> Response:
        """A file of the display."""
        return await _display_file(request.path_params["name"])

    async def health(self, _request: Request) -> Response:
        """The process turns."""
        return JSONResponse({"status": "ok"})

    async def readiness(self, _request: Request) -> Response:
        """The models are loaded and warm."""
        if (reason := self.ready()) is None:
            return JSONResponse({"status": "ready"})
        return failure(503, "not_ready", reason)

    async def metrics(self, _request: Request) -> Response:
        """Counts for Prometheus."""
        return Response(generate_latest(metrics.registry(self.hub)), media_type=CONTENT_TYPE_LATEST)

    async def schema(self, _request: Request) -> Response:
        """The JSON Schema of the stream."""
        return JSONResponse(wire.json_schema())

    async def list_pictures(self, request: Request) -> Response:
        """Newest first; ``before`` turns the page."""
        limit = _number(request, "limit", least=1, greatest=MAX_LISTED)
        before = _number(request, "before", least=0, greatest=MAX_PICTURE_ID)
        found = await asyncio.to_thread(self.pictures.latest, limit or _DEFAULT_LISTED, before)
        return JSONResponse({"pictures": [asdict(picture) for picture in found]})

    async def picture_file(self, request: Request) -> Response:
        """A PNG. An id is never used again, so what was fetched once stays right."""
        number = _picture_number(request)
        try:
            png = await asyncio.to_thread(self._read, number)
        except FileNotFoundError:
            png = None
        if png is None:
            return _no_picture(number)
        headers = {
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Disposition": f'inline; filename="speakage-{number}.png"',
        }
        return Response(png, media_type="image/png", headers=headers)

    async def delete_picture(self, request: Request) -> Response:
        """Delete a picture for good."""
        number = _picture_number(request)
        if number <= MAX_PICTURE_ID and await asyncio.to_thread(self.pictures.delete, number):
            return Response(status_code=204)
        return _no_picture(number)

    def _read(self, number: int) -> bytes | None:
        path = self.pictures.png_path(number) if number <= MAX_PICTURE_ID else None
        return None if path is None else path.read_bytes()


def failure(status: int, code: str, message: str, **more: Any) -> JSONResponse:
    """An error in the form all errors have."""
    return JSONResponse({"error": {"code": code, "message": message, **more}}, status_code=status)


async def on_bad_request(_request: Request, error: Exception) -> Response:
    """Name the parameter that is wrong."""
    return failure(400, "bad_request", str(error), field=error.field if isinstance(error, BadRequestError) else None)


async def on_gallery_error(_request: Request, error: Exception) -> Response:
    """The disk does not do what it should; the gallery's sentence says what."""
    return failure(503, "gallery", str(error))


async def on_http_error(request: Request, error: Exception) -> Response:
    """What the router answers: no such page, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101  narrows the type; the handler is registered for it
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    response = failure(error.status_code, code, f"{request.method} {request.url.path}: {error.detail}")
    response.headers.update(error.headers or {})
    return response


ERROR_HANDLERS: Final = {BadRequestError: on_bad_request, GalleryError: on_gallery_error, HTTPException: on_http_error}


async def _display_file(name: str) -> Response:
    body = await asyncio.to_thread(_read_display, name)
    if body is None:
        return failure(404, "not_found", f"the display has no file {name!r}")
    kind = _TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
    # the display belongs to the daemon's version: an old page with a new daemon is worse than a few requests
    return Response(body, headers={"Content-Type": kind, "Cache-Control": "no-cache"})


def _read_display(name: str) -> bytes | None:
    """Only a name that the folder itself lists is opened, so that no name leads out of it."""
    for file in _display_files():
        if file.name == name and file.is_file():
            return file.read_bytes()
    return None


def _display_files() -> Sequence[Traversable]:
    # by name, not by import: the daemon knows its clients only as files
    folder = importlib.resources.files("speakage_clients") / "display"
    return list(folder.iterdir()) if folder.is_dir() else []


def _number(request: Request, name: str, *, least: int, greatest: int) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= len(str(greatest)) and least <= int(text) <= greatest:
        return int(text)
    raise BadRequestError(name, f"a whole number from {least} to {greatest}, not {text[:40]!r}")


def _picture_number(request: Request) -> int:
    number = request.path_params["id"]
    assert isinstance(number, int)  # noqa: S101  the route's convertor made it
    return number


def _no_picture(number: int) -> JSONResponse:
    return failure(404, "not_found", f"there is no picture {number}")
