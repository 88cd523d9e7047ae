"""How much may be painted on trial while someone speaks: so many pictures in any minute. Pure; time is an argument."""

from __future__ import annotations

from collections import deque
from typing import Final

MINUTE: Final = 60.0
"""Seconds."""


class Budget:
    """Counts what was spent within the last minute."""

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._spent: deque[float] = deque()

    def left(self, now: float) -> bool:
        """Whether one may be spent; ``now`` in seconds never falls."""
        while self._spent and self._spent[0] <= now - MINUTE:
            self._spent.popleft()
        return len(self._spent) < self._most

    def spend(self, now: float) -> None:
        """One less for a minute."""
        self._spent.append(now)
