"""From what was said to what should be painted: the polite words around a description are taken off. Pure.

"could you please paint me a picture of a car on a beach, thanks" → "a car on a beach". A sentence of nothing but
such words has no prompt.
"""

from __future__ import annotations

import re
from typing import Final

_LEAD_INS: Final = re.compile(
    r"""^(?:
        (?:um+|uh+|er+|well|okay|ok|now|so|then|and\s+then|hey|hello|please|just|maybe|perhaps)\b
      | (?:can|could|would|will)\s+you\b
      | (?:i(?:\s+would|['’]d)?\s+(?:want|like|love|wish)(?:\s+(?:to\s+see|you\s+to))?)\b
      | let(?:\s+us|['’]?s)(?:\s+(?:see|have))?\b
      | (?:how|what)\s+about\b
      | (?:look[\s,]+)?(?:there|here)(?:\s+(?:is|are|comes?|was|were)|['’]s)\b
      | (?:i|we)\s+(?:see|need)\b
      | (?:can|could|may)\s+(?:i|we)\s+(?:have|see)\b
      | (?:think\s+of|let\s+me\s+see|go\s+on\s+with|once\s+upon\s+a\s+time)\b
      | (?:paint|draw|sketch|make|create|imagine|show|give|picture|generate)(?:\s+(?:me|us))?(?=\s|[,.!?]|$)
      | (?:a|the)\s+(?:picture|painting|drawing|image|photo|sketch)\s+(?:of|with|showing)\b
    )[\s,.:;!?]*""",
    re.IGNORECASE | re.VERBOSE,
)
_TAILS: Final = re.compile(r"[\s,]*\b(?:please|thanks|thank\s+you|for\s+me)[\s.!?]*$", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s+")


def prompt_of(transcript: str) -> str:
    """The description in a sentence; empty when there is none."""
    text = _SPACE.sub(" ", transcript).strip(" ,.;:!?…")
    for pattern in (_LEAD_INS, _TAILS):
        previous = None
        while text != previous:
            previous = text
            text = pattern.sub("", text).strip(" ,.;:!?…")
    return text


def same_meaning(one: str, other: str) -> bool:
    """Whether two prompts differ in case, punctuation and spacing only."""
    return _normal(one) == _normal(other)


def _normal(prompt: str) -> str:
    return " ".join(re.findall(r"[\w'’]+", prompt.casefold()))
