"""A client's microphone: PCM that arrives over its WebSocket becomes a source like any other.

This module does *not* know sockets or messages: the stream's handler feeds it bytes and closes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from speakage_daemon.errors import SourceError
from speakage_daemon.hearing.frame_queue import FrameQueue
from speakage_daemon.hearing.resample import SAMPLE_BYTES, PcmFormat, Resampler, read_pcm
from speakage_daemon.hearing.source import Frame, Framer

QUEUE_S = 10.0
LONGEST_PIECE_S = 1.0


class RemoteSource:
    """A :class:`.source.Source` that ends when it is closed. Belongs to one event loop.

    ``rate`` is in Hz; raises :class:`SourceError` when it cannot be resampled.
    """

    live = True

    def __init__(self, name: str, rate: int, pcm_format: PcmFormat) -> None:
        self.name = f"client: {name}"
        self._format = pcm_format
        self._rate = rate
        self._resampler = Resampler(rate)
        self._framer = Framer()
        self._queue = FrameQueue(QUEUE_S)
        self._closed = False

    @property
    def dropped(self) -> int:
        """Frames that were lost because nobody took them in time."""
        return self._queue.dropped

    def feed(self, data: bytes) -> None:
        """Take the next piece of mono PCM. Never waits.

        Raises :class:`SourceError`, and takes nothing, when the piece is not whole samples, is longer than a second,
        or holds numbers that are not finite.
        """
        width = SAMPLE_BYTES[self._format]
        if self._closed:
            raise SourceError("audio: sent after its end; announce it again with session.update")
        if len(data) % width:
            raise SourceError(f"audio: {len(data)} bytes are not whole samples; {self._format} has {width} bytes each")
        if len(data) > LONGEST_PIECE_S * self._rate * width:
            raise SourceError(
                f"audio: {len(data)} bytes are more than {LONGEST_PIECE_S:.0f} s at once; send pieces of 20 to 100 ms"
            )
        for frame in self._framer.feed(self._resampler.feed(read_pcm(data, self._format))):
            self._queue.put(frame)

    def close(self) -> None:
        """The client is done: what came so far is still heard. Closing twice does no harm."""
        if self._closed:
            return
        self._closed = True
        for frame in (*self._framer.feed(self._resampler.flush()), *self._framer.flush()):
            self._queue.put(frame)
        self._queue.end()

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield frames until the source was closed and all of it is heard."""
        while (frame := await self._queue.get()) is not None:
            yield frame
