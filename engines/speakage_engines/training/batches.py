"""Numbered pictures as batches, in an order that hangs on the seed and the position alone.

So a run that resumes knows what comes next without having kept anything but one number. Drawing or decoding is done
by worker processes where the settings ask for some. Does *not* augment: that is for the pictures themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler
from typing_extensions import override

from speakage_engines.training.api import Example, Pictures

LARGEST_SHUFFLED: Final = 1 << 24
"""With more pictures than that they are taken in the order of their numbers: they are drawn, and independent."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures and what is on them."""

    pixels: torch.Tensor
    """RGB, shape ``(n, 3, size, size)``, uint8: a quarter of what workers would have to hand over as float32."""
    captions: list[str]
    content: torch.Tensor | None = None
    """What is where, shape ``(n, rows, rows)``, int64, for data that know it; see :class:`.api.Example`."""

    def pictures(self, device: torch.device) -> torch.Tensor:
        """RGB in −1..1, float32, on a device."""
        return self.pixels.to(device, non_blocking=True).float() / 127.5 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many pictures each step takes: few at first, since many small steps learn fastest; more at the end."""

    batch: int
    final_batch: int
    """Takes the place of ``batch`` once ``widen_at`` of all steps are done."""
    widen_at: float
    """0 to 1."""
    steps: int
    accumulation: int
    """Batches whose gradients are added up for one step."""

    def size(self, step: int) -> int:
        """Pictures in each batch of a step, for one process."""
        return self.batch if step < self.widen_at * self.steps else self.final_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which part of every batch a process takes."""

    rank: int = 0
    processes: int = 1


def batches(
    pictures: Pictures, plan: Plan, start: tuple[int, int], share: Share, *, workers: int, seed: int
) -> Iterator[Batch]:
    """Batches without end, from ``start`` (step, position) on."""
    loader: Iterable[_Drawn] = DataLoader(
        _Examples(pictures),
        batch_sampler=_Numbers(len(pictures), plan, start, share, seed),
        num_workers=workers,
        collate_fn=_stack,
        # of its own, or the loader would draw from the process's
        generator=torch.Generator().manual_seed(seed),
        prefetch_factor=4 if workers else None,
        # threads of torch and of other libraries do not survive a fork
        multiprocessing_context="spawn" if workers else None,
    )
    return map(_batch, loader)


def first(pictures: Pictures, count: int) -> Batch:
    """The pictures of the lowest numbers: always the same, for grids and measures."""
    examples = _Examples(pictures)
    return _batch(_stack([examples[number] for number in range(min(count, len(pictures)))]))


def number_at(position: int, count: int, seed: int) -> int:
    """The picture at a position of an endless row: every picture once, then all again in another order."""
    round_, index = divmod(position, count)
    if count > LARGEST_SHUFFLED:
        return index
    return int(_order(count, seed, round_)[index])


@lru_cache(maxsize=2)
def _order(count: int, seed: int, round_: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, round_)).permutation(count)


class _Numbers(Sampler[list[int]]):
    """The numbers of each batch; without end."""

    def __init__(self, count: int, plan: Plan, start: tuple[int, int], share: Share, seed: int) -> None:
        self._count = count
        self._plan = plan
        self._start = start
        self._share = share
        self._seed = seed

    @override
    def __iter__(self) -> Iterator[list[int]]:
        step, position = self._start
        while True:
            size = self._plan.size(step)
            for _ in range(self._plan.accumulation):
                own = position + self._share.rank * size
                yield [number_at(place, self._count, self._seed) for place in range(own, own + size)]
                position += size * self._share.processes
            step += 1


class _Examples(Dataset[Example]):
    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    @override
    def __getitem__(self, number: int) -> Example:
        return self._pictures.example(number)


_Drawn: TypeAlias = tuple[NDArray[np.uint8], list[str], NDArray[np.int16] | None]
"""What a worker hands over: arrays, since a worker that is ended while it shares a tensor aborts."""


def _stack(examples: list[Example]) -> _Drawn:
    pictures = np.stack([example.picture for example in examples])
    maps = [example.content for example in examples if example.content is not None]
    return pictures, [example.caption for example in examples], np.stack(maps) if maps else None


def _batch(drawn: _Drawn) -> Batch:
    pictures, captions, maps = drawn
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()
    return Batch(pixels, captions, None if maps is None else torch.from_numpy(maps).long())
