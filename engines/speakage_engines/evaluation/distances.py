"""Distances between two sets of pictures, from the features that any network gave: FID, KID, Inception Score, and
improved precision and recall.

The first three are torchmetrics', which takes features where a network hands them through; precision and recall are
written here, since no installed library takes foreign features for them. No network is run here, and no file read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from typing_extensions import override

from speakage_engines.evaluation.figure import EvaluationError

KID_SUBSETS: Final = 100
KID_SUBSET_SIZE: Final = 1_000
"""As in Bińkowski et al. 2018; fewer when there are fewer pictures."""
NEIGHBOURS: Final = 3
"""k of Kynkäänniemi et al. 2019."""
_ROWS: Final = 1_024
"""Rows of a distance matrix held at once."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean over random parts, and the standard deviation between them."""

    mean: float
    deviation: float
    parts: int


class _Through(nn.Module):
    """Stands where torchmetrics wants a network, and hands on what was computed already."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    @override
    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: Tensor, painted: Tensor) -> float:
    """FID of Heusel et al. 2017 between features of shape (n, d), in double precision; needs two of each at least."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    _check(real, painted, at_least=2)
    with _quiet():
        metric = FrechetInceptionDistance(feature=_Through(real.shape[1])).set_dtype(torch.float64)
        metric.update(real.double(), real=True)
        metric.update(painted.double(), real=False)
        # the eigenvalues of a product of singular covariances carry noise that can pull the sum below nothing
        return max(0.0, float(metric.compute()))


def kernel_distance(real: Tensor, painted: Tensor, seed: int = 0) -> Spread:
    """KID of Bińkowski et al. 2018, not multiplied by anything; unbiased, so it may fall a little below nothing."""
    from torchmetrics.image.kid import KernelInceptionDistance

    _check(real, painted, at_least=2)
    size = min(KID_SUBSET_SIZE, len(real), len(painted))
    with _quiet(), _seeded(seed):
        metric = KernelInceptionDistance(feature=_Through(real.shape[1]), subsets=KID_SUBSETS, subset_size=size)
        metric.update(real.double(), real=True)
        metric.update(painted.double(), real=False)
        mean, deviation = metric.compute()
    return Spread(float(mean), float(deviation), KID_SUBSETS)


def inception_score(logits: Tensor, splits: int = 10, seed: int = 0) -> Spread:
    """Inception Score of Salimans et al. 2016 from logits of shape (n, classes): 1 at worst, ``classes`` at best."""
    from torchmetrics.image.inception import InceptionScore

    splits = min(splits, len(logits))
    if splits < 2:
        raise EvaluationError(f"an Inception Score of {len(logits)} pictures says nothing; give two at least")
    with _quiet(), _seeded(seed):
        metric = InceptionScore(feature=_Through(logits.shape[1]), splits=splits)
        metric.update(logits.double())
        mean, deviation = metric.compute()
    return Spread(float(mean), float(deviation), splits)


def precision_recall(real: Tensor, painted: Tensor, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Kynkäänniemi et al. 2019: the share of painted pictures within the real manifold, and of real within the painted.

    A manifold is the union of balls around each picture that reach its k-th nearest neighbour of the same set.
    """
    _check(real, painted, at_least=neighbours + 1)
    return _within(painted, real, neighbours), _within(real, painted, neighbours)


def _within(points: Tensor, manifold: Tensor, neighbours: int) -> float:
    radii = torch.cat(
        # the nearest is the point itself
        [rows.kthvalue(neighbours + 1, dim=1).values for rows in _distances(manifold, manifold)]
    )
    inside = sum(int((rows <= radii).any(dim=1).sum()) for rows in _distances(points, manifold))
    return inside / len(points)


def _distances(points: Tensor, others: Tensor) -> Iterator[Tensor]:
    """Euclidean distances, some rows at a time; not by way of matrix products, which lose the small ones."""
    for start in range(0, len(points), _ROWS):
        rows = points[start : start + _ROWS].double()
        yield torch.cdist(rows, others.double(), compute_mode="donot_use_mm_for_euclid_dist")


def _check(real: Tensor, painted: Tensor, at_least: int) -> None:
    if real.ndim != 2 or painted.ndim != 2 or real.shape[1] != painted.shape[1]:
        raise EvaluationError(
            f"features of shapes {tuple(real.shape)} and {tuple(painted.shape)} cannot be compared; "
            "take both from the same network"
        )
    if min(len(real), len(painted)) < at_least:
        raise EvaluationError(
            f"{len(real)} real and {len(painted)} painted pictures are too few; give {at_least} of each at least"
        )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The libraries draw from the global generator; leave it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """The libraries warn that features are kept in memory, which is where they came from."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*will save all extracted features.*", category=UserWarning)
        yield
