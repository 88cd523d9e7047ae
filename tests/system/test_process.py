"""The installed daemon as one process: it starts, paints, stops, and says what is wrong."""

import asyncio
import socket
import time
from pathlib import Path

import av
import numpy as np
import pytest

from speakage_clients.sdk import Image, connect
from speakage_daemon.events import (
    ImageCompleted,
    ImageStarted,
    MicrophoneLost,
    PartialImage,
    SessionCreated,
    SpeechStopped,
    Status,
    Stopped,
    TranscriptionCompleted,
)

from .process import COMMAND, daemon, speakage


async def paint(address: str, prompt: str) -> tuple[list[PartialImage], Image, tuple[str, ...]]:
    """Type a prompt; its previews, the final, and the words that were not known."""
    previews: list[PartialImage] = []
    unknown: tuple[str, ...] = ()
    async with connect(address) as session, asyncio.timeout(60):
        await session.prompt(prompt, seed=3)
        async for message in session:
            match message:
                case ImageStarted():
                    unknown = message.unknown_words
                case Image(event=PartialImage() as preview):
                    previews.append(preview)
                case Image(event=ImageCompleted()):
                    return previews, message, unknown
                case _:
                    pass
    raise AssertionError("the stream ended without a picture")


@pytest.mark.timeout(600)
def test_torch_paints_while_the_engines_are_being_made(tmp_path: Path) -> None:
    async def watch(url: str) -> tuple[SessionCreated, Status]:
        async with connect(url) as session, asyncio.timeout(500):
            created: SessionCreated | None = None
            async for message in session:
                match message:
                    case SessionCreated():
                        created = message
                    case Status() if message.engines.backend == "openvino" and created:
                        return created, message
                    case _:
                        pass
        raise AssertionError("the engines never came")

    arguments = ("--source", "none", "--set", "picture.while_building=torch")
    with daemon(tmp_path, tmp_path / "engines", *arguments) as running:
        first = asyncio.run(paint(running.url, "a car on a beach"))[1]
        created, status = asyncio.run(watch(running.url))
        second = asyncio.run(paint(running.url, "a car on a beach"))[1]
        assert running.stop() == 0
    assert (first.event.backend, second.event.backend) == ("torch", "openvino")
    assert created.badges == ("The engines are being made; until then torch paints, slower.",)
    assert status.badges == ()


def test_it_stops_at_once_while_engines_are_being_made(tmp_path: Path) -> None:
    arguments = ("--source", "none", "--set", "picture.while_building=torch")
    with daemon(tmp_path, tmp_path / "engines", *arguments) as running:
        assert running.stop() == 0
        assert not list((tmp_path / "engines").glob("denoiser-cpu-*")), "they were not waited for"


def test_it_paints_what_is_typed_and_stops_when_told(tmp_path: Path, engines_folder: Path) -> None:
    with daemon(tmp_path, engines_folder, "--source", "none") as running:
        previews, final, unknown = asyncio.run(paint(running.url, "a car on a beach despite zebras"))
        assert [preview.step for preview in previews] == list(range(1, final.event.steps + 1))
        assert previews[-1].sha256 == final.event.sha256
        assert unknown == ("despite", "zebras")
        assert final.rgb().shape == (128, 128, 3)
        assert final.event.backend == "openvino"

        async def told_of_the_end() -> list[str]:
            async with connect(running.url) as session, asyncio.timeout(30):
                told = []
                async for message in session:
                    if isinstance(message, SessionCreated):
                        assert [picture.prompt for picture in message.pictures] == ["a car on a beach despite zebras"]
                        running.process.terminate()
                    if isinstance(message, Stopped):
                        told.append(message.reason)
                        break
                return told

        assert asyncio.run(told_of_the_end()) == ["the daemon was stopped"]
        assert running.process.wait(30) == 0
    assert len(list((tmp_path / "data").rglob("*.png"))) == 1


def test_a_second_start_on_the_same_port_says_who_holds_it(tmp_path: Path, engines_folder: Path) -> None:
    with daemon(tmp_path, engines_folder, "--source", "none") as running:
        port = running.url.rstrip("/").rsplit(":", 1)[1]
        second = speakage(tmp_path, engines_folder, "run", "--source", "none", "--port", port)
        assert second.returncode == 1
        assert str(running.process.pid) in second.stderr
        assert port in second.stderr
        assert "Traceback" not in second.stderr
        assert running.stop() == 0


def test_without_a_microphone_it_says_so_and_works_all_the_same(tmp_path: Path, engines_folder: Path) -> None:
    alsa = tmp_path / "asound.conf"
    alsa.write_text("")
    nothing = {"PULSE_SERVER": f"unix:{tmp_path}/none", "ALSA_CONFIG_PATH": str(alsa)}

    async def told(address: str) -> str:
        async with connect(address) as session, asyncio.timeout(30):
            async for message in session:
                match message:
                    case SessionCreated(badges=badges, listening=listening) if badges:
                        assert listening.source == "none"
                        return badges[0]
                    case MicrophoneLost(reason=reason):
                        return reason
                    case _:
                        pass
        raise AssertionError("nobody spoke of the microphone")

    with daemon(tmp_path, engines_folder, environment=nothing) as running:
        assert "microphone" in asyncio.run(told(running.url))
        assert "microphone" in asyncio.run(told(running.url)), "whoever comes later is told too"
        _, final, _ = asyncio.run(paint(running.url, "a boat by the sea"))
        assert final.event.prompt == "a boat by the sea"
        assert running.stop() == 0


def test_a_wrong_configuration_or_model_is_one_sentence_and_status_78(tmp_path: Path, engines_folder: Path) -> None:
    wrong = speakage(tmp_path, engines_folder, "run", "--set", "picture.stepz=3")
    assert wrong.returncode == 78
    assert "did you mean picture.steps?" in wrong.stderr
    missing = speakage(tmp_path, engines_folder, "run", "--source", "none", "--set", "speech.model=small.en")
    assert missing.returncode == 78
    assert "speakage models get small.en" in missing.stderr
    away = speakage(tmp_path, engines_folder, "run", "--set", "server.host=0.0.0.0")
    assert away.returncode == 1
    assert "loopback" in away.stderr
    for ran in (wrong, missing, away):
        assert "Traceback" not in ran.stderr, ran.stderr


def test_the_port_is_given_back(tmp_path: Path, engines_folder: Path) -> None:
    with daemon(tmp_path, engines_folder, "--source", "none") as running:
        port = int(running.url.rstrip("/").rsplit(":", 1)[1])
        assert running.stop() == 0
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
    assert COMMAND.exists()


def test_it_stops_at_once_while_it_still_compiles(tmp_path: Path) -> None:
    engines = tmp_path / "engines"
    with daemon(tmp_path, engines, "--source", "none", wait=False) as running:
        deadline = time.monotonic() + 100
        while not any("exporting" in line for line in running.log):
            assert time.monotonic() < deadline, running.log
            time.sleep(0.05)
        assert running.stop() == 0
    assert not list(engines.glob("decoder-*")), "it did not wait for the last of the engines"


def test_a_client_with_a_button_is_heard_while_it_is_held(tmp_path: Path, engines_folder: Path) -> None:
    recording = Path(__file__).parents[2] / "samples" / "rocket.flac"
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(recording)) as container:
        pieces = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    pcm = np.concatenate(pieces).astype("<i2").tobytes()

    async def hold_and_speak(address: str) -> tuple[str, str, str]:
        reason = words = painted = ""
        async with connect(address) as session, asyncio.timeout(60):
            await session.announce_audio(16_000, name="button")
            await session.listen_start()
            for start in range(0, len(pcm), 6_400):
                await session.send_audio(pcm[start : start + 6_400])
            await session.listen_stop()
            async for message in session:
                match message:
                    case SpeechStopped():
                        reason = message.reason
                    case TranscriptionCompleted():
                        words = message.text
                    case Image(event=ImageCompleted() as final):
                        painted = final.prompt
                        break
                    case _:
                        pass
        return reason, words, painted

    with daemon(tmp_path, engines_folder, "--source", "none", "--set", "hearing.mode=push") as running:
        assert asyncio.run(hold_and_speak(running.url)) == ("released", "a rocket in space", "a rocket in space")
        assert running.stop() == 0
