"""Which Host and Origin headers are let in, and which addresses may be served on."""

from __future__ import annotations

import pytest

from speakage_daemon.errors import ServeError
from speakage_daemon.serving.access import Access, loopback_address

ACCESS = Access(host="127.0.0.1", port=8787, tls=False, allowed_origins=["http://localhost:3000/", "https://Obs.local"])


def code(access: Access, hosts: list[str], origins: list[str]) -> str | None:
    refusal = access.refusal(hosts, origins)
    return refusal.code if refusal else None


@pytest.mark.parametrize("host", ["localhost:8787", "127.0.0.1:8787", "[::1]:8787", "LocalHost:8787"])
def test_own_names_with_the_port_are_let_in(host: str) -> None:
    assert ACCESS.refusal([host], []) is None


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["localhost"],
        ["localhost:8788"],
        ["evil.example:8787"],
        ["localhost.evil.example:8787"],
        ["127.0.0.1:8787@evil.example"],
        ["192.168.1.4:8787"],
        ["localhost:8787", "evil.example"],
    ],
)
def test_any_other_host_is_refused(hosts: list[str]) -> None:
    assert code(ACCESS, hosts, []) == "bad_host"


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:8787",
        "http://127.0.0.1:8787",
        "http://[::1]:8787",
        "http://localhost:3000",
        "https://obs.local",
    ],
)
def test_own_and_allowed_origins_are_let_in(origin: str) -> None:
    assert ACCESS.refusal(["localhost:8787"], [origin]) is None


@pytest.mark.parametrize(
    "origins",
    [
        ["null"],
        [""],
        ["http://evil.example"],
        ["https://localhost:8787"],
        ["http://localhost:8788"],
        ["http://localhost:8787.evil.example"],
        ["http://localhost:8787", "http://evil.example"],
    ],
)
def test_any_other_origin_is_refused(origins: list[str]) -> None:
    assert code(ACCESS, ["localhost:8787"], origins) == "bad_origin"


def test_the_sentences_name_what_was_wrong_and_what_to_do() -> None:
    host, origin = ACCESS.refusal(["evil:1"], []), ACCESS.refusal(["localhost:8787"], ["http://evil"])
    assert host is not None
    assert origin is not None
    assert "evil:1" in host.message
    assert "localhost:8787" in host.message
    assert "server.allowed_origins" in origin.message


@pytest.mark.parametrize(("tls", "port", "origin"), [(False, 80, "http://localhost"), (True, 443, "https://localhost")])
def test_the_usual_port_may_be_left_out(tls: bool, port: int, origin: str) -> None:
    access = Access(host="127.0.0.1", port=port, tls=tls)
    assert access.refusal(["localhost"], [origin]) is None


def test_with_tls_the_own_origin_is_https() -> None:
    access = Access(host="::1", port=8787, tls=True)
    assert access.refusal(["[::1]:8787"], ["https://[::1]:8787"]) is None
    assert code(access, ["[::1]:8787"], ["http://[::1]:8787"]) == "bad_origin"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("localhost", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.9", "127.0.0.9"),
        ("::1", "::1"),
        ("[::1]", "::1"),
    ],
)
def test_loopback_addresses_may_be_served_on(host: str, address: str) -> None:
    assert loopback_address(host) == address


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
def test_an_address_that_others_reach_is_refused(host: str) -> None:
    with pytest.raises(ServeError, match=r"server\.host.*token.*127\.0\.0\.1"):
        loopback_address(host)
