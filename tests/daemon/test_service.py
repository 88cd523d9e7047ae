import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from speakage_daemon.service import ServiceManager, stop_requested, until_stopped

PATIENCE_S = 20

DAEMON = """
import asyncio, sys
from speakage_daemon.service import ServiceManager, until_stopped

manager = ServiceManager.from_environment()

async def daemon():
    try:
        manager.ready("painting")
        await asyncio.Event().wait()
    finally:
        print("stopped in order", flush=True)
        while "stuck" in sys.argv:
            pass

asyncio.run(until_stopped(daemon(), manager))
"""


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket, and its address as it is told to a daemon."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@speakage-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0"))
        listener.settimeout(PATIENCE_S)
        yield listener, address


def test_each_notification_is_one_datagram(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    daemon = ServiceManager.from_environment({"NOTIFY_SOCKET": address})
    daemon.status("the models are loading")
    daemon.extend(90)
    daemon.ready("http://127.0.0.1:8787/\nREADY=0 é")
    daemon.watchdog()
    daemon.stopping()
    assert [listener.recv(1_000).decode() for _ in range(5)] == [
        "STATUS=the models are loading",
        "EXTEND_TIMEOUT_USEC=90000000",
        "READY=1\nSTATUS=http://127.0.0.1:8787/ READY=0 é",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=stopping",
    ]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}])
def test_without_a_service_manager_nothing_is_said(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    ServiceManager.from_environment(environment).ready("painting")
    assert not caplog.records


def test_a_manager_that_is_gone_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    daemon = ServiceManager(str(tmp_path / "gone"))
    with caplog.at_level(logging.WARNING):
        daemon.ready("painting")
        daemon.stopping()
    assert len(caplog.records) == 1
    assert "NOTIFY_SOCKET" in caplog.text


@contextmanager
def started(address: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"NOTIFY_SOCKET": address}
    command = [sys.executable, "-W", "error", "-c", DAEMON, *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as daemon:
        try:
            yield daemon
        finally:
            daemon.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_daemon_in_order(manager: tuple[socket.socket, str], number: signal.Signals) -> None:
    listener, address = manager
    with started(address) as daemon:
        assert listener.recv(1_000) == b"READY=1\nSTATUS=painting"
        daemon.send_signal(number)
        assert listener.recv(1_000).startswith(b"STOPPING=1")
        assert daemon.communicate(timeout=PATIENCE_S)[0] == "stopped in order\n"
    assert daemon.returncode == 0


def test_a_second_signal_ends_it_at_once_even_when_the_loop_is_stuck(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    with started(address, "stuck") as daemon:
        listener.recv(1_000)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.stdout.readline() == "stopped in order\n"
        daemon.send_signal(signal.SIGINT)
        assert daemon.wait(PATIENCE_S) == 128 + signal.SIGINT


def test_a_daemon_that_fails_is_heard_of() -> None:
    async def fails() -> None:
        raise OSError("the disk is gone")

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(until_stopped(fails(), ServiceManager(None)))
    assert caught.group_contains(OSError, match="the disk is gone")


def test_a_daemon_may_end_by_itself() -> None:
    async def ends() -> None:
        pass

    async def once() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await until_stopped(ends(), ServiceManager(None))

    asyncio.run(once())


def test_the_handlers_before_are_put_back() -> None:
    async def once() -> None:
        with stop_requested() as stop:
            assert signal.getsignal(signal.SIGTERM) not in before
            signal.raise_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                await stop.wait()

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    asyncio.run(once())
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
