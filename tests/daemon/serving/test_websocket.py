"""The last metre, against a transport whose buffer the test itself empties."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import uvicorn
from typing_extensions import override
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from speakage_daemon.serving.websocket import StreamProtocol, stream_protocol

PING = b"\x89\x80\0\0\0\0"
OVERSIZED = b"\x82\xff\x00\x00\x00\x00\x10\x00\x00\x00\0\0\0\0"


class Pipe(asyncio.Transport):
    """A transport that takes everything and lets it out when the test says so; ``open_`` takes it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.blocked = False
        self.waiting = b""
        self.sent = b""
        self.ended = ""
        self._high = 65_536
        self._paused = False

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.blocked:
            self.sent += data
            return
        self.waiting += data
        if len(self.waiting) > self._high and not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    @override
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def let_out(self, size: int) -> None:
        self.sent, self.waiting = self.sent + self.waiting[:size], self.waiting[size:]
        if not self.waiting and self._paused:
            self._paused = False
            self.protocol.resume_writing()

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65_536 if high is None else high

    @override
    def get_write_buffer_size(self) -> int:
        return len(self.waiting)

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    @override
    def is_closing(self) -> bool:
        return bool(self.ended)

    @override
    def pause_reading(self) -> None:
        pass

    @override
    def resume_reading(self) -> None:
        pass

    @override
    def close(self) -> None:
        self._end("closed")

    @override
    def abort(self) -> None:
        self._end("aborted")

    def _end(self, how: str) -> None:
        if not self.ended:
            self.ended = how
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Line:
    """One accepted connection, with the application's two ends."""

    def __init__(self, deadline_s: float) -> None:
        self.stalls = 0
        self.pipe = Pipe()
        self.send: Callable[[Any], Awaitable[None]]
        self.receive: Callable[[], Awaitable[Any]]
        self._accepted = asyncio.Event()
        self._over = asyncio.Event()
        config = uvicorn.Config(self._app, interface="asgi3", log_config=None, lifespan="off", ws_max_size=1000)
        config.load()
        made = stream_protocol(deadline_s, self._stalled)
        self.state = ServerState()
        self.protocol: StreamProtocol = made(config=config, server_state=self.state, app_state={})

    async def __aenter__(self) -> Line:
        self.pipe.protocol = self.protocol
        self.protocol.connection_made(self.pipe)
        client = ClientProtocol(parse_uri("ws://localhost/v1/stream"))
        client.send_request(client.connect())
        self.protocol.data_received(b"".join(client.data_to_send()))
        await self._accepted.wait()
        self.pipe.blocked, self.pipe.sent = True, b""
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        self.pipe.abort()
        while self.state.tasks:
            await asyncio.sleep(0)

    async def say(self, data: bytes) -> None:
        await self.send({"type": "websocket.send", "bytes": data})

    async def _app(self, _scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.send, self.receive = send, receive
        self._accepted.set()
        await self._over.wait()

    def _stalled(self) -> None:
        self.stalls += 1


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await scenario()

    asyncio.run(limited())


async def turns(count: int = 5) -> None:
    """Let every task go on as far as it can."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_send_returns_only_when_everything_has_left() -> None:
    async def scenario() -> None:
        async with Line(10) as line, asyncio.TaskGroup() as group:
            sending = group.create_task(line.say(b"a preview"))
            await turns()
            assert not sending.done()
            line.pipe.let_out(5)
            await turns()
            assert not sending.done()
            line.pipe.let_out(100)
            await sending
            assert line.pipe.sent.endswith(b"a preview")
            assert line.stalls == 0

    run(scenario)


def test_who_takes_nothing_until_the_deadline_is_cut_off() -> None:
    async def scenario() -> None:
        async with Line(0.05) as line:
            await line.say(b"a preview")
            assert (line.stalls, line.pipe.ended) == (1, "aborted")

    run(scenario)


def test_who_takes_a_little_before_every_deadline_is_kept() -> None:
    async def scenario() -> None:
        async with Line(0.1) as line, asyncio.TaskGroup() as group:
            group.create_task(line.say(bytes(10)))
            loop = asyncio.get_running_loop()
            for number in range(1, 6):
                # between two deadlines
                loop.call_later(0.1 * number - 0.05, line.pipe.let_out, 1)
            loop.call_later(0.5, line.pipe.let_out, 100)
        assert line.stalls == 0

    run(scenario)


def test_pongs_do_not_pile_up_behind_a_peer_that_reads_nothing() -> None:
    async def scenario() -> None:
        async with Line(10) as line:
            line.protocol.data_received(PING)
            waiting = line.pipe.waiting
            assert waiting[:1] == b"\x8a"
            for _ in range(100):
                line.protocol.data_received(PING)
            assert line.pipe.waiting == waiting
            line.pipe.let_out(100)
            line.protocol.data_received(PING)
            assert line.pipe.waiting == waiting

    run(scenario)


def test_after_a_bad_frame_the_connection_lingers_so_that_the_reason_is_read() -> None:
    async def scenario() -> None:
        async with Line(10) as line:
            line.pipe.blocked = False
            line.protocol.data_received(OVERSIZED)
            assert line.pipe.sent[:1] == b"\x88"
            assert int.from_bytes(line.pipe.sent[2:4], "big") == 1009
            said = line.pipe.sent
            line.protocol.data_received(bytes(100_000))
            assert not line.pipe.ended
            assert line.pipe.sent == said
            assert (await line.receive())["code"] == 1009
            async with asyncio.timeout(10):
                while not line.pipe.ended:
                    await asyncio.sleep(0.01)
            assert line.pipe.ended == "closed"

    run(scenario)


def test_shutting_down_cuts_off_who_does_not_read_and_closes_the_others() -> None:
    async def scenario() -> None:
        async with Line(10) as stuck, Line(10) as reading, asyncio.TaskGroup() as group:
            group.create_task(stuck.say(b"a preview"))
            reading.pipe.blocked = False
            await turns()
            stuck.protocol.shutdown()
            reading.protocol.shutdown()
            assert stuck.pipe.ended == "aborted"
            assert reading.pipe.ended == "closed"
            assert reading.pipe.sent[:1] == b"\x88"

    run(scenario)
