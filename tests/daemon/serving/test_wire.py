"""Every event and every message there is goes over the wire and comes back equal; nothing malformed does."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import struct
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakage_daemon.errors import WireError
from speakage_daemon.events import (
    ClientMessage,
    DaemonEvent,
    ImageCompleted,
    ListenStart,
    MicrophoneSilent,
    PartialImage,
    PromptCreate,
    SessionUpdate,
)
from speakage_daemon.serving import wire

few = settings(max_examples=40, deadline=None)
EVENTS = get_args(DaemonEvent)
IMAGES = (PartialImage, ImageCompleted)
MESSAGES = get_args(ClientMessage)


def finite(value: Any) -> Any:
    """Levels and times are finite: JSON could not say anything else."""
    if isinstance(value, float) and not math.isfinite(value):
        return 0.0
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return dataclasses.replace(value, **{name: finite(getattr(value, name)) for name in names})
    return tuple(map(finite, value)) if isinstance(value, tuple) else value


def instances(kind: type) -> st.SearchStrategy[Any]:
    return st.from_type(kind).map(finite)


def test_the_unions_are_found() -> None:
    assert len(EVENTS) >= 18
    assert len(MESSAGES) >= 4


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@few
@given(data=st.data())
def test_every_event_comes_back(kind: type, data: st.DataObject) -> None:
    event = data.draw(instances(kind))
    text = wire.encode_event(event)
    assert wire.decode_event(text) == event
    assert wire.decode_event(text.encode()) == event


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@few
@given(data=st.data())
def test_every_message_comes_back(kind: type, data: st.DataObject) -> None:
    message = data.draw(instances(kind))
    assert wire.decode_message(wire.encode_message(message)) == message


@pytest.mark.parametrize("kind", IMAGES, ids=lambda kind: kind.__name__)
@few
@given(data=st.data(), image=st.binary())
def test_every_image_comes_back(kind: type, data: st.DataObject, image: bytes) -> None:
    event = data.draw(instances(kind))
    assert wire.decode_image(wire.encode_image(event, image)) == (event, image)


@given(st.binary())
def test_no_bytes_at_all_crash_the_readers(junk: bytes) -> None:
    for read in (wire.decode_message, wire.decode_event, wire.decode_image):
        with pytest.raises(WireError):
            read(junk)


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", None, "message"),
        ("[]", None, "message"),
        ("{}", None, "discriminator"),
        ('{"type": "nonsense"}', None, "nonsense"),
        ('{"type": "session.created"}', None, "session.created"),
        ('{"type": "prompt.create"}', "prompt", "required"),
        ('{"type": "prompt.create", "prompt": ""}', "prompt", "at least 1"),
        (json.dumps({"type": "prompt.create", "prompt": "a" * 2001}), "prompt", "2000"),
        ('{"type": "prompt.create", "prompt": "a", "seed": -1}', "seed", "greater than or equal to 0"),
        ('{"type": "prompt.create", "prompt": "a", "seed": 4294967296}', "seed", "less than"),
        ('{"type": "prompt.create", "prompt": "a", "seed": 1.5}', "seed", "integer"),
        ('{"type": "prompt.create", "prompt": "a", "seed": "1"}', "seed", "integer"),
        ('{"type": "prompt.create", "prompt": "a", "steps": 101}', "steps", "100"),
        ('{"type": "prompt.create", "prompt": "a", "colour": "red"}', "colour", "Unexpected"),
        ('{"type": "session.update", "audio_rate": 7999}', "audio_rate", "8000"),
        ('{"type": "session.update", "audio_rate": 192001}', "audio_rate", "192000"),
        ('{"type": "session.update", "audio_rate": 1e99}', "audio_rate", "integer"),
        ('{"type": "session.update", "audio_rate": 16000, "audio_format": "mp3"}', "audio_format", "pcm_s16le"),
        ('{"type": "session.update", "audio_rate": 16000, "name": ""}', "name", "at least 1"),
    ],
)
def test_a_malformed_message_names_its_field(text: str, field: str | None, words: str) -> None:
    with pytest.raises(WireError, match=words) as caught:
        wire.decode_message(text)
    assert caught.value.field == field


def test_a_message_that_is_too_long_is_not_read() -> None:
    text = json.dumps({"type": "prompt.create", "prompt": "ä" * wire.MAX_TEXT_BYTES}, ensure_ascii=False)
    with pytest.raises(WireError, match=str(wire.MAX_TEXT_BYTES)):
        wire.decode_message(text)


def test_fields_that_a_newer_daemon_adds_are_passed_over() -> None:
    text = '{"type": "microphone.silent", "silent": true, "since": 3}'
    assert wire.decode_event(text) == MicrophoneSilent(silent=True)


def _frame(kind: int, length: int, rest: bytes) -> bytes:
    return struct.pack(">II", kind, length) + rest


SILENT = wire.encode_event(MicrophoneSilent(silent=True)).encode()


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"", "at least 8 bytes"),
        (b"\0\0\0\4\0\0\0", "this one has 7"),
        (_frame(1, 0, b""), "this one says 1"),
        (_frame(4, 10, b"short"), "only 5 follow"),
        (_frame(4, 2**32 - 1, b""), "4294967295 bytes"),
        (_frame(4, 2, b"{}"), "discriminator"),
        (_frame(4, len(SILENT), SILENT), "not microphone.silent"),
    ],
)
def test_a_binary_frame_of_another_form_is_refused(frame: bytes, words: str) -> None:
    with pytest.raises(WireError, match=words):
        wire.decode_image(frame)


@functools.cache
def validator(direction: str) -> jsonschema.Draft202012Validator:
    schema = wire.json_schema()[direction]
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@few
@given(data=st.data())
def test_the_schema_knows_every_event(kind: type, data: st.DataObject) -> None:
    written = json.loads(wire.encode_event(data.draw(instances(kind))))
    validator("events").validate(written)


@pytest.mark.parametrize("message", [PromptCreate(prompt="a"), ListenStart(), SessionUpdate(audio_rate=16_000)])
def test_the_schema_knows_messages_and_their_limits(message: ClientMessage) -> None:
    validator("messages").validate(json.loads(wire.encode_message(message)))
    with pytest.raises(jsonschema.ValidationError):
        validator("messages").validate({"type": "session.update", "audio_rate": 7999})
