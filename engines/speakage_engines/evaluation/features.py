"""Feature networks: what turns pictures into the vectors that distances are measured between.

Two kinds. ``scenes`` is the scene detector: at hand offline, and it knows drawn scenes only, so its figures compare
with its own and with nothing published. ``inception`` is the Inception v3 of the FID paper as torch-fidelity ports
it; its weights are a download, which this module never makes: it names the command. No distance is computed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from speakage_engines.evaluation.detector import SceneDetector, class_logits
from speakage_engines.evaluation.figure import EvaluationError

INCEPTION_FILE: Final = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_ADDRESS: Final = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION_FILE}"
_INCEPTION_SIDE: Final = 299


@dataclass(frozen=True, slots=True)
class Features:
    """What a network says of some pictures."""

    vectors: Tensor
    """Shape (n, width)."""
    logits: Tensor
    """Of classes, shape (n, classes)."""


class FeatureNetwork(Protocol):
    """Turns pictures into features."""

    name: str
    """With the width, as it stands beside every figure."""

    def __call__(self, pictures: Tensor) -> Features:
        """Take uint8 pictures of shape (n, 3, h, w)."""


class SceneFeatures:
    """The scene detector as a :class:`FeatureNetwork`; its classes are its nouns."""

    def __init__(self, detector: SceneDetector) -> None:
        self.name = f"scenes ({8 * detector.config.width})"
        self._detector = detector.eval()

    def __call__(self, pictures: Tensor) -> Features:
        """The pooled features of the last stage, and how strongly each noun shows."""
        with torch.inference_mode():
            maps = self._detector(pictures)
            return Features(maps.features.clone(), class_logits(maps).clone())


class InceptionFeatures:
    """Inception v3 (2015-12-05, 2048 wide) as a :class:`FeatureNetwork`, fed as torchmetrics feeds it."""

    name = "Inception v3 2015-12-05 (2048)"

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(self, pictures: Tensor) -> Features:
        """Pictures are scaled to 299 pixels with anti-aliasing."""
        side = (_INCEPTION_SIDE, _INCEPTION_SIDE)
        scaled = functional.interpolate(
            pictures.float(), size=side, mode="bilinear", align_corners=False, antialias=True
        )
        with torch.inference_mode():
            vectors, logits = self._network(scaled.round().clamp(0, 255).byte())
        return Features(vectors, logits)


def load_inception(weights: Path | None = None) -> InceptionFeatures:
    """Load it; raises :class:`EvaluationError` with the exact commands when the package or the weights are missing."""
    path = weights or Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE
    fetch = f"curl -L --create-dirs -o {path} {INCEPTION_ADDRESS}"
    if missing := [name for name in ("torch_fidelity", "torchvision") if find_spec(name) is None]:
        also = "" if path.is_file() else f", and its weights with: {fetch}"
        raise EvaluationError(
            f"Inception v3 needs {' and '.join(missing)}, which must match the installed torch {torch.__version__}; "
            f"get it with: pip install torch-fidelity torchvision (of the same kind as torch){also}"
        )
    if not path.is_file():
        raise EvaluationError(f"Inception v3 needs its weights at {path}; get them with: {fetch}")
    try:
        # the package unpickles whatever the file holds; refuse what is more than weights before it does
        torch.load(path, map_location="cpu", weights_only=True)
        # not installed everywhere, so no checker of types may ask for it
        package = import_module("torch_fidelity.feature_extractor_inceptionv3")
        network = package.FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
        )
    except (ImportError, OSError, RuntimeError, ValueError, EOFError, LookupError, UnpicklingError) as error:
        raise EvaluationError(
            f"Inception v3 cannot be loaded ({str(error)[:160]}); install a torchvision that matches torch "
            f"{torch.__version__}, or fetch the weights again with: {fetch}"
        ) from None
    return InceptionFeatures(network.eval())


def read_features(network: FeatureNetwork, batches: Iterable[Tensor]) -> Features:
    """Features of all pictures, batch by batch."""
    read = [network(batch) for batch in batches]
    if not read:
        raise EvaluationError("there are no pictures to look at")
    return Features(torch.cat([part.vectors for part in read]), torch.cat([part.logits for part in read]))
