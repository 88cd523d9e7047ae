"""From the last syllable to the picture: Speakage against the plain sequence, same sentences, machine and run.

The clock starts at the last 10 ms above −40 dB of the clean recording's peak, computed from the recording itself,
never from our own detection. Both paint with the same weights, steps and guidance and wait 600 ms for the end of turn.

* ours: the installed daemon as a process; a client sends the recording paced in real time, 20 ms at a time. *First
  preview* is the first image that the client receives, *final pixels* the first whose RGB hash is the final picture's.
* the plain sequence: the end-of-turn wait (given for free: exactly 600 ms, with no detection to run), then
  ``WhisperModel.transcribe`` of the whole recording, then diffusers' own pipeline on torch in fp32.

Run: ``python benchmarks/voice_to_picture.py [--sentences N] [--json PATH]``; needs espeak-ng and flite.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from speech_set import PLACES, Recording, make, read_wav

from speakage_clients.sdk import ClientError, Image, connect
from speakage_daemon.events import ImageCompleted, ImageStarted, TranscriptionCompleted
from speakage_daemon.understanding.prompt import prompt_of

END_OF_TURN_MS: Final = 600
PACKET_S: Final = 0.02
TRAILING_SILENCE_S: Final = 1.5
EMBEDDED: Final = Path(__file__).resolve().parents[1] / "engines" / "speakage_engines" / "embedded"


@dataclass(frozen=True, slots=True)
class Ours:
    """One sentence through the daemon, ms after the last voiced 10 ms."""

    heard: str
    first_preview: float
    final_pixels: float
    completed: float
    promoted: bool


def last_voiced_s(pcm: NDArray[np.int16], rate: int) -> float:
    """The end of the last 10 ms whose RMS is above −40 dB of the peak (s)."""
    window = rate // 100
    frames = pcm[: len(pcm) // window * window].astype(np.float64).reshape(-1, window)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > np.abs(pcm.astype(np.int32)).max() * 0.01)
    return float((loud[-1] + 1) * window / rate)


async def speak_to_daemon(address: str, recording: Recording) -> Ours | None:
    """Send one recording as a microphone would; ``None`` when nothing was painted."""
    pcm, rate = read_wav(recording.path)
    silence = np.zeros(int(TRAILING_SILENCE_S * rate), np.int16)
    lead = np.zeros(rate // 2, np.int16)
    sound = np.concatenate([lead, pcm, silence])
    async with connect(address) as session, asyncio.timeout(60):
        await session.announce_audio(rate)
        began = time.monotonic()
        voiced = began + len(lead) / rate + last_voiced_s(pcm, rate)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send(session, sound, rate, began))
            result = await _receive(session, voiced)
            sending.cancel()
        await session.listen_stop()
        await session.listen_start()
    return result


async def _send(session: Any, sound: NDArray[np.int16], rate: int, began: float) -> None:
    packet = int(rate * PACKET_S)
    for start in range(0, len(sound), packet):
        # sound is there when it has been spoken, so a packet leaves at its end
        due = began + (start + packet) / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await session.send_audio(sound[start : start + packet].astype("<i2").tobytes())


async def _receive(session: Any, voiced: float) -> Ours | None:
    first: float | None = None
    seen: dict[str, float] = {}
    async for message in session:
        now = (time.monotonic() - voiced) * 1e3
        match message:
            case ImageStarted():
                first = None
            case TranscriptionCompleted(text=""):
                return None
            case Image(event=ImageCompleted() as final):
                return Ours(final.transcript, first or now, seen.get(final.sha256, now), now, final.promoted)
            case Image(event=preview):
                first = now if first is None else first
                if preview.sha256:
                    seen.setdefault(preview.sha256, now)
            case _:
                pass
    return None


def plain_sequence(steps: int, guidance: float) -> Callable[[Recording], float]:
    """The peer: returns a function from a recording to milliseconds after its last voiced 10 ms."""
    import torch
    from diffusers import StableDiffusionPipeline
    from faster_whisper import WhisperModel, decode_audio

    warnings.filterwarnings("ignore", category=FutureWarning)
    whisper = WhisperModel(str(EMBEDDED / "ears"), compute_type="int8")
    pipeline = StableDiffusionPipeline.from_pretrained(EMBEDDED / "picture", torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)

    def run(recording: Recording) -> float:
        audio = decode_audio(str(recording.path))
        began = time.monotonic()
        segments, _ = whisper.transcribe(audio, language="en", without_timestamps=True)
        prompt = prompt_of(" ".join(segment.text for segment in segments))
        generator = torch.Generator().manual_seed(1)
        pipeline(prompt, num_inference_steps=steps, guidance_scale=guidance, height=128, width=128, generator=generator)
        return END_OF_TURN_MS + (time.monotonic() - began) * 1e3

    run(make(per_voice=1)[0])
    return run


def start_daemon(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """The installed command on a free port, with the embedded models; returns when it is ready."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("speakage")), "run", "--source", "none", "--port", str(port)]
    for setting in (
        "speech.model=embedded",
        "picture.model=embedded",
        f"segmenter.end_ms={END_OF_TURN_MS}",
        f"gallery.folder={folder}",
    ):
        command += ["--set", setting]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, f"ws://127.0.0.1:{port}"


async def wait_ready(address: str) -> None:
    """Until the daemon's engines are named."""
    from speakage_daemon.events import SessionCreated, Status

    async with asyncio.timeout(300):
        while True:
            try:
                async with connect(address) as session:
                    async for message in session:
                        if isinstance(message, SessionCreated | Status) and message.engines.steps:
                            return
            except ClientError:
                await asyncio.sleep(0.2)


def measure(recordings: list[Recording]) -> tuple[list[Ours], list[float], int]:
    """Both, sentence by sentence in turn, so that a busy moment of the machine meets both."""
    settings = json.loads((EMBEDDED / "picture" / "speakage.json").read_text())
    peer = plain_sequence(settings["steps"], settings["guidance"])
    ours: list[Ours] = []
    sequence: list[float] = []
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        process, address = start_daemon(Path(folder))
        try:
            asyncio.run(wait_ready(address))
            for recording in recordings:
                result = asyncio.run(speak_to_daemon(address, recording))
                if result is None:
                    missed += 1
                    continue
                ours.append(result)
                sequence.append(peer(recording))
        finally:
            process.terminate()
            process.wait(30)
    return ours, sequence, missed


def report(ours: list[Ours], sequence: list[float], missed: int) -> list[dict[str, Any]]:
    """Print the table; return its figures."""
    rows = {
        "first preview": [row.first_preview for row in ours],
        "final pixels": [row.final_pixels for row in ours],
        "final announced": [row.completed for row in ours],
        "plain sequence": sequence,
    }
    table = Table(title=f"from the last voiced 10 ms to the picture, {len(ours)} sentences (end-of-turn wait 600 ms)")
    for heading in ("", "p50 ms", "p95 ms", "÷ plain sequence"):
        table.add_column(heading, justify="right" if heading else "left")
    figures: list[dict[str, Any]] = []
    base = statistics.median(sequence)
    for name, values in rows.items():
        p50, p95 = statistics.median(values), float(np.percentile(values, 95))
        table.add_row(name, f"{p50:.0f}", f"{p95:.0f}", f"{p50 / base:.2f}")
        slug = name.replace(" ", "_")
        figures += [
            {"name": f"voice_to_picture.{slug}.p50", "value": p50, "unit": "ms"},
            {"name": f"voice_to_picture.{slug}.p95", "value": p95, "unit": "ms"},
            {"name": f"voice_to_picture.{slug}.ratio", "value": p50 / base, "unit": "ratio"},
        ]
    promoted = sum(row.promoted for row in ours) / len(ours)
    figures.append({"name": "voice_to_picture.promoted", "value": promoted, "unit": "fraction"})
    console = Console()
    console.print(table)
    console.print(f"promoted without repainting: {promoted:.0%}; sentences without words: {missed}")
    return figures


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=24)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the daemon does: peers share the machine with it
    pictures = [recording for recording in make() if recording.text.endswith(PLACES)]
    chosen = pictures[:: max(1, len(pictures) // options.sentences)][: options.sentences]
    figures = report(*measure(chosen))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
