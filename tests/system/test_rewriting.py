"""Rewriting through the whole process: a sentence that is heard and one that is typed, and a model that is too slow."""

from pathlib import Path

import pytest
from PIL import Image

from language_model import LanguageModel
from speakage_daemon.picture_file import read

from .process import speakage

SAMPLES = Path(__file__).parents[2] / "samples"
CASTLE = str(SAMPLES / "castle.flac")


def painted(folder: Path, engines: Path, what: str, *settings: str) -> tuple[str, Path]:
    """What `speakage say` prints, and the one picture it keeps."""
    pictures = folder / "pictures"
    options = [part for setting in settings for part in ("--set", setting)]
    ran = speakage(folder, engines, "say", what, "--fast", "--out", str(pictures), *options, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (picture,) = pictures.glob("*.png")
    return ran.stdout + ran.stderr, picture


@pytest.mark.timeout(700)
def test_what_is_heard_is_painted_in_other_words(tmp_path: Path, engines_folder: Path) -> None:
    with LanguageModel() as model:
        model.answers = model.say("{} at night")
        _, picture = painted(
            tmp_path, engines_folder, CASTLE, f"rewriter.url={model.url}", "rewriter.budget_ms=60000",
            "rewriter.api_key=sk-secret",
        )  # fmt: skip
        asked = [one.prompt for one in model.asked]
    kept = read(picture)
    assert asked == [kept.rewritten_from], "once, for the final picture"
    assert kept.prompt == f"{kept.rewritten_from} at night"
    assert "castle" in kept.rewritten_from
    assert kept.timings.rewrite_ms is not None
    assert b"sk-secret" not in picture.read_bytes()
    with Image.open(picture) as image:
        assert image.info["parameters"].startswith(kept.prompt)


@pytest.mark.timeout(700)
def test_a_model_that_is_too_slow_is_told_and_the_sentence_is_painted_as_typed(
    tmp_path: Path, engines_folder: Path
) -> None:
    with LanguageModel() as model:
        model.answers = model.wait
        printed, picture = painted(
            tmp_path, engines_folder, "a castle in the snow", f"rewriter.url={model.url}", "rewriter.budget_ms=300"
        )
    kept = read(picture)
    assert (kept.prompt, kept.rewritten_from) == ("a castle in the snow", "")
    assert "painted as said: no answer within 300 ms" in " ".join(printed.split())
