"""What a client that does not keep up loses, and that nobody else loses anything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode

from speakage_daemon.events import DaemonEvent, ImageCompleted, MicrophoneSilent, PartialImage, SessionCreated
from speakage_daemon.serving import wire

SILENT = MicrophoneSilent(silent=True)
PREVIEW_BYTES = 50_000
IN_FLIGHT = 6
"""Previews that may be on their way before the single place: kernel buffers and one in the transport."""


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(limited())


def decoded(frame: Frame) -> DaemonEvent:
    data = bytes(frame.data)
    return wire.decode_image(data)[0] if frame.opcode is Opcode.BINARY else wire.decode_event(data)


async def received(client: ClientConnection, kind: type[DaemonEvent]) -> DaemonEvent:
    frame = await client.recv()
    event = wire.decode_event(frame) if isinstance(frame, str) else wire.decode_image(frame)[0]
    assert isinstance(event, kind), event
    return event


def test_a_slow_client_loses_previews_but_no_final_and_the_others_lose_nothing(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, serving.raw_client(stand.port) as slow, connect(stand.url) as fast:
            await slow.next()
            await received(fast, SessionCreated)
            for utterance in (1, 2, 3):
                for step in range(1, 41):
                    stand.hub.publish(serving.partial_image(step, utterance=utterance), bytes(PREVIEW_BYTES))
                    assert (await received(fast, PartialImage)).step == step
                stand.publish_final(utterance, utterance=utterance)
                await received(fast, ImageCompleted)
            stand.hub.publish(SILENT)
            got: list[DaemonEvent] = []
            while not got or not isinstance(got[-1], MicrophoneSilent):
                frame = await slow.next()
                assert frame is not None
                got.append(decoded(frame))
            finals = [event.picture.id for event in got if isinstance(event, ImageCompleted) and event.picture]
            previews = [event for event in got if isinstance(event, PartialImage)]
            assert finals == [1, 2, 3]
            assert len(previews) <= IN_FLIGHT
            assert [event.event_id for event in got] == sorted(event.event_id for event in got)
            assert stand.hub.dropped_previews == 120 - len(previews)
            assert stand.hub.dropped_clients == 0

    run(scenario)


def test_a_client_that_takes_nothing_is_cut_off_after_the_deadline(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(write_deadline_ms=300) as stand, connect(stand.url) as fast:
            await received(fast, SessionCreated)
            async with serving.raw_client(stand.port) as dead:
                await dead.next()
                step = 0
                while stand.hub.clients == 2:
                    step += 1
                    stand.hub.publish(serving.partial_image(step), bytes(PREVIEW_BYTES))
                    assert (await received(fast, PartialImage)).step == step
                assert stand.hub.dropped_clients == 1
                # what the kernel had is still read, then the connection is over, without a closing frame
                assert Opcode.CLOSE not in {frame.opcode for frame in await dead.rest()}
            stand.hub.publish(SILENT)
            await received(fast, MicrophoneSilent)

    run(scenario)


def test_under_tls_too_a_client_that_takes_nothing_is_cut_off(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(write_deadline_ms=300, tls="self-signed") as stand:
            context = ssl.create_default_context(cafile=str(stand.settings.tls_folder / "speakage.pem"))
            url = f"wss://127.0.0.1:{stand.port}/v1/stream"
            narrow = socket.socket()
            narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            narrow.connect(("127.0.0.1", stand.port))
            opening = connect(url, ssl=context, sock=narrow, max_queue=1, max_size=None, close_timeout=0.1)
            async with connect(url, ssl=context, max_size=None) as fast, opening:
                await received(fast, SessionCreated)
                while stand.hub.clients == 2:
                    stand.hub.publish(serving.partial_image(1), bytes(PREVIEW_BYTES))
                    await received(fast, PartialImage)
                assert stand.hub.dropped_clients == 1

    run(scenario)


def test_a_client_that_takes_a_little_now_and_then_is_kept(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(write_deadline_ms=400) as stand, serving.raw_client(stand.port) as slow:
            await slow.next()
            stand.hub.publish(serving.partial_image(1), bytes(4_000_000))
            loop = asyncio.get_running_loop()
            end, taken = loop.time() + 1.5, 0
            while loop.time() < end:
                taken += len(await loop.sock_recv(slow.socket, 20_000))
                # slowness is what is tested here, not a way to wait for something
                await asyncio.sleep(0.02)
            assert 0 < taken < 4_000_000
            assert stand.hub.clients == 1
            assert stand.hub.dropped_clients == 0

    run(scenario)


def test_a_client_whose_line_is_too_long_is_closed_with_1013(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(client_queue=8) as stand, serving.raw_client(stand.port, 1 << 20) as client:
            await client.next()
            for _ in range(9):
                stand.hub.publish(SILENT)
            closing = (await client.rest())[-1]
            assert closing.opcode is Opcode.CLOSE
            assert int.from_bytes(closing.data[:2], "big") == 1013
            assert stand.hub.dropped_clients == 1

    run(scenario)


def test_a_client_that_pings_and_never_reads_does_not_fill_the_memory(serving: Any) -> None:
    async def scenario() -> None:
        ping = b"\x89\xfd\0\0\0\0" + bytes(125)
        async with serving.stand(write_deadline_ms=300) as stand, serving.raw_client(stand.port) as client:
            await client.next()
            # sending goes on because the server reads on; what it answers must not pile up without end
            with contextlib.suppress(ConnectionError):
                while stand.hub.clients:
                    await client.send(ping * 1000)
                    await asyncio.sleep(0)
            assert stand.hub.dropped_clients == 1

    run(scenario)


def test_every_connection_inherits_the_small_buffer_and_the_time_out(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(write_deadline_ms=4321) as stand, serving.raw_client(stand.port) as client:
            await client.next()
            with accepted_end(client.socket.getsockname()) as end:
                assert end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 65_536
                assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 4321

    run(scenario)


def accepted_end(peer: object) -> socket.socket:
    """The server's end of a connection, found among this process' open files."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            end = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue
        try:
            if end.getpeername() == peer:
                return end
        except OSError:
            pass
        end.close()
    raise AssertionError("the connection was not found")
