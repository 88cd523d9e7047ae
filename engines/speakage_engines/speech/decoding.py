"""From the encoder's states to a text: CTranslate2's beam search, and which of its hypotheses is believed.

One temperature, no past, no timestamps, nothing suppressed but what Whisper always suppresses; the gates are ours
(:mod:`.gates`). Where the caller knows which words are likely, several hypotheses are compared by their log probability
and by how many unlikely words they hold: rescoring of an n-best list, the oldest form of contextual biasing (Aleksic et
al. 2015 do the same inside the search). It never takes fewer words than were heard best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from speakage_engines.api import Doubt

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer

UNLIKELY: Final = 2.0
"""Nats that a hypothesis loses for each unlikely word. Chosen before it was measured; 1 to 5 hear nearly alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One reading of what was heard."""

    text: str
    log_probability: float
    """Of all its tokens together (nats)."""
    mean_log_probability: float
    """A token, the end counted as one."""
    no_speech: float
    """Probability that nobody spoke."""


def decode(
    model: WhisperModel, encoded: Any, prompt: list[int], tokenizer: Tokenizer, *, beams: int, new_tokens: int
) -> list[Hypothesis]:
    """As many hypotheses as there are beams, the most probable one first."""
    from faster_whisper.transcribe import get_suppressed_tokens

    (result,) = model.model.generate(
        encoded,
        [prompt],
        beam_size=beams,
        num_hypotheses=beams,
        length_penalty=1,
        max_length=min(len(prompt) + new_tokens, model.max_length),
        return_scores=True,
        return_no_speech_prob=True,
        suppress_blank=True,
        suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
    )
    hypotheses = []
    for tokens, score in zip(result.sequences_ids, result.scores, strict=True):
        # CTranslate2's score is a mean that leaves out the end
        total = score * len(tokens)
        hypotheses.append(
            Hypothesis(
                text=tokenizer.decode(tokens).strip(),
                log_probability=total,
                mean_log_probability=total / (len(tokens) + 1),
                no_speech=result.no_speech_prob,
            )
        )
    return hypotheses


def choose(hypotheses: Sequence[Hypothesis], doubt: Doubt | None) -> Hypothesis:
    """The most probable one, unlikely words weighed in; ``hypotheses`` begin with the most probable without."""
    best = hypotheses[0]
    if doubt is None or len(hypotheses) == 1 or not doubt(best.text):
        return best
    words = len(best.text.split())
    full = [one for one in hypotheses if len(one.text.split()) >= words]
    return max(full, key=lambda one: one.log_probability - UNLIKELY * doubt(one.text))
