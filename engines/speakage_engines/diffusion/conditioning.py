"""What a denoiser is given at every step beside latents and time: prompts, sizes, guidance.

Families differ in this alone, so one :class:`Conditioning` is chosen for a model, and nothing else knows which. A
prompt is told by one text encoder (Stable Diffusion 1.x, 2.x and what was distilled from them) or by two (SDXL, Podell
et al. 2023, section 2.2); guidance by contrast (classifier-free, Ho and Salimans 2022), by its scale (LCM), or not at
all (turbo models and their kin, whose scale is 1 or less).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speakage_engines.api import Blend, EngineError, ModelError, Size, Told
from speakage_engines.diffusion.folder import Folder
from speakage_engines.diffusion.slerp import slerp
from speakage_engines.diffusion.text import TextEncoder
from speakage_engines.diffusion.waves import guidance_waves


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """How strongly a picture follows its prompt, and by which means."""

    scale: float
    width: int = 0
    """Of the waves that tell a denoiser the scale; 0 where it is not told."""
    contrasts: bool = False
    """Whether a step asks the denoiser twice: with the prompt, and without. That is compiled in, the scale is not."""

    @classmethod
    def of(cls, folder: Folder, scale: float) -> Guidance:
        """The means that this denoiser was made for."""
        return cls(scale=scale, width=folder.guidance_width, contrasts=not folder.guidance_width and scale > 1)

    def at(self, scale: float | None) -> Guidance:
        """By the same means at another scale, or as it is; raises :class:`EngineError` where there are no means."""
        if scale is None or scale == self.scale:
            return self
        if not (self.width or self.contrasts):
            raise EngineError(
                f"guidance {scale:g}: this model was loaded to paint without guidance; leave it out, or set "
                "picture.guidance above 1 and start again, if the model was made for it"
            )
        return replace(self, scale=scale)

    @property
    def waves(self) -> NDArray[np.float32] | None:
        """The scale, for a denoiser that is told it; shape ``(1, width)``."""
        return guidance_waves(self.scale, self.width) if self.width else None

    @property
    def batch(self) -> int:
        """How many predictions a step takes."""
        return 2 if self.contrasts else 1

    def apply(self, predictions: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(batch, channels, h, w)``, without the prompt first → ``(1, channels, h, w)`` (Ho and Salimans, eq. 6)."""
        if not self.contrasts:
            return predictions
        without, with_prompt = predictions[:1], predictions[1:]
        guided: NDArray[np.float32] = without + np.float32(self.scale) * (with_prompt - without)
        return guided


class _Words(Protocol):
    """A prompt in a family's form."""

    def prompt(self, text: str, size: Size) -> Told:
        """What a picture of that size shows."""

    def negative(self, text: str, size: Size) -> Told:
        """What it does not show; often empty."""

    def between(self, before: Told, after: Told, share: float) -> Told:
        """What says words, on the way from one to the other; ``before`` and ``after`` may be told more behind it."""


class _OneEncoder:
    """The states of one text encoder: Stable Diffusion 1.x and 2.x, and what was distilled from them."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder

    def prompt(self, text: str, size: Size) -> Told:  # noqa: ARG002 - such a denoiser is not told it
        return (self._encoder(text),)

    def negative(self, text: str, size: Size) -> Told:
        return self.prompt(text, size)

    def between(self, before: Told, after: Told, share: float) -> Told:
        return (slerp(before[0], after[0], share),)


class _TwoEncoders:
    """SDXL: both encoders' states side by side, then the second one's pooled prompt with the sizes as waves.

    As in diffusers' pipeline the picture is said to be whole, uncropped and as large as it is painted.
    """

    def __init__(self, encoders: Sequence[TextEncoder], folder: Folder) -> None:
        if folder.sizes is None:
            raise ValueError("only denoisers that are told sizes have two text encoders")
        self._first, self._second = encoders
        self._part = folder.text[1]
        self._first_width = folder.text[0].width
        self._zeros = folder.zeros_for_empty
        self._sizes = folder.sizes

    def prompt(self, text: str, size: Size) -> Told:
        """States ``(1, tokens, width)``, and ``(1, pooled + sizes)``."""
        both = self._second(text)
        pooled = both[:, -self._part.pooled :]
        states = both[:, : -self._part.pooled].reshape(1, self._part.tokens, self._part.width)
        return np.concatenate([self._first(text), states], axis=2), np.concatenate([pooled, self._waves(size)], axis=1)

    def negative(self, text: str, size: Size) -> Told:
        """Nothing, where the family takes that for an empty prompt: zeros, but the sizes are told all the same."""
        states, added = self.prompt(text, size)
        if text or not self._zeros:
            return states, added
        zeros = np.zeros_like(added[:, : self._part.pooled])
        return np.zeros_like(states), np.concatenate([zeros, self._waves(size)], axis=1)

    def _waves(self, size: Size) -> NDArray[np.float32]:
        """Original size, crop and wanted size, each as height and width; ``(1, n)``."""
        width, height = size
        waves: NDArray[np.float32] = self._sizes.of([height, width, 0, 0, height, width]).reshape(1, -1)
        return waves

    def between(self, before: Told, after: Told, share: float) -> Told:
        """Each encoder's states in their own space, and the pooled prompt without the sizes, which are the newer's."""
        pairs = zip(*(np.split(each[0], [self._first_width], axis=2) for each in (before, after)), strict=True)
        states = [slerp(one, other, share) for one, other in pairs]
        (one, _), (other, sizes) = (np.split(each[1], [self._part.pooled], axis=1) for each in (before, after))
        return np.concatenate(states, axis=2), np.concatenate([slerp(one, other, share), sizes], axis=1)


class Conditioning:
    """What a model's denoiser is told, by prompt; its encoders keep what they made."""

    def __init__(self, encoders: Sequence[TextEncoder], guidance: Guidance, folder: Folder) -> None:
        self.guidance = guidance
        self._encoders = tuple(encoders)
        self._names = tuple(part.name for part in folder.text)
        self._words: _Words = (
            _OneEncoder(self._encoders[0]) if folder.sizes is None else _TwoEncoders(self._encoders, folder)
        )

    def use(self, variants: Mapping[str, str]) -> None:
        """From now on the encoders wear other adapters; by their parts' names, see :class:`.wardrobe.Wardrobe`."""
        for encoder, name in zip(self._encoders, self._names, strict=True):
            encoder.variant = variants.get(name, "")

    @property
    def runs(self) -> int:
        """How often text encoders ran: a repeated prompt costs none."""
        return sum(encoder.runs for encoder in self._encoders)

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words without a token, or without room; both of SDXL's tokenizers have the same words."""
        return self._encoders[0].read(prompt).unknown

    def __call__(self, prompt: str, negative: str, guidance: Guidance, size: Size) -> Told:
        """With contrast, without the prompt first."""
        told = self._words.prompt(prompt, size)
        if guidance.contrasts:
            pairs = zip(self._words.negative(negative, size), told, strict=True)
            told = tuple(np.concatenate(pair) for pair in pairs)
        waves = guidance.waves
        return told if waves is None else (*told, waves)

    def on_the_way(self, blend: Blend, told: Told) -> Told:
        """Between what was told before and ``told``, of which comes all that says no words: sizes and guidance.

        Raises :class:`ModelError`, naming the field.
        """
        ours, theirs = ([each.shape for each in one] for one in (told, blend.before))
        if ours != theirs:
            raise ModelError(
                f"blend.before: of shapes {theirs}, and this model is told {ours}; "
                "begin without after a change of model or size"
            )
        if not 0 < blend.share <= 1:
            raise ModelError(f"blend.share: {blend.share}; it should be above 0 and at most 1")
        words = self._words.between(blend.before, told, blend.share)
        return (*words, *told[len(words) :])
