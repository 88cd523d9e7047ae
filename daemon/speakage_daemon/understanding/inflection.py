"""Forms of a word: plural, singular, article, and the plain form of a comparative. Pure.

Rules and the exceptions that people paint. A word that no rule knows is returned as it is or takes the usual ending;
nothing here says whether a word exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import Final

from speakage_daemon.understanding.vocabulary import words

_IRREGULAR: Final = {
    "mouse": "mice", "goose": "geese", "man": "men", "woman": "women", "child": "children", "person": "people",
    "fisherman": "fishermen", "snowman": "snowmen", "policeman": "policemen", "fireman": "firemen", "ox": "oxen",
    "foot": "feet", "tooth": "teeth", "wolf": "wolves", "leaf": "leaves", "calf": "calves", "elf": "elves",
    "dwarf": "dwarfs", "knife": "knives", "shelf": "shelves", "scarf": "scarves", "loaf": "loaves", "wife": "wives",
    "tomato": "tomatoes", "potato": "potatoes", "mango": "mangoes", "volcano": "volcanoes", "hero": "heroes",
    "superhero": "superheroes", "mosquito": "mosquitoes", "tornado": "tornadoes", "buffalo": "buffaloes",
    "cactus": "cacti", "bus": "buses", "minibus": "minibuses", "axe": "axes", "pickaxe": "pickaxes", "torch": "torches",
    "headache": "headaches", "gas": "gases", "lens": "lenses", "canvas": "canvases", "christmas": "christmases",
    "rhinoceros": "rhinoceroses", "emu": "emus", "menu": "menus", "gnu": "gnus",
}  # fmt: skip
_SAME: Final = frozenset(
    words(
        "sheep fish deer bison moose squid shrimp salmon trout dice stairs scissors money rice bread corn milk grass",
        "moss spaghetti sushi toast bamboo garlic broccoli news pants jeans clothes trousers series species blowfish",
        "fries chess snow water",
    )
)
_ENDING_IN_IE: Final = frozenset(
    words("zombie cookie genie movie brownie smoothie selfie hoodie birdie pixie calorie pie tie necktie magpie")
)
_ENDING_IN_IS: Final = frozenset(words("iris tennis oasis trellis axis basis paris this his is clematis"))
_REST: Final = re.compile(r"(?= (?:of|with|in|on|behind|without) )")
_SINGULARS: Final = {many: one for one, many in _IRREGULAR.items()} | {"dwarves": "dwarf", "cactuses": "cactus"}
_VOWEL: Final = re.compile(r"(?!uni|use|ufo|eu|one\b|uk)[aeiou]|hour|honest|x-ray|mri")


def plural(noun: str) -> str:
    """ "toy car" → "toy cars", "cup of coffee" → "cups of coffee", "mouse" → "mice"; a plural stays what it is."""
    return _headed(noun, _plural)


def singular(noun: str) -> str:
    """The way back; a singular stays what it is."""
    return _headed(noun, _singular)


def article(phrase: str) -> str:
    """ "a" or "an", by how the first word sounds."""
    return "an" if _VOWEL.match(phrase) else "a"


def positive(word: str, known: Container[str]) -> str:
    """ "spookier" → "spooky", "bigger" → "big", "bluer" → "blue": what is known, else the word."""
    stem = word.removesuffix("er")
    forms = (word, stem, stem + "e", stem.removesuffix("i") + "y", stem[:-1])
    return next((form for form in forms if form in known), word)


def _headed(noun: str, form: Callable[[str], str]) -> str:
    """The noun with its head in another form: "man with a hat" → "men with a hat"."""
    named, *rest = _REST.split(noun, maxsplit=1)
    before, space, head = named.rpartition(" ")
    return f"{before}{space}{form(head)}{''.join(rest)}"


def _plural(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _SAME or _singular(word) != word:
        return word
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if re.search(r"[^aeiou]y$", word) else f"{word}s"


def _singular(word: str) -> str:
    if word in _SINGULARS:
        return _SINGULARS[word]
    kept = word in _SAME or word in _IRREGULAR or word in _ENDING_IN_IS
    if kept or len(word) < 3 or word.endswith(("ss", "us")):
        return word
    if word.endswith("ies"):
        return word[:-1] if word[:-1] in _ENDING_IN_IE else f"{word[:-3]}y"
    if word.endswith(("sses", "uses", "shes", "ches", "xes", "zzes")) and not word.endswith("ouses"):
        return word[:-2]
    return word.removesuffix("s")
