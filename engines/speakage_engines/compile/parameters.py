"""Where the weights of a network lie in its ONNX export, so that an engine made of it can be given others by name.

The exporter renames some, and keeps a linear layer's matrix turned for multiplying from the right, so they are found by
what is in them. Two that hold the same numbers cannot be told apart and are left out, as is what was folded away.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import external_data_helper, numpy_helper

from speakage_engines.api import BuildError

PARAMETERS_FILE: Final = "parameters.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialiser:
    """A constant of an ONNX graph."""

    name: str
    transposed: bool
    """It is the parameter, turned."""


def write_parameters(network: torch.nn.Module, path: Path) -> None:
    """Keep the map beside an export of the network, by the parameters' names there."""
    found = {name: dataclasses.asdict(place) for name, place in find_parameters(network, path).items()}
    path.with_name(PARAMETERS_FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read_parameters(path: Path) -> dict[str, Initialiser]:
    """The map beside an export; raises :class:`BuildError` when there is none."""
    file = path.with_name(PARAMETERS_FILE)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {name: Initialiser(**place) for name, place in found.items()}
    except (OSError, ValueError, TypeError) as error:
        raise BuildError(f"{file}: cannot be read ({error}); delete its folder and build again") from error


def find_parameters(network: torch.nn.Module, path: Path) -> dict[str, Initialiser]:
    """By the parameters' names; only matrices and kernels are looked for."""
    there: dict[bytes, list[str]] = {}
    for name, digest in _initialisers(path):
        there.setdefault(digest, []).append(name)
    wanted: dict[bytes, list[tuple[str, bool]]] = {}
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2:
            continue
        values = _array(parameter)
        wanted.setdefault(_digest(values), []).append((name, False))
        if values.ndim == 2:
            wanted.setdefault(_digest(values.T), []).append((name, True))
    return {
        wanted[digest][0][0]: Initialiser(name=names[0], transposed=wanted[digest][0][1])
        for digest, names in there.items()
        if len(names) == 1 and len(wanted.get(digest, ())) == 1
    }


def _initialisers(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and digests; large files are read one tensor at a time."""
    for tensor in onnx.load(path, load_external_data=False).graph.initializer:
        if tensor.external_data:
            external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
        yield tensor.name, _digest(numpy_helper.to_array(tensor))
        tensor.ClearField("raw_data")


def _array(parameter: torch.Tensor) -> NDArray[Any]:
    found: NDArray[Any]
    values = parameter.detach().cpu()
    if values.dtype != torch.bfloat16:
        found = values.numpy()
        return found
    # as onnx gives it, since numpy has no such type
    raw = values.view(torch.uint16).numpy().tobytes()
    found = numpy_helper.to_array(onnx.helper.make_tensor("", onnx.TensorProto.BFLOAT16, values.shape, raw, raw=True))
    return found


def _digest(values: NDArray[Any]) -> bytes:
    described = f"{values.dtype} {values.shape}".encode()
    return hashlib.sha256(described + np.ascontiguousarray(values).tobytes()).digest()
