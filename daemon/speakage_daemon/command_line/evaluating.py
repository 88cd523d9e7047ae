"""The command that measures: speakage evaluate pictures | scenes | speech | card | compare | rate.

A SUBJECT is a folder of pictures with captions, or a picture model: its name, or its folder. Every figure comes with
n, resolution and the network behind it; what could not be measured is told with the remedy.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from speakage_daemon.command_line import Bar, ConfigFile, Settings, Verbose, load, log, out
from speakage_daemon.errors import SpeakageError

if TYPE_CHECKING:
    from speakage_daemon.config import Config, SegmenterSettings
    from speakage_engines.api import Activity, PictureModel
    from speakage_engines.evaluation.figure import Evaluation, Figure
    from speakage_engines.evaluation.picture_set import PictureSet
    from speakage_engines.evaluation.speech import Recording, Segmentation, Stretch

evaluate = typer.Typer(
    help="How good a model is, in figures that say what they were measured on.", no_args_is_help=True
)
commands = typer.Typer()
commands.add_typer(evaluate, name="evaluate")

Subject = Annotated[str, typer.Argument(metavar="SUBJECT", help="A folder of captioned pictures, or a picture model.")]
Json = Annotated[Path | None, typer.Option("--json", help="Also write the figures here, as {name, value, unit}.")]
Count = Annotated[int, typer.Option(help="Captions that a model paints.", min=2)]
Detector = Annotated[Path | None, typer.Option(help="Folder of a scene detector; the embedded one if not given.")]
Each = Annotated[int, typer.Option(help="Captions a row.", min=1)]

CARD_STEPS = 16
"""What a card compares a model's own number of steps with."""


@evaluate.command()
def pictures(
    subject: Subject,
    reference: Annotated[str | None, typer.Option(help="What it is compared with: a folder or a model.")] = None,
    detector: Detector = None,
    count: Count = 200,
    json_file: Json = None,
    config: ConfigFile = None,
    settings: Settings = None,
    verbose: Verbose = False,
) -> None:
    """FID, KID, inception score, precision and recall, PSNR, SSIM, MS-SSIM, LPIPS, CLIP score."""
    from speakage_engines.evaluation.pictures import PictureOptions, evaluate_pictures

    log(verbose)
    loaded = load(config, settings, {}).config
    with Bar() as bar:
        mine = _set(subject, loaded, count, bar)
        theirs = None if reference is None else _set(reference, loaded, count, bar)
        bar.load("measuring", 0.0)
        found = evaluate_pictures(mine, reference=theirs, options=PictureOptions(detector=detector))
    _show([found], json_file)


@evaluate.command()
def scenes(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A picture model.")],
    detector: Detector = None,
    each: Each = 200,
    steps: Annotated[int, typer.Option(help="Steps; 0 takes the model's own.", min=0)] = 0,
    against: Annotated[int, typer.Option(help="Also in so many steps, and tell the difference.", min=0)] = 0,
    json_file: Json = None,
    config: ConfigFile = None,
    settings: Settings = None,
    verbose: Verbose = False,
) -> None:
    """Whether the right things are in the picture, row by row, with the detector's own error beside it."""
    log(verbose)
    with Bar() as bar:
        painter = _model(model, load(config, settings, {}).config, bar)
        found = _scenes(painter, detector, each, (steps, against), bar)
    _show([found], json_file)


@evaluate.command()
def card(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a model with a README.md in it.")],
    detector: Detector = None,
    recordings: Annotated[Path | None, typer.Option(help="For ears: a manifest.json of recordings.")] = None,
    each: Each = 200,
    minutes: Annotated[int, typer.Option(help="For ears: minutes of wordless sound.", min=0)] = 60,
    run_log: Annotated[Path | None, typer.Option("--log", help="log.csv of the run, for the learning curve.")] = None,
    json_file: Json = None,
    config: ConfigFile = None,
    settings: Settings = None,
    verbose: Verbose = False,
) -> None:
    """Measure a model and write the figures into its card, between the two marks in FOLDER/README.md."""
    from speakage_engines.evaluation.card import learning_curve, update_card

    log(verbose)
    loaded = load(config, settings, {}).config
    curve = "" if run_log is None else learning_curve(run_log)
    with Bar() as bar:
        if (folder / "model_index.json").exists():
            painter = _model(str(folder), loaded, bar)
            found = _scenes(painter, detector, each, (0, CARD_STEPS), bar)
        else:
            found = _speech(_ears_of(folder, loaded), recordings, minutes, bar)
    changed = update_card(folder / "README.md", [found], curve)
    _show([found], json_file)
    out.print(f"{folder / 'README.md'} is {'written' if changed else 'as it was'}", highlight=False, soft_wrap=True)


@evaluate.command()
def speech(
    recordings: Annotated[
        Path | None, typer.Argument(help="A manifest.json like samples/manifest.json: files and their words.")
    ] = None,
    minutes: Annotated[int, typer.Option(help="Minutes of silence, noise and music to invent words in.", min=0)] = 60,
    json_file: Json = None,
    config: ConfigFile = None,
    settings: Settings = None,
    verbose: Verbose = False,
) -> None:
    """Word error rate, time to final text, and words invented per hour, through the daemon's own gates."""
    log(verbose)
    with Bar() as bar:
        found = _speech(load(config, settings, {}).config, recordings, minutes, bar)
    _show([found], json_file)


@evaluate.command()
def compare(
    ours: Subject,
    theirs: Annotated[str, typer.Argument(metavar="OTHER", help="The other folder or model.")],
    folder: Annotated[Path, typer.Option("--out", help="Where the page and the CSV files go.")] = Path("comparison"),
    detector: Detector = None,
    count: Count = 60,
    json_file: Json = None,
    config: ConfigFile = None,
    settings: Settings = None,
    verbose: Verbose = False,
) -> None:
    """Side by side on one page: before and after, or model against model."""
    from speakage_engines.evaluation.pictures import PictureOptions, evaluate_pictures
    from speakage_engines.evaluation.side_by_side import Column, write_side_by_side

    log(verbose)
    loaded = load(config, settings, {}).config
    options = PictureOptions(detector=detector)
    with Bar() as bar:
        sets = [_set(subject, loaded, count, bar) for subject in (ours, theirs)]
        found = [evaluate_pictures(one, options=options) for one in sets]
    columns = [Column(pictures=one, evaluation=figures) for one, figures in zip(sets, found, strict=True)]
    page = write_side_by_side(folder, f"{sets[0].name} and {sets[1].name}", columns)
    _show(found, json_file)
    out.print(f"open {page}", highlight=False, soft_wrap=True)


@evaluate.command()
def rate(
    ours: Subject,
    theirs: Annotated[str, typer.Argument(metavar="OTHER", help="The other folder or model.")],
    folder: Annotated[Path, typer.Option("--out", help="Where the page and the votes go.")] = Path("rating"),
    count: Count = 60,
    port: Annotated[int, typer.Option(help="TCP port of the page; 0 takes a free one.")] = 0,
    config: ConfigFile = None,
    settings: Settings = None,
    verbose: Verbose = False,
) -> None:
    """A blind rating page for people, A or B, until it is interrupted; then the win rates."""
    from speakage_engines.evaluation.figure import Evaluation
    from speakage_engines.evaluation.rating import KEY_FILE, read_votes, win_rates, write_rating
    from speakage_engines.evaluation.rating_server import RatingServer

    log(verbose)
    loaded = load(config, settings, {}).config
    with Bar() as bar:
        write_rating(folder, _set(ours, loaded, count, bar), _set(theirs, loaded, count, bar))
    # whoever ends it, by Ctrl+C or by SIGTERM, wants to see the win rates
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with RatingServer(folder, port) as server:
        out.print(f"The rating page is at {server.address}; end with Ctrl+C", highlight=False)
        # also where a program reads along
        out.file.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            out.print("no more votes are taken")
    if votes := read_votes(folder / KEY_FILE, sorted((folder / "results").glob("*.csv"))):
        _show([Evaluation("people", win_rates(votes))], None)


def _set(subject: str, config: Config, count: int, bar: Bar) -> PictureSet:
    """A folder of pictures as it is, or what a model paints for drawn scenes' captions."""
    from speakage_engines.evaluation.picture_set import of_folder, painted
    from speakage_engines.training.scenes import PRESETS, Scenes

    folder = Path(subject).expanduser()
    if folder.is_dir() and not (folder / "model_index.json").exists():
        return of_folder(folder)
    model = _model(subject, config, bar)
    drawn = Scenes(PRESETS["narrow"], split="unseen")
    captions = [drawn.caption(number) for number in range(count)]
    return painted(
        model, captions, watch=lambda done, of: bar.load(f"painting with {model.info.choice.name}", done / of)
    )


def _model(name: str, config: Config, bar: Bar) -> PictureModel:
    from speakage_daemon.app import picture_spec
    from speakage_engines import api

    chosen = config.model_copy(update={"picture": config.picture.model_copy(update={"model": name})})
    return api.load_picture(picture_spec(chosen), bar.load)


def _scenes(painter: PictureModel, detector: Path | None, each: int, steps: tuple[int, int], bar: Bar) -> Evaluation:
    from speakage_engines.evaluation.detector import embedded_detector, read_detector
    from speakage_engines.evaluation.painted_scenes import evaluate_scenes

    def watch(done: int, of: int) -> None:
        bar.load("painting", done / of)

    eyes = read_detector(detector or embedded_detector())
    return evaluate_scenes(painter, eyes, each=each, steps=steps[0], against=steps[1], watch=watch)


def _ears_of(folder: Path, config: Config) -> Config:
    """The configuration with the ears of that folder."""
    return config.model_copy(update={"speech": config.speech.model_copy(update={"model": str(folder)})})


def _speech(config: Config, recordings: Path | None, minutes: int, bar: Bar) -> Evaluation:
    from speakage_daemon.app import speech_spec
    from speakage_engines import api
    from speakage_engines.evaluation.speech import Ears, evaluate_speech

    ears = Ears(
        model=api.load_speech(speech_spec(config)),
        detector=api.load_detector(),
        segmentation=_segmentation(config.segmenter),
        hotwords=config.speech.hotwords,
    )
    said = [] if recordings is None else list(_recordings(recordings))
    bar.load("listening", 0.0)
    return evaluate_speech(ears, said, quiet_minutes=minutes)


def _recordings(manifest: Path) -> Iterator[Recording]:
    """``{"samples": [{"file", "text", "voice"}]}``, files beside the manifest."""
    from faster_whisper import decode_audio

    from speakage_engines.evaluation.speech import Recording

    try:
        samples = json.loads(manifest.read_text(encoding="utf-8"))["samples"]
        listed = [(manifest.parent / sample["file"], sample["text"], sample.get("voice", "")) for sample in samples]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpeakageError(
            f'{manifest}: should hold {{"samples": [{{"file": …, "text": …}}]}} ({type(error).__name__}: {error})'
        ) from None
    for path, text, voice in listed:
        if not path.is_file():
            raise SpeakageError(f"{manifest}: {path} does not exist")
        audio = (decode_audio(str(path)) * 32_767).astype("int16")
        yield Recording(audio=audio, text=text, group=voice)


def _segmentation(settings: SegmenterSettings) -> Segmentation:
    """The daemon's own segmenter, over a whole recording."""
    from speakage_daemon.hearing.segmenter import Ended, Paused, Resumed, Segmenter, Started
    from speakage_engines.api import FRAME_SAMPLES
    from speakage_engines.evaluation.speech import Stretch

    def segment(activities: Iterable[tuple[int, Activity]]) -> Iterator[Stretch]:
        segmenter, start, settled = Segmenter(settings), 0, 0
        for sample, activity in activities:
            for boundary in segmenter.feed(sample, activity):
                match boundary:
                    case Started(sample=start):
                        settled = 0
                    case Paused():
                        settled = sample + FRAME_SAMPLES
                    case Resumed():
                        settled = 0
                    case Ended(sample=end, last_voiced_sample=voiced):
                        yield Stretch(start=start, last_voiced=voiced, settled=settled or end, end=end)

    return segment


def _show(found: list[Evaluation], json_file: Path | None) -> None:
    from speakage_engines.evaluation.figure import as_records, in_words, measured_on

    figures: list[Figure] = []
    for evaluation in found:
        table = Table("figure", "value", "measured on", title=evaluation.subject)
        for figure in evaluation.figures:
            table.add_row(figure.name, in_words(figure), measured_on(figure))
        if evaluation.figures:
            out.print(table)
        for missing in evaluation.left_out:
            out.print(f"[yellow]not measured:[/] {missing.name}: {missing.reason}", highlight=False, soft_wrap=True)
        figures += evaluation.figures
    if json_file is not None:
        json_file.write_text(json.dumps(as_records(figures), indent=2) + "\n", encoding="utf-8")
