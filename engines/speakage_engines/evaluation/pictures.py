"""Evaluate a set of pictures: against a reference set, against their pairs, against their captions.

What cannot be computed is not passed over: it comes back as left out, with the reason and the command that helps.
Whether the right things are in a picture is another question: see :mod:`~speakage_engines.evaluation.scene`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from torch import Tensor

from speakage_engines.evaluation.captions import CLIP_MODEL, load_clip
from speakage_engines.evaluation.detector import embedded_detector, read_detector
from speakage_engines.evaluation.distances import (
    KID_SUBSET_SIZE,
    NEIGHBOURS,
    Spread,
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
)
from speakage_engines.evaluation.features import (
    FeatureNetwork,
    Features,
    SceneFeatures,
    load_inception,
    read_features,
)
from speakage_engines.evaluation.figure import Evaluation, EvaluationError, Figure, Interval, LeftOut, of_mean
from speakage_engines.evaluation.likeness import load_lpips, ms_ssim, psnr, ssim
from speakage_engines.evaluation.picture_set import PictureSet

Metric = Literal["fid", "kid", "precision_recall", "inception_score", "psnr", "ssim", "ms_ssim", "lpips", "clip_score"]
Network = Literal["scenes", "inception"]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)
_BATCH: Final = 16
_Measure: TypeAlias = Callable[[Tensor, Tensor], list[float]]
"""Of pictures and references, one value a pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """What to measure, and where the networks lie."""

    metrics: tuple[Metric, ...] = METRICS
    features: tuple[Network, ...] = ("scenes", "inception")
    detector: Path | None = None
    """Folder of the scene detector; ``None`` takes the one that ships."""
    inception_weights: Path | None = None
    """``None``: where torch keeps its downloads."""
    lpips_weights: Path | None = None
    """``None``: where torch keeps its downloads."""
    clip_model: str = CLIP_MODEL


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pictures of the same name in both sets: their numbers here and there."""

    reference: PictureSet
    ours: tuple[int, ...]
    theirs: tuple[int, ...]


def evaluate_pictures(
    subject: PictureSet, *, reference: PictureSet | None = None, options: PictureOptions | None = None
) -> Evaluation:
    """All asked metrics that can be had.

    Distances and pairs need a ``reference``; pairs are pictures of the same name. Raises :class:`EvaluationError` only
    for what makes the whole evaluation impossible, such as a picture that cannot be read.
    """
    options = options or PictureOptions()
    figures: list[Figure] = []
    left_out: list[LeftOut] = []
    for measure in (_distances, _likenesses, _captions):
        measure(_Work(subject, reference, options, figures, left_out))
    return Evaluation(subject.name, tuple(figures), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Work:
    """What is measured, and where the results go."""

    subject: PictureSet
    reference: PictureSet | None
    options: PictureOptions
    figures: list[Figure]
    left_out: list[LeftOut]

    def asked(self, *metrics: Metric) -> list[Metric]:
        return [metric for metric in metrics if metric in self.options.metrics]

    def leave_out(self, metrics: Sequence[Metric], reason: str, features: str = "") -> None:
        suffix = f" ({features})" if features else ""
        self.left_out.extend(LeftOut(f"{_NAMES[metric]}{suffix}", reason) for metric in metrics)


_NAMES: Final[dict[Metric, str]] = {
    "fid": "FID",
    "kid": "KID",
    "precision_recall": "precision and recall",
    "inception_score": "Inception Score",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "lpips": "LPIPS",
    "clip_score": "CLIP score",
}


def _distances(work: _Work) -> None:
    """FID, KID, precision, recall and Inception Score, once for each feature network."""
    asked = work.asked("fid", "kid", "precision_recall", "inception_score")
    if work.reference is None:
        work.leave_out(
            [metric for metric in asked if metric != "inception_score"],
            "it compares with other pictures; give a reference",
        )
        asked = [metric for metric in asked if metric == "inception_score"]
    if not asked:
        return
    for name in work.options.features:
        try:
            network = _network(name, work.options)
        except EvaluationError as error:
            work.leave_out(asked, str(error), name)
            continue
        painted = read_features(network, work.subject.batches(_BATCH))
        real = None if work.reference is None else read_features(network, work.reference.batches(_BATCH))
        for metric in asked:
            try:
                work.figures.extend(_distance(metric, work.subject, painted, real, network.name))
            except EvaluationError as error:
                work.leave_out([metric], str(error), name)


def _distance(
    metric: Metric, subject: PictureSet, painted: Features, real: Features | None, network: str
) -> list[Figure]:
    def figure(name: str, value: float, interval: Interval | None = None) -> Figure:
        return Figure(
            name=name,
            value=value,
            unit="",
            # a distance is as good as the smaller of its two sets
            n=len(painted.vectors) if real is None else min(len(painted.vectors), len(real.vectors)),
            resolution=subject.resolution,
            features=network,
            interval=interval,
        )

    if metric == "inception_score" or real is None:
        score = inception_score(painted.logits)
        return [figure("Inception Score", score.mean, _between(score, f"{score.parts} parts"))]
    if metric == "fid":
        return [figure("FID", frechet_distance(real.vectors, painted.vectors))]
    if metric == "kid":
        kid = kernel_distance(real.vectors, painted.vectors)
        size = min(KID_SUBSET_SIZE, len(real.vectors), len(painted.vectors))
        # a subset that is the whole set has nothing to vary
        varied = size < min(len(real.vectors), len(painted.vectors))
        return [figure("KID", kid.mean, _between(kid, f"{kid.parts} subsets of {size}") if varied else None)]
    precision, recall = precision_recall(real.vectors, painted.vectors)
    return [figure(f"precision (k = {NEIGHBOURS})", precision), figure(f"recall (k = {NEIGHBOURS})", recall)]


def _between(spread: Spread, parts: str) -> Interval:
    return Interval(
        spread.mean - spread.deviation, spread.mean + spread.deviation, f"± standard deviation over {parts}"
    )


def _likenesses(work: _Work) -> None:
    """PSNR, SSIM, MS-SSIM and LPIPS of the pairs."""
    asked = work.asked("psnr", "ssim", "ms_ssim", "lpips")
    if not asked:
        return
    pairs = _pairs(work)
    if isinstance(pairs, str):
        work.leave_out(asked, pairs)
        return
    for metric in asked:
        try:
            values, features = _likeness(metric, work, pairs)
        except EvaluationError as error:
            work.leave_out([metric], str(error))
            continue
        work.figures.append(
            Figure(
                name=_NAMES[metric],
                value=sum(values) / len(values),
                unit="dB" if metric == "psnr" else "",
                n=len(values),
                resolution=work.subject.resolution,
                features=features,
                interval=None if float("inf") in values else of_mean(values),
            )
        )


def _likeness(metric: Metric, work: _Work, pairs: _Pairs) -> tuple[list[float], str]:
    measure, features = _measure(metric, work.options)
    values: list[float] = []
    for start in range(0, len(pairs.ours), _BATCH):
        ours = work.subject.tensor(pairs.ours[start : start + _BATCH])
        values += measure(ours, pairs.reference.tensor(pairs.theirs[start : start + _BATCH]))
    return values, features


def _measure(metric: Metric, options: PictureOptions) -> tuple[_Measure, str]:
    """What measures, and the feature network it uses."""
    match metric:
        case "psnr":
            return psnr, ""
        case "ssim":
            return ssim, ""
        case "ms_ssim":
            return ms_ssim, ""
        case _:
            network = load_lpips(options.lpips_weights)
            return lambda ours, theirs: [float(value) for value in network(ours, theirs)], "AlexNet, LPIPS 0.1"


def _captions(work: _Work) -> None:
    """The CLIP score of the pictures that have a caption."""
    asked = work.asked("clip_score")
    if not asked:
        return
    numbers = [number for number, caption in enumerate(work.subject.captions) if caption]
    if not numbers:
        work.leave_out(asked, "no picture has a caption; put NAME.txt beside each picture")
        return
    try:
        clip = load_clip(work.options.clip_model)
    except EvaluationError as error:
        work.leave_out(asked, str(error))
        return
    scores: list[float] = []
    for start in range(0, len(numbers), _BATCH):
        part = numbers[start : start + _BATCH]
        scores += clip([work.subject.read(n) for n in part], [work.subject.captions[n] for n in part])
    work.figures.append(
        Figure(
            name="CLIP score",
            value=sum(scores) / len(scores),
            unit="",
            n=len(scores),
            resolution=work.subject.resolution,
            features=clip.name,
            interval=of_mean(scores),
        )
    )


def _network(name: Network, options: PictureOptions) -> FeatureNetwork:
    if name == "inception":
        return load_inception(options.inception_weights)
    return SceneFeatures(read_detector(options.detector or embedded_detector()))


def _pairs(work: _Work) -> _Pairs | str:
    """The pairs, or why there are none."""
    if work.reference is None:
        return "it compares with a picture of the same name; give a reference"
    theirs = {name: number for number, name in enumerate(work.reference.names)}
    both = [(number, theirs[name]) for number, name in enumerate(work.subject.names) if name in theirs]
    if not both:
        return f"no picture of {work.subject.name} has the name of one of {work.reference.name}"
    if work.subject.resolution != work.reference.resolution:
        return (
            f"{work.subject.name} is of {work.subject.resolution} pixels and {work.reference.name} of "
            f"{work.reference.resolution}; give a size that both are scaled to"
        )
    return _Pairs(work.reference, tuple(ours for ours, _ in both), tuple(number for _, number in both))
