"""A latent diffusion model ready to paint: text encoders, denoiser, decoders and encoder on one backend.

One step, one preview; whoever iterates decides between steps whether to go on. This module does *not* know families:
what their denoisers are told beside latents and time is :mod:`speakage_engines.diffusion.conditioning`'s to say.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speakage_engines.api import (
    Carried,
    CompiledModule,
    ModelError,
    PaintRequest,
    PictureModelInfo,
    PictureSpec,
    Preview,
    Progress,
    Size,
    Start,
    Told,
)
from speakage_engines.compile.backends import choose, open_backend
from speakage_engines.compile.low_rank import Wearable
from speakage_engines.compile.module import Backend, Module
from speakage_engines.compile.store import EngineStore
from speakage_engines.diffusion.adapters import DENOISER
from speakage_engines.diffusion.blueprint import Blueprint, draw_up
from speakage_engines.diffusion.conditioning import Conditioning, Guidance
from speakage_engines.diffusion.folder import Folder
from speakage_engines.diffusion.likeness import likeness
from speakage_engines.diffusion.previews import Decoders, linear_map
from speakage_engines.diffusion.sampler import Estimate, Origin, make_scheduler, sample
from speakage_engines.diffusion.sizes import Sized, Sizes, most_pixels, refusal
from speakage_engines.diffusion.start import Encoder, Ground, check, latent_mask
from speakage_engines.diffusion.text import TextEncoder, load_tokenizer
from speakage_engines.diffusion.wardrobe import Wardrobe


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The compiled networks of one model."""

    text: Conditioning
    sizes: Sizes
    wardrobe: Wardrobe


class LatentDiffusion:
    """Implements :class:`speakage_engines.api.PictureModel`."""

    def __init__(self, folder: Folder, info: PictureModelInfo, parts: Parts) -> None:
        self.info = info
        self._folder = folder
        self._parts = parts
        self._sized = self._named = parts.sizes.at(parts.sizes.own)
        """What paints, and what :attr:`info` names the engine of: another one if its adapters were refused."""

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words that the text encoder has no token for, or no room."""
        return self._parts.text.unknown_words(prompt)

    def likeness(self, request: PaintRequest, told: Told) -> float:
        """The text encoder's states are kept for the picture itself."""
        size = request.size or self._parts.sizes.own
        self._fit(size, request.adapters)
        guidance = self._parts.text.guidance.at(request.guidance)
        return likeness(self._parts.text(request.prompt, request.negative, guidance, size), told)

    def is_ready(self, size: Size) -> bool:
        """Whether its networks are in memory."""
        return self._parts.sizes.is_ready(size)

    def prepare(self, size: Size) -> None:
        """Compile for that size if need be; raises :class:`ModelError` or :class:`BuildError`."""
        self._parts.sizes.at(size)

    def paint(self, request: PaintRequest) -> Iterator[Preview]:
        """Noise is drawn as diffusers' pipelines draw it, so that a seed means the same picture there."""
        size = request.size or self._parts.sizes.own
        self._fit(size, request.adapters)
        began = time.perf_counter()
        guidance = self._parts.text.guidance.at(request.guidance)
        told = self._parts.text(request.prompt, request.negative, guidance, size)
        if request.blend is not None:
            told = self._parts.text.on_the_way(request.blend, told)
        encode_ms = _milliseconds_since(began)
        ground = Ground.of(request.start)
        denoise_ms = decode_ms = 0.0
        steps = self._sample(request, size, told, guidance)
        while True:
            began = time.perf_counter()
            estimate = next(steps, None)
            denoise_ms += _milliseconds_since(began)
            if estimate is None:
                return
            last = estimate.step == request.steps
            if not (last or request.previews):
                continue
            began = time.perf_counter()
            latents = estimate.latents.numpy()
            decoders = self._sized.decoders
            rgb = ground.under(decoders.final(latents) if last else decoders.preview(latents))
            decode_ms += _milliseconds_since(began)
            yield Preview(
                step=estimate.step,
                steps=request.steps,
                rgb=rgb,
                encode_prompt_ms=encode_ms,
                denoise_ms=denoise_ms,
                decode_ms=decode_ms,
                latents=latents,
                told=told,
            )

    def _sample(self, request: PaintRequest, size: Size, told: Told, guidance: Guidance) -> Iterator[Estimate]:
        generator = torch.Generator().manual_seed(request.seed)
        origin = self._origin(request.start, size, generator)
        noise = torch.randn((1, self._folder.channels, *self._folder.latent_sides(size)), generator=generator)
        if request.start is None:
            origin = _carried_over(request.carried, noise)

        def denoise(latents: torch.Tensor, timestep: float) -> torch.Tensor:
            return torch.from_numpy(self._predict(latents.numpy(), timestep, told, guidance))

        yield from sample(denoise, make_scheduler(self._folder.scheduler), noise, request.steps, generator, origin)

    def _origin(self, start: Start | None, size: Size, generator: torch.Generator) -> Origin | None:
        """None where nothing is left of the picture, so that it is painted as if there were none."""
        if start is None:
            return None
        if self._sized.encoder is None:
            raise ModelError(self._folder.no_encoder)
        check(start, *size)
        if start.strength == 1 and start.mask is None:
            return None
        return Origin(
            latents=self._sized.encoder(start.rgb, generator),
            strength=start.strength,
            mask=None if start.mask is None else latent_mask(start.mask, self._folder.factor),
        )

    def _fit(self, size: Size, adapters: tuple[str, ...] | None) -> None:
        """Other networks paint another size; with other adapters a prompt has other states. Either is another key."""
        sized, wardrobe = self._parts.sizes.at(size), self._parts.wardrobe
        if sized is not self._sized and sized.wearable is not None:
            wardrobe.exchange(DENOISER, sized.wearable)
        self._sized = sized
        if wardrobe.wear(adapters):
            self._parts.text.use(wardrobe.variants)
        elif sized is self._named:
            return
        self._named = sized
        self.info = dataclasses.replace(
            self.info,
            adapters=tuple(map(str, wardrobe.worn)),
            engine_key=sized.key(wardrobe.worn).digest(),
        )

    def _predict(
        self, latents: NDArray[np.float32], timestep: float, told: Told, guidance: Guidance
    ) -> NDArray[np.float32]:
        """The prediction, guided."""
        time = self._folder.time(timestep, guidance.batch)
        return guidance.apply(self._sized.denoiser(np.repeat(latents, guidance.batch, axis=0), time, *told))


def _carried_over(carried: Carried | None, noise: torch.Tensor) -> Origin | None:
    """Raises :class:`ModelError` for latents of another model or size."""
    if carried is None:
        return None
    if carried.latents.shape != tuple(noise.shape):
        raise ModelError(
            f"carried.latents: of shape {carried.latents.shape}, and this model paints {tuple(noise.shape)}; "
            "begin from noise after a change of model or size"
        )
    if not 0 < carried.strength <= 1:
        raise ModelError(f"carried.strength: {carried.strength}; it should be above 0 and at most 1")
    return Origin(latents=torch.from_numpy(carried.latents), strength=carried.strength)


def load(spec: PictureSpec, progress: Progress) -> LatentDiffusion:
    """Resolve, compile and warm up; raises :class:`ModelError` or :class:`BuildError` with the remedy."""
    blueprint = draw_up(spec, progress)
    folder = blueprint.folder
    # what cannot be used is refused before minutes go into compiling
    make_scheduler(folder.scheduler)
    tokenizers = [load_tokenizer(folder.path / part.tokenizer, part.vocabulary) for part in folder.text]
    backend_choice = choose(spec.backend, spec.device)
    store = EngineStore(spec.engines_folder, progress, spec.build_memory)
    backend = open_backend(backend_choice.name, spec, store)
    with store.building():
        compiled = _compile(backend, blueprint.modules, progress)
    first = _sized(blueprint, backend, store, compiled)
    most = most_pixels(folder, blueprint.size)
    sizes = Sizes(
        blueprint.size,
        first,
        lambda size: refusal(folder, size, most),
        lambda size: _resized(blueprint.at(size), backend, store, progress),
    )
    parts = _parts(blueprint, backend, compiled, sizes, tokenizers)
    info = PictureModelInfo(
        choice=blueprint.choice,
        backend=backend.name,
        backend_reason=backend_choice.reason,
        precision=first.denoiser.precision,
        width=blueprint.size[0],
        height=blueprint.size[1],
        steps=spec.steps or folder.steps,
        guidance=blueprint.guidance.scale,
        grain=folder.multiple,
        most_pixels=most,
        sampler=folder.scheduler["_class_name"],
        engine_key=first.key(()).digest(),
        no_start=folder.no_encoder,
    )
    model = LatentDiffusion(folder, info, parts)
    _warm_up(model)
    return model


def needs_building(spec: PictureSpec) -> bool:
    """Whether an engine of the model has to be made; a single file is converted first."""
    backend = open_backend(choose(spec.backend, spec.device).name, spec, EngineStore(spec.engines_folder))
    return not all(backend.is_made(module) for module in draw_up(spec).modules)


def _parts(
    blueprint: Blueprint, backend: Backend, compiled: dict[str, CompiledModule], sizes: Sizes, tokenizers: list[Any]
) -> Parts:
    folder = blueprint.folder
    networks: dict[str, Wearable] = {}
    first = sizes.at(sizes.own)
    if first.wearable is not None:
        networks[DENOISER] = first.wearable
    encoders = []
    for part, module, tokenizer in zip(folder.text, blueprint.text, tokenizers, strict=True):
        network = compiled[module.name]
        if part.name in blueprint.rooms:
            network = networks[part.name] = backend.wearable(module, network, blueprint.rooms[part.name])
        encoders.append(TextEncoder(tokenizer, network, folder.tokens))
    return Parts(
        text=Conditioning(encoders, blueprint.guidance, folder),
        sizes=sizes,
        wardrobe=Wardrobe(blueprint.adapters, networks, blueprint.spec.adapters, blueprint.spec.models_folder),
    )


def _sized(blueprint: Blueprint, backend: Backend, store: EngineStore, compiled: Mapping[str, CompiledModule]) -> Sized:
    """The networks of the blueprint's size; its encoder is compiled for the first picture that is started from."""
    folder, denoise = blueprint.folder, compiled[blueprint.denoiser.name]
    room = blueprint.rooms.get(DENOISER)
    wearable = None if room is None else backend.wearable(blueprint.denoiser, denoise, room)
    tiny = compiled[blueprint.tiny_decoder.name] if blueprint.tiny_decoder else None
    linear = None if folder.tiny else linear_map(folder.channels, folder.scale)
    encoder = None
    if blueprint.encoder is not None:
        encoder = Encoder(partial(_compile_later, backend, blueprint.encoder, store), folder.channels)
    return Sized(
        denoiser=wearable or denoise,
        wearable=wearable,
        decoders=Decoders(compiled[blueprint.decoder.name], tiny, linear, folder.factor),
        encoder=encoder,
        key=partial(blueprint.key, backend, denoise.precision),
    )


def _resized(blueprint: Blueprint, backend: Backend, store: EngineStore, progress: Progress) -> Sized:
    modules = [module for module in blueprint.modules if module not in blueprint.text]
    with store.building():
        return _sized(blueprint, backend, store, _compile(backend, modules, progress))


def _compile(backend: Backend, modules: list[Module], progress: Progress) -> dict[str, CompiledModule]:
    """By the modules' names."""
    compiled = {}
    for index, module in enumerate(modules):
        progress(f"compiling the {module.name} for {backend.name}", index / len(modules))
        compiled[module.name] = backend.compile(module)
    progress("compiled", 1.0)
    return compiled


def _compile_later(backend: Backend, module: Module, store: EngineStore) -> CompiledModule:
    with store.building():
        return backend.compile(module)


def _warm_up(model: LatentDiffusion) -> None:
    """Paint once: the first run of an engine is slow, and a broken model must be found before READY."""
    request = PaintRequest(prompt="a house", seed=0, steps=2)
    last = list(model.paint(request))[-1]
    if last.rgb.std() < 1:
        raise ModelError(f"{model.info.choice.path}: the model paints one flat colour; its weights are damaged")


def _milliseconds_since(began: float) -> float:
    return (time.perf_counter() - began) * 1e3
