"""Says of every 20 ms whether it is speech: WebRTC's detector opens, Silero confirms.

Both verdicts are handed on; this module does *not* weigh them, and knows no pauses and no utterances.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import webrtcvad

from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE, Activity, Samples
from speakage_engines.speech.silero import Silero

AGGRESSIVENESS: Final = 2
"""Of 0 to 3. Level 3 missed up to a quarter of the frames of speech at 20 dB over noise, and took loud steady noise for
speech like the others: that is for Silero to catch, so WebRTC may err towards speech."""


class WebRtcSilero:
    """An :class:`~speakage_engines.api.SpeechDetector` of the two."""

    def __init__(self) -> None:
        self._silero = Silero()
        self._webrtc = webrtcvad.Vad(AGGRESSIVENESS)

    def feed(self, frame: Samples) -> Activity:
        """Judge the next frame; raises ``ValueError`` unless it is 320 samples of int16."""
        if frame.shape != (FRAME_SAMPLES,) or frame.dtype != np.int16:
            raise ValueError(f"a frame is {FRAME_SAMPLES} samples of int16, not {frame.shape} of {frame.dtype}")
        voiced = self._webrtc.is_speech(frame.tobytes(), SAMPLE_RATE)
        return Activity(voiced=voiced, probability=self._silero.feed(frame))

    def reset(self) -> None:
        """Forget the past: another source speaks."""
        self._silero.reset()
        self._webrtc = webrtcvad.Vad(AGGRESSIVENESS)
