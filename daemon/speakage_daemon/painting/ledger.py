"""The ledger: what the painting for each utterance has come to. Pure: it is told the time, monotonic seconds.

A revision is *painted* once a step of it was run, and *shown* once an image of it was sent. It is *wasted* when it was
painted and then stopped before its last step, failed, or lay finished for a pause and had to give way to a newer one.
Drafts are made to be shown while someone speaks: none is wasted by a newer one, nor are the images on the way to it. It
is *promoted* when the picture of a pause became the final one.

This module does *not* time anything: who runs the steps does.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Final

from speakage_daemon.events import Timings
from speakage_daemon.understanding.moments import Moments

KEPT: Final = 64
"""Utterances; of older ones nothing can be asked any more."""


@dataclass(slots=True)
class _Revision:
    work: list[tuple[float, float]] = field(default_factory=list)
    """From when to when its steps were run."""
    shown: float | None = None
    """When its newest image was sent."""
    wasted: bool = False


@dataclass(slots=True)
class _Account:
    first_shown: float | None = None
    revisions: dict[int, _Revision] = field(default_factory=dict)


class Ledger:
    """Keeps the accounts of the newest utterances, and what all revisions ever came to."""

    def __init__(self) -> None:
        self.revisions = Counter(painted=0, shown=0, wasted=0, promoted=0)
        """How many came to what, since the start."""
        self._accounts: OrderedDict[int, _Account] = OrderedDict()

    def worked(self, utterance: int, revision: int, began: float, ended: float) -> None:
        """A step was run, and its image decoded and encoded."""
        entry = self._revision(utterance, revision)
        if not entry.work:
            self.revisions["painted"] += 1
        entry.work.append((began, ended))

    def shown(self, utterance: int, revision: int, now: float) -> None:
        """An image was sent."""
        entry = self._revision(utterance, revision)
        if entry.shown is None:
            self.revisions["shown"] += 1
        entry.shown = now
        account = self._accounts[utterance]
        account.first_shown = now if account.first_shown is None else account.first_shown

    def wasted(self, utterance: int, revision: int) -> None:
        """Nothing will come of it; one that was never painted is no waste."""
        entry = self._revision(utterance, revision)
        if entry.work and not entry.wasted:
            entry.wasted = True
            self.revisions["wasted"] += 1

    def repeated(self, utterance: int, revision: int, newer: int) -> None:
        """A newer revision's words mean the same, and its picture, seen long ago, is theirs too: so it was no waste."""
        entry = self._revision(utterance, revision)
        self._revision(utterance, newer).shown = entry.shown
        if entry.wasted:
            entry.wasted = False
            self.revisions["wasted"] -= 1

    def settle(
        self, timings: Timings, utterance: int, revision: int, moments: Moments | None, *, promoted: bool
    ) -> Timings:
        """The timings of a final picture, with all but its announcement; ``moments`` are ``None`` for typed prompts."""
        entry = self._revision(utterance, revision)
        account = self._accounts[utterance]
        self.revisions["promoted"] += promoted
        revisions = account.revisions.values()
        wasted = [one for one in revisions if one.wasted]
        timings = dataclasses.replace(
            timings,
            revisions_painted=sum(bool(one.work) for one in revisions),
            revisions_shown=sum(one.shown is not None for one in revisions),
            revisions_wasted=len(wasted),
            wasted_ms=sum(map(_worked_ms, wasted)),
        )
        if moments is None:
            return timings
        pixels = _ms(moments.last_voiced, entry.shown)
        return dataclasses.replace(
            timings,
            transcribe_ms=moments.transcribe_ms,
            since_last_voiced_ms=pixels,
            last_voiced_to_first_preview_ms=_ms(moments.last_voiced, account.first_shown),
            last_voiced_to_final_pixels_ms=pixels,
            pause_to_final_pixels_ms=_ms(moments.paused, entry.shown),
            work_after_decision_ms=_after(account, moments),
        )

    def _revision(self, utterance: int, revision: int) -> _Revision:
        account = self._accounts.setdefault(utterance, _Account())
        if len(self._accounts) > KEPT:
            self._accounts.popitem(last=False)
        return account.revisions.setdefault(revision, _Revision())


def announced(timings: Timings, moments: Moments | None, now: float) -> Timings:
    """The timings of a final picture that is announced now."""
    if moments is None:
        return timings
    return dataclasses.replace(timings, decision_to_final_ms=_ms(moments.ended, now))


def _after(account: _Account, moments: Moments) -> float | None:
    """The work of an utterance after its end was decided, ears' and painter's; idle time is none."""
    if moments.ended is None:
        return None
    work = [step for entry in account.revisions.values() for step in entry.work]
    work.append((moments.transcribing, moments.transcribed))
    return sum(max(0.0, ended - max(began, moments.ended)) for began, ended in work) * 1e3


def _worked_ms(entry: _Revision) -> float:
    return sum(ended - began for began, ended in entry.work) * 1e3


def _ms(since: float | None, until: float | None) -> float | None:
    return None if since is None or until is None else (until - since) * 1e3
