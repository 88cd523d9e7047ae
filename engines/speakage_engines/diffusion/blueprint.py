"""Which networks a setting means, before any is compiled: one answer for those that paint and those that only build."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from speakage_engines.adapter_choice import AdapterChoice, resolve_adapters
from speakage_engines.api import ModelChoice, ModelError, PictureSpec, Progress, Size, no_progress
from speakage_engines.compile.key import EngineKey, ExportKey, weights_digest
from speakage_engines.compile.module import Backend, Module
from speakage_engines.diffusion.adapters import Adapters
from speakage_engines.diffusion.checkpoint import folder_of
from speakage_engines.diffusion.conditioning import Guidance
from speakage_engines.diffusion.folder import Folder, read_folder
from speakage_engines.diffusion.modules import Rooms, decoder, denoiser, encoder, text_encoders, tiny_decoder
from speakage_engines.models import resolve_picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A picture model as it will be compiled."""

    spec: PictureSpec
    choice: ModelChoice
    folder: Folder
    size: Size
    guidance: Guidance
    text: tuple[Module, ...]
    denoiser: Module
    decoder: Module
    tiny_decoder: Module | None
    encoder: Module | None
    """For pictures to start from, made when there is one; None where :attr:`Folder.no_encoder` says why."""
    adapters: Adapters | None
    """None without room for any."""
    rooms: Rooms

    def at(self, size: Size) -> Blueprint:
        """The same model for pictures of another size, which it must be able to paint."""
        return dataclasses.replace(self, size=size, **_networks(self.folder, size, self.guidance, self._beside))

    @property
    def _beside(self) -> Rooms:
        return _beside(self.spec, self.rooms)

    @property
    def modules(self) -> list[Module]:
        """Those that every picture needs, in the order in which they run."""
        last = [self.decoder] if self.tiny_decoder is None else [self.decoder, self.tiny_decoder]
        return [*self.text, self.denoiser, *last]

    @property
    def all_modules(self) -> list[Module]:
        """And the encoder."""
        return [*self.modules, *([] if self.encoder is None else [self.encoder])]

    def key(self, backend: Backend, precision: str, worn: Sequence[AdapterChoice]) -> EngineKey:
        """What shapes its pictures on a backend; ``precision`` is read back from the denoiser."""
        folder = self.folder
        tokenizers = (folder.path / part.tokenizer for part in folder.text)
        return EngineKey(
            exports=tuple(ExportKey.of(module).digest() for module in self.all_modules),
            scheduler=json.dumps(folder.scheduler, sort_keys=True),
            tokenizers=tuple(weights_digest(file for file in path.iterdir() if file.is_file()) for path in tokenizers),
            guidance=self.guidance.scale,
            adapters=tuple(f"{choice.digest}:{choice.scale:g}" for choice in worn),
            zeros_for_empty=folder.zeros_for_empty,
            backend=backend.name,
            backend_version=backend.version,
            device=backend.device,
            precision=precision,
        )


def draw_up(spec: PictureSpec, progress: Progress = no_progress) -> Blueprint:
    """Read the configurations of what a setting means; raises :class:`ModelError`.

    A single file is converted first, once. No weights are loaded.
    """
    choice = resolve_picture(spec)
    folder = read_folder(folder_of(choice.path, spec.models_folder, progress))
    side = spec.size or folder.size
    if side % folder.multiple:
        raise ModelError(f"picture.size is {side}; this model takes multiples of {folder.multiple}")
    guidance = Guidance.of(folder, folder.guidance if spec.guidance < 0 else spec.guidance)
    worn = resolve_adapters(spec.adapters, spec.models_folder)
    adapters = Adapters(folder) if worn or spec.adapter_rank else None
    rooms = adapters.rooms(worn, spec.adapter_rank) if adapters else {}
    beside = _beside(spec, rooms)
    return Blueprint(
        spec=spec,
        choice=choice,
        folder=folder,
        size=(side, side),
        guidance=guidance,
        text=tuple(text_encoders(folder, beside)),
        adapters=adapters,
        rooms=rooms,
        **_networks(folder, (side, side), guidance, beside),
    )


class _Networks(TypedDict):
    """Those that hang on the size."""

    denoiser: Module
    decoder: Module
    tiny_decoder: Module | None
    encoder: Module | None


def _networks(folder: Folder, size: Size, guidance: Guidance, beside: Rooms) -> _Networks:
    final = decoder(folder, size)
    return _Networks(
        denoiser=denoiser(folder, size, guidance.batch, beside),
        decoder=final,
        tiny_decoder=tiny_decoder(folder, size),
        encoder=encoder(folder, size, final.weights),
    )


def _beside(spec: PictureSpec, rooms: Rooms) -> Rooms:
    """Adapters that are inputs of the networks; TensorRT exchanges weights instead."""
    return {} if spec.backend == "tensorrt" else rooms
