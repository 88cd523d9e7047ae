"""One opened input stream of PortAudio: opened, started and closed by blocking calls, from any thread.

The callback runs in PortAudio's own thread and does nothing but hand over bytes.
This module does *not* notice that a stream died, nor reopen it: see :mod:`.microphone`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pyaudio

from speakage_daemon.errors import SourceError
from speakage_daemon.hearing.devices import InputDevice, best_rate, find, start_portaudio

FRAMES_A_SECOND = 50


class Capture:
    """Opened once, closed once. ``close`` may come at any time, even while ``open`` is still at it."""

    def __init__(self, wanted: str, deliver: Callable[[bytes, float], object]) -> None:
        self._wanted = wanted
        self._deliver = deliver
        # open and close meet when the daemon is stopped while a device is still being opened
        self._lock = threading.Lock()
        self._closed = False
        self._audio: Any = None
        self._stream: Any = None

    def open(self) -> tuple[InputDevice, int]:
        """Find the device and open it, without starting it; return it and its rate in Hz.

        Raises :class:`SourceError` when there is no such device or it cannot be opened.
        """
        with self._lock:
            if self._closed:
                raise SourceError(f"microphone {self._wanted or 'default'}: closed before it was opened")
            self._audio = start_portaudio()
            device = find(self._audio, self._wanted)
            rate = best_rate(device)
            try:
                self._stream = self._audio.open(
                    rate=rate,
                    channels=device.channels,
                    format=pyaudio.paInt16,
                    input=True,
                    input_device_index=device.index,
                    frames_per_buffer=rate // FRAMES_A_SECOND,
                    start=False,
                    stream_callback=self._on_sound,
                )
            except OSError as error:
                raise _refused(device, error) from None
            return device, rate

    def start(self) -> None:
        """Sound comes from now on."""
        with self._lock:
            if self._stream is None:
                return
            try:
                self._stream.start_stream()
            except OSError as error:
                raise SourceError(f"the microphone does not start ({error}); it may have been unplugged") from None

    def is_active(self) -> bool:
        """What PortAudio believes; false is to be trusted, true is not. Does not block."""
        return self._stream is not None and bool(self._stream.is_active())

    def close(self) -> None:
        """Give the device back. Blocks for as long as a frozen sound server stays frozen."""
        with self._lock:
            self._closed = True
            stream, self._stream = self._stream, None
            audio, self._audio = self._audio, None
            if stream is not None:
                stream.close()
            if audio is not None:
                audio.terminate()

    def _on_sound(self, data: bytes, _count: int, _times: object, _flags: int) -> tuple[None, int]:
        try:
            self._deliver(data, time.monotonic())
        except RuntimeError:  # the event loop is closed: nobody will ever listen
            return None, pyaudio.paAbort
        return None, pyaudio.paContinue


def _refused(device: InputDevice, error: OSError) -> SourceError:
    return SourceError(
        f"microphone {device.name}: cannot be opened ({error}); close the program that uses it, "
        "or name another in hearing.device (`speakage devices` lists them)"
    )
