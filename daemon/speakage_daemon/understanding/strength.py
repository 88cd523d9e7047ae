"""How much of the picture that is started from may change, as people say it: "only a little", "strength 40 percent".

Pure. Most of these sentences mean something else, or nothing, while there is no such picture: who asks has to know.
"""

from __future__ import annotations

import re
from typing import Final

from speakage_daemon.understanding.meaning import NudgeStrength, SetStrength
from speakage_daemon.understanding.numbers import number_of

_NUDGE: Final = 0.15


def _each(order: SetStrength | NudgeStrength, phrases: str) -> dict[str, SetStrength | NudgeStrength]:
    return {" ".join(phrase.split()): order for phrase in phrases.split(",")}


_SENTENCES: Final[dict[str, SetStrength | NudgeStrength]] = {
    **_each(
        SetStrength(strength=0.35),
        """
        only a little, only a bit, only a little bit, just a little, just a bit, just a little bit, a little, a bit,
        a little bit, only slightly, slightly, barely, change it only a little, only change it a little,
        change it a little, change it a bit, change it slightly, not so much, not that much, keep most of it
        """,
    ),
    **_each(
        SetStrength(strength=0.5),
        """
        half, halfway, half and half, change half of it
        """,
    ),
    **_each(
        SetStrength(strength=0.95),
        """
        completely different, totally different, entirely different, something completely different,
        make it completely different, make it totally different, change everything, change it completely,
        change all of it, completely, totally
        """,
    ),
    **_each(
        NudgeStrength(by=_NUDGE),
        """
        a bit more, a little more, a little bit more, change it more, change more, change it a bit more,
        change it a little more, more different, a bit more different, a little more different, stronger,
        a bit stronger, a little stronger, more strength, further
        """,
    ),
    **_each(
        NudgeStrength(by=-_NUDGE),
        """
        a bit less, a little less, a little bit less, change it less, change less, change it a bit less,
        change it a little less, less different, a bit less different, a little less different, weaker, a bit weaker,
        a little weaker, less strength, closer to the picture, closer to the photo, closer to the original,
        keep more of it, keep more of the picture, keep more of the photo
        """,
    ),
}
_NAMED: Final = re.compile(
    r"(?:(?:set|use|with|take) )?(?:the |a )?(?:denoising )?strength(?: of| to| is)? "
    r"(?P<number>[\w.]+(?: [\w.]+){0,4}?)(?P<percent> ?%| percent)?"
)


def strength_of(text: str) -> SetStrength | NudgeStrength | None:
    """What a sentence says of the strength where a picture is started from; ``None`` where it says nothing of it."""
    return _SENTENCES.get(text)


def named_strength(text: str) -> SetStrength | None:
    """The strength that a sentence names: "strength 0.4", "strength forty percent"."""
    match = _NAMED.fullmatch(text)
    number = number_of(match["number"]) if match else None
    if match is None or number is None:
        return None
    strength = number / 100 if match["percent"] else number
    return SetStrength(strength=strength) if 0 < strength <= 1 else None
