"""What `speakage say` waits for, and what it reports."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from speakage_clients.report import attend
from speakage_daemon.events import ImageSuperseded, RewritingCompleted, RewritingStarted


def test_a_rewritten_picture_is_waited_for_when_the_one_of_the_pause_gives_way(serving: Any) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(30), serving.stand() as stand:
            attended = asyncio.Event()
            reported = asyncio.create_task(attend(stand.url, "a red house", attended))
            await attended.wait()
            assert await stand.desk.asked.get() == "paint"
            stand.hub.publish(
                RewritingStarted(utterance=1, transcript="a red house", understood="a red house", budget_ms=900)
            )
            given_way = ImageSuperseded(
                utterance=1, revision=1, prompt="a red house", seed=1, steps=4, backend="torch", step=2
            )
            stand.hub.publish(given_way)
            stand.hub.publish(
                RewritingCompleted(
                    utterance=1, revision=2, understood="a red house", prompt="a red house at dawn",
                    outcome="rewritten", chip="rewritten", milliseconds=300.0,
                )
            )  # fmt: skip
            stand.hub.publish(given_way)
            final = serving.final_image(1, serving.noise(1))
            event = replace(final, revision=2, prompt="a red house at dawn", rewritten_from="a red house")
            stand.hub.publish(event, serving.encoded(serving.noise(1)))
            report = await reported
            assert [row.prompt for row in report.rows] == ["a red house at dawn"]

    asyncio.run(scenario())


def test_a_final_picture_that_gives_way_is_waited_for_no_longer(serving: Any) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(30), serving.stand() as stand:
            attended = asyncio.Event()
            reported = asyncio.create_task(attend(stand.url, "a red house", attended))
            await attended.wait()
            assert await stand.desk.asked.get() == "paint"
            stand.hub.publish(
                ImageSuperseded(utterance=1, revision=1, prompt="a red house", seed=1, steps=4, backend="torch", step=2)
            )
            assert (await reported).rows == []

    asyncio.run(scenario())
