"""The machine's sound inputs: which there are, which one is meant, and how it is best opened.

All of it blocks, for up to a second: call it in a thread. This module does *not* open a stream to record.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyaudio

from speakage_daemon.errors import SourceError
from speakage_engines.api import SAMPLE_RATE

COMMON_RATES = (16_000, 44_100, 48_000)
ODD_RATE = 12_345
"""No hardware runs at this rate: a device that takes it has a sound server or plug-in before it."""

TRIAL_S = 10
"""Looking for devices takes so long at most (s)."""

NO_MICROPHONE = (
    "no microphone was found: plug one in or start the sound server, or use the browser's microphone on the display"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDevice:
    """A sound input, as `speakage devices` shows it."""

    index: int
    """PortAudio's number; changes when devices come and go."""
    name: str
    channels: int
    """As it would be opened: 1 where the device can, else all it has."""
    rates: tuple[int, ...]
    """Hz, ascending: those of 16, 44.1, 48 kHz and its own default that it takes; empty while it is in use."""
    default_rate: int
    """Hz."""
    converts: bool
    """True when something before the hardware converts rates, so that any rate is taken."""
    default: bool
    """True for the system's default input."""


def input_devices() -> tuple[InputDevice, ...]:
    """Every sound input; empty when there is none. Raises :class:`SourceError` when PortAudio itself fails."""
    audio = start_portaudio()
    try:
        return tuple(_probed(audio, info) for info in _inputs(audio))
    finally:
        audio.terminate()


def start_portaudio() -> Any:
    """A new ``PyAudio``, which looks for devices afresh provided that every other one was terminated."""
    _try_elsewhere()
    _quiet_native_libraries()
    try:
        return pyaudio.PyAudio()
    except OSError as error:
        raise SourceError(f"PortAudio does not start ({error}); look at `aplay -l` and the sound server") from None


def find(audio: Any, wanted: str) -> InputDevice:
    """The input whose name contains ``wanted`` (in any case), or the default one when ``wanted`` is empty.

    Raises :class:`SourceError` with what to do when there is none.
    """
    infos = list(_inputs(audio))
    if not infos:
        raise SourceError(NO_MICROPHONE)
    if not wanted:
        return _probed(audio, next((info for info in infos if info["default"]), infos[0]))
    for info in infos:
        if wanted.casefold() in info["name"].casefold():
            return _probed(audio, info)
    names = ", ".join(info["name"] for info in infos)
    raise SourceError(f"hearing.device: no microphone's name contains {wanted!r}; there are: {names}")


def best_rate(device: InputDevice) -> int:
    """Hz: the rate at which the least is converted outside our own resampler.

    Where any rate is taken, 48 kHz: that is what most hardware runs at, and plug-ins convert badly.
    """
    if not device.rates:
        raise SourceError(
            f"microphone {device.name}: refuses 16-bit sound at 16, 44.1 and 48 kHz; "
            "close the program that uses it, or name another in hearing.device (`speakage devices` lists them)"
        )
    preferred = (48_000,) if device.converts else (SAMPLE_RATE, device.default_rate)
    return next((rate for rate in preferred if rate in device.rates), device.rates[0])


def _inputs(audio: Any) -> Iterator[dict[str, Any]]:
    try:
        default = audio.get_default_input_device_info()["index"]
    except OSError:
        default = None
    for index in range(audio.get_device_count()):
        info = audio.get_device_info_by_index(index)
        if info["maxInputChannels"] > 0:
            name = info["name"]  # bytes when it is not UTF-8
            text = name if isinstance(name, str) else name.decode(errors="replace")
            yield {**info, "name": text, "default": index == default}


def _probed(audio: Any, info: dict[str, Any]) -> InputDevice:
    default_rate = round(info["defaultSampleRate"])
    candidates = sorted({*COMMON_RATES, default_rate})
    rates: tuple[int, ...] = ()
    channels = 1
    for channels in (1, info["maxInputChannels"]):
        rates = tuple(rate for rate in candidates if _takes(audio, info["index"], rate, channels))
        if rates:
            break
    return InputDevice(
        index=info["index"],
        name=info["name"],
        channels=channels,
        rates=rates,
        default_rate=default_rate,
        converts=bool(rates) and _takes(audio, info["index"], ODD_RATE, channels),
        default=info["default"],
    )


def _takes(audio: Any, index: int, rate: int, channels: int) -> bool:
    try:
        return bool(
            audio.is_format_supported(rate, input_device=index, input_channels=channels, input_format=pyaudio.paInt16)
        )
    except ValueError:  # how PyAudio says no
        return False


def _try_elsewhere() -> None:
    """PortAudio aborts its whole process over an ALSA configuration without devices: another process goes first."""
    command = [sys.executable, "-c", "import pyaudio; pyaudio.PyAudio().terminate()"]
    quiet = subprocess.DEVNULL
    try:
        status = subprocess.run(
            command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=TRIAL_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        raise SourceError(f"the sound system has not answered for {TRIAL_S} s; restart the sound server") from None
    if status < 0:
        raise SourceError(
            f"no microphone was found: PortAudio crashes while it looks for one (signal {-status}), as it does when "
            "ALSA's configuration is empty or damaged; mend it (package libasound2-data), "
            "or use the browser's microphone on the display"
        )


def _quiet_native_libraries() -> None:
    """Stop ALSA and JACK from printing dozens of lines to stderr while PortAudio tries every device they know.

    Their own error handlers are replaced by a C function that does nothing. Pointing file descriptor 2 elsewhere
    would be shorter, but would swallow what Python and other threads write meanwhile. The function is libc's
    ``getpid``: a Python callback would need the interpreter's lock in the thread that carries sound.
    What PortAudio itself prints ("Expression … failed", when a sound server dies) has no such handler and stays.
    """
    nothing = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)
    for library, setters in (
        ("libasound.so.2", ("snd_lib_error_set_handler",)),
        ("libjack.so.0", ("jack_set_error_function", "jack_set_info_function")),
    ):
        try:
            loaded = ctypes.CDLL(library, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
        except OSError:
            continue  # this PortAudio was built without it
        for setter in setters:
            getattr(loaded, setter)(nothing)
