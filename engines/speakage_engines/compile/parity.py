"""The parity gate: what a compiled module computes, against torch in fp32 on the same fixed noise and prompts.

Three measures, each the worst over a few calls: the cosine between the outputs, the peak signal-to-noise ratio, and,
where the output is a picture or latents, the structural similarity (Wang et al. 2004, torchmetrics'). This module does
*not* say how good a picture is, only how near two engines are; see :mod:`speakage_engines.evaluation` for the former.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from speakage_engines.api import BackendName, BuildError, CompiledModule
from speakage_engines.compile.examples import Example

Kind: TypeAlias = Literal["text-encoder", "denoiser", "decoder", "tiny-decoder", "picture-encoder"]
Output: TypeAlias = NDArray[np.float32]

_WINDOW: Final = 11
"""Pixels: the side of SSIM's Gaussian window; below it there is no SSIM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The least that is let through."""

    cosine: float
    psnr: float
    """Decibels, the peak being the range of the reference."""
    ssim: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How near a compiled module is to torch in fp32."""

    module: str
    backend: BackendName
    precision: str
    """As read back from the compiled module."""
    cosine: float
    psnr: float
    """Decibels; infinite for the same numbers."""
    ssim: float | None
    """None where the output is not two-dimensional, or smaller than SSIM's window."""


_EXACT: Final = Threshold(cosine=0.99999, psnr=80, ssim=0.9999)
_FP16: Final = Threshold(cosine=0.9995, psnr=45, ssim=0.99)
_BF16: Final = Threshold(cosine=0.998, psnr=40, ssim=0.98)
_WEIGHTS: Final = Threshold(cosine=0.998, psnr=38, ssim=0.97)
"""8 bits for weights alone cost about what bf16 does."""
_ACTIVATIONS: Final[Mapping[Kind, Threshold]] = {
    "text-encoder": Threshold(cosine=0.998, psnr=38, ssim=0.97),
    "denoiser": Threshold(cosine=0.99, psnr=30, ssim=0.9),
    "decoder": Threshold(cosine=0.995, psnr=32, ssim=0.93),
    "tiny-decoder": Threshold(cosine=0.99, psnr=28, ssim=0.9),
    "picture-encoder": Threshold(cosine=0.99, psnr=30, ssim=0.9),
}


def _alike(threshold: Threshold) -> Mapping[Kind, Threshold]:
    return dict.fromkeys(get_args(Kind), threshold)


THRESHOLDS: Final[Mapping[tuple[BackendName, str], Mapping[Kind, Threshold]]] = {
    ("torch", "fp32"): _alike(_EXACT),
    ("torch", "fp16"): _alike(_FP16),
    ("torch", "bf16"): _alike(_BF16),
    ("openvino", "fp32"): _alike(_EXACT),
    ("openvino", "fp16"): _alike(_FP16),
    ("openvino", "bf16"): _alike(_BF16),
    ("openvino", "int8 weights"): _alike(_WEIGHTS),
    ("openvino", "int8"): _ACTIVATIONS,
    ("tensorrt", "fp32"): _alike(_EXACT),
    ("tensorrt", "fp16"): _alike(_FP16),
    ("tensorrt", "bf16"): _alike(_BF16),
}
"""About 10 dB below what the embedded model measures; for tensorrt as for the others, since no card has run it yet."""


def threshold(backend: BackendName, precision: str, module: str) -> Threshold:
    """What a module has to reach; raises :class:`BuildError` where the table has no row for it."""
    row = THRESHOLDS.get((backend, precision))
    kinds = sorted(row or (), key=len, reverse=True)
    found = next((kind for kind in kinds if module == kind or module.endswith(f"-{kind}")), None)
    if row is None or found is None:
        raise BuildError(
            f"nobody has said how near the {module} on {backend} in {precision} has to be to torch; "
            "set picture.precision to auto"
        )
    return row[found]


def measure(name: str, backend: BackendName, compiled: CompiledModule, examples: Sequence[Example]) -> Parity:
    """How near a compiled module comes to the outputs of the examples; refuses nothing.

    Where it gives what is not finite, neither is any measure, and no threshold is reached.
    """
    pairs = [(compiled(*example.inputs), example.output) for example in examples]
    if not all(np.isfinite(found).all() for found, _ in pairs):
        nothing = float("nan")
        return Parity(
            module=name, backend=backend, precision=compiled.precision, cosine=nothing, psnr=nothing, ssim=nothing
        )
    similar = [value for pair in pairs if (value := ssim(*pair)) is not None]
    return Parity(
        module=name,
        backend=backend,
        precision=compiled.precision,
        cosine=min(cosine(*pair) for pair in pairs),
        psnr=min(psnr(*pair) for pair in pairs),
        ssim=min(similar) if similar else None,
    )


def check(parity: Parity) -> None:
    """The gate itself: raises :class:`BuildError` naming the first measure that is too low."""
    least = threshold(parity.backend, parity.precision, parity.module)
    for name, unit, found, wanted in (
        ("cosine", "", parity.cosine, least.cosine),
        ("PSNR", " dB", parity.psnr, least.psnr),
        ("SSIM", "", parity.ssim, least.ssim),
    ):
        # what is not a number is not near either
        if found is not None and not found >= wanted:
            raise BuildError(
                f"the {parity.module} on {parity.backend} in {parity.precision} is too far from torch in fp32: its "
                f"{name} is {found:.6g}{unit}, and {wanted:g}{unit} is wanted; {_remedy(parity)}"
            )


def _remedy(parity: Parity) -> str:
    if parity.precision != "fp32":
        return "set picture.precision to fp32"
    return "set picture.backend to torch" if parity.backend != "torch" else "get the model again"


def cosine(found: Output, wanted: Output) -> float:
    """Of the angle between two outputs as vectors; 1 for the same direction."""
    one, other = found.ravel().astype(np.float64), wanted.ravel().astype(np.float64)
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    if not lengths:
        return float(np.array_equal(one, other))
    return float(one @ other) / lengths


def psnr(found: Output, wanted: Output) -> float:
    """Decibels: 10 log10 (peak² / mean squared error), the peak being the range of what is wanted."""
    error = float(np.mean((found.astype(np.float64) - wanted) ** 2))
    if not error:
        return float("inf")
    peak = float(np.ptp(wanted))
    return 10 * float(np.log10(peak**2 / error)) if peak else float("-inf")


def ssim(found: Output, wanted: Output) -> float | None:
    """Wang et al. 2004, with the Gaussian window of σ = 1.5; None for what is no picture, or a smaller one."""
    if wanted.ndim != 4 or min(wanted.shape[2:]) < _WINDOW or not np.ptp(wanted):
        return None
    # torch and torchmetrics take seconds to come: not for those who only read the table
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    one, other = (torch.from_numpy(array.astype(np.float64)) for array in (found, wanted))
    value = structural_similarity_index_measure(one, other, data_range=float(np.ptp(wanted)))
    return float(torch.as_tensor(value))
