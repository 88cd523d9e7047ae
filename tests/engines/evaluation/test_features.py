"""Feature networks: what is missing is said within seconds, with the command; Inception's input is checked."""

from __future__ import annotations

import importlib.util
import pickle
import re
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from speakage_engines.evaluation import features
from speakage_engines.evaluation.features import InceptionFeatures, load_inception, read_features
from speakage_engines.evaluation.figure import EvaluationError


class StandInInception:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.given: list[Tensor] = []

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        self.given.append(pictures)
        return torch.zeros(len(pictures), 2048), torch.zeros(len(pictures), 1008)


def test_what_inception_lacks_is_said_with_the_command_within_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    path = tmp_path / "missing.pth"
    with pytest.raises(EvaluationError, match=rf"curl -L --create-dirs -o {re.escape(str(path))} https://github\.com"):
        load_inception(path)
    assert time.monotonic() - began < 10


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "find_spec", lambda name: None)
    with pytest.raises(
        EvaluationError, match=r"torch_fidelity and torchvision.*pip install torch-fidelity torchvision"
    ):
        load_inception(tmp_path / "missing.pth")


def test_a_package_that_does_not_fit_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(features, "find_spec", lambda name: importlib.util.find_spec("torch"))
    monkeypatch.setattr(features, "import_module", refuse)
    weights = tmp_path / "weights.pth"
    torch.save({}, weights)
    with pytest.raises(EvaluationError, match=r"nms does not exist\).*torchvision that matches torch"):
        load_inception(weights)
    weights.write_bytes(pickle.dumps(Path, protocol=2))
    with pytest.raises(EvaluationError, match="fetch the weights again with: curl") as refused:
        load_inception(weights)
    assert "nms" not in str(refused.value)


def test_inception_is_fed_bytes_of_299_pixels_and_read_batch_by_batch() -> None:
    network = StandInInception()
    batches = [torch.full((n, 3, 64, 64), 7, dtype=torch.uint8) for n in (2, 1)]
    found = read_features(InceptionFeatures(network), batches)
    assert found.vectors.shape == (3, 2048)
    assert found.logits.shape == (3, 1008)
    assert {tuple(given.shape[1:]) for given in network.given} == {(3, 299, 299)}
    assert network.given[0].dtype == torch.uint8
    assert network.given[0].unique().tolist() == [7]
    with pytest.raises(EvaluationError, match="no pictures"):
        read_features(InceptionFeatures(network), [])
