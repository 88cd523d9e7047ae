"""Pictures on disk as :class:`~speakage_engines.training.api.Pictures`: checked once, then read by number.

Every form of data set comes down to a place in a file and captions. Nothing decoded is kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from speakage_engines.api import Progress
from speakage_engines.training.api import Example
from speakage_engines.training.datasets.decoding import Likeness, Likenesses, decode, likeness, quietly
from speakage_engines.training.datasets.ordered import in_order
from speakage_engines.training.datasets.report import Ledger, Reason, RejectedError
from speakage_engines.training.datasets.settings import DatasetError, DatasetSettings

_TOLD_EVERY: Final = 50


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a picture lie: a file, or a stretch of one."""

    path: Path
    offset: int = 0
    length: int | None = None
    """Bytes; ``None`` goes to the end."""

    def read(self, limit: int) -> bytes:
        """All of them, or :class:`RejectedError` when they are more than ``limit``."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(limit + 1 if self.length is None else min(self.length, limit + 1))
        if len(data) > limit:
            raise RejectedError(Reason.ABSURDLY_LARGE, f"more than {limit} bytes")
        if self.length is not None and len(data) < self.length:
            raise RejectedError(Reason.BROKEN_FILE, f"{self.path} ends within it")
        return data


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that a data set names, with its captions."""

    name: str
    """As its owner would look for it."""
    place: Place
    captions: Sequence[str]
    """At least one."""
    done: float = 0.0
    """How much of the data set lies before it, 0 to 1."""


class PicturesOnDisk:
    """Captioned pictures by number; can be pickled, and read from any process.

    Number ``n`` is picture ``n % count`` with its caption ``n // count``, so that the first ``count`` numbers show each
    picture once, and a picture with ten captions comes back nine times in other words.
    """

    def __init__(self, candidates: Sequence[Candidate], settings: DatasetSettings) -> None:
        self.size = settings.size
        self.names: tuple[str, ...] = ()
        self.count = len(candidates)
        """Different pictures."""
        self._candidates = candidates
        self._settings = settings
        self._length = self.count * max(len(candidate.captions) for candidate in candidates)

    def __len__(self) -> int:
        return self._length

    def example(self, number: int) -> Example:
        """The same for the same number; raises :class:`DatasetError` when the file has changed since."""
        if not 0 <= number < self._length:
            raise IndexError(f"there is no picture {number}; there are {self._length}")
        wording, index = divmod(number, self.count)
        candidate = self._candidates[index]
        try:
            picture = decode(candidate.place.read(self._settings.max_bytes), self._settings)
        except (RejectedError, OSError) as error:
            detail = error.reason.value if isinstance(error, RejectedError) else error.strerror
            raise DatasetError(
                f"{candidate.name}: it was whole when the data set was checked and is no more ({detail}); start again"
            ) from None
        return Example(picture, candidate.captions[wording % len(candidate.captions)])

    def caption(self, number: int) -> str:
        """The words of :meth:`example`, without decoding the picture."""
        wording, index = divmod(number, self.count)
        captions = self._candidates[index].captions
        return captions[wording % len(captions)]


def check(
    candidates: Iterable[Candidate], ledger: Ledger, settings: DatasetSettings, progress: Progress
) -> PicturesOnDisk:
    """Decode each once, and keep what decodes and was not seen before; raises :class:`DatasetError` if none is left."""

    def examine(candidate: Candidate) -> Likeness | RejectedError:
        try:
            return likeness(decode(candidate.place.read(settings.max_bytes), settings))
        except RejectedError as rejected:
            return rejected
        except OSError as error:
            return RejectedError(Reason.BROKEN_FILE, error.strerror or str(error))

    kept: list[Candidate] = []
    seen = Likenesses()
    # closed by name: an error's traceback would keep the threads until it is handled
    with quietly(), closing(in_order(examine, candidates, settings.workers)) as examined:
        for number, (candidate, found) in enumerate(examined):
            if number % _TOLD_EVERY == 0:
                progress("checking the pictures", candidate.done)
            if isinstance(found, RejectedError):
                ledger.drop(found.reason, candidate.name, found.detail)
            elif settings.deduplicate and (earlier := seen.find(found)) is not None:
                ledger.drop(Reason.DUPLICATE_PICTURE, candidate.name, f"like {earlier}")
            else:
                seen.add(found, candidate.name)
                kept.append(candidate)
                ledger.keep()
    progress("checked the pictures", 1.0)
    if not kept:
        report = ledger.report()
        example = f"; for example {report.dropped[0].examples[0]}" if report.dropped else ""
        raise DatasetError(f"no picture is left to train on: {report.sentence()}{example}")
    return PicturesOnDisk(kept, settings)
