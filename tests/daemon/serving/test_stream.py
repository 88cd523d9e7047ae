"""A real server and real WebSocket clients: what is told, what is taken, and what is refused without harm."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from speakage_daemon.errors import GalleryError
from speakage_daemon.events import (
    DaemonEvent,
    Error,
    ImageCompleted,
    ListenStart,
    ListenStop,
    MicrophoneSilent,
    PromptCreate,
    SessionCreated,
    SessionUpdate,
    Stopped,
)
from speakage_daemon.serving import wire
from speakage_daemon.serving.server import MAX_FRAME_BYTES

SILENT = MicrophoneSilent(silent=True)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(limited())


async def event(client: ClientConnection) -> DaemonEvent:
    frame = await client.recv()
    return wire.decode_event(frame) if isinstance(frame, str) else wire.decode_image(frame)[0]


async def error(client: ClientConnection) -> Error:
    answer = await event(client)
    assert isinstance(answer, Error), answer
    return answer


async def greeted(client: ClientConnection) -> SessionCreated:
    greeting = await event(client)
    assert isinstance(greeting, SessionCreated)
    return greeting


def test_the_first_event_says_all_that_a_display_needs(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            stand.hub.set_badge("disk", "the disk is full")
            for number in range(1, 16):
                stand.publish_final(number)
            async with connect(stand.url) as client:
                greeting = await greeted(client)
                assert greeting.engines.speech_model == "loading"
                assert greeting.badges == ("the disk is full",)
                assert [picture.id for picture in greeting.pictures] == list(range(15, 3, -1))
                stand.hub.publish(SILENT)
                assert (await event(client)).event_id > greeting.event_id > 0

    run(scenario)


def test_who_returns_is_told_the_finals_that_were_missed(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            async with connect(stand.url) as client:
                await greeted(client)
                stand.publish_final(1)
                last = await event(client)
                assert isinstance(last, ImageCompleted)
            stand.publish_final(2)
            stand.publish_final(3)
            async with connect(f"{stand.url}?after=1") as client:
                greeting = await greeted(client)
                assert [picture.id for picture in greeting.pictures] == [3, 2]
                kept = await stand.ask(greeting.pictures[0].url)
                assert kept.body == serving.encoded(serving.noise(3))

    run(scenario)


@pytest.mark.parametrize("after", ["", "x", "-1", "1.5", "1_0", "²", str(2**63), "9" * 5000])
def test_an_after_that_is_no_id_is_told_and_harmless(serving: Any, after: str) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(f"{stand.url}?after={after}") as client:
            assert (await greeted(client)).pictures == ()
            answer = await error(client)
            assert (answer.code, answer.field) == ("bad_message", "after")

    run(scenario)


def test_a_gallery_in_trouble_does_not_keep_anybody_out(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            stand.pictures.mistake = GalleryError("pictures: the index cannot be read")
            async with connect(stand.url) as client:
                assert (await greeted(client)).pictures == ()
                assert "index" in (await error(client)).message

    run(scenario)


def test_wishes_reach_the_desk(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as client:
            wish = PromptCreate(prompt="a red house", seed=7, steps=2)
            for message in (ListenStart(), wish, ListenStop()):
                await client.send(wire.encode_message(message))
            assert [await stand.desk.asked.get() for _ in range(3)] == ["listen_start", "paint", "listen_stop"]
            assert stand.desk.prompts == [wish]

    run(scenario)


def test_audio_goes_in_after_it_was_announced_and_until_it_is_stopped(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as client:
            await greeted(client)
            await client.send(b"\1\0")
            early = await error(client)
            assert (early.code, "session.update" in early.message) == ("bad_audio", True)
            await client.send(wire.encode_message(SessionUpdate(audio_rate=48_000, name="phone")))
            await client.send(b"\1\0\2\0")
            await client.send(b"\3\0")
            await client.send(b"odd")
            assert (await error(client)).code == "bad_audio"
            await client.send(wire.encode_message(ListenStop()))
            await client.send(b"\4\0")
            assert (await error(client)).code == "bad_audio"
            (inlet,) = stand.desk.inlets
            assert (inlet.name, inlet.rate, inlet.audio_format) == ("phone", 48_000, "pcm_s16le")
            assert bytes(inlet.heard) == b"\1\0\2\0\3\0"
            assert inlet.closed

    run(scenario)


def test_giving_up_the_floor_mutes_nobody(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as client:
            for message in (SessionUpdate(audio_rate=16_000), ListenStop(), PromptCreate(prompt="a car"), ListenStop()):
                await client.send(wire.encode_message(message))
            told = [await stand.desk.asked.get() for _ in range(3)]
            assert told == ["take_floor", "paint", "listen_stop"], "the first only gave up the floor"
            assert stand.desk.inlets[0].closed

    run(scenario)


def test_one_client_at_a_time_has_the_floor(serving: Any) -> None:
    async def scenario() -> None:
        announcement = wire.encode_message(SessionUpdate(audio_rate=16_000, name="first"))
        async with serving.stand() as stand, connect(stand.url) as second:
            await greeted(second)
            async with connect(stand.url) as first:
                await first.send(announcement)
                await stand.desk.asked.get()
                await second.send(announcement)
                refused = await error(second)
                assert refused.code == "floor_taken"
                assert "first" in refused.message
                # the speaker itself may announce another rate
                await first.send(wire.encode_message(SessionUpdate(audio_rate=44_100)))
                await stand.desk.asked.get()
                assert [inlet.closed for inlet in stand.desk.inlets] == [True, False]
            # whoever leaves gives it up
            while not stand.desk.inlets[1].closed:
                await second.send(b"")
                await error(second)
            await second.send(announcement)
            assert await stand.desk.asked.get() == "take_floor"

    run(scenario)


def test_a_rate_that_the_desk_cannot_take_is_bad_audio(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as client:
            await greeted(client)
            await client.send(wire.encode_message(SessionUpdate(audio_rate=8_001)))
            assert (await error(client)).code == "bad_audio"
            await client.send(wire.encode_message(SessionUpdate(audio_rate=16_000)))
            assert await stand.desk.asked.get() == "take_floor"

    run(scenario)


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("", "bad_message", None),
        ("nonsense", "bad_message", None),
        ("[" * 60_000, "bad_message", None),
        ('{"type": "prompt.create"}', "bad_message", "prompt"),
        ('{"type": "session.update", "audio_rate": 4}', "bad_message", "audio_rate"),
        (json.dumps({"type": "session.created"}), "bad_message", None),
        ('{"type": "prompt.create", "prompt": "a", "seed": 1e400}', "bad_message", "seed"),
        ("x" * (wire.MAX_TEXT_BYTES + 1), "too_large", None),
    ],
)
def test_a_malformed_message_is_told_and_the_connection_stays(
    serving: Any, text: str, code: str, field: str | None
) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as client:
            await greeted(client)
            await client.send(text)
            answer = await error(client)
            assert (answer.code, answer.field) == (code, field)
            await client.send(wire.encode_message(ListenStart()))
            assert await stand.desk.asked.get() == "listen_start"

    run(scenario)


def test_a_thousand_bad_messages_at_once_get_a_thousand_answers(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url, max_queue=None) as client:
            await greeted(client)
            for _ in range(1000):
                await client.send("{}")
            for _ in range(1000):
                await error(client)

    run(scenario)


def test_a_mistake_of_the_daemon_is_told_to_the_client_and_ends_nothing(
    serving: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as client:
            await greeted(client)
            stand.desk.mistake = ZeroDivisionError("a bug")
            await client.send(wire.encode_message(PromptCreate(prompt="a")))
            assert (await error(client)).code == "internal"
            stand.desk.mistake = None
            await client.send(wire.encode_message(PromptCreate(prompt="a")))
            assert await stand.desk.asked.get() == "paint"

    run(scenario)
    assert "a bug" in caplog.text


@pytest.mark.parametrize(
    ("frame", "code"),
    [("x" * (MAX_FRAME_BYTES + 1), 1009), (b"\0" * (20 * MAX_FRAME_BYTES), 1009)],
    ids=["text", "binary"],
)
def test_an_oversized_frame_closes_with_1009(serving: Any, frame: str | bytes, code: int) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as other:
            await greeted(other)
            async with connect(stand.url) as client:
                await greeted(client)
                with contextlib.suppress(ConnectionClosed):
                    await client.send(frame)
                with pytest.raises(ConnectionClosed) as caught:
                    await client.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == code
            stand.hub.publish(SILENT)
            assert await event(other)

    run(scenario)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x82\0\0\0\0\xff\xff", 1007),
        (b"\x81\x01a", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\xf1\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
        (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1002),
    ],
    ids=["not utf-8", "not masked", "unknown opcode", "reserved bits", "continues nothing", "absurd length"],
)
def test_what_is_not_websocket_closes_with_its_code(serving: Any, frame: bytes, code: int) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, serving.raw_client(stand.port) as client:
            await client.next()
            await client.send(frame)
            # something to say after the connection was ended by the protocol
            stand.hub.publish(SILENT)
            closing = (await client.rest())[-1]
            assert closing.opcode is Opcode.CLOSE
            assert int.from_bytes(closing.data[:2], "big") in {code, 1009}
            async with connect(stand.url) as other:
                await greeted(other)

    run(scenario)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "http://evil.example"}, "bad_origin"),
        ({"Origin": "null"}, "bad_origin"),
        ({"Host": "evil.example"}, "bad_host"),
    ],
)
def test_strangers_are_refused_before_the_connection_is_accepted(
    serving: Any, headers: dict[str, str], code: str
) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            if "Host" in headers:
                url = stand.url.replace("127.0.0.1", "localhost.evil.example")
                opening = connect(url, host="127.0.0.1", port=stand.port, proxy=None)
            else:
                opening = connect(stand.url, additional_headers=headers)
            with pytest.raises(InvalidStatus) as caught:
                await opening
            response = caught.value.response
            assert response.status_code == 403
            assert json.loads(response.body or b"")["error"]["code"] == code
            assert stand.hub.clients == 0

    run(scenario)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_display_itself_is_let_in(serving: Any, host: str) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            url = stand.url.replace("127.0.0.1", host)
            async with connect(url, origin=f"http://{host}:{stand.port}", host="127.0.0.1", port=stand.port) as client:
                await greeted(client)

    run(scenario)


def test_when_the_daemon_stops_clients_are_told_and_closed_with_1001(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as client:
            await greeted(client)
            stand.stopped()
            assert isinstance(await event(client), Stopped)
            with pytest.raises(ConnectionClosed) as caught:
                await client.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001

    run(scenario)
