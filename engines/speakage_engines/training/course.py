"""What every recipe does alike around its own loss: batches, accumulated gradients, rate, log, checkpoints.

A recipe holds a :class:`Run` and stays in charge: the loop, the networks and the loss are its own. Put together so that
a run which was stopped goes on exactly, on a CPU in fp32 to the last bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from accelerate.utils import gather_object  # type: ignore[import-untyped]
from diffusers.optimization import get_cosine_schedule_with_warmup

from speakage_engines.api import EngineError, Progress
from speakage_engines.training.api import Pictures
from speakage_engines.training.batches import Batch, Plan, Share, batches
from speakage_engines.training.checkpoint import Checkpoints, Place, Stateful, generator_states
from speakage_engines.training.log import CsvLog, Pace
from speakage_engines.training.precision import Precision, best_precision, computing


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How long, how wide and how fast a run goes."""

    steps: int
    """Of the optimiser."""
    batch: int
    """Pictures a step, for one process and one accumulation: few at first, since many small steps learn fastest."""
    final_batch: int
    widen_at: float = 0.7
    """The part of all steps after which ``final_batch`` is taken."""
    accumulation: int = 1
    """Batches whose gradients make one step."""
    learning_rate: float
    """At its highest: it rises for ``warmup`` steps and falls to 0 by a cosine."""
    warmup: int = 200
    weight_decay: float = 1e-4
    clip: float = 1.0
    """The gradient's norm is held below it."""
    precision: Precision = field(default_factory=best_precision)
    workers: int = 0
    """Processes that draw or decode pictures, for each GPU."""
    seed: int = 0
    log_every: int = 50
    checkpoint_every: int = 1000
    """Steps; a multiple of ``log_every``. Sample grids are painted as often."""


class Run:
    """The bookkeeping of one run in one folder; the same on every process but for the log and the files."""

    def __init__(self, what: str, course: Course, folder: Path, progress: Progress) -> None:
        if course.checkpoint_every % course.log_every:
            raise EngineError("checkpoint_every must be a multiple of log_every: the log could not go on exactly")
        self.folder = folder
        self._what = what
        self._course = course
        self._progress = progress
        self._accelerator = Accelerator()
        self.device: torch.device = self._accelerator.device
        self.is_main: bool = self._accelerator.is_main_process
        rank, processes = self._accelerator.process_index, self._accelerator.num_processes
        self._share = Share(rank=rank, processes=processes)
        self._plan = Plan(
            batch=course.batch,
            final_batch=course.final_batch,
            widen_at=course.widen_at,
            steps=course.steps,
            accumulation=course.accumulation,
        )
        self._place = Place(0, 0)
        self._total = torch.zeros((), device=self.device)
        self.generator = torch.Generator(self.device).manual_seed(course.seed + 1000 * rank)
        """Of all that a loss draws: noise, timesteps, dropped captions."""
        # new networks are the same on every process
        torch.manual_seed(course.seed)

    @property
    def step(self) -> int:
        """Steps of the optimiser done."""
        return self._place.step

    @property
    def goes_on(self) -> bool:
        """Whether there are steps left."""
        return self._place.step < self._course.steps

    @property
    def at_checkpoint(self) -> bool:
        """Whether the step just done is one to be kept."""
        return self.step % self._course.checkpoint_every == 0 or not self.goes_on

    def prepare(self, network: torch.nn.Module) -> Any:
        """Put a network on the device, wrapped for several GPUs where there are, with a fresh optimiser."""
        network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(
            self._parameters,
            lr=self._course.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=self._course.weight_decay,
            fused=True,
        )
        self._rates = get_cosine_schedule_with_warmup(optimiser, self._course.warmup, self._course.steps)
        self._model, self._optimiser = self._accelerator.prepare(network, optimiser)
        return self._model

    def begin(self, parts: Mapping[str, Stateful], identity: Mapping[str, Any], pictures: Pictures) -> None:
        """Go on from the newest checkpoint, if there is one; ``identity`` is all that makes this run what it is."""
        self._parts = {**parts, "optimiser": self._optimiser, "rates": self._rates}
        whole = {**identity, "pictures": len(pictures), "size": pictures.size}
        self._checkpoints = Checkpoints(self.folder / "checkpoints", whole)
        self._place = self._checkpoints.resume(self._parts, self.generator, self._share.rank, self._share.processes)
        start, course = (self._place.step, self._place.position), self._course
        self._batches = batches(pictures, self._plan, start, self._share, workers=course.workers, seed=course.seed)
        if self.is_main:
            self._log = CsvLog(self.folder / "log.csv", ("loss", "learning_rate", "gradient"), self.step)
        self._pace = Pace(self._what, self.step, course.steps, self._progress)

    def batches(self) -> Iterator[Batch]:
        """Those of the next step; several GPUs exchange gradients with the last one only."""
        for number in range(1, self._course.accumulation + 1):
            last = number == self._course.accumulation
            with contextlib.nullcontext() if last else self._accelerator.no_sync(self._model):
                yield next(self._batches)

    def autocast(self) -> AbstractContextManager[None]:
        """Mixed precision, where the settings ask for it."""
        return computing(self.device, self._course.precision)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of one batch."""
        part = loss / self._course.accumulation
        self._accelerator.backward(part)
        self._total += part.detach()

    def advance(self) -> None:
        """One step of the optimiser, and a row in the log now and then."""
        gradient = self._accelerator.clip_grad_norm_(self._parameters, self._course.clip)
        rate = self._rates.get_last_lr()[0]
        self._optimiser.step()
        self._rates.step()
        self._optimiser.zero_grad()
        taken = self._plan.size(self.step) * self._course.accumulation * self._share.processes
        self._place = Place(self.step + 1, self._place.position + taken)
        self._pace.after(self.step)
        if self.step % self._course.log_every == 0:
            loss = float(self._accelerator.reduce(self._total, "mean")) / self._course.log_every
            self._total.zero_()
            if self.is_main:
                self._log.write(self.step, loss=loss, learning_rate=rate, gradient=float(gradient))
                self._pace.tell(self.step, loss)

    def save(self) -> None:
        """Keep everything; call it on every process."""
        states = gather_object([generator_states(self.generator)])
        if self.is_main:
            self._checkpoints.save(self._place, self._parts, states)
        self.wait()

    def wait(self) -> None:
        """For the other processes."""
        self._accelerator.wait_for_everyone()
