"""Tiny pictures that are told apart by eye and by hash, and settings to read them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from PIL import Image

from speakage_engines.training.datasets import DatasetSettings

Draw: TypeAlias = Callable[[int], bytes]


@pytest.fixture
def draw() -> Draw:
    """PNG of 48×40 pixels, another for each number."""

    def drawn(number: int) -> bytes:
        blocks = np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(blocks).resize((48, 40), Image.Resampling.NEAREST).save(file, "PNG")
        return file.getvalue()

    return drawn


@pytest.fixture
def settings() -> DatasetSettings:
    """For those pictures."""
    return DatasetSettings(size=16, min_side=16, max_pixels=100_000, max_bytes=50_000)
