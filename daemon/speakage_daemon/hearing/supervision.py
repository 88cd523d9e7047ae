"""Decides whether a microphone still works, from when its sound arrives and what is in it. Pure.

Arrival is believed, flags are not: a frozen or suspended sound server leaves a stream "active" for ever.
Time comes in as an argument: seconds of a monotonic clock. This module does *not* reopen anything.
"""

from __future__ import annotations

from collections import deque

STALL_S = 1.0
"""Sound that stays away for so long is lost."""
FIRST_SOUND_S = 5.0
"""A stream that was just opened may take longer: Bluetooth headsets and idle sound servers do."""
WINDOW_S = 10.0
"""The sample clock is compared with the monotonic one over so long, so that ordinary drift never adds up."""
SLOWEST = 0.9
"""Less than this part of the samples that were due is a fault."""
MUTE_S = 3.0
"""So much digital silence is a mute button."""


class Supervision:
    """Watches one opened stream."""

    def __init__(self, rate: int, opened: float) -> None:
        self._rate = rate
        self._opened = opened
        self._samples = 0
        self._arrivals: deque[tuple[float, int]] = deque()

    def arrived(self, now: float, samples: int) -> None:
        """Note that so many samples (of each channel) came."""
        self._samples += samples
        self._arrivals.append((now, self._samples))
        while self._arrivals[0][0] < now - WINDOW_S:
            self._arrivals.popleft()

    def trouble(self, now: float) -> str | None:
        """Why the stream must be reopened, or ``None`` when all is well."""
        if not self._arrivals:
            return "it sends no sound" if now - self._opened > FIRST_SOUND_S else None
        (first, before), (last, total) = self._arrivals[0], self._arrivals[-1]
        if now - last > STALL_S:
            return f"no sound has arrived for {now - last:.0f} s"
        elapsed = last - first
        if elapsed >= WINDOW_S - STALL_S and total - before < SLOWEST * elapsed * self._rate:
            return f"only {100 * (total - before) / (elapsed * self._rate):.0f} % of its sound arrives"
        return None


class MuteDetector:
    """Tells a long stretch of exact zeros from sound; even a quiet room is never exactly zero."""

    def __init__(self) -> None:
        self._silent = False
        self._zeros_s = 0.0

    def feed(self, seconds: float, zero: bool) -> bool | None:
        """The new state when it changed with this piece, else ``None``."""
        self._zeros_s = self._zeros_s + seconds if zero else 0.0
        silent = self._zeros_s > MUTE_S
        if silent == self._silent:
            return None
        self._silent = silent
        return silent
