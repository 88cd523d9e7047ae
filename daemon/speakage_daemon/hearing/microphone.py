"""The microphone: sound from PortAudio at the device's own rate, made 16 kHz frames, for as long as the daemon runs.

It is supervised: a microphone that is missing, dies, freezes or falls behind is said to be lost once, reopened with
growing pauses until sound comes, and said to be back once. Through all that one logical recording goes on, whose
sample indices jump by what was missed. Exact silence is a mute button: told, never a reason to reopen.

PortAudio's blocking calls run in daemon threads, because closing a stream of a frozen sound server takes until it
thaws, and the process must be able to end before. This module does *not* decide what is speech.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from speakage_daemon.errors import SourceError
from speakage_daemon.events import DaemonEvent, MicrophoneLost, MicrophoneRestored, MicrophoneSilent
from speakage_daemon.hearing.capture import Capture
from speakage_daemon.hearing.devices import InputDevice
from speakage_daemon.hearing.frame_queue import FrameQueue
from speakage_daemon.hearing.resample import Resampler, read_pcm
from speakage_daemon.hearing.sound_server import ASKED_EVERY_S, SourceWatch, UnknownError, can_be_asked
from speakage_daemon.hearing.source import Frame, Framer
from speakage_daemon.hearing.supervision import MuteDetector, Supervision
from speakage_engines.api import SAMPLE_RATE

logger = logging.getLogger(__name__)

T = TypeVar("T")

QUEUE_S = 10.0
TICK_S = 0.1
"""How often a microphone that sends nothing is looked at."""
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 1.25
"""Whoever plugs the microphone in again is heard within two seconds; to look and find none takes 0.03 s of a core."""
CLOSE_S = 1.0
"""A stream that does not close by then, when the daemon stops, is left to the system."""


class Microphone:
    """A :class:`.source.Source` that never ends by itself.

    ``device`` is part of a device's name, or empty for the system's default. ``publish`` is told of
    :class:`MicrophoneLost`, :class:`MicrophoneRestored` and :class:`MicrophoneSilent`, on the event loop.
    """

    live = True

    def __init__(self, device: str, publish: Callable[[DaemonEvent], None]) -> None:
        self.name = f"microphone: {device or 'default'}"
        self._device = device
        self._publish = publish
        self._queue = FrameQueue(QUEUE_S)
        self._framer = Framer()
        self._mute = MuteDetector()
        self._capture: Capture | None = None
        self._stream: _Stream | None = None
        self._attempts = 0
        self._lost = False
        self._heard: float | None = None
        self._began = 0.0

    @property
    def dropped(self) -> int:
        """Frames that were lost because nobody took them in time."""
        return self._queue.dropped

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield frames for ever; nothing while the microphone is lost. Cancellation closes the device."""
        self._began = time.monotonic()
        watching = asyncio.create_task(self._watch(), name="sound server")
        try:
            while True:
                if self._capture is None:
                    await self._open()
                frame = await self._next()
                if frame is not None:
                    yield frame
                # what came before the trouble is heard first
                if not self._queue and (reason := self._trouble()):
                    await self._give_up(f"{self.name}: {reason}; it is being reopened")
        finally:
            watching.cancel()
            await self._close_at_the_end()

    async def _watch(self) -> None:
        """Ask the sound server, where there is one, whether it still is the same device."""
        if not can_be_asked():
            logger.info("there is no pactl: a device that the sound server puts behind the microphone is not noticed")
            return
        stream, watch = self._stream, SourceWatch()
        while True:
            await asyncio.sleep(ASKED_EVERY_S)
            if stream is not self._stream:
                stream, watch = self._stream, SourceWatch()
            if stream is None:
                continue
            try:
                stream.moved = stream.moved or await watch.moved()
            except UnknownError as error:
                logger.debug("%s: whether it is still the same device is not known: %s", self.name, error)

    async def _open(self) -> None:
        """Open the device and start it; on failure leave ``_capture`` at ``None`` to be called again."""
        if self._attempts:
            await asyncio.sleep(min(FIRST_PAUSE_S * 2 ** (self._attempts - 1), LONGEST_PAUSE_S))
        self._attempts = min(self._attempts + 1, 30)
        loop = asyncio.get_running_loop()
        capture = Capture(self._device, lambda data, when: loop.call_soon_threadsafe(self._take, capture, data, when))
        self._capture = capture
        try:
            device, rate = await _in_daemon_thread(capture.open)
            self.name = f"microphone: {device.name}"
            self._stream = _Stream(device, rate)
            await _in_daemon_thread(capture.start)
        except SourceError as error:
            await self._give_up(str(error))

    async def _next(self) -> Frame | None:
        """The next frame, or ``None`` when it is time to look after the microphone."""
        if self._capture is None:
            return None
        try:
            async with asyncio.timeout(TICK_S):
                return await self._queue.get()
        except TimeoutError:
            return None

    def _take(self, capture: Capture, data: bytes, when: float) -> None:
        """Sound from PortAudio's thread, now on the event loop; ``when`` it arrived on the monotonic clock."""
        stream = self._stream
        if capture is not self._capture or stream is None:
            return  # a stream that was given up delivered once more
        pcm = read_pcm(data, "pcm_s16le")
        count = len(pcm) // stream.channels
        stream.supervision.arrived(when, count)
        if stream.first_sound:
            stream.first_sound = False
            self._attempts = 0
            self._sound_is_back(when, count / stream.rate)
        self._heard = when
        silent = self._mute.feed(count / stream.rate, zero=not pcm.any())
        if silent is not None:
            logger.info("%s: %s", self.name, "only digital silence, as if muted" if silent else "no longer silent")
            self._publish(MicrophoneSilent(silent=silent))
        for frame in self._framer.feed(stream.resampler.feed(pcm)):
            self._queue.put(frame)

    def _sound_is_back(self, when: float, seconds: float) -> None:
        """The first sound of a stream, so many seconds of it: account for the gap since the stream before."""
        if self._heard is not None:
            self._framer.skip(max(0, round((when - seconds - self._heard) * SAMPLE_RATE)))
        if self._lost:
            self._lost = False
            gap_ms = 1_000 * (when - (self._heard or self._began))
            logger.info("%s: heard again after %.1f s", self.name, gap_ms / 1_000)
            self._publish(MicrophoneRestored(source=self.name, gap_ms=gap_ms))

    def _trouble(self) -> str | None:
        """Why the stream must be given up, or ``None``."""
        if self._capture is None or self._stream is None:
            return None
        if not self._capture.is_active():
            return "the sound stopped, as when it is unplugged or the sound server ends"
        return self._stream.moved or self._stream.supervision.trouble(time.monotonic())

    async def _give_up(self, reason: str) -> None:
        """Say once that the microphone is lost, and close what there is of it."""
        if not self._lost:
            self._lost = True
            logger.warning("%s", reason)
            self._publish(MicrophoneLost(reason=reason))
        else:
            logger.debug("still lost: %s", reason)
        capture, self._stream = self._capture, None
        if capture is not None:
            # PortAudio finds new devices only when every stream is closed, so this waits for as long as it takes
            await _in_daemon_thread(capture.close)
            self._capture = None

    async def _close_at_the_end(self) -> None:
        capture, self._capture, self._stream = self._capture, None, None
        if capture is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await _in_daemon_thread(capture.close)
        except TimeoutError:
            logger.warning("%s: does not close; it is left to the system", self.name)


class _Stream:
    """What belongs to one opened stream and is begun anew with the next."""

    def __init__(self, device: InputDevice, rate: int) -> None:
        self.rate = rate
        self.channels = device.channels
        self.resampler = Resampler(rate, device.channels)
        self.supervision = Supervision(rate, time.monotonic())
        self.first_sound = True
        self.moved: str | None = None
        """What the sound server did with it."""


async def _in_daemon_thread(call: Callable[[], T]) -> T:
    """Like ``asyncio.to_thread``, in a thread that the end of the process does not wait for."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 (it is raised again where the call is awaited)
            future.set_exception(error)

    threading.Thread(target=run, name="portaudio", daemon=True).start()
    return await asyncio.wrap_future(future)
