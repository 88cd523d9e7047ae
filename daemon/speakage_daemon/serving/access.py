"""Who may speak to the daemon: only pages and programs of this machine. Pure: it judges names, and opens nothing.

Two checks, on every request. **Host** must name this daemon by a loopback name and its port: a web page whose own
domain was made to point at 127.0.0.1 (DNS rebinding) is same-origin with itself, but cannot hide the name it used.
**Origin**, which browsers send and other programs do not, must be this daemon's own or one that the configuration
allows: any page may *open* a WebSocket to localhost, so the daemon has to ask where it comes from. There are no access
tokens in this version, so an address that other machines can reach is refused at start.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from speakage_daemon.errors import ServeError

_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered."""

    code: str
    message: str


class Access:
    """Judges the Host and Origin headers of requests to one daemon."""

    def __init__(self, *, host: str, port: int, tls: bool, allowed_origins: Iterable[str] = ()) -> None:
        scheme, usual_port = ("https", 443) if tls else ("http", 80)
        names = {*_NAMES, _bracketed(host).lower()}
        self._hosts = {f"{name}:{port}" for name in names}
        if port == usual_port:
            self._hosts |= names
        own = {f"{scheme}://{place}" for place in self._hosts}
        self._origins = own | {origin.rstrip("/").lower() for origin in allowed_origins}

    def refusal(self, hosts: Sequence[str], origins: Sequence[str]) -> Refusal | None:
        """Judge all values of the two headers as they came; ``None`` lets the request pass."""
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            named = ", ".join(hosts) or "none"
            return Refusal("bad_host", f"Host: {named} is not a name of this daemon; use one of {self._listed()}")
        if len(origins) > 1 or (origins and origins[0].lower() not in self._origins):
            return Refusal(
                "bad_origin",
                f"Origin: {', '.join(origins)} may not connect; add it to server.allowed_origins if you trust it",
            )
        return None

    def _listed(self) -> str:
        return ", ".join(sorted(self._hosts))


def loopback_address(host: str) -> str:
    """The address to bind for ``server.host``; raises :class:`ServeError` unless only this machine can reach it."""
    if host.lower() == "localhost":
        return "127.0.0.1"
    bare = host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ServeError(
            f"server.host: {host!r} is not a loopback address, and without access tokens, which this version does not "
            "have yet, anyone in reach could listen and paint; use 127.0.0.1"
        )
    return bare


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
