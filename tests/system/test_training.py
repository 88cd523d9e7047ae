"""Training and measuring from the command line, on drawn scenes, a few steps each."""

import csv
import json
import re
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from speakage_engines.evaluation.card import BEGIN, END
from speakage_engines.evaluation.rating import KEY_FILE, RESULT_COLUMNS
from speakage_engines.models import embedded

from .process import COMMAND, speakage, surroundings

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.timeout(300)
def test_a_model_is_trained_from_nothing_and_paints(tmp_path: Path, engines_folder: Path) -> None:
    def train(*arguments: str) -> None:
        ran = speakage(tmp_path, engines_folder, "train", arguments[0], "scenes:narrow", "--size", "64", *arguments[1:])
        assert ran.returncode == 0, ran.stderr

    train("autoencoder", "--steps", "60")
    train("diffusion", "--steps", "2", "--tokenizer", str(tokenizer(tmp_path)))
    train("distil", "--steps", "2")
    model = tmp_path / "runs" / "distil" / "model"
    painted = speakage(
        tmp_path,
        engines_folder,
        "say",
        "a castle in the snow",
        *("--set", f"picture.model={model}", "--set", "picture.backend=torch", "--out", "out"),
    )
    assert painted.returncode == 0, painted.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) == 1


def tokenizer(folder: Path) -> Path:
    from speakage_engines.training.scenes import PRESETS, Scenes
    from speakage_engines.training.tokenizer import build

    scenes = Scenes(PRESETS["narrow"])
    build((scenes.caption(number) for number in range(2_000)), folder / "words")
    return folder / "words"


def test_a_data_set_with_faults_is_reported(tmp_path: Path, engines_folder: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "mine" / "broken.txt").write_text("a dog")
    ran = speakage(tmp_path, engines_folder, "train", "autoencoder", "mine")
    assert ran.returncode == 1
    assert "mine" in ran.stderr
    assert "Traceback" not in ran.stderr
    unknown = speakage(tmp_path, engines_folder, "train", "autoencoder", "scenes:huge")
    assert "narrow, cpu, gpu" in unknown.stderr


def test_ears_are_measured_through_the_daemons_own_gates(tmp_path: Path, engines_folder: Path) -> None:
    figures = tmp_path / "figures.json"
    ran = speakage(
        tmp_path,
        engines_folder,
        *("evaluate", "speech", str(SAMPLES / "manifest.json"), "--minutes", "5", "--json", str(figures)),
    )
    assert ran.returncode == 0, ran.stderr
    found = {figure["name"]: figure["value"] for figure in json.loads(figures.read_text())}
    assert found["word error rate"] == 0
    assert found["words invented"] == 0


def test_pictures_are_compared_side_by_side_and_what_cannot_be_measured_is_said(
    tmp_path: Path, engines_folder: Path
) -> None:
    ran = speakage(tmp_path, engines_folder, "evaluate", "compare", "embedded", "embedded", "--count", "2")
    assert ran.returncode == 0, ran.stderr
    assert "not measured: FID" in ran.stdout
    assert list((tmp_path / "comparison").glob("*.html"))
    broken = speakage(tmp_path, engines_folder, "evaluate", "speech", str(SAMPLES / "speak.py"), "--minutes", "0")
    assert broken.returncode == 1
    assert "speak.py" in broken.stderr


@pytest.mark.timeout(300)
def test_a_card_gets_the_figures_of_its_model(tmp_path: Path, engines_folder: Path) -> None:
    copy = Path(shutil.copytree(embedded("picture"), tmp_path / "model"))
    (copy / "README.md").write_text(f"# Mine\n\n{BEGIN}\n{END}\n", encoding="utf-8")
    ran = speakage(tmp_path, engines_folder, "evaluate", "card", "model", "--each", "2", timeout=280)
    assert ran.returncode == 0, ran.stderr
    card = (copy / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# Mine\n")
    for row in ("single object", "position", "background", "overall"):
        assert f"| scene accuracy: {row} |" in card
    assert "detector error, missed: counting" in card
    nothing = speakage(tmp_path, engines_folder, "evaluate", "card", str(tmp_path / "nowhere"))
    assert nothing.returncode != 0
    assert "nowhere" in nothing.stderr


@pytest.mark.timeout(300)
def test_people_rate_two_models_until_it_is_interrupted(tmp_path: Path, engines_folder: Path) -> None:
    shutil.copytree(embedded("picture"), tmp_path / "other")
    arguments = ("evaluate", "rate", "embedded", "other", "--count", "2", "--out", "rating")
    with subprocess.Popen(
        [str(COMMAND), *arguments], env=surroundings(tmp_path, engines_folder), cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as rating:  # fmt: skip
        assert rating.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/", rating.stdout.readline())
        assert address is not None
        with urlopen(address.group()) as page:
            assert b"<html" in page.read()
        with (tmp_path / "rating" / KEY_FILE).open(newline="") as file:
            pairs = [(row["study"], row["pair"]) for row in csv.DictReader(file)]
        votes = "\n".join([",".join(RESULT_COLUMNS), *(f"{study},{pair},somebody,A,1000" for study, pair in pairs)])
        with urlopen(Request(f"{address.group()}results", votes.encode())) as answer:
            assert answer.read() == b"kept"
        rating.send_signal(signal.SIGTERM)
        rest = rating.stdout.read()
        assert rating.wait(20) == 0
    assert "no more votes are taken" in rest
    assert "people" in rest
