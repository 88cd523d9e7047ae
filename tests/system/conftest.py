"""Fixtures for tests with real parts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .pulse import SoundServer


@pytest.fixture
def sound_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    """A running sound server that this process and its children use for all sound."""
    server = SoundServer()
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    try:
        server.start()
        yield server
    finally:
        server.remove()
