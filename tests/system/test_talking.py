"""Talking about the picture, through the whole process: what is said changes what was painted, and takes it back."""

import asyncio
import wave
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest

from speakage_clients.sdk import Image, connect
from speakage_daemon.events import ImageCompleted, PartialImage, Understood
from speakage_engines.training.speech import Order, speak

from .process import daemon

SLOWLY = 110
"""Words a minute."""
SAID = ("a castle in the snow", "make it blue", "undo")


def recorded(folder: Path) -> Path:
    """The sentences, each with the silence that ends a turn behind it."""
    silence = np.zeros(16_000 * 3, np.int16)
    pieces = [silence]
    for text in SAID:
        pieces += [speak(Order(text, "", "flite rms", SLOWLY, 50)).audio, silence]
    path = folder / "talking.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.concatenate(pieces).tobytes())
    return path


async def watched(address: str) -> tuple[list[Image], list[Understood], list[str]]:
    """What a client sees until there are three pictures: those, what was understood, and prompts drafted before."""
    pictures: list[Image] = []
    drafts: list[str] = []
    understood: list[Understood] = []
    async with connect(address) as session, asyncio.timeout(120):
        async for message in session:
            match message:
                case Understood(final=True):
                    understood.append(message)
                case Image(event=PartialImage(steps=1, prompt=prompt)) if not understood:
                    drafts.append(prompt)
                case Image(event=ImageCompleted()):
                    pictures.append(message)
                case _:
                    pass
            if len(pictures) == len(SAID):
                return pictures, understood, drafts
    raise AssertionError(f"only {[picture.event.prompt for picture in pictures]} came")


@pytest.mark.timeout(400)
def test_an_edit_changes_the_picture_and_undo_brings_it_back(tmp_path: Path, engines_folder: Path) -> None:
    with daemon(tmp_path, engines_folder, "--source", f"file:{recorded(tmp_path)}") as running:
        pictures, understood, drafts = asyncio.run(watched(running.url))
        with urlopen(f"{running.url.rstrip('/')}/metrics", timeout=30) as answer:
            metrics = answer.read().decode().splitlines()
        assert running.stop() == 0
    castle, blue, again = (picture.event for picture in pictures)
    prompts = [castle.prompt, blue.prompt, again.prompt]
    assert prompts == ["a castle in the snow", "a blue castle in the snow", "a castle in the snow"]
    assert castle.seed == blue.seed == again.seed
    assert castle.sha256 == again.sha256 != blue.sha256
    assert [one.kind for one in understood] == ["create", "edit", "command"]
    assert drafts, "the picture began before the sentence ended"
    assert set(drafts) <= {"a castle", "a castle in the snow"}
    assert understood[1].chips == ("colour: blue", "castle")
    timings = castle.timings
    assert timings.revisions_painted >= 2, "a draft at the least, and the picture"
    assert timings.last_voiced_to_first_preview_ms < timings.last_voiced_to_final_pixels_ms
    assert timings.decision_to_final_ms > 0
    assert "speakage_last_voiced_to_final_pixels_seconds_count 3.0" in metrics
    painted = next(line for line in metrics if line.startswith('speakage_revisions_total{outcome="painted"}'))
    assert float(painted.split()[-1]) >= 4
