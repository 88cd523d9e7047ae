"""Folders of pictures, painted ones, and the whole evaluation of a set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from speakage_engines.api import ModelChoice, PaintRequest, PictureModelInfo, Preview
from speakage_engines.evaluation.figure import EvaluationError
from speakage_engines.evaluation.picture_set import METADATA_FILE, of_folder, of_pictures, painted
from speakage_engines.evaluation.pictures import METRICS, PictureOptions, evaluate_pictures

Write = Callable[[str, range], Path]


class Painter:
    """Paints the seed as a shade of grey, brighter at each step."""

    info = PictureModelInfo(
        choice=ModelChoice(name="grey", path=Path("/nowhere"), reason=""),
        backend="torch",
        backend_reason="",
        precision="fp32",
        width=8,
        height=8,
        steps=3,
        guidance=1.0,
        sampler="",
        engine_key="",
    )

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        return ()

    def paint(self, request: PaintRequest) -> Iterator[Preview]:
        for step in range(1, request.steps + 1):
            rgb = np.full((8, 8, 3), request.seed * 10 + step, np.uint8)
            yield Preview(step=step, steps=request.steps, rgb=rgb, encode_prompt_ms=0, denoise_ms=0, decode_ms=0)


def test_a_folder_is_read_in_order_with_captions(picture_folder: Write) -> None:
    folder = picture_folder("drawn", range(5))
    (folder / METADATA_FILE).write_text('{"file_name": "002.png", "text": "von Hand"}\n\n', encoding="utf-8")
    (folder / "notes.md").write_text("no picture", encoding="utf-8")
    found = of_folder(folder)
    assert found.names == ("000", "001", "002", "003", "004")
    assert found.captions[2] == "von Hand"
    assert found.captions[0].endswith("things")
    assert found.resolution == "64×64"
    assert [tuple(batch.shape) for batch in found.batches(3)] == [(3, 3, 64, 64), (2, 3, 64, 64)]
    assert np.array_equal(found.read(1), np.asarray(Image.open(folder / "001.png")))


def test_what_is_wrong_in_a_folder_is_named(picture_folder: Write, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="is no folder"):
        of_folder(tmp_path / "nothing")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EvaluationError, match="has no pictures"):
        of_folder(empty)
    folder = picture_folder("drawn", range(2))
    (folder / METADATA_FILE).write_text('{"file": 3}\n', encoding="utf-8")
    with pytest.raises(EvaluationError, match=f"{METADATA_FILE}, line 1: should be"):
        of_folder(folder)
    (folder / METADATA_FILE).unlink()
    (folder / "000.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(EvaluationError, match=r"000\.txt is not in UTF-8"):
        of_folder(folder)
    (folder / "000.txt").unlink()
    (folder / "001.png").write_bytes(b"torn")
    with pytest.raises(EvaluationError, match=r"001\.png is no readable picture"):
        list(of_folder(folder).batches())
    Image.new("RGB", (80, 40)).save(folder / "001.png")
    with pytest.raises(EvaluationError, match=r"001\.png is of 80×40 pixels and not of 64×64"):
        list(of_folder(folder).batches())
    assert of_folder(folder, size=32).tensor([0, 1]).shape == (2, 3, 32, 32)


def test_what_a_model_paints_has_its_captions_seeds_and_steps() -> None:
    done: list[tuple[int, int]] = []
    found = painted(Painter(), ["a", "b"], seed=4, watch=lambda n, of: done.append((n, of)))
    assert found.name == "grey, 3 steps"
    assert found.captions == ("a", "b")
    assert [int(found.read(n)[0, 0, 0]) for n in (0, 1)] == [43, 53]
    assert done == [(1, 2), (2, 2)]
    assert int(painted(Painter(), ["a"], steps=1).read(0)[0, 0, 0]) == 1


def test_pictures_at_hand_must_be_of_one_size() -> None:
    with pytest.raises(EvaluationError, match="differ in size"):
        of_pictures("two", [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)])


def test_the_whole_evaluation_against_itself(picture_folder: Write, detector_folder: Path, tmp_path: Path) -> None:
    subject = of_folder(picture_folder("drawn", range(40)))
    options = PictureOptions(
        detector=detector_folder, inception_weights=tmp_path / "none.pth", lpips_weights=tmp_path / "none.pth"
    )
    began = time.monotonic()
    found = evaluate_pictures(subject, reference=subject, options=options)
    assert time.monotonic() - began < 60
    values = {figure.name: figure.value for figure in found.figures}
    assert values["FID"] == pytest.approx(0, abs=1e-3)
    assert values["KID"] < 1e-6
    assert values["precision (k = 3)"] == values["recall (k = 3)"] == 1
    assert 1 <= values["Inception Score"] <= 2
    assert values["SSIM"] == pytest.approx(1)
    assert values["PSNR"] == float("inf")
    assert all(figure.n == 40 and figure.resolution == "64×64" for figure in found.figures)
    assert {figure.features for figure in found.figures} == {"scenes (64)", ""}
    reasons = {each.name: each.reason for each in found.left_out}
    assert set(reasons) == {
        "FID (inception)",
        "KID (inception)",
        "precision and recall (inception)",
        "Inception Score (inception)",
        "MS-SSIM",
        "LPIPS",
        "CLIP score",
    }
    assert "curl" in reasons["LPIPS"]
    assert "curl" in reasons["FID (inception)"]
    assert "hf download" in reasons["CLIP score"]


def test_worse_pictures_are_farther_away(picture_folder: Write, detector_folder: Path) -> None:
    reference = of_folder(picture_folder("real", range(100, 160)))
    alike = of_folder(picture_folder("alike", range(60)))
    spoilt = of_pictures("spoilt", [np.clip(alike.read(n) // 3 + 60, 0, 255).astype(np.uint8) for n in range(60)])
    options = PictureOptions(metrics=("fid", "kid"), features=("scenes",), detector=detector_folder)
    near = evaluate_pictures(alike, reference=reference, options=options).figures
    far = evaluate_pictures(spoilt, reference=reference, options=options).figures
    assert [figure.name for figure in near] == ["FID", "KID"]
    assert all(a.value < b.value for a, b in zip(near, far, strict=True))


def test_without_a_reference_what_needs_one_is_left_out(picture_folder: Write) -> None:
    found = evaluate_pictures(
        of_folder(picture_folder("drawn", range(4))), options=PictureOptions(features=("scenes",))
    )
    # the detector that ships is at hand, and needs nothing beside the pictures
    assert [figure.name for figure in found.figures] == ["Inception Score"]
    reasons = {each.name: each.reason for each in found.left_out}
    assert len(reasons) == len(METRICS) - 1
    assert reasons["FID"].endswith("give a reference")
    assert reasons["SSIM"].endswith("give a reference")


def test_pairs_are_found_by_name(picture_folder: Write) -> None:
    ours, theirs = of_folder(picture_folder("ours", range(6))), picture_folder("theirs", range(6))
    (theirs / "003.png").unlink()
    options = PictureOptions(metrics=("ssim",))
    (figure,) = evaluate_pictures(ours, reference=of_folder(theirs), options=options).figures
    assert figure.n == 5
    assert figure.value == pytest.approx(1)
    (left_out,) = evaluate_pictures(ours, reference=of_folder(theirs, size=32), options=options).left_out
    assert "give a size" in left_out.reason
    strangers = of_pictures("strangers", [ours.read(0)])
    (left_out,) = evaluate_pictures(ours, reference=strangers, options=options).left_out
    assert "has the name" in left_out.reason
