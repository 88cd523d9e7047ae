"""The sampler's estimates against a denoiser that knows the picture, and against what diffusers' schedulers say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, TCDScheduler

from speakage_engines.api import ModelError
from speakage_engines.diffusion.conversion_parts import family_names, read_family
from speakage_engines.diffusion.sampler import Estimate, make_scheduler, sample

# diffusers hands tensors to numpy in a way that numpy 2 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SHAPE = (1, 4, 6, 6)
ZERO_SNR = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}

CASES = {
    "ddim": {"_class_name": "DDIMScheduler", "clip_sample": False, "steps_offset": 1},
    "ddim v": {"_class_name": "DDIMScheduler", "clip_sample": False, "prediction_type": "v_prediction"},
    "ddim sample": {"_class_name": "DDIMScheduler", "clip_sample": False, "prediction_type": "sample"},
    "ddim trailing": {"_class_name": "DDIMScheduler", "clip_sample": False, "timestep_spacing": "trailing"},
    "ddim zero snr": {"_class_name": "DDIMScheduler", "clip_sample": False, **ZERO_SNR},
    "ddpm": {"_class_name": "DDPMScheduler", "clip_sample": False},
    "ddpm v": {"_class_name": "DDPMScheduler", "clip_sample": False, "prediction_type": "v_prediction"},
    "ddpm trailing": {"_class_name": "DDPMScheduler", "clip_sample": False, "timestep_spacing": "trailing"},
    "ddpm large": {"_class_name": "DDPMScheduler", "clip_sample": False, "variance_type": "fixed_large"},
    "lcm": {"_class_name": "LCMScheduler"},
    "lcm v": {"_class_name": "LCMScheduler", "prediction_type": "v_prediction"},
    "tcd": {"_class_name": "TCDScheduler"},
    "tcd v": {"_class_name": "TCDScheduler", "prediction_type": "v_prediction"},
    "tcd sample": {"_class_name": "TCDScheduler", "prediction_type": "sample"},
    "pndm": {"_class_name": "PNDMScheduler", "skip_prk_steps": True, "steps_offset": 1},
    "pndm v": {"_class_name": "PNDMScheduler", "skip_prk_steps": True, "prediction_type": "v_prediction"},
    "dpm++": {"_class_name": "DPMSolverMultistepScheduler"},
    "dpm++ v": {"_class_name": "DPMSolverMultistepScheduler", "prediction_type": "v_prediction"},
    "dpm++ sde": {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"},
    "dpm++ single": {"_class_name": "DPMSolverSinglestepScheduler"},
    "unipc": {"_class_name": "UniPCMultistepScheduler"},
    "unipc v": {"_class_name": "UniPCMultistepScheduler", "prediction_type": "v_prediction"},
    "euler": {"_class_name": "EulerDiscreteScheduler"},
    "euler v": {"_class_name": "EulerDiscreteScheduler", "prediction_type": "v_prediction"},
    "euler turbo": {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"},
    "euler zero snr": {"_class_name": "EulerDiscreteScheduler", **ZERO_SNR},
    "euler ancestral trailing": {
        "_class_name": "EulerAncestralDiscreteScheduler",
        "timestep_spacing": "trailing",
    },
    "euler ancestral": {"_class_name": "EulerAncestralDiscreteScheduler"},
    "euler ancestral v": {"_class_name": "EulerAncestralDiscreteScheduler", "prediction_type": "v_prediction"},
    "heun": {"_class_name": "HeunDiscreteScheduler"},
    "heun v": {"_class_name": "HeunDiscreteScheduler", "prediction_type": "v_prediction"},
    "flow": {"_class_name": "FlowMatchEulerDiscreteScheduler"},
    "flow shifted": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
}
KARRAS = {"dpm++", "dpm++ single", "unipc", "euler", "heun"}
TOLERANCE = 2e-3


def scheduler(case: str, **changes: object) -> Any:
    return make_scheduler({**BETAS, **CASES[case], **changes})


def run(denoise: Callable[..., torch.Tensor], schedule: Any, steps: int, seed: int = 0) -> list[Estimate]:
    generator = torch.Generator().manual_seed(seed)
    return list(sample(denoise, schedule, torch.randn(SHAPE, generator=generator), steps, generator))


def picture() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(99))


def knows(x0: torch.Tensor, schedule: Any) -> Callable[[torch.Tensor, float], torch.Tensor]:
    """A denoiser that is never wrong. What it is given has unit variance, whatever form the scheduler keeps it in."""
    if "flow" in type(schedule).__name__.lower():
        return lambda latents, timestep: (latents - x0) / (timestep / 1000)
    alphas = schedule.alphas_cumprod.double().numpy()
    with np.errstate(divide="ignore"):
        ratios = np.sqrt((1 - alphas) / alphas)

    def denoise(latents: torch.Tensor, timestep: float) -> torch.Tensor:
        if timestep == int(timestep):
            alpha_bar = alphas[int(timestep)]
        else:
            alpha_bar = 1 / (np.interp(timestep, np.arange(len(ratios)), ratios) ** 2 + 1)
        signal, noise = float(alpha_bar**0.5), float((1 - alpha_bar) ** 0.5)
        epsilon = (latents - signal * x0) / noise
        kind = schedule.config.prediction_type
        return {"epsilon": epsilon, "v_prediction": signal * epsilon - noise * x0, "sample": x0}[kind]

    return denoise


def guesses(latents: torch.Tensor, timestep: float) -> torch.Tensor:
    """A denoiser with an opinion of its own that hangs on what it is given."""
    return torch.sin(latents.roll(1, -1) + timestep / 300)


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
@pytest.mark.parametrize("case", CASES)
def test_a_denoiser_that_knows_the_picture_shows_it_at_every_step(case: str, steps: int) -> None:
    schedule, x0 = scheduler(case), picture()
    estimates = run(knows(x0, schedule), schedule, steps)
    assert [estimate.step for estimate in estimates] == list(range(1, steps + 1))
    for estimate in estimates[:-1]:
        torch.testing.assert_close(estimate.latents, x0, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("case", [case for case in CASES if "pndm" not in case])
def test_estimates_are_what_the_scheduler_has_in_mind(case: str, steps: int) -> None:
    estimates = run(guesses, scheduler(case), steps)
    twin, generator = scheduler(case), torch.Generator().manual_seed(0)
    said, last = walk(twin, torch.randn(SHAPE, generator=generator), steps, generator)
    if said is not None:
        for estimate, expected in zip(estimates[:-1], said[:-1], strict=True):
            torch.testing.assert_close(estimate.latents, expected, atol=TOLERANCE, rtol=TOLERANCE)
    torch.testing.assert_close(estimates[-1].latents, last)


@pytest.mark.parametrize("steps", [3, 8])
@pytest.mark.parametrize("case", sorted(KARRAS))
def test_estimates_hold_when_sigmas_lie_between_timesteps(case: str, steps: int) -> None:
    estimates = run(guesses, scheduler(case, use_karras_sigmas=True), steps)
    twin, generator = scheduler(case, use_karras_sigmas=True), torch.Generator().manual_seed(0)
    said, last = walk(twin, torch.randn(SHAPE, generator=generator), steps, generator)
    if said is not None:
        for estimate, expected in zip(estimates[:-1], said[:-1], strict=True):
            torch.testing.assert_close(estimate.latents, expected, atol=TOLERANCE, rtol=TOLERANCE)
    torch.testing.assert_close(estimates[-1].latents, last)


def walk(
    twin: Any, noise: torch.Tensor, steps: int, generator: torch.Generator
) -> tuple[list[torch.Tensor] | None, torch.Tensor]:
    """The plain loop of diffusers' pipelines: the scheduler's own word on x0 after each step, if it has one."""
    twin.set_timesteps(steps)
    flows = "flow" in type(twin).__name__.lower()
    latents, said = noise if flows else noise * twin.init_noise_sigma, []
    random = "generator" in twin.step.__code__.co_varnames
    for timestep in twin.timesteps:
        prediction = guesses(latents if flows else twin.scale_model_input(latents, timestep), float(timestep))
        converted = None
        if type(twin).__name__.startswith(("DPMSolver", "UniPC")):
            if twin.step_index is None:
                twin._init_step_index(timestep)
            converted = twin.convert_model_output(prediction, sample=latents)
        if isinstance(twin, TCDScheduler):
            converted = said_by_tcd(twin, latents, prediction, timestep)
        if flows:
            converted = said_by_flow(twin, latents, prediction, timestep)
        out = twin.step(prediction, timestep, latents, **({"generator": generator} if random else {}))
        # a consistency model's boundary condition keeps next to nothing of the latents
        said.append(getattr(out, "pred_original_sample", getattr(out, "denoised", converted)))
        latents = out.prev_sample
    if twin.order == 2:
        said = said[1::2] + said[-1:]
    return (None if said[0] is None else said), latents


def said_by_flow(
    twin: FlowMatchEulerDiscreteScheduler, latents: torch.Tensor, prediction: torch.Tensor, timestep: torch.Tensor
) -> torch.Tensor:
    """It tells nothing beside the next sample: so one step from here to the end of the road."""
    to_the_end = FlowMatchEulerDiscreteScheduler.from_config({**twin.config, "shift": 1.0})
    to_the_end.set_timesteps(sigmas=[float(timestep) / twin.config.num_train_timesteps])
    assert to_the_end.sigmas[-1] == 0
    told: torch.Tensor = to_the_end.step(prediction, to_the_end.timesteps[0], latents).prev_sample
    return told


def said_by_tcd(
    twin: TCDScheduler, latents: torch.Tensor, prediction: torch.Tensor, timestep: torch.Tensor
) -> torch.Tensor:
    """It tells the sample at a less noisy time, here the cleanest there is: next to nothing of it is noise."""
    at_zero = TCDScheduler.from_config(twin.config)
    at_zero.set_timesteps(1)
    at_zero.timesteps = timestep[None]
    told = at_zero.step(prediction, timestep, latents).pred_noised_sample
    alpha, beta = twin.alphas_cumprod[timestep], 1 - twin.alphas_cumprod[timestep]
    kind = twin.config.prediction_type
    if kind == "epsilon":
        noise = prediction
    elif kind == "v_prediction":
        noise = alpha.sqrt() * prediction + beta.sqrt() * latents
    else:
        noise = (latents - alpha.sqrt() * prediction) / beta.sqrt()
    least = twin.alphas_cumprod[0]
    return (told - (1 - least).sqrt() * noise) / least.sqrt()


@pytest.mark.parametrize("case", [case for case in CASES if "pndm" not in case])
def test_every_scheduler_is_asked_for_its_x0(case: str) -> None:
    """Without an answer the comparison above would compare nothing. PNDM's has none that is its own."""
    said, _ = walk(scheduler(case), picture(), 4, torch.Generator().manual_seed(0))
    assert said is not None


@pytest.mark.parametrize("name", family_names())
def test_every_familys_own_schedule_is_taken_and_told_right(name: str) -> None:
    family, x0 = read_family(name), picture()
    config, steps = family.configs["scheduler"], family.settings["steps"]
    schedule = make_scheduler(config)
    # with one step there is no estimate but the picture, so that a second is taken
    for estimate in run(knows(x0, schedule), schedule, max(steps, 2))[:-1]:
        torch.testing.assert_close(estimate.latents, x0, atol=TOLERANCE, rtol=0)
    estimates = run(guesses, make_scheduler(config), steps)
    generator = torch.Generator().manual_seed(0)
    _, last = walk(make_scheduler(config), torch.randn(SHAPE, generator=generator), steps, generator)
    assert len(estimates) == steps
    torch.testing.assert_close(estimates[-1].latents, last)


@pytest.mark.parametrize(
    ("name", "steps", "timesteps"),
    [("sd-turbo", 1, [999]), ("sdxl-turbo", 1, [999]), ("sdxs-512", 1, [999]), ("sdxl-lightning-1-step", 1, [999]),
     ("sdxl-lightning", 2, [999, 499]), ("sdxl-lightning", 4, [999, 749, 499, 249]),
     ("sdxl-lightning", 8, [999, 874, 749, 624, 499, 374, 249, 124]),
     ("hyper-sd15", 2, [999, 499]), ("hyper-sdxl", 4, [999, 749, 499, 249]),
     ("hyper-sd15-unified", 1, [999]), ("hyper-sdxl-unified", 1, [999]),
     ("lcm", 4, [999, 759, 499, 259]), ("lcm-lora-sd15", 4, [999, 759, 499, 259]),
     ("lcm-lora-sdxl", 4, [999, 759, 499, 259])],
)  # fmt: skip
def test_distilled_models_are_asked_at_the_times_they_were_made_for(
    name: str, steps: int, timesteps: list[int]
) -> None:
    asked: list[float] = []

    def denoise(latents: torch.Tensor, timestep: float) -> torch.Tensor:
        asked.append(timestep)
        return guesses(latents, timestep)

    run(denoise, make_scheduler(read_family(name).configs["scheduler"]), steps)
    assert asked == timesteps


def test_tcd_draws_noise_anew_as_its_authors_do() -> None:
    schedule, generator = scheduler("tcd"), torch.Generator().manual_seed(0)
    noise = torch.randn(SHAPE, generator=generator)
    *_, last = sample(guesses, schedule, noise, 4, generator)
    by_gamma = {}
    for gamma in (0.0, 0.3, 1.0):
        twin, generator = scheduler("tcd"), torch.Generator().manual_seed(0)
        latents = torch.randn(SHAPE, generator=generator)
        twin.set_timesteps(4)
        for timestep in twin.timesteps:
            prediction = guesses(latents, float(timestep))
            latents = twin.step(prediction, timestep, latents, eta=gamma, generator=generator).prev_sample
        by_gamma[gamma] = latents
    torch.testing.assert_close(last.latents, by_gamma[0.3])
    assert (by_gamma[0.3] - by_gamma[0.0]).abs().max() > 0.1
    assert (by_gamma[0.3] - by_gamma[1.0]).abs().max() > 0.1


@pytest.mark.parametrize(
    ("case", "calls"), [("ddim", 3), ("euler", 3), ("lcm", 3), ("tcd", 3), ("pndm", 4), ("heun", 6)]
)
def test_stopping_after_a_step_spares_the_rest(case: str, calls: int) -> None:
    made = []

    def denoise(latents: torch.Tensor, timestep: float) -> torch.Tensor:
        made.append(timestep)
        return guesses(latents, timestep)

    generator = torch.Generator().manual_seed(0)
    estimates = sample(denoise, scheduler(case), torch.randn(SHAPE, generator=generator), 8, generator)
    assert [next(estimates).step for _ in range(3)] == [1, 2, 3]
    assert len(made) == calls
    estimates.close()  # type: ignore[attr-defined]
    assert len(made) == calls


def test_a_clipping_scheduler_clips_its_estimates() -> None:
    estimates = run(guesses, scheduler("ddim", clip_sample=True, clip_sample_range=0.5), 4)
    assert all(estimate.latents.abs().max() <= 0.5 for estimate in estimates[:-1])
    said, last = walk_clipped()
    torch.testing.assert_close(estimates[0].latents, said[0])
    torch.testing.assert_close(estimates[-1].latents, last)


def walk_clipped() -> tuple[list[torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    twin = scheduler("ddim", clip_sample=True, clip_sample_range=0.5)
    said, last = walk(twin, torch.randn(SHAPE, generator=generator), 4, generator)
    assert said is not None
    return said, last


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"_class_name": "FlowMatchHeunDiscreteScheduler"}, "FlowMatchHeunDiscreteScheduler cannot be used; these"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}, "use_dynamic_shifting"),
        ({"_class_name": "EDMEulerScheduler"}, "EDMEulerScheduler cannot be used"),
        ({"_class_name": "KDPM2DiscreteScheduler"}, "KDPM2DiscreteScheduler cannot be used"),
        ({"_class_name": "IPNDMScheduler"}, "IPNDMScheduler cannot be used"),
        ({"_class_name": "TCDScheduler", "prediction_type": "flow_prediction"}, "prediction_type 'flow_prediction'"),
        ({"_class_name": "TCDScheduler", "thresholding": True}, "thresholding = True"),
        ({}, "the scheduler None cannot be used"),
        ({"_class_name": "DDIMScheduler", "prediction_type": "flow_prediction"}, "prediction_type 'flow_prediction'"),
        ({"_class_name": "PNDMScheduler", "prediction_type": "sample"}, "prediction_type 'sample'"),
        ({"_class_name": "EulerAncestralDiscreteScheduler", "prediction_type": "sample"}, "prediction_type 'sample'"),
        ({"_class_name": "PNDMScheduler"}, "skip_prk_steps = False"),
        ({"_class_name": "DDIMScheduler", "thresholding": True}, "thresholding = True"),
        ({"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": True}, "use_flow_sigmas = True"),
        ({"_class_name": "DDIMScheduler", "beta_schedule": "wavy"}, "refuses its configuration: wavy"),
        ({"_class_name": "EulerDiscreteScheduler", "num_train_timesteps": "many"}, "refuses its configuration"),
    ],
)
def test_schedulers_without_a_formula_are_refused(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        make_scheduler(config)


@pytest.mark.parametrize(
    ("case", "steps", "sentence"),
    [("ddim", 0, "0 steps paint nothing"), ("lcm", 60, "LCMScheduler cannot take 60 steps"),
     ("tcd", 60, "TCDScheduler cannot take 60 steps"),
     ("ddim zero snr", 61, "DDIMScheduler divides 61 steps into 62; ask for one more or fewer"),
     ("ddim", 2_000, "DDIMScheduler cannot take 2000 steps")],
)  # fmt: skip
def test_numbers_of_steps_a_scheduler_cannot_take_are_refused(case: str, steps: int, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        run(guesses, scheduler(case), steps)


def test_noise_predicted_from_noise_alone_is_refused() -> None:
    wrong = scheduler("ddim zero snr", prediction_type="epsilon")
    with pytest.raises(ModelError, match="rescale_betas_zero_snr"):
        run(guesses, wrong, 4)
