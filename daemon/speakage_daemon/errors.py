"""The daemon's errors: one base, one class a layer. Every message names the field, file or device, and the remedy."""

from __future__ import annotations

from speakage_daemon.events import RewriteOutcome


class SpeakageError(Exception):
    """Base of all errors that a person can act on; the command line prints it as one sentence."""


class ConfigError(SpeakageError):
    """The configuration cannot be used: the message lists every wrong key."""


class SourceError(SpeakageError):
    """A microphone, file or client's audio cannot be heard."""


class GalleryError(SpeakageError):
    """Pictures cannot be stored or found."""


class PictureError(SpeakageError):
    """A picture that a client wants to start from cannot be used."""


class RewriteError(SpeakageError):
    """A language model gave no prompt that can be painted; ``outcome`` says of which kind that is."""

    def __init__(self, outcome: RewriteOutcome, message: str) -> None:
        super().__init__(message)
        self.outcome: RewriteOutcome = outcome


class WireError(SpeakageError):
    """A message from a client is not of the protocol's form.

    ``field`` names the part at fault (dotted), or is ``None`` when the whole is.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class ServeError(SpeakageError):
    """The port cannot be had, or an address is not allowed."""
