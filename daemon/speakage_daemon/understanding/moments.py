"""The moments of a turn: when its sound ended, when that was decided, when its words were there. Pure.

All of them are seconds of the one monotonic clock that the daemon reads. Sound has a clock of its own, the count of
its samples; the two meet at the newest sample, which counts as heard at the moment that its frame arrives. So a sample
was heard ``(newest − sample) / 16 000`` seconds before that. This holds for sound that comes as it is made; in a file
that is read as fast as possible, what was said "before" has no time of its own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Of one utterance, as far as it has come; monotonic, s."""

    last_voiced: float
    """Its last voiced sample was heard."""
    paused: float | None = None
    """The silence was found to be a pause; ``None`` where it ended without one, or went on since."""
    ended: float | None = None
    """The turn was found to be over; ``None`` while it may go on."""
    transcribing: float
    """The transcription that finished its words began."""
    transcribed: float
    """Its words were finished."""

    @property
    def transcribe_ms(self) -> float:
        """How long finishing the words took."""
        return (self.transcribed - self.transcribing) * 1e3
