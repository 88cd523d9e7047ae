r"""Distil a trained model into one that paints in one to four steps, with guidance baked in (Luo et al. 2023, LCM).

The student :math:`f_\theta(x_t, t)` says where the way of the teacher ends, from anywhere on it: it is consistent (Song
et al. 2023). For two neighbouring points of the way, :math:`t > s`, the teacher takes the step between them by DDIM
(Song et al. 2021, eq. 12) with classifier-free guidance ω,

.. math::
    \tilde\epsilon = \epsilon_\varnothing + \omega (\epsilon_c - \epsilon_\varnothing), \qquad
    \hat x_s = a_s \tilde x_0 + s_s \tilde\epsilon

and the student minimises :math:`d(f_\theta(x_t, t),\, f_{\theta^-}(\hat x_s, s))`, where :math:`\theta^-` is a moving
average of :math:`\theta` and d is the pseudo-Huber distance :math:`\sqrt{\|\cdot\|^2 + c^2} - c`. At the end of the way
it has nothing to say: :math:`f(x, t) = c_{skip}(t)\, x + c_{out}(t)\, \hat x_0(x, t)` with :math:`c_{skip}(0) = 1`,
:math:`c_{out}(0) = 0`, just as diffusers' ``LCMScheduler`` paints.

How to run, after :mod:`.diffusion`::

    settings = distil.preset("cpu", teacher=Path("runs/diffusion/model"))
    model = distil.train(settings, pictures, Path("runs/distil"), progress)

Started again on the same folder, it goes on from its last checkpoint, exactly. Writes ``model/`` (a diffusers folder
with guidance 1, so each step costs half), ``log.csv`` and ``grids/`` (a row for 1, 2 and 4 steps). Text encoder and
autoencoder stay the teacher's. A model with a flow target is *not* taken: ``LCMScheduler`` has no such form.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from typing_extensions import override

from speakage_engines.api import EngineError, Progress
from speakage_engines.diffusion.sampler import sample
from speakage_engines.training.api import Pictures
from speakage_engines.training.batches import first
from speakage_engines.training.course import Course, Run
from speakage_engines.training.log import write_grid
from speakage_engines.training.networks import Networks, decode, encode, read_networks, tokens, told, write_folder
from speakage_engines.training.schedule import NoiseSchedule, Target, of_alphas

_SHOWN: Final = 8
_TARGETS: Final[dict[str, Target]] = {"epsilon": "epsilon", "v_prediction": "v"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that shapes a run."""

    teacher: Path
    """Folder of a trained model."""
    guidance: float = 2.5
    """ω: what is baked in."""
    points: int = 50
    """On the teacher's way, evenly spaced; the student paints in any number of steps up to it."""
    huber: float = 1e-3
    """c of the distance, for latents of unit variance."""
    average: float = 0.95
    """Decay of θ⁻, which is also what is kept."""
    paint_steps: int = 4
    """The model's default."""
    prompts: tuple[str, ...] = ()
    """Painted in the grids; empty takes the captions of the first pictures."""
    course: Course


def preset(name: Literal["cpu", "gpu"], *, teacher: Path, **changes: Any) -> Settings:
    """``cpu``: meant for two cores and 128 pixels. ``gpu``: for one large GPU. A run says first how long it takes."""
    if name == "cpu":
        course = Course(steps=6_000, batch=16, final_batch=16, learning_rate=2e-4, checkpoint_every=500)
    else:
        course = Course(steps=5_000, batch=128, final_batch=128, learning_rate=1e-4, workers=14)
    return dataclasses.replace(Settings(teacher=teacher, course=course), **changes)


def train(settings: Settings, pictures: Pictures, folder: Path, progress: Progress) -> Path:
    """Train, or go on; returns the folder of the model.

    Raises :class:`EngineError` with the remedy when the settings cannot be, or are not those the run began with.
    """
    scheduler = student_scheduler(settings)
    run = Run("distil", settings.course, folder, progress)
    networks = read_networks(settings.teacher)
    teacher, text, vae = (part.to(run.device).requires_grad_(False) for part in _frozen(networks))
    schedule = of_alphas(scheduler.alphas_cumprod, _TARGETS[scheduler.config.prediction_type]).to(run.device)
    way = Way(schedule, settings.points, scheduler.config.timestep_scaling)
    student = Consistency(networks.unet.train(), way)
    average = copy.deepcopy(student).to(run.device).requires_grad_(False)
    model = run.prepare(student)
    run.begin({"student": student, "average": average}, dataclasses.asdict(settings), pictures)
    empty = text(input_ids=tokens(networks.tokenizer, [""]).to(run.device))[0]

    while run.goes_on:
        for batch in run.batches():
            with torch.no_grad(), run.autocast():
                x0 = encode(vae, batch.pictures(run.device), run.generator).float()
                states = text(input_ids=tokens(networks.tokenizer, batch.captions).to(run.device))[0]
            at = torch.randint(settings.points, (len(x0),), generator=run.generator, device=run.device)
            noise = torch.randn(x0.shape, generator=run.generator, device=run.device)
            noisy = schedule.add_noise(x0, noise, way.index(at))
            with torch.no_grad(), run.autocast():
                both = torch.cat([empty.expand_as(states), states])
                guesses = teacher(torch.cat([noisy, noisy]), way.index(at).repeat(2), both, return_dict=False)[0]
                nearer = way.step(noisy, guided(guesses.float(), settings.guidance), at)
                target = average(nearer, at - 1, states).float()
            with run.autocast():
                answer = model(noisy, at, states)
            run.backward(pseudo_huber(answer.float() - target, settings.huber))
        run.advance()
        follow(average, student, settings.average)
        if run.at_checkpoint:
            if run.is_main:
                painter = dataclasses.replace(networks, unet=average.unet)
                _show(settings, painter, pictures, run)
                _write(settings, painter, pictures, folder / "model")
            run.save()
    run.wait()
    return folder / "model"


class Way:
    """The points of the teacher's way, from the nearly clean one (0) to nothing but noise; −1 is its end."""

    def __init__(self, schedule: NoiseSchedule, points: int, scaling: float) -> None:
        self.schedule = schedule
        stride = len(schedule.times) // points
        self._indices = torch.arange(1, points + 1, device=schedule.times.device) * stride - 1
        self._scaling = scaling

    def index(self, at: torch.Tensor) -> torch.Tensor:
        """Timesteps of points; the end is told as 0."""
        return torch.where(at < 0, 0, self._indices[at.clamp(min=0)])

    def step(self, noisy: torch.Tensor, prediction: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        """From points to the ones before them, by DDIM; the end is x0's own side of timestep 0, as DDIM counts it."""
        x0, noise = self.schedule.split(prediction, noisy, self.index(at))
        return self.schedule.add_noise(x0, noise, self.index(at - 1))

    def answer(self, noisy: torch.Tensor, prediction: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        """f: the end of the way, as ``LCMScheduler`` reckons it (σ of the data 0.5)."""
        index = self.index(at)
        x0, _ = self.schedule.split(prediction, noisy, index)
        time = (index * self._scaling).view(-1, 1, 1, 1)
        c_skip, c_out = 0.25 / (time**2 + 0.25), time / (time**2 + 0.25).sqrt()
        return c_skip * noisy + c_out * x0


class Consistency(torch.nn.Module):
    """(noisy latents, points, text states) → the end of the way."""

    def __init__(self, unet: Any, way: Way) -> None:
        super().__init__()
        self.unet = unet
        self._way = way

    @override
    def forward(self, noisy: torch.Tensor, at: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        prediction = self.unet(noisy, self._way.index(at), encoder_hidden_states=states, return_dict=False)[0]
        return self._way.answer(noisy, prediction.float(), at)


def guided(predictions: torch.Tensor, guidance: float) -> torch.Tensor:
    """Classifier-free guidance; the first half of the batch is without a caption."""
    without, given = predictions.chunk(2)
    return without + guidance * (given - without)


def pseudo_huber(difference: torch.Tensor, c: float) -> torch.Tensor:
    """As an absolute value far from 0, as a square near it (Song and Dhariwal 2024, eq. 8)."""
    return ((difference.square() + c**2).sqrt() - c).mean()


@torch.no_grad()
def follow(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """θ⁻ ← decay · θ⁻ + (1 − decay) · θ."""
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)


def student_scheduler(settings: Settings) -> Any:
    """The ``LCMScheduler`` of a teacher's noise; raises :class:`EngineError` for a teacher that cannot be taken."""
    import diffusers

    if not 1 <= settings.paint_steps <= settings.points:
        raise EngineError(f"paint_steps is {settings.paint_steps}; give 1 to points, which is {settings.points}")
    try:
        config = diffusers.LCMScheduler.load_config(settings.teacher / "scheduler", local_files_only=True)
    except OSError as error:
        raise EngineError(f"{settings.teacher}/scheduler: cannot be read ({error}); train a model first") from error
    if config["_class_name"] != "DDIMScheduler" or config.get("prediction_type") not in _TARGETS:
        raise EngineError(
            f"{settings.teacher}/scheduler: {config['_class_name']} with prediction_type "
            f"{config.get('prediction_type')} cannot be distilled; train the teacher with target v or epsilon"
        )
    names = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type")
    return diffusers.LCMScheduler(
        **{name: config[name] for name in names},
        rescale_betas_zero_snr=config.get("rescale_betas_zero_snr", False),
        original_inference_steps=settings.points,
        # not used by it, but diffusers' pipelines want it so
        steps_offset=1,
    )


def _frozen(networks: Networks) -> tuple[Any, Any, Any]:
    return copy.deepcopy(networks.unet).eval(), networks.text.eval(), networks.vae.eval()


@torch.no_grad()
def _show(settings: Settings, networks: Networks, pictures: Pictures, run: Run) -> None:
    """A row for 1, 2 and 4 steps, by the sampler that will paint with it."""
    prompts = list(settings.prompts) or first(pictures, _SHOWN).captions
    with run.autocast():
        states = networks.text(input_ids=tokens(networks.tokenizer, prompts).to(run.device))[0]
    side = networks.unet.config.sample_size
    shape = (len(prompts), networks.unet.config.in_channels, side, side)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(settings.course.seed))

    def denoise(latents: torch.Tensor, timestep: float) -> torch.Tensor:
        with run.autocast():
            times = torch.full((len(prompts),), timestep, device=run.device)
            prediction = networks.unet(latents.to(run.device), times, encoder_hidden_states=states).sample
        return torch.as_tensor(prediction).float().cpu()

    rows = []
    for steps in (1, 2, 4):
        generator = torch.Generator().manual_seed(settings.course.seed)
        *_, last = sample(denoise, student_scheduler(settings), noise, steps, generator)
        with run.autocast():
            rows.append(decode(networks.vae, last.latents.to(run.device)))
    write_grid(run.folder / f"grids/step-{run.step:08d}.png", rows)


def _write(settings: Settings, networks: Networks, pictures: Pictures, folder: Path) -> None:
    config = {**student_scheduler(settings).config, "_class_name": "LCMScheduler"}
    write_folder(folder, networks, config, told(pictures, steps=settings.paint_steps, guidance=1.0))
