"""The newest request wins, between steps; finals are never lost."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fakes import Board, Record, StepByStep
from speakage_daemon import events
from speakage_daemon.config import PictureSettings
from speakage_daemon.events import ImageCompleted, ImageFailed, ImageStarted, ImageSuperseded, PartialImage, Picture
from speakage_daemon.gallery import PictureRecord
from speakage_daemon.painting.continuity import Continuity
from speakage_daemon.painting.painter import Job, Painter
from speakage_daemon.painting.priority import EarsFirst
from speakage_daemon.understanding.budget import Budget
from speakage_daemon.understanding.director import Paint, Promote
from speakage_daemon.understanding.moments import Moments
from speakage_engines.api import Start


def job(prompt: str, utterance: int = 1, revision: int = 1, *, final: bool = True) -> Job:
    paint = Paint(
        utterance=utterance,
        revision=revision,
        transcript=f"paint {prompt}",
        prompt=prompt,
        negative="",
        seed=40 + utterance,
        steps=4,
        final=final,
    )
    now = time.monotonic()
    moments = Moments(last_voiced=now - 0.3, paused=now - 0.05, transcribing=now - 0.04, transcribed=now)
    return Job(paint=paint, requested=now, moments=moments)


def over() -> Moments:
    """The turn was found to be over just now, and someone was heard until then."""
    now = time.monotonic()
    return Moments(last_voiced=now, paused=now, ended=now, transcribing=now - 0.04, transcribed=now)


class Scene:
    """A painter with a slow model and a gallery that keeps everything in a list."""

    def __init__(self, *, permits: int = 10_000) -> None:
        self.model = StepByStep(permits=threading.Semaphore(permits))
        self.events = Record()
        self.images: dict[int, bytes] = {}
        self.kept: list[PictureRecord] = []
        self.changed = asyncio.Event()
        self.priority = EarsFirst()
        self.board = Board()
        self.continuity = Continuity()
        self.revisions: Mapping[str, int] = {}

    def publish(self, event, image: bytes | None = None) -> None:
        self.events.append(event)
        if image is not None:
            self.images[len(self.events) - 1] = image
        self.changed.set()

    def store(self, rgb: np.ndarray, record: PictureRecord) -> Picture | None:
        self.kept.append(record)
        return None

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not met():
                self.changed.clear()
                await self.changed.wait()

    def all(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def play(self, script: Callable[["Scene", Painter], Awaitable[None]]) -> None:
        async def go() -> None:
            with ThreadPoolExecutor(1) as executor:
                painter = Painter(
                    self.model, executor, self.priority, self.publish, self.store, self.board, self.continuity
                )
                self.revisions = painter.revisions
                async with asyncio.TaskGroup() as tasks:
                    running = tasks.create_task(painter.run())
                    await script(self, painter)
                    running.cancel()
                self.model.permits.release(100)

        asyncio.run(go())


def test_several_pictures_are_one_image_that_is_kept_with_their_number() -> None:
    scene = Scene()

    async def script(scene: Scene, painter: Painter) -> None:
        single = job("a car")
        painter.submit(replace(single, paint=replace(single.paint, batch=4)))
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)
    started, completed = scene.all(ImageStarted)[0], scene.all(ImageCompleted)[0]
    assert (started.steps, started.width, started.height) == (16, 36, 36)
    assert (completed.steps, completed.width, completed.height) == (16, 36, 36)
    assert [event.step for event in scene.all(PartialImage)] == list(range(1, 17))
    assert (scene.kept[0].seed, scene.kept[0].steps, scene.kept[0].batch) == (41, 4, 4)


def test_another_size_is_made_ready_under_a_badge_and_painted() -> None:
    scene = Scene()
    wide = [job("a car"), job("a boat", utterance=2)]
    for each in wide:
        each.paint = replace(each.paint, size=(24, 16))

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(wide[0])
        await scene.until(lambda: len(scene.all(ImageCompleted)) == 1)
        painter.submit(wide[1])
        await scene.until(lambda: len(scene.all(ImageCompleted)) == 2)
        painter.submit(job("a house", utterance=3))
        await scene.until(lambda: len(scene.all(ImageCompleted)) == 3)

    scene.play(script)
    assert [(event.width, event.height) for event in scene.all(ImageStarted)] == [(24, 16), (24, 16), (16, 16)]
    assert [(event.width, event.height) for event in scene.all(ImageCompleted)] == [(24, 16), (24, 16), (16, 16)]
    assert scene.model.prepared == [(24, 16)], "once"
    assert scene.board.told == ["Getting ready to paint 24 × 16; the first time takes a while."]
    assert scene.board.badges == {}


def test_a_size_that_cannot_be_made_ready_fails_alone() -> None:
    scene = Scene()
    impossible = job("a car")
    impossible.paint = replace(impossible.paint, size=(666, 666))

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(impossible)
        await scene.until(lambda: bool(scene.all(ImageFailed)))
        painter.submit(job("a boat", utterance=2))
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)
    assert "no room on the disk" in scene.all(ImageFailed)[0].reason
    assert scene.board.badges == {}


def test_a_revision_of_another_size_is_not_painted_over_the_one_before() -> None:
    scene = Scene()
    scene.continuity = Continuity(strength=0.5)
    second = job("a car", revision=2)
    second.paint = replace(second.paint, size=(24, 16))

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(job("a car", final=False))
        await scene.until(lambda: len(scene.all(PartialImage)) == 4)
        painter.submit(second)
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)
    assert [request.carried for request in scene.model.requests] == [None, None]


def test_a_picture_refines_through_its_steps_and_the_last_preview_is_the_final() -> None:
    scene = Scene()

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(job("a car zzz"))
        await scene.until(lambda: bool(scene.all(ImageCompleted)))
        await painter.idle()

    scene.play(script)
    started = scene.all(ImageStarted)[0]
    assert started.unknown_words == ("zzz",)
    previews = scene.all(PartialImage)
    assert [preview.step for preview in previews] == [1, 2, 3, 4]
    assert [preview.image_type for preview in previews] == ["image/jpeg"] * 3 + ["image/png"]
    assert [preview.sha256 is not None for preview in previews] == [False, False, False, True]
    final = scene.all(ImageCompleted)[0]
    picture = np.full((16, 16, 3), 45, np.uint8)
    assert final.sha256 == previews[-1].sha256 == hashlib.sha256(picture.tobytes()).hexdigest()
    assert not final.promoted
    timings = final.timings
    assert timings.since_last_voiced_ms == timings.last_voiced_to_final_pixels_ms
    assert 300 < timings.last_voiced_to_first_preview_ms < timings.last_voiced_to_final_pixels_ms
    assert timings.pause_to_final_pixels_ms == pytest.approx(timings.last_voiced_to_final_pixels_ms - 250)
    assert 0 < timings.encode_image_ms < timings.total_ms
    assert (timings.revisions_painted, timings.revisions_shown, timings.revisions_wasted) == (1, 1, 0)
    assert timings.decision_to_final_ms is None, "this turn may go on"
    assert final.timings.denoise_ms == 8.0
    assert scene.kept[0].prompt == "a car zzz"


def test_a_record_names_the_adapters_its_own_picture_was_painted_with() -> None:
    scene = Scene()

    async def script(scene: Scene, painter: Painter) -> None:
        dressed = job("a dog", final=False)
        dressed.paint = replace(dressed.paint, adapters=("dog:0.5",))
        painter.submit(dressed)
        await scene.until(lambda: len(scene.all(PartialImage)) == 4)
        await painter.idle()
        # another model's state, before the first picture is promoted
        scene.model.info = replace(scene.model.info, adapters=("cat:1",))
        painter.promote(Promote(utterance=1, revision=1))
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)
    assert scene.kept[0].adapters == ("dog:0.5",)


def test_a_newer_request_stops_the_older_one_between_steps() -> None:
    scene = Scene(permits=2)

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(job("old"))
        await scene.until(lambda: len(scene.all(PartialImage)) == 2)
        painter.submit(job("new", utterance=2))
        scene.model.permits.release(100)
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)
    superseded = scene.all(ImageSuperseded)
    assert [(event.prompt, event.step) for event in superseded] == [("old", 3)], "the step under way is finished"
    assert [event.prompt for event in scene.all(ImageCompleted)] == ["new"]
    assert ("old", 4) not in scene.model.steps_run


def test_a_request_that_never_began_is_superseded_too() -> None:
    scene = Scene(permits=1)

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(job("first"))
        await scene.until(lambda: len(scene.all(PartialImage)) == 1)
        painter.submit(job("second", utterance=2))
        painter.submit(job("third", utterance=3))
        scene.model.permits.release(100)
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)
    assert [(event.prompt, event.step) for event in scene.all(ImageSuperseded)] == [("second", 0), ("first", 2)]
    assert [event.prompt for event in scene.all(ImageCompleted)] == ["third"]


def test_a_picture_of_a_pause_waits_until_it_is_promoted() -> None:
    scene = Scene()

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(job("a car", final=False))
        await scene.until(lambda: len(scene.all(PartialImage)) == 4)
        await painter.idle()
        assert not scene.all(ImageCompleted)
        assert not scene.kept
        painter.promote(Promote(utterance=1, revision=1), over())
        await painter.idle()

    scene.play(script)
    final = scene.all(ImageCompleted)[0]
    assert final.promoted
    assert final.timings.work_after_decision_ms == 0.0, "all was done before"
    assert final.timings.pause_to_final_pixels_ms < 0 < final.timings.decision_to_final_ms
    assert final.timings.last_voiced_to_final_pixels_ms < 0, "they went on to speak, and said nothing new"
    assert scene.kept[0].timings == replace(final.timings, decision_to_final_ms=None)
    assert scene.revisions == {"painted": 1, "shown": 1, "wasted": 0, "promoted": 1}
    assert len(scene.model.steps_run) == 4, "nothing is painted twice"


def test_words_that_mean_the_same_to_the_model_cost_nothing() -> None:
    scene = Scene()

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(job("a car", final=False))
        await painter.idle()
        painter.submit(job("a zzz car", revision=2, final=False))
        await painter.idle()
        assert [event.revision for event in scene.all(PartialImage)] == [1, 1, 1, 1, 2], "its picture is there at once"
        painter.submit(job("a car zzz", revision=3))
        await painter.idle()

    scene.play(script)
    assert scene.model.steps_run == [("a car", step) for step in (1, 2, 3, 4)]
    started, final = scene.all(ImageStarted)[-1], scene.all(ImageCompleted)[0]
    assert started.unknown_words == final.unknown_words == ("zzz",)
    assert (final.revision, final.prompt, final.promoted) == (3, "a car zzz", True)
    assert {event.sha256 for event in scene.all(PartialImage) if event.sha256} == {final.sha256}
    assert (final.timings.denoise_ms, final.timings.encode_image_ms) == (0.0, 0.0)
    assert scene.revisions == {"painted": 1, "shown": 3, "wasted": 0, "promoted": 1}
    assert scene.kept[0].prompt == "a car zzz"


@pytest.mark.parametrize(
    "changes", [{"prompt": "a boat"}, {"utterance": 2}, {"seed": 9}, {"steps": 3}, {"adapters": ("rex",)}, {"batch": 4}]
)
def test_another_picture_is_painted_though_the_one_before_is_like_it(changes: dict[str, Any]) -> None:
    scene = Scene()
    second = job("a car zzz", revision=2)
    second.paint = replace(second.paint, **changes)

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(job("a car", final=False))
        await painter.idle()
        painter.submit(second)
        await painter.idle()

    scene.play(script)
    assert len(scene.model.steps_run) == 4 + second.paint.all_steps
    assert not scene.all(ImageCompleted)[0].promoted


def test_a_promotion_may_come_while_the_picture_is_still_being_painted() -> None:
    scene = Scene(permits=2)

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(job("a car", final=False))
        await scene.until(lambda: len(scene.all(PartialImage)) == 2)
        painter.promote(Promote(utterance=1, revision=1), over())
        scene.model.permits.release(100)
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)
    final = scene.all(ImageCompleted)[0]
    assert final.promoted
    assert 0 < final.timings.work_after_decision_ms < final.timings.decision_to_final_ms


def test_a_picture_of_a_pause_that_has_to_give_way_is_wasted_and_a_draft_is_not() -> None:
    scene = Scene()

    async def script(scene: Scene, painter: Painter) -> None:
        for revision, steps in ((1, 1), (2, 4), (3, 4)):
            shown = len(scene.all(PartialImage))
            request = job(f"a car {revision}", revision=revision, final=revision == 3)
            request.paint = replace(request.paint, steps=steps)
            request.draft = steps == 1
            painter.submit(request)
            await scene.until(lambda: len(scene.all(PartialImage)) == shown + steps)  # noqa: B023
        await painter.idle()

    scene.play(script)
    timings = scene.all(ImageCompleted)[0].timings
    assert (timings.revisions_painted, timings.revisions_shown, timings.revisions_wasted) == (3, 3, 1)
    assert timings.wasted_ms > 0
    assert scene.revisions == {"painted": 3, "shown": 3, "wasted": 1, "promoted": 0}


def test_a_picture_of_a_pause_that_a_newer_one_met_in_its_last_step_is_wasted_too() -> None:
    scene = Scene(permits=3)

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(job("a car", final=False))
        await scene.until(lambda: len(scene.all(PartialImage)) == 3)
        painter.submit(job("a red car", revision=2))
        scene.model.permits.release(100)
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)
    timings = scene.all(ImageCompleted)[0].timings
    assert (timings.revisions_painted, timings.revisions_wasted) == (2, 1)


def test_a_revision_goes_on_from_the_one_before_and_another_utterance_does_not() -> None:
    scene = Scene()
    scene.continuity = Continuity(strength=0.5)

    async def script(scene: Scene, painter: Painter) -> None:
        for utterance, revision in ((1, 1), (1, 2), (2, 1)):
            shown = len(scene.all(PartialImage))
            painter.submit(job(f"a car {revision}", utterance, revision, final=revision == 2))
            await scene.until(lambda: len(scene.all(PartialImage)) == shown + 4)  # noqa: B023
        await painter.idle()

    scene.play(script)
    first, second, other = (request.carried for request in scene.model.requests)
    assert first is None
    assert second is not None
    assert (second.strength, second.latents.max()) == (0.5, 4), "the newest image's"
    assert other is None
    assert [record.carried_strength for record in scene.kept] == [0.5], "the seed alone does not bring it back"


class Stage(Scene):
    """A painter that blends, and drafts of one step of one utterance."""

    def __init__(self, *, images: int = 4, per_minute: int = 100, permits: int = 10_000) -> None:
        super().__init__(permits=permits)
        self.drafts = Budget(per_minute)
        self.continuity = Continuity(images=images, drafts=self.drafts)

    def draft(self, revision: int, **changes: Any) -> Job:
        request = job(f"revision {revision}", revision=revision, final=False)
        request.paint = replace(request.paint, **{"steps": 1, **changes})
        request.draft = True
        return request

    async def painted(self, painter: Painter, *jobs: Job) -> None:
        for one in jobs:
            painter.submit(one)
            await painter.idle()

    def shares(self) -> list[float | None]:
        return [request.blend.share if request.blend else None for request in self.model.requests]

    def steps(self) -> list[tuple[int, int]]:
        return [(event.revision, event.step) for event in self.all(PartialImage)]


def test_a_draft_comes_in_small_steps_from_the_one_before_and_ends_at_its_own_prompt() -> None:
    stage = Stage()

    async def script(stage: Stage, painter: Painter) -> None:
        await stage.painted(painter, stage.draft(1), stage.draft(2))

    stage.play(script)
    assert stage.shares() == [None, 0.25, 0.5, 0.75, None], "the first has none before it"
    images = stage.all(PartialImage)
    assert stage.steps() == [(1, 1), (2, 0), (2, 0), (2, 0), (2, 1)]
    assert [image.image_type for image in images] == ["image/png"] + ["image/jpeg"] * 3 + ["image/png"]
    assert [image.sha256 is None for image in images] == [False, True, True, True, False]
    assert all(image.prompt == "revision 2" for image in images[1:])
    before = [request.blend.before[0].max() for request in stage.model.requests if request.blend]
    assert before == [1, 1, 1], "all of them from the first draft"
    assert not stage.all(ImageSuperseded)


def test_what_is_promoted_is_what_its_prompt_alone_gives() -> None:
    """With a model of one step a draft is the final picture; blended or not, it is the same request."""
    blended, plain = Stage(), Stage(images=1)

    async def script(stage: Stage, painter: Painter) -> None:
        await stage.painted(painter, stage.draft(1), stage.draft(2))
        painter.promote(Promote(utterance=1, revision=2), over())
        await painter.idle()

    blended.play(script)
    plain.play(script)
    assert (len(blended.model.requests), len(plain.model.requests)) == (5, 2)
    assert blended.model.requests[-1] == plain.model.requests[-1]
    (ours,), (theirs,) = (stage.all(ImageCompleted) for stage in (blended, plain))
    assert ours.sha256 == theirs.sha256 == blended.all(PartialImage)[-1].sha256
    assert ours.promoted
    (record,) = blended.kept
    assert (record.steps, record.carried_strength) == (1, None)


def test_a_newer_draft_stops_a_blend_between_images_and_goes_on_from_the_newest_one() -> None:
    stage = Stage(permits=2)

    async def script(stage: Stage, painter: Painter) -> None:
        await stage.painted(painter, stage.draft(1))
        painter.submit(stage.draft(2))
        await stage.until(lambda: len(stage.all(PartialImage)) == 2)
        painter.submit(stage.draft(3))
        stage.model.permits.release(100)
        await painter.idle()

    stage.play(script)
    assert stage.steps() == [(1, 1), (2, 0), (2, 0), *[(3, 0)] * 3, (3, 1)], "the image under way is finished"
    assert [(event.revision, event.step) for event in stage.all(ImageSuperseded)] == [(2, 0)]
    newest = [request.blend.before[0].max() for request in stage.model.requests[3:6] if request.blend]
    assert newest == [3, 3, 3], "the second image of the blend that had to give way"
    assert stage.revisions["wasted"] == 0, "it was there to be shown"


def test_pictures_that_are_waited_for_do_not_blend() -> None:
    stage = Stage(permits=2)

    async def script(stage: Stage, painter: Painter) -> None:
        await stage.painted(painter, stage.draft(1))
        painter.submit(stage.draft(2))
        await stage.until(lambda: len(stage.all(PartialImage)) == 2)
        painter.promote(Promote(utterance=1, revision=2), over())
        stage.model.permits.release(100)
        await painter.idle()
        await stage.painted(painter, job("revision 3", revision=3))

    stage.play(script)
    assert stage.shares() == [None, 0.25, 0.5, None, None]
    assert stage.steps() == [(1, 1), (2, 0), (2, 0), (2, 1), *[(3, step) for step in (1, 2, 3, 4)]]
    assert [event.promoted for event in stage.all(ImageCompleted)] == [True, False]


@pytest.mark.parametrize(
    "changes", [{"utterance": 2}, {"seed": 9}, {"start": events.Start(image_id="photo", strength=0.5)}]
)
def test_another_picture_is_not_blended_with_the_one_before(changes: dict[str, Any]) -> None:
    stage = Stage()

    async def script(stage: Stage, painter: Painter) -> None:
        await stage.painted(painter, stage.draft(1), stage.draft(2, **changes))

    stage.play(script)
    assert stage.shares() == [None, None]


def test_images_between_drafts_are_counted_each_and_leave_half_to_drafts() -> None:
    stage = Stage(per_minute=10)
    drafts = stage.drafts

    async def script(stage: Stage, painter: Painter) -> None:
        for revision in (1, 2, 3):
            drafts.spend(time.monotonic())
            await stage.painted(painter, stage.draft(revision))

    stage.play(script)
    assert stage.shares() == [None, 0.25, 0.5, 0.75, None, None], "five are spent, two drafts and three images"
    now = time.monotonic()
    left = 0
    while drafts.left(now):
        drafts.spend(now)
        left += 1
    assert left == 10 - len(stage.model.requests)


def test_one_image_from_draft_to_draft_is_none_between() -> None:
    stage = Stage(images=1)

    async def script(stage: Stage, painter: Painter) -> None:
        await stage.painted(painter, stage.draft(1), stage.draft(2))

    stage.play(script)
    assert stage.shares() == [None, None]


def test_each_setting_is_another_continuity() -> None:
    drafts = Budget(1)

    def of(name: Any) -> Continuity:
        settings = PictureSettings(continuity=name, continuity_strength=0.3, blend_frames=8)
        return Continuity.of(settings, drafts)

    assert of("noise") == Continuity()
    assert of("previous") == Continuity(strength=0.3)
    assert of("blend") == Continuity(images=8, drafts=drafts)


def test_a_picture_that_fails_says_why_and_the_next_is_painted() -> None:
    scene = Scene()
    scene.model.fail_on = "bad"

    async def script(scene: Scene, painter: Painter) -> None:
        painter.submit(job("bad"))
        await scene.until(lambda: bool(scene.all(ImageFailed)))
        painter.submit(job("good", utterance=2))
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)
    assert scene.all(ImageFailed)[0].reason == "the engine is out of memory"
    assert scene.all(ImageCompleted)[0].prompt == "good"


def test_painting_waits_between_steps_while_words_are_transcribed() -> None:
    scene = Scene()

    async def script(scene: Scene, painter: Painter) -> None:
        with scene.priority.working():
            painter.submit(job("a car"))
            await scene.until(lambda: bool(scene.all(ImageStarted)))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not scene.model.steps_run
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)


def test_a_picture_starts_from_what_its_job_brings_and_is_kept_with_it() -> None:
    scene = Scene()
    start = Start(rgb=np.zeros((16, 16, 3), np.uint8), strength=0.35)

    async def script(scene: Scene, painter: Painter) -> None:
        wanted = job("a car")
        wanted.paint = replace(wanted.paint, start=events.Start(image_id="photo", mask_id="part", strength=0.35))
        wanted.start = start
        painter.submit(wanted)
        await scene.until(lambda: bool(scene.all(ImageCompleted)))
        painter.refuse(job("a dog"), "no picture is kept")
        await painter.idle()

    scene.play(script)
    assert scene.model.starts == [start]
    (record,) = scene.kept
    assert (record.source_sha256, record.mask_sha256, record.strength) == ("photo", "part", 0.35)
    assert [failed.reason for failed in scene.all(ImageFailed)] == ["no picture is kept"]


def test_a_rewritten_picture_tells_what_it_was_rewritten_from_and_how_long_that_took() -> None:
    scene = Scene()

    async def script(scene: Scene, painter: Painter) -> None:
        wanted = job("a car in the sun")
        wanted.paint = replace(wanted.paint, rewritten_from="a car")
        wanted.requested -= 10
        wanted.rewrite_ms = 10_000.0
        painter.submit(wanted)
        await scene.until(lambda: bool(scene.all(ImageCompleted)))

    scene.play(script)
    started, completed = scene.all(ImageStarted)[0], scene.all(ImageCompleted)[0]
    assert started.rewritten_from == completed.rewritten_from == scene.kept[0].rewritten_from == "a car"
    assert completed.timings.rewrite_ms == 10_000
    assert 0 <= completed.timings.queue_ms < 5_000, "waiting for the painter alone"
    assert completed.timings.total_ms > 10_000
