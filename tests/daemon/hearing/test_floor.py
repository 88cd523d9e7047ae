"""Who is heard, and whether that source waits for its reader."""

from __future__ import annotations

import asyncio

from fakes import LOUD, Script
from speakage_daemon.hearing.floor import Floor, FloorChanged


def test_what_is_left_of_a_file_that_was_read_to_its_end_still_waits() -> None:
    async def hear() -> list[tuple[str, bool]]:
        floor = Floor(Script([LOUD] * 3))
        seen = []
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            pump = tasks.create_task(floor.run())
            async for item in floor.heard():
                # by the first frame the pump has read them all, and given the floor up
                await asyncio.sleep(0.01)
                seen.append((item.source if isinstance(item, FloorChanged) else "frame", floor.live))
                if item == FloorChanged("none"):
                    break
            pump.cancel()
        return seen

    assert asyncio.run(hear()) == [("file: script", False), *[("frame", False)] * 3, ("none", True)]
