"""espeak-ng inside the process, because its library says when each word begins and its command does not.

The library keeps one voice and one state for the whole process: use one :class:`Espeak` a process and no threads.
This module knows nothing of data sets.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speakage_engines.api import ModelError

LIBRARY: Final = "libespeak-ng.so.1"
_SYNCHRONOUS: Final = 2
_UTF8: Final = 1
_WORD: Final = 1
_RATE, _PITCH, _RANGE = 1, 3, 4


class _Event(ctypes.Structure):
    """``espeak_EVENT`` of ``speak_lib.h``."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("identifier", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spoken:
    """Audio and the words whose beginning is known."""

    pcm: NDArray[np.int16]
    rate: int
    """Hz."""
    words: tuple[tuple[int, int], ...] = ()
    """Pairs of a character position in the text and the sample where that word begins."""


class Espeak:
    """The library, opened once; raises :class:`ModelError` naming the Debian package when it is missing."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise ModelError(f"{LIBRARY} cannot be loaded ({error}); run: apt-get install espeak-ng") from error
        self._audio = bytearray()
        self._words: list[tuple[int, int]] = []
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0))
        if self.rate <= 0:
            raise ModelError("espeak-ng finds no voices; run: apt-get install --reinstall espeak-ng-data")
        self._callback = _Callback(self._receive)  # kept: the library holds only the address
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: str, words_per_minute: int, pitch: int = 50) -> Spoken:
        """Speak ASCII ``text``; ``pitch`` is 0 to 100. Raises :class:`ModelError` when the voice is unknown."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ModelError(f"espeak-ng has no voice {voice!r}; see: espeak-ng --voices=en and --voices=variant")
        self._audio.clear()
        self._words.clear()
        for parameter, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, 50)):
            self._library.espeak_SetParameter(parameter, value, 0)
        data = text.encode("ascii")
        if self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _UTF8, None, None) != 0:
            raise ModelError(f"espeak-ng cannot speak {text!r} with {voice!r}")
        return Spoken(np.frombuffer(bytes(self._audio), np.int16), self.rate, tuple(self._words))

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._audio += ctypes.string_at(samples, count * 2)
        place = 0
        while events[place].type != 0:
            if events[place].type == _WORD:
                self._words.append((events[place].text_position - 1, events[place].sample))
            place += 1
        return 0
