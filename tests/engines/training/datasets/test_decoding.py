"""One picture from bytes: upright, over white, cut from the middle; and whatever is damaged is refused, never worse."""

from __future__ import annotations

import dataclasses
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from speakage_engines.training.datasets import DatasetSettings
from speakage_engines.training.datasets.decoding import FORMATS, Likeness, Likenesses, decode, likeness, quietly
from speakage_engines.training.datasets.report import Reason, RejectedError

Draw = Callable[[int], bytes]
RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def halves(width: int = 40, height: int = 40) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_comes_out_square(kind: str, settings: DatasetSettings) -> None:
    picture = decode(saved(halves(60, 30), kind), settings)
    assert (picture.shape, picture.dtype) == ((16, 16, 3), np.uint8)
    assert np.abs(picture[8, 2].astype(int) - RED).max() < 20
    assert np.abs(picture[8, 13].astype(int) - BLUE).max() < 20


def test_the_middle_is_taken(settings: DatasetSettings) -> None:
    image = Image.new("RGB", (90, 30), BLUE)
    image.paste(RED, (30, 0, 60, 30))
    # the outermost pixels mix with their neighbours
    for turned in (image, image.rotate(90, expand=True)):
        assert np.abs(decode(saved(turned), settings)[3:-3, 3:-3].astype(int) - RED).max() < 5


def test_exif_turns_the_picture_upright(settings: DatasetSettings) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned left by the camera: to be turned right
    picture = decode(saved(halves(), "JPEG", exif=exif, quality=95), settings)
    assert picture[2, :, 0].mean() > 200, "what was left is now above"
    assert picture[13, :, 2].mean() > 200


def test_transparency_lies_over_white(settings: DatasetSettings) -> None:
    clear = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    assert (decode(saved(clear), settings) == WHITE).all()
    half = Image.new("LA", (32, 32), (0, 128))
    assert abs(int(decode(saved(half), settings)[8, 8, 0]) - 127) <= 1
    palette = Image.new("P", (32, 32), 0)
    palette.putpalette([10, 20, 30] * 256)
    assert (decode(saved(palette, transparency=0), settings) == WHITE).all()
    assert (decode(saved(palette), settings) == (10, 20, 30)).all()


def test_of_what_moves_the_first_frame_is_taken(settings: DatasetSettings) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in (RED, BLUE)]
    for kind in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.abs(decode(data, settings).astype(int) - RED).max() < 5


def test_sixteen_bit_greys_keep_their_brightness(settings: DatasetSettings) -> None:
    grey = Image.fromarray(np.full((32, 32), 0x8080, dtype=np.uint16))
    assert (decode(saved(grey), settings) == 0x80).all()


def test_small_and_large_are_refused_by_their_claim(settings: DatasetSettings) -> None:
    with pytest.raises(RejectedError) as raised:
        decode(saved(halves(100, 15)), settings)
    assert (raised.value.reason, raised.value.detail) == (Reason.TOO_SMALL, "100×15 pixels, min_side is 16")
    with pytest.raises(RejectedError) as raised:
        decode(saved(halves(400, 251)), settings)
    assert (raised.value.reason, raised.value.detail) == (Reason.ABSURDLY_LARGE, "400×251 pixels")


@pytest.mark.parametrize("side", [9_900, 60_000])
def test_a_bomb_is_refused_before_it_goes_off(side: int, settings: DatasetSettings) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    with quietly(), pytest.raises(RejectedError) as raised:
        decode(bomb, dataclasses.replace(settings, max_pixels=80_000_000))
    assert raised.value.reason is Reason.ABSURDLY_LARGE


def test_formats_that_run_programs_are_not_opened(settings: DatasetSettings) -> None:
    with pytest.raises(RejectedError) as raised:
        decode(saved(halves(), "EPS"), settings)
    assert raised.value.reason is Reason.BROKEN_PICTURE
    assert raised.value.detail == f"none of {', '.join(FORMATS)}"


@hypothesis_settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    cut=st.floats(0.0, 1.0),
    changes=st.lists(st.tuples(st.floats(0.0, 1.0, exclude_max=True), st.integers(0, 255)), max_size=6),
)
def test_damage_is_refused_or_decoded_and_nothing_else(kind: str, cut: float, changes: list[tuple[float, int]]) -> None:
    data = bytearray(saved(halves(), kind))
    for place, value in changes:
        data[int(place * len(data))] = value
    reason, picture = None, None
    try:
        with quietly():
            picture = decode(bytes(data[: int(cut * len(data))]), DatasetSettings(size=8, min_side=1))
    except RejectedError as rejected:
        reason = rejected.reason
    assert (picture is not None and picture.shape == (8, 8, 3)) or reason in {
        Reason.BROKEN_PICTURE, Reason.ABSURDLY_LARGE, Reason.TOO_SMALL,
    }  # fmt: skip


def test_a_damaged_body_behind_a_sound_header_is_refused(settings: DatasetSettings) -> None:
    for kind, body in (("AVIF", b"mdat"), ("PNG", b"IDAT"), ("WEBP", b"VP8 "), ("GIF", b",")):
        data = saved(halves(), kind)
        start = data.index(body) + len(body) + 8
        with pytest.raises(RejectedError) as raised:
            decode(data[:start] + b"\xff" * (len(data) - start), settings)
        assert raised.value.reason is Reason.BROKEN_PICTURE, kind


def test_copies_are_known_by_their_likeness(draw: Draw) -> None:
    large = dataclasses.replace(DatasetSettings(size=64), min_side=8)
    original = decode(draw(1), large)
    with Image.open(io.BytesIO(draw(1))) as image:
        smaller = saved(image.resize((36, 30), Image.Resampling.LANCZOS), "JPEG", quality=80)
    seen = Likenesses()
    seen.add(likeness(original), "the first")
    assert seen.find(likeness(decode(smaller, large))) == "the first"
    for number in range(2, 60):
        assert seen.find(likeness(decode(draw(number), large))) is None
    assert seen.find(likeness(original[:, ::-1])) is None, "mirrored is another picture"


def test_flat_pictures_are_told_apart_by_colour() -> None:
    seen = Likenesses()
    for colour in (RED, BLUE, WHITE, (0, 76, 0)):
        flat = likeness(np.full((16, 16, 3), colour, dtype=np.uint8))
        assert seen.find(flat) is None
        seen.add(flat, str(colour))
        assert seen.find(likeness(np.full((16, 16, 3), colour, dtype=np.uint8))) == str(colour)


@given(st.integers(0, 2**63 - 1), st.sets(st.integers(0, 23), min_size=4, max_size=4), st.data())
def test_doubtful_signs_hide_no_copy(signs: int, doubts: set[int], data: st.DataObject) -> None:
    turned = data.draw(st.sets(st.sampled_from(sorted(doubts)))) | data.draw(st.sets(st.integers(24, 62), max_size=2))
    copy = Likeness(signs ^ sum(1 << sign for sign in turned), tuple(doubts), bytes(48))
    seen = Likenesses()
    seen.add(Likeness(signs, tuple(doubts), bytes(48)), "it")
    assert seen.find(copy) == "it"
    assert seen.find(Likeness(copy.signs, tuple(doubts), bytes([3]) * 48)) is None
