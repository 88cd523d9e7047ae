"""The embedded ears through our short context, against faster-whisper's own 30 s padding, and everything refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import jiwer
import numpy as np
import pytest
from faster_whisper import WhisperModel

from speakage_engines.api import SAMPLE_RATE, EngineError, ModelChoice, ModelError, Samples, SpeechSpec
from speakage_engines.models import embedded
from speakage_engines.speech.gates import plain_words
from speakage_engines.speech.warm_up import shipped_clip
from speakage_engines.speech.whisper import Measured, ShortContextWhisper, load


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A copy of the embedded ears, to be damaged."""
    copy = tmp_path / "model"
    shutil.copytree(embedded("speech"), copy)
    yield copy
    shutil.rmtree(copy)


def word_error_rate(wanted: list[str], heard: list[str]) -> float:
    return float(jiwer.wer([" ".join(plain_words(text)) for text in wanted], [" ".join(plain_words(t)) for t in heard]))


@pytest.mark.timeout(400)  # 30 s padding is slow: 40 s on two idle cores
def test_short_context_costs_no_words(
    ears: ShortContextWhisper, speech_set: ModuleType, read: Callable[[Path], Samples]
) -> None:
    recordings = speech_set.make(per_voice=25)
    assert len(recordings) >= 100
    whole = WhisperModel(str(embedded("speech")), device="cpu")
    ours, theirs = [], []
    for recording in recordings:
        audio = read(recording.path)
        ours.append(ears.transcribe(audio).text)
        segments, _ = whole.transcribe(
            audio.astype(np.float32) / 32_768, language="en", temperature=0.0, condition_on_previous_text=False,
            without_timestamps=True,
        )  # fmt: skip
        theirs.append(" ".join(segment.text for segment in segments))
    texts = [recording.text for recording in recordings]
    padded = word_error_rate(texts, theirs)
    assert padded < 0.25, "the comparison is with a model that hears"
    assert word_error_rate(texts, ours) <= padded + 0.01


def test_only_what_was_heard_is_encoded(ears: ShortContextWhisper) -> None:
    clip = shipped_clip().audio
    heard = ears.transcribe(clip)
    assert heard.text == "a castle in the snow"
    assert heard.rejection is None
    assert heard.encoder_frames == 120, "2.41 s in frames of 20 ms"
    assert ears.transcribe(clip[SAMPLE_RATE // 2 : SAMPLE_RATE]).encoder_frames == 96, "the measured minimum"


def test_without_a_measured_minimum_the_window_is_whole(folder: Path, spec: SpeechSpec) -> None:
    (folder / "speakage.json").unlink()
    heard = load(replace(spec, model=str(folder))).transcribe(shipped_clip().audio)
    assert heard.encoder_frames == 3000
    assert heard.text == "a castle in the snow"


@pytest.mark.parametrize(("frames", "window"), [(0, 200), (200, 200), (201, 250), (2_960, 3_000), (3_000, 3_000)])
def test_windows(frames: int, window: int) -> None:
    assert Measured(minimum_frames=200).window(frames) == window
    assert Measured().window(frames) == 3_000


@pytest.mark.parametrize(("frames", "window"), [(0, 96), (96, 96), (97, 120), (2_999, 3_000), (3_000, 3_000)])
def test_windows_of_longer_frames_grow_by_half_a_second_too(frames: int, window: int) -> None:
    assert Measured(minimum_frames=96).window(frames, seconds_per_frame=0.02) == window


def test_thirty_seconds_and_no_more(ears: ShortContextWhisper) -> None:
    noise = np.random.default_rng(1).normal(0, 3_000, 30 * SAMPLE_RATE + 1).astype(np.int16)
    assert ears.transcribe(noise[:-1]).encoder_frames == 1_512
    with pytest.raises(EngineError, match="30 s"):
        ears.transcribe(noise)


@pytest.mark.parametrize("seconds", [0, 0.00007, 0.05, 1, 5])
@pytest.mark.parametrize("level", [0, 15])
def test_silence_invents_nothing(ears: ShortContextWhisper, seconds: float, level: int) -> None:
    audio = np.random.default_rng(2).normal(0, level, int(seconds * SAMPLE_RATE)).astype(np.int16)
    heard = ears.transcribe(audio)
    assert (heard.text, heard.rejection, heard.encoder_frames) == ("", "no_speech", 0)


@pytest.mark.parametrize("seconds", [1, 2])
@pytest.mark.parametrize("level", [100, 3_277, 8_000])
def test_noise_invents_nothing(ears: ShortContextWhisper, seconds: int, level: int) -> None:
    for seed in range(10):
        noise = np.random.default_rng(seed).normal(0, level, seconds * SAMPLE_RATE).astype(np.int16)
        heard = ears.transcribe(noise)
        assert heard.text == ""
        assert heard.rejection in ("no_speech", "low_confidence")


def test_hotwords_do_no_harm(ears: ShortContextWhisper, caplog: pytest.LogCaptureFixture) -> None:
    clip = shipped_clip().audio
    assert [ears.transcribe(clip, hotwords="Rex, Bella").text for _ in range(2)] == ["a castle in the snow"] * 2
    assert caplog.text.count("hotwords are ignored") <= 1, "said once, not at every tick"


def test_hotwords_reach_a_model_that_reads_them(folder: Path, spec: SpeechSpec) -> None:
    (folder / "speakage.json").write_text('{"minimum_frames": 200}')
    whisper = load(replace(spec, model=str(folder)))
    clip = shipped_clip().audio
    plain, prompted = whisper.transcribe(clip), whisper.transcribe(clip, hotwords="biscuit")
    assert plain.text == "a castle in the snow"
    assert prompted.average_log_probability != plain.average_log_probability


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "vocabulary.json", "config.json", "speakage.json"])
def test_damaged_files_are_named(folder: Path, spec: SpeechSpec, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=rf"{folder / name}: .*(copy the model's files again|mend it)"):
        load(replace(spec, model=str(folder)))


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "vocabulary", "config.json"])
def test_missing_files_are_named(folder: Path, spec: SpeechSpec, name: str) -> None:
    next(folder.glob(f"{name}*")).unlink()
    with pytest.raises(ModelError, match=f"lacks {name}"):
        load(replace(spec, model=str(folder)))


def test_foreign_features_are_named(folder: Path, spec: SpeechSpec) -> None:
    (folder / "preprocessor_config.json").write_text('{"feature_size": 128}')
    with pytest.raises(ModelError, match=r"preprocessor_config\.json: .*80 mel bands"):
        load(replace(spec, model=str(folder)))


def test_a_foreign_tokenizer_does_not_start(folder: Path, spec: SpeechSpec) -> None:
    """Every file whole, and yet the words are wrong: what only the warm-up can see."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    words = {word: number for word, number in tokenizer["model"]["vocab"].items() if number < 700}
    turned = dict(zip(words, reversed(words.values()), strict=True))
    tokenizer["model"]["vocab"] |= turned
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="the warm-up clip says 'a castle in the snow'"):
        load(replace(spec, model=str(folder)))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"minimum_frame": 200}, "unknown key 'minimum_frame'"),
        ({"minimum_frames": "200"}, "minimum_frames cannot be '200'"),
        ({"minimum_frames": True}, "minimum_frames cannot be True"),
        ({"minimum_frames": 4_000}, "should be 2 to 3000"),
        ({"beam_size": 0}, "beam_size is 0, should be 1 to 10"),
        ({"beam_size": True}, "beam_size cannot be True"),
        ({"hotwords": 1}, "hotwords cannot be 1"),
    ],
)
def test_settings_beside_the_model_are_checked(tmp_path: Path, settings: dict[str, object], complaint: str) -> None:
    (tmp_path / "speakage.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=rf"{tmp_path / 'speakage.json'}: .*{complaint}"):
        Measured.beside(ModelChoice(name="x", path=tmp_path, reason="test"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"language": "de"}, r"speech\.language is 'de'.*English only.*speakage models get small"),
        ({"language": ""}, r"speech\.language is to be found out.*English only"),
        ({"translate": True}, r"speech\.translate is on.*English only"),
        ({"compute_type": "float16"}, r"change speech\.compute_type \(float16\)"),
        ({"compute_type": "nonsense"}, r"change speech\.compute_type \(nonsense\)"),
    ],
)
def test_what_the_model_cannot_do_is_refused(spec: SpeechSpec, changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        load(replace(spec, model=str(embedded("speech")), **changes))
