"""The WebSocket's last metre: uvicorn's protocol, made to tell when a frame has truly left, and when it does not.

Why ``websockets-sansio``: uvicorn's other implementation, ``websockets``, stands on that library's legacy server, is
deprecated, and hides its transport behind the library's own queue. The sans-I/O one is a plain asyncio protocol, so
that the three things below can be said in a few lines:

* *Back-pressure.* As it comes, ``send`` waits until the transport has room, writes, and returns with up to 64 KiB
  still in the process, and the next preview is chosen too early. Here the transport's limit is next to nothing and
  ``send`` returns when the kernel has everything, so the outbox decides as late as can be what is sent next. (Under
  TLS the transport below the encryption still keeps up to 64 KiB.)
* *The write deadline.* A peer that takes nothing at all for that long is cut off. Closing politely would not do: it
  waits for a writable socket too.
* *Lingering on errors.* After an oversized or malformed frame uvicorn closes at once; as there is unread data, the
  kernel answers with a reset, and the peer never reads the close frame that says what was wrong.
"""

from __future__ import annotations

import asyncio
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from typing_extensions import override
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

CLOSE_TIMEOUT_S: Final = 0.8
"""A peer that does not answer a close frame has its connection closed after this."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection; :func:`stream_protocol` gives it its deadline."""

    deadline_s: float
    on_stall: Callable[[], None]
    _deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.close_timeout = CLOSE_TIMEOUT_S
        # one byte, not none: asyncio's TLS transport counts "as much as" the limit as too much
        self.transport.set_write_buffer_limits(high=1, low=0)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_progress()

    @override
    def resume_writing(self) -> None:
        self._stop_waiting()
        super().resume_writing()

    @override
    async def send(self, message: ASGISendEvent) -> None:
        await self.writable.wait()
        if self.close_sent and self.initial_response is None:
            # we ended it ourselves (malformed frame, no pong) while the application had something to say
            raise ClientDisconnected
        await super().send(message)
        await self.writable.wait()

    @override
    def handle_ping(self) -> None:
        # whoever pings without reading would fill our memory with pongs
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pong)

    @override
    def handle_parser_exception(self) -> None:
        if self.close_sent:
            return
        failure = self.conn.close_sent
        code, reason = (failure.code, failure.reason) if failure else (1002, "")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    @override
    def shutdown(self) -> None:
        if not self.writable.is_set():
            self.transport.abort()
        elif not self.close_sent:
            super().shutdown()
        # else the closing handshake is under way, and its timer ends it

    def _wait_for_progress(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._deadline = self.loop.call_later(self.deadline_s, self._judge, left)

    def _judge(self, before: int) -> None:
        if self.transport.get_write_buffer_size() < before:
            self._wait_for_progress()
        else:
            self._deadline = None
            self.on_stall()
            self.transport.abort()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def stream_protocol(deadline_s: float, on_stall: Callable[[], None]) -> type[StreamProtocol]:
    """The protocol class for uvicorn, which makes its instances itself; ``on_stall`` is told of each one cut off."""

    class Configured(StreamProtocol):
        pass

    Configured.deadline_s = deadline_s
    Configured.on_stall = staticmethod(on_stall)
    return Configured
