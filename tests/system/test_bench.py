"""`speakage bench`, as a person runs it; no figure is judged, since the machine is anybody's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speakage_engines.bench.document import marks

from .process import speakage


@pytest.mark.timeout(300)
def test_bench_prints_a_table_and_writes_figures_and_documents(tmp_path: Path, engines_folder: Path) -> None:
    begin, end = marks("embedded")
    (tmp_path / "page.md").write_text(f"# Page\n\n{begin}\n\n{end}\n\nBye.\n")
    arguments = ("--backend", "torch", "--precision", "fp32", "--runs", "2", "--steps", "1", "--no-peers",
                 "--json", "figures.json", "--write-docs", "page.md")  # fmt: skip
    ran = speakage(tmp_path, engines_folder, "bench", *arguments, timeout=280)
    assert ran.returncode == 0, ran.stderr
    assert "prompt to JPEG: embedded, 128×128, 1 step" in ran.stdout
    figures = {figure["name"]: figure["value"] for figure in json.loads((tmp_path / "figures.json").read_text())}
    ours = "bench.embedded.speakage-torch-fp32"
    assert figures[f"{ours}.text_encoder_runs.new_prompt"] == 1
    assert figures[f"{ours}.text_encoder_runs.repeated_prompt"] == 0
    assert 0 < figures[f"{ours}.p50.low"] <= figures[f"{ours}.p50"] <= figures[f"{ours}.p50.high"]
    page = (tmp_path / "page.md").read_text()
    assert page.startswith(f"# Page\n\n{begin}\n\nprompt to JPEG: embedded")
    assert page.endswith(f"(bench-embedded.webp)\n\n{end}\n\nBye.\n")
    assert "| speakage torch fp32 |" in page
    assert (tmp_path / "bench-embedded.webp").is_file()


@pytest.mark.timeout(400)
def test_bench_start_splits_the_time_to_ready(tmp_path: Path, engines_folder: Path) -> None:
    arguments = ("bench", "start", "--runs", "1", "--json", "start.json")
    ran = speakage(tmp_path, engines_folder, *arguments, timeout=380)
    assert ran.returncode == 0, ran.stderr
    figures = {figure["name"]: figure["value"] for figure in json.loads((tmp_path / "start.json").read_text())}
    for part in ("ready", "interpreter", "importing", "speech", "picture_compile", "picture_warm-up"):
        assert figures[f"bench.start.{part}"] > 0
    parts = sum(value for name, value in figures.items() if name != "bench.start.ready")
    assert parts == pytest.approx(figures["bench.start.ready"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--random-weights", "sd-9"], "there is no family called 'sd-9'; there are: "),
        (
            ["--random-weights", "sd-turbo", "--size", "100"],
            "the size 100 cannot be painted; this model takes multiples",
        ),
        (["--random-weights", "sd-turbo", "--model", "embedded"], "leave one of them out"),
        (["--decoder", "tiny"], "--decoder tiny is for --random-weights"),
        (["--precision", "fp4"], "there is no such precision; there are: auto, fp32, "),
        (["--write-docs", "none.md"], "none.md cannot be read"),
    ],
)
def test_what_cannot_be_timed_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, engines_folder: Path
) -> None:
    ran = speakage(tmp_path, engines_folder, "bench", *arguments)
    assert ran.returncode in (1, 78)
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (engines_folder.with_name("random-weights")).exists()
