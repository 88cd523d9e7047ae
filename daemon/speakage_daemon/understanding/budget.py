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

    def take(self, now: float) -> bool:
        """Spend one, if there is one left; ``now`` in seconds never falls."""
        while self._spent and self._spent[0] <= now - MINUTE:
            self._spent.popleft()
        if len(self._spent) >= self._most:
            return False
        self._spent.append(now)
        return True
