"""The transcriber: follows each utterance with the speech model while it is spoken, and finishes its text.

One utterance at a time, one transcription at a time, always of the newest sound: a slow model transcribes less
often and never falls behind. It says nothing of pictures: what it finds out goes to the :class:`Listener`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Final, Protocol

from speakage_daemon.config import SpeechSettings
from speakage_daemon.events import DaemonEvent, TranscriptionCompleted, TranscriptionUpdated
from speakage_daemon.hearing.utterance import Phase, Utterance
from speakage_daemon.painting.priority import EarsFirst
from speakage_daemon.understanding.address import NOT_MEANT, Address
from speakage_daemon.understanding.expectation import doubt
from speakage_daemon.understanding.moments import Moments
from speakage_daemon.understanding.stabiliser import Stabiliser, Words
from speakage_engines.api import SAMPLE_RATE, EngineError, SpeechModel, Transcript

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Whoever acts on finished words."""

    def while_speaking(self, utterance: int, settled: str) -> None:
        """Other words have settled while someone goes on speaking."""

    def lacks_something(self, text: str) -> bool:
        """Whether the words so far are plainly not all: then the end is waited for longer."""

    def at_pause(self, utterance: int, text: str, moments: Moments) -> None:
        """The words are finished on trial."""

    def at_end(self, utterance: int, text: str, moments: Moments) -> None:
        """The words are finished."""


class Transcriber:
    """Runs the speech model on its own single-worker executor."""

    def __init__(
        self,
        settings: SpeechSettings,
        model: SpeechModel,
        executor: Executor,
        priority: EarsFirst,
        publish: Callable[[DaemonEvent], None],
        address: Address | None = None,
        unknown_words: Callable[[str], Iterable[str]] | None = None,
    ) -> None:
        self._address = address
        """Without one, all that is heard is meant."""
        self._unknown_words = unknown_words
        """Of a text, those that nobody here could do anything with; ``None`` where all are as likely. Any thread."""
        self._settings = settings
        self._tick = settings.tick_ms * SAMPLE_RATE // 1_000
        self._model = model
        self._executor = executor
        self._priority = priority
        self._publish = publish

    async def run(self, utterances: asyncio.Queue[Utterance], listener: Listener) -> None:
        """Follow utterances, in order, until cancelled."""
        while True:
            utterance = await utterances.get()
            try:
                await self._follow(utterance, listener)
            except EngineError:
                log.exception("utterance %d could not be transcribed", utterance.number)
                now = time.monotonic()
                self._complete(utterance, _Settled(_FAILED, utterance.resumptions, now, now), listener)
            utterances.task_done()

    async def _follow(self, utterance: Utterance, listener: Listener) -> None:
        words = Stabiliser()
        settled: _Settled | None = None
        settled_words = ""
        heard = 0
        while True:
            turns = utterance.turns
            if not self._tick and utterance.phase is not Phase.ENDED:
                await utterance.wait(turns)
                continue
            if utterance.phase is Phase.SPEAKING:
                await utterance.wait(turns, heard + self._tick)
                if utterance.turns != turns:
                    continue
                heard = utterance.length
                transcript = await self._transcribe(utterance)
                now = words.update(transcript.text)
                self._update(utterance, now, None)
                if now.committed != settled_words and utterance.turns == turns:
                    settled_words = now.committed
                    listener.while_speaking(utterance.number, now.committed)
                continue
            if settled is None or settled.resumptions != utterance.resumptions:
                settled = await self._settle(utterance)
                self._update(utterance, words.settle(settled.transcript.text), utterance.last_voiced_time)
                if utterance.turns == turns and utterance.phase is Phase.PAUSED:
                    text = settled.transcript.text
                    utterance.unfinished = listener.lacks_something(text)
                    listener.at_pause(utterance.number, text, settled.moments(utterance))
            if utterance.phase is Phase.ENDED:
                if settled.resumptions == utterance.resumptions:
                    self._complete(utterance, settled, listener)
                    return
            else:
                await utterance.wait(turns)

    async def _settle(self, utterance: Utterance) -> _Settled:
        began = time.monotonic()
        resumptions = utterance.resumptions
        transcript = await self._transcribe(utterance)
        return _Settled(transcript, resumptions, began, time.monotonic())

    def _complete(self, utterance: Utterance, settled: _Settled, listener: Listener) -> None:
        transcript, moments = settled.transcript, settled.moments(utterance)
        self._publish(
            TranscriptionCompleted(
                utterance=utterance.number,
                text=transcript.text,
                reason=_REASONS.get(id(transcript), transcript.rejection),
                transcribe_ms=moments.transcribe_ms,
                since_last_voiced_ms=_since(utterance.last_voiced_time),
            )
        )
        listener.at_end(utterance.number, transcript.text, moments)

    async def _transcribe(self, utterance: Utterance) -> Transcript:
        loop = asyncio.get_running_loop()
        audio = utterance.audio()
        if not len(audio):
            return _VOID
        hotwords = self._settings.hotwords
        if self._address:
            hotwords = f"{hotwords} {self._address.hotwords(utterance.number)}".strip()
        unlikely = doubt(self._unknown_words, hotwords) if self._unknown_words else None
        with self._priority.working():
            transcript = await loop.run_in_executor(
                self._executor, lambda: self._model.transcribe(audio, hotwords=hotwords, doubt=unlikely)
            )
        if not self._address or not transcript.text:
            return transcript
        meant = self._address.meant(utterance.number, transcript.text)
        if meant is None:
            return _UNMEANT
        return replace(transcript, text=meant) if meant else _VOID

    def _update(self, utterance: Utterance, words: Words, last_voiced_time: float | None) -> None:
        since = None if last_voiced_time is None else _since(last_voiced_time)
        self._publish(
            TranscriptionUpdated(
                utterance=utterance.number,
                committed=words.committed,
                pending=words.pending,
                since_last_voiced_ms=since,
            )
        )


class _Settled:
    """A finished text, and which pause it belongs to."""

    def __init__(self, transcript: Transcript, resumptions: int, began: float, ended: float) -> None:
        self.transcript = transcript
        self.resumptions = resumptions
        self._began = began
        self._ended = ended

    def moments(self, utterance: Utterance) -> Moments:
        """When its words came to be finished."""
        return Moments(
            last_voiced=utterance.last_voiced_time,
            paused=utterance.paused_time,
            ended=utterance.ended_time,
            transcribing=self._began,
            transcribed=self._ended,
        )


_FAILED: Final = Transcript(
    text="", average_log_probability=0.0, no_speech_probability=0.0, encoder_frames=0, milliseconds=0.0
)
"""Stands for a transcription that the engine could not do."""
_UNMEANT: Final = replace(_FAILED)
"""Stands for words that were not meant for the daemon."""
_VOID: Final = replace(_FAILED)
"""Stands for nothing but a wake word, or for what one that came later made void."""
_REASONS: Final = {id(_FAILED): "failed", id(_UNMEANT): NOT_MEANT, id(_VOID): "woken"}


def _since(moment: float) -> float:
    return (time.monotonic() - moment) * 1e3
