"""What waits to be sent to one client: order, replacement and overflow. Pure: no clock, no socket, no task.

Everything goes in one line, first in, first out, with three exceptions. A preview, an audio level, and the words of
one utterance each have a single place: the newest takes the place of the one that waits, *where it stands*, so that
something which changes often can neither fill the line nor be pushed back for ever by what changes more often
still. Only a preview behind which another image event was put goes to the end: otherwise the preview of a newer
picture would come before the news that this picture was begun.

A final picture makes its own waiting preview superfluous, and final words the waiting words of their utterance.
Finals are never dropped: when the line is longer than its capacity, the whole client is given up
(:attr:`Outbox.overflowed`), and finds what it missed in the gallery when it returns.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeAlias

from speakage_daemon.events import (
    AudioLevel,
    DaemonEvent,
    ImageCompleted,
    ImageEvent,
    PartialImage,
    TranscriptionCompleted,
    TranscriptionUpdated,
)

Encoded: TypeAlias = str | bytes
"""A text frame or a binary frame, ready to be sent."""

_Key: TypeAlias = tuple[str, int]
_PREVIEW: Final[_Key] = ("preview", 0)
_LEVEL: Final[_Key] = ("level", 0)


class Outbox:
    """The line of one client."""

    def __init__(self, capacity: int) -> None:
        self.overflowed = False
        """The client was too slow: nothing is kept for it any more, and its connection should be closed."""
        self._capacity = capacity
        self._line: OrderedDict[_Key, Encoded] = OrderedDict()
        self._put = 0
        self._preview: PartialImage | None = None
        self._preview_overtaken = False

    def __len__(self) -> int:
        return len(self._line)

    def put(self, event: DaemonEvent, frame: Encoded) -> bool:
        """Take the next event with its encoded form; true when a waiting preview was dropped for it."""
        if self.overflowed:
            return False
        match event:
            case PartialImage():
                dropped = self._put_preview(event, frame)
            case AudioLevel():
                dropped = False
                self._line[_LEVEL] = frame
            case TranscriptionUpdated():
                dropped = False
                self._line["words", event.utterance] = frame
            case _:
                dropped = self._append(event, frame)
        if len(self._line) > self._capacity:
            self.overflowed = True
            self._line.clear()
        return dropped

    def take(self) -> Encoded | None:
        """The next frame to send, or ``None`` when nothing waits."""
        if not self._line:
            return None
        key, frame = self._line.popitem(last=False)
        if key == _PREVIEW:
            self._preview = None
        return frame

    def _put_preview(self, event: PartialImage, frame: Encoded) -> bool:
        dropped = self._preview is not None
        self._line[_PREVIEW] = frame
        if self._preview_overtaken:
            self._line.move_to_end(_PREVIEW)
        self._preview, self._preview_overtaken = event, False
        return dropped

    def _append(self, event: DaemonEvent, frame: Encoded) -> bool:
        dropped = False
        match event:
            case TranscriptionCompleted():
                self._line.pop(("words", event.utterance), None)
            case ImageCompleted() if self._preview is not None and _picture(event) == _picture(self._preview):
                del self._line[_PREVIEW]
                self._preview, dropped = None, True
            case _:
                pass
        self._preview_overtaken = self._preview is not None and (
            self._preview_overtaken or isinstance(event, ImageEvent)
        )
        self._put += 1
        self._line["event", self._put] = frame
        return dropped


def _picture(event: ImageEvent) -> tuple[int, int]:
    return event.utterance, event.revision
