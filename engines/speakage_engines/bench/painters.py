"""The contestants themselves, as their users would call them: from a prompt to a picture. Runs in their processes.

Noise is drawn alike for all, in float32 on the CPU, so that a seed means the same picture to each of them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image

from speakage_engines.api import EngineError, PaintRequest
from speakage_engines.bench.plan import BenchError, Job, Subject
from speakage_engines.diffusion.folder import quiet_libraries
from speakage_engines.diffusion.pipeline import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Milliseconds of one picture, apart from its JPEG."""

    prompt: float
    denoise: float
    decode: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """A picture and what it took."""

    picture: Image.Image
    stages: Stages | None
    """None where a library does not let one look."""


class Painter(Protocol):
    """A loaded model."""

    about: str
    """What computes, and in which precision."""

    def paint(self, prompt: str, seed: int) -> Painted:
        """The finished picture."""

    def encoder_runs(self) -> int | None:
        """How often the text encoder's network ran so far; None where that cannot be seen."""


def open_painter(job: Job) -> Painter:
    """Load the job's contestant; raises :class:`EngineError`."""
    match job.contestant.library:
        case "speakage":
            return Ours(job)
        case "diffusers":
            return Diffusers(job)
        case "optimum-intel":
            return OptimumIntel(job)


class Ours:
    """This project's own, through the same door as the daemon."""

    def __init__(self, job: Job) -> None:
        backend, precision = job.contestant.backend, job.contestant.precision
        self._steps = job.subject.steps
        self._model = load(replace(job.subject.spec, backend=backend, precision=precision), lambda _what, _done: None)
        self.about = f"{self._model.info.backend} {self._model.info.precision}"

    def paint(self, prompt: str, seed: int) -> Painted:
        """The finished picture alone, as the others paint it."""
        (last,) = self._model.paint(PaintRequest(prompt=prompt, seed=seed, steps=self._steps, previews=False))
        stages = Stages(prompt=last.encode_prompt_ms, denoise=last.denoise_ms, decode=last.decode_ms)
        return Painted(picture=Image.fromarray(last.rgb), stages=stages)

    def encoder_runs(self) -> int | None:
        """Of all prompts that were not in the cache."""
        return self._model._parts.text.runs  # noqa: SLF001  nobody but a measurement asks for it


class Diffusers:
    """diffusers' own pipeline on torch, with its own defaults."""

    def __init__(self, job: Job) -> None:
        from diffusers import DiffusionPipeline
        from diffusers.utils.logging import disable_progress_bar

        self._subject = job.subject
        self._dtype = torch.bfloat16 if job.contestant.precision == "bf16" else torch.float32
        self._on_gpu = torch.cuda.is_available()
        if job.subject.spec.threads:
            torch.set_num_threads(job.subject.spec.threads)
        folder = Path(job.subject.spec.model)
        half_only = not any(folder.glob("unet/diffusion_pytorch_model.safetensors*"))
        options = {"dtype": self._dtype, "variant": "fp16" if half_only else None, "local_files_only": True}
        try:
            with quiet_libraries():
                # its bar is one for the parts of a pipeline, which the other bars know nothing of
                disable_progress_bar()
                pipeline = DiffusionPipeline.from_pretrained(folder, **options)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise BenchError(f"diffusers cannot load {folder} ({error}); leave it out with --no-peers") from error
        pipeline.set_progress_bar_config(disable=True)
        self._pipeline = pipeline.to("cuda") if self._on_gpu else pipeline
        self._clocks = [
            _Clock([getattr(pipeline, part, None) for part in ("text_encoder", "text_encoder_2")]),
            _Clock([pipeline.unet]),
            _Clock([pipeline.vae.decoder]),
        ]
        self.about = f"torch {job.contestant.precision}"

    def paint(self, prompt: str, seed: int) -> Painted:
        """One call of the pipeline."""
        before = [clock.milliseconds for clock in self._clocks]
        picture = self._pipeline(prompt, **_arguments(self._pipeline, self._subject, seed, self._dtype)).images[0]
        spent = [clock.milliseconds - was for clock, was in zip(self._clocks, before, strict=True)]
        # on a GPU the call of a network returns before it has run
        stages = None if self._on_gpu else Stages(prompt=spent[0], denoise=spent[1], decode=spent[2])
        return Painted(picture=picture, stages=stages)

    def encoder_runs(self) -> int | None:
        """With guidance, two a picture: it has no cache."""
        return self._clocks[0].calls


class OptimumIntel:
    """optimum-intel's pipeline on OpenVINO, exported by itself."""

    def __init__(self, job: Job) -> None:
        from optimum.intel import OVStableDiffusionPipeline  # type: ignore[import-not-found]  # an optional peer

        self._subject = job.subject
        folder, side = Path(job.subject.spec.model), job.subject.size
        try:
            pipeline = OVStableDiffusionPipeline.from_pretrained(folder, export=True, compile=False)
            pipeline.reshape(batch_size=1, height=side, width=side, num_images_per_prompt=1)
            pipeline.compile()
        except Exception as error:
            # a library whose errors are of any kind; what it cannot do is no fault of ours
            raise EngineError(
                f"optimum-intel cannot load {folder} ({error}); uninstall it, or leave the peers out with --no-peers"
            ) from error
        pipeline.set_progress_bar_config(disable=True)
        self._pipeline = pipeline
        self.about = "openvino, as it chooses"

    def paint(self, prompt: str, seed: int) -> Painted:
        """One call of the pipeline."""
        arguments = _arguments(self._pipeline, self._subject, seed, torch.float32)
        return Painted(picture=self._pipeline(prompt, **arguments).images[0], stages=None)

    def encoder_runs(self) -> int | None:
        """Its networks are compiled and have no hooks."""
        return None


class _Clock:
    """Sums up the time in some networks."""

    def __init__(self, networks: list[torch.nn.Module | None]) -> None:
        self.milliseconds = 0.0
        self.calls = 0
        self._began = 0.0
        for network in networks:
            if network is not None:
                network.register_forward_pre_hook(self._begin)
                network.register_forward_hook(self._end)

    def _begin(self, *_: object) -> None:
        self._began = time.perf_counter()

    def _end(self, *_: object) -> None:
        self.milliseconds += (time.perf_counter() - self._began) * 1e3
        self.calls += 1


def _arguments(pipeline: Any, subject: Subject, seed: int, dtype: torch.dtype) -> dict[str, Any]:
    """Noise of its own type would be another noise, so it is drawn in float32."""
    generator = torch.Generator().manual_seed(seed)
    side = subject.size // pipeline.vae_scale_factor
    noise = torch.randn((1, pipeline.unet.config.in_channels, side, side), generator=generator)
    return {
        "num_inference_steps": subject.steps,
        "guidance_scale": subject.guidance,
        "height": subject.size,
        "width": subject.size,
        "generator": generator,
        "latents": noise.to(dtype),
    }
