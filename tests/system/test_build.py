"""`speakage build`, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .process import speakage


def folders(stdout: str, engines: Path) -> list[Path]:
    """Those that the command says the engines lie in."""
    return [Path(line) for line in stdout.splitlines() if line.startswith(str(engines))]


BUILT = ["text-encoder", "denoiser", "decoder", "picture-encoder"]


@pytest.mark.timeout(300)
def test_tensorrt_engines_are_built_for_a_card_that_is_not_here(tmp_path: Path, engines_folder: Path) -> None:
    arguments = ("build", "--backend", "tensorrt", "--target", "sm89", "--model", "embedded")
    ran = speakage(tmp_path, engines_folder, *arguments, timeout=280)
    assert ran.returncode == 0, ran.stderr
    found = folders(ran.stdout, engines_folder)
    assert [folder.name.rsplit("-", 1)[0] for folder in found] == [f"{name}-sm89" for name in BUILT]
    for folder in found:
        key = json.loads((folder / "engine.json").read_text())["key"]
        assert (key["target"], key["precision"]) == ("sm89", "fp16")
        megabytes = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        assert f" {megabytes:.1f} " in ran.stdout
    assert ran.stdout.count("not run: no card") == len(found)
    again = speakage(tmp_path, engines_folder, *arguments, "-v")
    assert folders(again.stdout, engines_folder) == found
    assert "building" not in again.stderr
    assert "exporting" not in again.stderr


@pytest.mark.timeout(300)
def test_openvino_engines_are_compiled_and_compared_with_torch(tmp_path: Path, engines_folder: Path) -> None:
    ran = speakage(tmp_path, engines_folder, "build", "--backend", "openvino", "--precision", "fp32", timeout=280)
    assert ran.returncode == 0, ran.stderr
    found = folders(ran.stdout, engines_folder)
    assert [folder.name.rsplit("-", 1)[0] for folder in found] == BUILT
    assert all((folder / "model.onnx").is_file() for folder in found)
    assert all(column in ran.stdout for column in ("cosine", "PSNR", "SSIM"))
    assert ran.stdout.count(" 1.000000 ") == len(found), ran.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--target", "sm90"], "TensorRT-RTX does not build for sm90, only for sm75"),
        (["--backend", "openvino", "--target", "sm89"], "--target sm89 is for --backend tensorrt"),
        (["--backend", "openvino", "--precision", "fp16"], "--precision fp16 is for --backend tensorrt"),
        (["--target", "sm89", "--precision", "int8"], "--precision int8 is for --backend openvino"),
        (["--backend", "openvino", "--set", "picture.device=npu"], "picture.device is npu, but OpenVINO sees no such"),
        (["--target", "sm89", "--size", "40"], "picture.size is 40; this model takes multiples of 32"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, engines_folder: Path
) -> None:
    ran = speakage(tmp_path, engines_folder, "build", *arguments)
    assert ran.returncode in (1, 78)
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_build_that_takes_more_memory_than_allowed_is_stopped(tmp_path: Path) -> None:
    arguments = ("build", "--backend", "openvino", "--set", "models.build_memory_mb=1")
    ran = speakage(tmp_path, tmp_path / "engines", *arguments)
    assert ran.returncode == 1
    assert "painting examples in torch was stopped: it took " in ran.stderr
    assert " and 1 MB are allowed; allow more (models.build_memory_mb)" in ran.stderr
    assert not list((tmp_path / "engines").glob("[!.]*"))
