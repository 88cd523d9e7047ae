"""Which language and task a multilingual model is asked for. No such model ships, so a stand-in takes its questions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel
from faster_whisper.feature_extractor import FeatureExtractor
from tokenizers import AddedToken, Tokenizer

from speakage_engines.api import ModelChoice, Samples, SpeechSpec
from speakage_engines.models import embedded
from speakage_engines.speech.warm_up import shipped_clip
from speakage_engines.speech.whisper import Measured, ShortContextWhisper


class Polyglot:
    """As much of a multilingual ``WhisperModel`` as is asked; writes nothing down but the prompts."""

    get_prompt = WhisperModel.get_prompt
    max_length = 448

    def __init__(self, spoken: str) -> None:
        self.hf_tokenizer = Tokenizer.from_file(str(embedded("speech") / "tokenizer.json"))
        self.hf_tokenizer.add_special_tokens([AddedToken("<|de|>", special=True), AddedToken("<|fr|>", special=True)])
        self.feature_extractor = FeatureExtractor()
        self.model = SimpleNamespace(
            is_multilingual=True, detect_language=lambda _: [[(f"<|{spoken}|>", 0.9)]], generate=self._generate
        )
        self.prompts: list[str] = []

    def encode(self, features: Samples) -> Any:
        return features

    def _generate(self, _: Any, prompts: list[list[int]], **options: Any) -> Any:
        assert options["max_length"] <= self.max_length
        self.prompts += [self.hf_tokenizer.decode(prompt, skip_special_tokens=False) for prompt in prompts]
        return [SimpleNamespace(sequences_ids=[[]], scores=[-0.1], no_speech_prob=0.0)]


def ears_of(polyglot: Polyglot, **changes: Any) -> ShortContextWhisper:
    spec = replace(SpeechSpec(models_folder=Path("/nonexistent")), **changes)
    choice = ModelChoice(name="polyglot", path=Path("/models/polyglot"), reason="test")
    return ShortContextWhisper(polyglot, choice, spec, Measured())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "spoken", "prompt"),
    [
        ({"language": "de"}, "fr", "<|startoftranscript|><|de|><|transcribe|><|notimestamps|>"),
        ({"language": ""}, "fr", "<|startoftranscript|><|fr|><|transcribe|><|notimestamps|>"),
        ({"language": "", "translate": True}, "de", "<|startoftranscript|><|de|><|translate|><|notimestamps|>"),
    ],
)
def test_language_and_task(settings: dict[str, Any], spoken: str, prompt: str) -> None:
    polyglot = Polyglot(spoken)
    whisper = ears_of(polyglot, **settings)
    assert whisper.language == settings["language"]
    heard = whisper.transcribe(shipped_clip().audio)
    assert polyglot.prompts == [prompt]
    assert heard.encoder_frames == 3000


def test_hotwords_come_before_the_sentence() -> None:
    polyglot = Polyglot("en")
    ears_of(polyglot).transcribe(np.tile(shipped_clip().audio, 2), hotwords="rocket")
    assert polyglot.prompts[0].startswith("<|startofprev|> rocket<|startoftranscript|>")
