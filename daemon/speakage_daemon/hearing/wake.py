"""The wake gate: whether what is heard now is meant for the daemon. Pure.

Two modes. ``open``: everything is meant, until somebody says stop. ``push``: only what is said between start and
stop, like a button. A wake word or a wake phrase would be further modes of the same gate.
"""

from __future__ import annotations

from speakage_daemon.events import Mode


class WakeGate:
    """Holds whether the daemon listens."""

    def __init__(self, mode: Mode) -> None:
        self.mode: Mode = mode
        self._listening = mode == "open"

    @property
    def listening(self) -> bool:
        """True while sound is taken for speech to the daemon."""
        return self._listening

    def start(self) -> bool:
        """Un-mute, or press the button; True when that changed something."""
        changed = not self._listening
        self._listening = True
        return changed

    def stop(self) -> bool:
        """Mute, or let the button go; True when that changed something."""
        changed = self._listening
        self._listening = False
        return changed
