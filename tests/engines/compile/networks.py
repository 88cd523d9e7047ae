"""Networks that another process can find: the builder's child imports this module by its name."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from typing_extensions import override

from speakage_engines.compile.module import Input, Module


class Doubled(torch.nn.Module):
    """Doubles what it is given."""

    @override
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values * 2


class Sorting(torch.nn.Module):
    """Cannot be exported: what it does hangs on what it is given."""

    @override
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values if values.sum() > 0 else -values


class Mixed(torch.nn.Module):
    """A layer, and a second input of another kind."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(32, 32)

    @override
    def forward(self, values: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        return self.layer(values) + steps[:, None].to(values.dtype)


def noted(notes: Path, make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """Make a network, and note that it was read, and by which process."""
    with notes.open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    return make()


def spoilt(load: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """A network of which one layer's weights have grown by a quarter."""
    network = load()
    with torch.no_grad():
        next(item for item in network.parameters() if item.ndim > 1).mul_(1.25)
    return network


def killed() -> torch.nn.Module:
    """What the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return Doubled()


def doubler(notes: Path, **changes: Any) -> Module:
    """A module to export, whose readings are noted."""
    fields = {
        "name": "doubler",
        "load": partial(noted, notes, Doubled),
        "inputs": (Input(name="values", shape=(2, 3)),),
        "weights": "a" * 64,
    }
    return Module(**{**fields, **changes})
