"""TensorRT's two libraries as one: finding what is installed, naming targets, and taking its messages and progress.

``tensorrt_rtx`` (RTX desktop cards, ordinary wheels) and ``tensorrt`` (data centre) share their API apart from their
name. This module neither builds nor runs anything, and imports neither library before it is asked to.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from speakage_engines.api import EngineError, Progress

log = logging.getLogger(__name__)

LibraryName: TypeAlias = Literal["tensorrt_rtx", "tensorrt"]
LIBRARIES: Final[tuple[LibraryName, ...]] = ("tensorrt_rtx", "tensorrt")
CURRENT: Final = "current"
TARGETS: Final = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
"""Compute capabilities that TensorRT-RTX builds for, on any machine."""


@dataclass(frozen=True, slots=True)
class Library:
    """An imported TensorRT."""

    name: LibraryName
    api: Any
    version: str

    @property
    def is_rtx(self) -> bool:
        """Builds for a named capability, compiles kernels at the first run, captures CUDA graphs by itself.

        Asked by name: the two share their bindings, so that what is there need not work.
        """
        return self.name == "tensorrt_rtx"


def open_library(asked: LibraryName | None = None) -> Library:
    """The library that is asked for, else whichever is installed; raises :class:`EngineError`."""
    reasons = []
    for name in (asked,) if asked else LIBRARIES:
        try:
            api = importlib.import_module(name)
        except (ImportError, OSError) as error:
            reasons.append(f"{name}: {error}")
        else:
            return Library(name, api, str(api.__version__))
    wheel = (asked or LIBRARIES[0]).replace("_", "-")
    raise EngineError(f"TensorRT cannot be imported ({'; '.join(reasons)}); get it with: pip install {wheel}")


def resolve_target(asked: str, library: Library, device: tuple[int, int] | None) -> str:
    """The compute capability to build for, like ``sm89``; ``device`` is that of the card here, if there is one."""
    own = f"sm{device[0]}{device[1]}" if device else None
    if asked == CURRENT and own is None:
        raise EngineError(
            "no NVIDIA card is seen here by torch; name the card to build for, like --target sm89 "
            f"({', '.join(TARGETS)}), or set picture.backend to auto"
        )
    target = own if asked == CURRENT and own else asked
    if not library.is_rtx:
        if target != own:
            raise EngineError(
                f"the library {library.name} builds only for the card that is here, not for {target}; "
                "build on that card's machine, or get the other library with: pip install tensorrt-rtx"
            )
    elif target not in TARGETS:
        raise EngineError(
            f"TensorRT-RTX does not build for {target}, only for {', '.join(TARGETS)}; "
            "set picture.backend to torch for another card"
        )
    return target


def first_lines(messages: list[str], otherwise: str) -> str:
    """What TensorRT said, short enough for a sentence."""
    return "; ".join(" ".join(message.split())[:300] for message in messages[:3]) or otherwise


def make_logger(library: Library) -> Any:
    """A logger of TensorRT's own kind: ``errors`` holds what went wrong since it was cleared."""
    api = library.api

    class Log(api.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            api.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (api.ILogger.ERROR, api.ILogger.INTERNAL_ERROR):
                self.errors.append(message)
            log.debug("%s: %s", severity, message)

    return Log()


WORTH_TELLING: Final = 0.01
"""A large network has thousands of steps."""


class Phases:
    """How far a build has come, from phases that lie within a step of another; never goes back."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell = tell
        self._phases: dict[str, _Phase] = {}
        self._told = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins, within the present step of its parent."""
        self._phases[name] = _Phase(parent, max(steps, 1))

    def step(self, name: str, index: int) -> None:
        """A phase has done the step with this index."""
        if phase := self._phases.get(name):
            phase.done = max(phase.done, index + 1)
            self._say()

    def finish(self, name: str) -> None:
        """A phase is over, all of its steps done or not."""
        self._phases.pop(name, None)

    def _say(self) -> None:
        roots = [name for name, phase in self._phases.items() if phase.parent not in self._phases]
        done = max((self._done(name) for name in roots), default=0.0)
        if done - self._told >= WORTH_TELLING or done == 1.0 > self._told:
            self._told = done
            self._tell(done)

    def _done(self, name: str) -> float:
        phase = self._phases[name]
        inside = [self._done(other) for other, within in self._phases.items() if within.parent == name]
        return min((phase.done + max(inside, default=0.0)) / phase.steps, 1.0)


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


def make_monitor(library: Library, what: str, progress: Progress) -> Any:
    """A progress monitor of TensorRT's own kind, called from any of its threads.

    What ``progress`` raises cannot pass through TensorRT: it is kept in ``raised``, and stops the build.
    """
    api = library.api

    class Monitor(api.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            api.IProgressMonitor.__init__(self)
            self.raised: BaseException | None = None
            self._lock = threading.Lock()
            self._phases = Phases(lambda done: progress(what, done))

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            with self._lock:
                self._phases.start(name, parent, steps)

        def step_complete(self, name: str, index: int) -> bool:
            try:
                with self._lock:
                    self._phases.step(name, index)
            except BaseException as error:  # noqa: BLE001  raised again when the build has stopped
                self.raised = self.raised or error
            return self.raised is None

        def phase_finish(self, name: str) -> None:
            with self._lock:
                self._phases.finish(name)

    return Monitor()
