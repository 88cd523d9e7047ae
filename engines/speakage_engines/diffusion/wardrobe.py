"""The adapters that a loaded model wears, and how they are changed while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from speakage_engines.adapter_choice import AdapterChoice, resolve_adapters
from speakage_engines.api import ModelError
from speakage_engines.compile.low_rank import Wearable
from speakage_engines.diffusion.adapters import Adapters


class Wardrobe:
    """Puts adapters on the compiled networks of a model. Not safe to call from two threads at once."""

    def __init__(
        self, adapters: Adapters | None, networks: Mapping[str, Wearable], usual: tuple[str, ...], models_folder: Path
    ) -> None:
        """``networks`` are those with room, by their parts' names; without room nothing can be worn.

        ``usual`` is worn for pictures that ask for nothing else.
        """
        self._adapters = adapters
        self._networks = dict(networks)
        self._exchanged = False
        self._usual = usual
        self._usual_ones = resolve_adapters(usual, models_folder)
        self._models_folder = models_folder
        self._asked: tuple[str, ...] = ()
        self.worn: tuple[AdapterChoice, ...] = ()
        self.variants: Mapping[str, str] = {}
        """By part: what tells its networks' results apart; nothing for one that no adapter changes."""

    def wear(self, references: tuple[str, ...] | None) -> bool:
        """Wear these and no others, or the usual ones; returns whether that is a change.

        Raises :class:`ModelError`, and all stays as it was.
        """
        asked = self._usual if references is None else references
        if asked == self._asked and not self._exchanged:
            return False
        choices = self._usual_ones if references is None else self._named(references)
        if self._adapters is None:
            raise ModelError(
                f"the picture model was loaded without room for adapters, so {choices[0].name} cannot be put on; "
                "name it in picture.adapters, or set picture.adapter_rank, and start again"
            )
        changes = self._adapters.changes(choices)
        packed = {part: network.packed(changes[part]) for part, network in self._networks.items()}
        # only now is it certain that there is room in all of them
        for part, network in self._networks.items():
            network.wear(packed[part])
        self._asked, self.worn, self._exchanged = asked, choices, False
        all_of_them = " ".join(f"{choice.digest}:{choice.scale:g}" for choice in choices)
        self.variants = {part: all_of_them for part, changed in changes.items() if changed}
        return True

    def exchange(self, part: str, network: Wearable) -> None:
        """Another network does that part from now on; what it wears is put on by the next :meth:`wear`."""
        self._networks[part] = network
        self._exchanged = True

    def _named(self, references: tuple[str, ...]) -> tuple[AdapterChoice, ...]:
        return resolve_adapters(references, self._models_folder, self._usual_ones)
