"""Checkpoints: whole or not at all, and everything that random generators would have done next."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from speakage_engines.api import EngineError
from speakage_engines.training.batches import LARGEST_SHUFFLED, Plan, Share, batches, number_at
from speakage_engines.training.checkpoint import Checkpoints, Place, generator_states
from speakage_engines.training.log import CsvLog, Pace, duration, write_grid
from toy_training import Numbered

IDENTITY = {"learning_rate": 0.1, "seed": 0}


class Numbers:
    """A part that holds one tensor."""

    def __init__(self, value: float) -> None:
        self.tensor = torch.full((1000,), float(value))

    def state_dict(self) -> dict[str, Any]:
        return {"tensor": self.tensor}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.tensor = state_dict["tensor"]


class Bursting(Numbers):
    """The disk is full in the middle of it."""

    def __reduce__(self) -> Any:
        raise OSError(28, "No space left on device")

    def state_dict(self) -> dict[str, Any]:
        return {"tensor": self.tensor, "more": self}


def save(checkpoints: Checkpoints, step: int, part: Numbers | None = None) -> Path:
    generator = torch.Generator().manual_seed(step)
    return checkpoints.save(Place(step, step * 4), {"part": part or Numbers(step)}, [generator_states(generator)])


def resume(checkpoints: Checkpoints, processes: int = 1) -> tuple[Place, float]:
    part = Numbers(-1)
    place = checkpoints.resume({"part": part}, torch.Generator(), 0, processes)
    return place, float(part.tensor.mean())


def test_the_newest_is_taken_and_two_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    assert resume(checkpoints) == (Place(0, 0), -1)
    for step in (1, 9, 10):
        save(checkpoints, step)
    assert resume(checkpoints) == (Place(10, 40), 10)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000009.pt", "step-00000010.pt"]


def test_every_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    def draw(own: torch.Generator) -> list[float]:
        return [random.random(), float(np.random.rand()), float(torch.rand(1)), float(torch.rand(1, generator=own))]

    generator = torch.Generator().manual_seed(5)
    draw(generator)
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(Place(1, 4), {}, [generator_states(generator)])
    expected = draw(generator)
    assert draw(generator) != expected
    other = torch.Generator()
    checkpoints.resume({}, other, 0, 1)
    assert draw(other) == expected


def test_a_full_disk_leaves_the_older_one_whole(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    save(checkpoints, 1)
    with pytest.raises(EngineError, match=r"No space left.*older checkpoint is whole"):
        save(checkpoints, 2, Bursting(2))
    assert resume(checkpoints) == (Place(1, 4), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.pt"]


CHILD = """
import sys, torch
from pathlib import Path
from speakage_engines.training.checkpoint import Checkpoints, Place, generator_states
part = torch.nn.Linear(2000, 2000)
checkpoints = Checkpoints(Path(sys.argv[1]), {"learning_rate": 0.1, "seed": 0})
for step in range(1, 10_000):
    torch.nn.init.constant_(part.weight, step)
    checkpoints.save(Place(step, step), {"part": part}, [generator_states(torch.Generator())])
    print(step, flush=True)
"""


def test_a_killed_process_leaves_a_whole_one(tmp_path: Path) -> None:
    after = 3
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(after):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    part = torch.nn.Linear(2000, 2000)
    place = Checkpoints(tmp_path, IDENTITY).resume({"part": part}, torch.Generator(), 0, 1)
    assert place.step >= after
    assert bool((part.weight == place.step).all())


def test_a_damaged_one_is_named_and_the_one_before_it_can_be_taken(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    save(checkpoints, 1)
    newest = save(checkpoints, 2)
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.raises(EngineError, match=r"step-00000002.pt: damaged .* delete it"):
        resume(checkpoints)
    newest.unlink()
    assert resume(checkpoints)[0] == Place(1, 4)


def test_another_run_is_refused(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path, IDENTITY), 1)
    with pytest.raises(EngineError, match=r"learning_rate was 0.1 and is 0.2\)"):
        resume(Checkpoints(tmp_path, {**IDENTITY, "learning_rate": 0.2}))
    with pytest.raises(EngineError, match="begun with 1 processes"):
        resume(Checkpoints(tmp_path, IDENTITY), processes=2)


def test_every_picture_comes_once_a_round_and_rounds_differ() -> None:
    rounds = [[number_at(place, 50, seed=3) for place in range(start, start + 50)] for start in (0, 50)]
    assert [sorted(numbers) for numbers in rounds] == [list(range(50))] * 2
    assert rounds[0] != rounds[1]
    assert [number_at(place, LARGEST_SHUFFLED + 1, seed=3) for place in (0, 7)] == [0, 7]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_widen_go_on_anywhere_and_are_shared_out(workers: int) -> None:
    plan = Plan(batch=2, final_batch=6, widen_at=0.5, steps=4, accumulation=2)

    def take(start: tuple[int, int], share: Share, count: int) -> list[list[str]]:
        row = batches(Numbered(), plan, start, share, workers=workers, seed=1)
        return [next(row).captions for _ in range(count)]

    whole = take((0, 0), Share(), 8)
    assert [len(captions) for captions in whole] == [2, 2, 2, 2, 6, 6, 6, 6]
    assert len({caption for captions in whole for caption in captions}) == 32
    assert take((3, 20), Share(), 2) == whole[6:]
    both = [take((0, 0), Share(rank=rank, processes=2), 4) for rank in (0, 1)]
    assert [[*first, *second] for first, second in zip(*both, strict=True)][:2] == [
        [*whole[0], *whole[1]],
        [*whole[2], *whole[3]],
    ]


def test_the_log_takes_back_what_is_beyond_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = CsvLog(path, ("loss",), 0)
    for step in (1, 2, 3):
        log.write(step, loss=step / 3)
    CsvLog(path, ("loss",), 2).write(3, loss=0.25)
    assert path.read_text().split() == ["step,loss", f"1,{1 / 3!r}", f"2,{2 / 3!r}", "3,0.25"]
    with pytest.raises(EngineError, match="step 4 came out as"):
        log.write(4, loss=float("nan"))


def test_the_time_it_takes_is_told_before_it_has_well_begun() -> None:
    told: list[str] = []
    now = [0.0]
    pace = Pace("diffusion", 100, 4100, lambda what, done: told.append(f"{done:.2f} {what}"), clock=lambda: now[0])
    now[0] = 60  # the first step warms up, and is not counted
    for step in range(101, 111):
        pace.after(step)
        now[0] += 2
    assert told == ["0.03 diffusion: 3,995 steps of 2 s, about 2 h 13 min in all"]
    pace.tell(111, 0.5)
    assert told[1].endswith("step 111 of 4,100, loss 0.5000, 2 h 13 min left")
    assert [duration(seconds) for seconds in (12.2, 59.7, 240, 3600)] == ["12 s", "60 s", "4 min", "1 h 00 min"]


def test_a_grid_is_one_picture(tmp_path: Path) -> None:
    from PIL import Image

    rows = [torch.full((3, 3, 4, 4), value) for value in (-1.0, 1.0)]
    write_grid(tmp_path / "grids/one.png", rows)
    with Image.open(tmp_path / "grids/one.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (8, 12, 3)
    assert (int(pixels[:4].max()), int(pixels[4:].min())) == (0, 255)
