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
from dataclasses import dataclass
from typing import Final, Protocol

from speakage_daemon.config import SpeechSettings
from speakage_daemon.events import DaemonEvent, TranscriptionCompleted, TranscriptionUpdated
from speakage_daemon.hearing.utterance import Phase, Utterance
from speakage_daemon.painting.priority import EarsFirst
from speakage_daemon.understanding.address import NOT_MEANT, Address
from speakage_daemon.understanding.expectation import doubt
from speakage_daemon.understanding.moments import Moments
from speakage_daemon.understanding.stabiliser import Stabiliser, Words
from speakage_engines.api import SAMPLE_RATE, EngineError, SpeechModel

log = logging.getLogger(__name__)

_WOKEN: Final = "woken"
"""Why there are no words where somebody said a wake word alone."""


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
                failed = _Heard(reason="failed")
                self._complete(utterance, _Settled(failed, utterance.resumptions, now, now), listener)
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
                now = words.update((await self._transcribe(utterance)).text)
                self._update(utterance, now, None)
                if now.committed != settled_words and utterance.turns == turns:
                    settled_words = now.committed
                    listener.while_speaking(utterance.number, now.committed)
                continue
            if settled is None or settled.resumptions != utterance.resumptions:
                settled = await self._settle(utterance)
                self._update(utterance, words.settle(settled.heard.text), utterance.last_voiced_time)
                if utterance.turns == turns and utterance.phase is Phase.PAUSED:
                    text = settled.heard.text
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
        heard = await self._transcribe(utterance)
        return _Settled(heard, resumptions, began, time.monotonic())

    def _complete(self, utterance: Utterance, settled: _Settled, listener: Listener) -> None:
        heard, moments = settled.heard, settled.moments(utterance)
        self._publish(
            TranscriptionCompleted(
                utterance=utterance.number,
                text=heard.text,
                reason=heard.reason,
                transcribe_ms=moments.transcribe_ms,
                since_last_voiced_ms=_since(utterance.last_voiced_time),
            )
        )
        listener.at_end(utterance.number, heard.text, moments)

    async def _transcribe(self, utterance: Utterance) -> _Heard:
        loop = asyncio.get_running_loop()
        audio = utterance.audio()
        if not len(audio):
            # a wake word that came later made void what was said
            return _Heard(reason=_WOKEN)
        hotwords = self._settings.hotwords
        if self._address:
            hotwords = f"{hotwords} {self._address.hotwords(utterance.number)}".strip()
        unlikely = doubt(self._unknown_words, hotwords) if self._unknown_words else None
        with self._priority.working():
            transcript = await loop.run_in_executor(
                self._executor, lambda: self._model.transcribe(audio, hotwords=hotwords, doubt=unlikely)
            )
        if not self._address or not transcript.text:
            return _Heard(transcript.text, transcript.rejection)
        meant = self._address.meant(utterance.number, transcript.text)
        if meant is None:
            return _Heard(reason=NOT_MEANT)
        return _Heard(meant) if meant else _Heard(reason=_WOKEN)

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


@dataclass(frozen=True, slots=True)
class _Heard:
    """What was meant for the daemon."""

    text: str = ""
    reason: str | None = None
    """Why there are no words; the speech model's own, or ours."""


class _Settled:
    """A finished text, and which pause it belongs to."""

    def __init__(self, heard: _Heard, resumptions: int, began: float, ended: float) -> None:
        self.heard = heard
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


def _since(moment: float) -> float:
    return (time.monotonic() - moment) * 1e3
