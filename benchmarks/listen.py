"""Do the words survive the daemon? ``speakage listen`` against ``WhisperModel.transcribe``, same model and recordings.

Ours goes the whole road: the file as a source, detector, segmenter, streaming transcription. The other is handed the
whole recording, padded to 30 s. See ``speech_set`` for the sentences.

Run: ``python benchmarks/listen.py [--per-voice 30] [--json PATH]``
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table
from short_context import padded, word_error_rate
from speech_set import Recording, at_our_rate, make

from speakage_daemon import app, config
from speakage_daemon.events import DaemonEvent, TranscriptionCompleted


def listen(recording: Recording) -> str:
    """The words that ``speakage listen FILE`` prints."""
    texts: list[str] = []

    def note(event: DaemonEvent) -> None:
        if isinstance(event, TranscriptionCompleted):
            texts.append(event.text)

    flags = {"hearing.source": f"file:{recording.path}", "hearing.file_pace": "fast", "speech.model": "embedded"}
    asyncio.run(app.listen(config.load(flags=flags).config, note))
    return " ".join(texts)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="speakage listen against WhisperModel.transcribe")
    parser.add_argument("--per-voice", type=int, default=30, help="sentences of each of the four voices")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    recordings = make(per_voice=options.per_voice)
    transcribe = padded(5)
    heard: dict[str, list[str]] = {"speakage listen": [], "WhisperModel.transcribe": []}
    for recording in track(recordings, "listening", console=Console(stderr=True)):
        heard["speakage listen"].append(listen(recording))
        heard["WhisperModel.transcribe"].append(transcribe(at_our_rate(recording)))
    table = Table("", "WER", title=f"{len(recordings)} recordings, 4 voices never heard, embedded ears")
    figures = []
    for name, texts in heard.items():
        wer = word_error_rate([recording.text for recording in recordings], texts)
        table.add_row(name, f"{wer:.4f}")
        figures.append({"name": f"listen/{name}/wer", "value": round(wer, 4), "unit": "1"})
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
