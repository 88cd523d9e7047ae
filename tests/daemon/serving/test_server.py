"""The port, TLS, and the end."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from speakage_daemon.config import ServerSettings
from speakage_daemon.errors import ServeError
from speakage_daemon.events import SessionCreated
from speakage_daemon.serving import certificate, wire
from speakage_daemon.serving.hub import Hub
from speakage_daemon.serving.ports import holder
from speakage_daemon.serving.server import Server

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMES = ("localhost", "127.0.0.1", "::1")


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(limited())


def unserved(**settings: object) -> Server:
    """A server with nothing behind it: only its port is wanted."""
    hub = Hub(clock_us=lambda: 0, client_queue=8)
    nothing: Any = None
    return Server(ServerSettings.model_validate({"port": 0, **settings}), hub, nothing, nothing, lambda: None)


def test_a_port_in_use_says_who_holds_it() -> None:
    first = unserved()
    try:
        with pytest.raises(ServeError) as caught:
            unserved(port=first.port)
        assert f"127.0.0.1:{first.port} is held by" in str(caught.value)
        assert f"(pid {os.getpid()})" in str(caught.value)
        assert "another port" in str(caught.value)
    finally:
        first.close()


def test_a_port_that_was_closed_can_be_had_at_once() -> None:
    first = unserved()
    port = first.port
    first.close()
    second = unserved(port=port)
    assert second.port == port
    second.close()


def test_a_port_that_needs_privileges_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_socket: socket.socket, _address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ServeError, match=r"cannot be had \(Permission denied\); choose another"):
        unserved(port=80)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.com"])
def test_an_address_beyond_this_machine_is_refused(host: str) -> None:
    with pytest.raises(ServeError, match="not a loopback address"):
        unserved(host=host)


@pytest.mark.parametrize(("host", "place"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")])
def test_the_address_of_the_display(host: str, place: str) -> None:
    server = unserved(host=host)
    assert server.url == f"http://{place}:{server.port}/"
    server.close()


def test_holder_knows_nobody_where_nobody_listens() -> None:
    server = unserved()
    port = server.port
    assert holder("127.0.0.1", port).endswith(f"(pid {os.getpid()})")
    assert holder("127.0.0.2", port) == ""
    server.close()
    assert holder("127.0.0.1", port) == ""


def test_holder_sees_who_listens_on_every_address() -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere:
        assert holder("127.0.0.1", everywhere.getsockname()[1]).endswith(f"(pid {os.getpid()})")


def test_signals_stay_the_daemons_own(serving: Any) -> None:
    async def scenario() -> None:
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        async with serving.stand() as stand:
            assert (await stand.ask("/healthz")).status == 200
            assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before

    run(scenario)


def test_it_ends_though_clients_take_nothing(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(write_deadline_ms=100_000) as stand, serving.raw_client(stand.port) as dead:
            await dead.next()
            async with connect(stand.url, max_size=None) as idle:
                await idle.recv()
                with socket.create_connection(("127.0.0.1", stand.port)) as half:
                    # a request that never ends, and an answer that nobody reads
                    half.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{stand.port}\r\n".encode())
                    stand.publish_final(1, rgb=serving.noise(1, size=1000))
                    await idle.recv()
                    stand.stopped()
                    # a client that takes nothing would keep it for the whole write deadline (100 s)
                    async with asyncio.timeout(30):
                        await stand.hub.wait_empty()

    asyncio.run(scenario())


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "speakage.pem"))


def test_with_tls_everything_is_encrypted(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(tls="self-signed") as stand:
            context = trusting(stand.settings.tls_folder)
            assert stand.server.url.startswith("https://")
            assert (await stand.ask("/healthz", context=context)).status == 200
            url = f"wss://localhost:{stand.port}/v1/stream"
            opening = connect(
                url, ssl=context, host="127.0.0.1", port=stand.port, origin=f"https://localhost:{stand.port}"
            )
            async with opening as client:
                assert isinstance(wire.decode_event(await client.recv()), SessionCreated)
                stand.publish_final(1, rgb=serving.noise(1, size=400))
                frame = await client.recv()
                assert isinstance(frame, bytes)
                assert wire.decode_image(frame)[1] == serving.encoded(serving.noise(1, size=400))

    run(scenario)


def test_the_certificate_is_kept_and_private(tmp_path: Path) -> None:
    file = certificate.self_signed(tmp_path / "tls", NOW)
    made = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert certificate.self_signed(tmp_path / "tls", NOW + dt.timedelta(days=300)).read_bytes() == made
    assert [entry.name for entry in file.parent.iterdir()] == ["speakage.pem"]


def test_an_expired_certificate_is_made_again(tmp_path: Path) -> None:
    made = certificate.self_signed(tmp_path, NOW).read_bytes()
    later = NOW + certificate.VALID - dt.timedelta(days=3)
    renewed = certificate.self_signed(tmp_path, later).read_bytes()
    assert renewed != made
    assert certificate.usable(tmp_path / "speakage.pem", certificate.server_names(), later)


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_damaged_certificate_is_made_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "speakage.pem").write_bytes(content)
    file = certificate.self_signed(tmp_path, NOW)
    assert certificate.usable(file, certificate.server_names(), NOW)


def test_a_certificate_for_other_names_or_another_key_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "speakage.pem"
    one, other = certificate.make(NAMES, NOW), certificate.make(NAMES, NOW)
    file.write_bytes(one)
    assert certificate.usable(file, NAMES, NOW)
    assert not certificate.usable(file, [*NAMES, "moved"], NOW)
    key, begin, rest = one.partition(b"-----BEGIN CERTIFICATE")
    file.write_bytes(key + begin + other.partition(b"-----BEGIN CERTIFICATE")[2])
    assert rest
    assert not certificate.usable(file, NAMES, NOW)


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServeError, match=r"set server\.tls_folder"):
        certificate.self_signed(tmp_path / "file" / "tls", NOW)
