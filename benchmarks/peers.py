"""What others do with the same models: wait for the end and then transcribe and paint, or cut the sound into chunks.

Both transcribe with ``WhisperModel.transcribe`` and paint with diffusers' own pipeline on torch in fp32, with the steps
and the guidance that the embedded model names. What they would have to wait for passes on paper, what they compute is
computed and timed; they get their sound for free, and nothing else runs beside them.
"""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speakage_daemon.understanding.prompt import prompt_of
from speakage_engines.api import SAMPLE_RATE

EMBEDDED: Final = Path(__file__).resolve().parents[1] / "engines" / "speakage_engines" / "embedded"
CHUNK_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture on the screen."""

    at: float
    """s, on the clock of the recording."""
    prompt: str


class Peers:
    """Both of them, with the models loaded once."""

    def __init__(self) -> None:
        # here, and not above: torch reads the environment of its threads when it is imported
        import torch
        from diffusers import StableDiffusionPipeline
        from faster_whisper import WhisperModel

        warnings.filterwarnings("ignore", category=FutureWarning)
        settings = json.loads((EMBEDDED / "picture" / "speakage.json").read_text())
        self._whisper = WhisperModel(str(EMBEDDED / "ears"), compute_type="int8")
        self._pipeline = StableDiffusionPipeline.from_pretrained(EMBEDDED / "picture", torch_dtype=torch.float32)
        self._pipeline.set_progress_bar_config(disable=True)
        self._seeded = torch.Generator().manual_seed
        self._options: dict[str, Any] = {
            "num_inference_steps": settings["steps"], "guidance_scale": settings["guidance"],
            "height": 128, "width": 128,
        }  # fmt: skip
        # the first run of both is slow
        self._transcribe(np.zeros(SAMPLE_RATE, np.float32))
        self._paint("a house")

    def plain(self, sound: NDArray[np.float32], decided: float) -> list[Shown]:
        """All of it at the end of the turn, which is given without detection: ``decided`` on the recording's clock."""
        began = time.monotonic()
        prompt = prompt_of(self._transcribe(sound))
        self._paint(prompt)
        return [Shown(decided + time.monotonic() - began, prompt)]

    def chunks(self, sound: NDArray[np.float32], phase: float, last_voiced: float) -> list[Shown]:
        """Every 3 s what was heard since, as live tools do that know no end: the words of all chunks make the prompt.

        The first chunk ends at ``phase``, and the last is the one with the last voiced sample in it. A chunk waits
        until the one before is painted.
        """
        shown: list[Shown] = []
        words: list[str] = []
        free = beginning = 0.0
        end = phase
        while beginning < last_voiced:
            heard = sound[int(beginning * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
            began = time.monotonic()
            if text := self._transcribe(heard).strip():
                words.append(text)
                prompt = prompt_of(" ".join(words))
                self._paint(prompt)
                free = max(free, end) + time.monotonic() - began
                shown.append(Shown(free, prompt))
            beginning, end = end, end + CHUNK_S
        return shown

    def _transcribe(self, sound: NDArray[np.float32]) -> str:
        segments, _ = self._whisper.transcribe(sound, language="en", without_timestamps=True)
        return " ".join(segment.text for segment in segments)

    def _paint(self, prompt: str) -> None:
        self._pipeline(prompt, generator=self._seeded(1), **self._options)
