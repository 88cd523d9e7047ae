"""From trained weights to ears on disk: a transformers folder, and its CTranslate2 form, which the engine opens.

How well they hear is measured elsewhere (:mod:`.yardstick`).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from speakage_engines.api import ModelChoice, SpeechSpec
from speakage_engines.models import SETTINGS_FILE
from speakage_engines.speech.whisper import Measured, ShortContextWhisper
from speakage_engines.training.whisper_tokens import END
from speakage_engines.training.windows import EXTRACTOR, MINIMUM_FRAMES
from speakage_engines.training.yardstick import Report

EARS_FOLDER: Final = "ears"
SETTINGS: Final = {"minimum_frames": MINIMUM_FRAMES, "hotwords": True}
"""What the training taught: windows from two seconds on, and names announced before a sentence."""


def export(whisper: Any, tokenizer_file: Path, folder: Path) -> Path:
    """Write ``transformers/`` and ``ears/`` into ``folder``; returns the latter. int8, loads in faster-whisper."""
    from ctranslate2.converters import TransformersConverter
    from transformers import PreTrainedTokenizerFast
    from transformers.utils import logging

    source = folder / "transformers"
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    # an empty text is allowed: silence should be written as nothing
    whisper.generation_config.begin_suppress_tokens = []
    whisper.generation_config.suppress_tokens = []
    logging.disable_progress_bar()  # weights of this size are written at once; the bar would cross ours
    whisper.save_pretrained(source)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END).save_pretrained(source)
    shutil.copy(tokenizer_file, source / tokenizer_file.name)
    unfinished, finished = folder / f"{EARS_FOLDER}.part", folder / EARS_FOLDER
    converter = TransformersConverter(str(source), copy_files=["tokenizer.json"])
    converter.convert(str(unfinished), quantization="int8", force=True)
    _write(unfinished / "preprocessor_config.json", EXTRACTOR)
    _write(unfinished / SETTINGS_FILE, SETTINGS)
    if finished.exists():
        shutil.rmtree(finished)
    unfinished.rename(finished)
    return finished


def keep_report(report: Report, folder: Path) -> None:
    """Write ``ears.json``; ears that did not learn to read names say so to whoever opens them."""
    _write(folder / "ears.json", asdict(report))
    _write(folder / EARS_FOLDER / SETTINGS_FILE, {**SETTINGS, "hotwords": report.reads_names})


def open_ears(folder: Path, threads: int = 0) -> ShortContextWhisper:
    """The engine over a folder of ours, without the warm-up proof: ears that hear nothing yet open too."""
    from faster_whisper import WhisperModel

    choice = ModelChoice(name=folder.name, path=folder, reason="just trained")
    spec = SpeechSpec(
        model=str(folder), device="cpu", compute_type="int8", threads=threads, models_folder=folder.parent
    )
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)
    return ShortContextWhisper(model, choice, spec, Measured.beside(choice))


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
