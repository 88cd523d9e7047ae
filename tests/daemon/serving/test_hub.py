"""What the hub remembers, stamps, counts and refuses."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from speakage_daemon.events import (
    DaemonEvent,
    Engines,
    ImageFailed,
    ImageStarted,
    ListeningChanged,
    MicrophoneSilent,
    PartialImage,
    Status,
)
from speakage_daemon.serving import wire
from speakage_daemon.serving.hub import Client, Farewell, Hub

SILENT = MicrophoneSilent(silent=True)
ENGINES = Engines(
    speech_model="ears", speech_reason="embedded", picture_model="tiny", picture_reason="embedded", backend="torch",
    backend_reason="asked for", precision="fp32", steps=4, width=128, height=128,
)  # fmt: skip
PREVIEW = PartialImage(
    utterance=1, revision=1, prompt="", seed=0, steps=4, backend="", step=1, width=8, height=8, image_type="image/png"
)
STARTED = ImageStarted(
    utterance=1, revision=1, prompt="", seed=0, steps=4, backend="", transcript="", width=8, height=8
)
FAILED = ImageFailed(utterance=1, revision=1, prompt="", seed=0, steps=4, backend="", reason="no memory")


def hub(clock: Callable[[], int] = lambda: 0, client_queue: int = 8) -> Hub:
    return Hub(clock_us=clock, client_queue=client_queue)


async def read(client: Client) -> DaemonEvent:
    async with asyncio.timeout(5):
        frame = await client.take()
    assert not isinstance(frame, Farewell)
    return wire.decode_event(frame) if isinstance(frame, str) else wire.decode_image(frame)[0]


def test_ids_follow_the_clock_and_grow_even_when_it_stands_or_goes_back() -> None:
    async def scenario() -> list[int]:
        times = iter([1000, 1000, 500, 2000])
        one = hub(lambda: next(times))
        with one.join() as client:
            ids = [client.standing.event_id]
            for _ in range(3):
                one.publish(SILENT)
                ids.append((await read(client)).event_id)
            return ids

    assert asyncio.run(scenario()) == [1000, 1001, 1002, 2000]


def test_every_client_gets_every_event_and_a_reply_goes_to_one() -> None:
    async def scenario() -> None:
        one = hub()
        with one.join() as first, one.join() as second:
            assert one.clients == 2
            one.reply(first, SILENT)
            one.publish(FAILED)
            assert (await read(first)).type == "microphone.silent"
            assert (await read(first)).type == "image_generation.failed"
            assert (await read(second)).type == "image_generation.failed"
        assert one.clients == 0
        assert one.published == {"image_generation.failed": 1}

    asyncio.run(scenario())


def test_a_reader_is_woken_by_the_next_event() -> None:
    async def scenario() -> str:
        one = hub()
        with one.join() as client:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(read(client))
                asyncio.get_running_loop().call_soon(one.publish, SILENT)
            return reading.result().type

    assert asyncio.run(scenario()) == "microphone.silent"


def test_a_client_is_told_what_stood_when_it_joined_and_then_what_changed() -> None:
    async def scenario() -> None:
        one = hub()
        one.set_engines(ENGINES)
        one.publish(ListeningChanged(listening=True, mode="push", source="microphone: desk"))
        one.set_badge("disk", "the disk is full")
        one.set_badge("microphone", "no microphone")
        one.clear_badge("disk")
        with one.join() as client:
            standing = client.standing
            assert standing.engines == ENGINES
            assert (standing.listening.mode, standing.listening.source) == ("push", "microphone: desk")
            assert standing.badges == ("no microphone",)
            one.clear_badge("microphone")
            changed = await read(client)
            assert isinstance(changed, Status)
            assert changed.badges == ()
            assert changed.engines == ENGINES

    asyncio.run(scenario())


def test_a_badge_is_told_once() -> None:
    one = hub()
    one.set_badge("disk", "full")
    one.set_badge("disk", "full")
    one.clear_badge("disk")
    one.clear_badge("disk")
    assert one.published == {"status": 2}


def test_the_oldest_unread_preview_is_dropped_and_counted() -> None:
    async def scenario() -> None:
        one = hub()
        with one.join() as client:
            one.publish(PREVIEW, b"one")
            one.publish(PREVIEW, b"two")
            frame = await client.take()
            assert isinstance(frame, bytes)
            assert frame.endswith(b"two")
        assert one.dropped_previews == 1

    asyncio.run(scenario())


def test_a_preview_that_comes_after_the_end_of_its_picture_is_dropped() -> None:
    async def scenario() -> None:
        one = hub()
        with one.join() as client:
            one.publish(FAILED)
            one.publish(PREVIEW, b"late")
            one.publish(SILENT)
            assert [(await read(client)).type, (await read(client)).type] == [FAILED.type, SILENT.type]
            one.publish(STARTED)
            one.publish(PREVIEW, b"again")
            assert [(await read(client)).type, (await read(client)).type] == [STARTED.type, PREVIEW.type]
        assert one.dropped_previews == 1

    asyncio.run(scenario())


def test_a_client_that_takes_nothing_is_given_up_once_and_told_so() -> None:
    async def scenario() -> None:
        one = hub(client_queue=8)
        with one.join() as slow:
            for _ in range(20):
                one.publish(SILENT)
            assert one.dropped_clients == 1
            farewell = await slow.take()
            assert isinstance(farewell, Farewell)
            assert farewell.code == 1013

    asyncio.run(scenario())


def test_a_dismissed_client_first_gets_what_waits() -> None:
    async def scenario() -> None:
        one = hub()
        with one.join() as client:
            one.publish(SILENT)
            one.dismiss_all(1001, "over")
            assert (await read(client)).type == SILENT.type
            assert await client.take() == Farewell(1001, "over")
        async with asyncio.timeout(5):
            await one.wait_empty()
        with one.join() as late:
            assert await late.take() == Farewell(1001, "over")

    asyncio.run(scenario())


def test_images_come_with_image_events_only() -> None:
    with pytest.raises(TypeError, match="partial_image is published with its image"):
        hub().publish(PREVIEW)
    with pytest.raises(TypeError, match=r"microphone\.silent carries no image"):
        hub().publish(SILENT, b"image")


def test_many_finished_pictures_are_forgotten_again() -> None:
    one = hub()
    for number in itertools.islice(itertools.count(2), 40):
        one.publish(ImageFailed(utterance=number, revision=1, prompt="", seed=0, steps=4, backend="", reason=""))
    one.publish(PREVIEW, b"a picture with an old number")
    assert one.dropped_previews == 0
