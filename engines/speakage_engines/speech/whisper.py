"""Any CTranslate2 Whisper, through faster-whisper's own pieces, hearing no more than was said.

Whisper pads every window to 30 s, so that three seconds of speech cost as much as thirty. CTranslate2's encoder takes
shorter mel windows: for a model whose shortest safe window was measured (``minimum_frames`` in the ``speakage.json``
beside its weights) only what was heard is encoded, rounded up. Any other model gets its 3000 frames and behaves as
``WhisperModel.transcribe`` does: short context is never assumed.

The window is filled with zeros after normalisation, as faster-whisper does. Filling with the quietest value instead
was measured with the embedded ears: as good close to the end of the speech, and wrong words beyond two seconds of it.

This module does *not* stream and does *not* stabilise: it transcribes one stretch of audio, whole.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from speakage_engines.api import (
    SAMPLE_RATE,
    Doubt,
    EngineError,
    ModelChoice,
    ModelError,
    Samples,
    SpeechSpec,
    Transcript,
)
from speakage_engines.models import SETTINGS_FILE, read_settings, resolve_speech
from speakage_engines.speech.decoding import Hypothesis, choose, decode
from speakage_engines.speech.gates import MINIMUM_LOG_PROBABILITY, Gates
from speakage_engines.speech.warm_up import prove

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

log = logging.getLogger(__name__)

FULL_FRAMES: Final = 3000
"""Mel frames in Whisper's own window; of 10 ms, where a model's ``preprocessor_config.json`` says nothing else."""
GROWTH_S: Final = 0.5
"""Windows grow by half a second: a growing sentence meets few different shapes."""
MAXIMUM_SAMPLES: Final = 30 * SAMPLE_RATE
MOST_BEAMS: Final = 10
TOKENS_PER_SECOND: Final = 12
"""Twice the densest speech measured: a decoder that hangs is stopped soon, not after 448 tokens."""
SPARE_TOKENS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured about one model, kept in ``speakage.json`` beside its weights."""

    minimum_frames: int = FULL_FRAMES
    """The shortest window that costs no words."""
    minimum_log_probability: float = MINIMUM_LOG_PROBABILITY
    """Below this mean log probability a text is not believed."""
    beam_size: int = 1
    """Hypotheses that are followed at once; more cost time, and help some models."""
    hotwords: bool = True
    """Whether it was trained to read text before the sentence; others write nonsense after hotwords."""

    @classmethod
    def beside(cls, choice: ModelChoice) -> Measured:
        """Read from the model's folder; raises :class:`ModelError` naming the file and the key."""
        settings = read_settings(choice.path)
        file = choice.path / SETTINGS_FILE
        kinds: dict[str, tuple[type, ...]] = {
            "minimum_frames": (int,),
            "minimum_log_probability": (int, float),
            "beam_size": (int,),
            "hotwords": (bool,),
        }
        for key, value in settings.items():
            if key not in kinds:
                raise ModelError(f"{file}: unknown key {key!r}; a speech model has {', '.join(kinds)}")
            if not isinstance(value, kinds[key]) or (isinstance(value, bool) and key != "hotwords"):
                raise ModelError(f"{file}: {key} cannot be {value!r}; mend it or delete it")
        measured = cls(**settings)  # each was checked just above
        if not 2 <= measured.minimum_frames <= FULL_FRAMES:
            raise ModelError(f"{file}: minimum_frames is {measured.minimum_frames}, should be 2 to {FULL_FRAMES}")
        if not 1 <= measured.beam_size <= MOST_BEAMS:
            raise ModelError(f"{file}: beam_size is {measured.beam_size}, should be 1 to {MOST_BEAMS}")
        return measured

    def window(self, frames: int, seconds_per_frame: float = 0.01) -> int:
        """Mel frames to encode when ``frames`` were heard; an even number, since the encoder takes two at a time."""
        multiple = 2 * round(GROWTH_S / 2 / seconds_per_frame)
        rounded = -(-frames // multiple) * multiple
        return min(FULL_FRAMES, max(self.minimum_frames, rounded))


class ShortContextWhisper:
    """A :class:`~speakage_engines.api.SpeechModel`."""

    def __init__(self, model: WhisperModel, choice: ModelChoice, spec: SpeechSpec, measured: Measured) -> None:
        self.choice = choice
        self.language = spec.language if model.model.is_multilingual else "en"
        self._model = model
        self._measured = measured
        self._gates = Gates(minimum_log_probability=measured.minimum_log_probability)
        self._task = "translate" if spec.translate else "transcribe"
        self._tokenizers: dict[str, Any] = {}
        self._refused_hotwords = False

    def transcribe(self, audio: Samples, *, hotwords: str = "", doubt: Doubt | None = None) -> Transcript:
        """Transcribe up to 30 s; raises :class:`EngineError` when there is more."""
        began = time.perf_counter()
        if len(audio) > MAXIMUM_SAMPLES:
            raise EngineError(
                f"{len(audio) / SAMPLE_RATE:.1f} s of audio at once; a Whisper model hears 30 s: cut it before"
            )
        if self._gates.cannot_hold_words(audio):
            return Transcript(
                text="",
                rejection="no_speech",
                average_log_probability=0.0,
                no_speech_probability=1.0,
                encoder_frames=0,
                milliseconds=(time.perf_counter() - began) * 1000,
            )
        features = self._features(audio)
        heard = choose(self._decode(features, len(audio), self._allowed(hotwords)), doubt)
        rejection = self._gates.judge(heard.text, heard.mean_log_probability, heard.no_speech)
        return Transcript(
            text="" if rejection else heard.text,
            rejection=rejection,
            average_log_probability=heard.mean_log_probability,
            no_speech_probability=heard.no_speech,
            encoder_frames=features.shape[1],
            milliseconds=(time.perf_counter() - began) * 1000,
        )

    def _features(self, audio: Samples) -> NDArray[np.float32]:
        """Log-mel of what was heard, shape ``(mels, window)``, filled with zeros."""
        extractor = self._model.feature_extractor
        # one frame of padding, which is the last
        heard = extractor(audio.astype(np.float32) / 32_768, padding=extractor.hop_length)[:, :-1]
        window = self._measured.window(heard.shape[1], extractor.time_per_frame)
        filled: NDArray[np.float32] = np.pad(heard, ((0, 0), (0, window - heard.shape[1]))).astype(np.float32)
        return filled

    def _decode(self, features: NDArray[np.float32], samples: int, hotwords: str) -> list[Hypothesis]:
        encoded = self._model.encode(features)
        language = self.language or self._model.model.detect_language(encoded)[0][0][0][2:-2]
        tokenizer = self._tokenizer(language)
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=True, hotwords=hotwords or None)
        new_tokens = SPARE_TOKENS + TOKENS_PER_SECOND * samples // SAMPLE_RATE
        beams = self._measured.beam_size
        return decode(self._model, encoded, prompt, tokenizer, beams=beams, new_tokens=new_tokens)

    def _tokenizer(self, language: str) -> Any:
        if language not in self._tokenizers:
            from faster_whisper.tokenizer import Tokenizer

            model = self._model
            self._tokenizers[language] = Tokenizer(
                model.hf_tokenizer, model.model.is_multilingual, task=self._task, language=language
            )
        return self._tokenizers[language]

    def _allowed(self, hotwords: str) -> str:
        if not hotwords or self._measured.hotwords:
            return hotwords
        if not self._refused_hotwords:
            log.warning("the speech model %s cannot be told words to expect: hotwords are ignored", self.choice.name)
            self._refused_hotwords = True
        return ""


def load(spec: SpeechSpec) -> ShortContextWhisper:
    """Load the model a setting means and prove on a shipped clip that it hears; raises :class:`ModelError`."""
    choice = resolve_speech(spec)
    measured = Measured.beside(choice)
    model = _open(spec, choice)
    _check_language(spec, choice, model)
    whisper = ShortContextWhisper(model, choice, spec, measured)
    prove(whisper)
    return whisper


def _open(spec: SpeechSpec, choice: ModelChoice) -> WhisperModel:
    """Read the weights; every kind of damage becomes one sentence."""
    from faster_whisper import WhisperModel

    remedy = "copy the model's files again" + (
        "" if choice.name == "embedded" else f", or: speakage models get {choice.name}"
    )
    for file in sorted(choice.path.glob("*.json")):
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{file}: damaged ({error}); {remedy}") from None
    try:
        model = WhisperModel(
            str(choice.path), device=spec.device, compute_type=spec.compute_type, cpu_threads=spec.threads
        )
    except ValueError as error:
        raise ModelError(
            f"{choice.path}: {error}; change speech.compute_type ({spec.compute_type}) or speech.device ({spec.device})"
        ) from error
    except Exception as error:  # CTranslate2 and tokenizers raise bare RuntimeError and Exception
        if "CUDA" in str(error):
            raise ModelError(f"speech.device is {spec.device!r}: {error}; set it to 'cpu'") from error
        raise ModelError(f"{_culprit(choice, error)}: damaged or not a Whisper model ({error}); {remedy}") from error
    if model.feature_extractor.mel_filters.shape[0] != model.model.n_mels:
        file = choice.path / "preprocessor_config.json"
        raise ModelError(f"{file}: missing or not this model's, which wants {model.model.n_mels} mel bands; {remedy}")
    return model


def _culprit(choice: ModelChoice, error: Exception) -> str:
    """The file that a library's message is about; the weights when it names none."""
    if "vocabulary" in str(error):
        return str(choice.path / "vocabulary.json")
    return str(choice.path / ("tokenizer.json" if type(error) is Exception else "model.bin"))


def _check_language(spec: SpeechSpec, choice: ModelChoice, model: WhisperModel) -> None:
    remedy = "take a multilingual one, for example: speakage models get small"
    if not model.model.is_multilingual:
        if spec.language != "en":
            asked = repr(spec.language) if spec.language else "to be found out"
            raise ModelError(f"speech.language is {asked}, and {choice.name} knows English only; {remedy}")
        if spec.translate:
            raise ModelError(f"speech.translate is on, and {choice.name} knows English only; {remedy}")
    elif spec.language and spec.language not in model.supported_languages:
        raise ModelError(f"speech.language: Whisper knows no language {spec.language!r}; give an ISO 639-1 code")
