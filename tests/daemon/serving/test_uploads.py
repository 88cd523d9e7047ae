"""Pictures to start from, over a real port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.client import connect

from speakage_daemon.errors import PictureError, ServeError
from speakage_daemon.events import CanvasStart, Error, PromptCreate, SessionCreated, Start, StartChanged
from speakage_daemon.picture_file import rgb_sha256
from speakage_daemon.serving import wire
from speakage_daemon.uploads import MAX_BYTES


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(limited())


def test_an_upload_is_known_by_the_hash_of_its_pixels(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            rgb = serving.noise(3, 20)
            png = serving.encoded(rgb)
            answer = await stand.ask("/v1/uploads", method="POST", body=png, Content_Type="image/png")
            assert answer.status == 201
            assert json.loads(answer.body) == {"id": rgb_sha256(rgb), "width": 20, "height": 20}
            kept = stand.desk.uploads.start(Start(image_id=rgb_sha256(rgb), strength=0.5))
            assert kept.rgb.shape == (16, 16, 3)

    run(scenario)


def test_what_cannot_be_taken_is_refused_with_a_sentence(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            png = serving.encoded(serving.noise(1))
            big = bytes(MAX_BYTES + 1)
            for body, kind, status, code in (
                (png, "text/html", 415, "unsupported"),
                (big, "image/png", 413, "too_large"),
                (b"no picture", "image/jpeg", 400, "bad_picture"),
            ):
                answer = await stand.ask("/v1/uploads", method="POST", body=body, Content_Type=kind)
                assert (answer.status, json.loads(answer.body)["error"]["code"]) == (status, code)
            assert (await stand.ask("/v1/uploads")).status == 405
            stand.desk.mistake = ServeError("the models are still loading; try again in a moment")
            answer = await stand.ask("/v1/uploads", method="POST", body=png, Content_Type="image/png")
            assert (answer.status, json.loads(answer.body)["error"]["code"]) == (503, "not_ready")

    run(scenario)


def test_other_pages_cannot_upload(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            png = serving.encoded(serving.noise(1))
            answer = await stand.ask(
                "/v1/uploads", method="POST", body=png, Content_Type="image/png", Origin="https://evil.example"
            )
            assert answer.status == 403

    run(scenario)


def test_starts_reach_the_desk_and_their_troubles_the_client(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as client:
            await client.recv()
            wish = CanvasStart(image_id="a" * 64, strength=0.5)
            await client.send(wire.encode_message(wish))
            assert await stand.desk.asked.get() == "start_from"
            assert stand.desk.starts == [wish]
            stand.desk.mistake = PictureError("image_id: no picture is kept")
            for message in (wish, PromptCreate(prompt="a car", image_id="a" * 64)):
                await client.send(wire.encode_message(message))
                answer = wire.decode_event(await client.recv())
                assert isinstance(answer, Error)
                assert (answer.code, answer.message) == ("bad_message", "image_id: no picture is kept")
            for field, value in (("image_id", "short"), ("strength", 0.0), ("strength", 1.5)):
                await client.send(json.dumps({"type": "canvas.start", "image_id": "a" * 64, field: value}))
                answer = wire.decode_event(await client.recv())
                assert isinstance(answer, Error)
                assert (answer.code, answer.field) == ("bad_message", field)

    run(scenario)


def test_who_comes_later_is_told_what_the_canvas_starts_from(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            start = Start(image_id="a" * 64, strength=0.6)
            for now in (start, None):
                stand.hub.publish(StartChanged(start=now))
                async with connect(stand.url) as client:
                    greeting = wire.decode_event(await client.recv())
                    assert isinstance(greeting, SessionCreated)
                    assert greeting.start == now

    run(scenario)
