"""The long-running process: it hears, understands, paints and serves. Read :mod:`speakage_daemon.app` first."""

__version__ = "0.1.0"
