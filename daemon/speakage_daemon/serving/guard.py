"""ASGI middleware around everything: refuses strangers, and says on every answer what a browser may do with it.

The judgement itself is :mod:`.access`'s.
"""

from __future__ import annotations

import logging
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from speakage_daemon.serving.access import Access

SECURITY_HEADERS: Final = {
    # connect-src names ws: because not every browser counts WebSockets to the same host as 'self'
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' ws: wss:; object-src 'none'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # an <img> of another page sends no Origin: without this it could show this machine's pictures
    "Cross-Origin-Resource-Policy": "same-origin",
}

logger = logging.getLogger(__name__)


class Guard:
    """Stands before the application."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to strangers, on HTTP and before a WebSocket is accepted; pass all others on."""
        headers = Headers(scope=scope)
        refusal = self._access.refusal(headers.getlist("host"), headers.getlist("origin"))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        if refusal is None:
            await self._app(scope, receive, guarded)
            return
        logger.warning("refused: %s", refusal.message)
        response = JSONResponse({"error": {"code": refusal.code, "message": refusal.message}}, status_code=403)
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(response)
        else:
            await response(scope, receive, guarded)
