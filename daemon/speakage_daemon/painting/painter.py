"""The painter: one picture at a time, the newest request wins, cancelled between steps.

One slot for the next request: a newer one takes the place of an older one that has not begun. Every step publishes
a preview, and so do the images that lead to a draft (:mod:`.continuity`). Another size than the last ones may have to
be compiled first; a badge says so meanwhile. A picture painted at a pause waits to be promoted; promoted pictures go
through a queue that is never full, are stored first and announced then. Other words that mean the same to the model are
not painted again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypedDict

from speakage_daemon.events import (
    DaemonEvent,
    ImageCompleted,
    ImageFailed,
    ImageStarted,
    ImageSuperseded,
    PartialImage,
    Picture,
    Timings,
)
from speakage_daemon.gallery import PictureRecord
from speakage_daemon.painting import grid
from speakage_daemon.painting.board import Board
from speakage_daemon.painting.continuity import Continuity, paint_between
from speakage_daemon.painting.ledger import Ledger, announced
from speakage_daemon.painting.preview import Shown, next_shown
from speakage_daemon.painting.priority import EarsFirst
from speakage_daemon.understanding.director import Paint, Promote, same_but_for_words
from speakage_daemon.understanding.moments import Moments
from speakage_engines.api import (
    EngineError,
    PaintRequest,
    PictureModel,
    PictureModelInfo,
    Preview,
    Rgb,
    Size,
    Start,
)

log = logging.getLogger(__name__)

SIZE_BADGE: Final = "size"
ALIKE: Final = 0.98
"""From here on what the model is told of two prompts is taken for the same; see :meth:`PictureModel.likeness`."""


class Publish(Protocol):
    """Where events go."""

    def __call__(self, event: DaemonEvent, image: bytes | None = None) -> None:
        """Never waits."""


@dataclass(slots=True, kw_only=True)
class Job:
    """A request on its way."""

    paint: Paint
    requested: float
    """Monotonic, s."""
    moments: Moments | None = None
    """Of the utterance when it was decided on; ``None`` for typed prompts and drafts."""
    draft: bool = False
    """Painted while someone speaks: to be shown, and no loss when a newer one comes."""
    start: Start | None = None
    """The picture that it starts from, where the paint names one."""
    rewrite_ms: float | None = None
    """How long its prompt was being rewritten, since it was requested; ``None`` where it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A painted picture, promoted or not."""

    job: Job
    shown: Shown
    """Its last preview, which is lossless."""
    sha256: str
    unknown_words: tuple[str, ...]
    timings: Timings
    info: PictureModelInfo
    """Of the model as it painted: the next picture may wear other adapters."""
    carried_strength: float | None = None
    """How much of it was painted anew over the revision before; ``None`` for all."""


class Painter:
    """Runs the picture model on its own single-worker executor."""

    def __init__(
        self,
        model: PictureModel,
        executor: Executor,
        priority: EarsFirst,
        publish: Publish,
        store: Callable[[Rgb, PictureRecord], Picture | None],
        board: Board,
        continuity: Continuity,
    ) -> None:
        self._model = model
        self._successor: PictureModel | None = None
        self._executor = executor
        self._priority = priority
        self._publish = publish
        self._store = store
        self._board = board
        self._continuity = continuity
        self._slot: Job | None = None
        self._wake = asyncio.Event()
        self._current: Job | None = None
        self._unpromoted: Finished | None = None
        self._last: Finished | None = None
        """The newest that was painted to its end, promoted or not."""
        self._promoted: tuple[Promote, Moments | None] | None = None
        self._ledger = Ledger()
        self._finals: asyncio.Queue[tuple[Finished, bool]] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def revisions(self) -> Mapping[str, int]:
        """How many revisions came to what, since the start."""
        return self._ledger.revisions

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Those that the model of this moment has no token for; may be asked from any thread."""
        return self._model.unknown_words(text)

    def submit(self, job: Job) -> None:
        """The newest request wins."""
        if self._slot is not None:
            self._supersede(self._slot, 0)
        if self._unpromoted and not self._unpromoted.job.draft:
            self._ledger.wasted(*_number(self._unpromoted.job.paint))
        self._slot = job
        self._unpromoted = None
        self._idle.clear()
        self._wake.set()

    def refuse(self, job: Job, reason: str) -> None:
        """This one cannot be painted."""
        self._fail(job, reason)

    def promote(self, decision: Promote, moments: Moments | None = None) -> None:
        """Make a revision's picture the final one: at once if it is painted, else as soon as it is.

        ``moments`` are those of the utterance at its end, where it has any.
        """
        if self._unpromoted and _number(decision) == _number(self._unpromoted.job.paint):
            self._finish(self._unpromoted, moments, promoted=True)
            self._unpromoted = None
        else:
            self._promoted = decision, moments

    def succeed(self, model: PictureModel) -> None:
        """Paint with this model from the next picture on."""
        self._successor = model

    async def idle(self) -> None:
        """Until nothing is waiting, being painted, or being stored."""
        await self._idle.wait()
        await self._finals.join()

    async def run(self) -> None:
        """Paint until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._paint_requests(), name="painter")
            tasks.create_task(self._announce_finals(), name="finals")

    async def _paint_requests(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (job := self._slot) is not None:
                self._slot, self._current = None, job
                if self._successor is not None:
                    self._model, self._successor = self._successor, None
                    self._last = None
                    self._continuity.forget()
                try:
                    await self._paint(job)
                except EngineError as error:
                    self._fail(job, str(error))
                except Exception as error:
                    log.exception("painting failed")
                    self._fail(job, f"{type(error).__name__}: {error}")
                self._current = None
            self._idle.set()

    async def _paint(self, job: Job) -> None:
        began = time.monotonic()
        paint = job.paint
        unknown = self._model.unknown_words(paint.prompt)
        info = self._model.info
        width, height = grid.size(*(paint.size or (info.width, info.height)), paint.batch)
        self._publish(
            ImageStarted(
                **self._common(paint),
                transcript=paint.transcript,
                unknown_words=unknown,
                rewritten_from=paint.rewritten_from,
                width=width,
                height=height,
            )
        )
        await self._make_ready(paint.size)
        carried = self._continuity.carried(paint)
        request = PaintRequest(
            prompt=paint.prompt,
            negative=paint.negative,
            seed=paint.seed,
            steps=paint.steps,
            adapters=paint.adapters,
            guidance=paint.guidance,
            size=paint.size,
            carried=carried,
            start=job.start,
        )
        if (last := await self._painted_before(paint, request)) is not None:
            self._repeat(job, last, unknown, began)
            return
        if not await self._approach(job, request, began):
            return
        previews = grid.paint(self._model, request, paint.seeds)
        step, encode_ms = 0, 0.0
        while step < paint.all_steps:
            if not await self._goes_on(job, step):
                return
            shown = await self._next(job, previews)
            step = shown.preview.step
            encode_ms += shown.encode_ms
            timings = _timings(job, shown.preview, began, encode_ms)
            self._show(job, shown, timings)
            if step == paint.all_steps:
                finished = self._finished(job, shown, unknown, timings)
                self._painted(replace(finished, carried_strength=carried.strength if carried else None))

    async def _painted_before(self, paint: Paint, request: PaintRequest) -> Finished | None:
        """The newest finished picture, where only the words of this one are others and mean the same to the model."""
        last = self._last
        if last is None or (told := last.shown.preview.told) is None or not _alike_but_for_words(last.job.paint, paint):
            return None
        await self._priority.quiet()
        likeness = await asyncio.get_running_loop().run_in_executor(self._executor, self._model.likeness, request, told)
        return last if likeness >= ALIKE else None

    def _repeat(self, job: Job, last: Finished, unknown: tuple[str, ...], began: float) -> None:
        """Show a finished picture as this one's."""
        preview = replace(last.shown.preview, encode_prompt_ms=0.0, denoise_ms=0.0, decode_ms=0.0)
        shown = replace(last.shown, preview=preview)
        timings = _timings(job, preview, began, 0.0)
        self._show(job, shown, timings)
        self._ledger.repeated(*_number(last.job.paint), job.paint.revision)
        self._painted(replace(last, job=job, shown=shown, unknown_words=unknown, timings=timings), repeated=True)

    async def _make_ready(self, size: Size | None) -> None:
        """Compile for a size that was not painted yet, or not lately."""
        if size is None or self._model.is_ready(size):
            return
        width, height = size
        self._board.set_badge(SIZE_BADGE, f"Getting ready to paint {width} × {height}; the first time takes a while.")
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._model.prepare, size)
        finally:
            self._board.clear_badge(SIZE_BADGE)

    async def _approach(self, job: Job, request: PaintRequest, began: float) -> bool:
        """Show what lies between the newest image and this draft; False when a newer request has won meanwhile."""
        for way in self._continuity.way(job.paint, request) if job.draft else []:
            if not await self._goes_on(job, 0):
                return False
            if self._is_promoted(job.paint) or not self._continuity.pays(time.monotonic()):
                # somebody waits for the draft itself, or too much was painted within a minute
                return True
            shown = await self._next(job, paint_between(self._model, way))
            self._show(job, shown, _timings(job, shown.preview, began, shown.encode_ms))
        return True

    async def _goes_on(self, job: Job, step: int) -> bool:
        """Wait until nobody transcribes; False when a newer request has won meanwhile."""
        await self._priority.quiet()
        if self._slot is None:
            return True
        self._supersede(job, step)
        return False

    async def _next(self, job: Job, previews: Iterator[Preview]) -> Shown:
        shown = await asyncio.get_running_loop().run_in_executor(self._executor, next_shown, previews)
        self._ledger.worked(*_number(job.paint), shown.began, shown.ended)
        return shown

    def _show(self, job: Job, shown: Shown, timings: Timings) -> None:
        height, width = shown.preview.rgb.shape[:2]
        event = PartialImage(
            **self._common(job.paint),
            step=shown.preview.step,
            width=width,
            height=height,
            image_type="image/png" if shown.sha256 else "image/jpeg",
            sha256=shown.sha256,
            timings=timings,
        )
        self._publish(event, shown.encoded)
        self._ledger.shown(*_number(job.paint), time.monotonic())
        self._continuity.shown(job.paint, shown.preview)

    def _finished(self, job: Job, shown: Shown, unknown: tuple[str, ...], timings: Timings) -> Finished:
        if shown.sha256 is None:
            raise AssertionError("the last preview is always lossless")
        return Finished(
            job=job,
            shown=shown,
            sha256=shown.sha256,
            unknown_words=unknown,
            timings=timings,
            info=self._model.info,
        )

    def _painted(self, finished: Finished, *, repeated: bool = False) -> None:
        self._last = finished
        paint = finished.job.paint
        if self._promoted and self._is_promoted(paint):
            self._finish(finished, self._promoted[1], promoted=True)
        elif paint.final:
            self._finish(finished, None, promoted=repeated)
        else:
            if self._slot is not None and not finished.job.draft:
                # a newer one came during the last step
                self._ledger.wasted(*_number(paint))
            self._unpromoted = finished

    def _is_promoted(self, paint: Paint) -> bool:
        return self._promoted is not None and _number(self._promoted[0]) == _number(paint)

    def _finish(self, finished: Finished, moments: Moments | None, *, promoted: bool) -> None:
        self._promoted = None
        job = replace(finished.job, moments=moments or finished.job.moments)
        timings = self._ledger.settle(finished.timings, *_number(job.paint), job.moments, promoted=promoted)
        self._finals.put_nowait((replace(finished, job=job, timings=timings), promoted))

    async def _announce_finals(self) -> None:
        while True:
            finished, promoted = await self._finals.get()
            picture = await asyncio.to_thread(self._keep, finished)
            paint = finished.job.paint
            height, width = finished.shown.preview.rgb.shape[:2]
            event = ImageCompleted(
                **self._common(paint),
                picture=picture,
                transcript=paint.transcript,
                unknown_words=finished.unknown_words,
                rewritten_from=paint.rewritten_from,
                width=width,
                height=height,
                image_type="image/png",
                sha256=finished.sha256,
                promoted=promoted,
                timings=announced(finished.timings, finished.job.moments, time.monotonic()),
            )
            self._publish(event, finished.shown.encoded)
            self._finals.task_done()

    def _keep(self, finished: Finished) -> Picture | None:
        paint, info = finished.job.paint, finished.info
        record = PictureRecord(
            prompt=paint.prompt,
            rewritten_from=paint.rewritten_from,
            negative=paint.negative,
            transcript=paint.transcript,
            unknown_words=finished.unknown_words,
            seed=paint.seed,
            steps=paint.steps,
            batch=paint.batch,
            guidance=info.guidance if paint.guidance is None else paint.guidance,
            sampler=info.sampler,
            model=info.choice.name,
            backend=info.backend,
            engine_key=info.engine_key,
            adapters=info.adapters,
            carried_strength=finished.carried_strength,
            source_sha256=paint.start.image_id if paint.start else "",
            mask_sha256=paint.start.mask_id if paint.start else "",
            strength=paint.start.strength if paint.start else None,
            timings=finished.timings,
        )
        return self._store(finished.shown.preview.rgb, record)

    def _supersede(self, job: Job, step: int) -> None:
        if not job.draft:
            self._ledger.wasted(*_number(job.paint))
        self._publish(ImageSuperseded(**self._common(job.paint), step=step))

    def _fail(self, job: Job, reason: str) -> None:
        self._ledger.wasted(*_number(job.paint))
        self._publish(ImageFailed(**self._common(job.paint), reason=reason))

    def _common(self, paint: Paint) -> _Common:
        return _Common(
            utterance=paint.utterance,
            revision=paint.revision,
            prompt=paint.prompt,
            seed=paint.seed,
            steps=paint.all_steps,
            backend=self._model.info.backend,
        )


class _Common(TypedDict):
    """What all image events of one request share."""

    utterance: int
    revision: int
    prompt: str
    seed: int
    steps: int
    backend: str


def _number(decision: Paint | Promote) -> tuple[int, int]:
    """Utterance and revision."""
    return decision.utterance, decision.revision


def _alike_but_for_words(one: Paint, other: Paint) -> bool:
    ours, theirs = ((each.utterance, each.adapters) for each in (one, other))
    return ours == theirs and same_but_for_words(one, other)


def _timings(job: Job, preview: Preview, began: float, encode_ms: float) -> Timings:
    now, moments = time.monotonic(), job.moments
    return Timings(
        transcribe_ms=moments.transcribe_ms if moments else None,
        rewrite_ms=job.rewrite_ms,
        queue_ms=(began - job.requested) * 1e3 - (job.rewrite_ms or 0.0),
        encode_prompt_ms=preview.encode_prompt_ms,
        denoise_ms=preview.denoise_ms,
        decode_ms=preview.decode_ms,
        encode_image_ms=encode_ms,
        total_ms=(now - job.requested) * 1e3,
        since_last_voiced_ms=(now - moments.last_voiced) * 1e3 if moments else None,
    )
