"""The composition root: builds every part in dependency order and runs them in one TaskGroup. Read this first.

Order: gallery, hub, server (the port is held before anything slow begins), models (with warm-up), ear, transcriber,
painter. The daemon is ready when all of them turn. Everything ends by cancellation, the last part first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from speakage_daemon.config import Config, HearingSettings, RewriterSettings
from speakage_daemon.errors import ConfigError, GalleryError
from speakage_daemon.events import (
    DaemonEvent,
    Engines,
    ListeningChanged,
    MicrophoneLost,
    MicrophoneRestored,
    MicrophoneSilent,
    Picture,
    SpeechLevel,
)
from speakage_daemon.front_desk import FrontDesk
from speakage_daemon.gallery import Gallery, PictureRecord
from speakage_daemon.hearing.ear import Ear
from speakage_daemon.hearing.floor import Floor
from speakage_daemon.hearing.gain import AutomaticGain
from speakage_daemon.hearing.source import Source
from speakage_daemon.hearing.wake import WakeGate, WakeTimes, spoken
from speakage_daemon.hearing.waker import Waker
from speakage_daemon.painting.continuity import Continuity
from speakage_daemon.painting.painter import Painter
from speakage_daemon.painting.priority import EarsFirst
from speakage_daemon.painting.succession import stand_in, succeed
from speakage_daemon.serving.hub import Hub
from speakage_daemon.serving.server import Server
from speakage_daemon.understanding.address import Address, Told, personas, phrases, words
from speakage_daemon.understanding.budget import Budget
from speakage_daemon.understanding.canvas import Canvas, Sheet
from speakage_daemon.understanding.conversation import Conversation, Surroundings
from speakage_daemon.understanding.director import Director
from speakage_daemon.understanding.moments import Moments
from speakage_daemon.understanding.rewriting import known_names
from speakage_daemon.understanding.transcriber import Transcriber
from speakage_daemon.understanding.turn import unfinished
from speakage_daemon.uploads import Uploads
from speakage_engines import api

if TYPE_CHECKING:
    from speakage_daemon.understanding.rewriter import Rewriter

log = logging.getLogger(__name__)

_LEVELS: Final = {
    "too_quiet": "Speech is very quiet here: come closer, or turn the microphone up.",
    "too_loud": "Speech is too loud for the microphone: step back, or turn it down.",
}

T = TypeVar("T")
Ready = Callable[[str], Awaitable[None]]
"""Awaited with the daemon's address when all is warm, before the first sound is heard."""


async def run(config: Config, ready: Ready, progress: api.Progress = api.no_progress) -> None:
    """Be the daemon until cancelled; raises :class:`SpeakageError` or :class:`EngineError` with the remedy."""
    gallery = Gallery.open(config.gallery)
    hub = Hub(clock_us=lambda: time.time_ns() // 1_000, client_queue=config.server.client_queue)
    desk = FrontDesk()
    starting = ["the models are loading"]
    server = Server(config.server, hub, gallery, desk, lambda: starting[0] if starting else None)
    priority = EarsFirst()
    supervisor = Supervisor(hub)
    try:
        # a recording that is missing must be told before models are waited for
        source = open_source(config.hearing, supervisor.note)
        async with (
            _worker("speech") as ears,
            _worker("painting") as hands,
            _worker("building") as builder,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(server.serve(), name="server")
            speech, detector = await _on(ears, lambda: (api.load_speech(speech_spec(config)), api.load_detector()))
            wanted = picture_spec(config)
            interim = await _on(hands, lambda: stand_in(wanted, config.picture.while_building))
            picture = await _on(hands, lambda: api.load_picture(interim or wanted, progress))
            hub.set_engines(engines(speech, picture))
            if config.picture.negative and picture.info.guidance <= 1:
                hub.set_badge("negative", "picture.negative has no effect: this model paints without guidance.")

            floor, ear, address = await _hearing(config, source, detector, ears, supervisor.note, hub.publish)
            supervisor.watch(floor, ear)
            drafts = Budget(config.picture.drafts_per_minute)
            continuity = Continuity.of(config.picture, drafts)
            painter = Painter(picture, hands, priority, hub.publish, Keeper(gallery, hub).store, hub, continuity)
            rewriter = open_rewriter(config.rewriter)
            around = Surroundings(
                number=lambda: next(ear.numbers),
                listen=lambda on: ear.asked_to_listen(on, time.monotonic()),
                publish=hub.publish,
                uploads=Uploads(picture.info.width, picture.info.height, picture.info.no_start),
                drafts=drafts,
                persona=address.persona,
                rewriter=rewriter,
                names=known_names(config.speech.hotwords, keep=config.rewriter.keep),
            )
            canvas = blank_canvas(picture.info, config.picture.negative)
            director = Director(canvas, picture.info.most_pixels)
            conversation = Conversation(director, painter, around, config.picture)
            unknown = painter.unknown_words if config.speech.prefer_known else None
            transcriber = Transcriber(config.speech, speech, ears, priority, hub.publish, address, unknown)
            hub.revisions = painter.revisions
            desk.open(ear, floor, conversation)

            async def caught_up() -> None:
                await ear.utterances.join()
                if rewriter:
                    await rewriter.idle()
                await painter.idle()

            if rewriter:
                hub.rewritings = rewriter.outcomes
                tasks.create_task(rewriter.run(), name="rewriter")
            tasks.create_task(painter.run(), name="painter")
            tasks.create_task(transcriber.run(ear.utterances, conversation), name="transcriber")
            if interim is not None:
                meant = _on(builder, partial(api.load_picture, wanted, progress))
                coming = succeed(meant, painter, hub, lambda model: hub.set_engines(engines(speech, model)))
                tasks.create_task(coming, name="succession")
            starting.clear()
            await ready(server.url)
            tasks.create_task(ear.run(time.monotonic, caught_up), name="ear")
            tasks.create_task(floor.run(), name="floor")
    finally:
        server.close()
        gallery.close()


async def listen(config: Config, publish: Callable[[DaemonEvent], None]) -> None:
    """Only hear and transcribe, until the source ends; nothing is painted and nothing is served."""
    source = open_source(config.hearing, publish)
    over = asyncio.Event()

    def note(event: DaemonEvent) -> None:
        publish(event)
        if isinstance(event, ListeningChanged) and event.source == "none":
            over.set()

    async with _worker("speech") as ears:
        speech, detector = await _on(ears, lambda: (api.load_speech(speech_spec(config)), api.load_detector()))
        floor, ear, address = await _hearing(config, source, detector, ears, note, publish)
        transcriber = Transcriber(config.speech, speech, ears, EarsFirst(), publish, address)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(transcriber.run(ear.utterances, _Nobody()), name="transcriber"),
                tasks.create_task(ear.run(time.monotonic, ear.utterances.join), name="ear"),
                tasks.create_task(floor.run(), name="floor"),
            ]
            await over.wait()
            await ear.utterances.join()
            for task in running:
                task.cancel()


async def _hearing(
    config: Config,
    source: Source | None,
    detector: api.SpeechDetector,
    ears: Executor,
    note: Callable[[DaemonEvent], None],
    publish: Callable[[DaemonEvent], None],
) -> tuple[Floor, Ear, Address]:
    """All that hears. ``note`` is told of the microphone and of who listens, ``publish`` of wake words."""
    settings = config.hearing
    floor, gate = Floor(source), open_gate(settings)
    waker = await _on(ears, lambda: load_waker(settings, gate, publish))
    ear = Ear(config.segmenter, gate, detector, floor, note, gain=gain(settings), waker=waker)
    return floor, ear, Address(settings, gate, Told(publish, ear.announce_gate))


def open_source(settings: HearingSettings, publish: Callable[[DaemonEvent], None]) -> Source | None:
    """The source a setting means; raises :class:`SpeakageError`."""
    kind, _, rest = settings.source.partition(":")
    match kind:
        case "none":
            return None
        case "microphone":
            from speakage_daemon.hearing.microphone import Microphone

            return Microphone(settings.device, publish)
        case "stdin":
            from speakage_daemon.hearing.recording import StdinSource

            return StdinSource()
        case "file" if rest:
            from speakage_daemon.hearing.recording import FileSource

            return FileSource(Path(rest).expanduser(), settings.file_pace)
        case _:
            raise ConfigError(
                f"hearing.source is {settings.source!r}; it should be microphone, none, stdin or file:PATH"
            )


def open_rewriter(settings: RewriterSettings) -> Rewriter | None:
    """What rewrites prompts, where it has an address; else nothing that could ask anybody is even loaded."""
    if not settings.url:
        return None
    from speakage_daemon.understanding.rewriter import Rewriter

    return Rewriter(settings)


def gain(settings: HearingSettings) -> AutomaticGain | None:
    """None where sound is taken as it comes."""
    return AutomaticGain() if settings.gain == "auto" else None


def open_gate(settings: HearingSettings) -> WakeGate:
    """The gate that a setting means; it knows which words people are told to say."""
    times = wake_times(settings)
    match settings.mode:
        case "word":
            return WakeGate("word", times, tuple(map(spoken, words(settings))))
        case "phrase":
            return WakeGate("phrase", times, phrases(settings))
        case _:
            return WakeGate(settings.mode)


def wake_times(settings: HearingSettings) -> WakeTimes:
    """In samples."""
    return WakeTimes(
        follow_up=round(settings.follow_up_s * api.SAMPLE_RATE),
        refractory=settings.wake_refractory_ms * api.SAMPLE_RATE // 1_000,
    )


def load_waker(settings: HearingSettings, gate: WakeGate, publish: Callable[[DaemonEvent], None]) -> Waker | None:
    """What hears wake words, where the mode asks for it; raises :class:`EngineError` for models that cannot be used."""
    if settings.mode != "word":
        return None
    names = {word: persona.name for word, persona in personas(settings).items()}
    return Waker(api.load_wake_words(wake_spec(settings)), gate, publish, names)


def wake_spec(settings: HearingSettings) -> api.WakeSpec:
    """What the engines are told of wake words."""
    return api.WakeSpec(words=words(settings), engine=settings.wake_engine, threshold=settings.wake_threshold)


def speech_spec(config: Config) -> api.SpeechSpec:
    """What the engines are told of the speech model."""
    speech = config.speech
    return api.SpeechSpec(
        model=speech.model,
        device=speech.device,
        compute_type=speech.compute_type,
        language=speech.language,
        translate=speech.translate,
        threads=speech.threads,
        models_folder=config.models.folder,
    )


def picture_spec(config: Config) -> api.PictureSpec:
    """What the engines are told of the picture model."""
    picture = config.picture
    return api.PictureSpec(
        model=picture.model,
        backend=picture.backend,
        precision=picture.precision,
        device=picture.device,
        steps=picture.steps,
        guidance=picture.guidance,
        size=picture.size,
        threads=picture.threads,
        adapters=picture.adapters,
        adapter_rank=picture.adapter_rank,
        tensorrt_workspace_mb=picture.tensorrt_workspace_mb,
        tensorrt_weights_mb=picture.tensorrt_weights_mb,
        build_memory_mb=config.models.build_memory_mb,
        models_folder=config.models.folder,
        engines_folder=config.models.engines,
    )


def blank_canvas(info: api.PictureModelInfo, negative: str) -> Canvas:
    """What talking about pictures begins with."""
    sheet = Sheet(steps=info.steps, guidance=info.guidance, width=info.width, height=info.height, grain=info.grain)
    return Canvas(sheet=sheet, standing_negative=negative)


def engines(speech: api.SpeechModel, picture: api.PictureModel) -> Engines:
    """What people are told of both."""
    info = picture.info
    return Engines(
        speech_model=speech.choice.name,
        speech_reason=speech.choice.reason,
        picture_model=info.choice.name,
        picture_reason=info.choice.reason,
        backend=info.backend,
        backend_reason=info.backend_reason,
        precision=info.precision,
        steps=info.steps,
        width=info.width,
        height=info.height,
    )


class Keeper:
    """Stores pictures; while the disk is full it says so, and pictures are shown all the same."""

    def __init__(self, gallery: Gallery, hub: Hub) -> None:
        self._gallery = gallery
        self._hub = hub
        self._loop = asyncio.get_running_loop()

    def store(self, rgb: api.Rgb, record: PictureRecord) -> Picture | None:
        """Runs in a thread; the badge is set on the event loop."""
        try:
            picture = self._gallery.save(rgb, record)
        except GalleryError as error:
            log.warning("%s", error)
            self._loop.call_soon_threadsafe(self._hub.set_badge, "gallery", f"Pictures are not being kept: {error}")
            return None
        self._loop.call_soon_threadsafe(self._hub.clear_badge, "gallery")
        return picture


class Supervisor:
    """Makes standing facts of what the microphone reports, for whoever connects later."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._watched: tuple[Floor, Ear] | None = None

    def watch(self, floor: Floor, ear: Ear) -> None:
        """Where the microphone is heard."""
        self._watched = floor, ear

    def note(self, event: DaemonEvent) -> None:
        """Publish, and remember."""
        self._hub.publish(event)
        match event:
            case MicrophoneLost(reason=reason):
                self._hub.set_badge("microphone", reason)
                self._lose(True)
            case MicrophoneRestored():
                self._hub.clear_badge("microphone")
                self._lose(False)
            case MicrophoneSilent(silent=True):
                self._hub.set_badge("mute", "The microphone sends only silence: it may be muted.")
            case MicrophoneSilent():
                self._hub.clear_badge("mute")
            case SpeechLevel(level="good"):
                self._hub.clear_badge("level")
            case SpeechLevel(level=level):
                self._hub.set_badge("level", _LEVELS[level])
            case _:
                pass

    def _lose(self, lost: bool) -> None:
        if self._watched:
            floor, ear = self._watched
            floor.main_lost = lost
            ear.announce()


class _Nobody:
    """Words are only written down."""

    _canvas = Canvas(sheet=Sheet(steps=1, guidance=1, width=64, height=64))

    def while_speaking(self, utterance: int, settled: str) -> None:
        """Nothing to do."""

    def lacks_something(self, text: str) -> bool:
        """Told by the grammar alone: there is no picture that it could be about."""
        return unfinished(text, self._canvas)

    def at_pause(self, utterance: int, text: str, moments: Moments) -> None:
        """Nothing to do."""

    def at_end(self, utterance: int, text: str, moments: Moments) -> None:
        """Nothing to do."""


@asynccontextmanager
async def _worker(name: str) -> AsyncIterator[Executor]:
    """A thread of its own for one blocking engine; work that has not begun when it closes is dropped."""
    executor = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


async def _on(executor: Executor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(executor, work)
