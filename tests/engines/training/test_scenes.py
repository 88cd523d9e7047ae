"""Drawn pictures: the same everywhere, never of both splits, and showing what they say."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from speakage_engines.api import ModelError
from speakage_engines.training import backgrounds, glyphs, nouns
from speakage_engines.training.scene import Scene, Spot, Thing, combination, split_of
from speakage_engines.training.scenes import PRESETS, Scenes
from speakage_engines.training.styles import STYLES

NUMBERS = (0, 1, 2, 17, 999_999, 10**12)
ELSEWHERE = """
import hashlib
from speakage_engines.training.scenes import PRESETS, Scenes
pictures = Scenes(PRESETS["gpu"], 64)
for number in {numbers}:
    example = pictures.example(number)
    print(hashlib.sha256(example.picture.tobytes() + example.caption.encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def drawn() -> glyphs.Glyphs:
    return glyphs.Glyphs()


@pytest.fixture(scope="module")
def pictures() -> Scenes:
    return Scenes(replace(PRESETS["gpu"], styled=0.0), 128)


def one(noun: str, colour: str | None = None, background: str = "plain white", side: float = 0.8) -> Scene:
    thing = Thing(noun, (Spot(0.5, 0.5, side),), colour)
    return Scene(
        kind="one", things=(thing,), relation=None, background=background, variant=0, style=None, wording=None
    )  # fmt: skip


def changed(picture: NDArray[np.uint8], empty: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.abs(picture.astype(int) - empty).max(axis=-1) > 12


def test_a_number_means_one_picture_in_every_process_and_order() -> None:
    pictures = Scenes(PRESETS["gpu"], 64)
    here = []
    for number in NUMBERS:
        example = pictures.example(number)
        here.append(hashlib.sha256(example.picture.tobytes() + example.caption.encode()).hexdigest())
    code = ELSEWHERE.format(numbers=tuple(reversed(NUMBERS)))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.split() == here[::-1]
    copy = pickle.loads(pickle.dumps(pictures))
    assert np.array_equal(copy.example(17).picture, pictures.example(17).picture)
    assert len(set(here)) == len(here)


def test_pictures_have_the_size_that_was_asked_for() -> None:
    for size in (32, 128, 256):
        picture = Scenes(PRESETS["cpu"], size).example(3).picture
        assert (picture.shape, picture.dtype) == ((size, size, 3), np.uint8)
    assert len(Scenes(PRESETS["cpu"], length=7)) == 7


def test_seeds_and_splits_differ() -> None:
    base = Scenes(PRESETS["cpu"]).scene(1)
    assert Scenes(replace(PRESETS["cpu"], seed=1)).scene(1) != base
    assert Scenes(PRESETS["cpu"], split="unseen").scene(1) != base


def test_no_combination_is_of_both_splits() -> None:
    narrow = replace(PRESETS["cpu"], only=("cat", "dog", "car", "house", "moon", "tree"), unseen=0.3)
    train, unseen = Scenes(narrow), Scenes(narrow, split="unseen")
    seen = {combination(train.scene(number)) for number in range(4000)}
    held = {combination(unseen.scene(number)) for number in range(2000)}
    assert not seen & held
    assert 0.2 < len(held) / (len(held) + len(seen)) < 0.4


def test_what_is_held_out_does_not_hang_on_the_words() -> None:
    """The cat above the dog is the dog below the cat; a red cat is a cat."""
    cat, dog = Thing("cat", (Spot(0.5, 0.2, 0.3),)), Thing("dog", (Spot(0.5, 0.8, 0.3),))
    above = replace(one("cat"), kind="two", things=(cat, dog), relation="above")
    below = replace(above, things=(dog, cat), relation="below")
    assert combination(above) == combination(below) != combination(replace(above, relation="below"))
    assert combination(above) != combination(replace(above, background="beach"))
    assert combination(above) == combination(replace(above, style="comic", things=(replace(cat, colour="red"), dog)))
    assert combination(replace(above, relation="and")) == combination(replace(below, relation="and"))
    assert [split_of(above, share) for share in (0.0, 1.0)] == ["train", "unseen"]


def test_shares_are_kept() -> None:
    kinds = Counter(
        Scenes(replace(PRESETS["cpu"], one=1, two=1, three=0, several=2)).scene(n).kind for n in range(2000)
    )
    assert kinds["three"] == 0
    assert abs(kinds["several"] / 2000 - 0.5) < 0.05
    assert abs(kinds["one"] / 2000 - 0.25) < 0.05


def test_every_noun_has_a_picture_of_its_own(drawn: glyphs.Glyphs) -> None:
    rows = []
    for noun in nouns.every():
        glyph = drawn.scaled(noun.glyph, noun.recolouring, None, 32, False)
        square = Image.new("RGBA", (32, 32), (128, 128, 128, 0))
        square.paste(glyph, ((32 - glyph.width) // 2, (32 - glyph.height) // 2))
        pixels = np.asarray(square, np.float32)
        assert (pixels[..., 3] > 128).mean() > 0.02, noun.name
        rows.append((pixels[..., :3] * pixels[..., 3:] / 255).reshape(-1))
    rows_array = np.stack(rows)
    for number, row in enumerate(rows_array[:-1]):
        distance = np.abs(rows_array[number + 1 :] - row).mean(axis=1)
        nearest = int(distance.argmin())
        other = nouns.every()[number + 1 + nearest].name
        assert distance[nearest] > 2, (nouns.every()[number].name, other)


@pytest.mark.parametrize("colour", ["red", "orange", "yellow", "green", "blue", "purple", "pink"])
def test_a_colour_that_is_said_can_be_seen(colour: str, drawn: glyphs.Glyphs) -> None:
    for noun in nouns.every():
        if noun.recolouring == "none":
            continue
        painted = drawn.scaled(noun.glyph, noun.recolouring, colour, 48, False)
        share = _share_of(painted, colour)
        assert share > 0.15, (noun.name, colour, share)


@pytest.mark.parametrize(("colour", "low", "high"), [("black", 0, 110), ("gray", 80, 190), ("white", 170, 255)])
def test_colours_without_a_hue_can_be_seen(colour: str, low: int, high: int, drawn: glyphs.Glyphs) -> None:
    for noun in nouns.every():
        if noun.recolouring == "none":
            continue
        pixels = np.asarray(drawn.scaled(noun.glyph, noun.recolouring, colour, 48, False), np.float32)
        body = pixels[pixels[..., 3] > 200][:, :3]
        pale = body.max(axis=-1) - body.min(axis=-1) < 45
        inside = (body.mean(axis=-1) >= low) & (body.mean(axis=-1) <= high)
        assert (pale & inside).mean() > 0.15, (noun.name, colour)


def _share_of(picture: Image.Image, colour: str) -> float:
    """Of the pixels with a strong colour, and of all, those with that hue."""
    pixels = np.asarray(picture)
    hsv = np.asarray(picture.convert("RGB").convert("HSV"), np.float32)
    goal = Image.new("RGB", (1, 1), glyphs.COLOURS[colour]).convert("HSV").getpixel((0, 0))
    assert isinstance(goal, tuple)
    away = np.abs((hsv[..., 0] - goal[0] + 128) % 256 - 128)
    right = (away < 14) & (hsv[..., 1] > 60) & (pixels[..., 3] > 200)
    return float(right.sum() / (pixels[..., 3] > 200).sum())


def test_light_and_shadow_survive_a_new_colour(drawn: glyphs.Glyphs) -> None:
    for name in ("balloon", "car", "apple", "cat"):
        noun = nouns.by_name()[name]
        pixels = np.asarray(drawn.scaled(noun.glyph, noun.recolouring, "blue", 96, False).convert("LA"), np.float32)
        assert pixels[..., 0][pixels[..., 1] > 200].std() > 8, name


def test_a_thing_known_by_its_colours_keeps_them(drawn: glyphs.Glyphs) -> None:
    with pytest.raises(ValueError, match="cannot be blue"):
        drawn.scaled(nouns.by_name()["panda"].glyph, "none", "blue", 32, False)


def test_things_stand_where_the_words_say(pictures: Scenes) -> None:
    """Measured on the picture: each thing is drawn alone, and the middle of what changed is compared."""
    seen: Counter[str] = Counter()
    for number in range(600):
        scene = pictures.scene(number)
        if scene.relation not in ("above", "below", "left of", "right of", "between"):
            continue
        empty = pictures.draw(replace(scene, things=()))
        middles = []
        for thing in scene.things:
            rows, columns = np.nonzero(changed(pictures.draw(replace(scene, things=(thing,))), empty))
            middles.append((float(columns.mean()), float(rows.mean())))
        (x, y), (other_x, other_y) = middles[:2]
        across, down = other_x - x, other_y - y
        if scene.relation == "between":
            assert min(middles[1][0], middles[2][0]) < x < max(middles[1][0], middles[2][0])
        else:
            assert {"above": down, "below": -down, "left of": across, "right of": -across}[scene.relation] > 25
        seen[scene.relation] += 1
    assert min(seen.values()) > 10
    assert len(seen) == 5


def test_things_are_inside_and_apart(pictures: Scenes) -> None:
    for number in range(2000):
        scene = pictures.scene(number)
        spots = [spot for thing in scene.things for spot in thing.spots]
        assert all(spot.x - spot.side / 2 > 0 and spot.x + spot.side / 2 < 1 for spot in spots)
        assert all(spot.y - spot.side / 2 > 0 and spot.y + spot.side / 2 < 1 for spot in spots)
        for index, spot in enumerate(spots):
            for other in spots[index + 1 :]:
                apart = max(abs(spot.x - other.x), abs(spot.y - other.y))
                assert apart > 0.75 * (spot.side + other.side) / 2, scene


def test_big_small_and_usual_never_meet(pictures: Scenes) -> None:
    sides: dict[tuple[str, str], list[float]] = {}
    for number in range(4000):
        scene = pictures.scene(number)
        for thing in scene.things:
            sides.setdefault((scene.kind, thing.size), []).append(thing.spots[0].side)
    for kind in ("one", "two", "three"):
        for smaller, larger in pairwise(("small", "usual", "big")):
            assert max(sides[kind, smaller]) < min(sides[kind, larger])


def test_several_are_as_many_as_are_said(pictures: Scenes) -> None:
    counts = Counter(
        scene.things[0].count for scene in map(pictures.scene, range(2000)) if scene.kind == "several"
    )  # fmt: skip
    assert set(counts) == {2, 3, 4, 5}
    assert min(counts.values()) > 30


def test_backgrounds_differ_from_each_other_and_vary() -> None:
    places = {name: np.asarray(backgrounds.paint(name, 0, 64), np.float32) for name in backgrounds.PLACES}
    assert len(places) >= 30
    names = list(places)
    for index, name in enumerate(names):
        for other in names[index + 1 :]:
            assert np.abs(places[name] - places[other]).mean() > 6, (name, other)
    for name, place in backgrounds.PLACES.items():
        same = np.array_equal(places[name], np.asarray(backgrounds.paint(name, 1, 64)))
        assert same == (place.colour is not None), name


@pytest.mark.parametrize("style", list(STYLES))
def test_styles_change_the_picture_and_keep_the_thing(style: str, pictures: Scenes) -> None:
    scene = one("car", None, "beach")
    usual, styled = pictures.draw(scene), pictures.draw(replace(scene, style=style))
    without = pictures.draw(replace(scene, style=style, things=()))
    assert styled.shape == usual.shape
    assert np.abs(styled.astype(int) - usual).mean() > 5
    where, shown = changed(styled, without), changed(usual, pictures.draw(replace(scene, things=())))
    assert (where & shown).sum() / shown.sum() > (0.25 if style in ("neon", "pencil sketch") else 0.5)
    if not STYLES[style].colours and style != "neon":
        assert np.ptp(np.asarray(Image.fromarray(styled).convert("HSV"))[..., 1].astype(int)) < 250


def test_a_thing_is_not_painted_in_the_colour_of_its_wall(pictures: Scenes) -> None:
    for number in range(3000):
        scene = pictures.scene(number)
        wall = backgrounds.PLACES[scene.background].colour
        assert wall is None or all(thing.colour != wall for thing in scene.things)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="only: there is no picture of zebu"):
        Scenes(replace(PRESETS["cpu"], only=("cat", "zebu")))
    with pytest.raises(ValueError, match="unseen: nothing is held out"):
        Scenes(replace(PRESETS["cpu"], unseen=0.0), split="unseen")


def test_without_the_font_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError, match="apt install fonts-noto-color-emoji"):
        Scenes(PRESETS["cpu"])
    # fontconfig answers with another family when it has not the one that was asked for
    other = tmp_path / "fc-match"
    other.write_text("#!/bin/sh\necho 'DejaVu Sans'\necho /fonts/DejaVuSans.ttf\n")
    other.chmod(0o755)
    with pytest.raises(ModelError, match="apt install fonts-noto-color-emoji"):
        glyphs.find_font()
    other.write_text("#!/bin/sh\necho 'Noto Color Emoji'\necho /fonts/NotoColorEmoji.ttf\n")
    assert glyphs.find_font() == Path("/fonts/NotoColorEmoji.ttf")


def test_a_file_that_is_not_the_font_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "font.ttf"
    file.write_bytes(b"no font")
    with pytest.raises(ModelError, match=r"font\.ttf: no bitmaps"):
        glyphs.Glyphs(file)


def test_it_is_known_what_is_where() -> None:
    scenes = Scenes(PRESETS["few"], size=64)
    for number in range(40):
        scene, content = scenes.scene(number), scenes.example(number).content
        assert content is not None
        assert content.shape == (8, 8)
        assert {scenes.names[cell - 1] for cell in np.unique(content) if cell} == {thing.noun for thing in scene.things}
        for thing in scene.things:
            for spot in thing.spots:
                assert scenes.names[content[int(spot.y * 8), int(spot.x * 8)] - 1] == thing.noun
