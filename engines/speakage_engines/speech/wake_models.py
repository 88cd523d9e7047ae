"""Which files wake words mean, checked before any library sees them: what a library cannot load ends the process.

Two engines. ``micro`` (pymicro-wakeword, Apache-2.0) ships its models under the same licence; each is a ``.tflite`` and
a ``.json`` manifest beside it, with its threshold. ``open`` (pyopen-wakeword, an extra) is Apache-2.0 too, but the
models that it ships are CC-BY-NC-SA 4.0: not for commercial use. Nothing is loaded here.
"""

from __future__ import annotations

import ctypes
import json
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from speakage_engines.api import ModelError, WakeEngine, WakeSpec

PACKAGES: Final[dict[WakeEngine, str]] = {"micro": "pymicro_wakeword", "open": "pyopen_wakeword"}
_INSTALL: Final[dict[WakeEngine, str]] = {
    "micro": "pip install pymicro-wakeword",
    "open": "pip install 'speakage[openwakeword]' (its models are CC-BY-NC-SA 4.0)",
}
_NOT_WORDS: Final = ("embedding_model", "melspectrogram")
"""What the engine ``open`` ships beside its words."""
THRESHOLDS: Final = {"okay_nabu": 0.87}
"""In the place of the 0.85 of its manifest: 1 instead of 3 false accepts in ten hours, and 46 instead of 47 of 48 clean
ones heard (``benchmarks/wake.py``)."""
_IDENTIFIER: Final = b"TFL3"
_TRY: Final = "give hearing.wake_words another file, or one of: "


@dataclass(frozen=True, slots=True)
class WakeModel:
    """One wake word's files."""

    word: str
    model: Path
    """A TensorFlow Lite file."""
    manifest: Path
    """What describes the model; the engine ``open`` has none, and this is the model again."""
    threshold: float = 0.0
    """What was measured to be better than its own; 0 for nothing."""


def shipped(engine: WakeEngine) -> dict[str, Path]:
    """The models that come with an engine, by word; raises :class:`ModelError` when it is not installed."""
    files = (package_folder(engine) / "models").glob("*.tflite")
    return {file.stem: file for file in files if file.stem not in _NOT_WORDS}


def package_folder(engine: WakeEngine) -> Path:
    """Where an engine is installed; nothing of it is imported."""
    found = find_spec(PACKAGES[engine])
    if found is None or found.origin is None:
        raise ModelError(f"the wake word engine {engine} is not installed; run: {_INSTALL[engine]}")
    return Path(found.origin).parent


def resolve(spec: WakeSpec) -> tuple[WakeModel, ...]:
    """The files of every word, each once; raises :class:`ModelError` naming the first that cannot be used."""
    there = shipped(spec.engine)
    models: dict[str, WakeModel] = {}
    for word in spec.words:
        path = there.get(word) or _path(word, tuple(there))
        model = _micro(path, there) if spec.engine == "micro" else WakeModel(path.stem, path, path)
        if spec.engine == "micro" and word in there:
            model = replace(model, threshold=THRESHOLDS.get(word, 0.0))
        _check(model.model, spec.engine, there)
        if models.setdefault(model.word, model) != model:
            raise ModelError(f"{model.model} and {models[model.word].model} are both called {model.word}; rename one")
    if not models:
        raise ModelError(f"no wake word is given; set hearing.wake_words to one of: {', '.join(sorted(there))}")
    return tuple(models.values())


def _path(word: str, there: tuple[str, ...]) -> Path:
    path = Path(word).expanduser()
    if path.suffix not in (".tflite", ".json"):
        raise ModelError(f"there is no wake word {word!r}; {_TRY}{', '.join(sorted(there))}")
    return path


def _micro(path: Path, there: dict[str, Path]) -> WakeModel:
    """A model of microWakeWord is named by its ``.tflite`` or by its manifest."""
    manifest = path.with_suffix(".json")
    if path.suffix == ".tflite" and path.is_file() and not manifest.is_file():
        raise ModelError(f"{path}: its manifest {manifest.name} is missing; put it beside the model")
    try:
        told = json.loads(manifest.read_text(encoding="utf-8"))
        model = manifest.parent / str(told["model"])
        # read by the library too, which says less when they are wrong
        float(told["micro"]["probability_cutoff"]), int(told["micro"]["sliding_window_size"]), str(told["wake_word"])
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {_TRY}{', '.join(sorted(there))}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{manifest}: not a manifest of microWakeWord ({type(error).__name__}: {error}); get it again"
        ) from None
    return WakeModel(path.stem, model, manifest)


def _check(path: Path, engine: WakeEngine, there: dict[str, Path]) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {_TRY}{', '.join(sorted(there))}") from None
    if head[4:] != _IDENTIFIER or not _whole(path, engine):
        raise ModelError(
            f"{path}: not a whole TensorFlow Lite model; get it again, or {_TRY}{', '.join(sorted(there))}"
        )


def _whole(path: Path, engine: WakeEngine) -> bool:
    """Asks the library that will load it: the engines themselves do not look at the answer, and crash on a no."""
    library = next((package_folder(engine) / "lib").glob("*tensorflowlite_c.*"), None)
    if library is None:
        raise ModelError(f"{package_folder(engine)}: its library is missing; run: {_INSTALL[engine]}")
    tensorflow = ctypes.CDLL(str(library))
    create_model, create_interpreter = tensorflow.TfLiteModelCreateFromFile, tensorflow.TfLiteInterpreterCreate
    create_model.restype = create_interpreter.restype = ctypes.c_void_p
    model = ctypes.c_void_p(create_model(str(path).encode()))
    if not model:
        return False
    interpreter = ctypes.c_void_p(create_interpreter(model, None))
    whole = bool(interpreter) and tensorflow.TfLiteInterpreterAllocateTensors(interpreter) == 0
    if interpreter:
        tensorflow.TfLiteInterpreterDelete(interpreter)
    tensorflow.TfLiteModelDelete(model)
    return whole
