"""Every event a daemon sends, and every message a client sends: the one definition of both.

The same frozen dataclasses travel between the parts and over the wire (:mod:`speakage_daemon.serving.wire`
makes JSON of them). Names follow OpenAI's realtime and image APIs where one exists. Times are in milliseconds
(``_ms``), positions in audio are in samples at 16 kHz, levels in dB relative to full scale (``_dbfs``).

This module does *not* decide who receives what: that is the hub's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeAlias

from annotated_types import Interval, Len

Mode: TypeAlias = Literal["open", "push", "word", "phrase"]
"""How the daemon is woken: not at all, by a button that is held, by a wake word, or by a phrase before a sentence."""

EndReason: TypeAlias = Literal["silence", "max_length", "released", "lost", "woken"]
"""Why an utterance ended: quiet, too long, the button let go, the source went away, or a wake word began anew."""

Kind: TypeAlias = Literal["create", "edit", "command"]
"""What a sentence is: a new picture, a change of the one on the canvas, or something to do or to set."""

PictureId: TypeAlias = Annotated[str, Len(64, 64)]
"""SHA-256 of a picture's RGB bytes as 64 hexadecimal digits: what ``POST /v1/uploads`` answered."""
Strength: TypeAlias = Annotated[float, Interval(gt=0, le=1)]

RewriteOutcome: TypeAlias = Literal[
    "rewritten", "unchanged", "too_slow", "unreachable", "refused", "unusable", "name_lost", "superseded"
]
"""What came of rewriting a prompt."""

MAX_PROMPT: Final = 2_000
"""Characters of a prompt that is typed or rewritten."""

ErrorCode: TypeAlias = Literal["bad_message", "bad_audio", "too_large", "floor_taken", "internal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Milliseconds by stage, and what the whole utterance came to.

    ``None`` means that the stage did not run for this picture, or that there was no such moment: a typed prompt has no
    voice. From ``last_voiced_to_first_preview_ms`` on only `image_generation.completed` knows them. One monotonic clock
    times everything; a sample counts as heard when the frame with the newest sample arrived, less the samples between.
    """

    transcribe_ms: float | None = None
    """From the decision to finish the text until the text was final."""
    rewrite_ms: float | None = None
    """From asking a language model to its answer, or until it was waited for no longer; ``None`` in promoted ones."""
    queue_ms: float | None = None
    """From the request, rewriting its prompt not counted, until the painter took it up."""
    encode_prompt_ms: float | None = None
    """Text encoder; about zero when the prompt cache knew the text."""
    denoise_ms: float | None = None
    """All denoising steps so far."""
    decode_ms: float | None = None
    """All decodings so far: previews and final."""
    encode_image_ms: float | None = None
    """All images so far made ready to send: JPEG for previews, PNG and SHA-256 for the last."""
    total_ms: float | None = None
    """From the request until this image was ready."""
    since_last_voiced_ms: float | None = None
    """From the last voiced sample of the utterance until this image was ready; ``None`` for typed prompts."""
    last_voiced_to_first_preview_ms: float | None = None
    """From the last voiced sample until the utterance's first image, of any revision, was sent; negative before it."""
    last_voiced_to_final_pixels_ms: float | None = None
    """From the last voiced sample until the final picture's pixels were first sent, as the preview of its last step."""
    pause_to_final_pixels_ms: float | None = None
    """From the moment that the last pause was found until those pixels; ``None`` when the turn ended without one."""
    decision_to_final_ms: float | None = None
    """From the end-of-turn decision until the final picture was announced; ``None`` in what the gallery keeps."""
    work_after_decision_ms: float | None = None
    """Transcribing and painting for this utterance after that decision; storing the picture is not counted."""
    revisions_painted: int | None = None
    """Revisions of the utterance of which at least one step was run; the final's is one of them."""
    revisions_shown: int | None = None
    """Revisions of which at least one image was sent."""
    revisions_wasted: int | None = None
    """Revisions painted and then superseded, failed, or finished at a pause and thrown away; of drafts, painted while
    someone speaks, only failed ones."""
    wasted_ms: float | None = None
    """Painting that went into those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A finished picture as the gallery keeps it."""

    id: int
    """Grows with every picture, across restarts."""
    prompt: str
    """The text that was painted, exactly."""
    transcript: str
    """The words as they were heard or typed."""
    unknown_words: tuple[str, ...] = ()
    seed: int
    steps: int
    width: int
    height: int
    model: str
    backend: str
    sha256: str
    """SHA-256 of the RGB bytes, row by row: equal to the final preview's when nothing was repainted."""
    created: str
    """UTC, ISO 8601."""
    url: str
    """Path of the PNG on this daemon."""
    source_sha256: str = ""
    """Of the picture that it was started from; empty for none."""
    strength: float | None = None
    """How much of that could become another, above 0 and to 1; ``None`` without one."""
    rewritten_from: str = ""
    """The prompt as the grammar had it, where a language model wrote another; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A picture that painting starts from, instead of noise alone."""

    image_id: str
    """SHA-256 of its RGB bytes, as it was uploaded."""
    mask_id: str = ""
    """Of the mask, white where it is painted anew and unchanged elsewhere; empty where all of it is painted anew."""
    strength: float
    """How much of it may become another, above 0 and to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Whether words are being heard now, and from where."""

    listening: bool
    mode: Mode
    source: str
    """``microphone: NAME``, ``file: NAME``, ``stdin``, ``client: NAME`` or ``none``."""
    waiting_for: tuple[str, ...] = ()
    """Wake words or phrases of which one must be said first; empty while none is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Which models run, on what, and why those."""

    speech_model: str
    speech_reason: str
    picture_model: str
    picture_reason: str
    backend: str
    backend_reason: str
    precision: str
    """As read back from the compiled model, not as asked for."""
    steps: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event carries."""

    event_id: int = 0
    """Set by the hub; grows without end, across restarts too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCreated(Event):
    """The first event on every connection: all that a display needs to draw itself."""

    type: Literal["session.created"] = "session.created"
    version: str
    engines: Engines
    listening: Listening
    badges: tuple[str, ...] = ()
    """Standing troubles a person should see, as whole sentences; empty when all is well."""
    pictures: tuple[Picture, ...] = ()
    """Newest first: the finals since the picture the client named (``?after=ID``), else the latest few."""
    start: Start | None = None
    """What the canvas starts from; ``None`` for noise alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningChanged(Event):
    """Listening began or stopped, the source changed, or a wake word is needed from now on, or no longer."""

    type: Literal["listening.changed"] = "listening.changed"
    listening: bool
    mode: Mode
    source: str
    waiting_for: tuple[str, ...] = ()
    """Wake words or phrases of which one must be said first; empty while none is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeDetected(Event):
    """A wake word was heard, or an utterance began with a wake phrase."""

    type: Literal["wake.detected"] = "wake.detected"
    word: str
    """As people say it: ``okay nabu``."""
    persona: str = ""
    """Name of the persona that it calls; empty for none."""
    score: float
    """How sure that is, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioLevel(Event):
    """How loud it is, ten times a second; the newest replaces the older."""

    type: Literal["input_audio_buffer.level"] = "input_audio_buffer.level"
    rms_dbfs: float
    peak_dbfs: float
    speech: float
    """Probability of speech, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Event):
    """Somebody began to speak."""

    type: Literal["input_audio_buffer.speech_started"] = "input_audio_buffer.speech_started"
    utterance: int
    sample: int
    """First sample of the utterance on the recording's own clock, pre-roll included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped(Event):
    """The utterance is closed."""

    type: Literal["input_audio_buffer.speech_stopped"] = "input_audio_buffer.speech_stopped"
    utterance: int
    sample: int
    last_voiced_sample: int
    reason: EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionUpdated(Event):
    """The words so far, whole: the newest replaces the older."""

    type: Literal["transcription.updated"] = "transcription.updated"
    utterance: int
    committed: str
    """Words that two consecutive hypotheses agreed on."""
    pending: str
    """Words that may still change."""
    since_last_voiced_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionCompleted(Event):
    """The final words of an utterance; empty when nothing intelligible was said."""

    type: Literal["transcription.completed"] = "transcription.completed"
    utterance: int
    text: str
    reason: str | None = None
    """Why the text is empty, when it is: ``no_speech``, ``low_confidence``, ``repetition``, ``failed``,
    ``not_addressed`` (no wake phrase) or ``woken`` (nothing but a wake word)."""
    transcribe_ms: float
    since_last_voiced_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood(Event):
    """What the words of an utterance mean, at every pause and at its end."""

    type: Literal["transcription.understood"] = "transcription.understood"
    utterance: int
    text: str
    kind: Kind
    """``create`` a new picture, ``edit`` the one on the canvas, or a ``command``."""
    chips: tuple[str, ...] = ()
    """In a few words each: ``colour: blue``, ``car``."""
    cannot: str | None = None
    """What of it cannot be done; then nothing of it is."""
    final: bool
    """False at a pause: more words may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewritingStarted(Event):
    """A language model is asked to rewrite a prompt, where one is configured; its picture waits for that."""

    type: Literal["prompt_rewriting.started"] = "prompt_rewriting.started"
    utterance: int
    transcript: str
    understood: str
    """The prompt as the grammar has it."""
    budget_ms: int
    """The longest wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewritingCompleted(Event):
    """What came of it. Each ``prompt_rewriting.started`` is followed by exactly one of these."""

    type: Literal["prompt_rewriting.completed"] = "prompt_rewriting.completed"
    utterance: int
    revision: int
    """Of the picture that is painted, or that was painted at a pause and is the final one now."""
    understood: str
    """The prompt as the grammar has it."""
    prompt: str
    """As it is painted: rewritten, or ``understood``."""
    outcome: RewriteOutcome
    """Only ``rewritten`` paints another prompt. ``unchanged``: the answer says the same; ``refused``: an HTTP error;
    ``unusable``: no single line that could be a prompt; ``name_lost``: a name is missing in it; ``superseded``:
    something newer was asked for."""
    chip: str
    """The same in a few words: ``rewriter too slow: painted as said``."""
    reason: str = ""
    """Why it is painted as said, in a sentence; empty where it is not."""
    milliseconds: float
    """How long it was waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChanged(Event):
    """What the canvas starts from is another picture, another part of it, another strength, or none any more."""

    type: Literal["canvas.start_changed"] = "canvas.start_changed"
    start: Start | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEvent(Event):
    """What every event about a picture in the making carries."""

    utterance: int
    revision: int
    """Counts the requests of one utterance, from 1."""
    prompt: str
    seed: int
    steps: int
    backend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStarted(ImageEvent):
    """The painter took up a request."""

    type: Literal["image_generation.started"] = "image_generation.started"
    transcript: str
    unknown_words: tuple[str, ...] = ()
    """Words of the prompt that the picture model does not know: shown struck through."""
    rewritten_from: str = ""
    """The prompt as the grammar had it, where a language model wrote another; empty otherwise."""
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialImage(ImageEvent):
    """A preview. Travels as the metadata of a binary frame, never as text."""

    type: Literal["image_generation.partial_image"] = "image_generation.partial_image"
    step: int
    """1 to ``steps``. The preview of the last step is the whole picture, sent without loss. 0 for an image on the way
    from the revision before to this one, of words between (`picture.continuity`)."""
    width: int
    height: int
    image_type: Literal["image/jpeg", "image/png"]
    sha256: str | None = None
    """SHA-256 of the decoded RGB bytes for a lossless image, else ``None``."""
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCompleted(ImageEvent):
    """A final picture, stored before it is announced. Travels as the metadata of a binary frame."""

    type: Literal["image_generation.completed"] = "image_generation.completed"
    picture: Picture | None
    """As stored; ``None`` while the gallery is paused (disk full), and then only this frame holds the picture."""
    transcript: str
    unknown_words: tuple[str, ...] = ()
    rewritten_from: str = ""
    """The prompt as the grammar had it, where a language model wrote another; empty otherwise."""
    width: int
    height: int
    image_type: Literal["image/jpeg", "image/png"]
    sha256: str
    promoted: bool
    """True when the picture painted at the pause became the final one without repainting."""
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSuperseded(ImageEvent):
    """A newer request won; this one stopped after ``step`` steps."""

    type: Literal["image_generation.superseded"] = "image_generation.superseded"
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFailed(ImageEvent):
    """This picture could not be painted; the daemon goes on."""

    type: Literal["image_generation.failed"] = "image_generation.failed"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrophoneLost(Event):
    """No audio arrives; the daemon keeps trying."""

    type: Literal["microphone.lost"] = "microphone.lost"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrophoneRestored(Event):
    """Audio arrives again."""

    type: Literal["microphone.restored"] = "microphone.restored"
    source: str
    gap_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrophoneSilent(Event):
    """Audio arrives, but only zeros: most likely a mute button."""

    type: Literal["microphone.silent"] = "microphone.silent"
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechLevel(Event):
    """Speech arrives too quiet or too loud to be heard well, or well again."""

    type: Literal["input_audio_buffer.speech_level"] = "input_audio_buffer.speech_level"
    level: Literal["good", "too_quiet", "too_loud"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Event):
    """What a person should know about the machine: engines and standing troubles."""

    type: Literal["status"] = "status"
    engines: Engines
    badges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event):
    """The daemon is going away on purpose."""

    type: Literal["session.stopped"] = "session.stopped"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Error(Event):
    """What was wrong with a client's message; the connection stays where the protocol allows it."""

    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    field: str | None = None
    """Name of the field at fault, dotted."""


DaemonEvent: TypeAlias = (
    SessionCreated
    | ListeningChanged
    | WakeDetected
    | AudioLevel
    | SpeechStarted
    | SpeechStopped
    | TranscriptionUpdated
    | TranscriptionCompleted
    | Understood
    | RewritingStarted
    | RewritingCompleted
    | StartChanged
    | ImageStarted
    | PartialImage
    | ImageCompleted
    | ImageSuperseded
    | ImageFailed
    | MicrophoneLost
    | MicrophoneRestored
    | MicrophoneSilent
    | SpeechLevel
    | Status
    | Stopped
    | Error
)
"""The closed union of all that a daemon sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdate:
    """Announces the audio a client will send as binary frames: mono PCM, little endian."""

    type: Literal["session.update"] = "session.update"
    audio_rate: Annotated[int, Interval(ge=8_000, le=192_000)]
    """Hz, 8000 to 192000; resampled to 16 kHz by the daemon."""
    audio_format: Literal["pcm_s16le", "pcm_f32le"] = "pcm_s16le"
    name: Annotated[str, Len(1, 60)] = "client"
    """Shown as the source while this client speaks; at most 60 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenStart:
    """Begin to listen: un-mute in ``open`` mode, press the button in ``push`` mode."""

    type: Literal["listen.start"] = "listen.start"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenStop:
    """Stop. What was said so far is finished and painted.

    A client whose audio has the floor gives it up, and the daemon's own source is heard again; any other client mutes
    the daemon. In ``push`` mode it lets the button go in either case.
    """

    type: Literal["listen.stop"] = "listen.stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCreate:
    """Paint a typed prompt: to the letter, unless a language model rewrites prompts (`rewriter.url`)."""

    type: Literal["prompt.create"] = "prompt.create"
    prompt: Annotated[str, Len(1, MAX_PROMPT)]
    """1 to 2000 characters."""
    seed: Annotated[int, Interval(ge=0, lt=2**32)] | None = None
    """0 to 2**32 - 1; drawn at random when absent."""
    steps: Annotated[int, Interval(ge=1, le=100)] | None = None
    """1 to 100; the configured number when absent."""
    adapters: Annotated[tuple[Annotated[str, Len(1, 500)], ...], Len(0, 16)] | None = None
    """LoRAs to paint it with, each ``NAME`` or ``NAME:SCALE``; those of `picture.adapters` when absent."""
    image_id: PictureId | None = None
    """A picture to start from, as ``POST /v1/uploads`` named it; what the canvas starts from when absent."""
    mask_id: PictureId | None = None
    """The mask, uploaded likewise: white is painted anew, and all else of the picture stays exactly as it was."""
    strength: Strength | None = None
    """How much of the picture may become another, above 0 and to 1; 0.6 when absent, 1 with a mask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasStart:
    """Start from a picture, from now on: what is said next changes it, until "clear" or the next start.

    Without ``image_id`` the part or the picture that it starts from now is let go.
    """

    type: Literal["canvas.start"] = "canvas.start"
    image_id: PictureId | None = None
    """As ``POST /v1/uploads`` named it."""
    mask_id: PictureId | None = None
    """The mask, uploaded likewise: white is painted anew, and all else of the picture stays exactly as it was."""
    strength: Strength | None = None
    """How much of the picture may become another, above 0 and to 1; 0.6 when absent, 1 with a mask."""


ClientMessage: TypeAlias = SessionUpdate | ListenStart | ListenStop | PromptCreate | CanvasStart
"""The closed union of the text frames a client may send; binary frames are its audio."""
