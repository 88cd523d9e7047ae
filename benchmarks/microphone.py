"""How soon a lost microphone is noticed, and how soon it is heard again once it is back.

A private PulseAudio is the microphone. Four faults, several times each: the server is killed, and started again some
seconds later; it freezes for three seconds; the source is suspended and resumed; the source is taken away, so that the
server silently puts another one behind the stream. *Noticed* is the time from the fault to the event `microphone.lost`;
*heard again* is the time from the end of the fault (a new server from which another client gets its first sound, a
thawed one, a resumed source; where the source was taken away, from the loss that was told) to the first frame behind
`microphone.restored`. Needs pulseaudio, its utilities and ALSA's plugins, which are Debian packages.

    python benchmarks/microphone.py [--times 5] [--json PATH]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from rich.console import Console
from rich.table import Table

from speakage_daemon.events import DaemonEvent, MicrophoneLost, MicrophoneRestored
from speakage_daemon.hearing.microphone import Microphone

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "system"))
from pulse import SoundServer

WANTED_NOTICED_S: Final = 1.5
WANTED_HEARD_S: Final = 2.0
FROZEN_S: Final = 3.0
DEAD_S: Final = (0.0, 1.0, 2.5, 4.0, 7.5)
"""For how long a killed server stays away, in turn: it is looked for with growing pauses."""
SETTLED_S: Final = 2.0
"""Heard before each fault, so that the server was asked which source is behind the stream."""
PATIENCE_S: Final = 60


@dataclass
class Listener:
    """Hears a microphone, and notes when what happened (s)."""

    lost: list[float] = field(default_factory=list)
    restored: list[float] = field(default_factory=list)
    heard: float = 0.0
    """The newest frame."""
    again: float = 0.0
    """The first frame after a loss."""

    def publish(self, event: DaemonEvent) -> None:
        """Take an event of the microphone's."""
        if isinstance(event, MicrophoneLost):
            self.lost.append(time.monotonic())
        elif isinstance(event, MicrophoneRestored):
            self.restored.append(time.monotonic())

    async def listen(self) -> None:
        """Until cancelled."""
        async for _ in Microphone("", self.publish).frames():
            self.heard = time.monotonic()
            if self.restored and not self.again:
                self.again = self.heard

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something to be so."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and how it ends."""

    name: str
    begin: Callable[[SoundServer], None]
    end: Callable[[SoundServer], None] | None
    """None where the server itself goes on with another source."""


FAULTS: Final = (
    Fault("server killed", SoundServer.kill, SoundServer.start),
    Fault("server frozen for 3 s", SoundServer.freeze, SoundServer.thaw),
    Fault("source suspended", lambda server: server.suspend(True), lambda server: server.suspend(False)),
    Fault("source taken away", SoundServer.unplug, None),
)


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """Somebody who has heard the microphone for a while."""
    listener = Listener()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(listener.listen())
        await listener.until(lambda: listener.heard > 0)
        await asyncio.sleep(SETTLED_S)
        yield listener
        task.cancel()


async def suffer(fault: Fault, server: SoundServer, dead: float) -> tuple[float, float]:
    """Seconds until the fault was noticed, and until sound was heard again; a killed server is ``dead`` for so long."""
    async with listening() as listener:
        began = time.monotonic()
        await asyncio.to_thread(fault.begin, server)
        await listener.until(lambda: bool(listener.lost))
        ended = listener.lost[0]
        if fault.end:
            if fault.begin is SoundServer.freeze:
                await asyncio.sleep(max(0.0, began + FROZEN_S - time.monotonic()))
            elif fault.begin is SoundServer.kill:
                await asyncio.sleep(dead)
            ended = await _ended(server, fault.end)
        await listener.until(lambda: bool(listener.restored) and listener.again > 0)
        return listener.lost[0] - began, max(0.0, listener.again - ended)


async def _ended(server: SoundServer, end: Callable[[SoundServer], None]) -> float:
    """End the fault; when it was over. A null sink of a new server is silent for two seconds, to everybody."""
    began = time.monotonic()
    await asyncio.to_thread(end, server)
    if end is not SoundServer.start:
        return began
    command = ("parec", "--latency-msec=20", "--device=microphone")
    other = await asyncio.create_subprocess_exec(
        *command, env=server.subprocess_env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await cast("asyncio.StreamReader", other.stdout).readexactly(2)
        return time.monotonic()
    finally:
        other.kill()
        await other.communicate()


def measure(times: int) -> dict[str, list[tuple[float, float]]]:
    """By fault: seconds until noticed and until heard again, each time with a server of its own."""
    took: dict[str, list[tuple[float, float]]] = {fault.name: [] for fault in FAULTS}
    for number in range(times):
        for fault in FAULTS:
            server = SoundServer()
            os.environ |= server.env
            try:
                server.start()
                took[fault.name].append(asyncio.run(suffer(fault, server, DEAD_S[number % len(DEAD_S)])))
            finally:
                server.remove()
    return took


def report(took: dict[str, list[tuple[float, float]]]) -> list[dict[str, Any]]:
    """Print the table; return its figures."""
    table = Table(title=f"a lost microphone, {len(next(iter(took.values())))} times each: s")
    for heading in ("", "noticed, median", "longest", "heard again, median", "longest"):
        table.add_column(heading, justify="right" if heading else "left")
    figures: list[dict[str, Any]] = []
    for name, pairs in took.items():
        row = []
        for what, seconds in zip(("noticed", "heard_again"), zip(*pairs, strict=True), strict=True):
            for kind, value in (("median", statistics.median(seconds)), ("longest", max(seconds))):
                row.append(f"{value:.2f}")
                slug = f"microphone.{name.replace(' ', '_')}.{what}.{kind}"
                figures.append({"name": slug, "value": value, "unit": "s"})
        table.add_row(name, *row)
    console = Console(width=110)
    console.print(table)
    console.print(f"wanted: noticed within {WANTED_NOTICED_S} s, heard again within {WANTED_HEARD_S} s")
    return figures


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5, help="each fault so many times")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    figures = report(measure(options.times))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
