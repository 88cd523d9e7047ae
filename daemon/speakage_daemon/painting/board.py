"""Where people read what stands: a badge is shown until it is cleared."""

from __future__ import annotations

from typing import Protocol


class Board(Protocol):
    """Implemented by :class:`speakage_daemon.serving.hub.Hub`."""

    def set_badge(self, cause: str, sentence: str) -> None:
        """Show it until it is cleared."""

    def clear_badge(self, cause: str) -> None:
        """It is over."""
