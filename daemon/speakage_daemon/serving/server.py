"""The server: one port that carries the display, the pictures and the stream.

The socket is bound when the server is built, before any model is loaded: a port in use is known at once. The kernel's
send buffer is kept small and ``TCP_USER_TIMEOUT`` set on the listening socket, which every connection inherits: else
the kernel would keep a hundred stale previews for a client that the outbox thinks it serves one at a time, and
megabytes for a peer that is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp
from typing_extensions import override

from speakage_daemon.config import ServerSettings
from speakage_daemon.errors import ServeError
from speakage_daemon.events import Stopped
from speakage_daemon.serving import certificate
from speakage_daemon.serving.access import Access, loopback_address
from speakage_daemon.serving.desk import Desk, Pictures
from speakage_daemon.serving.guard import Guard
from speakage_daemon.serving.hub import Hub
from speakage_daemon.serving.pages import ERROR_HANDLERS, Pages
from speakage_daemon.serving.ports import holder
from speakage_daemon.serving.stream import Floor, Stream
from speakage_daemon.serving.uploads import Uploads
from speakage_daemon.serving.websocket import stream_protocol

MAX_FRAME_BYTES: Final = 1 << 20
"""More than a second of the densest audio a client may announce; larger frames close the connection (1009)."""
_SEND_BUFFER: Final = 32 * 1024
"""Bytes; Linux keeps twice that."""
_LEAVE_S: Final = 0.6
"""How long clients have to take the farewell before uvicorn closes what is left, in up to one second more."""

logger = logging.getLogger(__name__)


class Server:
    """Serves one daemon on one port."""

    def __init__(
        self,
        settings: ServerSettings,
        hub: Hub,
        pictures: Pictures,
        desk: Desk,
        ready: Callable[[], str | None],
    ) -> None:
        """Bind the port; raises :class:`ServeError`. ``ready`` gives the reason why the daemon is not ready yet."""
        self._settings = settings
        self._hub = hub
        self._pem = _certificate(settings)
        self._socket = _bind(settings)
        stream = Stream(hub, pictures, desk, Floor(desk))
        self._app = self._application(stream, Pages(hub, pictures, ready), Uploads(desk))

    @property
    def port(self) -> int:
        """The port that was bound, also when the configuration asks for any."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where the display is."""
        scheme = "http" if self._pem is None else "https"
        host = self._settings.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def close(self) -> None:
        """Give the port back; for a daemon that fails before it serves. Serving does it by itself."""
        self._socket.close()

    async def serve(self) -> None:
        """Serve until cancelled; then tell every client, and end within two seconds."""
        runner = _Runner(self._configuration())
        async with asyncio.TaskGroup() as group:
            running = group.create_task(runner.serve(sockets=[self._socket]))
            logger.info("serving at %s", self.url)
            try:
                await asyncio.wait([running])
            finally:
                try:
                    await self._leave()
                    runner.should_exit = True
                    await asyncio.wait([running])
                finally:
                    self.close()

    async def _leave(self) -> None:
        self._hub.publish(Stopped(reason="the daemon was stopped"))
        self._hub.dismiss_all(1001, "the daemon was stopped")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._hub.wait_empty()

    def _application(self, stream: Stream, pages: Pages, uploads: Uploads) -> ASGIApp:
        settings = self._settings
        access = Access(
            host=settings.host, port=self.port, tls=self._pem is not None, allowed_origins=settings.allowed_origins
        )
        middleware = [Middleware(Guard, access=access)]
        if settings.allowed_origins:
            origins = [origin.rstrip("/").lower() for origin in settings.allowed_origins]
            middleware.append(
                Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST", "DELETE"])
            )
        return Starlette(
            routes=[*pages.routes(), *uploads.routes(), WebSocketRoute("/v1/stream", stream.serve)],
            middleware=middleware,
            exception_handlers=dict(ERROR_HANDLERS),
        )

    def _configuration(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            http="h11",
            ws=stream_protocol(self._settings.write_deadline_ms / 1000, self._hub.count_stalled_client),
            ws_max_size=MAX_FRAME_BYTES,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            # nobody stands between us and a loopback client, and anyone could forge these headers
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            ssl_certfile=self._pem,
        )


class _Runner(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the daemon's own."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _certificate(settings: ServerSettings) -> Path | None:
    if settings.tls == "off":
        return None
    return certificate.self_signed(settings.tls_folder, dt.datetime.now(dt.UTC))


def _bind(settings: ServerSettings) -> socket.socket:
    address = loopback_address(settings.host)
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        # a port whose old connections are still dying can be had again; two listeners are refused all the same
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, settings.write_deadline_ms)
        listener.bind((address, settings.port))
        listener.listen()
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ServeError(_why_not(address, settings.port, error)) from None
    return listener


def _why_not(address: str, port: int, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"server.port: {address}:{port} cannot be had ({error.strerror}); choose another"
    who = holder(address, port) or "someone who has just let it go"
    return f"server.port: {address}:{port} is held by {who}; stop it, or choose another port (0 takes a free one)"
