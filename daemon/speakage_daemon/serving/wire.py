"""Events and messages to bytes, and back. Pure: it opens no socket and reads no clock.

Text frames are JSON of the dataclasses in :mod:`speakage_daemon.events`. Images travel as binary frames that are
whole in themselves, in the layout of ComfyUI's type 4: big-endian ``u32 4``, ``u32 length``, that many bytes of
JSON metadata (the event), and the encoded image.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from speakage_daemon.errors import WireError
from speakage_daemon.events import ClientMessage, DaemonEvent, ImageCompleted, PartialImage

IMAGE_FRAME: Final = 4
"""ComfyUI's type of a preview image with metadata."""
MAX_TEXT_BYTES: Final = 64 * 1024
_HEADER: Final = struct.Struct(">II")

ImageFrame: TypeAlias = PartialImage | ImageCompleted

_events: Final[TypeAdapter[DaemonEvent]] = TypeAdapter(Annotated[DaemonEvent, Field(discriminator="type")])
_messages: Final[TypeAdapter[ClientMessage]] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


def encode_event(event: DaemonEvent) -> str:
    """One text frame."""
    return _events.dump_json(event).decode()


def decode_event(text: str | bytes) -> DaemonEvent:
    """The inverse of :func:`encode_event`; raises :class:`WireError` naming the field at fault."""
    event: DaemonEvent = _validate(_events, text, extra="ignore")
    return event


def encode_message(message: ClientMessage) -> str:
    """One text frame from a client."""
    return _messages.dump_json(message).decode()


def decode_message(text: str | bytes) -> ClientMessage:
    """What a client said; raises :class:`WireError` naming the field at fault. Unknown fields are errors."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > MAX_TEXT_BYTES:
        raise WireError(f"the message has {len(raw)} bytes; at most {MAX_TEXT_BYTES} are taken")
    message: ClientMessage = _validate(_messages, raw, extra="forbid")
    return message


def encode_image(event: ImageFrame, image: bytes) -> bytes:
    """One binary frame: the event as metadata, then the encoded image."""
    metadata = _events.dump_json(event)
    return _HEADER.pack(IMAGE_FRAME, len(metadata)) + metadata + image


def decode_image(frame: bytes) -> tuple[ImageFrame, bytes]:
    """The inverse of :func:`encode_image`; raises :class:`WireError` on a frame of any other form."""
    if len(frame) < _HEADER.size:
        raise WireError(f"a binary frame has at least {_HEADER.size} bytes; this one has {len(frame)}")
    kind, length = _HEADER.unpack_from(frame)
    if kind != IMAGE_FRAME:
        raise WireError(f"binary frames are of type {IMAGE_FRAME}; this one says {kind}")
    if _HEADER.size + length > len(frame):
        raise WireError(f"the metadata should have {length} bytes; only {len(frame) - _HEADER.size} follow")
    event = decode_event(frame[_HEADER.size : _HEADER.size + length])
    if not isinstance(event, PartialImage | ImageCompleted):
        raise WireError(f"an image frame carries an image event, not {event.type}", field="type")
    return event, frame[_HEADER.size + length :]


def json_schema() -> dict[str, Any]:
    """JSON Schema of both directions, exported from the same adapters that read and write the wire."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Speakage stream",
        "events": _events.json_schema(mode="serialization"),
        "messages": _messages.json_schema(mode="validation"),
    }


def _validate(adapter: TypeAdapter[Any], raw: str | bytes, *, extra: Literal["ignore", "forbid"]) -> Any:
    """Newer daemons may add fields to events; a client's unknown field is a mistake that it should hear of."""
    try:
        return adapter.validate_json(raw, strict=True, extra=extra)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        # the first place is the union's tag: the field begins behind it
        field = ".".join(str(part) for part in first["loc"][1:]) or None
        raise WireError(f"{field or 'message'}: {first['msg']}", field=field) from None
