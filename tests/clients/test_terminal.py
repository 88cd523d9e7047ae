"""What a watcher sees in a terminal, and reads where there is none."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from speakage_clients.halfblocks import UPPER_HALF
from speakage_clients.sdk import ClientError, Disconnected, Image, Message
from speakage_clients.terminal import Scene, draw, line, struck_prompt, watch, watching
from speakage_daemon.events import (
    AudioLevel,
    Engines,
    Error,
    ImageFailed,
    ImageStarted,
    Listening,
    ListeningChanged,
    MicrophoneLost,
    MicrophoneRestored,
    MicrophoneSilent,
    RewritingCompleted,
    SessionCreated,
    SpeechLevel,
    SpeechStarted,
    Status,
    Stopped,
    TranscriptionCompleted,
    TranscriptionUpdated,
)

ENGINES = Engines(
    speech_model="ears", speech_reason="", picture_model="tiny", picture_reason="", backend="openvino",
    backend_reason="", precision="bf16", steps=4, width=128, height=128,
)  # fmt: skip
CREATED = SessionCreated(
    version="1", engines=ENGINES, listening=Listening(listening=True, mode="open", source="microphone: desk"),
    badges=("the disk is full",),
)  # fmt: skip
STARTED = ImageStarted(
    utterance=1, revision=1, prompt="a red haus", seed=0, steps=4, backend="openvino", transcript="a red haus",
    unknown_words=("haus",), width=16, height=16,
)  # fmt: skip
FAILED = ImageFailed(utterance=1, revision=1, prompt="", seed=0, steps=4, backend="", reason="out of memory")


def words(committed: str, pending: str) -> TranscriptionUpdated:
    return TranscriptionUpdated(utterance=1, committed=committed, pending=pending)


def completed(text: str, reason: str | None = None) -> TranscriptionCompleted:
    return TranscriptionCompleted(utterance=1, text=text, reason=reason, transcribe_ms=20, since_last_voiced_ms=210.4)


def seen(*messages: Message, columns: int = 40, rows: int = 20) -> str:
    """The screen as text with its escape codes."""
    scene = Scene()
    for message in messages:
        scene.apply(message)
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        width=columns,
        height=rows,
        legacy_windows=False,
    )
    console.print(draw(scene, columns, rows))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_committed_words_are_firm_and_pending_ones_dim() -> None:
    screen = seen(words("a red", "house"))
    assert "\x1b[1ma red\x1b[0m" in screen
    assert "\x1b[2mhouse\x1b[0m" in screen


def test_new_speech_clears_the_words_and_the_final_text_is_firm() -> None:
    assert "red" not in seen(words("a red", "house"), SpeechStarted(utterance=2, sample=0))
    assert "\x1b[1ma red mouse\x1b[0m" in seen(words("a red", "house"), completed("a red mouse"))


def test_unknown_words_are_struck_through() -> None:
    text = struck_prompt("a Haus, a red haus!", ("haus",))
    assert text.plain == "a Haus, a red haus!"
    assert [text.plain[span.start : span.end] for span in text.spans if "strike" in str(span.style)] == [
        "Haus,",
        "haus!",
    ]
    assert "\x1b[2;9mhaus\x1b[0m" in seen(STARTED)


def test_the_picture_is_drawn_in_colours_and_scales_with_the_terminal(serving: Any) -> None:
    image = Image(serving.partial_image(2), serving.encoded(serving.noise(1)))
    large, small = seen(image, columns=40, rows=26), seen(image, columns=10, rows=11)
    assert large.count(UPPER_HALF) == 40 * 20
    assert small.count(UPPER_HALF) == 10 * 5
    assert "\x1b[38;2;" in large
    assert "step 2 of 4" in large


def test_a_picture_is_scaled_once_for_each_size(serving: Any) -> None:
    scene = Scene()
    assert scene.picture(10, 10).plain == ""
    scene.apply(Image(serving.partial_image(1), serving.encoded(serving.noise(1))))
    first = scene.picture(10, 10)
    assert scene.picture(10, 10) is first
    assert scene.picture(8, 8) is not first
    scene.apply(Image(serving.partial_image(2), serving.encoded(serving.noise(2))))
    assert scene.picture(8, 8).spans != first.spans


def test_the_final_says_its_timings(serving: Any) -> None:
    rgb = serving.noise(1)
    screen = seen(Image(serving.final_image(1, rgb), serving.encoded(rgb)), columns=100)
    assert "4 steps, final" in screen
    assert "denoise 80 ms" in screen
    assert "since the last word 512 ms" in screen


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (CREATED, "the disk is full"),
        (Status(engines=ENGINES, badges=("no microphone",)), "no microphone"),
        (MicrophoneLost(reason="unplugged"), "unplugged"),
        (MicrophoneSilent(silent=True), "muted"),
        (Error(code="internal", message="a mistake"), "a mistake"),
        (FAILED, "out of memory"),
        (Stopped(reason="switched off"), "switched off"),
        (Disconnected("no route"), "no route"),
        (CREATED, "listening to microphone: desk"),
        (ListeningChanged(listening=False, mode="push", source="none"), "not listening (none)"),
        (AudioLevel(rms_dbfs=-30, peak_dbfs=-20, speech=1), "▮▮▮▮▮▮▯▯▯▯▯▯"),
        (AudioLevel(rms_dbfs=-200, peak_dbfs=-200, speech=0), "▯▯▯▯▯▯▯▯▯▯▯▯"),
        (AudioLevel(rms_dbfs=3, peak_dbfs=6, speech=0), "▮▮▮▮▮▮▮▮▮▮▮▮"),
    ],
)
def test_what_a_person_should_know_is_on_the_screen(message: Message, words: str) -> None:
    assert words in seen(message, columns=100)


@pytest.mark.parametrize(
    "over",
    [MicrophoneRestored(source="microphone: desk", gap_ms=3), MicrophoneSilent(silent=False), CREATED, STARTED],
)
def test_troubles_go_when_they_are_over(over: Message) -> None:
    assert "unplugged" not in seen(MicrophoneLost(reason="unplugged"), over)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (CREATED, "connected: ears hears, tiny paints on openvino · listening to microphone: desk · the disk is full"),
        (Status(engines=ENGINES), "status: ears hears, tiny paints on openvino"),
        (ListeningChanged(listening=False, mode="open", source="none"), "not listening (none)"),
        (completed("a red house"), "heard: a red house [210 ms after the last word]"),
        (completed("", "no_speech"), "heard nothing certain (no_speech) [210 ms after the last word]"),
        (FAILED, "not painted: out of memory"),
        (MicrophoneLost(reason="unplugged"), "microphone lost: unplugged"),
        (MicrophoneRestored(source="microphone: desk", gap_ms=9), "hearing again: microphone: desk"),
        (MicrophoneSilent(silent=True), "the microphone gives only silence; is it muted?"),
        (SpeechLevel(level="too_quiet"), "speech is very quiet here; come closer, or turn the microphone up"),
        (SpeechLevel(level="too_loud"), "speech is too loud for the microphone; step back, or turn it down"),
        (SpeechLevel(level="good"), None),
        (MicrophoneSilent(silent=False), None),
        (Error(code="internal", message="a mistake"), "error: a mistake"),
        (Stopped(reason="switched off"), "disconnected: switched off"),
        (Disconnected("no route"), "disconnected: no route"),
        (words("a", "b"), None),
        (STARTED, None),
    ],
)
def test_plain_lines(message: Message, text: str | None) -> None:
    assert line(message) == text


def test_plain_lines_of_pictures(serving: Any) -> None:
    assert line(Image(serving.partial_image(2), b"")) == "preview 2/4: a red house []"
    final = serving.final_image(7, serving.noise(1))
    assert line(Image(final, b"")) == (
        "painted: a red house (not known: haus) [denoise 80 ms, since the last word 512 ms] /v1/pictures/7.png"
    )


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(limited())


async def watched(serving: Any, console: Console) -> str:
    """Watch a daemon that paints one picture and stops."""
    async with serving.stand() as stand, asyncio.TaskGroup() as group:
        watcher = group.create_task(watching(stand.url, console, reconnect=False))
        while not stand.hub.clients:
            await asyncio.sleep(0.01)
        stand.hub.publish(words("a red", "house"))
        stand.publish_final(1)
        stand.stopped()
        await watcher
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_terminal_it_prints_lines(serving: Any) -> None:
    async def scenario() -> None:
        lines = (await watched(serving, Console(file=io.StringIO(), width=20))).splitlines()
        assert lines[0].startswith("connected: loading hears")
        assert lines[1].startswith("painted: a red house")
        assert lines[2] == "disconnected: the daemon was stopped"

    run(scenario)


def test_in_a_terminal_it_draws(serving: Any) -> None:
    async def scenario() -> None:
        console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=60, height=30)
        screen = await watched(serving, console)
        assert UPPER_HALF in screen
        assert "the daemon was stopped" in screen

    run(scenario)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("rewritten", "rewritten: a red house at dawn [812 ms]"),
        ("too_slow", "rewriter too slow: painted as said (no answer within 800 ms)"),
        ("superseded", None),
    ],
)
def test_what_came_of_rewriting_is_a_line(outcome: Any, told: str | None) -> None:
    event = RewritingCompleted(
        utterance=1, revision=2, understood="a red house", prompt="a red house at dawn", outcome=outcome,
        chip="rewriter too slow: painted as said", reason="no answer within 800 ms", milliseconds=812.3,
    )  # fmt: skip
    assert line(event) == told
    assert line(replace(event, outcome="unchanged", chip="rewriter changed nothing", reason="")) == (
        "rewriter changed nothing"
    )


def test_without_a_daemon_it_says_so() -> None:
    with pytest.raises(ClientError, match="speakage run"):
        watch("ws://127.0.0.1:1", console=Console(file=io.StringIO()))
