"""Checkpoints and folders as tensors by name, read one at a time, and written so that nothing is ever half there.

Pickles are read with ``weights_only`` alone: what holds code is refused, not run.
"""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from speakage_engines.api import ModelError
from speakage_engines.diffusion.conversion_parts import Shape


class Tensors:
    """The tensors of one or several files; only names and shapes are read at once."""

    def __init__(
        self, shapes: Mapping[str, Shape], get: Callable[[str], torch.Tensor], told: Mapping[str, str]
    ) -> None:
        self.shapes = dict(shapes)
        self.get = get
        self.metadata = dict(told)


def open_checkpoint(path: Path) -> Tensors:
    """A ``.safetensors`` file, or a pickle (``.ckpt``, ``.pt``, ``.pth``, ``.bin``); raises :class:`ModelError`."""
    if path.suffix == ".safetensors":
        return open_safetensors([path])
    if path.suffix in (".ckpt", ".pt", ".pth", ".bin"):
        return _open_pickle(path)
    raise ModelError(f"{path}: only .safetensors and .ckpt files can be converted, and diffusers folders")


def open_safetensors(paths: list[Path]) -> Tensors:
    """Several files count as one."""
    shapes: dict[str, Shape] = {}
    handles: dict[str, Any] = {}
    told: dict[str, str] = {}
    for path in paths:
        try:
            file: Any = safe_open(path, "pt")  # its methods have no types
            for name in file.keys():  # noqa: SIM118  not a dict, and not iterable
                shapes[name] = tuple(file.get_slice(name).get_shape())
                handles[name] = file
            told |= file.metadata() or {}
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path}: damaged or cut short ({error}); get the file again") from error
    return Tensors(shapes, lambda name: handles[name].get_tensor(name), told)


def _open_pickle(path: Path) -> Tensors:
    try:
        with warnings.catch_warnings():
            # of pickles in a newer protocol, which are read or refused all the same
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: it holds more than weights ({_first_line(error)}) and could run code, so it is not opened; get "
            "the model as .safetensors"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, IndexError) as error:
        raise ModelError(f"{path}: damaged or cut short ({_first_line(error)}); get the file again") from error
    while isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise ModelError(f"{path}: it holds a {type(content).__name__}, not tensors by name; get the file again")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    return Tensors({name: tuple(value.shape) for name, value in tensors.items()}, tensors.__getitem__, {})


def open_part(folder: Path, stem: str) -> Tensors:
    """The weights of one part of a folder: whole, in shards, or in half precision; raises :class:`ModelError`."""
    for pattern in (f"{stem}.safetensors", f"{stem}-*.safetensors", f"{stem}.fp16*.safetensors"):
        if paths := sorted(folder.glob(pattern)):
            return open_safetensors(paths)
    raise ModelError(f"{folder}: there is no {stem}.safetensors in it; get the model again, with its safetensors files")


def read_json(path: Path) -> dict[str, Any]:
    """Raises :class:`ModelError` naming the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); get the model again") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: should hold a JSON object; get the model again")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Two spaces, and a line's end at the end."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Each tensor with memory of its own: a file may not hold views of one another, which pickles can."""
    taken: set[int] = set()
    owned = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage()
        shared = storage.data_ptr() in taken
        owned[name] = tensor.clone(memory_format=torch.contiguous_format) if shared else tensor.contiguous()
        taken.add(storage.data_ptr())
    save_file(owned, path, metadata=metadata)


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A sibling ``.part`` to write into, renamed to ``target`` at the end, and removed when that is not reached."""
    unfinished = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # an earlier run may have been killed
        _remove(unfinished)
        try:
            yield unfinished
            unfinished.rename(target)
        finally:
            _remove(unfinished)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{target}: cannot be written ({error}); make room, or name another place") from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0][:200]
