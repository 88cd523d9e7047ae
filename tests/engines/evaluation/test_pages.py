"""The two pages as a person meets them in Chromium, the CSV files beside them, and the little server."""

from __future__ import annotations

import csv
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from speakage_engines.evaluation.figure import Evaluation, EvaluationError, LeftOut, share
from speakage_engines.evaluation.picture_set import PictureSet, of_pictures
from speakage_engines.evaluation.rating import KEY_FILE, Study, Vote, read_votes, win_rates, write_rating
from speakage_engines.evaluation.rating_server import LARGEST_RESULT, RatingServer
from speakage_engines.evaluation.scene import Verdict
from speakage_engines.evaluation.side_by_side import (
    FIGURES_FILE,
    PICTURES_FILE,
    SHOWN_SIDE,
    Column,
    as_data_address,
    write_side_by_side,
)

CAPTIONS = ('a <b>"red"</b> cat', "two dogs", "an owl at night")


def pictures(name: str, shade: int, side: int = 32) -> PictureSet:
    return of_pictures(name, [np.full((side, side, 3), shade + n, np.uint8) for n in range(3)], CAPTIONS)


def columns() -> tuple[Column, Column]:
    def column(name: str, shade: int, right: tuple[bool, ...]) -> Column:
        figures = (share("scene accuracy: overall", [*right] * 30, resolution="32×32", features="scenes (64)"),)
        evaluation = Evaluation(name, figures, (LeftOut("LPIPS", "needs weights"),))
        verdicts = tuple(Verdict(each, "" if each else "no cat") for each in right)
        return Column(pictures=pictures(name, shade), evaluation=evaluation, verdicts=verdicts)

    return column("before & now", 60, (False, True, False)), column("after", 160, (True, True, True))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_default_timeout(10_000)
    yield page
    context.close()
    assert faults == []


def test_side_by_side_shows_captions_pictures_verdicts_and_figures(page: Page, tmp_path: Path) -> None:
    page.goto(write_side_by_side(tmp_path, "Before & after", columns()).as_uri())
    assert page.title() == "Before & after"
    assert page.locator(".row h3").all_inner_texts() == list(CAPTIONS)
    assert page.locator("img").count() == 6
    assert (
        page.evaluate(
            "Promise.all([...document.images].map((i) => i.decode())).then(() => document.images[3].naturalWidth)"
        )
        == 32
    )
    assert page.locator(".row").nth(0).locator("figcaption").all_inner_texts() == ["no cat", "right"]
    assert page.locator("td.best").inner_text().startswith("100.0 %")
    assert "n = 90, 32×32, scenes (64)" in page.locator("td").first.inner_text()
    assert "needs weights" in page.locator("li").first.inner_text()
    page.get_by_label("only where the verdicts differ").check()
    assert page.locator(".row:visible h3").all_inner_texts() == [CAPTIONS[0], CAPTIONS[2]]


def test_the_same_figures_lie_beside_it_as_csv(tmp_path: Path) -> None:
    write_side_by_side(tmp_path, "x", columns(), limit=1)
    figures = list(csv.DictReader((tmp_path / FIGURES_FILE).read_text(encoding="utf-8").splitlines()))
    assert [(row["subject"], row["value"], row["n"]) for row in figures] == [
        ("before & now", str(100 * 30 / 90), "90"),
        ("after", "100.0", "90"),
    ]
    found = list(csv.DictReader((tmp_path / PICTURES_FILE).read_text(encoding="utf-8").splitlines()))
    assert [row["right"] for row in found] == ["false", "true", "false", "true", "true", "true"]
    assert found[0]["caption"] == CAPTIONS[0]


def test_columns_must_be_of_the_same_captions(tmp_path: Path) -> None:
    other = of_pictures("other", [np.zeros((8, 8, 3), np.uint8)], ["a fish"])
    with pytest.raises(EvaluationError, match="same captions"):
        write_side_by_side(tmp_path, "x", [columns()[0], Column(pictures=other, evaluation=Evaluation("other", ()))])
    with pytest.raises(EvaluationError, match="nothing to put"):
        write_side_by_side(tmp_path, "x", [])


def test_large_pictures_are_shown_smaller() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1_024, 1_024, 3), dtype=np.uint8)
    assert len(as_data_address(noise)) < SHOWN_SIDE * SHOWN_SIDE * 3 * 1.5


def rate(page: Page, choices: dict[str, str]) -> None:
    """Choose by caption: the order is shuffled for each rater."""
    page.get_by_label("Your name").fill("Ana, from Köln")
    page.get_by_role("button", name="Begin").click()
    for number in range(3):
        page.get_by_text(f"{number + 1} of 3").wait_for()
        caption = page.locator("#caption").inner_text().strip("“”")
        page.keyboard.press(choices[caption])
    page.get_by_role("heading", name="Thank you.").wait_for()


def sides(folder: Path) -> dict[str, dict[str, str]]:
    rows = csv.DictReader((folder / KEY_FILE).read_text(encoding="utf-8").splitlines())
    return {row["caption"]: row for row in rows}


def test_a_blind_rating_saved_as_csv_gives_the_votes(page: Page, tmp_path: Path) -> None:
    file = write_rating(tmp_path, pictures("ours", 60), pictures("theirs", 160))
    text = file.read_text(encoding="utf-8")
    assert "ours" not in text
    assert "theirs" not in text
    key = sides(tmp_path)
    page.goto(file.as_uri())
    ours_on = {caption: "ArrowLeft" if key[caption]["A"] == "ours" else "ArrowRight" for caption in CAPTIONS}
    rate(page, {**ours_on, CAPTIONS[2]: "ArrowDown"})
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the CSV file").click()
    assert download.value.suggested_filename.endswith("-Ana-from-Köln.csv")
    saved = tmp_path / "saved.csv"
    download.value.save_as(saved)
    votes = read_votes(tmp_path / KEY_FILE, [saved])
    assert sorted(votes, key=lambda vote: vote.pair) == [
        Vote("0", "Ana, from Köln", "ours"),
        Vote("1", "Ana, from Köln", "ours"),
        Vote("2", "Ana, from Köln", ""),
    ]


def test_the_pictures_shown_are_those_of_the_key(page: Page, tmp_path: Path) -> None:
    page.goto(write_rating(tmp_path, pictures("ours", 60), pictures("theirs", 160)).as_uri())
    page.get_by_label("Your name").fill("x")
    page.get_by_role("button", name="Begin").click()
    row = sides(tmp_path)[page.locator("#caption").inner_text().strip("“”")]
    red = """async (image) => { await image.decode(); const canvas = new OffscreenCanvas(1, 1).getContext("2d");
        canvas.drawImage(image, 0, 0); return canvas.getImageData(0, 0, 1, 1).data[0]; }"""
    first, second = (page.locator("#pair img").nth(n).evaluate(red) for n in (0, 1))
    assert (first < 100) == (row["A"] == "ours")
    assert (second < 100) == (row["B"] == "ours")


def test_a_choice_can_be_taken_back_and_a_reload_goes_on(page: Page, tmp_path: Path) -> None:
    page.goto(write_rating(tmp_path, pictures("ours", 60), pictures("theirs", 160)).as_uri())
    page.get_by_label("Your name").fill("x")
    page.get_by_role("button", name="Begin").click()
    page.locator("#pair button").first.click()
    page.get_by_text("2 of 3").wait_for()
    page.reload()
    page.get_by_text("2 of 3").wait_for()
    page.keyboard.press("Backspace")
    page.get_by_text("1 of 3").wait_for()
    assert page.locator("#pair button").first.get_attribute("aria-pressed") == "true"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RatingServer]:
    write_rating(tmp_path, pictures("ours", 60), pictures("theirs", 160))
    server = RatingServer(tmp_path)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_served_rating_is_kept_without_a_download(page: Page, server: RatingServer, tmp_path: Path) -> None:
    page.goto(server.address)
    rate(page, dict.fromkeys(CAPTIONS, "ArrowLeft"))
    page.get_by_text("Your choices are saved").wait_for()
    votes = read_votes(tmp_path / KEY_FILE, sorted((tmp_path / "results").glob("*.csv")))
    key = sides(tmp_path)
    assert {vote.winner for vote in votes} == {key[caption]["A"] for caption in CAPTIONS}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", f"/{KEY_FILE}", {}, b"", 404),
        ("GET", "/../rating-key.csv", {}, b"", 404),
        ("GET", "/", {"Host": "evil.example"}, b"", 403),
        ("POST", "/results", {"Origin": "http://evil.example"}, b"study\n", 403),
        ("POST", "/results", {}, b"name,phone\n", 400),
        ("POST", "/results", {}, b"\xff\xff", 400),
        ("POST", "/elsewhere", {}, b"study", 400),
        ("POST", "/results", {"Content-Length": str(LARGEST_RESULT + 1)}, b"", 413),
        ("POST", "/results", {"Content-Length": "-1"}, b"", 400),
    ],
)
def test_the_server_gives_and_takes_nothing_else(
    server: RatingServer, tmp_path: Path, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, body=body, headers=headers)
    assert connection.getresponse().status == status
    connection.close()
    assert list((tmp_path / "results").iterdir()) == []


def test_a_server_without_a_page(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="write a rating page first"):
        RatingServer(tmp_path)


def test_sides_are_shuffled_by_the_seed(tmp_path: Path) -> None:
    many = [np.zeros((4, 4, 3), np.uint8)] * 60
    captions = [f"caption {number}" for number in range(60)]
    ours, theirs = of_pictures("ours", many, captions), of_pictures("theirs", many, captions)
    keys = []
    for seed in (0, 0, 1):
        write_rating(tmp_path, ours, theirs, Study(seed=seed, pairs=50))
        keys.append((tmp_path / KEY_FILE).read_text(encoding="utf-8"))
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0].splitlines()) == 51
    assert 12 <= sum(row["A"] == "ours" for row in sides(tmp_path).values()) <= 38


def test_pairs_need_the_same_captions_and_different_names(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="different names"):
        write_rating(tmp_path, pictures("ours", 60), pictures("ours", 160))
    with pytest.raises(EvaluationError, match="same captions"):
        write_rating(tmp_path, pictures("ours", 60), of_pictures("x", [np.zeros((4, 4, 3), np.uint8)]))


def test_results_that_do_not_belong_are_named_with_their_line(tmp_path: Path) -> None:
    write_rating(tmp_path, pictures("ours", 60), pictures("theirs", 160))
    study = sides(tmp_path)[CAPTIONS[0]]["study"]
    file = tmp_path / "results.csv"
    head = "study,pair,rater,choice,milliseconds\n"
    for body, complaint in (
        (f"{study},0,x,A,5\nother,0,x,A,5\n", r"results\.csv, line 3: pair 0 of study other"),
        (f"{study},0,x,C,5\n", r"line 2: the choice is 'C'"),
        (f"{study},0,x\n", r"line 2: the columns should be"),
    ):
        file.write_text(head + body, encoding="utf-8")
        with pytest.raises(EvaluationError, match=complaint):
            read_votes(tmp_path / KEY_FILE, [file])
    file.write_text(head + f"{study},0,x,A,5\n{study},0,x,same,5\n", encoding="utf-8")
    assert read_votes(tmp_path / KEY_FILE, [file]) == [Vote("0", "x", "")]
    with pytest.raises(EvaluationError, match="does not exist"):
        read_votes(tmp_path / KEY_FILE, [tmp_path / "nothing.csv"])


def test_win_rates_are_of_the_decided_votes() -> None:
    votes = [Vote(str(n), "a", "ours") for n in range(6)] + [Vote(str(n), "b", "theirs") for n in range(2)]
    figures = win_rates([*votes, Vote("9", "b", ""), Vote("8", "b", "")])
    assert [(f.name, f.value, f.n) for f in figures] == [
        ("win rate: ours", 75, 8),
        ("win rate: theirs", 25, 8),
        ("no difference", 20, 10),
    ]
    assert figures[0].interval is not None
    assert figures[0].interval.low == pytest.approx(40.93, abs=0.01)
    with pytest.raises(EvaluationError, match="no votes"):
        win_rates([])
