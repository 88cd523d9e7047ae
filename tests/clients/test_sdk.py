"""The SDK against a real server."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from websockets.asyncio.server import ServerConnection, serve

from speakage_clients.sdk import ClientError, Disconnected, Image, Message, Session, connect, stream_url
from speakage_daemon.errors import SpeakageError
from speakage_daemon.events import (
    CanvasStart,
    Error,
    ImageCompleted,
    MicrophoneSilent,
    PartialImage,
    PromptCreate,
    SessionCreated,
    Stopped,
)
from speakage_daemon.picture_file import rgb_sha256
from speakage_daemon.serving import wire

SILENT = MicrophoneSilent(silent=True)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(limited())


async def until(session: Session, kind: type) -> Any:
    """Read on to the next message of a kind."""
    async for message in session:
        if isinstance(message, kind):
            return message
    raise AssertionError(f"the session ended without a {kind.__name__}")


def test_events_come_as_objects_and_images_with_their_pixels(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as session:
            got: list[Message] = []
            async for message in session:
                got.append(message)
                match message:
                    case SessionCreated():
                        stand.hub.publish(serving.partial_image(1), serving.encoded(serving.noise(5)))
                    case Image(event=PartialImage()):
                        stand.publish_final(9, rgb=serving.noise(6))
                    case Image(event=ImageCompleted()):
                        stand.stopped()
            greeting, preview, final, stopped = got
            assert isinstance(greeting, SessionCreated)
            assert isinstance(preview, Image)
            assert isinstance(final, Image)
            assert isinstance(stopped, Stopped)
            assert np.array_equal(preview.rgb(), serving.noise(5))
            assert np.array_equal(final.rgb(), serving.noise(6))
            assert session.newest == 9

    run(scenario)


def test_wishes_and_audio_reach_the_daemon(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as session:
            await session.prompt("a red house", seed=3, steps=2)
            await session.listen_start()
            await session.announce_audio(16_000, name="tests")
            await session.send_audio(b"\1\0\2\0")
            await session.listen_stop()
            # the first gave up the floor, this one mutes
            await session.listen_stop()
            asked = [await stand.desk.asked.get() for _ in range(4)]
            assert asked == ["paint", "listen_start", "take_floor", "listen_stop"]
            assert stand.desk.prompts == [PromptCreate(prompt="a red house", seed=3, steps=2)]
            await session.start_from("a" * 64, strength=0.5)
            assert await stand.desk.asked.get() == "start_from"
            assert stand.desk.starts == [CanvasStart(image_id="a" * 64, strength=0.5)]
            (inlet,) = stand.desk.inlets
            assert (inlet.name, bytes(inlet.heard), inlet.closed) == ("tests", b"\1\0\2\0", True)
            with pytest.raises(ClientError, match="announce_audio"):
                await session.send_audio(b"\1\0")

    run(scenario)


def test_what_the_wire_would_refuse_is_refused_at_once(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as session:
            with pytest.raises(ClientError, match="prompt"):
                await session.prompt("")
            with pytest.raises(ClientError, match="image_id"):
                await session.start_from("short")
            with pytest.raises(ClientError, match="audio_rate"):
                await session.announce_audio(5)
            with pytest.raises(ClientError, match="announce_audio"):
                await session.send_audio(b"\1\0")

    run(scenario)


def test_a_refusal_of_the_daemon_comes_as_an_event(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as first, connect(stand.url) as second:
            await first.announce_audio(16_000, name="first")
            await stand.desk.asked.get()
            await second.announce_audio(16_000)
            refused = await until(second, Error)
            assert refused.code == "floor_taken"

    run(scenario)


def test_without_a_daemon_the_sentence_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def scenario() -> None:
        with pytest.raises(ClientError, match=f"127.0.0.1:{port}.*speakage run"):
            async with connect(f"ws://127.0.0.1:{port}"):
                pass

    run(scenario)
    assert issubclass(ClientError, SpeakageError)


def test_another_page_of_the_daemon_is_no_stream(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            with pytest.raises(ClientError, match="refused with status 403"):
                async with connect(f"ws://127.0.0.1:{stand.port}/v1/elsewhere"):
                    pass

    run(scenario)


def test_a_stranger_is_told_why(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            with pytest.raises(ClientError, match=r"status 403.*bad_host"):
                async with connect(f"ws://127.1:{stand.port}"):
                    pass

    run(scenario)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ws://127.0.0.1:8787", "ws://127.0.0.1:8787/v1/stream"),
        ("http://localhost:8787/", "ws://localhost:8787/v1/stream"),
        ("https://[::1]:8787", "wss://[::1]:8787/v1/stream"),
        ("localhost:8787", "ws://localhost:8787/v1/stream"),
        ("ws://localhost:1/v1/stream?after=4", "ws://localhost:1/v1/stream"),
    ],
)
def test_addresses_may_be_written_as_people_do(written: str, meant: str) -> None:
    assert stream_url(written) == meant


@pytest.mark.parametrize("written", ["", "ftp://localhost", "ws://"])
def test_what_is_no_address_is_said(written: str) -> None:
    with pytest.raises(ClientError, match="not the address"):
        stream_url(written)


def test_who_returns_with_after_is_told_what_was_missed_and_can_fetch_it(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            async with connect(stand.url) as session:
                await until(session, SessionCreated)
                stand.publish_final(1)
                await until(session, Image)
                newest = session.newest
            stand.publish_final(2)
            async with connect(stand.url, after=newest) as session:
                greeting = await until(session, SessionCreated)
                assert [picture.id for picture in greeting.pictures] == [2]
                assert await session.fetch(greeting.pictures[0]) == serving.encoded(serving.noise(2))
                assert session.newest == 2
                stand.pictures.delete(2)
                with pytest.raises(ClientError, match="cannot be had"):
                    await session.fetch(greeting.pictures[0])

    run(scenario)


def test_a_picture_is_sent_and_started_from(serving: Any) -> None:
    rgb = serving.noise(5)
    png = serving.encoded(rgb)

    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as session:
            number = await session.upload(png)
            assert number == rgb_sha256(rgb)
            await session.start_from(number, strength=0.5)
            assert await stand.desk.asked.get() == "start_from"
            assert stand.desk.starts == [CanvasStart(image_id=number, strength=0.5)]
            with pytest.raises(ClientError, match=r"this is no picture .*send a PNG"):
                await session.upload(b"nothing")
            gif = io.BytesIO()
            PIL.Image.new("RGB", (8, 8)).save(gif, "GIF")
            with pytest.raises(ClientError, match=r"was not taken .*415.*image/png"):
                await session.upload(gif.getvalue())

    run(scenario)


def test_a_lost_connection_is_made_again_with_the_newest_final(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(client_queue=8) as stand, connect(stand.url, reconnect=True) as session:
            messages = aiter(session)
            assert isinstance(await anext(messages), SessionCreated)
            await session.announce_audio(16_000, name="mine")
            await stand.desk.asked.get()
            stand.publish_final(1)
            assert isinstance(await anext(messages), Image)
            # too much at once: the daemon gives this client up
            for _ in range(9):
                stand.hub.publish(SILENT)
            stand.publish_final(2)
            assert isinstance(await anext(messages), Disconnected)
            greeting = await anext(messages)
            assert isinstance(greeting, SessionCreated)
            assert [picture.id for picture in greeting.pictures] == [2]
            assert await stand.desk.asked.get() == "take_floor"
            await session.send_audio(b"\1\0")
            await session.prompt("still here")
            assert await stand.desk.asked.get() == "paint"
            assert bytes(stand.desk.inlets[1].heard) == b"\1\0"

    run(scenario)


def test_a_daemon_that_restarts_is_found_again(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as first:
            port = first.port
            session_manager = connect(first.url, reconnect=True)
            session = await session_manager.__aenter__()
            messages = aiter(session)
            await anext(messages)
        assert isinstance(await anext(messages), Stopped)
        assert isinstance(await anext(messages), Disconnected)
        async with asyncio.TaskGroup() as group:
            again = group.create_task(anext(messages))  # type: ignore[arg-type]
            # at least one attempt meets a closed port
            await asyncio.sleep(0.4)
            async with serving.stand(port=port):
                assert isinstance(await again, SessionCreated)
                await session_manager.__aexit__(None, None, None)

    run(scenario)


def test_without_reconnect_a_lost_connection_is_an_error(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(client_queue=8) as stand, connect(stand.url) as session:
            await until(session, SessionCreated)
            for _ in range(9):
                stand.hub.publish(SILENT)
            with pytest.raises(ClientError, match=r"lost.*1013"):
                await until(session, Stopped)
            with pytest.raises(ClientError, match="lost"):
                await session.prompt("too late")

    run(scenario)


def test_messages_of_a_newer_daemon_are_skipped(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async def newer(connection: ServerConnection) -> None:
            await connection.send('{"type": "telepathy.detected"}')
            await connection.send(b"\0\0\0\7nonsense")
            await connection.send(wire.encode_event(SILENT))

        async with serve(newer, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}") as session:
                assert [message async for message in session] == [SILENT]

    run(scenario)
    assert "telepathy" in caplog.text


def test_over_tls_with_the_daemons_own_certificate(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(tls="self-signed") as stand:
            url = f"wss://127.0.0.1:{stand.port}"
            with pytest.raises(ClientError, match=r"not trusted.*speakage\.pem"):
                async with connect(url):
                    pass
            context = ssl.create_default_context(cafile=str(stand.settings.tls_folder / "speakage.pem"))
            stand.publish_final(1)
            async with connect(url, ssl=context) as session:
                greeting = await until(session, SessionCreated)
                assert await session.fetch(greeting.pictures[0]) == serving.encoded(serving.noise(1))

    run(scenario)
