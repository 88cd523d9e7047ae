import io
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from speakage_daemon.errors import GalleryError
from speakage_daemon.events import Timings
from speakage_daemon.picture_file import (
    OURS,
    SLUG_BYTES,
    StoredRecord,
    encode,
    file_name,
    parameters,
    picture,
    read,
    rgb_sha256,
    slug,
)

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
MOMENT = datetime(2026, 11, 20, 10, 59, tzinfo=UTC)


def stored(**changes: object) -> StoredRecord:
    values = {
        "prompt": "a car on a beach",
        "negative": "people",
        "transcript": "uh a car on a beach",
        "unknown_words": ("uh",),
        "seed": 2**32 - 1,
        "steps": 4,
        "guidance": 2.5,
        "sampler": "DDIM",
        "model": "embedded",
        "backend": "openvino",
        "engine_key": "ab" * 32,
        "adapters": ("dog:0.8",),
        "timings": Timings(denoise_ms=12.5),
        "id": 12,
        "created": "2026-11-20T10:59:00.000+00:00",
        "sha256": rgb_sha256(RGB),
        "width": 6,
        "height": 4,
    }
    return StoredRecord(**{**values, **changes})


def chunks(png: bytes) -> dict[str, str]:
    with Image.open(io.BytesIO(png)) as image:
        return dict(image.text)


def test_the_parameters_are_what_other_programs_read() -> None:
    assert parameters(stored()) == (
        "a car on a beach\n"
        "Negative prompt: people\n"
        "Steps: 4, Sampler: DDIM, CFG scale: 2.5, Seed: 4294967295, Size: 6x4, Model: embedded, Version: speakage 0.1.0"
    )


def test_without_a_negative_prompt_there_is_no_such_line() -> None:
    assert parameters(stored(negative="")).splitlines()[1].startswith("Steps: 4, ")


def test_a_separator_inside_a_value_is_quoted() -> None:
    assert 'Model: "dream, v2", ' in parameters(stored(model="dream, v2"))


def test_the_json_chunk_holds_what_explains_the_picture() -> None:
    found = json.loads(chunks(encode(RGB, stored()))["speakage"])
    assert found["transcript"] == "uh a car on a beach"
    assert found["unknown_words"] == ["uh"]
    assert (found["seed"], found["steps"], found["engine_key"]) == (2**32 - 1, 4, "ab" * 32)
    assert found["adapters"] == ["dog:0.8"]
    assert found["timings"]["denoise_ms"] == 12.5
    assert found["sha256"] == rgb_sha256(RGB)


@given(prompt=st.text(), negative=st.text(), transcript=st.text(), model=st.text())
def test_any_text_survives(prompt: str, negative: str, transcript: str, model: str) -> None:
    before = stored(prompt=prompt, negative=negative, transcript=transcript, model=model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file_name(12, prompt, MOMENT)
        path.write_bytes(encode(RGB, before))
        assert OURS.fullmatch(path.name)
        assert read(path) == before
        with Image.open(path) as image:
            assert (np.asarray(image) == RGB).all()
            lines = image.text["parameters"].split("\n")
    assert lines[-1].startswith("Steps: 4, ")
    assert 2 <= len(lines) <= 3


@given(st.text(st.characters(codec=None)))
def test_a_slug_is_a_safe_part_of_a_file_name(text: str) -> None:
    name = slug(text)
    assert 0 < len(name.encode()) <= SLUG_BYTES
    assert not name.startswith(("-", "."))
    assert name == "-".join(name.split())
    assert all(character not in name for character in '/\\\0\n:*?"<>|%#.')


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A car, on a Beach!", "a-car-on-a-beach"),
        ("красный дом", "красный-дом"),
        ("नमस्ते", "नमस्ते"),
        ("赤い車" * 20, ("赤い車" * 20)[:26]),
        ("../../etc/passwd", "etc-passwd"),
        ("🚗🏖️", "picture"),
        ("", "picture"),
        ("word " * 40, "-".join(["word"] * 16)),
    ],
)
def test_slugs_say_what_the_picture_shows(text: str, name: str) -> None:
    assert slug(text) == name


def test_a_file_name_sorts_by_time_and_says_what_it_shows() -> None:
    assert file_name(12, "a car on a beach", MOMENT) == "20261120-105900-000012-a-car-on-a-beach.png"


def test_displays_are_told_where_the_picture_is() -> None:
    told = picture(stored())
    assert (told.id, told.url, told.width, told.height) == (12, "/v1/pictures/12.png", 6, 4)
    assert told.unknown_words == ("uh",)


def damaged(png: bytes) -> dict[str, bytes]:
    middle = png.index(b"IDAT") + 10
    pillow = io.BytesIO()
    Image.fromarray(RGB).save(pillow, "PNG")
    return {
        "cut short": png[:-20],
        "half": png[: len(png) // 2],
        "one byte changed": png[:middle] + bytes([png[middle] ^ 1]) + png[middle + 1 :],
        "empty": b"",
        "no PNG": b"GIF89a" + png,
        "somebody else's": pillow.getvalue(),
        "a chunk of another form": encode(RGB, stored(id=0)),
    }


@pytest.mark.parametrize("what", damaged(encode(RGB, stored())))
def test_a_damaged_or_foreign_file_is_named(what: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(damaged(encode(RGB, stored()))[what])
    with pytest.raises(GalleryError, match=str(path)):
        read(path)


def test_what_a_picture_was_made_from_is_kept_and_said_as_a1111_says_it() -> None:
    record = stored(source_sha256="ab" * 32, mask_sha256="cd" * 32, strength=0.35)
    assert parameters(record).endswith(
        "Model: embedded, Denoising strength: 0.35, " + parameters(record).split(", ")[-1]
    )
    assert "Denoising" not in parameters(stored())
    told = picture(record)
    assert (told.source_sha256, told.strength) == ("ab" * 32, 0.35)
    written = json.loads(chunks(encode(RGB, record))["speakage"])
    assert (written["source_sha256"], written["mask_sha256"], written["strength"]) == ("ab" * 32, "cd" * 32, 0.35)
