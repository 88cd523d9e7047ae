"""``POST /v1/uploads``: a picture or a mask to start from. Decoding is :mod:`speakage_daemon.uploads`' work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from speakage_daemon.errors import PictureError, ServeError
from speakage_daemon.serving.desk import Desk
from speakage_daemon.serving.pages import failure
from speakage_daemon.uploads import MAX_BYTES, decode

_KINDS: Final = ("image/png", "image/jpeg", "image/webp")


class _TooLargeError(Exception):
    """More bytes than are taken."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """Takes pictures in."""

    desk: Desk

    def routes(self) -> Sequence[BaseRoute]:
        """What is served where."""
        return [Route("/v1/uploads", self.upload, methods=["POST"])]

    async def upload(self, request: Request) -> Response:
        """The body is the picture itself; the answer is the id by which messages mean it."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _KINDS:
            return failure(415, "unsupported", f"Content-Type: {kind or 'none'}; send one of {', '.join(_KINDS)}")
        try:
            rgb = await asyncio.to_thread(decode, await _body(request))
            kept = await asyncio.to_thread(self.desk.keep_picture, rgb)
            return JSONResponse(asdict(kept), status_code=201)
        except _TooLargeError:
            return failure(413, "too_large", f"a picture has at most {MAX_BYTES // 1_000_000} MB; send a smaller one")
        except PictureError as error:
            return failure(400, "bad_picture", str(error))
        except ServeError as error:
            return failure(503, "not_ready", str(error))
        except ClientDisconnect:
            # nobody is left to be answered
            return Response(status_code=400)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise _TooLargeError
    return bytes(body)
