"""Is everything there that the daemon needs? Each check looks at one thing as the daemon would, and says the remedy.

It changes nothing: it opens no stream, loads no weights, makes no folder, and gives a port back at once. So it can
say that a model's files are whole, but not that it hears well: the daemon's own warm-up proves that.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from speakage_daemon.app import picture_spec, speech_spec, wake_spec
from speakage_daemon.config import Config, HearingSettings
from speakage_daemon.errors import ServeError, SourceError
from speakage_daemon.serving.access import loopback_address
from speakage_daemon.serving.ports import holder
from speakage_engines import api

PICTURES_BYTES: Final = 100 * 10**6
"""Room for some hundred pictures."""
ENGINES_BYTES: Final = 1_000 * 10**6
"""Room for the export of a picture model of middle size."""
_PATIENCE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    """What a person can do about it, as one sentence; empty when all is well."""


def checks(config: Config) -> Iterator[Finding]:
    """Every check, in the order in which the daemon would stumble; some take seconds."""
    microphone = check_microphone(config.hearing, find_microphone)
    yield microphone
    yield check_sound_server(needed=not microphone.ok)
    yield from check_models(config)
    if config.hearing.mode == "word":
        yield check_wake_words(config.hearing)
    yield check_backend(config)
    yield check_port(config.server.host, config.server.port)
    yield check_disk("pictures", config.gallery.folder, PICTURES_BYTES, "gallery.folder")
    yield check_disk("engines", config.models.engines, ENGINES_BYTES, "models.engines")


def find_microphone(wanted: str) -> str:
    """How the daemon would open the microphone, in words; raises :class:`SourceError`."""
    try:
        from speakage_daemon.hearing import devices
    except ImportError as error:
        raise SourceError(f"PyAudio cannot be imported ({error})") from None
    audio = devices.start_portaudio()
    try:
        device = devices.find(audio, wanted)
        return f"{device.name}, {devices.best_rate(device)} Hz"
    finally:
        audio.terminate()


def check_microphone(settings: HearingSettings, find: Callable[[str], str]) -> Finding:
    """Whether the configured microphone is there and can be opened."""
    if settings.source != "microphone":
        return Finding("microphone", True, f"not used: hearing.source is {settings.source}")
    try:
        return Finding("microphone", True, find(settings.device))
    except SourceError as error:
        remedy = (
            "Plug a microphone in, name another in hearing.device (`speakage devices` lists them), "
            "or use the browser's: the button on the display."
        )
        return Finding("microphone", False, str(error), remedy)


def check_sound_server(*, needed: bool) -> Finding:
    """Whether PipeWire or PulseAudio answers. Without one, a microphone may still be reached through ALSA."""
    why = _ask_sound_server()
    if why.startswith("Server Name: "):
        return Finding("sound server", True, why.removeprefix("Server Name: "))
    if not needed:
        return Finding("sound server", True, f"none ({why}); the daemon does without")
    remedy = "Start it: systemctl --user start pipewire-pulse (or: pulseaudio --start); check XDG_RUNTIME_DIR is set."
    return Finding("sound server", False, f"none answers ({why})", remedy)


def check_models(config: Config) -> list[Finding]:
    """Whether both models are on disk and whole."""
    speech = _check_model("speech model", lambda: api.resolve_speech(speech_spec(config)), "speech.model")
    picture = _check_model("picture model", lambda: api.resolve_picture(picture_spec(config)), "picture.model")
    return [speech, picture]


def check_wake_words(settings: HearingSettings) -> Finding:
    """Whether the engine of wake words is installed, and every model is there and whole."""
    spec = wake_spec(settings)
    try:
        api.check_wake_words(spec)
    except api.ModelError as error:
        return Finding("wake words", False, str(error), "List those that ship: speakage wake list.")
    return Finding("wake words", True, f"{', '.join(spec.words)} (engine {spec.engine})")


def check_backend(config: Config) -> Finding:
    """Whether the backend can run here, in the precision that is asked for."""
    try:
        return Finding("backend", True, api.check_backend(picture_spec(config)))
    except api.EngineError as error:
        remedy = "Set picture.backend and picture.precision to auto, or install Speakage again with its dependencies."
        return Finding("backend", False, str(error), remedy)


def check_port(host: str, port: int) -> Finding:
    """Whether the display's port can be had; says who holds it."""
    try:
        address = loopback_address(host)
    except ServeError as error:
        return Finding("port", False, str(error), "Set server.host to 127.0.0.1.")
    where = f"{address}:{port}"
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as listener:
            # as the server asks for it: dying connections of an old daemon are no obstacle
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen()
    except OSError as error:
        if who := holder(address, port):
            return Finding("port", False, f"{where} is held by {who}", "Stop it, or choose another server.port.")
        detail = f"{where} cannot be had ({error.strerror})"
        return Finding("port", False, detail, "Choose another server.port: 1024 or above, or 0 for any free one.")
    return Finding("port", True, f"{where} is free" if port else f"{address}, any free port")


def check_disk(what: str, folder: Path, min_bytes: int, key: str) -> Finding:
    """Whether ``folder``, or the one it would be made in, can be written and has room. ``key`` names the setting."""
    name = f"disk for {what}"
    place = folder.absolute()
    try:
        place = next(parent for parent in (place, *place.parents) if parent.exists())
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"speakage")
            file.flush()
        free = shutil.disk_usage(place).free
    except OSError as error:
        detail = f"{folder} cannot be written ({place}: {error.strerror})"
        return Finding(name, False, detail, f"Make it writable or free some space, or set {key} to another folder.")
    detail = f"{folder}: {free / 1e6:,.0f} MB free"
    if free < min_bytes:
        remedy = f"Free {(min_bytes - free) / 1e6:,.0f} MB more, or set {key} to a folder on another disk."
        return Finding(name, False, f"{detail}, of {min_bytes / 1e6:,.0f} MB that should be", remedy)
    return Finding(name, True, detail)


def _check_model(name: str, resolve: Callable[[], api.ModelChoice], key: str) -> Finding:
    remedy = f"See what there is (speakage models), get one (speakage models get NAME), or set {key} to embedded."
    try:
        choice = resolve()
        if choice.name == "embedded":
            remedy = "It came with Speakage: install Speakage again."
        api.check_model(choice)
    except api.ModelError as error:
        return Finding(name, False, str(error), remedy)
    return Finding(name, True, f"{choice.name} ({choice.reason})")


def _ask_sound_server() -> str:
    """``Server Name: …``, or why there is no answer."""
    try:
        done = subprocess.run(
            ["pactl", "info"],
            env=os.environ | {"LC_ALL": "C"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except FileNotFoundError:
        return "pactl is not installed: package pulseaudio-utils"
    except subprocess.TimeoutExpired:
        return f"it has not answered for {_PATIENCE_S:.0f} s"
    names = [line for line in done.stdout.splitlines() if line.startswith("Server Name: ")]
    complaints = done.stderr.strip().splitlines() or [f"pactl ended with {done.returncode}"]
    return names[0] if names else complaints[0]
