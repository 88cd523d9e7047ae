"""How much may be painted on trial while someone speaks: so many pictures in any minute. Pure; time is an argument.

What is only nice to have takes no more than half, so that what is wanted never runs dry because of it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

MINUTE: Final = 60.0
"""Seconds."""


class Budget:
    """Counts what was spent within the last minute."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute: Final = per_minute
        self._spent: deque[float] = deque()

    def left(self, now: float) -> bool:
        """Whether one may be spent; ``now`` in seconds never falls."""
        return self._spent_by(now) < self.per_minute

    def spare(self, now: float) -> bool:
        """Whether one may be spent that could be done without."""
        return self._spent_by(now) < self.per_minute // 2

    def spend(self, now: float) -> None:
        """One less for a minute."""
        self._spent.append(now)

    def _spent_by(self, now: float) -> int:
        while self._spent and self._spent[0] <= now - MINUTE:
            self._spent.popleft()
        return len(self._spent)
