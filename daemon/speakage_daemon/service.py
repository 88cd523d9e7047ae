"""The daemon as a process: what it tells a service manager, and the signals that end it.

Without a service manager (``NOTIFY_SOCKET`` is not set) the notifications go nowhere. Protocol: sd_notify(3). It does
*not* decide when the daemon is ready, nor what ending means: those are :mod:`speakage_daemon.app`'s. Nothing here feeds
the watchdog or handles SIGHUP yet.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Self

from speakage_daemon import app
from speakage_daemon.collecting import collecting_later
from speakage_daemon.config import Config
from speakage_engines import api

START_S: Final = 300
"""Each step of loading may take so long (s): exporting a large model for the first time does."""

logger = logging.getLogger(__name__)


async def run(config: Config, announce: Callable[[str], Any], progress: api.Progress = api.no_progress) -> None:
    """Be the daemon until a signal ends it; ``announce`` is told where the display is once all is warm."""
    manager = ServiceManager.from_environment()
    manager.extend(START_S)

    async def ready(address: str) -> None:
        manager.ready(f"the display is at {address}")
        announce(f"The display is at {address}")
        settled()

    def loading(what: str, done: float) -> None:
        manager.status(f"{what} ({done:.0%})")
        manager.extend(START_S)
        progress(what, done)

    with collecting_later() as settled:
        await until_stopped(app.run(config, ready, loading), manager)


async def until_stopped(daemon: Coroutine[Any, Any, None], manager: ServiceManager) -> None:
    """Run until it ends by itself, or until a signal: then it is cancelled, and its end awaited."""
    with stop_requested() as stop:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(daemon, name="daemon")
            stopping = tasks.create_task(stop.wait(), name="signals")
            await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                logger.info("stopping")
                manager.stopping()
            running.cancel()
            stopping.cancel()


def leave() -> None:
    """End the process with status 0 now, if it would wait for a model that is still being loaded or compiled."""
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


class ServiceManager:
    """Told how the daemon is; never a reason to fail."""

    def __init__(self, address: str | None) -> None:
        """``address`` is a socket's path, ``@name`` of an abstract socket, or ``None`` when nobody wants to know."""
        self._address = address

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The one that started this process, if one did."""
        return cls(environment.get("NOTIFY_SOCKET") or None)

    def ready(self, status: str) -> None:
        """The daemon does its work from now on."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(_status(text))

    def extend(self, seconds: float) -> None:
        """Starting or stopping goes on, and may take so long from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def stopping(self) -> None:
        """The daemon is going away on purpose."""
        self._send("STOPPING=1", _status("stopping"))

    def watchdog(self) -> None:
        """Every stage has proved that it turns."""
        self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        if self._address is None:
            return
        # an abstract socket's name begins with a NUL, which no environment variable can hold
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
                connection.sendto("\n".join(assignments).encode(), address)
        except OSError as error:
            logger.warning("NOTIFY_SOCKET: %s takes no message (%s); the daemon goes on", self._address, error)
            self._address = None


@contextmanager
def stop_requested() -> Iterator[asyncio.Event]:
    """An event that SIGTERM or SIGINT sets; a second signal ends the process at once, whatever it is doing.

    For the main thread, inside a running loop. The handlers are Python's own rather than the loop's: a loop that is
    stuck would not run the second one.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    seen: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _status(text: str) -> str:
    """A line break would begin another assignment."""
    return f"STATUS={' '.join(text.split())}"
