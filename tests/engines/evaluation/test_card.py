"""Model cards: the figures between the marks are the evaluation's, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from speakage_engines.evaluation.card import BEGIN, END, learning_curve, update_card
from speakage_engines.evaluation.figure import Evaluation, EvaluationError, LeftOut, share

EVALUATION = Evaluation(
    "embedded",
    (share("scene accuracy: overall", [True] * 9 + [False], resolution="128×128", features="scenes (256)"),),
    (LeftOut("LPIPS", "needs weights"),),
)


def test_only_what_is_between_the_marks_changes_and_only_once(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(f"# A model\n\nWords.\n\n{BEGIN}\nold | figures\n{END}\n\nMore words.\n", encoding="utf-8")
    assert update_card(card, [EVALUATION])
    text = card.read_text(encoding="utf-8")
    assert text.startswith(f"# A model\n\nWords.\n\n{BEGIN}\n\n| what | value | measured on |\n")
    assert text.endswith(f"{END}\n\nMore words.\n")
    assert "| scene accuracy: overall | 90.0 % (59.6 to 98.2) | n = 10, 128×128, scenes (256); " in text
    assert "- LPIPS: needs weights" in text
    assert "old" not in text
    assert not update_card(card, [EVALUATION])
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize("text", ["no marks", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}"])
def test_a_card_without_its_marks_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    card = tmp_path / "README.md"
    card.write_text(text, encoding="utf-8")
    with pytest.raises(EvaluationError, match="should have one line"):
        update_card(card, [EVALUATION])
    assert card.read_text(encoding="utf-8") == text


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"README\.md cannot be read"):
        update_card(tmp_path / "README.md", [EVALUATION])


def test_a_log_becomes_a_short_curve(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    rows = [f"{step},{1 / step},0.001,0.5" for step in range(50, 5_001, 50)]
    log.write_text("\n".join(["step,loss,learning_rate,gradient", *rows]) + "\n", encoding="utf-8")
    lines = learning_curve(log).splitlines()
    assert lines[0] == "| steps | loss |"
    assert lines[2] == f"| to 400 | {sum(1 / step for step in range(50, 401, 50)) / 8:.4f} |"
    assert lines[-1].startswith("| to 5,000 | 0.000")
    assert len(lines) <= 16
    card = tmp_path / "README.md"
    card.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    update_card(card, [EVALUATION], learning_curve(log))
    assert "How it learned:\n\n| steps | loss |" in card.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "step,loss\n", "step,loss\n50,many\n", "loss\n1\n"])
def test_what_is_no_log_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text, encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"log\.csv is no log of a run"):
        learning_curve(tmp_path / "log.csv")
