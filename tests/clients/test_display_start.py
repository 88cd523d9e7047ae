"""Starting from a picture, on the display in a real Chromium: dropped, taken by the camera, or a part of it chosen."""

from __future__ import annotations

from base64 import b64encode

import numpy as np
from playwright.sync_api import Page, expect

from speakage_daemon import events

from .dummy_daemon import SCENES, DummyDaemon
from .test_display import CHROMIUM, browser, console, daemon, difference, expect_final, page, pytestmark, visit

__all__ = ["CHROMIUM", "browser", "console", "daemon", "page", "pytestmark"]

DROP = """([name, kind, data]) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type: kind }));
  for (const type of ["dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
}"""


def drop(page: Page, data: bytes, kind: str = "image/png") -> None:
    page.evaluate(DROP, ["picture", kind, b64encode(data).decode()])


def drag(page: Page, *places: tuple[float, float], shift: bool = False) -> None:
    """Over the picture, in shares of its width and height."""
    box = page.locator("#picture button canvas").bounding_box()
    assert box
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    if shift:
        page.keyboard.down("Shift")
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=6)
    page.mouse.up()
    if shift:
        page.keyboard.up("Shift")


def starts(daemon: DummyDaemon) -> list[events.CanvasStart]:
    return [message for message in daemon.messages if isinstance(message, events.CanvasStart)]


def nth_start(daemon: DummyDaemon, count: int) -> events.CanvasStart:
    daemon.wait_until(lambda: len(starts(daemon)) >= count)
    assert len(starts(daemon)) == count
    return starts(daemon)[-1]


def test_a_picture_that_is_dropped_is_on_the_wall_and_what_is_said_changes_it(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    drop(page, SCENES["castle"].png)
    assert nth_start(daemon, 1) == events.CanvasStart(image_id=SCENES["castle"].sha256)
    expect(page.locator("#picture")).to_have_attribute("data-state", "brought")
    expect(page.locator("#start-note")).to_contain_text("60 % may change")
    expect(page.locator("#words")).to_have_text("Say what it should become")
    assert difference(page, "castle") < 4
    daemon.begin("car").complete()
    expect_final(page, "car")
    page.get_by_role("button", name="Let it go").click()
    assert nth_start(daemon, 2) == events.CanvasStart()
    expect(page.locator("#start-note")).to_be_hidden()


def test_a_part_of_the_picture_is_chosen_painted_anew_and_cleared_by_escape(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    drop(page, SCENES["castle"].png)
    nth_start(daemon, 1)
    expect(page.locator("#picture")).to_have_attribute("data-state", "brought")
    drag(page, (0.25, 0.5), (0.75, 1.0))
    chosen = nth_start(daemon, 2)
    assert chosen.image_id == SCENES["castle"].sha256
    assert chosen.mask_id is not None
    mask = daemon.uploads[chosen.mask_id] > 127
    assert mask[70:, 36:92].all()
    assert not mask[:60].any()
    assert not mask[:, 100:].any()
    expect(page.locator("#region")).to_have_attribute("data-active", "")
    expect(page.locator("#start-note")).to_contain_text("Say or type what should be in the part you chose")
    drag(page, (0.1, 0.1), (0.3, 0.3))
    both = daemon.uploads[nth_start(daemon, 3).mask_id or ""] > 127
    assert both[20:30, 20:30].all(), "a second part is added to the first"
    assert both[70:, 36:92].all()

    daemon.begin("house").complete()
    expect_final(page, "house")
    drag(page, (0.6, 0.6), (0.9, 0.9))
    after = nth_start(daemon, 4)
    assert after.image_id == SCENES["house"].sha256, "the next part is one of what came of it"
    assert not (daemon.uploads[after.mask_id or ""] > 127)[20:30, 20:30].any()
    page.keyboard.press("Escape")
    assert nth_start(daemon, 5) == events.CanvasStart()
    expect(page.locator("#region")).not_to_have_attribute("data-active", "")


def test_with_shift_a_part_is_drawn_freehand(page: Page, daemon: DummyDaemon) -> None:
    daemon.store("castle")
    visit(page, daemon)
    expect_final(page, "castle")
    drag(page, (0.2, 0.2), (0.8, 0.2), (0.8, 0.8), shift=True)
    chosen = nth_start(daemon, 1)
    assert chosen.image_id == SCENES["castle"].sha256
    mask = daemon.uploads[chosen.mask_id or ""][..., 0] > 127
    assert mask[26, 40:100].all()
    assert mask[40:100, 102].all()
    assert not mask[60:, :80].any(), "it is no rectangle"


def test_a_press_still_opens_the_picture(page: Page, daemon: DummyDaemon) -> None:
    daemon.store("castle")
    visit(page, daemon)
    expect_final(page, "castle")
    page.locator("#picture button").click()
    expect(page.locator("#viewer")).to_be_visible()
    assert starts(daemon) == []


def test_a_frame_of_the_camera_is_started_from(page: Page, daemon: DummyDaemon) -> None:
    page.context.grant_permissions(["microphone", "camera"])
    visit(page, daemon)
    page.get_by_role("button", name="Start from the camera").click()
    expect(page.locator("#camera")).to_be_visible()
    page.wait_for_function("() => document.querySelector('#camera video').videoWidth > 0")
    page.get_by_role("button", name="Take the picture").click()
    taken = daemon.uploads[nth_start(daemon, 1).image_id or ""]
    assert taken.shape == (128, 128, 3)
    assert taken.std() > 5
    expect(page.locator("#camera")).to_be_hidden()
    assert page.evaluate("document.querySelector('#camera video').srcObject") is None


def test_what_cannot_be_started_from_is_said(page: Page, daemon: DummyDaemon, console: list[str]) -> None:
    visit(page, daemon)
    drop(page, b"hello", "text/plain")
    expect(page.locator("#badges")).to_contain_text("This is no PNG, JPEG or WebP picture")
    drop(page, b"no picture", "image/png")
    expect(page.locator("#badges")).to_contain_text("cannot be read")
    daemon.refusal = "its encoder shrinks pictures 4 times"
    drop(page, SCENES["castle"].png)
    expect(page.locator("#badges")).to_contain_text("The picture was not taken: its encoder shrinks pictures 4 times")
    assert starts(daemon) == []
    daemon.refusal = ""
    drop(page, SCENES["castle"].png)
    nth_start(daemon, 1)
    expect(page.locator("#badges li")).to_have_count(0)
    assert all("400" in line for line in console)
    console.clear()


def test_who_opens_the_page_later_sees_what_is_started_from(page: Page, daemon: DummyDaemon) -> None:
    visit(page, daemon)
    daemon.send(events.StartChanged(start=events.Start(image_id="a" * 64, strength=0.35)))
    expect(page.locator("#start-note")).to_contain_text("35 % may change")
    daemon.send(events.StartChanged(start=None))
    expect(page.locator("#start-note")).to_be_hidden()


def test_masks_are_black_and_white(page: Page, daemon: DummyDaemon) -> None:
    daemon.store("car")
    visit(page, daemon)
    expect_final(page, "car")
    drag(page, (0.25, 0.25), (0.5, 0.5))
    mask = daemon.uploads[nth_start(daemon, 1).mask_id or ""]
    assert np.isin(mask, (0, 255)).mean() > 0.97
