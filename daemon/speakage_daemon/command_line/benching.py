"""The command that times: speakage bench, and speakage bench start. What is timed is told with every figure.

Peers run in the same rounds on the same machine, so ratios can be compared from machine to machine; times cannot.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich import table as rich_table

from speakage_daemon.command_line import Bar, ConfigFile, Settings, Verbose, load, log, out
from speakage_daemon.errors import SpeakageError

if TYPE_CHECKING:
    from speakage_engines.api import BackendName, PictureSpec
    from speakage_engines.bench.document import Table
    from speakage_engines.bench.plan import Contestant, Subject
    from speakage_engines.evaluation.figure import Evaluation, LeftOut

bench = typer.Typer(help="How fast: prompt to JPEG, against other libraries in the same run.")
commands = typer.Typer()
commands.add_typer(bench, name="bench")

START = "start"
"""Of the marks in a document."""

WriteDocs = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write what is shown into this document, between its marks.")
]
Json = Annotated[Path | None, typer.Option("--json", help="Also write the figures here, as {name, value, unit}.")]


class Backend(StrEnum):
    """What runs the networks."""

    auto = "auto"
    openvino = "openvino"
    torch = "torch"
    tensorrt = "tensorrt"


class Decoder(StrEnum):
    """What makes the picture of a model with random weights."""

    full = "full"
    tiny = "tiny"


@bench.callback(invoke_without_command=True)
def measure(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="auto, embedded, a name of `speakage models`, or a folder.")] = None,
    random_weights: Annotated[
        str | None, typer.Option(metavar="FAMILY", help="Instead of a model: a family's shape, like sd-turbo.")
    ] = None,
    decoder: Annotated[Decoder, typer.Option(help="Of random weights: the family's own, or TAESD's.")] = Decoder.full,
    size: Annotated[int, typer.Option(help="Pixels on each side; 0 takes the model's own.", min=0)] = 0,
    steps: Annotated[int, typer.Option(help="Steps; 0 takes the model's own.", min=0)] = 0,
    backend: Annotated[list[Backend] | None, typer.Option(help="May be given several times.")] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help="May be given several times: each backend in each of them.")
    ] = None,
    runs: Annotated[int, typer.Option(help="Timed calls of each contestant.", min=1)] = 20,
    rounds: Annotated[int, typer.Option(help="Turns of each contestant, at most --runs.", min=1)] = 5,
    peers: Annotated[bool, typer.Option(help="diffusers, and what else is installed, in the same run.")] = True,
    prompts: Annotated[Path | None, typer.Option(help="A file with a prompt a line, instead of our own.")] = None,
    write_docs: WriteDocs = None,
    json_file: Json = None,
    config: ConfigFile = None,
    settings: Settings = None,
    verbose: Verbose = False,
) -> None:
    """Time a picture model from prompt to JPEG, with another prompt at every call."""
    if context.invoked_subcommand:
        return
    from speakage_daemon.app import picture_spec
    from speakage_engines.bench import document, plan, plot, results
    from speakage_engines.bench import rounds as turns

    log(verbose, logging.WARNING)
    if random_weights and model:
        raise SpeakageError("--model and --random-weights are two models; leave one of them out")
    if decoder is Decoder.tiny and not random_weights:
        raise SpeakageError("--decoder tiny is for --random-weights; a model has the decoder that lies in its folder")
    timing = plan.Rounds(runs=runs, rounds=min(rounds, runs))
    said = plan.own_prompts(timing.prompts) if prompts is None else plan.read_prompts(prompts, timing.prompts)
    spec = picture_spec(load(config, settings, {"picture.model": model}).config)
    spec = replace(spec, size=size or spec.size, steps=steps or spec.steps)
    ours = _ours(backend or [Backend(spec.backend)], precision or [spec.precision], spec)
    theirs, left_out = _peers() if peers else ([], [])
    with Bar() as bar:
        subject = _subject(spec, random_weights, decoder, bar) if random_weights else _model(spec, bar)
        if write_docs is not None:
            plot.check_plotting()
            document.check_document(write_docs, subject.slug)
        found = turns.measure(subject, (*ours, *theirs), said, timing, bar.load)
    evaluation = results.evaluate(subject, found, left_out)
    tables = document.tables(subject, found, evaluation)
    _show(evaluation, tables, json_file)
    if write_docs is not None:
        picture = write_docs.with_name(f"bench-{subject.slug}.webp")
        plot.plot(subject, found, picture)
        _write(write_docs, subject.slug, tables, f"\n![{subject.title}]({picture.name})\n")


@bench.command()
def start(
    runs: Annotated[int, typer.Option(help="Starts that are timed.", min=1)] = 5,
    write_docs: WriteDocs = None,
    json_file: Json = None,
    config: ConfigFile = None,
    settings: Settings = None,
    verbose: Verbose = False,
) -> None:
    """Time the daemon from its command to READY, its engines being made already, and split the time by part."""
    import tempfile

    from speakage_daemon.app import picture_spec, speech_spec
    from speakage_engines.bench.document import Table, check_document, rounded
    from speakage_engines.bench.start import Start, measure_start

    log(verbose, logging.WARNING)
    loaded = load(config, settings, {}).config
    if write_docs is not None:
        check_document(write_docs, START)
    command = [sys.executable, "-m", "speakage_daemon", "run", "--source", "none", "--port", "0"]
    command += [] if config is None else ["--config", str(config)]
    for setting in settings or []:
        command += ["--set", setting]
    with Bar() as bar, tempfile.TemporaryDirectory() as gallery:
        command += ["--set", f"gallery.folder={gallery}", "--set", "server.host=127.0.0.1"]
        begun = Start(command=tuple(command), speech=speech_spec(loaded), picture=picture_spec(loaded))
        evaluation = measure_start(begun, runs, bar.load)
    rows = tuple(
        (figure.name.rpartition(".")[2].replace("_", " "), rounded(figure.value), str(figure.n))
        for figure in evaluation.figures
    )
    table = Table(title=evaluation.subject, head=("", "p50 s", "n"), rows=rows)
    _show(evaluation, (table,), json_file)
    if write_docs is not None:
        _write(write_docs, START, (table,), "")


def _ours(backends: list[Backend], precisions: list[str], spec: PictureSpec) -> list[Contestant]:
    """Each backend in each precision."""
    from speakage_engines.api import PrecisionName
    from speakage_engines.bench.plan import Contestant

    known: tuple[PrecisionName, ...] = get_args(PrecisionName)
    for wrong in set(precisions) - set(known):
        raise SpeakageError(f"--precision {wrong}: there is no such precision; there are: {', '.join(known)}")
    names = dict.fromkeys(_name(one, spec) for one in backends)
    wanted = [each for each in known if each in precisions]
    return [Contestant(library="speakage", backend=name, precision=each) for name in names for each in wanted]


def _peers() -> tuple[list[Contestant], list[LeftOut]]:
    """Other libraries, and those that are not here."""
    from speakage_engines.bench.plan import OPTIONAL_PEERS, PEERS
    from speakage_engines.evaluation.figure import LeftOut

    here, left_out = list(PEERS), []
    for module, peer in OPTIONAL_PEERS.items():
        if _installed(module):
            here.append(peer)
        else:
            left_out.append(LeftOut(peer.name, f"not installed; to have it in the run: pip install {peer.library}"))
    return here, left_out


def _name(backend: Backend, spec: PictureSpec) -> BackendName:
    from speakage_engines.compile.backends import choose

    match backend:
        case Backend.auto:
            return choose("auto", spec.device).name
        case Backend.openvino:
            return "openvino"
        case Backend.torch:
            return "torch"
        case Backend.tensorrt:
            return "tensorrt"


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        # of the package that it would be in
        return False


def _model(spec: PictureSpec, bar: Bar) -> Subject:
    """A model on disk; a checkpoint in one file is converted, once, since peers read folders."""
    from speakage_engines.diffusion.checkpoint import folder_of
    from speakage_engines.models import resolve_picture

    choice = resolve_picture(spec)
    return _of_folder(choice.name, folder_of(choice.path, spec.models_folder, bar.load), spec)


def _subject(spec: PictureSpec, family: str, decoder: Decoder, bar: Bar) -> Subject:
    """A model with random weights, kept beside the engines."""
    from speakage_engines.bench.random_weights import random_folder, with_decoder
    from speakage_engines.diffusion.conversion_parts import read_family

    shape = with_decoder(read_family(family), decoder.value)
    folder = random_folder(shape, spec.engines_folder.with_name("random-weights"), spec.size, bar.load)
    return _of_folder(family, folder, spec)


def _of_folder(name: str, path: Path, spec: PictureSpec) -> Subject:
    from speakage_engines.bench.plan import Subject
    from speakage_engines.bench.random_weights import check_size
    from speakage_engines.diffusion.folder import read_folder

    check_size(path, spec.size)
    folder = read_folder(path)
    size, steps = spec.size or folder.size, spec.steps or folder.steps
    guidance = folder.guidance if spec.guidance < 0 else spec.guidance
    whole = replace(spec, model=str(path), size=size, steps=steps, guidance=guidance)
    return Subject(name=name, spec=whole, size=size, steps=steps, guidance=guidance)


def _show(evaluation: Evaluation, tables: tuple[Table, ...], json_file: Path | None) -> None:
    from speakage_engines.evaluation.figure import as_records

    for each in tables:
        shown = rich_table.Table(*each.head, title=each.title)
        for row in each.rows:
            shown.add_row(*row)
        out.print(shown)
    for missing in evaluation.left_out:
        out.print(f"[yellow]not measured:[/] {missing.name}: {missing.reason}", highlight=False, soft_wrap=True)
    if json_file is not None:
        json_file.write_text(json.dumps(as_records(evaluation.figures), indent=2) + "\n", encoding="utf-8")


def _write(path: Path, name: str, tables: tuple[Table, ...], below: str) -> None:
    """The tables between the document's marks of that name."""
    from speakage_engines.bench.document import write_between

    text = "\n".join(f"{table.title}:\n\n{table.as_markdown()}" for table in tables)
    changed = write_between(path, name, text + below)
    out.print(f"{path} is {'written' if changed else 'as it was'}", highlight=False, soft_wrap=True)
