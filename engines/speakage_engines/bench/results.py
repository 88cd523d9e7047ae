"""From calls to figures: medians, ratios against the baseline of the same run, and how far each can be trusted. Pure.

Calls of one round share the machine's mood, so intervals are bootstrapped over whole rounds (Field and Welsh 2007),
and a ratio takes both contestants' calls from the same rounds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from speakage_engines.api import Rgb
from speakage_engines.bench.plan import BASELINE, Subject
from speakage_engines.bench.rounds import Result
from speakage_engines.evaluation.figure import Evaluation, Figure, Interval, LeftOut

STAGES: Final = ("encode_prompt", "denoise", "decode", "jpeg")
"""Fields of a call, in the order in which they happen."""
_RESAMPLES: Final = 2_000
_MEANING: Final = "95 % bootstrap over rounds"


def evaluate(subject: Subject, results: Sequence[Result], left_out: Sequence[LeftOut] = ()) -> Evaluation:
    """All figures of a run; ``left_out`` are the contestants that had no turn."""
    baseline = next((result for result in results if result.contestant.name == BASELINE), None)
    figures: list[Figure] = []
    missing = list(left_out)
    for result in results:
        sheet = _Sheet(subject, result)
        figures += [*sheet.times(), *sheet.costs()]
        if baseline is not None and result is not baseline:
            figures += sheet.against(baseline)
        if result.contestant.ours and result.contestant.backend != "torch" and result.build is None:
            reason = "its engines were there already; `speakage engines prune --all` has them made again"
            missing.append(LeftOut(f"{result.contestant.name}: engine build", reason))
    return Evaluation(subject.title, tuple(figures), tuple(missing))


def name_of(subject: Subject, result: Result, what: str) -> str:
    """``bench.embedded.speakage-openvino-auto.p50``."""
    return f"bench.{subject.slug}.{result.contestant.slug}.{what}"


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One contestant's figures."""

    subject: Subject
    result: Result

    def times(self) -> list[Figure]:
        """Milliseconds from a prompt to its JPEG, and where they went."""
        result = self.result
        totals = [call.total for call in result.calls]
        interval = over_rounds(len(result.rounds), lambda rounds: median_of(result, rounds))
        figures = [
            self._figure("p50", statistics.median(totals), "ms", interval),
            self._figure("p95", float(np.percentile(totals, 95)), "ms"),
            self._figure("images_per_second", 1e3 * len(totals) / math.fsum(totals), "1/s"),
        ]
        for stage in STAGES:
            value = statistics.median(getattr(call, stage) for call in result.calls)
            if not math.isnan(value):
                figures.append(self._figure(f"{stage}.p50", value, "ms"))
        return figures

    def costs(self) -> list[Figure]:
        """Memory, loading, building, and how often the text encoder ran."""
        result = self.result
        figures = [
            self._figure("peak_memory", result.peak / 1e6, "MB"),
            self._figure("load", statistics.median(result.loads), "s"),
        ]
        if result.build is not None:
            figures.append(self._figure("build", result.build, "s"))
        runs = [call.encoder_runs for call in result.calls if call.encoder_runs is not None]
        if runs:
            figures.append(self._figure("text_encoder_runs.new_prompt", statistics.fmean(runs), ""))
        if result.repeat_runs is not None:
            figures.append(self._figure("text_encoder_runs.repeated_prompt", result.repeat_runs, ""))
        return figures

    def against(self, baseline: Result) -> list[Figure]:
        """How many times faster than the baseline, and how like its picture."""

        def ratio(rounds: Sequence[int]) -> float:
            return median_of(baseline, rounds) / median_of(self.result, rounds)

        count = len(self.result.rounds)
        figures = [self._figure("times_faster", ratio(range(count)), "×", over_rounds(count, ratio))]
        likeness = psnr(self.result.picture, baseline.picture)
        if math.isfinite(likeness):
            figures.append(self._figure("likeness", likeness, "dB"))
        return figures

    def _figure(self, what: str, value: float, unit: str, interval: Interval | None = None) -> Figure:
        subject = self.subject
        return Figure(
            name=name_of(subject, self.result, what),
            value=value,
            unit=unit,
            n=len(self.result.calls),
            resolution=f"{subject.size}×{subject.size}",
            features=f"{self.result.about}, {subject.steps} step{'s' if subject.steps > 1 else ''}",
            interval=interval,
        )


def median_of(result: Result, rounds: Sequence[int]) -> float:
    """Milliseconds of all calls of these rounds."""
    return statistics.median(call.total for number in rounds for call in result.rounds[number])


def over_rounds(count: int, statistic: Callable[[Sequence[int]], float]) -> Interval | None:
    """The percentile interval of a statistic when whole rounds are drawn again; None below two rounds."""
    if count < 2:
        return None
    drawn = np.random.default_rng(0).integers(count, size=(_RESAMPLES, count))
    low, high = np.percentile([statistic(numbers.tolist()) for numbers in drawn], (2.5, 97.5))
    return Interval(float(low), float(high), _MEANING)


def psnr(one: Rgb, other: Rgb) -> float:
    """Peak signal to noise in dB; infinite for pictures that are the same."""
    error = float(np.square(one.astype(np.float64) - other).mean())
    return 10 * math.log10(255**2 / error) if error else math.inf
