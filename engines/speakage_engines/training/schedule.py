r"""Noise and how a denoiser speaks of it: formulas only, one line each.

A noisy latent is :math:`x_t = a_t x_0 + s_t \epsilon`. With DDPM's schedule (Ho et al. 2020, eq. 4)
:math:`a_t = \sqrt{\bar\alpha_t}`, :math:`s_t = \sqrt{1-\bar\alpha_t}`, :math:`\bar\alpha_t = \prod (1-\beta_i)`; the β
are those of latent diffusion ("scaled linear": linear in their roots), moved so that the last step holds no picture at
all (zero terminal signal-to-noise ratio, Lin et al. 2024, algorithm 1). A rectified flow (Liu et al. 2023; Esser et al.
2024) goes straight instead: :math:`a_t = 1 - t`, :math:`s_t = t`. What the denoiser predicts:

============  ==========================================  ==================================================
``epsilon``   :math:`\epsilon`                             Ho et al. 2020
``v``         :math:`a_t \epsilon - s_t x_0`               Salimans and Ho 2022, appendix D
``flow``      :math:`\epsilon - x_0`                       Lipman et al. 2023
============  ==========================================  ==================================================

With :math:`\mathrm{SNR}_t = a_t^2 / s_t^2`, a loss in :math:`x_0` weighted by
:math:`w_t = \min(\mathrm{SNR}_t, \gamma)` (min-SNR-γ, Hang et al. 2023) is a loss in the target weighted by
:math:`w_t / \mathrm{SNR}_t` (ε), :math:`w_t / (\mathrm{SNR}_t + 1)` (v), :math:`w_t s_t^2` (flow). Plain min-SNR would
never teach a step without any signal, so ``floor`` bounds :math:`w_t` from below, as Salimans and Ho's truncated SNR
does with 1; not for ε, which says nothing of the picture there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch

from speakage_engines.api import EngineError

Target: TypeAlias = Literal["epsilon", "v", "flow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSettings:
    """Which noise."""

    target: Target = "v"
    timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    zero_terminal_snr: bool = True
    """Ignored by ``flow``, where it is always so; must be off for ``epsilon``."""


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """Signal and noise by index, from nearly clean to nothing but noise. All tensors have shape ``(timesteps,)``."""

    target: Target
    signal: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    """What the denoiser is told."""

    def to(self, device: torch.device) -> NoiseSchedule:
        """The same on a device."""
        return NoiseSchedule(self.target, self.signal.to(device), self.noise.to(device), self.times.to(device))

    def add_noise(self, x0: torch.Tensor, noise: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """x_t; ``index`` of shape ``(n,)``."""
        return _wide(self.signal[index]) * x0 + _wide(self.noise[index]) * noise

    def truth(self, x0: torch.Tensor, noise: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """What the denoiser should predict."""
        match self.target:
            case "epsilon":
                return noise
            case "v":
                return _wide(self.signal[index]) * noise - _wide(self.noise[index]) * x0
            case "flow":
                return noise - x0

    def split(
        self, prediction: torch.Tensor, noisy: torch.Tensor, index: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A prediction as (x0, ε); x0 of an ε where there is no signal is not finite."""
        a, s = _wide(self.signal[index]), _wide(self.noise[index])
        match self.target:
            case "epsilon":
                return (noisy - s * prediction) / a, prediction
            case "v":
                return a * noisy - s * prediction, s * noisy + a * prediction
            case "flow":
                return noisy - s * prediction, noisy + a * prediction

    def weight(self, index: torch.Tensor, gamma: float | None, floor: float) -> torch.Tensor:
        """The weight of the squared error of the target; ``None`` weighs all alike. Shape ``(n,)``."""
        if gamma is None:
            return torch.ones(len(index), device=index.device)
        a2, s2 = self.signal[index] ** 2, self.noise[index] ** 2
        snr = a2 / s2
        match self.target:
            case "epsilon":
                return snr.clamp(max=gamma) / snr
            case "v":
                return snr.clamp(floor, gamma) / (snr + 1)
            case "flow":
                return snr.clamp(floor, gamma) * s2


def make_schedule(settings: ScheduleSettings) -> NoiseSchedule:
    """The schedule of some settings; raises :class:`EngineError` for a target that cannot be learned with them."""
    if settings.target == "flow":
        t = torch.arange(1, settings.timesteps + 1, dtype=torch.float64) / settings.timesteps
        return NoiseSchedule("flow", (1 - t).float(), t.float(), (t * settings.timesteps).float())
    if settings.target == "epsilon" and settings.zero_terminal_snr:
        raise EngineError(
            "an epsilon target says nothing of the picture without signal: set zero_terminal_snr to False"
        )
    beta = (
        torch.linspace(settings.beta_start**0.5, settings.beta_end**0.5, settings.timesteps, dtype=torch.float64) ** 2
    )
    root = torch.cumprod(1 - beta, 0).sqrt()
    if settings.zero_terminal_snr:
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return of_alphas(root**2, settings.target)


def of_alphas(alphas_cumprod: torch.Tensor, target: Target) -> NoiseSchedule:
    """The schedule of given ᾱ, for ``epsilon`` and ``v``."""
    signal, noise = alphas_cumprod.sqrt().float(), (1 - alphas_cumprod).sqrt().float()
    return NoiseSchedule(target, signal, noise, torch.arange(len(signal)))


def scheduler_config(settings: ScheduleSettings) -> dict[str, Any]:
    """The diffusers scheduler that samples what was learned with these settings."""
    if settings.target == "flow":
        return {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": settings.timesteps}
    return {
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": settings.timesteps,
        "beta_start": settings.beta_start,
        "beta_end": settings.beta_end,
        "beta_schedule": "scaled_linear",
        "rescale_betas_zero_snr": settings.zero_terminal_snr,
        "prediction_type": "v_prediction" if settings.target == "v" else "epsilon",
        "timestep_spacing": "trailing",
        "clip_sample": False,
        "steps_offset": 1,
    }


def _wide(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 1, 1, 1)
