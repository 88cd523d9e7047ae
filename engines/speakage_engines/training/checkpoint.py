"""Checkpoints that resume exactly: after a stop, the losses go on as if there had been none.

All that shapes the next step is kept: networks, averages, optimiser, learning-rate schedule, the states of every
random generator of every process, the step, and the position in the data. A checkpoint is one file, written beside its
place, flushed to the disk and then renamed, so that an interruption at any instant leaves the older one whole.

It does *not* resume a run whose settings, pictures or number of processes changed: that would be another run.
"""

from __future__ import annotations

import json
import os
import pickle
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch

from speakage_engines.api import EngineError

_PREFIX: Final = "step-"
_SUFFIX: Final = ".pt"


class Stateful(Protocol):
    """A network, an optimiser, a schedule, an average."""

    def state_dict(self) -> dict[str, Any]:
        """All that it holds."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Hold this instead."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a run has come."""

    step: int
    """Optimiser steps done."""
    position: int
    """Examples taken from the data, by all processes together."""


class Checkpoints:
    """The checkpoints of one run, in a folder of their own; the newest few are kept."""

    def __init__(self, folder: Path, identity: Mapping[str, Any], *, keep: int = 2) -> None:
        self._folder = folder
        self._identity = json.dumps(identity, sort_keys=True, default=str)
        self._keep = keep

    def save(self, place: Place, parts: Mapping[str, Stateful], generators: list[dict[str, Any]]) -> Path:
        """Write one file whole or not at all; ``generators`` holds one state a process (:func:`generator_states`)."""
        content = {
            "identity": self._identity,
            "step": place.step,
            "position": place.position,
            "parts": {name: part.state_dict() for name, part in parts.items()},
            "generators": generators,
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{_PREFIX}{place.step:08d}{_SUFFIX}"
        for stale in self._folder.glob(f".{_PREFIX}*.part"):
            stale.unlink()  # of a run that was interrupted while it wrote
        unfinished = self._folder / f".{path.name}.part"
        try:
            with unfinished.open("wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
            _sync_folder(self._folder)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise EngineError(
                f"{path}: cannot be written ({error.strerror or error}); the older checkpoint is whole. "
                "Free space and start the same run again"
            ) from error
        for older in self._all()[: -self._keep]:
            older.unlink()
        return path

    def resume(self, parts: Mapping[str, Stateful], generator: torch.Generator, rank: int, processes: int) -> Place:
        """Bring every part to the newest checkpoint, if there is one; raises :class:`EngineError` when it cannot be."""
        found = self._all()
        if not found:
            return Place(0, 0)
        path = found[-1]
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
            raise EngineError(f"{path}: damaged ({error}); delete it to go on from the one before it") from error
        if content["identity"] != self._identity:
            changed = _differences(json.loads(content["identity"]), json.loads(self._identity))
            raise EngineError(
                f"{path}: this run was begun differently ({changed}); give the same settings and pictures, "
                "or another folder to begin anew"
            )
        if len(content["generators"]) != processes:
            raise EngineError(
                f"{path}: this run was begun with {len(content['generators'])} processes; start as many again"
            )
        for name, part in parts.items():
            part.load_state_dict(content["parts"][name])
        restore_generators(content["generators"][rank], generator)
        return Place(content["step"], content["position"])

    def _all(self) -> list[Path]:
        return sorted(self._folder.glob(f"{_PREFIX}*{_SUFFIX}"))


def generator_states(generator: torch.Generator) -> dict[str, Any]:
    """The states of the run's own random generator and of the process's: python's, numpy's and torch's."""
    numpys = np.random.get_state(legacy=False)
    words = numpys["state"]
    return {
        "run": generator.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": random.getstate(),
        "numpy": {
            **numpys,
            "state": {"key": torch.from_numpy(words["key"].astype(np.int64)), "pos": words["pos"]},
        },
    }


def restore_generators(states: Mapping[str, Any], generator: torch.Generator) -> None:
    """Undo all drawing since :func:`generator_states`."""
    generator.set_state(states["run"])
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    random.setstate(states["python"])
    words = states["numpy"]["state"]
    np.random.set_state(
        {**states["numpy"], "state": {"key": words["key"].numpy().astype(np.uint32), "pos": words["pos"]}}
    )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return ", ".join(f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in names)


def _sync_folder(folder: Path) -> None:
    """A rename is on the disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
