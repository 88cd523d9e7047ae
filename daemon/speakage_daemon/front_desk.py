"""The front desk: what clients ask for, handed to the part that does it. Implements :class:`serving.desk.Desk`.

Until the models are loaded there is nobody to ask, and it says so.
"""

from __future__ import annotations

import time

from speakage_daemon.errors import ServeError
from speakage_daemon.events import CanvasStart, PromptCreate
from speakage_daemon.hearing.ear import Ear
from speakage_daemon.hearing.floor import Floor
from speakage_daemon.hearing.remote import RemoteSource
from speakage_daemon.serving.desk import AudioFormat, AudioInlet
from speakage_daemon.understanding.conversation import Conversation
from speakage_daemon.uploads import Upload
from speakage_engines.api import Rgb


class FrontDesk:
    """Every method but :meth:`keep_picture` returns at once."""

    def __init__(self) -> None:
        self._open: tuple[Ear, Floor, Conversation] | None = None

    def open(self, ear: Ear, floor: Floor, conversation: Conversation) -> None:
        """From now on wishes are fulfilled."""
        self._open = ear, floor, conversation

    def listen_start(self) -> None:
        """Un-mute, or press the button."""
        self._parts()[0].listen(True, time.monotonic())

    def listen_stop(self) -> None:
        """Mute, or let the button go."""
        self._parts()[0].listen(False, time.monotonic())

    def paint(self, message: PromptCreate) -> None:
        """Paint a typed prompt."""
        self._parts()[2].typed(message)

    def keep_picture(self, rgb: Rgb) -> Upload:
        """To start from later."""
        return self._parts()[2].uploads.keep(rgb)

    def start_from(self, message: CanvasStart) -> None:
        """What the canvas starts from."""
        self._parts()[2].start_from(message)

    def take_floor(self, name: str, rate: int, audio_format: AudioFormat) -> AudioInlet:
        """Hear a client instead of the daemon's own source, until it is closed."""
        source = RemoteSource(name, rate, audio_format)
        self._parts()[1].take(source)
        return source

    def _parts(self) -> tuple[Ear, Floor, Conversation]:
        if self._open is None:
            raise ServeError("the models are still loading; try again in a moment")
        return self._open
