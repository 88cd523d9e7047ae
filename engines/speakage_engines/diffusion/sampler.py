r"""Sampling as a function: a denoiser and a schedule in, estimates of x0 out, one a step.

Schedules are diffusers' schedulers. The estimate of x0 is computed here, because several of them return only the
next sample. With :math:`x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon` (DDPM, Ho et al. 2020,
eq. 4; v as in Salimans and Ho 2022, appendix D)

.. math::
    \epsilon: x_0 = (x_t - \sqrt{1-\bar\alpha_t}\,\epsilon) / \sqrt{\bar\alpha_t} \qquad
    v: x_0 = \sqrt{\bar\alpha_t}\,x_t - \sqrt{1-\bar\alpha_t}\,v

and for schedulers in Karras' variance-exploding form, :math:`x = x_0 + \sigma\epsilon` (Karras et al. 2022)

.. math::
    \epsilon: x_0 = x - \sigma\,\epsilon \qquad v: x_0 = x/(\sigma^2+1) - v\,\sigma/\sqrt{\sigma^2+1}

and for rectified flows, :math:`x = (1-\sigma)\,x_0 + \sigma\epsilon` (Liu et al. 2023; Esser et al. 2024), whose model
predicts :math:`u = \epsilon - x_0`

.. math::
    x_0 = x - \sigma\,u

A picture to start from is brought to the noise of a later step by the same formulas read backwards, and only the steps
from there on are run (SDEdit, Meng et al. 2022; diffusers' ``StableDiffusionImg2ImgPipeline``). What a mask keeps of it
is put back after every step with the noise of the next one (RePaint, Lugmayr et al. 2022, algorithm 1 without its
resampling; diffusers' ``StableDiffusionInpaintPipeline`` with a denoiser of four channels).

Only schedulers whose form is known here are taken: with any other the previews would be wrong without a word.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import torch

from speakage_engines.api import ModelError

Denoiser: TypeAlias = Callable[[torch.Tensor, float], torch.Tensor]
"""(scaled latents, timestep) → the model's prediction, guidance already applied; all ``(1, channels, h, w)``."""

Form: TypeAlias = Literal["alphas", "ratios", "exploding", "flow"]
"""Variance-preserving latents with ᾱ by timestep, or with σ/α by call; variance-exploding latents with σ by call;
straight lines from noise to picture with σ by call."""

_FORMS: Final[Mapping[str, Form]] = {
    "DDIMScheduler": "alphas",
    "DDPMScheduler": "alphas",
    "LCMScheduler": "alphas",
    "PNDMScheduler": "alphas",
    "TCDScheduler": "alphas",
    "DPMSolverMultistepScheduler": "ratios",
    "DPMSolverSinglestepScheduler": "ratios",
    "UniPCMultistepScheduler": "ratios",
    "EulerAncestralDiscreteScheduler": "exploding",
    "EulerDiscreteScheduler": "exploding",
    "HeunDiscreteScheduler": "exploding",
    "FlowMatchEulerDiscreteScheduler": "flow",
}
_PREDICTIONS: Final = ("epsilon", "v_prediction", "sample")
_NO_SAMPLE: Final = ("PNDMScheduler", "EulerAncestralDiscreteScheduler")
"""Schedulers that cannot step from a prediction of the sample."""
_TCD_GAMMA: Final = 0.3
"""How much of a step's noise is drawn anew (TCD, Zheng et al. 2024, section 4.2): what its authors paint with.

Named here, since diffusers' pipelines would otherwise pass on an ``eta`` of 0 of their own.
"""
_OTHER_MATHEMATICS: Final[Mapping[str, object]] = {
    "thresholding": True,
    "use_flow_sigmas": True,
    "use_dynamic_shifting": True,
    "invert_sigmas": True,
    "skip_prk_steps": False,
}
"""Settings with which the formulas above do not hold, or which make no sense for latents."""


LEAST_STRENGTH: Final = 0.05
"""Below it a start is hardly changed, and the way would be divided into more steps than schedulers take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A picture to start from, as latents; see :class:`speakage_engines.api.Start`."""

    latents: torch.Tensor
    """As the denoiser knows them, shape ``(1, channels, h, w)``."""
    strength: float
    mask: torch.Tensor | None = None
    """1 where it is painted anew, else 0; shape ``(1, 1, h, w)``."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Where the sampler is after one step."""

    step: int
    """1 to the number of steps; from an origin, the last of them."""
    latents: torch.Tensor
    """The estimate of x0; after the last step, the sample itself. Shape ``(1, channels, h, w)``."""


def make_scheduler(config: Mapping[str, Any]) -> Any:
    """A fresh diffusers scheduler; raises :class:`ModelError` for one whose estimates of x0 are not known here."""
    import diffusers

    name, kind = str(config.get("_class_name")), config.get("prediction_type", "epsilon")
    if name not in _FORMS:
        raise ModelError(f"the scheduler {name} cannot be used; these can: {', '.join(sorted(_FORMS))}")
    # a flow has one prediction, and its scheduler no setting for it
    if _FORMS[name] != "flow" and (kind not in _PREDICTIONS or (kind == "sample" and name in _NO_SAMPLE)):
        raise ModelError(f"the scheduler {name} cannot be used with prediction_type {kind!r}")
    try:
        scheduler = getattr(diffusers, name).from_config(dict(config))
    except (ImportError, NotImplementedError, TypeError, ValueError) as error:
        raise ModelError(f"the scheduler {name} refuses its configuration: {error}") from error
    for setting, refused in _OTHER_MATHEMATICS.items():
        if scheduler.config.get(setting) == refused:
            raise ModelError(f"the scheduler {name} cannot be used with {setting} = {refused}")
    return scheduler


def sample(
    denoise: Denoiser,
    scheduler: Any,
    noise: torch.Tensor,
    steps: int,
    generator: torch.Generator,
    origin: Origin | None = None,
) -> Iterator[Estimate]:
    """Denoise ``noise`` (unit variance) in ``steps`` steps; stop iterating to cancel between steps.

    From an ``origin`` only the last of them are run. ``scheduler`` is fresh from :func:`make_scheduler`: it holds
    state, so one serves one picture. Raises :class:`ModelError` for a number of steps that it cannot take.
    """
    whole, run = divided(steps, origin.strength if origin else 1.0)
    twice = min(_set_steps(scheduler, whole), run - 1)
    first = _skip(scheduler, whole - run)
    extra = _extra(scheduler, generator)
    flows = _FORMS[type(scheduler).__name__] == "flow"
    latents = noise if flows else noise * scheduler.init_noise_sigma
    if origin and run < whole:
        latents = _noised(scheduler, origin.latents, noise, first)
    for index, timestep in enumerate(scheduler.timesteps[first:]):
        scaled = latents if flows else scheduler.scale_model_input(latents, timestep)
        prediction = denoise(scaled, float(timestep))
        estimate = estimate_x0(scheduler, latents, prediction, first + index)
        latents = scheduler.step(prediction, timestep, latents, return_dict=False, **extra)[0]
        if origin and origin.mask is not None:
            estimate = torch.lerp(origin.latents, estimate, origin.mask)
            latents = torch.lerp(_noised(scheduler, origin.latents, noise, first + index + 1), latents, origin.mask)
        if index < 2 * twice and index % 2 == 0:
            continue  # the first of a step's two calls
        step = steps - run + (index // 2 + 1 if index < 2 * twice else index - twice + 1)
        yield Estimate(step, latents if step == steps else estimate)


def divided(steps: int, strength: float) -> tuple[int, int]:
    """Into how many steps the whole way is divided for a strength, and how many of them, the last ones, are run.

    diffusers' rule, ``int(steps * strength)``, with a finer division where that would be none.
    """
    if steps < 1:
        return steps, steps
    whole = max(steps, math.ceil(1 / max(strength, LEAST_STRENGTH)))
    return whole, max(1, int(whole * strength))


def _skip(scheduler: Any, steps: int) -> int:
    """Leave out the first steps; the index of the first call that is left."""
    if not steps:
        return 0
    if type(scheduler).__name__ == "PNDMScheduler":
        # whichever step it begins with takes two calls
        each = torch.cat([scheduler.timesteps[:1], scheduler.timesteps[2:]])[steps:]
        scheduler.timesteps = torch.cat([each[:2], each[1:]])
        return 0
    first = steps * int(scheduler.order)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    return first


def _noised(scheduler: Any, x0: torch.Tensor, noise: torch.Tensor, call: int) -> torch.Tensor:
    """x0 with as much noise as the denoiser's ``call`` begins with; after the last call, without any."""
    if call == len(scheduler.timesteps):
        return x0
    form = _FORMS[type(scheduler).__name__]
    if form == "alphas":
        alpha_bar = float(scheduler.alphas_cumprod[int(scheduler.timesteps[call])])
        signal, share = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    else:
        sigma = float(scheduler.sigmas[call])
        scale = (sigma**2 + 1) ** 0.5
        signal, share = {"ratios": (1 / scale, sigma / scale), "exploding": (1.0, sigma), "flow": (1 - sigma, sigma)}[
            form
        ]
    noised: torch.Tensor = x0 * signal + noise * share
    return noised


def _extra(scheduler: Any, generator: torch.Generator) -> dict[str, Any]:
    """What a step of this scheduler takes beyond the prediction."""
    extra: dict[str, Any] = {}
    if "generator" in inspect.signature(scheduler.step).parameters:
        extra["generator"] = generator
    if type(scheduler).__name__ == "TCDScheduler":
        extra["eta"] = _TCD_GAMMA
    return extra


def _set_steps(scheduler: Any, steps: int) -> int:
    """How many steps, from the first on, take two calls: PNDM's first, and all of Heun's but the last."""
    name = type(scheduler).__name__
    if steps < 1:
        raise ModelError(f"{steps} steps paint nothing; ask for 1 or more")
    twice = {"PNDMScheduler": min(1, steps - 1), "HeunDiscreteScheduler": steps - 1}.get(name, 0)
    try:
        scheduler.set_timesteps(steps)
    except ValueError as error:
        raise ModelError(f"the scheduler {name} cannot take {steps} steps ({error}); ask for fewer") from error
    if (calls := len(scheduler.timesteps)) != steps + twice:
        # rounding does that to trailing timesteps, and the one too many lies before the first
        raise ModelError(f"the scheduler {name} divides {steps} steps into {calls}; ask for one more or fewer")
    return twice


def estimate_x0(scheduler: Any, latents: torch.Tensor, prediction: torch.Tensor, call: int) -> torch.Tensor:
    """The picture that the model has in mind at the denoiser's ``call`` (from 0), before the scheduler's own step."""
    x0 = _x0(scheduler, latents, prediction, call)
    if scheduler.config.get("clip_sample"):
        limit = float(scheduler.config.get("clip_sample_range", 1.0))
        return x0.clamp(-limit, limit)
    return x0


def _x0(scheduler: Any, latents: torch.Tensor, prediction: torch.Tensor, call: int) -> torch.Tensor:
    kind = str(scheduler.config.get("prediction_type"))
    match _FORMS[type(scheduler).__name__]:
        case "alphas":
            return _x0_preserving(
                kind, latents, prediction, float(scheduler.alphas_cumprod[int(scheduler.timesteps[call])])
            )
        case "ratios":
            return _x0_preserving(kind, latents, prediction, 1 / (float(scheduler.sigmas[call]) ** 2 + 1))
        case "exploding":
            return _x0_exploding(kind, latents, prediction, float(scheduler.sigmas[call]))
        case "flow":
            return latents - float(scheduler.sigmas[call]) * prediction


def _x0_preserving(kind: str, latents: torch.Tensor, prediction: torch.Tensor, alpha_bar: float) -> torch.Tensor:
    signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    x0 = prediction
    if kind == "epsilon":
        if not signal:
            raise ModelError(
                "the scheduler begins without any signal (rescale_betas_zero_snr), where prediction_type 'epsilon' "
                "says nothing of the picture; its configuration is wrong"
            )
        x0 = (latents - noise * prediction) / signal
    elif kind == "v_prediction":
        x0 = signal * latents - noise * prediction
    return x0


def _x0_exploding(kind: str, latents: torch.Tensor, prediction: torch.Tensor, sigma: float) -> torch.Tensor:
    x0 = prediction
    if kind == "epsilon":
        x0 = latents - sigma * prediction
    elif kind == "v_prediction":
        variance = sigma**2 + 1
        x0 = latents / variance - prediction * (sigma / variance**0.5)
    return x0
