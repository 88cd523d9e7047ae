"""Places to stand before: twenty-four scenes and eleven plain colours, and the words for them.

Each scene is drawn from a number of its own, so that no two beaches are the same; a number gives one picture. Nothing
is put *on* the places here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

from speakage_engines.training.brushes import CANVAS, clouds, dots, hills, sky, vignette
from speakage_engines.training.glyphs import COLOURS


@dataclass(frozen=True, slots=True)
class Place:
    """Words for a background."""

    phrases: tuple[str, ...]
    """Behind a thing: "a dog *on a beach*"; the first is the plain one."""
    noun: str
    """Before a thing: "*a beach* with a dog"."""
    colour: str | None = None
    """The plain colour that it is, if it is one."""


def _scene(noun: str, *phrases: str) -> Place:
    return Place(phrases, noun)


def _plain(colour: str) -> Place:
    phrases = (f"on a {colour} background", f"in front of a {colour} wall", f"with a {colour} background")
    return Place(tuple(_an(phrase) for phrase in phrases), _an(f"a {colour} background"), colour)


def _an(phrase: str) -> str:
    return phrase.replace("a orange", "an orange")


PLACES: Final = {
    "beach": _scene("a beach", "on a beach", "at the beach", "on the sand", "on a sandy beach"),
    "night": _scene("a starry night", "at night", "in the night", "under a night sky", "on a dark night"),
    "sunset": _scene("a sunset", "at sunset", "in the evening", "in front of a sunset", "at dusk"),
    "snow": _scene("a snowy field", "in the snow", "in winter", "on a snowy day", "in a snowy field"),
    "meadow": _scene("a meadow", "in a meadow", "on the grass", "on a green field", "in a field"),
    "desert": _scene("a desert", "in the desert", "in a desert", "between sand dunes"),
    "space": _scene("outer space", "in space", "in outer space", "in the universe"),
    "water": _scene("the deep sea", "under water", "underwater", "in the deep sea", "at the bottom of the sea"),
    "forest": _scene("a forest", "in the forest", "in a forest", "in the woods", "among the trees"),
    "sea": _scene("the sea", "by the sea", "on the sea", "on the ocean", "at sea"),
    "mountains": _scene("mountains", "in the mountains", "in front of mountains", "before high mountains"),
    "rain": _scene("a rainy day", "in the rain", "on a rainy day", "in rainy weather"),
    "sky": _scene("a blue sky", "in the sky", "in the clouds", "high in the sky", "up in the air"),
    "city": _scene("a city", "in a city", "in the city", "in town", "in front of tall buildings"),
    "road": _scene("a road", "on a road", "on the road", "on a street", "in the street"),
    "room": _scene("a room", "in a room", "indoors", "inside a room", "at home"),
    "flowers": _scene("a field of flowers", "in a field of flowers", "among flowers", "in a flower garden"),
    "stage": _scene("a stage", "on a stage", "on stage", "in a theater", "in front of a curtain"),
    "farm": _scene("a farm", "on a farm", "at the farm", "in a farmyard"),
    "river": _scene("a river", "by a river", "at the river", "on the bank of a river"),
    "autumn": _scene("autumn leaves", "in autumn", "in the fall", "among autumn leaves"),
    "rainbow": _scene("a rainbow sky", "in front of a rainbow", "before a rainbow", "with a rainbow behind"),
    "cave": _scene("a cave", "in a cave", "inside a cave", "in a dark cave"),
    "kitchen": _scene("a kitchen table", "on a table", "on the table", "on a kitchen table"),
    **{f"plain {colour}": _plain(colour) for colour in COLOURS},
}


def paint(name: str, variant: int, size: int) -> Image.Image:
    """The place as RGB of ``size`` × ``size``."""
    place = PLACES[name]
    if place.colour is not None:
        return vignette(COLOURS[place.colour]).resize((size, size), Image.Resampling.BILINEAR)
    dice = random.Random(f"{name}/{variant}")  # noqa: S311  # drawing, not secrets
    picture = _PAINTERS[name](dice)
    if dice.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def _beach(dice: random.Random) -> Image.Image:
    picture = sky((110, 195, 250), (190, 230, 255), (40, 140, 200), 0.42)
    hills(picture, dice, 0.66, 0.06, (235, 240, 240))
    hills(picture, dice, 0.68, 0.06, (240, 212, 150))
    dots(picture, dice, 25, (0.75, 1), [(220, 188, 125), (250, 230, 180)])
    return picture


def _night(dice: random.Random) -> Image.Image:
    picture = sky((8, 12, 45), (40, 50, 110))
    dots(picture, dice, 45, (0, 0.75), [(255, 255, 235), (200, 210, 255)])
    hills(picture, dice, 0.86, 0.1, (14, 20, 38))
    return picture


def _sunset(dice: random.Random) -> Image.Image:
    picture = sky((120, 60, 140), (255, 165, 70), (90, 45, 80), 0.68)
    x = dice.uniform(0.25, 0.75) * CANVAS
    ImageDraw.Draw(picture).pieslice(
        (x - 45, 0.68 * CANVAS - 45, x + 45, 0.68 * CANVAS + 45), 180, 360, (255, 225, 120)
    )
    hills(picture, dice, 0.76, 0.06, (70, 35, 70))
    return picture


def _snow(dice: random.Random) -> Image.Image:
    picture = sky((175, 200, 225), (225, 235, 245))
    hills(picture, dice, 0.65, 0.12, (225, 234, 246))
    hills(picture, dice, 0.78, 0.08, (247, 250, 255))
    dots(picture, dice, 70, (0, 1), [(255, 255, 255)])
    return picture


def _meadow(dice: random.Random) -> Image.Image:
    picture = sky((120, 195, 250), (205, 235, 255))
    clouds(picture, dice, 2, (250, 252, 255))
    hills(picture, dice, 0.62, 0.1, (150, 205, 95))
    hills(picture, dice, 0.74, 0.07, (112, 182, 70))
    return picture


def _desert(dice: random.Random) -> Image.Image:
    picture = sky((250, 205, 130), (255, 236, 190))
    hills(picture, dice, 0.6, 0.14, (226, 168, 95))
    hills(picture, dice, 0.76, 0.12, (212, 148, 76))
    hills(picture, dice, 0.95, 0.1, (196, 130, 62))
    return picture


def _space(dice: random.Random) -> Image.Image:
    picture = sky((10, 5, 25), (28, 12, 55))
    glow = Image.new("RGB", picture.size, (10, 5, 25))
    for colour in ((110, 40, 130), (40, 60, 150)):
        x, y, radius = dice.uniform(30, 226), dice.uniform(30, 226), dice.uniform(35, 65)
        ImageDraw.Draw(glow).ellipse((x - radius, y - radius / 2, x + radius, y + radius / 2), colour)
    picture = Image.blend(picture, glow.filter(ImageFilter.GaussianBlur(24)), 0.6)
    dots(picture, dice, 90, (0, 1), [(255, 255, 255), (255, 240, 190), (190, 210, 255)])
    return picture


def _water(dice: random.Random) -> Image.Image:
    picture = sky((60, 175, 215), (8, 60, 120))
    draw = ImageDraw.Draw(picture, "RGBA")
    for _ in range(4):
        x = dice.uniform(0, CANVAS)
        draw.polygon([(x, 0), (x + 18, 0), (x + 10, CANVAS), (x - 50, CANVAS)], (255, 255, 255, 22))
    for _ in range(18):
        x, y, radius = dice.uniform(0, CANVAS), dice.uniform(0, CANVAS), dice.uniform(2, 6)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=(215, 245, 255, 200), width=1)
    hills(picture, dice, 0.95, 0.07, (190, 170, 110))
    return picture


def _forest(dice: random.Random) -> Image.Image:
    picture = sky((165, 205, 150), (90, 140, 85))
    for shade, count, wide in (((62, 105, 58), 9, 14), ((40, 78, 42), 6, 20)):
        draw = ImageDraw.Draw(picture)
        for number in range(count):
            x = (number + dice.uniform(0.1, 0.9)) * CANVAS / count
            draw.rectangle((x - wide / 3, 0.35 * CANVAS, x + wide / 3, 0.85 * CANVAS), (86, 60, 38))
            for level in range(3):
                y = (0.04 + 0.16 * level) * CANVAS + dice.uniform(-6, 6)
                draw.polygon([(x, y), (x - wide * 1.5, y + 62), (x + wide * 1.5, y + 62)], shade)
    hills(picture, dice, 0.82, 0.05, (70, 112, 48))
    return picture


def _sea(dice: random.Random) -> Image.Image:
    picture = sky((125, 195, 245), (215, 238, 255), (35, 115, 185), 0.45)
    clouds(picture, dice, 2, (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    for _ in range(26):
        x, y = dice.uniform(-10, CANVAS), dice.uniform(0.48, 1) * CANVAS
        wide = 8 + 20 * (y / CANVAS - 0.4)
        draw.arc((x, y, x + 2 * wide, y + wide), 200, 340, (170, 215, 240), 2)
    return picture


def _mountains(dice: random.Random) -> Image.Image:
    picture = sky((130, 185, 235), (225, 238, 250))
    draw = ImageDraw.Draw(picture)
    for place in (0.1, 0.5, 0.9):
        x, top = (place + dice.uniform(-0.12, 0.12)) * CANVAS, dice.uniform(0.08, 0.3) * CANVAS
        draw.polygon([(x, top), (x - 95, 190), (x + 95, 190)], (118, 128, 148))
        draw.polygon(
            [(x, top), (x - 24, top + 36), (x - 6, top + 28), (x + 8, top + 40), (x + 24, top + 36)], (250, 252, 255)
        )
    hills(picture, dice, 0.74, 0.07, (96, 142, 82))
    return picture


def _rain(dice: random.Random) -> Image.Image:
    picture = sky((98, 108, 125), (160, 170, 182), (105, 118, 122), 0.74)
    clouds(picture, dice, 5, (78, 86, 102), 0.12)
    draw = ImageDraw.Draw(picture)
    for _ in range(75):
        x, y = dice.uniform(0, CANVAS + 20), dice.uniform(0, CANVAS)
        draw.line((x, y, x - 5, y + 18), (205, 222, 240), 2)
    return picture


def _skies(dice: random.Random) -> Image.Image:
    picture = sky((70, 150, 235), (170, 215, 250))
    clouds(picture, dice, 5, (255, 255, 255), 0.98)
    return picture


def _city(dice: random.Random) -> Image.Image:
    picture = sky((150, 195, 235), (235, 238, 240))
    draw = ImageDraw.Draw(picture)
    left = -10.0
    while left < CANVAS:
        wide, top = dice.uniform(28, 46), dice.uniform(0.12, 0.5) * CANVAS
        tone = dice.choice([(128, 134, 150), (150, 138, 132), (108, 118, 138), (165, 150, 138)])
        draw.rectangle((left, top, left + wide, 215), tone)
        for row in range(int(top) + 8, 205, 16):
            for column in range(int(left) + 6, int(left + wide) - 7, 12):
                draw.rectangle(
                    (column, row, column + 5, row + 7), (250, 232, 165) if dice.random() < 0.6 else (80, 90, 110)
                )
        left += wide + 3
    draw.rectangle((0, 212, CANVAS, CANVAS), (98, 98, 104))
    return picture


def _road(dice: random.Random) -> Image.Image:
    picture = sky((150, 205, 250), (225, 240, 250), (128, 178, 92), 0.5)
    middle = CANVAS * dice.uniform(0.45, 0.55)
    draw = ImageDraw.Draw(picture)
    draw.polygon([(middle - 10, 128), (middle + 10, 128), (275, CANVAS), (-20, CANVAS)], (92, 94, 100))
    for start, end in ((0.06, 0.16), (0.28, 0.45), (0.62, 0.9)):
        top, low = 128 + 128 * start, 128 + 128 * end
        draw.polygon(
            [(middle - 6 * start, top), (middle + 6 * start, top), (128 + 8 * end, low), (128 - 8 * end, low)],
            (245, 240, 215),
        )
    return picture


def _room(dice: random.Random) -> Image.Image:
    wall = dice.choice([(238, 220, 190), (206, 222, 226), (232, 208, 206)])
    picture = sky(wall, wall, (176, 126, 80), 0.7)
    draw = ImageDraw.Draw(picture)
    x = dice.choice([30, 40, 150, 160])
    draw.rectangle((x, 30, x + 62, 100), (255, 255, 255))
    draw.rectangle((x + 5, 35, x + 57, 95), (160, 210, 245))
    draw.rectangle((x + 29, 35, x + 33, 95), (255, 255, 255))
    draw.rectangle((0, 173, CANVAS, 181), (250, 246, 238))
    for y in (200, 222, 246):
        draw.line((0, y, CANVAS, y), (150, 104, 64), 2)
    return picture


def _flowers(dice: random.Random) -> Image.Image:
    picture = sky((135, 205, 250), (215, 240, 255), (98, 170, 66), 0.45)
    draw = ImageDraw.Draw(picture)
    for number in range(80):
        y = (0.47 + 0.52 * number / 80) * CANVAS
        x, radius = dice.uniform(0, CANVAS), 2 + 5 * (y / CANVAS - 0.4)
        petal = dice.choice([(240, 70, 90), (255, 215, 60), (250, 250, 250), (215, 110, 220), (255, 150, 190)])
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            draw.ellipse(
                (x + radius * (dx - 1), y + radius * (dy - 1), x + radius * (dx + 1), y + radius * (dy + 1)), petal
            )
        draw.ellipse((x - radius * 0.7, y - radius * 0.7, x + radius * 0.7, y + radius * 0.7), (250, 190, 50))
    return picture


def _stage(dice: random.Random) -> Image.Image:
    picture = sky((70, 20, 30), (105, 25, 40), (150, 100, 60), 0.76)
    draw = ImageDraw.Draw(picture, "RGBA")
    for side in (0, 1):
        for fold in range(5):
            left = fold * 11 if side == 0 else CANVAS - 11 * (fold + 1)
            draw.rectangle((left, 0, left + 11, 205), ((170, 25, 40, 255), (130, 15, 30, 255))[fold % 2])
    draw.rectangle((0, 0, CANVAS, 24), (185, 35, 48, 255))
    x = dice.uniform(0.4, 0.6) * CANVAS
    draw.polygon([(x - 8, 20), (x + 8, 20), (x + 75, 230), (x - 75, 230)], (255, 245, 190, 70))
    draw.ellipse((x - 75, 212, x + 75, 246), (255, 240, 180, 110))
    return picture


def _farm(dice: random.Random) -> Image.Image:
    picture = sky((150, 205, 245), (225, 240, 250))
    hills(picture, dice, 0.68, 0.06, (196, 186, 88))
    x = dice.choice([18, 26])
    draw = ImageDraw.Draw(picture)
    draw.rectangle((x, 92, x + 76, 168), (172, 52, 44))
    draw.polygon([(x - 8, 94), (x + 38, 52), (x + 84, 94)], (104, 74, 66))
    draw.rectangle((x + 24, 120, x + 52, 168), (240, 234, 226))
    draw.line((x + 24, 120, x + 52, 168), (172, 52, 44), 3)
    hills(picture, dice, 0.76, 0.05, (134, 172, 72))
    for post in range(4, CANVAS, 28):
        draw.rectangle((post, 176, post + 6, 214), (250, 248, 240))
    for y in (184, 200):
        draw.rectangle((0, y, CANVAS, y + 5), (250, 248, 240))
    return picture


def _river(dice: random.Random) -> Image.Image:
    picture = sky((150, 210, 250), (225, 242, 252), (112, 176, 76), 0.4)
    sway = dice.uniform(-30, 30)
    draw = ImageDraw.Draw(picture)
    left = [(120 + sway, 102), (90, 140), (120 - sway, 180), (30, CANVAS)]
    right = [(230, CANVAS), (215 - sway, 180), (140, 140), (132 + sway, 102)]
    draw.polygon(left + right, (66, 150, 215))
    dots(picture, dice, 16, (0.45, 1), [(90, 150, 60), (150, 200, 100)])
    return picture


def _autumn(dice: random.Random) -> Image.Image:
    picture = sky((235, 215, 180), (250, 235, 205))
    hills(picture, dice, 0.7, 0.06, (176, 112, 52))
    draw = ImageDraw.Draw(picture)
    for x in (26 + dice.uniform(-10, 10), 226 + dice.uniform(-10, 10)):
        draw.rectangle((x - 7, 60, x + 7, 190), (94, 62, 42))
        draw.ellipse((x - 46, 4, x + 46, 96), dice.choice([(222, 112, 30), (200, 66, 30), (236, 162, 40)]))
    dots(picture, dice, 70, (0.1, 1), [(222, 112, 30), (200, 66, 30), (240, 175, 50)])
    return picture


def _rainbow(dice: random.Random) -> Image.Image:
    picture = sky((150, 205, 248), (225, 242, 255))
    x, draw = CANVAS * dice.uniform(0.42, 0.58), ImageDraw.Draw(picture)
    bands = [(230, 60, 60), (245, 150, 50), (250, 220, 70), (90, 190, 90), (70, 130, 225), (140, 80, 190)]
    for number, band in enumerate(bands):
        radius = 132 - 9 * number
        draw.arc((x - radius, 180 - radius, x + radius, 180 + radius), 180, 360, band, 10)
    hills(picture, dice, 0.72, 0.07, (124, 188, 80))
    return picture


def _cave(dice: random.Random) -> Image.Image:
    picture = sky((66, 58, 62), (112, 98, 92))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((60, 50, 196, 240), (158, 142, 126))
    picture = picture.filter(ImageFilter.GaussianBlur(14))
    draw = ImageDraw.Draw(picture)
    for number in range(9):
        x, wide = (number + dice.uniform(0.2, 0.8)) * CANVAS / 9, dice.uniform(12, 18)
        draw.polygon([(x - wide, 0), (x + wide, 0), (x, dice.uniform(25, 75))], (46, 40, 44))
        draw.polygon([(x - wide, CANVAS), (x + wide, CANVAS), (x, CANVAS - dice.uniform(10, 38))], (56, 48, 50))
    return picture


def _kitchen(dice: random.Random) -> Image.Image:
    picture = sky((225, 238, 235), (205, 225, 222))
    draw = ImageDraw.Draw(picture)
    for line in range(0, CANVAS, 32):
        draw.line((line, 0, line, 150), (250, 252, 252), 2)
        draw.line((0, line, CANVAS, line), (250, 252, 252), 2)
    draw.polygon([(20, 150), (236, 150), (CANVAS + 20, 222), (-20, 222)], (192, 138, 86))
    draw.rectangle((0, 222, CANVAS, CANVAS), (152, 104, 62))
    for _ in range(6):
        x, y = dice.uniform(-20, 220), dice.uniform(158, 216)
        draw.line((x, y, x + 60, y), (176, 122, 72), 2)
    return picture


_PAINTERS: Final[dict[str, Callable[[random.Random], Image.Image]]] = {
    "beach": _beach, "night": _night, "sunset": _sunset, "snow": _snow, "meadow": _meadow, "desert": _desert,
    "space": _space, "water": _water, "forest": _forest, "sea": _sea, "mountains": _mountains, "rain": _rain,
    "sky": _skies, "city": _city, "road": _road, "room": _room, "flowers": _flowers, "stage": _stage, "farm": _farm,
    "river": _river, "autumn": _autumn, "rainbow": _rainbow, "cave": _cave, "kitchen": _kitchen,
}  # fmt: skip
