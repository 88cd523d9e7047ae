"""Sound that does not come from a device: a recording on disk, or PCM on standard input.

This module does *not* end an utterance: a recording only has some silence appended, so that its last one can end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import time
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias

import av
import numpy as np

from speakage_daemon.errors import SourceError
from speakage_daemon.hearing.source import Frame, Framer
from speakage_engines.api import FRAME_SAMPLES, SAMPLE_RATE, Samples

logger = logging.getLogger(__name__)

Pace: TypeAlias = Literal["realtime", "fast"]

BLOCK_SAMPLES = SAMPLE_RATE // 4
"""A file is decoded in blocks of at least so many samples, to change threads seldom."""
READ_BYTES = 2 * FRAME_SAMPLES
STDIN = 0


class FileSource:
    """A :class:`.source.Source` of a recording in any format FFmpeg reads.

    At the pace ``realtime`` each frame comes when its last sample would have been spoken. Raises
    :class:`SourceError` when the file is missing, empty, or has no sound; that is looked up at once, in
    milliseconds, so that nothing needs to be started for a file that cannot be heard.
    """

    def __init__(self, path: Path, pace: Pace = "realtime", *, trailing_silence_s: float = 1.0) -> None:
        self.name = f"file: {path.name}"
        self.live = pace == "realtime"
        self._path = path
        self._silence = np.zeros(int(trailing_silence_s * SAMPLE_RATE), np.int16)
        if next(_decoded(path), None) is None:
            raise SourceError(f"{path}: holds no sound at all; name a file that somebody speaks in")

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield frames until the end of the recording and its trailing silence."""
        loop = asyncio.get_running_loop()
        blocks = self._blocks()
        framer = Framer()
        began: float | None = None
        # one worker: the file is never closed while it is being decoded
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode")
        try:
            ended = False
            while not ended:
                block = await loop.run_in_executor(worker, next, blocks, None)
                ended = block is None
                began = began or time.monotonic()
                for frame in framer.flush() if block is None else framer.feed(block):
                    if self.live:
                        await _wait_until(began + (frame.sample + FRAME_SAMPLES) / SAMPLE_RATE)
                    yield frame
        finally:
            worker.submit(blocks.close)
            worker.shutdown(wait=False)

    def _blocks(self) -> Generator[Samples]:
        waiting: list[Samples] = []
        for piece in _decoded(self._path):
            waiting.append(piece)
            if sum(map(len, waiting)) >= BLOCK_SAMPLES:
                yield np.concatenate(waiting)
                waiting.clear()
        yield np.concatenate([*waiting, self._silence])


class StdinSource:
    """A :class:`.source.Source` of 16 kHz mono s16le PCM on standard input. Ends with it.

    Nothing is dropped here: whoever writes waits when nobody hears. ``descriptor`` is another file descriptor to read.
    """

    name = "stdin"
    live = True

    def __init__(self, descriptor: int = STDIN) -> None:
        if os.isatty(descriptor):
            raise SourceError(
                "stdin: is a terminal; pipe 16 kHz mono s16le PCM into it, like `arecord -r 16000 -f S16_LE`"
            )
        self._descriptor = descriptor

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield frames until the end of the input."""
        loop = asyncio.get_running_loop()
        framer = Framer()
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stdin")
        woken, wake = os.pipe()
        odd = b""
        try:
            while data := await loop.run_in_executor(worker, self._read, woken):
                data = odd + data
                whole = len(data) // 2 * 2
                odd = data[whole:]
                for frame in framer.feed(np.frombuffer(data[:whole], "<i2").astype(np.int16)):
                    yield frame
            for frame in framer.flush():
                yield frame
        finally:
            os.close(wake)  # ends a read that waits, else the process could not end before its input does
            worker.submit(os.close, woken)
            worker.shutdown(wait=False)

    def _read(self, woken: int) -> bytes:
        """Wait for bytes; none at the end of the input or when the other end of ``woken`` was closed.

        Reads the descriptor itself: a thread that waits inside ``sys.stdin.buffer`` holds a lock the interpreter
        needs to exit.
        """
        ready, _, _ = select.select([self._descriptor, woken], [], [])
        return b"" if woken in ready else os.read(self._descriptor, READ_BYTES)


async def _wait_until(deadline: float) -> None:
    delay = deadline - time.monotonic()
    if delay > 0:
        await asyncio.sleep(delay)


def _decoded(path: Path) -> Iterator[Samples]:
    """Pieces of the file's first audio stream, at 16 kHz mono.

    Raises :class:`SourceError` when there is none. A file that is damaged further on ends there, with a warning.
    """
    heard = 0
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise SourceError(f"{path}: has no sound, only pictures or data; name an audio file")
            for frame in container.decode(audio=0):
                frame.pts = None  # gaps in a file's time stamps are not heard
                for piece in resampler.resample(frame):
                    heard += piece.samples
                    yield piece.to_ndarray().reshape(-1)
            yield from (piece.to_ndarray().reshape(-1) for piece in resampler.resample(None))
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; give the path of a recording") from None
    except PermissionError:
        raise SourceError(f"{path}: may not be read; change its permissions or name another file") from None
    except IsADirectoryError:
        raise SourceError(f"{path}: is a folder; give the path of a recording") from None
    except (av.FFmpegError, ValueError) as error:
        if heard:
            logger.warning("%s: damaged after %.1f s, heard up to there (%s)", path, heard / SAMPLE_RATE, error)
            return
        raise SourceError(f"{path}: is not sound that can be decoded ({error}); name an audio file") from None
