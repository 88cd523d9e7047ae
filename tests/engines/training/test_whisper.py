"""Ears from scratch in seconds: a few steps on real synthesised speech, stopped, continued, converted and used."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from faster_whisper import WhisperModel, decode_audio
from faster_whisper.tokenizer import Tokenizer as FasterTokenizer
from faster_whisper.transcribe import get_suppressed_tokens
from tokenizers import Tokenizer
from transformers.modeling_outputs import BaseModelOutput

from speakage_engines.api import SAMPLE_RATE, Doubt, EngineError, ModelChoice, ModelError, Samples, Transcript
from speakage_engines.models import embedded
from speakage_engines.training.batches import Share
from speakage_engines.training.phrases import announcements
from speakage_engines.training.speech import HELD_OUT, Plan, Speech, make
from speakage_engines.training.whisper import WhisperSettings, learning_rate, preset, train
from speakage_engines.training.whisper_export import SETTINGS, keep_report, open_ears
from speakage_engines.training.whisper_import import read_ears
from speakage_engines.training.whisper_model import Ears, Size, encode, fresh
from speakage_engines.training.whisper_tokens import END, NO_SPEECH, NO_TIMESTAMPS, SPACE, START
from speakage_engines.training.whisper_tokens import train as train_tokenizer
from speakage_engines.training.windows import (
    IGNORED,
    Segment,
    Shares,
    TokenRules,
    Window,
    Windows,
    break_off,
    features_of,
    hardship_at,
    resized,
    spell,
    stack,
)
from speakage_engines.training.yardstick import Report, measure, word_errors, yardstick

SAMPLES = Path(__file__).parents[3] / "samples"

TINY = WhisperSettings(
    size=Size(width=32, heads=2, encoder_layers=1, decoder_layers=2, dropout=0.1),
    pieces=400,
    utterances=24,
    batch=2,
    steps=6,
    warm_up_steps=2,
    speakers=1,
    threads=1,
    precision="fp32",
    log_every=1,
    checkpoint_every=3,
    measured=1,
)


class StoppedError(Exception):
    """Someone pulls the plug."""


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Speech:
    return make(tmp_path_factory.mktemp("speech") / "speech", Plan(TINY.utterances), 1)


@pytest.fixture(scope="module")
def tokenizer(speech: Speech) -> Tokenizer:
    return train_tokenizer([*speech.texts(), *announcements(1, 300)], 500)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert train(TINY, folder) == folder / "ears"
    return folder


def losses(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "log.csv").open(newline="") as file:
        return [tuple(row) for row in csv.reader(file)]


def test_a_stopped_run_goes_on_with_exactly_the_same_losses(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "speech", tmp_path / "speech")

    def watch(what: str, done: float) -> None:
        if "step 5" in what:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(TINY, tmp_path, watch)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000003.pt"]
    train(TINY, tmp_path)
    assert losses(tmp_path) == losses(finished)
    assert len(losses(finished)) == 1 + TINY.steps
    ours, theirs = ((folder / "ears" / "model.bin").read_bytes() for folder in (tmp_path, finished))
    assert ours == theirs


def test_windows_made_by_other_processes_change_nothing(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "speech", tmp_path / "speech")
    train(replace(TINY, workers=1), tmp_path)
    assert losses(tmp_path) == losses(finished)


def test_other_settings_want_another_folder(finished: Path) -> None:
    with pytest.raises(EngineError, match="weight_decay was"):
        train(replace(TINY, weight_decay=0.5), finished)


def test_a_finished_run_tells_how_it_hears(finished: Path) -> None:
    report = json.loads((finished / "ears.json").read_text())
    assert report["sentences"] == 4, "one for each voice of the yardstick"
    assert report["clean"] > 0.5, "six steps teach nothing"
    assert report["named"] == 0


def test_a_later_run_starts_from_the_weights_of_an_earlier_one(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "speech", tmp_path / "speech")
    settings = replace(TINY, start_from=finished / "transformers", steps=1, learning_rate=0.0)
    train(settings, tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == (finished / "tokenizer.json").read_bytes()
    model, same = (folder / "ears" / "model.bin" for folder in (tmp_path, finished))
    assert model.read_bytes() == same.read_bytes(), "without a learning rate they are the same weights"
    with pytest.raises(ModelError, match=r"speech: no weights to start from .*give the folder transformers/ or ears/"):
        train(replace(settings, start_from=tmp_path / "speech"), tmp_path)


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.15])
def test_a_smaller_person_has_higher_formants_at_the_same_times(factor: float) -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * hertz * time).astype(np.float32) / 4 for hertz in (1_000, 1_000 * factor)]
    own, wanted = (features_of(tone) for tone in tones)
    moved = resized(own, factor)
    assert moved.shape == own.shape
    assert moved.dtype == np.float32
    assert abs(int(moved[:, 25].argmax()) - int(wanted[:, 25].argmax())) <= 1
    if factor == 1:
        np.testing.assert_allclose(moved, own, atol=1e-6)


def test_finished_ears_are_read_back_with_the_pieces_that_are_still_known(finished: Path, speech: Speech) -> None:
    from transformers import WhisperForConditionalGeneration

    whisper = WhisperForConditionalGeneration.from_pretrained(finished / "transformers").eval()
    tokenizer = Tokenizer.from_file(str(finished / "tokenizer.json"))
    other = Tokenizer.from_str(tokenizer.to_str())
    other.add_tokens(["balalaika"])
    back = read_ears(finished / "ears", other).eval()
    assert back.config.vocab_size == other.get_vocab_size() == tokenizer.get_vocab_size() + 1
    features = torch.from_numpy(stack([features_of(speech.utterance(1).audio.astype(np.float32) / 32_768)], full=False))
    said = torch.tensor([[tokenizer.token_to_id(START)]])
    with torch.no_grad():
        heard = [encode(model, features) for model in (whisper, back)]
        written = [
            model(encoder_outputs=BaseModelOutput(last_hidden_state=states), decoder_input_ids=said).logits[0, 0]
            for model, states in zip((whisper, back), heard, strict=True)
        ]
    assert torch.cosine_similarity(heard[0].flatten(), heard[1].flatten(), dim=0) > 0.999
    known = written[1][: len(written[0])]
    assert torch.cosine_similarity(written[0], known, dim=0) > 0.99


def test_the_ears_that_ship_can_be_gone_on_from() -> None:
    tokenizer = Tokenizer.from_file(str(embedded("speech") / "tokenizer.json"))
    whisper = read_ears(embedded("speech"), tokenizer).eval()
    audio = decode_audio(str(SAMPLES / "castle.flac"))
    features = torch.from_numpy(stack([features_of(audio)], full=False))
    tokens = [tokenizer.token_to_id(START), tokenizer.token_to_id(NO_TIMESTAMPS)]
    with torch.no_grad():
        heard = BaseModelOutput(last_hidden_state=encode(whisper, features))
        while tokens[-1] != tokenizer.token_to_id(END) and len(tokens) < 40:
            logits = whisper(encoder_outputs=heard, decoder_input_ids=torch.tensor([tokens])).logits
            tokens.append(int(logits[0, -1].argmax()))
    assert "castle" in tokenizer.decode(tokens)


def test_the_ears_load_in_faster_whisper_and_in_the_engine(finished: Path, speech: Speech) -> None:
    ours = open_ears(finished / "ears", threads=1)
    audio = np.pad(speech.utterance(0).audio, SAMPLE_RATE // 4)
    heard = ours.transcribe(audio, hotwords="Zorkina, Bello")
    assert heard.encoder_frames == max(96, -(-(len(audio) // 320) // 24) * 24), "a short window"
    model = WhisperModel(str(finished / "ears"), device="cpu", compute_type="int8", cpu_threads=1)
    segments, _ = model.transcribe(audio.astype(np.float32) / 32_768, language="en", temperature=0.0, max_new_tokens=40)
    assert isinstance(" ".join(segment.text for segment in segments), str)
    assert not model.model.is_multilingual
    # what transformers keeps holds no spelling head, so nor does the conversion
    assert "head" not in (finished / "transformers" / "config.json").read_text().replace("attention_heads", "")


def test_the_converted_encoder_hears_what_the_trained_one_does(finished: Path, speech: Speech) -> None:
    from transformers import WhisperForConditionalGeneration

    whisper = WhisperForConditionalGeneration.from_pretrained(finished / "transformers").eval()
    features = stack([features_of(speech.utterance(1).audio.astype(np.float32) / 32_768)], full=False)
    with torch.no_grad():
        wanted = encode(whisper, torch.from_numpy(features)).numpy().ravel()
    model = WhisperModel(str(finished / "ears"), device="cpu", compute_type="float32", cpu_threads=1)
    heard = np.array(model.encode(features[0])).ravel()
    assert np.corrcoef(wanted, heard)[0, 1] > 0.99


def test_short_windows_encode_as_transformers_does(tokenizer: Tokenizer) -> None:
    whisper = fresh(replace(TINY.size, dropout=0.0), tokenizer).eval()
    features = torch.randn(1, 80, 3_000)
    with torch.no_grad():
        torch.testing.assert_close(encode(whisper, features), whisper.model.encoder(features).last_hidden_state)
        assert encode(whisper, features[..., :200]).shape == (1, 100, 32)


def test_what_is_repeated_is_learned_by_heart_and_spelled_by_ear(speech: Speech, tokenizer: Tokenizer) -> None:
    torch.manual_seed(1)
    ears = Ears(fresh(Size(width=96, heads=4, encoder_layers=2, decoder_layers=1, dropout=0.0), tokenizer))
    optimiser = torch.optim.AdamW(ears.parameters(), 1e-3)
    windows = Windows(speech, tokenizer, 3, 100, 1)
    windows.shares = Shares(wordless=0, cut=0)
    batch = windows[0]
    for step in range(100):
        optimiser.param_groups[0]["lr"] = 1e-3 * min(1, (step + 1) / 30)
        said = ears(batch)
        optimiser.zero_grad()
        (said.writing + said.spelling).backward()
        torch.nn.utils.clip_grad_norm_(ears.parameters(), 1.0)
        optimiser.step()
    said = ears(batch)
    assert float(said.writing.detach()) < 0.3
    # without hearing, the frequencies of letters alone give 2.8
    assert float(said.spelling.detach()) < 1.5


def test_the_engine_computes_the_same_features(finished: Path, speech: Speech) -> None:
    audio = speech.utterance(2).audio
    theirs = open_ears(finished / "ears", threads=1)._features(audio)
    ours = stack([features_of(audio.astype(np.float32) / 32_768)], full=False)[0]
    np.testing.assert_array_equal(ours, theirs)
    assert stack([ours], full=True).shape == (1, 80, 3_000)


def test_windows_follow_from_seed_and_step(speech: Speech, tokenizer: Tokenizer) -> None:
    first, again = (Windows(speech, tokenizer, 4, 100, 1)[60] for _ in range(2))
    other = Windows(speech, tokenizer, 4, 100, 2)[60]
    torch.testing.assert_close(first.features, again.features, rtol=0, atol=0)
    torch.testing.assert_close(first.tokens, again.tokens)
    assert first.features.shape != other.features.shape or not torch.equal(first.features, other.features)
    assert first.features.shape[2] % 24 == 0
    assert int(first.letter_counts.sum()) == len(first.letters)


def test_processes_share_every_batch(speech: Speech, tokenizer: Tokenizer) -> None:
    own = [Windows(speech, tokenizer, 3, 100, 1, Share(rank=rank, processes=2)) for rank in range(2)]
    for windows in own:
        windows.shares = Shares(wordless=0, cut=0, several=0, timestamps=0, misled=0, announced=0)
    asked = list[int]()
    for windows in own:
        drawn = windows._alike(np.random.default_rng((1, 7)))
        assert len(drawn) == 6, "those of both processes"
        lengths = [speech.samples(number) for number in drawn]
        assert lengths == sorted(lengths)
        asked.append(len(windows[7].tokens))
    assert asked == [3, 3]
    first, second = (windows[7] for windows in own)
    assert first.tokens.shape != second.tokens.shape or not torch.equal(first.tokens, second.tokens)


def test_segments_say_where_the_words_are(speech: Speech, tokenizer: Tokenizer) -> None:
    windows = Windows(speech, tokenizer, 4, 100, 1)
    windows.shares = Shares(wordless=0, cut=0, noisy=0)
    window = windows.window(np.random.default_rng(3), [0, 1], 0.0)
    assert [segment.text for segment in window.segments] == [speech.utterance(number).text for number in (0, 1)]
    loudness = np.abs(window.audio)
    inside = np.zeros(len(loudness), bool)
    for segment in window.segments:
        assert segment.end is not None
        first, last = round(segment.start * SAMPLE_RATE), round(segment.end * SAMPLE_RATE)
        inside[first:last] = True
        assert loudness[first : first + 800].max() > 10 * np.median(loudness[~inside][:1_600])
        assert loudness[last - 1_600 : last].max() > 10 * np.median(loudness[~inside][:1_600])
    assert loudness[~inside].max() < loudness[inside].max() / 5, "nothing is said outside"


def test_a_window_may_break_off_inside_a_word(speech: Speech, tokenizer: Tokenizer) -> None:
    rng = np.random.default_rng(1)
    spoken = [speech.utterance(number) for number in range(len(speech))]
    broken = 0
    for utterance in spoken:
        cut = break_off(utterance, rng)
        assert (cut is None) == (len(utterance.words) < 2)
        if cut is not None:
            text, sample = cut
            assert utterance.text.startswith(f"{text} ")
            begun = dict(utterance.words)[len(text) + 1]
            assert begun <= sample < len(utterance.audio)
            broken += 1
    assert broken > 5
    windows = Windows(speech, tokenizer, 4, 100, 1)
    number = next(number for number, utterance in enumerate(spoken) if len(utterance.words) > 3)
    windows.shares = Shares(wordless=0, cut=1, hesitating=0)
    window = windows.window(rng, [number], 1.0)
    assert window.segments[-1].end is None
    assert window.segments[-1].text != spoken[number].text
    windows.shares = Shares(wordless=0, cut=1, hesitating=1, noisy=0)
    window = windows.window(rng, [number], 0.0)
    text, end = window.segments[-1].text, window.segments[-1].end
    assert spoken[number].text.startswith(f"{text} ")
    assert end is not None
    silence = np.abs(window.audio[round(end * SAMPLE_RATE) :])
    assert len(silence) >= 1_600
    assert silence.max() < np.abs(window.audio).max() / 5, "somebody hesitates"


def test_a_run_begins_with_clean_speech_and_ends_in_the_whole_hardship() -> None:
    parts = np.linspace(0, 1, 50)
    hardships = [hardship_at(part) for part in parts]
    assert hardships == sorted(hardships)
    assert hardships[15] == 0
    assert hardships[-10] == 1


def test_silence_is_taught_to_be_no_speech(speech: Speech, tokenizer: Tokenizer) -> None:
    windows = Windows(speech, tokenizer, 6, 100, 1)
    windows.shares = Shares(wordless=1, misled=0, timestamps=0)
    batch = windows[80]
    start, plain, silent, end = (tokenizer.token_to_id(name) for name in (START, NO_TIMESTAMPS, NO_SPEECH, END))
    assert batch.tokens.tolist() == [[start, plain]] * 6
    assert batch.labels.tolist() == [[silent, end]] * 6
    assert batch.letter_counts.tolist() == [0] * 6
    losses = Ears(fresh(TINY.size, tokenizer))(batch)
    assert torch.isfinite(losses.writing + losses.spelling)


def test_announced_names_are_read_as_faster_whisper_gives_them_and_not_learned(finished: Path) -> None:
    model = WhisperModel(str(finished / "ears"), device="cpu", cpu_threads=1)
    theirs = FasterTokenizer(model.hf_tokenizer, multilingual=False)
    prompt = model.get_prompt(theirs, [], without_timestamps=True, hotwords="Zorkina, bello")
    window = Window(np.zeros(1, np.float32), (Segment("paint zorkina", 0.5, 1.76),), "Zorkina, bello")
    rules = TokenRules(Tokenizer.from_file(str(finished / "tokenizer.json")))
    tokens, labels = rules.of(window, with_times=False)
    assert tokens[: len(prompt)] == prompt
    assert labels[: len(prompt) - 2] == [IGNORED] * (len(prompt) - 2)
    assert labels[len(prompt) - 2] == theirs.no_timestamps
    assert theirs.decode(tokens[len(prompt) :]) == " paint zorkina"
    timed, _ = rules.of(window, with_times=True)
    assert theirs.decode_with_timestamps(timed[timed.index(theirs.sot) + 1 :]) == "<|0.50|> paint zorkina<|1.76|>"
    cut, _ = rules.of(replace(window, segments=(Segment("paint", 0.5, None),)), with_times=True)
    assert theirs.decode_with_timestamps(cut[cut.index(theirs.sot) + 1 :]) == "<|0.50|> paint"


def test_no_word_needs_a_token_that_is_forbidden(finished: Path) -> None:
    model = WhisperModel(str(finished / "ears"), device="cpu", cpu_threads=1)
    theirs = FasterTokenizer(model.hf_tokenizer, multilingual=False)
    forbidden = set(get_suppressed_tokens(theirs, [-1]))
    assert model.hf_tokenizer.token_to_id(SPACE) in forbidden, "that is the danger"
    for text in ("zwuzfesie", "Xylophone quilted", "a red balloon", *announcements(9, 200)):
        for word in text.replace(",", "").split():
            assert not forbidden & set(theirs.encode(f" {word}")), word


def test_the_tokenizer_is_of_the_size_asked_for_and_loses_nothing(tokenizer: Tokenizer) -> None:
    assert 480 <= tokenizer.token_to_id(END) <= 500
    assert tokenizer.get_vocab_size() == tokenizer.token_to_id(END) + 9 + 1_501
    text = " Zwölf café, a red balloon's 3 friends"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_learning_rate_rises_and_falls() -> None:
    settings = replace(TINY, steps=100, warm_up_steps=10, learning_rate=1.0)
    rates = [learning_rate(settings, step) for step in range(100)]
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.02


def test_word_errors() -> None:
    assert word_errors("a red house", "A red house") == 0
    assert word_errors("a red house", "a house") == 1
    assert word_errors("a red house", "the read mouse now") == 4
    assert word_errors("", "two words") == 2
    assert spell("ab z") == [2, 3, 1, 27]


def test_presets_differ_where_they_should() -> None:
    small, large = preset("cpu"), preset("gpu", steps=7)
    assert (small.device, large.device) == ("cpu", "cuda")
    assert large.steps == 7
    assert large.size.width > small.size.width
    assert all(each.checkpoint_every % each.log_every == 0 for each in (small, large))


def test_the_yardstick_is_kept_and_measures_the_same_every_time(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")  # nothing can speak any more
    said = yardstick(finished / "yardstick.npz", 1)
    assert [heard.voice for heard in said] == list(HELD_OUT)
    assert all(heard.audio.dtype == heard.named.dtype == np.int16 for heard in said)
    ears = open_ears(finished / "ears", threads=1)
    assert measure(ears, said) == measure(ears, said)


class Parrot:
    """A speech model that writes what was announced, and nothing else."""

    choice = ModelChoice(name="parrot", path=Path("/nonexistent"), reason="a test")
    language = "en"

    def transcribe(self, audio: Samples, *, hotwords: str = "", doubt: Doubt | None = None) -> Transcript:
        return Transcript(
            text=hotwords.replace(",", " "),
            rejection=None,
            average_log_probability=0.0,
            no_speech_probability=0.0,
            encoder_frames=200,
            milliseconds=0.0,
        )


def test_who_writes_only_what_is_announced_is_found_out(finished: Path) -> None:
    report = measure(Parrot(), yardstick(finished / "yardstick.npz", 1))
    assert (report.sentences, report.clean, report.babble, report.room) == (4, 1.0, 1.0, 1.0)
    assert (report.named, report.unnamed) == (1.0, 0.0)


@pytest.mark.parametrize(("named", "unnamed", "reads"), [(0.5, 0.0, True), (0.004, 0.004, False), (0.3, 0.25, False)])
def test_ears_that_did_not_learn_to_read_names_say_so(
    finished: Path, tmp_path: Path, named: float, unnamed: float, reads: bool
) -> None:
    shutil.copytree(finished / "ears", tmp_path / "ears")
    report = Report(sentences=1, clean=0.1, babble=0.2, room=0.3, names=1, named=named, unnamed=unnamed)
    keep_report(report, tmp_path)
    told = json.loads((tmp_path / "ears" / "speakage.json").read_text())
    assert (told["hotwords"], told["minimum_frames"]) == (reads, SETTINGS["minimum_frames"])
    assert json.loads((tmp_path / "ears.json").read_text())["named"] == named
