"""A microphone on a machine without one: a private PulseAudio whose null sink is the loudspeaker *and* the microphone.

What :attr:`SoundServer.speaker` plays is what a microphone of this server hears. The server shares nothing with one
that may already run for this user. Nothing here asserts anything.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

ALSA_CONFIG = """\
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
"""
RATE = 48_000
PATIENCE_S = 30


class Speaker:
    """Plays files; what still plays is stopped with the server."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        self._players: list[subprocess.Popen[bytes]] = []

    def play(self, path: Path) -> subprocess.Popen[bytes]:
        """Start to play a sound file; ``wait()`` on what is returned waits for its end."""
        self._players.append(subprocess.Popen(["paplay", "--device=speaker", str(path)], env=self._env))
        return self._players[-1]

    def stop(self) -> None:
        while self._players:
            with self._players.pop() as player:
                player.kill()


class SoundServer:
    """``env`` holds what a process needs to find this server; ``subprocess_env`` is the whole environment with it."""

    def __init__(self) -> None:
        # short, because the path of a socket may have only 107 characters
        self._folder = Path(tempfile.mkdtemp(prefix="pulse-"))
        alsa = self._folder / "asound.conf"
        alsa.write_text(ALSA_CONFIG)
        self._socket = self._folder / "native"
        self.env = {
            "ALSA_CONFIG_PATH": str(alsa),
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_RUNTIME_PATH": str(self._folder),
            "PULSE_STATE_PATH": str(self._folder / "state"),
            "PULSE_COOKIE": str(self._folder / "cookie"),
        }
        self.subprocess_env = os.environ | self.env
        self.speaker = Speaker(self.subprocess_env)
        self._server: subprocess.Popen[bytes] | None = None
        self._keeps_latency_low: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when clients can connect."""
        modules = [
            f"module-native-protocol-unix auth-anonymous=1 socket={self._socket}",
            f"module-null-sink sink_name=speaker rate={RATE}",
            "module-remap-source source_name=microphone master=speaker.monitor",
        ]
        flags = ["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--log-level=error"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            address = self._folder / "notify"
            ready.bind(str(address))
            ready.settimeout(PATIENCE_S)
            self._server = subprocess.Popen(
                ["pulseaudio", *flags, *(f"--load={module}" for module in modules)],
                env=self.subprocess_env | {"NOTIFY_SOCKET": str(address)},
                stderr=subprocess.DEVNULL,  # it complains of being root, where tests run as root
            )
            while b"READY=1" not in ready.recv(4_096):
                pass
            address.unlink()
        # without a client that asks for low latency a null sink delivers in bursts of two seconds
        self._keeps_latency_low = subprocess.Popen(
            ["parec", "--latency-msec=20", "--device=microphone"],
            env=self.subprocess_env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """The server dies at once, as if it crashed; does nothing when it is dead already."""
        self.speaker.stop()
        for process in (self._server, self._keeps_latency_low):
            if process is not None:
                with process:
                    process.kill()
        self._server = self._keeps_latency_low = None

    def freeze(self) -> None:
        """The server hangs: it answers nobody, and nobody is told."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """The server goes on where it was frozen."""
        self._signal(signal.SIGCONT)

    def recordings(self) -> int:
        """How many streams this process records from this server now."""
        listed = subprocess.run(
            ["pactl", "--format=json", "list", "source-outputs"],
            env=self.subprocess_env,
            check=True,
            timeout=PATIENCE_S,
            capture_output=True,
        ).stdout
        owners = [stream["properties"].get("application.process.id") for stream in json.loads(listed)]
        return owners.count(str(os.getpid()))

    def suspend(self, suspended: bool) -> None:
        """The microphone sends nothing, and nobody is told."""
        self.control("suspend-source", "microphone", str(int(suspended)))

    def unplug(self) -> None:
        """The microphone is gone for good; the server puts another source behind its streams."""
        self.control("unload-module", "module-remap-source")

    def control(self, *command: str) -> None:
        """Have the server do something."""
        subprocess.run(["pactl", *command], env=self.subprocess_env, check=True, timeout=PATIENCE_S)

    def remove(self) -> None:
        """End it, and leave nothing behind."""
        self.kill()
        shutil.rmtree(self._folder)

    def _signal(self, number: signal.Signals) -> None:
        if self._server is None:
            raise RuntimeError("the sound server does not run")
        self._server.send_signal(number)
