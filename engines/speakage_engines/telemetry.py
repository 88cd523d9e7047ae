"""Nothing leaves the machine: what libraries would report of their use is switched off."""

from __future__ import annotations

import os
import sys


def switch_off_telemetry() -> None:
    """Call before onnxruntime and openvino are imported: they decide then, and keep an identifier in the user's home.

    onnxruntime reports sessions, models and devices since 1.29 (its ``docs/Privacy.md``), openvino counts its uses.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # without its reporter openvino takes a stub of its own that does nothing
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
