"""What serving needs of the rest of the daemon, as Protocols: the desk where clients' wishes are handed in, and the
pictures on disk. Nothing is implemented here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from speakage_daemon.events import CanvasStart, Picture, PromptCreate
from speakage_daemon.uploads import Upload
from speakage_engines.api import Rgb

AudioFormat: TypeAlias = Literal["pcm_s16le", "pcm_f32le"]


class AudioInlet(Protocol):
    """Where one client's microphone goes in, for as long as that client has the floor."""

    def feed(self, data: bytes) -> None:
        """The next mono PCM, in pieces of any size; never waits. Raises :class:`SourceError` on what is no audio."""

    def close(self) -> None:
        """The client stopped or left: what was said so far is finished and painted."""


class Desk(Protocol):
    """Takes what clients ask for. Every method but one is called on the event loop, and returns at once.

    A method that raises a :class:`SpeakageError` has its sentence told to the client that asked.
    """

    def listen_start(self) -> None:
        """Un-mute in ``open`` mode, press the button in ``push`` mode."""

    def listen_stop(self) -> None:
        """Mute, or let the button go; not called for a client that only gives up the floor."""

    def paint(self, message: PromptCreate) -> None:
        """Paint a typed prompt."""

    def keep_picture(self, rgb: Rgb) -> Upload:
        """Keep a picture or a mask to start from; raises :class:`PictureError`. May take a moment, so in a thread."""

    def start_from(self, message: CanvasStart) -> None:
        """Start from a picture from now on, or no longer; raises :class:`PictureError`."""

    def take_floor(self, name: str, rate: int, audio_format: AudioFormat) -> AudioInlet:
        """Hear this client from now on; raises :class:`SourceError`.

        Serving itself sees to it that one client at a time has the floor: the inlet given before is always closed
        when this is called.
        """


class Pictures(Protocol):
    """The pictures on disk. Methods may wait for the disk: they are called from a thread, and raise GalleryError."""

    def latest(self, limit: int, before: int | None = None) -> Sequence[Picture]:
        """The newest pictures, newest first; with ``before``, those older than that one."""

    def after(self, picture_id: int, limit: int) -> Sequence[Picture]:
        """The newest pictures that are newer than this one, newest first."""

    def get(self, picture_id: int) -> Picture | None:
        """One picture."""

    def png_path(self, picture_id: int) -> Path | None:
        """Its file; ``None`` when there is no such picture."""

    def delete(self, picture_id: int) -> bool:
        """Delete it; false when there is none."""
