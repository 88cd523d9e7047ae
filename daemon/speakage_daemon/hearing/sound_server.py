"""Asks the sound server which device our streams record from: it may put another one behind them without a word.

That happens when a device is unplugged or removed, or when somebody moves the stream in a mixer. Only PulseAudio and
PipeWire can be asked, by ``pactl``; where there is none, or no answer, nothing is known and nothing is claimed. This
module does *not* listen, and reopens nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any, Final

ASKED_EVERY_S: Final = 1.0
ANSWER_S: Final = 1.0
"""A frozen sound server never answers."""


class UnknownError(Exception):
    """There is nobody to ask."""


def can_be_asked() -> bool:
    """Whether there is a program to ask it with."""
    return shutil.which("pactl") is not None


class SourceWatch:
    """Remembers what the streams of this process recorded from when it was asked first."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    async def moved(self) -> str | None:
        """What happened, when it is another device than the last time; raises :class:`UnknownError`."""
        try:
            now = await self._recorded()
        except (KeyError, TypeError, ValueError) as error:
            raise UnknownError(f"pactl answers in another form: {error!r}") from None
        before, self._names = self._names, now
        if not before or not now or before.keys() == now.keys():
            return None
        return f"the sound server moved it from {_told(before)} to {_told(now)}"

    async def _recorded(self) -> dict[int, str]:
        """Names of the sources by number; empty while nothing is recorded."""
        streams = await _list("source-outputs")
        own = [stream for stream in streams if stream["properties"].get("application.process.id") == str(os.getpid())]
        numbers = {int(stream["source"]) for stream in own}
        if numbers <= self._names.keys():
            return {number: self._names[number] for number in numbers}
        named = {int(source["index"]): str(source["description"]) for source in await _list("sources")}
        return {number: named.get(number, f"source {number}") for number in numbers}


def _told(names: dict[int, str]) -> str:
    return " and ".join(repr(name) for name in names.values())


async def _list(what: str) -> list[dict[str, Any]]:
    try:
        process = await asyncio.create_subprocess_exec(
            "pactl", "--format=json", "list", what, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
        )
    except OSError as error:
        raise UnknownError(f"pactl cannot be run: {error}") from None
    try:
        async with asyncio.timeout(ANSWER_S):
            listed, _ = await process.communicate()
            found: list[dict[str, Any]] = json.loads(listed)
            return found
    except (TimeoutError, json.JSONDecodeError):
        raise UnknownError("no sound server answers pactl") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
