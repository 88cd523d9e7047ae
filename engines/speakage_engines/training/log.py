"""What a person sees of a run: the losses in a CSV file, pictures painted on the way, and how long it will take yet."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from PIL import Image

from speakage_engines.api import EngineError, Progress

TIMED_STEPS: Final = 4
"""Steps that are timed before the first estimate; the very first one, which warms everything up, is not."""


class CsvLog:
    """One row every few steps. A run that resumes takes back the rows beyond its checkpoint."""

    def __init__(self, path: Path, columns: tuple[str, ...], step: int) -> None:
        self._path = path
        self._columns = ("step", *columns)
        kept: list[list[str]] = []
        if path.exists() and step:
            with path.open(newline="", encoding="utf-8") as file:
                kept = [row for row in list(csv.reader(file))[1:] if row and int(row[0]) <= step]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self._columns, *kept])

    def write(self, step: int, **values: float) -> None:
        """Add a row; raises :class:`EngineError` for a loss that is not a number, since all after it would be lost."""
        if not all(math.isfinite(value) for value in values.values()):
            raise EngineError(
                f"{self._path}: step {step} came out as {values}; nothing was kept of it. Start again from the last "
                "checkpoint in another folder with a lower learning_rate, or with precision fp32"
            )
        row = [step, *(repr(float(values[column])) for column in self._columns[1:])]
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)


class Pace:
    """Says how long a run takes before it has well begun, and how far it is from then on."""

    def __init__(
        self, what: str, first: int, steps: int, progress: Progress, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._first = first
        self._steps = steps
        self._progress = progress
        self._clock = clock
        self._began = 0.0

    def after(self, step: int) -> None:
        """Call after every step; tells the estimate once."""
        done = step - self._first
        if done == 1:
            self._began = self._clock()
        if done == 1 + TIMED_STEPS and step < self._steps:
            each = (self._clock() - self._began) / TIMED_STEPS
            left = duration(each * (self._steps - step))
            self._progress(
                f"{self._what}: {self._steps - step:,} steps of {each:.3g} s, about {left} in all", step / self._steps
            )

    def tell(self, step: int, loss: float) -> None:
        """Call now and then."""
        done = step - self._first - 1
        left = (self._clock() - self._began) / done * (self._steps - step) if done > 0 else math.nan
        tail = f", {duration(left)} left" if math.isfinite(left) else ""
        self._progress(f"{self._what}: step {step:,} of {self._steps:,}, loss {loss:.4f}{tail}", step / self._steps)


def duration(seconds: float) -> str:
    """``1 h 23 min``, ``4 min``, ``12 s``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours else f"{minutes} min"


def write_grid(path: Path, rows: list[torch.Tensor]) -> None:
    """Pictures as one PNG: each row a tensor of shape ``(n, 3, size, size)`` in −1..1."""
    lines = [torch.cat(list(row.float().cpu()), dim=2) for row in rows]
    whole = torch.cat(lines, dim=1)
    pixels = ((whole.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    Image.fromarray(pixels).save(unfinished, format="PNG")
    unfinished.replace(path)
