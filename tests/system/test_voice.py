"""From a real microphone, and from a real browser's, to the picture that a client receives."""

import asyncio
import json
import shutil
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from speakage_clients.sdk import Image, connect
from speakage_daemon.events import (
    AudioLevel,
    ImageCompleted,
    MicrophoneLost,
    MicrophoneRestored,
    PartialImage,
    SessionCreated,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionUpdated,
)

from .process import daemon
from .pulse import SoundServer

SAMPLES = Path(__file__).parents[2] / "samples"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


class Watched:
    """What one client saw until a final picture came."""

    def __init__(self) -> None:
        self.previews: list[PartialImage] = []
        self.words: list[str] = []
        self.final: Image | None = None
        self.completed = ""
        self.stopped: SpeechStopped | None = None

    def note(self, message: object) -> None:
        match message:
            case TranscriptionUpdated(committed=committed, pending=pending):
                self.words.append(f"{committed} {pending}".strip())
            case TranscriptionCompleted(text=text):
                self.completed = text
            case SpeechStopped():
                self.stopped = message
            case Image(event=PartialImage() as preview):
                self.previews.append(preview)
            case Image(event=ImageCompleted()):
                self.final = message
            case _:
                pass


async def hear(address: str, sound_server: SoundServer, recording: Path) -> Watched:
    """Play a recording into the microphone; what a client sees of it."""
    watched = Watched()
    playing = False
    async with connect(address) as session, asyncio.timeout(60):
        async for message in session:
            if isinstance(message, AudioLevel) and not playing:
                sound_server.speaker.play(recording)  # not before: the microphone is opened after READY
                playing = True
            watched.note(message)
            if watched.final:
                break
    return watched


def test_a_sentence_spoken_into_the_microphone_becomes_its_picture(
    tmp_path: Path, engines_folder: Path, sound_server: SoundServer
) -> None:
    with daemon(tmp_path, engines_folder) as running:
        watched = asyncio.run(hear(running.url, sound_server, SAMPLES / "castle.flac"))
        assert watched.completed == "a castle in the snow"
        assert watched.final is not None
        final = watched.final.event
        assert isinstance(final, ImageCompleted)
        assert final.prompt == "a castle in the snow"
        steps = [preview.step for preview in watched.previews if preview.revision == final.revision]
        assert steps == list(range(1, final.steps + 1))
        assert watched.previews[-1].sha256 == final.sha256
        assert any(words and words in "a castle in the snow" for words in watched.words[:-1]), "words came as spoken"
        assert watched.stopped is not None
        assert watched.stopped.reason == "silence"
        ground = watched.final.rgb()[-16:].mean()
        assert ground > 170, "there is snow on the ground"
        assert running.stop() == 0


async def lose_and_restore(address: str, sound_server: SoundServer) -> tuple[str, str]:
    lost = restored = ""
    async with connect(address) as session, asyncio.timeout(90):
        async for message in session:
            match message:
                case SessionCreated():
                    sound_server.kill()
                case MicrophoneLost(reason=reason):
                    lost = reason
                    await asyncio.to_thread(sound_server.start)
                case MicrophoneRestored(source=source):
                    restored = source
                    break
                case _:
                    pass
    return lost, restored


def test_a_killed_sound_server_is_told_and_survived(
    tmp_path: Path, engines_folder: Path, sound_server: SoundServer
) -> None:
    with daemon(tmp_path, engines_folder) as running:
        first = asyncio.run(hear(running.url, sound_server, SAMPLES / "boat.flac"))
        assert first.completed == "a boat by the sea"
        lost, restored = asyncio.run(lose_and_restore(running.url, sound_server))
        assert lost
        assert restored.startswith("microphone")
        again = asyncio.run(hear(running.url, sound_server, SAMPLES / "castle.flac"))
        assert again.completed == "a castle in the snow"
        assert running.stop() == 0


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """A WAV that Chromium takes for its microphone: the sentence, then silence."""
    path = tmp_path / "rocket.wav"
    resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
    with av.open(str(SAMPLES / "rocket.flac")) as container:
        pieces = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    sound = np.concatenate([np.zeros(24_000, np.int16), *pieces, np.zeros(192_000, np.int16)])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(sound.tobytes())
    return path


def test_a_real_browser_shows_the_picture_and_its_microphone_is_heard(
    tmp_path: Path, engines_folder: Path, spoken: Path
) -> None:
    with daemon(tmp_path, engines_folder, "--source", "none") as running, sync_playwright() as playwright:
        flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={spoken}%noloop"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            complaints: list[str] = []
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.goto(running.url)
            page.locator("body[data-connection=online]").wait_for(timeout=20_000)
            page.get_by_role("textbox").fill("a house in a meadow")
            page.keyboard.press("Enter")
            typed = shown(page, "a house in a meadow")
            page.locator("#browser-microphone").click()
            heard = shown(page, "a rocket in space", instead_of=typed)
            assert not complaints
        finally:
            browser.close()
        kept = {picture["prompt"]: picture["sha256"] for picture in pictures(running.url)}
        assert kept == {"a house in a meadow": typed, "a rocket in space": heard}
        assert running.stop() == 0


def shown(page: Page, prompt: str, instead_of: str = "") -> str:
    """Wait until the display shows the final picture of a prompt; its hash."""
    page.wait_for_function(
        """([prompt, before]) => (document.querySelector('#picture').dataset.sha256 ?? before) !== before
                     && document.querySelector('#wording').textContent.toLowerCase().includes(prompt)""",
        arg=[prompt, instead_of],
        timeout=60_000,
    )
    return str(page.locator("#picture").get_attribute("data-sha256"))


def pictures(url: str) -> list[dict[str, str]]:
    import urllib.request

    with urllib.request.urlopen(f"{url}v1/pictures", timeout=20) as answer:
        return list(json.load(answer)["pictures"])
