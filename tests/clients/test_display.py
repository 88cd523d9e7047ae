"""The display in a real Chromium, against a daemon that plays what each test scripts.

What is asserted is what a person sees, hears about from a screen reader, or finds in the downloads folder.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import wave
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from speakage_daemon import events

from .dummy_daemon import ENGINES, SCENES, DummyDaemon

CHROMIUM = shutil.which("chromium")
TONE_HZ = 440
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    # a name that is not loopback: to a browser that is not a secure page
    "--host-resolver-rules=MAP gallery.test 127.0.0.1",
]
NAME_OF = "node => node.ariaLabel ?? node.labels?.[0]?.textContent ?? node.textContent.trim()"
PUSHED = [events.SessionUpdate, events.ListenStart, events.ListenStop]
UNREACHABLE = re.compile("WebSocket connection .* failed")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt install chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    file = tmp_path_factory.mktemp("microphone") / "tone.wav"
    samples = 0.4 * np.sin(2 * np.pi * TONE_HZ * np.arange(48_000 * 20) / 48_000)
    with wave.open(str(file), "wb") as tone:
        tone.setnchannels(1)
        tone.setsampwidth(2)
        tone.setframerate(48_000)
        tone.writeframes((samples * 32767).astype("<i2").tobytes())
    arguments = [*ARGUMENTS, f"--use-file-for-fake-audio-capture={file}%noloop"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def daemon() -> Iterator[DummyDaemon]:
    with DummyDaemon() as running:
        yield running


@pytest.fixture
def console() -> list[str]:
    """Everything the browser complained of; a test that provokes complaints empties it."""
    return []


@pytest.fixture
def page(browser: Browser, daemon: DummyDaemon, console: list[str]) -> Iterator[Page]:
    """Asks for the daemon so that it outlives the page: a page left alone would knock, and complain."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, permissions=["microphone"])
    with context:
        opened = context.new_page()
        listen_to(opened, console)
        yield opened
    assert console == []


def listen_to(page: Page, console: list[str]) -> None:
    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            console.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: console.append(str(error)))
    page.set_default_timeout(10_000)


def visit(page: Page, daemon: DummyDaemon, *, host: str = "127.0.0.1") -> None:
    page.goto(f"http://{host}:{daemon.port}/")
    daemon.wait_until(lambda: daemon.clients > 0)
    expect(page.locator("body")).to_have_attribute("data-connection", "online")


def expect_final(page: Page, name: str) -> None:
    expect(page.locator("#picture")).to_have_attribute("data-state", "final")
    expect(page.locator("#picture")).to_have_attribute("data-sha256", SCENES[name].sha256)


def difference(page: Page, name: str, canvas: str = "#picture button canvas") -> float:
    """Mean absolute difference, 0 to 255, between what is on the canvas and the picture on disk."""
    url = page.locator(canvas).evaluate("canvas => canvas.toDataURL()")
    shown = Image.open(io.BytesIO(b64decode(url.split(",")[1]))).convert("RGB")
    assert min(shown.size) > 400
    small = np.asarray(shown.resize((128, 128), Image.Resampling.BOX), float)
    return float(np.abs(small - np.asarray(Image.open(io.BytesIO(SCENES[name].png)).convert("RGB"), float)).mean())


def test_an_empty_wall_invites(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    expect(page.locator("#words")).to_have_text("Say what you would like to see")
    expect(page.locator("#picture")).to_have_attribute("data-state", "empty")
    expect(page.locator("#past")).to_be_hidden()


def test_words_grow_from_light_to_firm(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    daemon.send(events.SpeechStarted(utterance=1, sample=0))
    expect(page.locator("#listening-state")).to_have_text("Hearing you")
    daemon.send(events.TranscriptionUpdated(utterance=1, committed="a castle", pending="in the"))
    expect(page.locator("[data-word=firm]")).to_have_text(["a", "castle"])
    expect(page.locator("[data-word=pending]")).to_have_text(["in", "the"])
    weights = "nodes => nodes.map(node => +getComputedStyle(node).fontWeight)"
    page.wait_for_function("() => document.querySelector('[data-word=pending]').getAnimations().length === 0")
    firm, pending = (page.locator(f"[data-word={kind}]").evaluate_all(weights)[0] for kind in ("firm", "pending"))
    assert firm - pending >= 200
    daemon.send(
        events.TranscriptionCompleted(
            utterance=1, text="a castle in the snow", transcribe_ms=9, since_last_voiced_ms=250
        )
    )
    expect(page.locator("#words")).to_have_text("a castle in the snow")
    expect(page.locator("[data-word=pending]")).to_have_count(0)
    expect(page.locator("#announcer")).to_have_text("Heard: a castle in the snow")


def test_long_sentences_shrink_until_they_fit(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    text = "a castle in the snow and " * 12
    daemon.send(events.TranscriptionUpdated(utterance=1, committed="a castle", pending=""))
    short = page.locator("#words").evaluate("node => parseFloat(getComputedStyle(node).fontSize)")
    daemon.send(events.TranscriptionUpdated(utterance=1, committed=text, pending="more"))
    expect(page.locator("[data-word=pending]")).to_have_text(["more"])
    size = page.locator("#words").evaluate("node => parseFloat(getComputedStyle(node).fontSize)")
    assert short > 55 > size > 20
    place = page.locator(".place").evaluate("node => [node.clientHeight + 1, node.firstElementChild.offsetHeight]")
    assert place[0] >= place[1]


def test_unintelligible_speech_says_so(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    daemon.send(
        events.TranscriptionCompleted(
            utterance=1, text="", reason="low_confidence", transcribe_ms=9, since_last_voiced_ms=250
        )
    )
    expect(page.locator("#unknown")).to_have_text("That was not clear enough to paint.")


def test_unknown_words_are_struck_through_and_explained(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    daemon.send(events.TranscriptionUpdated(utterance=1, committed="a Wonderful, castle", pending=""))
    painting = daemon.begin("castle", "a Wonderful, castle in the snow", ("wonderful",))
    expect(page.locator("#words s")).to_have_text(["Wonderful,"])
    expect(page.locator("#unknown")).to_contain_text("does not know “wonderful”")
    expect(page.locator("#painted")).to_have_text("Painting: a castle in the snow")
    line = page.locator("#words s").evaluate("node => getComputedStyle(node).textDecorationLine")
    assert line == "line-through"
    daemon.send(
        events.TranscriptionCompleted(
            utterance=1, text="a Wonderful, castle in the snow", transcribe_ms=9, since_last_voiced_ms=250
        )
    )
    painting.complete()
    expect(page.locator("#painted")).to_have_text("Painted: a castle in the snow")
    expect(page.locator("#words s")).to_have_text(["Wonderful,"])


def test_what_was_understood_is_shown_at_once_and_goes_with_the_next_words(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    daemon.send(events.TranscriptionUpdated(utterance=1, committed="make the car blue", pending=""))
    daemon.send(
        events.Understood(
            utterance=1, text="make the car blue", kind="edit", chips=("colour: blue", "car"), final=False
        )
    )
    expect(page.locator("#understood li")).to_have_text(["change", "colour: blue", "car"])
    daemon.send(events.TranscriptionUpdated(utterance=2, committed="show me four", pending=""))
    expect(page.locator("#understood li")).to_have_count(0)
    cannot = "several pictures at once"
    daemon.send(
        events.Understood(
            utterance=2, text="show me four", kind="command", chips=("pictures at once: 4",), cannot=cannot, final=True
        )
    )
    expect(page.locator("#understood li")).to_have_text(["command", "pictures at once: 4"])
    expect(page.locator("#unknown")).to_have_text(f"That is understood, but cannot be done yet: {cannot}.")
    expect(page.locator("#announcer")).to_contain_text(cannot)


def test_a_picture_refines_and_ends_as_the_final(page: Page, daemon: DummyDaemon) -> None:
    daemon.store("car")
    visit(page, daemon)
    expect_final(page, "car")
    painting = daemon.begin("castle")
    expect(page.locator("#picture")).to_have_attribute("data-state", "waiting")
    for step in range(1, 6):
        painting.step(step)
        expect(page.locator("#picture")).to_have_attribute("data-step", str(step))
        expect(page.locator("#picture")).to_have_attribute("data-state", "painting")
        assert page.locator("#picture").get_attribute("data-sha256") is None
    painting.complete()
    expect_final(page, "castle")
    assert difference(page, "castle") < 4 < 20 < difference(page, "car")
    expect(page.locator("#latency")).to_have_text("0.6 s after your last word")
    expect(page.locator("#announcer")).to_have_text("Painted: a castle in the snow.")


def test_pictures_fade_into_each_other_without_a_flash(page: Page, daemon: DummyDaemon) -> None:
    """All of these have a bright upper left corner: no frame in between may show a dark one."""
    daemon.store("castle")
    visit(page, daemon)
    expect_final(page, "castle")
    page.evaluate(
        """() => {
          const canvas = document.querySelector('#picture button canvas');
          const probe = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
          window.seen = [];
          const look = () => {
            probe.drawImage(canvas, 8, 8, 1, 1, 0, 0, 1, 1);
            window.seen.push(probe.getImageData(0, 0, 1, 1).data[2]);
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    painting = daemon.begin("castle")
    for step in (2, 3, 4, 5, 6):
        painting.step(step)
    painting.complete()
    daemon.begin("car").complete()
    expect_final(page, "car")
    seen = page.evaluate("window.seen")
    assert len(seen) > 10
    assert min(seen) > 150


def test_a_late_preview_of_an_older_request_changes_nothing(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    old = daemon.begin("castle")
    daemon.begin("car").complete()
    expect_final(page, "car")
    stale = events.PartialImage(**old.common, event_id=2, step=1, width=128, height=128, image_type="image/png")
    daemon.send_image(stale, SCENES["castle"].png)
    daemon.send(events.TranscriptionUpdated(utterance=9, committed="after it", pending=""))
    expect(page.locator("#words")).to_have_text("after it")
    expect_final(page, "car")
    assert difference(page, "car") < 4


def test_a_failed_picture_leaves_the_former_one_and_says_why(page: Page, daemon: DummyDaemon) -> None:
    daemon.store("car")
    visit(page, daemon)
    painting = daemon.begin("castle")
    painting.step(1)
    expect(page.locator("#picture")).to_have_attribute("data-state", "painting")
    daemon.send(events.ImageFailed(**painting.common, reason="out of memory"))
    expect(page.locator("#badges")).to_contain_text("could not be painted: out of memory")
    expect_final(page, "car")
    assert difference(page, "car") < 4
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#badges li")).to_have_count(0)


def test_the_strip_grows_and_fetches_older_pictures(page: Page, daemon: DummyDaemon) -> None:
    for _ in range(7):
        daemon.store("cat")
    visit(page, daemon)
    # the session brings five; the two older ones are fetched
    expect(page.locator("#strip li")).to_have_count(7)
    daemon.begin("boat").complete()
    expect(page.locator("#strip li")).to_have_count(8)
    first = page.locator("#strip li").first
    expect(first).to_have_text("a boat at sunset")
    expect(first.locator("button")).to_have_attribute("aria-current", "true")
    loaded = "image => image.decode().then(() => image.naturalWidth)"
    assert first.locator("img").evaluate(loaded) == 128


def test_a_past_picture_opens_by_keyboard_and_downloads(page: Page, daemon: DummyDaemon) -> None:
    for name in ("robot", "fish", "house"):
        daemon.store(name, transcript=f"paint {SCENES[name].prompt}", unknown=("paint",))
    visit(page, daemon)
    expect(page.locator("#strip li")).to_have_count(3)
    page.locator("#strip button").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="paint a fish under water")
    expect(dialog).to_be_visible()
    expect(dialog).to_have_attribute("data-sha256", SCENES["fish"].sha256)
    expect(dialog.locator("h2 s")).to_have_text(["paint"])
    assert difference(page, "fish", "#viewer canvas") < 4
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer")).to_have_attribute("data-sha256", SCENES["robot"].sha256)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "speakage-1-a-robot-in-the-forest.png"
    assert Path(download.value.path()).read_bytes() == SCENES["robot"].png
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.get_by_role("button", name="Open: a robot in the forest")).to_be_focused()


def test_a_picture_that_could_not_be_stored_can_still_be_kept(page: Page, daemon: DummyDaemon) -> None:
    daemon.store("car")
    visit(page, daemon)
    daemon.begin("cat").complete(stored=False)
    daemon.begin("boat").complete(stored=False, since_last_voiced_ms=None)
    expect_final(page, "boat")
    expect(page.locator("#latency")).to_have_text("painted in 0.2 s")
    expect(page.locator("#strip span")).to_have_text(["a boat at sunset", "a cat in a meadow", "a car on a beach"])
    page.get_by_role("button", name="Open the picture: a boat at sunset").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_bytes() == SCENES["boat"].png


def test_a_typed_prompt_reaches_the_daemon(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    page.keyboard.press("/")
    page.keyboard.type("a castle in the snow")
    page.keyboard.press("Enter")
    assert daemon.wait_for(events.PromptCreate).prompt == "a castle in the snow"
    expect(page.get_by_label("Type a prompt")).to_have_value("")
    daemon.begin("castle")
    expect(page.locator("#words")).to_have_text("a castle in the snow")


def test_open_mode_mutes_and_listens_again(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    expect(page.locator("#listening-state")).to_have_text("Listening")
    expect(page.locator("#listening-source")).to_have_text("microphone: Desk")
    page.get_by_role("button", name="Mute").click()
    daemon.wait_for(events.ListenStop)
    daemon.send(events.ListeningChanged(listening=False, mode="open", source="microphone: Desk"))
    expect(page.locator("#listening-state")).to_have_text("Muted")
    page.get_by_role("button", name="Listen", exact=True).click()
    daemon.wait_for(events.ListenStart)


def test_it_says_which_word_wakes_and_who_was_woken(page: Page, daemon: DummyDaemon) -> None:
    asleep = events.ListeningChanged(
        listening=True, mode="word", source="microphone: Desk", waiting_for=("okay nabu", "alexa")
    )
    visit(page, daemon)
    daemon.send(asleep)
    state = page.locator("#listening-state")
    expect(state).to_have_text("Say “okay nabu” or “alexa”")
    daemon.send(events.WakeDetected(word="okay nabu", score=0.9))
    expect(state).to_have_text("Heard “okay nabu”")
    daemon.send(replace(asleep, waiting_for=()))
    expect(state).to_have_text("Heard “okay nabu”")
    daemon.send(events.WakeDetected(word="alexa", persona="Alexa", score=0.9))
    expect(state).to_have_text("Alexa listens")
    daemon.send(asleep)
    expect(state).to_have_text("Say “okay nabu” or “alexa”")
    expect(page.get_by_role("button", name="Mute")).to_be_visible()


def test_push_mode_listens_while_space_or_the_button_is_held(page: Page, daemon: DummyDaemon) -> None:
    daemon.listening = events.Listening(listening=False, mode="push", source="microphone: Desk")
    visit(page, daemon)
    expect(page.locator("#listening-state")).to_have_text("Hold to talk")
    page.keyboard.down(" ")
    daemon.wait_until(lambda: daemon.messages == [events.ListenStart()])
    page.keyboard.up(" ")
    daemon.wait_until(lambda: daemon.messages == [events.ListenStart(), events.ListenStop()])
    daemon.messages.clear()
    page.get_by_role("button", name="Hold to talk").hover()
    page.mouse.down()
    daemon.wait_for(events.ListenStart)
    page.mouse.up()
    daemon.wait_until(lambda: daemon.messages == [events.ListenStart(), events.ListenStop()])
    daemon.messages.clear()
    page.get_by_label("Type a prompt").focus()
    page.keyboard.type("a cat")
    page.keyboard.press("Enter")
    assert daemon.wait_for(events.PromptCreate).prompt == "a cat"
    assert len(daemon.messages) == 1


def test_the_level_follows_the_microphone(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    meter = page.get_by_role("meter", name="Microphone level")
    daemon.send(events.AudioLevel(rms_dbfs=-20, peak_dbfs=-8, speech=0.9))
    expect(meter).to_have_attribute("aria-valuenow", "80")
    daemon.send(events.AudioLevel(rms_dbfs=-50, peak_dbfs=-40, speech=0.1))
    expect(meter).to_have_attribute("aria-valuenow", "20")
    daemon.send(events.ListeningChanged(listening=False, mode="open", source="microphone: Desk"))
    expect(meter).to_have_attribute("aria-valuenow", "0")


def test_troubles_come_and_go(page: Page, daemon: DummyDaemon) -> None:
    daemon.badges = ("The disk is full: pictures are shown but not kept. Free some space, or `speakage config`.",)
    visit(page, daemon)
    badges = page.locator("#badges li")
    expect(badges).to_have_count(1)
    expect(badges.locator("code")).to_have_text("speakage config")
    daemon.send(events.MicrophoneLost(reason="it was unplugged."))
    expect(badges.last).to_have_text("The microphone is lost: it was unplugged. Speakage keeps trying.")
    expect(page.locator("#listening-state")).to_have_text("No sound arrives")
    daemon.send(events.MicrophoneRestored(source="microphone: Desk", gap_ms=900))
    expect(badges).to_have_count(1)
    expect(page.locator("#listening-state")).to_have_text("Listening")
    daemon.send(events.MicrophoneSilent(silent=True))
    expect(badges.last).to_contain_text("only silence")
    daemon.send(events.MicrophoneSilent(silent=False))
    daemon.send(events.Status(engines=daemon.engines))
    expect(badges).to_have_count(0)
    daemon.send(events.Error(code="bad_message", message="prompt: too long", field="prompt"))
    expect(badges).to_contain_text(["prompt: too long"])


def test_it_tells_which_models_run_and_why(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    page.get_by_role("button", name="Small built-in models").click()
    dialog = page.get_by_role("dialog", name="What runs, and why")
    expect(dialog).to_contain_text("openvino, bf16")
    expect(dialog.locator("#details-picture-why code")).to_have_text("speakage models get sd-turbo")
    expect(dialog.locator("#details-pilot")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_it_reconnects_and_recovers_what_it_missed(page: Page, daemon: DummyDaemon) -> None:
    daemon.store("car")
    visit(page, daemon)
    expect_final(page, "car")
    daemon.begin("castle").step(1)
    daemon.store("castle")
    daemon.drop()
    daemon.wait_until(lambda: len(daemon.afters) == 2)
    assert daemon.afters == [None, 1]
    expect_final(page, "castle")
    assert difference(page, "castle") < 4
    expect(page.locator("#words")).to_have_text("a castle in the snow")
    expect(page.locator("#strip span")).to_have_text(["a castle in the snow", "a car on a beach"])
    expect(page.locator("#announcer")).to_have_text("Painted meanwhile: a castle in the snow")


def test_it_outlives_the_daemon(page: Page, console: list[str]) -> None:
    with DummyDaemon() as first:
        first.store("boat")
        visit(page, first)
        expect_final(page, "boat")
        first.send(events.Stopped(reason="asked to"))
    expect(page.get_by_role("status").first).to_have_text(
        "Speakage stopped (asked to). This page goes on when it is back."
    )
    expect(page.locator("#talk")).to_be_disabled()
    expect_final(page, "boat")
    with DummyDaemon(first.port) as second:
        second.wait_until(lambda: second.clients > 0)
        expect(page.get_by_role("status").first).to_be_empty()
        second.begin("cat").complete()
        expect_final(page, "cat")
        page.close()
    # a browser reports a refused connection by itself, and nobody can keep it from that
    console[:] = [line for line in console if not UNREACHABLE.search(line)]


def test_this_browsers_microphone_reaches_the_daemon(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    page.get_by_role("button", name="Use this browser’s microphone").click()
    update = daemon.wait_for(events.SessionUpdate)
    assert update.audio_format == "pcm_s16le"
    daemon.wait_until(lambda: len(daemon.audio) > 2 * update.audio_rate * 3 // 2)
    heard = np.frombuffer(bytes(daemon.audio[: len(daemon.audio) // 2 * 2]), "<i2").astype(float)[-update.audio_rate :]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert abs(spectrum.argmax() * update.audio_rate / len(heard) - TONE_HZ) < 2
    assert np.sqrt((heard**2).mean()) > 1000
    daemon.send(events.ListeningChanged(listening=True, mode="open", source=f"client: {update.name}"))
    expect(page.locator("#listening-source")).to_have_text("this browser's microphone")
    page.get_by_role("button", name="Stop using this microphone").click()
    # giving up the floor mutes; as nothing was muted before, the daemon's own microphone is heard again
    daemon.wait_until(lambda: daemon.messages == [update, events.ListenStop()])
    expect(page.locator("#browser-microphone")).to_have_attribute("data-state", "off")


def test_without_a_microphone_the_large_button_takes_this_browsers(page: Page, daemon: DummyDaemon) -> None:
    daemon.listening = events.Listening(listening=True, mode="open", source="none")
    visit(page, daemon)
    expect(page.locator("#listening-state")).to_have_text("No microphone")
    page.get_by_role("button", name="Listen", exact=True).click()
    update = daemon.wait_for(events.SessionUpdate)
    daemon.wait_until(lambda: len(daemon.audio) > 0)
    daemon.send(events.ListeningChanged(listening=True, mode="open", source=f"client: {update.name}"))
    page.get_by_role("button", name="Mute").click()
    daemon.wait_until(lambda: daemon.messages == [update, events.ListenStop(), events.ListenStop()])
    daemon.audio.clear()
    daemon.send(events.ListeningChanged(listening=False, mode="open", source="none"))
    page.get_by_role("button", name="Listen", exact=True).click()
    daemon.wait_until(
        lambda: daemon.messages == [update, events.ListenStop(), events.ListenStop(), update, events.ListenStart()]
    )
    daemon.wait_until(lambda: len(daemon.audio) > 0)


def test_the_microphone_is_announced_again_on_a_new_connection(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    page.get_by_role("button", name="Use this browser’s microphone").click()
    daemon.wait_until(lambda: len(daemon.audio) > 0)
    daemon.messages.clear()
    daemon.engines = replace(ENGINES, backend="loading")
    daemon.drop()
    expect(page.locator("#connection")).to_have_text("The models are loading…")
    expect(page.locator("#listening-state")).to_have_text("Getting ready")
    assert daemon.messages == []
    daemon.audio.clear()
    daemon.send(events.Status(engines=ENGINES))
    daemon.wait_for(events.SessionUpdate)
    daemon.wait_until(lambda: len(daemon.audio) > 0)


def test_a_taken_floor_turns_the_microphone_off(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    page.get_by_role("button", name="Use this browser’s microphone").click()
    daemon.wait_until(lambda: len(daemon.audio) > 0)
    daemon.send(events.Error(code="floor_taken", message="another client is speaking"))
    expect(page.locator("#browser-microphone")).to_have_attribute("data-state", "refused")
    expect(page.locator("#microphone-note")).to_have_text("another client is speaking")
    assert events.ListenStop() not in daemon.messages


def test_in_push_mode_sound_leaves_the_browser_only_while_held(page: Page, daemon: DummyDaemon) -> None:
    daemon.listening = events.Listening(listening=False, mode="push", source="none")
    visit(page, daemon)
    page.get_by_role("button", name="Use this browser’s microphone").click()
    expect(page.locator("#browser-microphone")).to_have_attribute("data-state", "on")
    page.keyboard.press("/")
    page.keyboard.type("quiet until now")
    page.keyboard.press("Enter")
    daemon.wait_for(events.PromptCreate)
    assert len(daemon.audio) == 0
    page.keyboard.press("Escape")
    for _ in range(2):
        daemon.messages.clear()
        daemon.audio.clear()
        page.keyboard.down(" ")
        daemon.wait_until(lambda: len(daemon.audio) > 0)
        page.keyboard.up(" ")
        daemon.wait_for(events.ListenStop)
        assert [type(message) for message in daemon.messages] == PUSHED
    expect(page.locator("#badges li")).to_have_count(0)


def test_a_refused_microphone_is_explained(browser: Browser, daemon: DummyDaemon, console: list[str]) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        listen_to(page, console)
        visit(page, daemon)
        page.get_by_role("button", name="Use this browser’s microphone").click()
        expect(page.locator("#microphone-note")).to_contain_text("did not allow the microphone")
        expect(page.locator("#browser-microphone")).to_have_attribute("data-state", "refused")
    assert console == []


def test_an_insecure_page_names_the_remedy(page: Page, daemon: DummyDaemon, console: list[str]) -> None:
    visit(page, daemon, host="gallery.test")
    page.get_by_role("button", name="Use this browser’s microphone").click()
    expect(page.locator("#microphone-note code")).to_have_text("speakage run --tls self-signed")
    expect(page.locator("#browser-microphone")).to_have_attribute("data-state", "unavailable")
    # a header that means something on secure pages only
    console[:] = [line for line in console if "Cross-Origin-Opener-Policy" not in line]


def test_one_key_is_full_screen(page: Page, daemon: DummyDaemon) -> None:
    page.clock.install()
    visit(page, daemon)
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement !== null")
    expect(page.get_by_role("button", name="Leave full screen (f)")).to_be_visible()
    # nobody touches anything for a while: only picture and words remain
    page.clock.fast_forward(5_000)
    expect(page.locator("body")).to_have_attribute("data-quiet", "")
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement === null")
    page.get_by_label("Type a prompt").focus()
    page.keyboard.type("f")
    expect(page.get_by_label("Type a prompt")).to_have_value("f")
    assert page.evaluate("document.fullscreenElement") is None


def test_a_key_shows_the_last_timings_around_the_last_syllable(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    daemon.begin("car").complete(since_last_voiced_ms=None)
    daemon.begin("castle").complete(since_last_voiced_ms=-200.0)
    expect_final(page, "castle")
    expect(page.locator("#latency")).to_have_text("0.2 s before your last word")
    expect(page.locator("#timings")).to_be_hidden()
    page.keyboard.press("t")
    graph = page.get_by_role("img", name="Picture 0.2 s before the last syllable (median of 1).")
    expect(graph).to_be_visible()
    expect(graph.locator("circle")).to_have_count(0)
    for number in range(31):
        daemon.begin("boat").complete(since_last_voiced_ms=700.0, first_preview_ms=-900.0 + 10 * number)
    expect(page.locator("#announcer")).to_have_text("Painted: a boat at sunset.")
    expect(page.locator("#timings figcaption")).to_contain_text(
        "First image 0.7 s before, picture 0.7 s after the last syllable (median of 30)."
    )
    expect(page.locator("#timings tbody tr").last).to_have_text("a boat at sunset−0.6 s0.7 s")
    line = page.locator("#timings line").evaluate("line => line.y1.baseVal.value")
    bars = page.locator("#timings rect").evaluate_all(
        "bars => bars.map(bar => [bar.y, bar.height].map(v => v.baseVal.value))"
    )
    dots = page.locator("#timings circle").evaluate_all("dots => dots.map(dot => dot.cy.baseVal.value)")
    assert len(bars) == len(dots) == 30
    assert all(abs(y + height - line) < 0.01 for y, height in bars), (
        "what came after the last syllable stands on the line"
    )
    assert min(dots) > line, "what came before hangs below it"
    table = page.locator("#timings .hidden").bounding_box()
    assert table is not None
    assert table["height"] <= 1, "for screen readers only: it takes no room"
    page.keyboard.press("t")
    expect(page.locator("#timings")).to_be_hidden()
    page.get_by_label("Type a prompt").press("t")
    expect(page.locator("#timings")).to_be_hidden()


@pytest.mark.parametrize(
    ("width", "height"), [(390, 844), (320, 568), (844, 390), (1024, 768), (1440, 900), (2560, 1440)]
)
def test_nothing_hangs_over_the_edge(page: Page, daemon: DummyDaemon, width: int, height: int) -> None:
    for name in SCENES:
        daemon.store(name, transcript=f"paint me please {SCENES[name].prompt}", unknown=("please",))
    daemon.badges = ("The disk is full: pictures are shown but not kept.",)
    page.set_viewport_size({"width": width, "height": height})
    visit(page, daemon)
    expect_final(page, "castle")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    edges = "nodes => nodes.filter(n => n.offsetParent).map(n => n.getBoundingClientRect()).map(r => [r.left, r.right])"
    for left, right in page.locator("#picture button, #words, #talk, #prompt-form, #browser-microphone").evaluate_all(
        edges
    ):
        assert 0 <= left < right <= width
    canvas = page.locator("#picture button canvas").bounding_box()
    assert canvas is not None
    assert abs(canvas["width"] - canvas["height"]) < 2
    assert canvas["width"] >= 0.4 * min(width, height)


def test_words_can_be_read_from_three_metres(page: Page, daemon: DummyDaemon) -> None:
    """Capitals of 10 arc minutes at 3 m are 9 mm: 33 px on a 24-inch screen of 1920 × 1080, so letters of 48 px."""
    page.set_viewport_size({"width": 1920, "height": 1080})
    daemon.store("castle", transcript="paint me a castle in the snow")
    visit(page, daemon)
    expect(page.locator("#words")).to_have_text("paint me a castle in the snow")
    assert page.locator("#words").evaluate("node => parseFloat(getComputedStyle(node).fontSize)") >= 48


def test_everything_has_a_name_and_the_tab_key_goes_in_reading_order(page: Page, daemon: DummyDaemon) -> None:
    for name in ("car", "castle"):
        daemon.store(name)
    visit(page, daemon)
    expect_final(page, "castle")
    tree = page.locator("body").aria_snapshot()
    assert re.findall(r"- (?:button|link|textbox|meter|img)(?! \")", tree) == []
    assert page.get_by_role("main").count() == 1
    for region in ("Picture", "Words", "Listening", "Past pictures"):
        expect(page.get_by_role("region", name=region, exact=True)).to_be_attached()
    stops = []
    for _ in range(12):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(f"({NAME_OF})(document.activeElement)"))
        assert page.evaluate("document.activeElement.matches(':focus-visible')")
    assert stops == [
        "Skip to the prompt",
        "Small built-in models",
        "Models and machine",
        "Full screen (f)",
        "Open the picture: a castle in the snow",
        "Mute",
        "Type a prompt",
        "Paint",
        "Use this browser’s microphone",
        "Start from a picture",
        "Start from the camera",
        "Open: a castle in the snow",
    ]


def test_less_motion_means_no_fades(browser: Browser, daemon: DummyDaemon, console: list[str]) -> None:
    daemon.store("car")
    with browser.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        listen_to(page, console)
        visit(page, daemon)
        daemon.begin("castle").complete()
        expect_final(page, "castle")
        assert page.locator("#words").evaluate("node => getComputedStyle(node).transitionDuration") in ("0s", "0.0s")
    assert console == []


def test_scenes_are_what_they_say() -> None:
    """The pictures these tests trust: the digest is of the decoded bytes, as on the wire."""
    pixels = Image.open(io.BytesIO(SCENES["castle"].png)).convert("RGB").tobytes()
    assert hashlib.sha256(pixels).hexdigest() == SCENES["castle"].sha256
