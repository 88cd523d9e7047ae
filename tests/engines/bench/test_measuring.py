"""All contestants on one tiny model, each in its process: they do the same work, and every prompt is encoded."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import pytest
import torch

from speakage_engines.api import EngineError
from speakage_engines.bench.document import check_document, marks, tables, write_between
from speakage_engines.bench.painters import open_painter
from speakage_engines.bench.plan import (
    BASELINE,
    PEERS,
    SEED,
    BenchError,
    Contestant,
    Job,
    Rounds,
    Subject,
    own_prompts,
    read_prompts,
)
from speakage_engines.bench.plot import plot
from speakage_engines.bench.process import Process, Turn, _surroundings, peak_memory
from speakage_engines.bench.results import STAGES, evaluate, over_rounds, psnr
from speakage_engines.bench.rounds import Result, _Lane, _make_room, _take_turn, measure
from speakage_engines.evaluation.figure import Evaluation, LeftOut, as_records

# whichever test is the first waits for three libraries to be imported in three processes
pytestmark = pytest.mark.timeout(400)

ROUNDS = Rounds(runs=3, rounds=2)
TORCH = Contestant(library="speakage", backend="torch", precision="fp32")
OPENVINO = Contestant(library="speakage", backend="openvino", precision="fp32")


@pytest.fixture(scope="module")
def results(tiny_subject: Subject) -> list[Result]:
    return measure(tiny_subject, (TORCH, OPENVINO, PEERS[0]), own_prompts(ROUNDS.prompts), ROUNDS)


@pytest.fixture(scope="module")
def evaluation(tiny_subject: Subject, results: list[Result]) -> Evaluation:
    return evaluate(tiny_subject, results, [LeftOut("optimum-intel openvino auto", "not installed; pip install it")])


def by_name(results: list[Result], name: str) -> Result:
    return next(result for result in results if result.contestant.name == name)


def test_every_call_has_a_prompt_of_its_own_which_all_contestants_share(results: list[Result]) -> None:
    said = [[call.prompt for call in result.calls] for result in results]
    assert said[0] == said[1] == said[2]
    assert len(set(said[0])) == len(said[0]) == 3
    assert [len(calls) for calls in results[0].rounds] == [2, 1]


def test_the_text_encoder_runs_for_a_new_prompt_and_not_for_a_repeated_one(results: list[Result]) -> None:
    for result in results:
        assert [call.encoder_runs for call in result.calls] == [1, 1, 1]
        assert result.repeat_runs == (0 if result.contestant.ours else 1)


def test_the_peer_does_the_same_work(results: list[Result]) -> None:
    """With the same seed the same picture, up to precision."""
    theirs = by_name(results, BASELINE).picture
    assert theirs.shape == (32, 32, 3)
    assert theirs.std() > 5
    assert np.abs(theirs.astype(float) - by_name(results, TORCH.name).picture).max() <= 1
    assert psnr(by_name(results, OPENVINO.name).picture, theirs) > 40


def test_stages_are_parts_of_the_whole(results: list[Result]) -> None:
    for result in results:
        for call in result.calls:
            parts = [getattr(call, stage) for stage in STAGES]
            assert all(part > 0 for part in parts)
            assert sum(parts) < call.total
        assert result.peak > 50_000_000
        assert [load > 0 for load in result.loads] == [True]


def test_what_runs_is_told_as_read_back(results: list[Result]) -> None:
    assert [result.about for result in results] == ["torch fp32", "openvino fp32", "torch fp32"]
    assert [result.build is not None for result in results] == [False, True, False]


def test_figures_are_records_of_name_value_and_unit(evaluation: Evaluation) -> None:
    records = json.loads(json.dumps(as_records(evaluation.figures)))
    assert all(record.keys() == {"name", "value", "unit"} and math.isfinite(record["value"]) for record in records)
    names = [record["name"] for record in records]
    assert len(set(names)) == len(names)
    for contestant in (TORCH, OPENVINO, PEERS[0]):
        for what in ("p50", "p50.low", "p50.high", "p95", "images_per_second", "peak_memory", "load", "jpeg.p50",
                     "encode_prompt.p50", "denoise.p50", "decode.p50"):  # fmt: skip
            assert f"bench.tiny.{contestant.slug}.{what}" in names
    repeated = {record["name"]: record["value"] for record in records if record["name"].endswith("repeated_prompt")}
    assert repeated[f"bench.tiny.{OPENVINO.slug}.text_encoder_runs.repeated_prompt"] == 0
    assert f"bench.tiny.{OPENVINO.slug}.build" in names
    assert f"bench.tiny.{OPENVINO.slug}.times_faster.low" in names
    assert f"bench.tiny.{PEERS[0].slug}.times_faster" not in names


def test_the_tables_have_a_row_for_everyone_and_for_who_is_not_there(
    tiny_subject: Subject, results: list[Result], evaluation: Evaluation
) -> None:
    side_by_side, stages = tables(tiny_subject, results, evaluation)
    assert side_by_side.title == "prompt to JPEG: tiny, 32×32, 2 steps"
    names = [TORCH.name, OPENVINO.name, BASELINE, "optimum-intel openvino auto"]
    assert [row[0] for row in side_by_side.rows] == names
    assert side_by_side.rows[-1][1] == "not installed"
    assert all(len(row) == len(side_by_side.head) for row in side_by_side.rows)
    assert len(stages.rows) == 3
    assert side_by_side.as_markdown().count("\n") == 6


def test_a_plot_of_them_is_small(tiny_subject: Subject, results: list[Result], tmp_path: Path) -> None:
    from PIL import Image

    plot(tiny_subject, results, tmp_path / "bench.webp")
    assert (tmp_path / "bench.webp").stat().st_size < 50_000
    with Image.open(tmp_path / "bench.webp") as picture:
        assert picture.width == 800


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_a_backend_without_its_card_is_one_sentence(tiny_subject: Subject) -> None:
    tensorrt = replace(TORCH, backend="tensorrt", precision="auto")
    with pytest.raises(EngineError, match=r"^no NVIDIA card is seen here.* set picture.backend to auto$"):
        measure(tiny_subject, (tensorrt,), own_prompts(2), Rounds(runs=1, rounds=1))


def test_a_process_that_is_killed_is_one_sentence(tiny_subject: Subject) -> None:
    with Process(Job(contestant=TORCH, subject=tiny_subject, prompts=own_prompts(2))) as process:
        process._process.kill()
        with pytest.raises(BenchError, match="speakage torch fp32: its process was killed, most likely because memory"):
            process.loaded()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_peer_in_half_precision_paints_the_same_but_for_rounding(
    tiny_subject: Subject, results: list[Result]
) -> None:
    half = open_painter(Job(contestant=PEERS[1], subject=tiny_subject, prompts=()))
    painted = half.paint(results[0].calls[0].prompt, SEED)
    assert 20 < psnr(np.asarray(painted.picture), by_name(results, BASELINE).picture) < 60
    assert (half.about, half.encoder_runs()) == ("torch bf16", 1)


class Waiting:
    """A process that has nothing to do."""

    def __init__(self, turn: Turn | None = None, ended: list[Waiting] | None = None) -> None:
        self.ended = [] if ended is None else ended
        self._turn = turn

    def end(self) -> None:
        self.ended.append(self)

    def turn(self, warm_up: int, numbers: tuple[int, ...]) -> Turn:
        assert self._turn is not None
        return self._turn


def lane(subject: Subject, peak: int, process: Waiting | None) -> _Lane:
    job = Job(contestant=TORCH, subject=subject, prompts=own_prompts(2))
    return _Lane(job, cast("Process | None", process), peak=peak)


def test_who_waits_is_ended_where_memory_is_short_the_largest_first(tiny_subject: Subject) -> None:
    free = psutil.virtual_memory().available
    ended: list[Waiting] = []
    small, large = Waiting(ended=ended), Waiting(ended=ended)
    fits, too_large = lane(tiny_subject, 1, None), lane(tiny_subject, free * 2, None)
    others = [lane(tiny_subject, 1_000, small), lane(tiny_subject, 2_000, large)]
    _make_room(fits, [fits, *others])
    assert ended == []
    _make_room(too_large, [too_large, *others])
    assert ended == [large, small]
    assert [other.process for other in others] == [None, None]


def test_prompts_that_a_model_reads_alike_are_an_error(tiny_subject: Subject, results: list[Result]) -> None:
    call = replace(results[0].calls[0], encoder_runs=0)
    from_cache = Waiting(Turn(calls=(call,), picture=results[0].picture, peak=1))
    waiting = lane(tiny_subject, 1, from_cache)
    with pytest.raises(BenchError, match=r"did not encode 'a red car .* that it knows with --prompts"):
        _take_turn(waiting, [waiting], 0, range(2))


def test_peers_wait_as_their_libraries_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    assert _surroundings(TORCH)["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "OMP_WAIT_POLICY" not in _surroundings(PEERS[0])


def test_peak_memory_is_what_was_had_at_most() -> None:
    before = peak_memory()
    block: Any = np.ones(before + 50_000_000, np.uint8)
    del block
    assert peak_memory() >= before + 50_000_000


# --- plans, statistics and documents --------------------------------------------------------------------------------


def test_calls_are_spread_evenly_over_rounds() -> None:
    assert Rounds(runs=20, rounds=5).calls == (4, 4, 4, 4, 4)
    assert Rounds(runs=7, rounds=3).calls == (3, 2, 2)
    assert Rounds(runs=7, rounds=3).prompts == 10


def test_our_prompts_are_all_different_and_short() -> None:
    prompts = own_prompts(640)
    assert len(set(prompts)) == 640
    assert max(map(len, prompts)) < 40
    with pytest.raises(BenchError, match="takes 641 prompts and there are 640; ask for fewer --runs"):
        own_prompts(641)


def test_prompts_are_read_from_a_file_and_have_to_suffice(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a cat\n\na dog\na cat\n a bee \n")
    assert read_prompts(file, 3) == ("a cat", "a dog", "a bee")
    with pytest.raises(BenchError, match="has 3 different prompts, this takes 4"):
        read_prompts(file, 4)
    with pytest.raises(BenchError, match="cannot be read"):
        read_prompts(tmp_path / "none.txt", 1)


def test_intervals_are_drawn_over_whole_rounds() -> None:
    assert over_rounds(1, lambda _rounds: 1.0) is None
    values = [10.0, 20.0, 30.0]
    interval = over_rounds(3, lambda rounds: sum(values[number] for number in rounds) / 3)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((10, 30), abs=4)


def test_the_likeness_of_pictures() -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(grey, grey) == math.inf
    assert psnr(grey, grey + np.uint8(1)) == pytest.approx(20 * math.log10(255))


def test_only_what_lies_between_the_marks_is_written(tmp_path: Path) -> None:
    begin, end = marks("tiny")
    file = tmp_path / "benchmarks.md"
    file.write_text(f"# Mine\n\n{begin}\nold\n{end}\n\n<!-- bench other -->\n| mine |\n")
    assert write_between(file, "tiny", "| new |\n")
    assert file.read_text() == f"# Mine\n\n{begin}\n\n| new |\n\n{end}\n\n<!-- bench other -->\n| mine |\n"
    assert not write_between(file, "tiny", "| new |\n")
    assert [path.name for path in tmp_path.iterdir()] == ["benchmarks.md"]


@pytest.mark.parametrize("text", ["", "{end}\n{begin}", "{begin}\n{begin}\n{end}", "{begin}"])
def test_a_document_without_its_marks_is_refused(tmp_path: Path, text: str) -> None:
    begin, end = marks("tiny")
    file = tmp_path / "benchmarks.md"
    file.write_text(text.format(begin=begin, end=end))
    with pytest.raises(BenchError, match="should have one line"):
        check_document(file, "tiny")
    with pytest.raises(BenchError, match="cannot be read"):
        check_document(tmp_path / "none.md", "tiny")
