"""The rules of the house that no single part can hold."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = {
    "hearing.segmenter": "tests/daemon/hearing/test_segmenter.py",
    "hearing.gain": "tests/daemon/hearing/test_gain.py",
    "hearing.wake": "tests/daemon/hearing/test_wake.py",
    "hearing.word_end": "tests/daemon/hearing/test_word_end.py",
    "understanding.stabiliser": "tests/daemon/understanding/test_stabiliser.py",
    "understanding.persona": "tests/daemon/understanding/test_persona.py",
    "understanding.phrase": "tests/daemon/understanding/test_phrase.py",
    "understanding.prompt": "tests/daemon/understanding/test_prompt.py",
    "understanding.director": "tests/daemon/understanding/test_director.py",
    "understanding.tail": "tests/daemon/understanding/test_tail.py",
    "understanding.turn": "tests/daemon/understanding/test_turn.py",
    "understanding.budget": "tests/daemon/understanding/test_budget.py",
    "understanding.vocabulary": "tests/daemon/understanding/test_scene.py",
    "understanding.inflection": "tests/daemon/understanding/test_inflection.py",
    "understanding.numbers": "tests/daemon/understanding/test_numbers.py",
    "understanding.scene": "tests/daemon/understanding/test_scene.py",
    "understanding.reading": "tests/daemon/understanding/test_scene.py",
    "understanding.corrections": "tests/daemon/understanding/test_corrections.py",
    "understanding.meaning": "tests/daemon/understanding/test_canvas.py",
    "understanding.changes": "tests/daemon/understanding/test_changes.py",
    "understanding.canvas": "tests/daemon/understanding/test_canvas.py",
    "understanding.chips": "tests/daemon/understanding/test_chips.py",
    "understanding.references": "tests/daemon/understanding/test_talking.py",
    "understanding.values": "tests/daemon/understanding/test_talking.py",
    "understanding.rewriting": "tests/daemon/understanding/test_rewriting.py",
    "understanding.orders": "tests/daemon/understanding/test_talking.py",
    "understanding.picture_edits": "tests/daemon/understanding/test_talking.py",
    "understanding.thing_edits": "tests/daemon/understanding/test_talking.py",
    "understanding.edits": "tests/daemon/understanding/test_talking.py",
    "understanding.commands": "tests/daemon/understanding/test_talking.py",
    "understanding.expectation": "tests/daemon/understanding/test_expectation.py",
    "understanding.moments": "tests/daemon/painting/test_ledger.py",
    "painting.ledger": "tests/daemon/painting/test_ledger.py",
    "understanding.strength": "tests/daemon/understanding/test_talking.py",
    "serving.wire": "tests/daemon/serving/test_wire.py",
    "serving.outbox": "tests/daemon/serving/test_outbox.py",
    "serving.access": "tests/daemon/serving/test_access.py",
}


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=100)


def test_imports_keep_to_the_seams() -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.timeout(600)
def test_pure_files_are_covered_whole_by_their_own_tests(tmp_path: Path) -> None:
    covered = [f"--cov=speakage_daemon.{module}" for module in PURE]
    options = ["-q", "-p", "no:cacheprovider", "--cov-branch", "--cov-fail-under=100", "--cov-report=term-missing"]
    command = [sys.executable, "-m", "pytest", *options, *covered, *PURE.values()]
    ran = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=590,
        env={"PATH": "/usr/bin:/bin", "COVERAGE_FILE": str(tmp_path / "coverage")},
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]


@pytest.mark.parametrize(
    "module", ["speakage_daemon.app", "speakage_daemon.__main__", "speakage_engines.api", "speakage_clients.sdk"]
)
def test_nothing_heavy_is_imported_before_it_is_needed(module: str) -> None:
    heavy = "{'torch', 'openvino', 'transformers', 'diffusers', 'faster_whisper', 'pyaudio', 'pymicro_wakeword'}"
    ran = python("-c", f"import sys, {module}; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)")
    assert ran.returncode == 0, f"{module} imports {ran.stderr}"


def test_no_folder_root_is_a_package() -> None:
    for root in ("daemon", "engines", "clients"):
        assert not (ROOT / root / "__init__.py").exists()
