"""How long finals took, as Prometheus histograms in seconds; they are told every final that is published.

What each moment means is said once, at :class:`speakage_daemon.events.Timings`. This module does *not* measure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import Histogram
from prometheus_client.core import Metric

from speakage_daemon.events import Timings

_STEPS: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Fine where a person still notices a tenth of a second, coarse where all is slow; a final has waited 0.6 s for the end
of the turn at the least, and a large model on a small machine takes half a minute."""
_AROUND: Final = (-30.0, -10.0, -5.0, -3.0, -2.0, -1.5, -1.0, -0.75, -0.5, -0.25, 0.0, *_STEPS)
"""For what may come before the last voiced sample: an upper bound may lie below zero, as a bucket only counts what is
at or below it. A sum that falls as well as rises would mean nothing to Prometheus, so the library leaves it out."""
_MOMENTS: Final = {
    "last_voiced_to_first_preview": ("From the last voiced sample to the first image; negative before it.", _AROUND),
    "last_voiced_to_final_pixels": ("From the last voiced sample to the final picture's pixels.", _AROUND),
    "pause_to_final_pixels": ("From the pause being found to the final picture's pixels.", _AROUND),
    "decision_to_final": ("From the end-of-turn decision to the final picture's announcement.", _STEPS),
    "work_after_decision": ("Transcribing and painting after the end-of-turn decision.", (0.0, 0.001, 0.01, *_STEPS)),
}
_STAGES: Final = ("transcribe", "rewrite", "queue", "encode_prompt", "denoise", "decode", "encode_image")
_WORK: Final = (0.001, 0.0025, 0.005, 0.01, *_STEPS)


class Measures:
    """Histograms of one daemon."""

    def __init__(self) -> None:
        self._moments = {
            name: Histogram(f"speakage_{name}_seconds", meaning, registry=None, buckets=buckets)
            for name, (meaning, buckets) in _MOMENTS.items()
        }
        self._stages = Histogram(
            "speakage_stage_seconds", "Work for a final picture, by stage.", ["stage"], registry=None, buckets=_WORK
        )

    def note(self, timings: Timings) -> None:
        """Of one final; what it does not have is not counted."""
        for name, histogram in self._moments.items():
            _observe(histogram, getattr(timings, f"{name}_ms"))
        for stage in _STAGES:
            _observe(self._stages.labels(stage), getattr(timings, f"{stage}_ms"))

    def collect(self) -> Iterator[Metric]:
        """As they are now."""
        for histogram in (*self._moments.values(), self._stages):
            yield from histogram.collect()


def _observe(histogram: Histogram, milliseconds: float | None) -> None:
    if milliseconds is not None:
        histogram.observe(milliseconds / 1e3)
