"""The same figures as a picture: one bar a contestant, as long as a call takes, cut into its stages."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from speakage_engines.bench.plan import BenchError, Subject
from speakage_engines.bench.results import STAGES
from speakage_engines.bench.rounds import Result

_COLOURS: Final = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#bbbbbb")
"""Told apart by the colour-blind too (Paul Tol's bright scheme); the last is what no stage accounts for."""
_WORDS: Final = ("prompt", "denoise", "decode", "JPEG", "the rest")


def check_plotting() -> None:
    """Raises :class:`BenchError` when nothing can be plotted here."""
    if find_spec("matplotlib") is None:
        raise BenchError("matplotlib is not installed; install it with: pip install 'speakage[bench]'")


def plot(subject: Subject, results: Sequence[Result], path: Path) -> None:
    """Write a WebP of a few KB; raises :class:`BenchError`."""
    check_plotting()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.9 + 0.45 * len(results)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names = [result.contestant.name for result in results]
    lengths = [_stages(result) for result in results]
    starts = [0.0] * len(results)
    for number, (word, colour) in enumerate(zip(_WORDS, _COLOURS, strict=True)):
        widths = [stages[number] for stages in lengths]
        axes.barh(names, widths, left=starts, color=colour, label=word)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("ms from prompt to JPEG (means)")
    axes.set_title(subject.title)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(_WORDS), frameon=False)
    figure.savefig(path, dpi=100)


def _stages(result: Result) -> list[float]:
    """Means, since only they add up; a stage that cannot be seen is part of the rest."""
    means = [statistics.fmean(getattr(call, stage) for call in result.calls) for stage in STAGES]
    seen = [0.0 if math.isnan(mean) else mean for mean in means]
    total = statistics.fmean(call.total for call in result.calls)
    return [*seen, max(0.0, total - sum(seen))]
