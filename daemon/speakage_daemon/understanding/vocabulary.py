"""The words that talking about pictures is made of: colours, sizes, places, styles and what joins things. Lists only.

Nouns are not listed: whatever stands where a noun stands is one. No sentence is taken apart here, and nothing says
which of these words a picture model knows.
"""

from __future__ import annotations

from typing import Final


def words(*lines: str) -> tuple[str, ...]:
    """The words of some lines."""
    return tuple(" ".join(lines).split())


def _phrases(*lines: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in " ".join(lines).split(","))


COLOURS: Final = words(
    "white black red blue green yellow pink purple orange gray grey brown golden gold silver turquoise violet beige",
    "crimson scarlet navy teal magenta cyan lavender bronze copper emerald indigo maroon transparent",
)
SHADES: Final = words("light dark bright pale deep pastel")
"""Before a colour: "*dark* blue"."""

SIZE_STEPS: Final = ("tiny", "small", "", "big", "huge")
"""From step to step by "bigger" and "smaller"; nothing is said of the usual size."""
SIZES: Final = {
    "tiny": 0, "mini": 0, "small": 1, "little": 1, "big": 3, "large": 3,
    "huge": 4, "giant": 4, "enormous": 4, "gigantic": 4, "massive": 4,
}  # fmt: skip
"""Every word for a size, and its place in :data:`SIZE_STEPS`."""

QUALITIES: Final = frozenset(
    words(
        "happy sad angry sleepy funny cute beautiful pretty ugly old young new ancient modern dark shiny sparkling",
        "glowing fluffy furry soft hard round square flat smooth rough wet dry cold frozen burning broken clean",
        "dirty fast slow strong weak brave shy proud lonely friendly scary spooky magic magical wild tame hungry lazy",
        "busy quiet loud wooden metal plastic glass striped spotted dotted curly wavy pointed sharp heavy empty full",
        "open closed fancy simple royal mysterious enchanted abandoned crowded peaceful dancing singing sleeping",
        "smiling laughing crying melting rusty muddy hairy chubby skinny elegant tall short long wide narrow thin",
        "thick fat bright colorful colourful tired bald sandy snowy starry stormy sunny rainy foggy",
    )
)
MOODS: Final = frozenset(
    words(
        "spooky scary creepy cheerful dreamy romantic gloomy mysterious magical peaceful dramatic calm cozy cosy dark",
        "bright colorful colourful festive nostalgic epic detailed realistic blurry sharp warm cold moody vibrant pale",
        "minimal simple cinematic eerie lively soft serious playful",
    )
)
"""Said of the whole picture."""
OPPOSITE_MOODS: Final = {
    "dark": "bright", "bright": "dark", "colorful": "pale", "colourful": "pale", "warm": "cold", "cold": "warm",
    "sharp": "blurry", "blurry": "sharp", "detailed": "simple", "simple": "detailed", "cheerful": "gloomy",
    "gloomy": "cheerful",
}  # fmt: skip
MOOD_NOUNS: Final = {
    "detail": "detailed", "details": "detailed", "light": "bright", "color": "colorful", "colors": "colorful",
    "colour": "colourful", "colours": "colourful", "drama": "dramatic", "contrast": "dramatic",
}  # fmt: skip
""" "more *detail*" asks for a detailed picture."""

STYLES: Final = {
    **{
        name: f"as a {name}"
        for name in _phrases(
            "pencil sketch, pencil drawing, sketch, watercolor, watercolour, vintage photo, cartoon, neon sign,",
            "comic book, crayon drawing, charcoal drawing, chalk drawing, mosaic, photograph, photo, poster,",
            "paper cutout, clay model, fresco, collage, blueprint, woodcut, doodle, sticker, postcard, silhouette,",
            "caricature",
        )
    },
    **{name: f"as {name}" for name in ("origami", "embroidery", "graffiti", "claymation", "stained glass")},
    **{
        name: f"as an {name}"
        for name in ("old photo", "oil painting", "ink drawing", "engraving", "illustration", "old photograph")
    },
    **{
        name: f"in {name} style"
        for name in _phrases(
            "pixel art, comic, anime, manga, low poly, line art, pop art, lego, retro, vintage, abstract,",
            "impressionist, surreal, baroque, cubist, gothic, minimalist, isometric, cyberpunk, steampunk, fantasy,",
            "art nouveau",
        )
    },
    **{name: f"in {name}" for name in ("black and white", "sepia", "neon", "oil", "crayon", "pastel")},
    "watercolor painting": "as a watercolor", "watercolour painting": "as a watercolour",
}  # fmt: skip
"""Every way of drawing that has a name, and how it is said behind the rest."""

PLACES: Final = {
    **dict.fromkeys(
        words("beach island hill moon mars planet mountain street road farm stage playground lawn grass sand"),
        "on",
    ),
    **dict.fromkeys(
        words(
            "snow meadow desert space universe forest wood woods jungle mountains sky cloud clouds city town",
            "village room kitchen bedroom library garden park cave valley museum classroom school zoo market circus",
            "stadium swamp station airport studio supermarket restaurant theater theatre air field farmyard",
        ),
        "in",
    ),
    **dict.fromkeys(words("sea ocean lake river pond harbor harbour shore"), "by"),
    "water": "under", "rainbow": "in front of", "home": "at", "background": "on",
}  # fmt: skip
"""Nouns that are where a picture is rather than what it shows, and the usual word before each."""
PLACE_LINKS: Final = frozenset(words("in on at by inside among"))
"""Before any of them."""
PLACES_BY_LINK: Final = {
    "under": ("water", "sea", "ocean", "sky", "rainbow"),
    "in front of": ("mountains", "mountain", "rainbow", "sky", "sea", "background"),
    "at the bottom of": ("sea", "ocean", "lake"), "with": ("background",), "before": ("mountains", "rainbow"),
}  # fmt: skip
"""Before some; a thing stands above, below or next to all others."""

TIMES: Final = {
    **dict.fromkeys(("night", "nighttime"), "at night"),
    **dict.fromkeys(("day", "daytime", "daylight"), "in daylight"),
    **{name: f"at {name}" for name in words("noon midnight sunset sunrise dawn dusk christmas")},
    **{name: f"in {name}" for name in words("winter summer spring autumn moonlight")},
    **{name: f"in the {name}" for name in words("morning evening fall rain snow fog wind sunshine")},
    "rainy": "in the rain", "raining": "in the rain", "snowy": "in the snow", "snowing": "in the snow",
    "foggy": "in the fog", "windy": "in the wind", "sunny": "in the sunshine", "stormy": "in a storm",
    "storm": "in a storm",
}  # fmt: skip
"""Times and weathers, and how they are said behind the rest."""

POSITIONS: Final = {
    "left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom",
    "middle": "in the middle", "center": "in the center", "centre": "in the centre", "corner": "in the corner",
    "background": "in the background", "foreground": "in the foreground", "front": "in the foreground",
    "back": "in the background",
}  # fmt: skip

JOINING: Final = _phrases(
    "next to, above, below, to the left of, to the right of, left of, right of, on the left of, on the right of,",
    "on the left side of, on the right side of, in front of, behind, beside, on, on top of, under, underneath, near,",
    "inside, with, between, in between, in the middle of, over, beneath, around, close to, far from, against,",
    "across from, along with, together with, opposite, in, at, by, among, higher than, through, onto, into,",
    "at the bottom of, and, or",
)
"""Words between two things."""
DOING: Final = words(
    "holding riding watching chasing wearing facing eating drinking reading carrying pulling pushing driving catching",
    "kissing hugging following playing painting feeding kicking throwing",
)
"""Between one who does and what it is done to."""
ACTIONS: Final = words(
    "sitting standing lying walking running flying swimming jumping climbing sleeping dancing floating falling playing",
    "hiding waiting resting sailing driving parked looking growing living swinging sliding singing smiling laughing",
    "crying waving reading surfing skating hanging",
)
"""Behind one who does: "a dog *running* on a beach"."""
NEGATING: Final = ("without", "with no", "but no", "and no", "but without", "and without", "with out", "no")

DETERMINERS: Final = words("a an the some my our your his her their this that these those many several another any")
SINGLE_FIGURES: Final = words("one two three four five six seven eight nine ten eleven twelve")
TEENS: Final = words("thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
TENS: Final = words("twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS: Final = words("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth")
ASKING: Final = words(
    "i you we it its they them he she me us there is are was be been being do does did don't not isn't it's that's",
    "there's i'd i'll let's can could would should will may must please thanks thank want need like mean love okay ok",
    "hey hello hi um uh er so well just now then again also too very more most less least fewer only instead actually",
    "sorry wait maybe make makes made draw drawing paint painting painted show showing see imagine think create",
    "picture pictures image add put bring give get have keep take leave remove delete erase replace swap change",
    "changed turn move moved mirror flip start stop use undo redo go going look looks bigger smaller larger taller",
    "shorter wider narrower longer older younger brighter darker lighter happier sadder spookier noisier prettier",
    "much bit little lot slightly completely same different other others both all each everything something nothing",
    "away rid up down off out back one ones people text format portrait landscape square wide size sizes color colors",
    "colour colours style background thing things what who where how when if but as of for from than to",
)
"""Words for asking and telling that are in no other list."""
