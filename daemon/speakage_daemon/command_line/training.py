"""The command that trains: speakage train autoencoder | diffusion | distil | whisper | detector.

DATA is a folder, shards or a table of captioned pictures (see :mod:`speakage_engines.training.datasets`), or
``scenes``: pictures drawn as they are needed, ``scenes:narrow`` simple ones, ``scenes:gpu`` as varied as they come.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from speakage_daemon.command_line import Bar, Verbose, err, log, out
from speakage_daemon.errors import SpeakageError

if TYPE_CHECKING:
    from speakage_engines.training.course import Course
    from speakage_engines.training.datasets.pictures import PicturesOnDisk
    from speakage_engines.training.scenes import Scenes

T = TypeVar("T")

CAPTIONS = 100_000
"""Captions that a tokenizer is made from, at most."""


class Preset(StrEnum):
    """How long a run may take, and on what."""

    cpu = "cpu"
    gpu = "gpu"


train = typer.Typer(help="Train models from nothing, on your own pictures or on drawn ones.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(train, name="train")

Data = Annotated[str, typer.Argument(metavar="DATA", help="A folder, shards, a table, or scenes[:few|narrow|cpu|gpu].")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the run; started again, it goes on from there.")]
Size = Annotated[int, typer.Option(help="Pixels on each side.")]
PresetOption = Annotated[Preset, typer.Option("--preset", help="cpu: hours on two cores; gpu: minutes on a large one.")]
Steps = Annotated[int | None, typer.Option(help="Steps of the optimiser, instead of the preset's.", min=1)]
WarmStart = Annotated[Path | None, typer.Option(help="Begin with the weights of this folder, and a fresh optimiser.")]
ReportFile = Annotated[Path | None, typer.Option("--report", help="Also write what was left out of DATA, as JSON.")]


@train.command()
def autoencoder(
    data: Data,
    folder: Out = Path("runs/autoencoder"),
    size: Size = 128,
    preset: PresetOption = Preset.cpu,
    steps: Steps = None,
    warm_start: WarmStart = None,
    report: ReportFile = None,
    verbose: Verbose = False,
) -> None:
    """Pictures to latents and back: the first of the three."""
    from speakage_engines.training import autoencoder as recipe

    log(verbose)
    settings = recipe.preset(preset.value, warm_start=warm_start)
    settings = dataclasses.replace(settings, course=_shortened(settings.course, steps))
    with Bar() as bar:
        made = recipe.train(settings, _pictures(data, size, report, bar), folder, bar.load)
    out.print(f"the autoencoder lies in {made}", highlight=False, soft_wrap=True)


@train.command()
def diffusion(
    data: Data,
    autoencoder: Annotated[Path, typer.Option(help="Folder of the trained autoencoder.")] = Path(
        "runs/autoencoder/vae"
    ),
    tokenizer: Annotated[Path | None, typer.Option(help="Folder of a tokenizer; else one is made from DATA.")] = None,
    folder: Out = Path("runs/diffusion"),
    size: Size = 128,
    preset: PresetOption = Preset.cpu,
    steps: Steps = None,
    warm_start: WarmStart = None,
    report: ReportFile = None,
    verbose: Verbose = False,
) -> None:
    """Words to latents: the denoiser and its text encoder."""
    from speakage_engines.training import diffusion as recipe

    log(verbose)
    with Bar() as bar:
        pictures = _pictures(data, size, report, bar)
        words = tokenizer or _tokenizer(pictures, folder / "tokenizer", bar)
        settings = recipe.preset(preset.value, autoencoder=autoencoder, tokenizer=words, warm_start=warm_start)
        settings = dataclasses.replace(settings, course=_shortened(settings.course, steps))
        made = recipe.train(settings, pictures, folder, bar.load)
    out.print(f"the model lies in {made}; paint with it: speakage say --set picture.model={made} TEXT", soft_wrap=True)


@train.command()
def distil(
    data: Data,
    teacher: Annotated[Path, typer.Option(help="Folder of the trained model.")] = Path("runs/diffusion/model"),
    folder: Out = Path("runs/distil"),
    size: Size = 128,
    preset: PresetOption = Preset.cpu,
    steps: Steps = None,
    report: ReportFile = None,
    verbose: Verbose = False,
) -> None:
    """A student that paints in one to four steps, with guidance baked in."""
    from speakage_engines.training import distil as recipe

    log(verbose)
    settings = recipe.preset(preset.value, teacher=teacher)
    settings = dataclasses.replace(settings, course=_shortened(settings.course, steps))
    with Bar() as bar:
        made = recipe.train(settings, _pictures(data, size, report, bar), folder, bar.load)
    out.print(f"the model lies in {made}; paint with it: speakage say --set picture.model={made} TEXT", soft_wrap=True)


@train.command()
def whisper(
    folder: Out = Path("runs/whisper"),
    preset: PresetOption = Preset.cpu,
    steps: Steps = None,
    warm_start: WarmStart = None,
    verbose: Verbose = False,
) -> None:
    """Ears, from synthesised speech; needs espeak-ng and flite."""
    from speakage_engines.training import whisper as recipe

    log(verbose)
    settings = recipe.preset(preset.value, start_from=warm_start)
    settings = settings if steps is None else dataclasses.replace(settings, steps=steps)
    with Bar() as bar:
        made = recipe.train(settings, folder, bar.load)
    out.print(f"the ears lie in {made}; hear with them: speakage listen --set speech.model={made}", soft_wrap=True)


@train.command()
def detector(
    folder: Out = Path("runs/detector"),
    size: Size = 128,
    preset: PresetOption = Preset.cpu,
    steps: Steps = None,
    verbose: Verbose = False,
) -> None:
    """Eyes for `speakage evaluate scenes`, on drawn scenes; never on what a model paints."""
    from speakage_engines.evaluation import detector_training as recipe
    from speakage_engines.evaluation.detector import save
    from speakage_engines.evaluation.drawn import TrueScenes
    from speakage_engines.training.scenes import PRESETS, Scenes

    log(verbose)
    chosen = recipe.CPU if preset is Preset.cpu else recipe.GPU
    chosen = chosen if steps is None else dataclasses.replace(chosen, steps=steps)
    with Bar() as bar:
        eyes = recipe.train_detector(
            TrueScenes(Scenes(PRESETS[preset.value], size)),
            chosen,
            lambda at: bar.load(f"detector: loss {at.loss:.3f}, {at.seconds_left:.0f} s left", at.step / at.steps),
        )
    save(eyes, folder)
    out.print(f"the detector lies in {folder}", highlight=False, soft_wrap=True)


def _shortened(course: Course, steps: int | None) -> Course:
    return course if steps is None else dataclasses.replace(course, steps=steps)


def _pictures(data: str, size: int, report: Path | None, bar: Bar) -> PicturesOnDisk | Scenes:
    kind, _, variety = data.partition(":")
    if kind == "scenes":
        from speakage_engines.training.scenes import PRESETS, Scenes

        if variety and variety not in PRESETS:
            raise SpeakageError(f"{data}: there is no such kind of scenes; there are {', '.join(PRESETS)}")
        return Scenes(PRESETS[variety or "cpu"], size)
    from speakage_engines.training.datasets import open_pictures
    from speakage_engines.training.datasets.settings import DatasetSettings

    pictures, told = open_pictures(Path(data).expanduser(), DatasetSettings(size=size), bar.load)
    err.print(told)
    if report is not None:
        report.write_text(told.to_json(), encoding="utf-8")
    return pictures


def _tokenizer(pictures: PicturesOnDisk | Scenes, folder: Path, bar: Bar) -> Path:
    """Made once: a run that goes on keeps its words."""
    from speakage_engines.training.tokenizer import build

    if not (folder / "tokenizer.json").exists():
        bar.load("making a tokenizer of the captions", 0.0)
        build((pictures.caption(number) for number in range(min(len(pictures), CAPTIONS))), folder)
    return folder
