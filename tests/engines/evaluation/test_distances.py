"""Distances between sets, against values that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from speakage_engines.evaluation.distances import (
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
)
from speakage_engines.evaluation.figure import EvaluationError


def gaussian(n: int, width: int, seed: int) -> Tensor:
    return torch.randn((n, width), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whitened(n: int, width: int) -> Tensor:
    """Exactly of mean nothing and covariance one, so that the formulas hold without sampling error."""
    points = gaussian(n, width, 1)
    points = points - points.mean(dim=0)
    covariance = points.T @ points / (n - 1)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), points.T, upper=False).T


def test_identical_sets_are_at_no_distance() -> None:
    points = gaussian(400, 32, 0)
    assert frechet_distance(points, points.clone()) == pytest.approx(0, abs=1e-6)
    assert precision_recall(points, points.clone()) == (1.0, 1.0)


def test_a_shifted_gaussian_is_at_the_square_of_the_shift() -> None:
    points = whitened(500, 16)
    shift = torch.linspace(-1, 1, 16, dtype=torch.float64)
    assert frechet_distance(points, points + shift) == pytest.approx(float((shift**2).sum()), rel=1e-9)


def test_a_scaled_gaussian_is_at_width_times_the_square_of_the_difference() -> None:
    """Tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½) = d (σ₁ - σ₂)²."""
    points = whitened(500, 16)
    assert frechet_distance(points, 3 * points) == pytest.approx(16 * 4, rel=1e-9)


def test_a_rotated_gaussian_of_unequal_spreads_against_the_square_root_of_the_matrix() -> None:
    first = gaussian(800, 6, 2) * torch.tensor([1.0, 2, 3, 4, 5, 6])
    second = gaussian(800, 6, 3) @ gaussian(6, 6, 4) + 1
    mean = ((first.mean(0) - second.mean(0)) ** 2).sum()
    one, other = torch.cov(first.T).numpy(), torch.cov(second.T).numpy()
    values, vectors = np.linalg.eigh(one)
    root = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ other @ root)).sum()
    wanted = float(mean) + np.trace(one) + np.trace(other) - 2 * cross
    assert frechet_distance(first, second) == pytest.approx(wanted, rel=1e-9)


def test_fewer_pictures_than_features_give_a_number_that_is_not_below_nothing() -> None:
    points = gaussian(20, 64, 5).float()
    assert 0 <= frechet_distance(points, points.clone()) < 1e-3


def test_kernel_distance_against_the_sums_written_out() -> None:
    real, painted = gaussian(12, 4, 6), gaussian(12, 4, 7) + 0.5

    def kernel(a: Tensor, b: Tensor) -> float:
        return float((a @ b / 4 + 1) ** 3)

    n = 12
    within = sum(kernel(s[i], s[j]) for s in (real, painted) for i in range(n) for j in range(n) if i != j)
    between = sum(kernel(a, b) for a in real for b in painted)
    wanted = within / (n * (n - 1)) - 2 * between / n**2
    found = kernel_distance(real, painted)
    assert found.mean == pytest.approx(wanted, rel=1e-9)
    # each subset is the whole set
    assert found.deviation == pytest.approx(0, abs=1e-9)


def test_kernel_distance_of_one_distribution_is_near_nothing_and_repeats() -> None:
    real, painted = gaussian(300, 8, 8), gaussian(300, 8, 9)
    found = kernel_distance(real, painted, seed=3)
    assert abs(found.mean) < 0.1
    assert found == kernel_distance(real, painted, seed=3)
    assert kernel_distance(real, painted + 1).mean > 1


def test_inception_score_is_1_for_one_class_and_all_classes_for_an_even_choice() -> None:
    even = torch.eye(5, dtype=torch.float64).repeat(200, 1) * 50
    assert inception_score(even, splits=1 + 1).mean == pytest.approx(5, rel=0.02)
    assert inception_score(torch.ones(100, 5)).mean == pytest.approx(1, abs=1e-6)


def test_precision_and_recall_against_every_distance_counted() -> None:
    real, painted = gaussian(60, 3, 10), gaussian(50, 3, 11) * 0.7 + 0.4

    def inside(points: Tensor, manifold: Tensor) -> float:
        ours, theirs = points.numpy(), manifold.numpy()
        radii = [sorted(np.linalg.norm(theirs - point, axis=1))[3] for point in theirs]
        hits = [any(np.linalg.norm(p - m) <= r for m, r in zip(theirs, radii, strict=True)) for p in ours]
        return float(np.mean(hits))

    precision, recall = precision_recall(real, painted)
    assert precision == pytest.approx(inside(painted, real))
    assert recall == pytest.approx(inside(real, painted))
    assert 0 < recall < precision < 1


def test_a_painter_of_one_thing_is_precise_and_recalls_little() -> None:
    """Kynkäänniemi et al., figure 1: what collapses keeps its precision."""
    real = torch.cat([gaussian(100, 2, 12), gaussian(100, 2, 13) + 20])
    painted = gaussian(100, 2, 14) * 0.9
    precision, recall = precision_recall(real, painted)
    assert precision > 0.9
    assert recall < 0.55


def test_what_cannot_be_compared_says_why() -> None:
    with pytest.raises(EvaluationError, match="same network"):
        frechet_distance(gaussian(5, 3, 0), gaussian(5, 4, 0))
    with pytest.raises(EvaluationError, match="4 of each"):
        precision_recall(gaussian(3, 3, 0), gaussian(9, 3, 0))
    with pytest.raises(EvaluationError, match="two at least"):
        inception_score(torch.zeros(1, 3))


def test_the_global_generator_is_left_as_it_was() -> None:
    before = torch.get_rng_state()
    kernel_distance(gaussian(50, 4, 0), gaussian(50, 4, 1))
    inception_score(gaussian(50, 4, 0))
    assert torch.equal(before, torch.get_rng_state())
