"""A latent diffusion model ready to paint: text encoder, denoiser and decoders on one backend.

One step, one preview; whoever iterates decides between steps whether to go on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from speakage_engines.api import (
    CompiledModule,
    ModelError,
    PaintRequest,
    PictureModelInfo,
    PictureSpec,
    Preview,
    Progress,
)
from speakage_engines.compile.backends import choose, open_backend
from speakage_engines.compile.key import EngineKey, ExportKey, weights_digest
from speakage_engines.compile.module import Backend, Module
from speakage_engines.compile.store import EngineStore
from speakage_engines.diffusion.folder import Folder, decoder, denoiser, read_folder, text_encoder, tiny_decoder
from speakage_engines.diffusion.previews import Decoders
from speakage_engines.diffusion.sampler import make_scheduler, sample
from speakage_engines.diffusion.text import TextEncoder, load_tokenizer
from speakage_engines.models import resolve_picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The compiled networks of one model."""

    text: TextEncoder
    denoiser: CompiledModule
    decoders: Decoders


class LatentDiffusion:
    """Implements :class:`speakage_engines.api.PictureModel`."""

    def __init__(self, folder: Folder, info: PictureModelInfo, parts: Parts) -> None:
        self.info = info
        self._folder = folder
        self._parts = parts

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words that the text encoder has no token for, or no room."""
        return self._parts.text.read(prompt).unknown

    def paint(self, request: PaintRequest) -> Iterator[Preview]:
        """Noise is drawn as diffusers' pipelines draw it, so that a seed means the same picture there."""
        began = time.perf_counter()
        states = self._states(request)
        encode_ms = _milliseconds_since(began)
        generator = torch.Generator().manual_seed(request.seed)
        side = self.info.width // self._folder.factor
        noise = torch.randn((1, self._folder.channels, side, side), generator=generator)

        def denoise(latents: torch.Tensor, timestep: float) -> torch.Tensor:
            return torch.from_numpy(self._predict(latents.numpy(), timestep, states))

        denoise_ms = decode_ms = 0.0
        steps = sample(denoise, make_scheduler(self._folder.scheduler), noise, request.steps, generator)
        while True:
            began = time.perf_counter()
            estimate = next(steps, None)
            denoise_ms += _milliseconds_since(began)
            if estimate is None:
                return
            began = time.perf_counter()
            latents = estimate.latents.numpy()
            last = estimate.step == request.steps
            decoders = self._parts.decoders
            rgb = decoders.final(latents) if last else decoders.preview(latents, self.info.width)
            decode_ms += _milliseconds_since(began)
            yield Preview(
                step=estimate.step,
                steps=request.steps,
                rgb=rgb,
                encode_prompt_ms=encode_ms,
                denoise_ms=denoise_ms,
                decode_ms=decode_ms,
            )

    def _states(self, request: PaintRequest) -> NDArray[np.float32]:
        """Conditional states; with guidance, the unconditional ones before them, as one batch."""
        prompt = self._parts.text(request.prompt)
        if self.info.guidance <= 1:
            return prompt
        return np.concatenate([self._parts.text(request.negative), prompt])

    def _predict(
        self, latents: NDArray[np.float32], timestep: float, states: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The prediction with classifier-free guidance (Ho and Salimans 2022, eq. 6)."""
        batch = len(states)
        time = self._folder.time(timestep, batch)
        both = self._parts.denoiser(np.repeat(latents, batch, axis=0), time, states)
        if batch == 1:
            return both
        unconditional, conditional = both[:1], both[1:]
        guided: NDArray[np.float32] = unconditional + np.float32(self.info.guidance) * (conditional - unconditional)
        return guided


def load(spec: PictureSpec, progress: Progress) -> LatentDiffusion:
    """Resolve, compile and warm up; raises :class:`ModelError` or :class:`BuildError` with the remedy."""
    choice = resolve_picture(spec)
    folder = read_folder(choice.path)
    size = spec.size or folder.size
    if size % folder.multiple:
        raise ModelError(f"picture.size is {size}; this model takes multiples of {folder.multiple}")
    guidance = folder.guidance if spec.guidance < 0 else spec.guidance
    # what cannot be used is refused before minutes go into compiling
    make_scheduler(folder.scheduler)
    tokenizer = load_tokenizer(choice.path / "tokenizer", folder.vocabulary)
    backend_choice = choose(spec.backend)
    store = EngineStore(spec.engines_folder, progress)
    backend = open_backend(backend_choice.name, spec.precision, spec.threads, store)
    modules = [text_encoder(folder), denoiser(folder, size, 2 if guidance > 1 else 1), decoder(folder, size)]
    if tiny := tiny_decoder(folder, size):
        modules.append(tiny)
    with store.building():
        text, denoise, *decoders = _compile(backend, modules, progress)
    info = PictureModelInfo(
        choice=choice,
        backend=backend.name,
        backend_reason=backend_choice.reason,
        precision=denoise.precision,
        width=size,
        height=size,
        steps=spec.steps or folder.steps,
        guidance=guidance,
        sampler=folder.scheduler["_class_name"],
        engine_key=_engine_key(folder, backend, modules, denoise.precision, guidance),
    )
    parts = Parts(
        text=TextEncoder(tokenizer, text, folder.tokens),
        denoiser=denoise,
        decoders=Decoders(decoders[0], decoders[1] if tiny else None, final_is_tiny=folder.tiny),
    )
    model = LatentDiffusion(folder, info, parts)
    _warm_up(model)
    return model


def _compile(backend: Backend, modules: list[Module], progress: Progress) -> list[CompiledModule]:
    compiled = []
    for index, module in enumerate(modules):
        progress(f"compiling the {module.name} for {backend.name}", index / len(modules))
        compiled.append(backend.compile(module))
    progress("compiled", 1.0)
    return compiled


def _engine_key(folder: Folder, backend: Backend, modules: list[Module], precision: str, guidance: float) -> str:
    return EngineKey(
        exports=tuple(ExportKey.of(module).digest() for module in modules),
        scheduler=json.dumps(folder.scheduler, sort_keys=True),
        tokenizer=weights_digest(path for path in (folder.path / "tokenizer").iterdir() if path.is_file()),
        guidance=guidance,
        backend=backend.name,
        backend_version=backend.version,
        device=backend.device,
        precision=precision,
    ).digest()


def _warm_up(model: LatentDiffusion) -> None:
    """Paint once: the first run of an engine is slow, and a broken model must be found before READY."""
    request = PaintRequest(prompt="a house", seed=0, steps=2)
    last = list(model.paint(request))[-1]
    if last.rgb.std() < 1:
        raise ModelError(f"{model.info.choice.path}: the model paints one flat colour; its weights are damaged")


def _milliseconds_since(began: float) -> float:
    return (time.perf_counter() - began) * 1e3
