"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# as the command does, and before any test imports torch: its threads spin while they wait, and slow each other down
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from speakage_engines.telemetry import switch_off_telemetry
from stand import serving

switch_off_telemetry()
# nothing timed is asserted: a machine may have other work
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

__all__ = ["engines_folder", "serving"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a GPU its tests are not there at all."""
    import torch

    if torch.cuda.is_available():
        return
    without = [item for item in items if item.get_closest_marker("gpu")]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]


@pytest.fixture(scope="session")
def engines_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests of a run keep their exports: they take seconds, and are made once."""
    return tmp_path_factory.mktemp("engines")
