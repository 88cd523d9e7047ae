"""The configuration: one TOML file, ``SPEAKAGE_*`` environment variables and flags, checked all at once.

Every key has a unit (in its name or its description) and a default that works. Later sources win: defaults, the
file, the environment (``SPEAKAGE_PICTURE__STEPS=4``), flags (``--set picture.steps=4``). Unknown keys are errors.
This module does *not* act on any value.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import EnvSettingsSource
from pydantic_settings.main import BaseSettings, SettingsConfigDict

from speakage_daemon.errors import ConfigError

ENV_PREFIX = "SPEAKAGE_"
CONFIG_FILE = platformdirs.user_config_path("speakage") / "config.toml"
DATA = platformdirs.user_data_path("speakage")
CACHE = platformdirs.user_cache_path("speakage")


class Section(BaseModel):
    """One table of the file: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Persona(Section):
    """Somebody who is called by a wake word or phrase of their own."""

    word: str = Field(min_length=1)
    """A wake word as in `hearing.wake_words`, or a phrase as in `hearing.wake_phrases`."""
    name: str = Field(min_length=1)
    """Shown when it is called."""
    style: str = ""
    """Added to all that is painted for it, like ``watercolor``."""
    adapters: tuple[str, ...] = ()
    """LoRAs by name, instead of those of `picture.adapters`; `picture.adapter_rank` keeps room for them."""
    hotwords: str = ""
    """Names to expect, besides those of `speech.hotwords`."""


class HearingSettings(Section):
    """Where sound comes from, and when the daemon listens."""

    source: str = "microphone"
    """``microphone``, ``none`` (only clients' audio), ``stdin`` (16 kHz mono s16le), or ``file:PATH``."""
    device: str = ""
    """Part of a microphone's name as `speakage devices` prints it; empty takes the system's default."""
    mode: Literal["open", "push", "word", "phrase"] = "open"
    """``open``: all is a prompt. ``push``: while a button is held. ``word``, ``phrase``: what follows a wake word."""
    wake_words: tuple[str, ...] = ("okay_nabu",)
    """In mode ``word``: names that `speakage wake list` prints, or paths of models (``.tflite``)."""
    wake_engine: Literal["micro", "open"] = "micro"
    """``micro`` (pymicro-wakeword) or ``open`` (pyopen-wakeword, an extra; the models it ships are CC-BY-NC-SA)."""
    wake_threshold: float = Field(0.0, ge=0, lt=1)
    """A wake word is heard above this score; 0 takes each model's own."""
    wake_phrases: tuple[str, ...] = ("hey picture",)
    """In mode ``phrase``: any words, with which a sentence for the daemon begins."""
    phrase_likeness: float = Field(0.75, ge=0.5, le=1)
    """How alike the words heard and a wake phrase must be; 1 takes no mis-hearing."""
    follow_up_s: float = Field(8.0, ge=0, le=3_600)
    """After a wake word, and after each sentence that was meant, no wake word is needed for so long (s)."""
    wake_refractory_ms: int = Field(2_000, ge=500, le=60_000)
    """A wake word is not heard twice within this time (ms)."""
    personas: tuple[Persona, ...] = ()
    """Tables ``[[hearing.personas]]``: who is called by which word, and how they paint."""
    file_pace: Literal["realtime", "fast"] = "realtime"
    """How a file is heard: as a microphone would, or as fast as the machine can."""
    gain: Literal["auto", "off"] = "auto"
    """``auto``: speech is brought to one level, slowly. ``off``: it is taken as it comes."""


class SegmenterSettings(Section):
    """When speech starts, pauses and ends."""

    onset_ms: int = Field(60, ge=20, le=1_000)
    """Speech confirmed for so long opens an utterance (ms)."""
    pre_roll_ms: int = Field(500, ge=0, le=5_000)
    """Audio kept from before the onset (ms)."""
    pause_ms: int = Field(250, ge=100, le=5_000)
    """After so much silence the text is finished and the picture painted, speculatively (ms)."""
    end_ms: int = Field(600, ge=100, le=10_000)
    """After so much silence the utterance is closed (ms)."""
    unfinished_end_ms: int = Field(1_500, ge=100, le=10_000)
    """The same after words that plainly lack something, as "a house next to the" does (ms); never below ``end_ms``."""
    max_length_ms: int = Field(28_000, ge=1_000, le=29_000)
    """An utterance is closed at this length (ms); a speech model hears at most 30 s at once."""
    open_probability: float = Field(0.5, gt=0, lt=1)
    """Silero's probability that confirms speech."""
    close_probability: float = Field(0.35, gt=0, lt=1)
    """Below this probability a frame is silence."""


class SpeechSettings(Section):
    """The model that turns speech into words."""

    model: str = "auto"
    """``auto`` (the best on disk, else the embedded one), ``embedded``, a name of `speakage models`, or a folder."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs."""
    compute_type: str = "default"
    """CTranslate2's compute type: ``default``, ``int8``, ``float16``, …"""
    language: str = "en"
    """ISO 639-1 code of the language spoken; empty finds out."""
    translate: bool = False
    """Translate what is said into English, for picture models that only know English."""
    threads: int = Field(0, ge=0, le=256)
    """CPU threads; 0 leaves it to the library."""
    tick_ms: int = Field(240, ge=0, le=5_000)
    """While someone speaks, the words so far are transcribed each time this much was heard (ms, 100 or more); 0
    transcribes nothing before the end of the turn."""
    hotwords: str = ""
    """Words to expect, for names the model would not guess."""
    prefer_known: bool = True
    """Of what was heard almost equally well, believe what the picture model knows: "a bear" before "a beaver", where it
    can paint one and not the other. Other words that are heard clearly stay as they are."""

    @field_validator("tick_ms")
    @classmethod
    def _none_or_a_tenth_of_a_second(cls, milliseconds: int) -> int:
        if 0 < milliseconds < 100:
            raise ValueError("should be 0, or 100 and more")
        return milliseconds


class PictureSettings(Section):
    """The model that paints."""

    model: str = "auto"
    """``auto`` (the best on disk, else embedded), ``embedded``, a name of `speakage models`, a folder, or a file."""
    backend: Literal["auto", "openvino", "torch", "tensorrt"] = "auto"
    """What runs the networks; ``auto`` is openvino on a CPU, torch on an NVIDIA card, and never tensorrt."""
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    """``auto`` takes bf16 where the processor computes in it, and fp16 with tensorrt; ``int8`` is for openvino."""
    device: Literal["auto", "cpu", "gpu", "npu"] = "auto"
    """Where it runs: ``auto`` is an NVIDIA card or else the CPU; ``gpu`` and ``npu`` are Intel's with openvino."""
    while_building: Literal["wait", "torch"] = "wait"
    """Until the engines of a model are made: ``wait`` for them, or paint on ``torch`` meanwhile, slower."""
    steps: int = Field(0, ge=0, le=100)
    """Denoising steps; 0 takes the model's own default."""
    guidance: float = Field(-1.0, le=30)
    """Classifier-free guidance scale; below 0 takes the model's own default."""
    size: int = Field(0, ge=0, le=2_048, multiple_of=8)
    """Pixels on each side; 0 takes the model's own."""
    threads: int = Field(0, ge=0, le=256)
    """CPU threads; 0 leaves it to the library."""
    adapters: tuple[str, ...] = ()
    """LoRAs to paint with, each ``NAME`` or ``NAME:SCALE``: files in `models.folder`/adapters, or paths."""
    adapter_rank: int = Field(0, ge=0, le=4_096)
    """Room for LoRAs that clients put on later: the sum of their ranks; 0 keeps room for `picture.adapters` alone."""
    tensorrt_workspace_mb: int = Field(0, ge=0)
    """Scratch memory that one layer may take on a small card, with tensorrt (10^6 bytes); 0 leaves it to TensorRT."""
    tensorrt_weights_mb: int = Field(-1, ge=-1)
    """Weights of each network kept on a small card, with tensorrt (10^6 bytes): the others travel there as they are
    needed. -1 keeps them all, 0 lets TensorRT choose."""
    drafts_per_minute: int = Field(240, ge=0, le=1_000)
    """Pictures of one step painted in any minute while someone speaks, with those of a ``blend``; 0 paints nothing
    before the end of the turn, not even at a pause."""
    continuity: Literal["noise", "previous", "blend"] = "noise"
    """How revisions of one utterance hang together: by the same ``noise``; each begins from the ``previous`` one; or by
    the same noise, and a ``blend`` leads from the words of each draft to those of the next in small steps."""
    continuity_strength: float = Field(0.5, gt=0, le=1)
    """With ``previous``, how much of a revision is painted anew: that share of its steps, and one at the least. Below
    about 0.3 the embedded model mixes both pictures; no other was tried."""
    blend_frames: int = Field(4, ge=1, le=16)
    """With ``blend``, images from one draft to the next while someone speaks, the next one among them, so that 1 blends
    nothing. Those between cost what a draft costs; they are left out once half of ``drafts_per_minute`` is used up, and
    where a pause or an end waits for its picture."""
    negative: str = ""
    """What pictures should not show."""
    seed: int = Field(-1, ge=-1, lt=2**32)
    """Seed of every picture; -1 draws one for each utterance."""

    @property
    def fixed_seed(self) -> int | None:
        """The seed, if there is one."""
        return None if self.seed < 0 else self.seed


_INSTRUCTIONS: Final = (
    "You turn short descriptions of pictures into prompts for an image model. Keep every thing, name, number, colour, "
    "place, time and style of the description, and where things are; change none of them and add no other things. "
    "Add a few concrete words about light, material and composition. Answer with the prompt alone: in English, on one "
    "line, at most 50 words, without quotation marks."
)


class RewriterSettings(Section):
    """A language model that rewrites the prompts of final pictures; off unless it has an address."""

    url: str = ""
    """Where an OpenAI-compatible server answers, like ``http://127.0.0.1:11434/v1``; empty asks nobody. A server on
    another machine is told what was said."""
    model: str = ""
    """The model, by the server's name for it; empty leaves the choice to the server."""
    api_key: SecretStr = SecretStr("")
    """Sent as a bearer token; empty sends none. It is never printed; the environment keeps it out of the file."""
    budget_ms: int = Field(1_500, ge=50, le=60_000)
    """A prompt whose answer takes longer is painted as it was said (ms)."""
    keep: tuple[str, ...] = ()
    """Names that an answer must not lose, besides the words of ``speech.hotwords``: those that pictures were taught."""
    instructions: str = Field(_INSTRUCTIONS, min_length=1)
    """What the model is told before the prompt."""

    @field_validator("url")
    @classmethod
    def _an_address_without_secrets(cls, url: str) -> str:
        parts = urlsplit(url)
        # a port that is none is an error of its own
        plain = parts.port != 0 and not parts.query and not parts.fragment
        if url and not (plain and parts.hostname and parts.scheme in {"http", "https"}):
            raise ValueError("should look like http://127.0.0.1:11434/v1")
        if parts.username is not None:
            raise ValueError("should not hold a name or password; there is rewriter.api_key")
        return url.rstrip("/")


class ServerSettings(Section):
    """The port that displays and clients connect to."""

    host: str = "127.0.0.1"
    """Address to listen on: only loopback addresses are allowed in this version."""
    port: int = Field(8787, ge=0, le=65_535)
    """TCP port; 0 takes a free one."""
    tls: Literal["off", "self-signed"] = "off"
    """``self-signed`` serves HTTPS with a certificate made at first start."""
    tls_folder: Path = DATA / "tls"
    """Where the self-signed certificate and its key are kept."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins besides this daemon's own that may connect, like ``http://localhost:3000``."""
    client_queue: int = Field(256, ge=8, le=65_536)
    """Events waiting for one client before its connection is dropped."""
    write_deadline_ms: int = Field(10_000, ge=100, le=120_000)
    """A client that takes no data for so long is dropped (ms)."""


class GallerySettings(Section):
    """Pictures on disk."""

    folder: Path = DATA / "pictures"
    """Where pictures and their index are kept."""
    max_pictures: int = Field(5_000, ge=1)
    """The oldest pictures beyond this number are deleted."""
    max_megabytes: int = Field(2_000, ge=1)
    """The oldest pictures beyond this size are deleted (10^6 bytes)."""


class ModelsSettings(Section):
    """Where models and compiled engines are kept."""

    folder: Path = DATA / "models"
    """Models that `speakage models get` fetched."""
    engines: Path = CACHE / "engines"
    """Exported and compiled engines; made again when missing."""
    build_memory_mb: int = Field(0, ge=0)
    """Memory that making an engine may take (2^20 bytes); 0 sets no limit."""


class Config(Section):
    """The whole configuration."""

    hearing: HearingSettings = HearingSettings()
    segmenter: SegmenterSettings = SegmenterSettings()
    speech: SpeechSettings = SpeechSettings()
    picture: PictureSettings = PictureSettings()
    rewriter: RewriterSettings = RewriterSettings()
    server: ServerSettings = ServerSettings()
    gallery: GallerySettings = GallerySettings()
    models: ModelsSettings = ModelsSettings()


_SECRET: Final = frozenset({"rewriter.api_key", "rewriter.url"})
"""What was given for these is repeated nowhere: an address may hold a password."""

Origins: TypeAlias = Mapping[str, str]
"""Dotted key → where its value came from, for every key that is not at its default."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked configuration and the origin of each value that is not a default."""

    config: Config
    origins: Origins


def load(file: Path | None = None, flags: Mapping[str, str] | None = None) -> Loaded:
    """Read all sources; raises :class:`ConfigError` that lists every wrong key at once.

    ``file`` must exist when given; without it the user's own file is read if there is one. ``flags`` maps dotted
    keys to text.
    """
    sources = [
        (str(file or CONFIG_FILE), _from_file(file)),
        ("environment", _from_environment()),
        ("flag", _nested(flags or {})),
    ]
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, values in sources:
        for key, value in _leaves(values):
            label = f"{ENV_PREFIX}{key.upper().replace('.', '__')}" if name == "environment" else name
            origins[key] = label
            _put(merged, key, value)
    try:
        # not strict: flags and the environment are text
        return Loaded(Config.model_validate(merged), origins)
    except ValidationError as error:
        raise ConfigError(_explain(error, origins)) from None


def described_keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every dotted key with its description."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from described_keys(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, field.description or ""


def _from_file(file: Path | None) -> dict[str, Any]:
    path = file or CONFIG_FILE
    if file is None and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name another file with --config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error})") from None


class _Environment(BaseSettings):
    """Only lends its settings source the prefix and the nesting."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="allow")


def _from_environment() -> dict[str, Any]:
    """``SPEAKAGE_PICTURE__STEPS`` → ``{"picture": {"steps": …}}``; names without ``__`` are not ours to judge."""
    source = EnvSettingsSource(_Environment)
    prefix = ENV_PREFIX.lower()
    names = {name[len(prefix) :]: value for name, value in source.env_vars.items() if name.startswith(prefix)}
    return _nested({name.replace("__", "."): value for name, value in names.items() if value and "__" in name})


def _nested(flat: Mapping[str, str]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        _put(nested, key, _typed(key, value))
    return nested


def _typed(key: str, text: str) -> Any:
    """Lists are given as text with commas; all else pydantic reads from text itself."""
    if dict(_list_keys()).get(key):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _list_keys() -> Iterator[tuple[str, bool]]:
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            for key, leaf in section.model_fields.items():
                yield f"{name}.{key}", isinstance(leaf.default, tuple)


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        branch = tree.setdefault(parent, {})
        if not isinstance(branch, dict):
            raise ConfigError(f"{key}: {parent} is a value, not a table")
        tree = branch
    tree[last] = value


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _explain(error: ValidationError, origins: Origins) -> str:
    known = [key for key, _ in described_keys()]
    lines = []
    for item in error.errors(include_url=False, include_context=False):
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            what = f"no such key{f'; did you mean {near[0]}?' if near else ''}"
        else:
            got = "" if key in _SECRET else f" (got {item['input']!r})"
            what = f"{item['msg'][0].lower()}{item['msg'][1:]}{got}"
        lines.append(f"{key}: {what} [{origins.get(key, 'configuration')}]")
    return "the configuration cannot be used:" + "".join(f"{os.linesep}  {line}" for line in lines)
