"""Speaks the recordings of this folder again, and writes ``manifest.json`` beside them.

The voices are synthetic, and the embedded ears never heard them in training. Needs the Debian packages ``espeak-ng``
and ``flite``. The manifest says where each sentence stops, by a rule that knows nothing of any speech detector, so
that a clock of latency may start there.

Run: ``python samples/speak.py``
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import soxr
from numpy.typing import NDArray

FOLDER: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "benchmarks"))

from speech_set import read_wav, speak  # noqa: E402  found through the line above

RULE: Final = "end of the last 10 ms whose RMS is above -40 dB of the clean sentence's peak, on the file's own clock"
LEAD_S: Final = 0.3
TAIL_S: Final = 0.4
PAUSE_S: Final = 2.0
"""Between the sentences of one file: longer than any end of turn."""
JOINED_RATE: Final = 16_000


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said, by whom, and under which file name."""

    file: str
    text: str
    voice: str
    words_per_minute: int = 150


SENTENCES: Final = (
    Sentence("castle.flac", "a castle in the snow", "espeak-ng en-us+gustave"),
    Sentence("rocket.flac", "a rocket in space", "espeak-ng en-us+gustave"),
    Sentence("robot.flac", "could you paint me a robot in the forest", "espeak-ng en-us+miguel"),
    Sentence("boat.flac", "a boat by the sea", "espeak-ng en-us+miguel"),
    Sentence("balloon.flac", "a balloon on a blue background", "espeak-ng en-us+miguel"),
    Sentence("cactus.flac", "a cactus in the desert", "flite awb", 140),
    Sentence("house.flac", "a house at night", "espeak-ng en-us+gustave", 165),
    Sentence("snowman.flac", "a snowman in the snow", "espeak-ng en-gb-scotland"),
)
JOINED: Final = ("castle.flac", "rocket.flac", "robot.flac")


def last_voiced_ms(pcm: NDArray[np.int16], rate: int) -> float:
    """Where a clean sentence stops, by :data:`RULE`."""
    block = rate // 100
    whole = pcm[: len(pcm) // block * block].reshape(-1, block).astype(np.float64)
    voiced = np.flatnonzero(np.sqrt((whole**2).mean(axis=1)) > np.abs(pcm.astype(np.float64)).max() / 100)
    return round((int(voiced[-1]) + 1) * block * 1000 / rate, 1)


def synthesise(sentence: Sentence) -> tuple[NDArray[np.int16], int]:
    """The clean sentence and its rate, without the silence that the synthesiser adds around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        speak(sentence.text, sentence.voice, path, sentence.words_per_minute)
        pcm, rate = read_wav(path)
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 3)
    return pcm[loud[0] : loud[-1] + 1], rate


def write_flac(path: Path, pcm: NDArray[np.int16], rate: int) -> None:
    """Mono, 16 bit."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux([*stream.encode(frame), *stream.encode(None)])


def silence(seconds: float, rate: int) -> NDArray[np.int16]:
    """That long, digitally silent."""
    return np.zeros(round(seconds * rate), np.int16)


def write_single(sentence: Sentence) -> dict[str, Any]:
    """One sentence in a file of its own; its line of the manifest."""
    spoken, rate = synthesise(sentence)
    pcm = np.concatenate([silence(LEAD_S, rate), spoken, silence(TAIL_S, rate)])
    write_flac(FOLDER / sentence.file, pcm, rate)
    return described(sentence, pcm, rate, 0.0) | {"sample_rate": rate}


def write_joined(file: str, sentences: list[Sentence]) -> dict[str, Any]:
    """Several sentences in one file, with pauses between them; its line of the manifest."""
    parts = [silence(LEAD_S, JOINED_RATE)]
    lines = []
    for sentence in sentences:
        spoken, rate = synthesise(sentence)
        before_ms = sum(map(len, parts)) * 1000 / JOINED_RATE
        parts.append(soxr.resample(spoken, rate, JOINED_RATE))
        lines.append(described(sentence, parts[-1], JOINED_RATE, before_ms))
        parts.append(silence(PAUSE_S, JOINED_RATE))
    write_flac(FOLDER / file, np.concatenate(parts), JOINED_RATE)
    return {"file": file, "sample_rate": JOINED_RATE, "sentences": [line | {"file": file} for line in lines]}


def described(sentence: Sentence, pcm: NDArray[np.int16], rate: int, before_ms: float) -> dict[str, Any]:
    """A sentence's line of the manifest; ``pcm`` begins ``before_ms`` after its file does."""
    return {
        "file": sentence.file,
        "text": sentence.text,
        "voice": sentence.voice,
        "words_per_minute": sentence.words_per_minute,
        "last_voiced_ms": round(before_ms + last_voiced_ms(pcm, rate), 1),
    }


def main() -> None:
    """Write every file and the manifest."""
    manifest = {
        "rule": RULE,
        "samples": [write_single(sentence) for sentence in SENTENCES],
        "joined": [write_joined("three-sentences.flac", [s for s in SENTENCES if s.file in JOINED])],
    }
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
