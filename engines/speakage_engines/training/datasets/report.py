"""What was left out of a data set, and why: counted while it is read, told once at the end.

A *fault* is something broken that its owner may want to mend; the rest is left out because the settings ask for it.
Only faults stop a run, and only when ``on_error`` says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from speakage_engines.training.datasets.settings import DatasetError, OnError

if TYPE_CHECKING:
    from rich.console import Group

EXAMPLES: Final = 5
"""Names told for each reason."""


class Reason(Enum):
    """Why a picture was left out."""

    NO_CAPTION = "no caption"
    NO_PICTURE = "no picture"
    NOT_UTF8 = "text is not UTF-8"
    WRONG_COLUMNS = "wrong columns"
    OUTSIDE = "lies outside the data set's folder"
    BROKEN_FILE = "damaged file"
    BROKEN_PICTURE = "picture does not decode"
    ABSURDLY_LARGE = "absurdly large"
    UNREACHABLE = "could not be fetched"
    REFUSED = "its host refuses it"
    OPTED_OUT = "its host asks not to train on it"
    NOT_FETCHED = "not fetched yet"
    TOO_SMALL = "too small"
    DUPLICATE_URL = "same address twice"
    DUPLICATE_PICTURE = "looks like an earlier one"
    OTHER_LANGUAGE = "another language"
    LOW_SIMILARITY = "text and picture differ"
    WATERMARK = "likely watermarked"
    UNSAFE = "likely unsafe"
    NO_VALUE = "no value in a column that is filtered"

    @property
    def fault(self) -> bool:
        """Whether something is broken, rather than not wanted."""
        return self not in _NOT_WANTED


_NOT_WANTED: Final = frozenset(
    {
        Reason.OPTED_OUT,
        Reason.NOT_FETCHED,
        Reason.TOO_SMALL,
        Reason.DUPLICATE_URL,
        Reason.DUPLICATE_PICTURE,
        Reason.OTHER_LANGUAGE,
        Reason.LOW_SIMILARITY,
        Reason.WATERMARK,
        Reason.UNSAFE,
        Reason.NO_VALUE,
    }
)


class RejectedError(Exception):
    """One picture cannot be taken; caught where it can be named and counted."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Dropped:
    """All that was left out for one reason."""

    reason: Reason
    count: int
    examples: tuple[str, ...]
    """The first names, each with what is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a data set holds, and what was left out of it. Printable by rich."""

    path: str
    kind: str
    """The form it was read as."""
    kept: int
    """Pictures; each may have several captions."""
    dropped: tuple[Dropped, ...]
    """Most frequent first."""

    @property
    def faults(self) -> int:
        """How many pictures were left out because something is broken."""
        return sum(dropped.count for dropped in self.dropped if dropped.reason.fault)

    def sentence(self) -> str:
        """One line for a log or an error."""
        reasons = ", ".join(f"{dropped.count} {dropped.reason.value}" for dropped in self.dropped)
        return f"{self.path} ({self.kind}): {self.kept} kept" + (f"; left out: {reasons}" if reasons else "")

    def to_json(self) -> str:
        """The whole report as a JSON object."""
        dropped = [
            {"reason": each.reason.value, "fault": each.reason.fault, "count": each.count, "examples": each.examples}
            for each in self.dropped
        ]
        described = {"path": self.path, "kind": self.kind, "kept": self.kept, "dropped": dropped}
        return json.dumps(described, indent=2, ensure_ascii=False)

    def __rich__(self) -> Group:
        """A line, and a table of reasons with a few names for each."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        # names of files are text, never markup
        headline = Text(printable(f"{self.path} ({self.kind}): {self.kept} pictures kept"))
        if not self.dropped:
            return Group(headline)
        table = Table()
        table.add_column("left out", justify="right")
        table.add_column("why")
        table.add_column("for example", overflow="fold")
        for dropped in self.dropped:
            table.add_row(str(dropped.count), dropped.reason.value, Text("\n".join(dropped.examples)))
        return Group(headline, table)


class Ledger:
    """Counts what is kept and what is left out. For one thread."""

    def __init__(self, path: str, kind: str, on_error: OnError) -> None:
        self._path = path
        self._kind = kind
        self._on_error = on_error
        self._kept = 0
        self._counts: dict[Reason, int] = {}
        self._examples: dict[Reason, list[str]] = {}

    def keep(self) -> None:
        """Count a picture that is taken."""
        self._kept += 1

    def drop(self, reason: Reason, name: str, detail: str = "") -> None:
        """Count what is left out; raises :class:`DatasetError` at a fault when faults are to stop the run."""
        example = printable(f"{name}: {detail}" if detail else name)
        if reason.fault and self._on_error == "stop":
            raise DatasetError(
                f"{example} ({reason.value}); mend or remove it in {self._path}, or leave such out with on_error=drop"
            )
        self._counts[reason] = self._counts.get(reason, 0) + 1
        examples = self._examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(example)

    def report(self) -> Report:
        """What was counted so far."""
        ordered = sorted(self._counts.items(), key=lambda item: -item[1])
        dropped = tuple(Dropped(reason, count, tuple(self._examples[reason])) for reason, count in ordered)
        return Report(path=self._path, kind=self._kind, kept=self._kept, dropped=dropped)


def printable(text: str) -> str:
    """The text as a terminal and JSON take it: names of files may hold any bytes, and captions any control codes."""
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in shown)[:300]
