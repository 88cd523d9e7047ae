"""What a builder may be told to do, and what may befall it; without torch, so that its process starts at once."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from speakage_engines.api import BuildError, ModelError, Progress
from speakage_engines.compile.key import CompiledKey

PLAN = CompiledKey(
    export="ab", backend="tensorrt", backend_version="1", target="sm89", precision="bf16", options=(("refit", "yes"),)
)


@dataclass(frozen=True, slots=True)
class Write:
    """Writes so many bytes into a file, telling of its process and of the beginning and the end."""

    path: Path
    size: int = 10

    def __call__(self, progress: Progress) -> None:
        progress(f"writing in {os.getpid()}", 0.0)
        self.path.write_bytes(b"0" * self.size)
        progress("written", 1.0)


@dataclass(frozen=True, slots=True)
class Fail:
    """Ends as it is told, after half of the work is on disk."""

    how: str
    path: Path | None = None

    def __call__(self, progress: Progress) -> None:
        if self.path is not None:
            self.path.write_bytes(b"half")
        match self.how:
            case "exception":
                raise ZeroDivisionError("a number\nof lines")
            case "build error":
                raise BuildError("the denoiser has no end; shorten it")
            case "model error":
                raise ModelError("unet: no weights; get them again")
            case "disk full":
                raise OSError(28, "No space left on device", str(self.path))
            case "memory error":
                raise MemoryError
            case "exit":
                sys.exit(3)
            case "segmentation fault":
                faulthandler.disable()
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                os.kill(os.getpid(), signal.SIGSEGV)
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case unknown:
                raise AssertionError(unknown)


@dataclass(frozen=True, slots=True)
class Swell:
    """Takes ever more memory, up to a gigabyte."""

    def __call__(self, progress: Progress) -> None:
        taken = []
        for _ in range(128):
            taken.append(bytearray(os.urandom(1 << 10) * (8 << 10)))
            progress(f"{len(taken)} taken", len(taken) / 128)


@dataclass(frozen=True, slots=True)
class Wait:
    """Says where it is once half of the work is on disk, and never ends."""

    path: Path | None = None

    def __call__(self, progress: Progress) -> None:
        if self.path is not None:
            self.path.write_bytes(b"half")
        progress(str(os.getpid()), 0.0)
        signal.pause()


@dataclass(frozen=True, slots=True)
class Note:
    """Makes a file, and notes that it did."""

    path: Path
    notes: Path

    def __call__(self, progress: Progress) -> None:
        self.path.write_bytes(b"made")
        with self.notes.open("a", encoding="utf-8") as file:
            file.write("made\n")


@dataclass(frozen=True, slots=True)
class WeighFirst:
    """Tells what the system thinks of its process when memory runs out."""

    def __call__(self, progress: Progress) -> None:
        progress(Path("/proc/self/oom_score_adj").read_text(encoding="ascii").strip(), 1.0)
