"""How a revision follows the one before it: from the same noise alone, painted over it, or reached in small steps.

Small steps (a look for a stage) are images of words between theirs, from the same noise. The way begins at the words of
the newest image, whatever they were, so that a draft which had to give way half-way is gone on from where it was left.
It ends before the draft itself, which is painted as without. Whether there is time for it the painter decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from speakage_daemon.config import PictureSettings
from speakage_daemon.understanding.budget import Budget
from speakage_daemon.understanding.director import Paint
from speakage_engines.api import Blend, Carried, PaintRequest, PictureModel, Preview, Told


@dataclass(slots=True, kw_only=True)
class Continuity:
    """Knows the newest image, and what becomes of it."""

    strength: float | None = None
    """How much of a revision is painted anew over the one before of its utterance; ``None`` begins from noise."""
    images: int = 1
    """From one draft to the next, the next one among them."""
    drafts: Budget | None = None
    """Pays for every image between when it is begun: it costs what a draft costs. ``None`` where there are none."""
    _newest: tuple[Paint, Preview] | None = field(default=None, init=False)

    @classmethod
    def of(cls, settings: PictureSettings, drafts: Budget) -> Continuity:
        """What the settings mean."""
        match settings.continuity:
            case "noise":
                return cls()
            case "previous":
                return cls(strength=settings.continuity_strength)
            case "blend":
                return cls(images=settings.blend_frames, drafts=drafts)

    def shown(self, paint: Paint, preview: Preview) -> None:
        """This is the newest image."""
        self._newest = paint, preview

    def forget(self) -> None:
        """Another model paints from here on, and can do nothing with the images of the one before."""
        self._newest = None

    def carried(self, paint: Paint) -> Carried | None:
        """What ``paint`` begins from instead of noise."""
        if self.strength is None or self._newest is None:
            return None
        before, preview = self._newest
        # several pictures are meant to differ
        same = (before.utterance, before.size) == (paint.utterance, paint.size)
        if not same or preview.latents is None or paint.batch > 1:
            return None
        return Carried(latents=preview.latents, strength=self.strength)

    def way(self, paint: Paint, request: PaintRequest) -> list[PaintRequest]:
        """What lies between the newest image and ``request``, where one can become the other."""
        if self.drafts is None or self._newest is None:
            return []
        before, preview = self._newest
        if preview.told is None or _ground(before) != _ground(paint):
            return []
        return between(request, preview.told, self.images)

    def pays(self, now: float) -> bool:
        """Whether one more image between may be painted (monotonic, s); if so, it is counted."""
        if self.drafts is None or not self.drafts.spare(now):
            return False
        self.drafts.spend(now)
        return True


def between(request: PaintRequest, before: Told, images: int) -> list[PaintRequest]:
    """What is painted on the way from there to ``request``, in even steps, and not the request itself."""
    shares = (number / images for number in range(1, images))
    return [replace(request, previews=False, blend=Blend(before=before, share=share)) for share in shares]


def paint_between(model: PictureModel, request: PaintRequest) -> Iterator[Preview]:
    """One image between, as a preview of step 0: none of the draft's own steps is run."""
    for preview in model.paint(request):
        yield replace(preview, step=0)


def _ground(paint: Paint) -> tuple[object, ...]:
    """What pictures must share, beside the model, for one to become the other when only the words move."""
    return paint.utterance, paint.seed, paint.size, paint.start
