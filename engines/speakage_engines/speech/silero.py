"""Silero's voice activity network, run as a stream: state and context are kept from call to call.

The ONNX file (version 6, MIT) is the one that faster-whisper ships; its own wrapper starts from nothing at every
call, which is right for a whole recording and wrong for a microphone. This module does *not* decide when an
utterance starts or ends: that is the segmenter's.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speakage_engines.api import ModelError, Samples

BLOCK_SAMPLES: Final = 512
"""Samples the network judges at once: 32 ms."""
CONTEXT_SAMPLES: Final = 64
"""Samples of the block before that it is shown again."""
STATE_SHAPE: Final = (1, 1, 128)
MODEL_FILE: Final = "silero_vad_v6.onnx"

_REMEDY: Final = "install it again: pip install --force-reinstall faster-whisper"


class Silero:
    """One stream of speech probabilities. Cutting the audio differently never changes them."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # one small network fifty times a second: more threads only wake up and wait
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        options.log_severity_level = 3
        asset = files("faster_whisper") / "assets" / MODEL_FILE
        if not asset.is_file():
            raise ModelError(f"{asset}: missing from the package faster-whisper; {_REMEDY}")
        with as_file(asset) as path:
            try:
                self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            # onnxruntime has one class for each kind of damage, all directly under Exception
            except Exception as error:
                raise ModelError(f"{path}: cannot be loaded ({error}); {_REMEDY}") from error
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self._hidden = np.zeros(STATE_SHAPE, np.float32)
        self._cell = np.zeros(STATE_SHAPE, np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._rest = np.empty(0, np.float32)
        self._probability = 0.0

    def feed(self, pcm: Samples) -> float:
        """Take any number of samples; the probability of speech, 0 to 1, in the newest finished block.

        Before the first block is finished it is 0.
        """
        self._rest = np.concatenate([self._rest, pcm.astype(np.float32) / 32_768])
        while len(self._rest) >= BLOCK_SAMPLES:
            block, self._rest = self._rest[:BLOCK_SAMPLES], self._rest[BLOCK_SAMPLES:]
            self._probability = self._judge(block)
        return self._probability

    def _judge(self, block: NDArray[np.float32]) -> float:
        inputs = {"input": np.concatenate([self._context, block])[None], "h": self._hidden, "c": self._cell}
        probability, self._hidden, self._cell = self._session.run(None, inputs)
        self._context = block[-CONTEXT_SAMPLES:]
        return float(probability.item())
