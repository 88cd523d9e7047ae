"""A model's networks for the size it was loaded with, and for others, which are compiled when they are first wanted.

Text encoders are the same for all sizes, and not here. What is compiled stays on disk as everything that is; in memory
the latest few sizes are kept, and the first one always.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from speakage_engines.adapter_choice import AdapterChoice
from speakage_engines.api import CompiledModule, ModelError, Size
from speakage_engines.compile.key import EngineKey
from speakage_engines.compile.low_rank import Wearable
from speakage_engines.diffusion.folder import Folder
from speakage_engines.diffusion.previews import Decoders
from speakage_engines.diffusion.start import Encoder

KEPT: Final = 2
"""Sizes in memory besides the first."""
_MOST_TIMES_OWN: Final = 4
"""The area of the largest picture, by that of those the model was made for: beyond it things come twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """The networks of one size, compiled."""

    denoiser: CompiledModule
    wearable: Wearable | None
    """The denoiser, where it has room for adapters."""
    decoders: Decoders
    encoder: Encoder | None
    key: Callable[[Sequence[AdapterChoice]], EngineKey]
    """With the adapters that are worn."""


def most_pixels(folder: Folder, own: Size) -> int:
    """Width times height of the largest picture, for a model loaded to paint ``own``."""
    return max(_MOST_TIMES_OWN * folder.size**2, own[0] * own[1])


def refusal(folder: Folder, size: Size, most: int) -> str:
    """Why a size cannot be painted; empty where it can."""
    width, height = size
    if width < folder.multiple or height < folder.multiple or width % folder.multiple or height % folder.multiple:
        return f"{width} × {height}: this model paints sides that are multiples of {folder.multiple}"
    if width * height > most:
        return f"{width} × {height}: this model paints {most} pixels at most, as {_square(most, folder)}"
    return ""


def _square(most: int, folder: Folder) -> str:
    side = int(most**0.5) // folder.multiple * folder.multiple
    return f"{side} × {side}"


class Sizes:
    """Not safe to call from two threads at once."""

    def __init__(self, own: Size, first: Sized, refused: Callable[[Size], str], make: Callable[[Size], Sized]) -> None:
        """``make`` compiles for another size."""
        self.own = own
        self._first = first
        self._refused = refused
        self._make = make
        self._others: OrderedDict[Size, Sized] = OrderedDict()

    def is_ready(self, size: Size) -> bool:
        """Whether it is in memory."""
        return size == self.own or size in self._others

    def at(self, size: Size) -> Sized:
        """For that size, compiled now if need be; raises :class:`ModelError` or :class:`BuildError`."""
        if size == self.own:
            return self._first
        if size not in self._others:
            if why := self._refused(size):
                raise ModelError(why)
            # before it is made: memory for one more is not needed then
            while len(self._others) >= KEPT:
                self._others.popitem(last=False)
            self._others[size] = self._make(size)
        self._others.move_to_end(size)
        return self._others[size]
