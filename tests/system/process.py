"""The installed `speakage` command as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = Path(sys.executable).with_name("speakage")
START_S = 110
"""The first start of a test run exports the picture model."""


class Daemon:
    """A running `speakage run`; its standard error is kept."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.log: list[str] = []
        self.url = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(self.process.stderr)

    def wait_ready(self) -> None:
        """Until it prints where its display is."""
        assert self.process.stdout is not None
        timer = threading.Timer(START_S, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                if found := re.search(r"https?://\S+", line):
                    self.url = found.group()
                    return
        finally:
            timer.cancel()
        raise AssertionError(f"the daemon did not become ready:\n{''.join(self.log)}")

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self._reader.join(10)
        return status


@contextmanager
def daemon(
    folder: Path, engines: Path, *arguments: str, environment: dict[str, str] | None = None, wait: bool = True
) -> Iterator[Daemon]:
    """Run the daemon with the embedded models until the block ends."""
    command = [str(COMMAND), "run", *arguments]
    process = subprocess.Popen(
        command,
        env=surroundings(folder, engines) | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Daemon(process)
    try:
        if wait:
            running.wait_ready()
        yield running
    finally:
        process.kill()
        process.wait(30)
        running._reader.join(10)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


def surroundings(folder: Path, engines: Path) -> dict[str, str]:
    """An environment of its own: nothing of the user's is read or written."""
    return os.environ | {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "SPEAKAGE_SERVER__PORT": "0",
        "SPEAKAGE_MODELS__ENGINES": str(engines),
        "SPEAKAGE_SPEECH__MODEL": "embedded",
        "SPEAKAGE_PICTURE__MODEL": "embedded",
        "COLUMNS": "120",
    }


def speakage(folder: Path, engines: Path, *arguments: str, timeout: int = 110) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(COMMAND), *arguments],
        env=surroundings(folder, engines),
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=folder,
        check=False,
    )
