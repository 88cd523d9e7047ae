"""A daemon for benchmarks: a process of its own on a free port, with the embedded models. It measures nothing."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speakage_clients.sdk import ClientError, connect
from speakage_daemon.events import SessionCreated, Status


@contextmanager
def daemon(folder: Path, **settings: object) -> Iterator[str]:
    """Runs while the context lasts; gives its address once it is ready. Pictures go to ``folder``.

    ``settings`` are keys of the configuration with two underscores for the dot: ``segmenter__end_ms=600``.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "speakage_daemon", "run", "--source", "none", "--port", str(port)]
    usual = {"speech.model": "embedded", "picture.model": "embedded", "gallery.folder": folder}
    for key, value in {**usual, **{key.replace("__", "."): value for key, value in settings.items()}}.items():
        command += ["--set", f"{key}={value}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"ws://127.0.0.1:{port}"
    try:
        asyncio.run(_ready(address, process))
        yield address
    finally:
        process.terminate()
        process.wait(30)


async def _ready(address: str, process: subprocess.Popen[bytes]) -> None:
    """Until its engines are named; the first start with a model makes them, which takes minutes."""
    async with asyncio.timeout(600):
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"the daemon ended with status {process.returncode}; run it to see why")
            try:
                async with connect(address) as session:
                    async for message in session:
                        if isinstance(message, SessionCreated | Status) and message.engines.steps:
                            return
            except ClientError:
                await asyncio.sleep(0.2)
