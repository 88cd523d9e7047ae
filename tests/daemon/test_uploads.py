"""What clients send to start from: real pictures of every kind, and what is none."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from speakage_daemon.errors import PictureError
from speakage_daemon.events import Start
from speakage_daemon.picture_file import rgb_sha256
from speakage_daemon.uploads import KEPT, MAX_PIXELS, Uploads, decode, fitted

RGB = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)


def encoded(kind: str, rgb: np.ndarray = RGB, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, kind, **options)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it is this large on each side."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_pictures_without_loss_are_decoded_exactly(kind: str, options: dict[str, Any]) -> None:
    np.testing.assert_array_equal(decode(encoded(kind, **options)), RGB)


def test_a_photograph_is_turned_the_way_its_camera_was_held() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    assert decode(encoded("JPEG", exif=turned)).shape == (20, 12, 3)


def test_what_is_transparent_is_white() -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (200, 10, 10, 255)
    assert decode(encoded("PNG", rgba))[0].tolist() == [[200, 10, 10], [255, 255, 255]]


def test_a_grey_mask_is_taken() -> None:
    assert decode(encoded("PNG", np.full((4, 4), 255, np.uint8))).tolist() == np.full((4, 4, 3), 255).tolist()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no PNG, JPEG or WebP"),
        (b"GIF89a" + bytes(20), "no PNG, JPEG or WebP"),
        (encoded("GIF"), "no PNG, JPEG or WebP"),
        (encoded("PNG")[:-40], "is damaged"),
        (bomb(8_000), "8000 × 8000 pixels"),
        (bomb(40_000), "too many pixels"),
    ],
)
def test_what_is_no_picture_or_too_large_is_one_sentence(data: bytes, sentence: str) -> None:
    assert MAX_PIXELS < 8_000**2
    with pytest.raises(PictureError, match=sentence):
        decode(data)


def test_a_picture_is_cut_around_its_middle_and_one_of_the_right_size_stays() -> None:
    stripes = np.zeros((10, 30, 3), np.uint8)
    stripes[:, 10:20] = 200
    np.testing.assert_array_equal(fitted(stripes, 10, 10), np.full((10, 10, 3), 200))
    assert fitted(RGB, 20, 12) is RGB


def test_a_start_is_what_was_uploaded_at_the_models_size() -> None:
    uploads = Uploads(8, 8)
    picture = uploads.keep(RGB)
    assert (picture.id, picture.width, picture.height) == (rgb_sha256(RGB), 20, 12)
    mask = uploads.keep(np.full((8, 8, 3), 255, np.uint8))
    start = uploads.start(Start(image_id=picture.id, mask_id=mask.id, strength=0.5))
    assert start.strength == 0.5
    np.testing.assert_array_equal(start.rgb, fitted(RGB, 8, 8))
    assert start.mask is not None
    assert start.mask.shape == (8, 8)
    assert uploads.start(Start(image_id=picture.id, strength=0.5)).mask is None


def test_what_cannot_be_started_from_names_its_field() -> None:
    uploads = Uploads(8, 8)
    picture, dark = uploads.keep(RGB).id, uploads.keep(np.zeros((8, 8, 3), np.uint8)).id
    for start, sentence in (
        (Start(image_id="0" * 64, strength=0.5), "image_id: no picture 000000000000"),
        (Start(image_id=picture, mask_id="1" * 64, strength=0.5), "mask_id: no picture 1111"),
        (Start(image_id=picture, mask_id=dark, strength=0.5), "mask_id: the mask is dark everywhere"),
    ):
        with pytest.raises(PictureError, match=sentence):
            uploads.start(start)
    with pytest.raises(PictureError, match="this model has no encoder"):
        Uploads(8, 8, "this model has no encoder").keep(RGB)


def test_only_so_many_are_kept_and_those_in_use_stay() -> None:
    uploads = Uploads(4, 4)
    first = Start(image_id=uploads.keep(np.full((4, 4, 3), 250, np.uint8)).id, strength=0.5)
    second = Start(image_id=uploads.keep(np.full((4, 4, 3), 251, np.uint8)).id, strength=0.5)
    for shade in range(KEPT - 1):
        uploads.start(first)
        uploads.keep(np.full((4, 4, 3), shade, np.uint8))
    uploads.start(first)
    with pytest.raises(PictureError, match="send it again"):
        uploads.start(second)
