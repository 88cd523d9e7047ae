"""What comes of rewriting a prompt, on the display in a real Chromium."""

from __future__ import annotations

from dataclasses import replace

from playwright.sync_api import Page, expect

from speakage_daemon import events

from .dummy_daemon import DummyDaemon
from .test_display import CHROMIUM, browser, console, daemon, page, pytestmark, visit

__all__ = ["CHROMIUM", "browser", "console", "daemon", "page", "pytestmark"]

REWRITING = events.RewritingStarted(utterance=7, transcript="paint a castle", understood="a castle", budget_ms=1_500)
REWRITTEN = events.RewritingCompleted(
    utterance=7, revision=2, understood="a castle", prompt="a castle in the snow", outcome="rewritten",
    chip="rewritten", milliseconds=320.0,
)  # fmt: skip
TOO_SLOW = replace(
    REWRITTEN,
    prompt="a castle",
    outcome="too_slow",
    chip="rewriter too slow: painted as said",
    reason="no answer within 1500 ms",
)


def test_a_rewritten_prompt_is_shown_beside_what_was_understood(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    said = "paint a castle"
    daemon.send(events.TranscriptionCompleted(utterance=7, text=said, transcribe_ms=9, since_last_voiced_ms=250))
    daemon.send(events.Understood(utterance=7, text=said, kind="create", chips=("a castle",), final=True))
    daemon.send(REWRITING)
    expect(page.locator("#understood li")).to_have_text(["new picture", "a castle", "being rewritten…"])
    daemon.send(REWRITTEN)
    expect(page.locator("#understood li")).to_have_text(["new picture", "a castle", "rewritten"])
    expect(page.locator("#announcer")).to_have_text("Rewritten: a castle in the snow")
    daemon.send(
        events.ImageStarted(
            utterance=7, revision=2, prompt=REWRITTEN.prompt, seed=7, steps=6, backend="torch", transcript=said,
            rewritten_from="a castle", width=128, height=128,
        )
    )  # fmt: skip
    expect(page.locator("#words")).to_have_text(said)
    expect(page.locator("#painted")).to_have_text("Painting: a castle in the snow")
    expect(page.locator("#understood li")).to_have_count(3)


def test_a_rewriter_that_is_too_slow_is_told_where_everyone_sees_it(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    daemon.send(REWRITING)
    expect(page.locator("#words")).to_have_text("paint a castle")
    expect(page.locator("#understood li")).to_have_text(["being rewritten…"])
    daemon.send(TOO_SLOW)
    chip = page.locator("#understood li")
    expect(chip).to_have_text(["rewriter too slow: painted as said"])
    expect(page.locator("#announcer")).to_have_text("rewriter too slow: painted as said")
    trouble = page.evaluate("() => getComputedStyle(document.documentElement).getPropertyValue('--trouble').trim()")
    assert trouble == "#f0a183"
    expect(chip).to_have_css("color", "rgb(240, 161, 131)")
    daemon.send(replace(REWRITTEN, utterance=6))
    daemon.send(REWRITING)
    daemon.send(replace(REWRITTEN, outcome="superseded", chip="not rewritten: something newer came"))
    expect(chip).to_have_count(0)


def test_a_kept_picture_tells_the_words_it_was_painted_with(page: Page, daemon: DummyDaemon) -> None:
    picture = daemon.store("castle", transcript="paint a castle")
    daemon.gallery[0] = (replace(picture, rewritten_from="a castle"), daemon.gallery[0][1])
    visit(page, daemon)
    expect(page.locator("#painted")).to_have_text("Painted: a castle in the snow")
    page.locator("#strip button").first.click()
    expect(page.locator("#viewer-note")).to_have_text("Rewritten: a castle in the snow.")


def test_however_much_a_model_writes_what_was_said_keeps_its_place(page: Page, daemon: DummyDaemon) -> None:
    long = ("a castle in the snow, " * 100)[: events.MAX_PROMPT]
    picture = daemon.store("castle", transcript="a castle in the snow next to a dog")
    daemon.gallery[0] = (replace(picture, rewritten_from="a castle", prompt=long), daemon.gallery[0][1])
    visit(page, daemon)
    expect(page.locator("#painted")).to_contain_text("a castle in the snow, a castle")
    place = page.locator(".place").evaluate("node => [node.clientHeight + 1, node.firstElementChild.offsetHeight]")
    assert place[0] >= place[1] >= 22, "the words are whole"
    label = page.locator("#listening").bounding_box()
    painted = page.locator("#painted").bounding_box()
    assert label is not None
    assert painted is not None
    assert 0 < painted["y"] < painted["y"] + painted["height"] <= label["y"]
    page.locator("#strip button").first.click()
    expect(page.locator("#viewer-download")).to_be_in_viewport()
    expect(page.locator("#viewer-words")).to_be_in_viewport()
