"""From one draft to the next in small steps: images of words between theirs, from the same noise (a look for a stage).

The way begins at the words of the newest image, whatever they were, so that a draft which had to give way half-way is
gone on from where it was left. It ends before the draft itself, which is painted as without. This module does *not*
decide when there is a way: the painter does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from speakage_daemon.config import PictureSettings
from speakage_daemon.understanding.budget import Budget
from speakage_engines.api import Blend, PaintRequest, PictureModel, Preview, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Blending:
    """How finely, and who pays."""

    images: int
    """From one draft to the next, the next one among them."""
    drafts: Budget
    """Counts every image between when it is begun: it costs what a draft costs."""


def blending(settings: PictureSettings, drafts: Budget) -> Blending | None:
    """None where drafts follow each other directly."""
    return Blending(images=settings.blend_frames, drafts=drafts) if settings.continuity == "blend" else None


def between(request: PaintRequest, before: Told, images: int) -> list[PaintRequest]:
    """What is painted on the way from there to ``request``, in even steps, and not the request itself."""
    shares = (number / images for number in range(1, images))
    return [replace(request, previews=False, blend=Blend(before=before, share=share)) for share in shares]


def paint(model: PictureModel, request: PaintRequest) -> Iterator[Preview]:
    """One image between, as a preview of step 0: none of the draft's own steps is run."""
    for preview in model.paint(request):
        yield replace(preview, step=0)
