r"""Train a text-to-image latent diffusion model (Rombach et al. 2022) from nothing, its text encoder with it.

For a picture :math:`x_0` as scaled latents, noise :math:`\epsilon` and a random timestep,
:math:`x_t = a_t x_0 + s_t \epsilon`, and the denoiser :math:`f` minimises

.. math:: w_t \, \| f(x_t, t, \tau(caption)) - y_t \|^2

with the target :math:`y_t` (ε, v or flow) and the weight :math:`w_t` (min-SNR-γ) of :mod:`.schedule`. One caption in
ten is dropped, so that the denoiser also learns pictures of nothing in particular, which classifier-free guidance (Ho
and Salimans 2022) leads away from. What is kept is the exponential moving average of the weights (EMA).

Data that know what is where, as drawn scenes do, teach faster: errors on things count more than those on the ground
behind them, and a head beside the denoiser, thrown away afterwards, says from its features what stands where
(:mod:`.content`).

How to run, after :mod:`.autoencoder`::

    settings = diffusion.preset("cpu", autoencoder=Path("runs/autoencoder/vae"), tokenizer=Path("tokenizer"))
    model = diffusion.train(settings, pictures, Path("runs/diffusion"), progress)

Started again on the same folder, it goes on from its last checkpoint, exactly; ``accelerate launch`` runs it on
several GPUs. Many small steps learn fastest, on pictures that begin narrow (few nouns, little jitter) and widen: train
on narrow pictures first, then again on wide ones with ``warm_start=`` the first model, which keeps the weights and
takes a fresh optimiser. Writes ``model/`` (a diffusers folder), ``log.csv`` and ``grids/`` (one row a guidance).
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers.training_utils import EMAModel
from typing_extensions import override

from speakage_engines.api import EngineError, Progress
from speakage_engines.training.api import Pictures
from speakage_engines.training.batches import first
from speakage_engines.training.content import Taught, emphasised, naming_loss
from speakage_engines.training.course import Course, Run
from speakage_engines.training.log import write_grid
from speakage_engines.training.networks import (
    DenoiserShape,
    Networks,
    TextShape,
    decode,
    encode,
    new_text,
    new_unet,
    read_networks,
    read_tokenizer,
    read_vae,
    tokens,
    told,
    write_folder,
)
from speakage_engines.training.schedule import ScheduleSettings, make_schedule, scheduler_config
from speakage_engines.training.words import carry_words

logger = logging.getLogger(__name__)

_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that shapes a run."""

    autoencoder: Path
    """Folder of a trained autoencoder."""
    tokenizer: Path
    """Folder of a transformers tokenizer; its ``model_max_length`` is the length of a prompt."""
    warm_start: Path | None = None
    """Folder of a model to go on from with a fresh optimiser: its denoiser and text encoder in place of new ones. With
    another tokenizer than its own, the words that both know are kept."""
    denoiser: DenoiserShape = field(default_factory=DenoiserShape)
    text: TextShape = field(default_factory=TextShape)
    noise: ScheduleSettings = field(default_factory=ScheduleSettings)
    caption_dropout: float = 0.1
    snr_gamma: float | None = 5.0
    """γ of min-SNR; none weighs all timesteps alike."""
    snr_floor: float = 1.0
    """0 is min-SNR as published, which never teaches the step that has no signal. See :mod:`.schedule`."""
    emphasis: float = 2.0
    """How much more an error on a thing counts than one elsewhere, where the data know what is where."""
    content_weight: float = 0.1
    """Of the loss of the head that says what is where; 0 does without."""
    ema: float = 0.999
    """Decay of the average of the weights; less in the first steps."""
    paint_steps: int = 8
    guidance: float = 2.5
    """Both for the grids and as the model's defaults."""
    prompts: tuple[str, ...] = ()
    """Painted in the grids; empty takes the captions of the first pictures."""
    course: Course


def preset(name: Literal["cpu", "gpu"], *, autoencoder: Path, tokenizer: Path, **changes: Any) -> Settings:
    """``cpu``: meant for two cores and 128 pixels. ``gpu``: for one large GPU. A run says first how long it takes."""
    own = Settings(
        autoencoder=autoencoder,
        tokenizer=tokenizer,
        course=Course(steps=30_000, batch=16, final_batch=32, learning_rate=1e-3, warmup=500),
    )
    if name == "gpu":
        own = dataclasses.replace(
            own,
            denoiser=DenoiserShape(channels=(128, 256, 384), layers=(2, 2, 2), heads=(4, 8, 12)),
            text=TextShape(width=384, layers=6, heads=6, feed_forward=1536),
            ema=0.9995,
            course=Course(steps=16_000, batch=128, final_batch=256, learning_rate=6e-4, warmup=500, workers=14),
        )
    return dataclasses.replace(own, **changes)


def train(settings: Settings, pictures: Pictures, folder: Path, progress: Progress) -> Path:
    """Train, or go on; returns the folder of the model.

    Raises :class:`EngineError` with the remedy when the settings cannot be, or are not those the run began with.
    """
    schedule = make_schedule(settings.noise)
    run = Run("diffusion", settings.course, folder, progress)
    networks = _networks(settings, pictures.size)
    pair = Denoiser(networks.unet, networks.text)
    taught = Taught(pair, networks.unet, len(pictures.names) if settings.content_weight else 0)
    model, vae, schedule = run.prepare(taught), networks.vae.to(run.device), schedule.to(run.device)
    average = EMAModel(pair.parameters(), decay=settings.ema, foreach=True)
    run.begin({"taught": taught, "average": average}, dataclasses.asdict(settings), pictures)
    average.to(run.device)

    while run.goes_on:
        for batch in run.batches():
            with torch.no_grad(), run.autocast():
                x0 = encode(vae, batch.pictures(run.device), run.generator).float()
            captions = drop(batch.captions, settings.caption_dropout, run.generator)
            index = torch.randint(len(schedule.times), (len(x0),), generator=run.generator, device=run.device)
            noise = torch.randn(x0.shape, generator=run.generator, device=run.device)
            noisy = schedule.add_noise(x0, noise, index)
            with run.autocast():
                ids = tokens(networks.tokenizer, captions).to(run.device)
                prediction, scores = model(noisy, schedule.times[index], ids)
            error = (prediction.float() - schedule.truth(x0, noise, index)).square()
            weight = schedule.weight(index, settings.snr_gamma, settings.snr_floor)
            content = None if batch.content is None else batch.content.to(run.device)
            if content is not None:
                error = emphasised(error, content, settings.emphasis)
            loss = (weight * error.mean((1, 2, 3))).mean()
            if content is not None and scores is not None:
                loss = loss + settings.content_weight * naming_loss(scores, content)
            run.backward(loss)
        run.advance()
        average.step(pair.parameters())
        if run.at_checkpoint:
            if run.is_main:
                with averaged(average, pair):
                    _show(settings, networks, pictures, run)
                    _write(settings, networks, pictures, folder / "model")
            run.save()
    run.wait()
    return folder / "model"


class Denoiser(torch.nn.Module):
    """Denoiser and text encoder as one network: (noisy latents, timesteps, token ids) → prediction."""

    def __init__(self, unet: Any, text: Any) -> None:
        super().__init__()
        self.unet = unet
        self.text = text

    @override
    def forward(self, latents: torch.Tensor, times: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        # no attention mask: the engine gives none either
        states = self.text(input_ids=ids, return_dict=False)[0]
        prediction: torch.Tensor = self.unet(latents, times, encoder_hidden_states=states, return_dict=False)[0]
        return prediction


def drop(captions: list[str], part: float, generator: torch.Generator) -> list[str]:
    """Some captions made empty, as the engine's prompt without words is."""
    dropped = torch.rand(len(captions), generator=generator, device=generator.device) < part
    return ["" if gone else caption for caption, gone in zip(captions, dropped.tolist(), strict=True)]


@contextmanager
def averaged(average: Any, network: torch.nn.Module) -> Iterator[None]:
    """The averaged weights in place of the newest, for so long."""
    average.store(network.parameters())
    average.copy_to(network.parameters())
    try:
        yield
    finally:
        average.restore(network.parameters())


@torch.no_grad()
def paint(
    pair: Denoiser, scheduler: Any, noise: torch.Tensor, ids: torch.Tensor, empty: torch.Tensor, guidance: float
) -> torch.Tensor:
    """Latents painted from noise, all prompts at once; ``scheduler`` has had its steps set."""
    latents, both = noise, torch.cat([empty.expand_as(ids), ids])
    for timestep in scheduler.timesteps:
        times = timestep.to(noise.device).expand(len(both))
        without, given = pair(torch.cat([latents, latents]), times, both).float().chunk(2)
        latents = scheduler.step(without + guidance * (given - without), timestep, latents, return_dict=False)[0]
    return latents


def _networks(settings: Settings, size: int) -> Networks:
    vae, tokenizer = read_vae(settings.autoencoder), read_tokenizer(settings.tokenizer)
    vae.eval().requires_grad_(False)
    channels, side = vae.config.latent_channels, size // 2 ** (len(vae.config.block_out_channels) - 1)
    if not settings.warm_start:
        unet = new_unet(settings.denoiser, channels, side, settings.text.width)
        return Networks(unet, new_text(settings.text, tokenizer), vae, tokenizer)
    old = read_networks(settings.warm_start)
    if old.unet.config.in_channels != channels:
        raise EngineError(
            f"{settings.autoencoder}: it has {channels} latent channels, but the denoiser of {settings.warm_start} "
            f"{old.unet.config.in_channels}; give the autoencoder of that model"
        )
    same = old.tokenizer.get_vocab() == tokenizer.get_vocab()
    if same and old.text.config.max_position_embeddings == tokenizer.model_max_length:
        return dataclasses.replace(old, vae=vae, tokenizer=tokenizer)
    text, carried = carry_words(old.text, old.tokenizer, tokenizer)
    logger.info("%s: %d of the %d words and pieces of the new tokenizer were known to it",
                settings.warm_start, carried, len(tokenizer))  # fmt: skip
    return dataclasses.replace(old, text=text, vae=vae, tokenizer=tokenizer)


def _show(settings: Settings, networks: Networks, pictures: Pictures, run: Run) -> None:
    """One row a guidance: none, and the model's own. The same noise every time, so that one sees what is learned."""
    import diffusers

    prompts = list(settings.prompts) or first(pictures, _SHOWN).captions
    ids, empty = (tokens(networks.tokenizer, texts).to(run.device) for texts in (prompts, [""]))
    config = scheduler_config(settings.noise)
    side = networks.unet.config.sample_size
    shape = (len(prompts), networks.unet.config.in_channels, side, side)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(settings.course.seed)).to(run.device)
    rows = []
    for guidance in (1.0, settings.guidance):
        scheduler = getattr(diffusers, config["_class_name"]).from_config(config)
        scheduler.set_timesteps(settings.paint_steps)
        with run.autocast(), torch.no_grad():
            latents = paint(Denoiser(networks.unet, networks.text), scheduler, noise, ids, empty, guidance)
            rows.append(decode(networks.vae, latents))
    write_grid(run.folder / f"grids/step-{run.step:08d}.png", rows)


def _write(settings: Settings, networks: Networks, pictures: Pictures, folder: Path) -> None:
    own = told(pictures, steps=settings.paint_steps, guidance=settings.guidance)
    write_folder(folder, networks, scheduler_config(settings.noise), own)
