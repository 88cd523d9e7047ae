"""The one seam between the daemon and everything that touches weights: small Protocols and frozen dataclasses.

Nothing here imports torch, openvino or a model library, so that the daemon can name these types without loading
any of them. The factories at the end import what they need when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speakage_engines.quick_imports import import_diffusers
from speakage_engines.telemetry import switch_off_telemetry

Samples: TypeAlias = NDArray[np.int16]
"""Mono audio at 16 kHz, shape ``(n,)``."""
Rgb: TypeAlias = NDArray[np.uint8]
"""A picture, shape ``(height, width, 3)``."""
Mask: TypeAlias = NDArray[np.uint8]
"""Which part of a picture is painted anew, shape ``(height, width)``: what is brighter than 127."""
Latents: TypeAlias = NDArray[np.float32]
"""Shape ``(batch, channels, height / factor, width / factor)``."""
Size: TypeAlias = tuple[int, int]
"""Width and height of a picture, in pixels."""
Told: TypeAlias = tuple[NDArray[np.float32], ...]
"""What a denoiser is told of a prompt, in its model's own order, each ``(batch, …)``; for that model alone."""

SAMPLE_RATE = 16_000
"""Hz; what every speech engine takes."""
FRAME_SAMPLES = 320
"""Samples in one frame of the road: 20 ms."""

BackendName: TypeAlias = Literal["openvino", "torch", "tensorrt"]
WakeEngine: TypeAlias = Literal["micro", "open"]
PrecisionName: TypeAlias = Literal["auto", "fp32", "bf16", "int8"]
DeviceName: TypeAlias = Literal["auto", "cpu", "gpu", "npu"]


class EngineError(Exception):
    """Base of what goes wrong with weights and engines; the message names the file and the remedy."""


class ModelError(EngineError):
    """A model is missing, damaged, or of a kind that cannot be used here."""


class BuildError(EngineError):
    """An engine could not be exported or compiled."""


# --- speech ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What the detectors say about one frame of 20 ms."""

    voiced: bool
    """WebRTC's verdict: quick, and easily fooled."""
    probability: float
    """Silero's probability of speech, 0 to 1."""


class SpeechDetector(Protocol):
    """Says of every frame whether it is speech. Holds state between frames."""

    def feed(self, frame: Samples) -> Activity:
        """Take the next 320 samples."""

    def reset(self) -> None:
        """Forget the past: another source speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeScore:
    """How much the newest sound is like one wake word."""

    word: str
    """As it is called in the configuration's events: the model's file without its ending."""
    score: float
    """0 to 1."""
    threshold: float
    """A score above it is the word."""

    @property
    def heard(self) -> bool:
        """Whether it is the word."""
        return self.score > self.threshold


class WakeWordDetector(Protocol):
    """Says of every frame how much each wake word is heard in it and before it. Holds state between frames."""

    words: tuple[str, ...]
    lag: int
    """Samples from the end of a word until it is heard, in the middle; see the engine for how far it strays."""

    def feed(self, frame: Samples) -> tuple[WakeScore, ...]:
        """Take the next 320 samples; one score a word, in the order of ``words``."""

    def reset(self) -> None:
        """Forget the past: another source speaks."""


Rejection: TypeAlias = Literal["no_speech", "low_confidence", "repetition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What a speech model made of one stretch of audio."""

    text: str
    """Empty when rejected."""
    rejection: Rejection | None = None
    average_log_probability: float
    no_speech_probability: float
    encoder_frames: int
    """Mel frames (10 ms each, or as the model has it) that the encoder was given, padding included."""
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """Which model was taken, where it lies, and why."""

    name: str
    path: Path
    reason: str


Doubt: TypeAlias = Callable[[str], int]
"""How many words of a text are unlikely to be said here, such as those that a picture model does not know."""


class SpeechModel(Protocol):
    """Turns audio into words. Not safe to call from two threads at once."""

    choice: ModelChoice
    language: str
    """The language it is fixed to, or ``""`` when it finds out."""

    def transcribe(self, audio: Samples, *, hotwords: str = "", doubt: Doubt | None = None) -> Transcript:
        """Transcribe up to 30 s of audio; raises :class:`EngineError` when there is more.

        Of what was heard almost equally well, that with fewer words in ``doubt`` is believed.
        """


# --- pictures -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Carried:
    """The revision before this picture, to go on from, so that the new one does not jump."""

    latents: Latents
    """Its newest :attr:`Preview.latents`; of the same model."""
    strength: float
    """How much may become another, above 0 and to 1: of ``n`` steps the last ``int(n * strength)`` are run.

    Where that would be none, the way is divided more finely, so that one step begins at that strength.
    """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blend:
    """Words on the way from those of another picture to the prompt's: from the same noise one becomes the other.

    Both ends are known already, so a picture of such words costs its steps and no text encoder.
    """

    before: Told
    """That picture's :attr:`Preview.told`; of the same model."""
    share: float
    """How far on the way, above 0 and to 1, which is the prompt itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """A picture to start from, instead of noise alone (SDEdit, Meng et al. 2022)."""

    rgb: Rgb
    """As large as what is painted."""
    strength: float
    """How much may become another, above 0 and to 1: of ``n`` steps the last ``int(n * strength)`` are run.

    Where that would be none, the way is divided more finely, so that one step begins at that strength; what is below
    0.05 counts as 0.05. At 1 nothing is left of the picture, but for what a mask keeps.
    """
    mask: Mask | None = None
    """As large; what it keeps is in the finished picture exactly as it was. None paints everything anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintRequest:
    """All that shapes a picture, apart from the model."""

    prompt: str
    seed: int
    steps: int
    negative: str = ""
    previews: bool = True
    """Decode the estimate of every step; else the finished picture alone."""
    adapters: tuple[str, ...] | None = None
    """Instead of those that the model was loaded with; see :attr:`PictureSpec.adapters`."""
    guidance: float | None = None
    """Instead of the one that the model was loaded with; a model that has none refuses it with
    :class:`EngineError`."""
    size: Size | None = None
    """Instead of the one that the model was loaded with; :class:`EngineError` says why one cannot be painted."""
    carried: Carried | None = None
    """None for noise alone; where there is a start, nothing is carried over."""
    blend: Blend | None = None
    """None for the prompt itself."""
    start: Start | None = None
    """None for noise alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The estimate of the finished picture after one step."""

    step: int
    """1 to ``steps``; a request that starts from something begins later, by as many steps as that leaves out."""
    steps: int
    rgb: Rgb
    """Decoded from the step's estimate of x0; at the last step, the finished picture itself."""
    encode_prompt_ms: float
    denoise_ms: float
    """Sum over the steps so far."""
    decode_ms: float
    """Sum over the steps so far."""
    latents: Latents | None = None
    """What was decoded, for :class:`Carried`; a model that cannot go on from its own pictures gives none."""
    told: Told | None = None
    """What it was painted of, for :class:`Blend`; a model that cannot blend gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureModelInfo:
    """What a loaded picture model is, and what it runs on."""

    choice: ModelChoice
    backend: BackendName
    backend_reason: str
    precision: str
    """As read back from the compiled denoiser."""
    width: int
    height: int
    steps: int
    guidance: float
    grain: int = 8
    """Sides are multiples of it."""
    most_pixels: int = 2_048 * 2_048
    """Width times height of the largest picture that may be asked for."""
    sampler: str
    """Class name of the scheduler."""
    adapters: tuple[str, ...] = ()
    """Worn now, as ``name:scale``."""
    engine_key: str
    """Digest of everything that shapes the result; see :mod:`speakage_engines.compile.key`."""
    no_start: str = ""
    """Why it cannot start from a picture; empty where it can."""


class PictureModel(Protocol):
    """Paints. Not safe to call from two threads at once."""

    info: PictureModelInfo

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """The words of a prompt that the text encoder has no token for, in order; quick, no network is run.

        This alone may be called from any thread at any time.
        """

    def likeness(self, request: PaintRequest, told: Told) -> float:
        """How alike to ``told`` is what the denoiser would be told of ``request``: cosine of its least alike vector.

        1 for the same, also where prompts differ in words that the model does not know. ``told`` is of this model.
        """

    def is_ready(self, size: Size) -> bool:
        """Whether pictures of that size can be painted at once."""

    def prepare(self, size: Size) -> None:
        """Compile for another size, and keep what was compiled; the sizes used longest ago are let go.

        Raises :class:`EngineError` for a size that cannot be painted.
        """

    def paint(self, request: PaintRequest) -> Iterator[Preview]:
        """Yield one preview a step; the last one is the picture. Stop iterating to cancel between steps.

        Without previews it yields the picture alone. Raises :class:`EngineError` for a start that cannot be used.
        """


# --- what the factories are told ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSpec:
    """Which speech model to load, and how."""

    model: str = "auto"
    """``auto``, ``embedded``, a name of ``speakage models``, or a folder with a CTranslate2 Whisper model."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "default"
    language: str = "en"
    """ISO 639-1, or ``""`` to find out."""
    translate: bool = False
    threads: int = 0
    """CPU threads; 0 leaves it to the library."""
    models_folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeSpec:
    """Which wake words to listen for."""

    words: tuple[str, ...]
    """Names of models that come with the engine, or paths of your own."""
    engine: WakeEngine = "micro"
    threshold: float = 0.0
    """0 takes each model's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSpec:
    """Which picture model to load, and how."""

    model: str = "auto"
    """``auto``, ``embedded``, a name of ``speakage models``, a diffusers folder, or a checkpoint in one file."""
    backend: BackendName | Literal["auto"] = "auto"
    precision: PrecisionName = "auto"
    device: DeviceName = "auto"
    steps: int = 0
    """0 takes the model's own default."""
    guidance: float = -1.0
    """Below 0 takes the model's own default."""
    size: int = 0
    """Pixels, both sides; 0 takes the model's own."""
    threads: int = 0
    adapters: tuple[str, ...] = ()
    """LoRAs to paint with, as ``NAME`` or ``NAME:SCALE``; see :mod:`speakage_engines.adapter_choice`."""
    adapter_rank: int = 0
    """Room for adapters that are put on later, by the sum of their ranks; 0 keeps room for those named alone."""
    tensorrt_workspace_mb: int = 0
    """Scratch memory that one layer may take on the card (10^6 bytes); 0 leaves it to TensorRT."""
    tensorrt_weights_mb: int = -1
    """Weights of each network kept on the card (10^6 bytes); 0 lets TensorRT choose, below 0 all are."""
    build_memory_mb: int = 0
    """What making an engine may take (2^20 bytes); 0 sets no limit."""
    models_folder: Path
    engines_folder: Path

    @property
    def build_memory(self) -> int | None:
        """The limit in bytes, if there is one."""
        return self.build_memory_mb << 20 or None


# --- compiled modules -----------------------------------------------------------------------------------------------


class CompiledModule(Protocol):
    """One network with fixed shapes, ready to be called."""

    precision: str
    """As read back from what was compiled."""

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run it once; the result is the caller's to keep."""


class Progress(Protocol):
    """Told how far a long piece of work has come."""

    def __call__(self, what: str, done: float) -> None:
        """``done`` runs from 0 to 1."""


def no_progress(what: str, done: float) -> None:
    """Nobody watches."""


def resolve_speech(spec: SpeechSpec) -> ModelChoice:
    """Which speech model a spec means, without loading it; raises :class:`ModelError`."""
    from speakage_engines import models

    return models.resolve_speech(spec)


def resolve_picture(spec: PictureSpec) -> ModelChoice:
    """Which picture model a spec means, without loading it; raises :class:`ModelError`."""
    from speakage_engines import models

    return models.resolve_picture(spec)


def check_model(choice: ModelChoice) -> None:
    """Look for damaged files without loading them; raises :class:`ModelError` naming the first."""
    from speakage_engines.integrity import check_files

    check_files(choice.path)


def check_backend(spec: PictureSpec) -> str:
    """One sentence on what would run the picture model; raises :class:`EngineError` when it cannot."""
    switch_off_telemetry()
    from speakage_engines.compile.backends import describe

    return describe(spec)


def load_speech(spec: SpeechSpec) -> SpeechModel:
    """Load the speech model and prove on a shipped clip that it hears; raises :class:`ModelError`."""
    switch_off_telemetry()
    from speakage_engines.speech.whisper import load

    return load(spec)


def load_detector() -> SpeechDetector:
    """The speech detector: WebRTC opens, Silero confirms."""
    switch_off_telemetry()
    from speakage_engines.speech.detector import WebRtcSilero

    return WebRtcSilero()


def wake_words(engine: WakeEngine) -> tuple[str, ...]:
    """The wake words that come with an engine; raises :class:`ModelError` when it is not installed."""
    from speakage_engines.speech.wake_models import shipped

    return tuple(sorted(shipped(engine)))


def check_wake_words(spec: WakeSpec) -> None:
    """Look for missing and damaged models without loading them; raises :class:`ModelError` naming the first."""
    from speakage_engines.speech.wake_models import resolve

    resolve(spec)


def load_wake_words(spec: WakeSpec) -> WakeWordDetector:
    """Load a detector of wake words; raises :class:`ModelError`, never a crash, for files that cannot be used."""
    from speakage_engines.speech.wake_models import resolve

    models = resolve(spec)
    if spec.engine == "micro":
        from speakage_engines.speech.micro_wake import MicroWakeWords

        return MicroWakeWords(models, spec.threshold)
    from speakage_engines.speech.open_wake import OpenWakeWords

    return OpenWakeWords(models, spec.threshold)


def needs_building(spec: PictureSpec) -> bool:
    """Whether loading the picture model would make engines first, which takes minutes; raises :class:`EngineError`."""
    switch_off_telemetry()
    import_diffusers()
    from speakage_engines.diffusion.pipeline import needs_building as needs

    return needs(spec)


def load_picture(spec: PictureSpec, progress: Progress = no_progress) -> PictureModel:
    """Load and compile the picture model and paint once; raises :class:`ModelError` or :class:`BuildError`."""
    switch_off_telemetry()
    import_diffusers()
    from speakage_engines.diffusion.pipeline import load

    return load(spec, progress)
