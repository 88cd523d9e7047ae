"""From a prompt to a scene. Pure.

A prompt is cut at the words that join things ("next to", "and", "on", commas); every piece is a thing, a place, a time,
a position, a mood, or something that should not be there. Reading never fails and never loses a word: a prompt that
does not come out with its own words stays as it is, one phrase. What a sentence *asks for* is not judged here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.inflection import singular
from speakage_daemon.understanding.numbers import count_of, spelled
from speakage_daemon.understanding.scene import Scene, Thing, text_of

_BREAKS: Final = re.compile(r"\s*[.;:!?…\n]+(?:\s+|$)")


def either(words: Iterable[str]) -> str:
    """A pattern for any of some words, the longest first."""
    return f"(?:{'|'.join(re.escape(word) for word in sorted(words, key=len, reverse=True))})"


COLOUR: Final = f"(?:{either(v.SHADES)} )?{either(v.COLOURS)}(?:_and_{either(v.COLOURS)})?"
_TWO_COLOURS: Final = re.compile(rf"(?<!\bin )\b({either(v.COLOURS)}) and ({either(v.COLOURS)})\b(?= \w|$)")
_LINK: Final = re.compile(
    rf"\s*,?\s*(?<![\w'-])(?:(?:that |which )?(?:is|are) )?(?P<link>{either(v.NEGATING)}|{either(v.DOING)}(?= \w)"
    rf"|(?:{either(v.ACTIONS)} )?(?:and )?{either(v.JOINING)})(?![\w'-])\s*|\s*,\s*"
)
_STYLE_NAME: Final = rf"(?P<name>{either(v.STYLES)})"
_STYLE: Final = re.compile(
    rf"(?:^|,? )(?:in the style of [^,]+|in (?:an? )?(?:[\w-]+ ){{1,3}}style"
    rf"|(?:in|as|like) (?:an? |the )?{either(v.STYLES)}(?: style| painting| picture)?)(?=,|$)"
)
_NAMED_STYLE: Final = re.compile(rf"(?:an? )?{_STYLE_NAME}(?: style)?")
_STYLE_OF: Final = re.compile(rf"(?:an? |the )?{_STYLE_NAME}(?: painting| drawing| picture| style)? of (?P<rest>.+)")
_THERE_IS: Final = re.compile(
    r"(?P<place>(?:in|on|at|under|by) [^,]+?)(?:,| there (?:is|are)| (?:we|i) see) (?P<rest>.+)"
)
_ON_WEATHER: Final = re.compile(
    r"on an? \w+ (?:day|night|morning|evening)|under (?:the stars|an? \w+ sky)|in \w+ weather"
)
_POSITION: Final = re.compile(rf"(?:to|on|at|in) the {either(v.POSITIONS)}(?: side| corner)?")
_AFTER: Final = re.compile(rf" (?:(?:that|which) (?:is|are)|painted) (?P<colour>{COLOUR})$")
_ACTION: Final = re.compile(rf"{either(v.ACTIONS)} ")
_DIGITS: Final = re.compile(r"(?<![\w.,:/-])\d{1,2}(?![\w.,:/%-])")
_SAID_OTHERWISE: Final = frozenset(
    v.words(
        "a an the and with without no but or any there is are we i see as in style that which painted of painting",
        "drawing picture",
    )
)
"""Words that a scene may leave out or write in another way."""


def normal(text: str) -> str:
    """Lower case, plain apostrophes and spaces, small numbers spelled, stops as commas: how scenes are written."""
    text = _BREAKS.sub(", ", text.lower().replace("’", "'").replace("_", " "))
    text = re.sub(r"\s*,[\s,]*", ", ", " ".join(text.split())).strip(" ,'\"")
    text = re.sub(r"\ba couple of\b", "two", re.sub(r"\bunderwater\b", "under water", text))
    return _DIGITS.sub(lambda match: spelled(int(match[0])), text)


def scene_of(prompt: str) -> Scene:
    """What a prompt says."""
    text = normal(prompt)
    if not text:
        return Scene()
    scene = _read(_TWO_COLOURS.sub(r"\1_and_\2", text))
    return scene if scene and _keeps_its_words(text, scene) else Scene(things=(verbatim(text),))


def verbatim(text: str) -> Thing:
    """Words that are not taken apart."""
    return Thing(noun=text, count=None, determiner="")


def thing_of(phrase: str, link: str = "") -> Thing:
    """What a noun phrase says: "two big red dogs", "the dog", "clouds"."""
    colour = ""
    if after := _AFTER.search(phrase):
        phrase, colour = phrase[: after.start()], after["colour"]
    determiner, count, words = _counted(phrase.split())
    words, position = _doing(words)
    size, qualities, before, words = _described(words)
    noun = " ".join(words).replace("_", " ")
    if count is not None and count != 1:
        noun = singular(noun)
    return Thing(
        noun=noun,
        count=count,
        determiner=determiner,
        size=size,
        qualities=qualities,
        colour=(before or colour).replace("_", " "),
        position=position,
        link=link,
    )


def place_of(link: str, phrase: str) -> bool:
    """Whether "on" + "a sandy beach" is where a picture is, rather than a thing in it."""
    words = phrase.partition(" of ")[0].split()
    if not words:
        return False
    noun = words[-1] if words[-1] in v.PLACES else singular(words[-1])
    return (link in v.PLACE_LINKS and noun in v.PLACES) or noun in v.PLACES_BY_LINK.get(link, ())


def time_of(phrase: str) -> bool:
    """Whether a phrase is a time or a weather: "at night", "on a rainy day"."""
    first, _, rest = phrase.partition(" ")
    plain = rest.removeprefix("the ").removeprefix("a ")
    usual = v.TIMES.get(plain, "").partition(" ")[0]
    return bool(_ON_WEATHER.fullmatch(phrase)) or (
        plain not in v.PLACES and first in ("in", "at", "by") and bool(usual)
    )


def style_of(words: str) -> str | None:
    """How a style is said behind a prompt: "watercolor" → "as a watercolor"; ``None`` where the words name none."""
    if named := _NAMED_STYLE.fullmatch(words):
        return v.STYLES[named["name"]]
    return words if _STYLE.fullmatch(words) else None


def position_of(words: str) -> str | None:
    """Where in the picture: "to the left" → "on the left"."""
    if not _POSITION.fullmatch(words):
        return None
    first, _, rest = words.partition(" ")
    place = rest.removeprefix("the ").removesuffix(" side")
    if first != "to":
        return f"{first} {rest}"
    return v.POSITIONS.get(place, f"in the {place}")


# --- pieces -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Draft:
    """A scene while it is read."""

    things: list[Thing] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    """Places and times since the last thing."""
    moods: list[str] = field(default_factory=list)
    negatives: list[str] = field(default_factory=list)

    def behind(self, words: str) -> None:
        """Words that belong to the last thing."""
        last = self.things[-1]
        self.things[-1] = replace(last, position=f"{last.position} {words}".strip())


def _read(text: str) -> Scene | None:
    text, style = _cut_style(text)
    if lead := _THERE_IS.fullmatch(text):
        link, _, phrase = lead["place"].partition(" ")
        if time_of(lead["place"]) or place_of(link, phrase):
            text = f"{lead['rest']} {lead['place']}"
    draft = _Draft()
    negated = False
    for link, phrase in _pieces(text):
        if not phrase:
            return None
        negated = link in v.NEGATING or (negated and _goes_on(link, phrase))
        if negated:
            draft.negatives.append(re.sub(r"^(?:any|an?|the) ", "", phrase))
        elif not _take(draft, link, phrase):
            return None
    times = [words for words in draft.settings if time_of(words)]
    return Scene(
        things=tuple(draft.things),
        background=" ".join(words for words in draft.settings if words not in times),
        when=" ".join(times),
        style=style,
        moods=tuple(draft.moods),
        negatives=tuple(draft.negatives),
    )


def _take(draft: _Draft, link: str, phrase: str) -> bool:
    """Put one piece where it belongs; ``False`` where it belongs nowhere."""
    action = _ACTION.match(f"{link} ")
    bare = link[action.end() :] if action else link
    words = f"{bare} {phrase}".strip()
    setting = time_of(words) or place_of(bare, phrase)
    if link == "," and phrase in v.MOODS:
        draft.moods.append(phrase)
    elif setting or _POSITION.fullmatch(words):
        if action or not setting:
            if not draft.things:
                return False
            draft.behind(
                " ".join(part for part in (link.split()[0] if action else "", "" if setting else words) if part)
            )
        if setting:
            draft.settings.append(words)
    else:
        if draft.settings and draft.things:
            draft.behind(" ".join(draft.settings))
            draft.settings.clear()
        draft.things.append(thing_of(phrase, link))
    return True


def _pieces(text: str) -> list[tuple[str, str]]:
    """Each with the word that joins it to what comes before."""
    pieces: list[tuple[str, str]] = []
    link, start = "", 0
    for match in _LINK.finditer(text):
        if match.start() > start or match.start() > 0:
            pieces.append((link, text[start : match.start()]))
        link, start = match["link"] or ",", match.end()
    return [*pieces, (link, text[start:])] if text else pieces


def _goes_on(link: str, phrase: str) -> bool:
    """ "no people, cars or dogs": what is not wanted goes on as long as nothing is counted."""
    return link == "or" or (link in (",", "and") and phrase.split()[0] not in (*v.DETERMINERS, *v.SINGLE_FIGURES))


def _cut_style(text: str) -> tuple[str, str]:
    if of := _STYLE_OF.fullmatch(text):
        return of["rest"], v.STYLES[of["name"]]
    if said := _STYLE.search(text):
        return (text[: said.start()] + text[said.end() :]).strip(" ,"), said[0].strip(" ,")
    head, comma, tail = text.rpartition(", ")
    if comma and (named := _NAMED_STYLE.fullmatch(tail)):
        return head, v.STYLES[named["name"]]
    return text, ""


# --- noun phrases -----------------------------------------------------------------------------------------------------


def _counted(words: list[str]) -> tuple[str, int | None, list[str]]:
    """The determiner, the number, and the rest."""
    determiner, count = "", None
    if len(words) > 1 and words[0] in v.DETERMINERS:
        determiner, count, words = words[0], 1 if words[0] in ("a", "an") else None, words[1:]
    if len(words) > 1 and (number := count_of(words[0])) is not None and count is None:
        determiner = determiner or ("one" if number == 1 else "")
        count, words = number, words[1:]
    return "a" if determiner == "an" else determiner, count, words


def _doing(words: list[str]) -> tuple[list[str], str]:
    """ "dog running" → "dog", "running"."""
    if len(words) > 1 and words[-1] in v.ACTIONS and words[-2] not in v.QUALITIES:
        return words[:-1], words[-1]
    return words, ""


def _described(words: list[str]) -> tuple[str, tuple[str, ...], str, list[str]]:
    """Size, qualities, colour, and the noun's words: at least one is left. Behind the colour all is noun: "hot dog"."""
    size, colour, qualities = "", "", list[str]()
    while len(words) > 1:
        shaded = " ".join(words[:2])
        if len(words) > 2 and not colour and re.fullmatch(COLOUR, shaded):
            colour, words = shaded, words[2:]
        elif not colour and re.fullmatch(COLOUR, words[0]):
            colour, words = words[0], words[1:]
        elif not size and words[0] in v.SIZES:
            size, words = words[0], words[1:]
        elif words[0] in v.QUALITIES and not colour:
            qualities.append(words[0])
            words = words[1:]
        else:
            break
    return size, tuple(qualities), colour, words


# --- nothing is lost --------------------------------------------------------------------------------------------------


def _keeps_its_words(text: str, scene: Scene) -> bool:
    written = f"{text_of(scene)} {' '.join(scene.negatives)}"
    return _content(text) == _content(written)


def _content(text: str) -> Counter[str]:
    words = Counter(re.findall(r"[^\s,]+", text))
    return Counter({word: count for word, count in words.items() if word not in _SAID_OTHERWISE})
