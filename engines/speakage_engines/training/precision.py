"""How a training step computes forwards: in bf16 where it may, and attention in the faster of two ways.

The backward pass of torch's fused attention is slow on a CPU while sequences are short: spelled out as two products of
matrices, a step of the denoiser takes a sixth less time, and one of the ears a tenth. Long ones are faster fused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final, Literal

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

Precision = Literal["fp32", "bf16"]
"""bf16 is mixed precision: weights, loss and optimiser stay in fp32."""

SHORT: Final = 300
"""Positions up to which attention on a CPU is spelled out."""


def best_precision() -> Precision:
    """bf16 where a GPU is, or a CPU that computes in it: others imitate it, many times as slowly as fp32."""
    if torch.cuda.is_available():
        return "bf16"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001  nothing public
    return "bf16" if native else "fp32"


@contextmanager
def computing(device: torch.device, precision: Precision, positions: int = 0) -> Iterator[None]:
    """Around a forward pass in which attention sees so many positions; the backward pass follows what it chose."""
    plain = device.type == "cpu" and positions <= SHORT
    with (
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"),
        sdpa_kernel(SDPBackend.MATH) if plain else nullcontext(),
    ):
        yield
