"""Ears come first: painting waits between its steps while words are being transcribed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class EarsFirst:
    """Counts who transcribes now."""

    def __init__(self) -> None:
        self._working = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """While this is open, painting waits before its next step."""
        self._working += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._quiet.set()

    async def quiet(self) -> None:
        """Until nobody transcribes."""
        await self._quiet.wait()
