"""Which models there are, which are on disk, and which one a setting means.

Only :func:`fetch` touches the network; nothing else ever downloads.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

from speakage_engines.api import ModelChoice, ModelError, PictureSpec, SpeechSpec

Kind = Literal["speech", "picture"]

EMBEDDED: Final = "embedded"
SETTINGS_FILE: Final = "speakage.json"
"""What was measured or decided about a model and no library writes down; lies beside its weights."""


SINGLE_FILES: Final = (".safetensors", ".ckpt")
"""Endings of a picture model that is one file; it is converted when it is first loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A model that ``speakage models get`` can fetch."""

    name: str
    kind: Kind
    repository: str
    megabytes: int
    licence: str
    english_only: bool = False
    patterns: tuple[str, ...] = ()
    """Files to fetch; empty takes all."""
    settings: tuple[tuple[str, int | float], ...] = ()
    """Written to ``speakage.json`` after fetching."""
    companion: str = ""
    """Repository of the family's tiny decoder, kept in ``tiny_vae/``."""


# by name, since a pattern would bring other formats of the same weights, and a safety checker that is never loaded
_DIFFUSERS_FP16: Final = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/*",
    "text_encoder/config.json",
    "text_encoder/model.fp16.safetensors",
    "unet/config.json",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.fp16.safetensors",
)
_SECOND_ENCODER_FP16: Final = ("tokenizer_2/*", "text_encoder_2/config.json", "text_encoder_2/model.fp16.safetensors")
_DIFFUSERS_FP32: Final = tuple(name.replace(".fp16.", ".") for name in _DIFFUSERS_FP16)
_TINY_DECODER: Final = ("config.json", "diffusion_pytorch_model.safetensors")

CATALOGUE: Final[tuple[CatalogueEntry, ...]] = (
    # best first: ``auto`` takes the first that is on disk
    CatalogueEntry(
        name="large-v3-turbo",
        kind="speech",
        repository="mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        megabytes=1_620,
        licence="MIT",
    ),
    CatalogueEntry(
        name="small.en",
        kind="speech",
        repository="Systran/faster-whisper-small.en",
        megabytes=484,
        licence="MIT",
        english_only=True,
    ),
    CatalogueEntry(
        name="small", kind="speech", repository="Systran/faster-whisper-small", megabytes=484, licence="MIT"
    ),
    CatalogueEntry(
        name="base.en",
        kind="speech",
        repository="Systran/faster-whisper-base.en",
        megabytes=145,
        licence="MIT",
        english_only=True,
    ),
    CatalogueEntry(name="base", kind="speech", repository="Systran/faster-whisper-base", megabytes=145, licence="MIT"),
    CatalogueEntry(
        name="sd-turbo",
        kind="picture",
        repository="stabilityai/sd-turbo",
        megabytes=2_590,
        licence="Stability AI Community",
        patterns=_DIFFUSERS_FP16,
        settings=(("steps", 1), ("guidance", 0.0), ("size", 512)),
        companion="madebyollin/taesd",
    ),
    CatalogueEntry(
        name="sdxl-turbo",
        kind="picture",
        repository="stabilityai/sdxl-turbo",
        megabytes=6_950,
        licence="Stability AI Non-Commercial Community",
        patterns=(*_DIFFUSERS_FP16, *_SECOND_ENCODER_FP16),
        settings=(("steps", 1), ("guidance", 0.0), ("size", 512)),
        companion="madebyollin/taesdxl",
    ),
    CatalogueEntry(
        name="stable-diffusion-v1-5",
        kind="picture",
        repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
        megabytes=2_140,
        licence="CreativeML OpenRAIL-M",
        patterns=_DIFFUSERS_FP16,
        settings=(("steps", 20), ("guidance", 7.5), ("size", 512)),
        companion="madebyollin/taesd",
    ),
    CatalogueEntry(
        name="lcm-dreamshaper-v7",
        kind="picture",
        repository="SimianLuo/LCM_Dreamshaper_v7",
        megabytes=4_280,
        licence="MIT",
        patterns=_DIFFUSERS_FP32,
        settings=(("steps", 4), ("guidance", 8.5), ("size", 768)),
        companion="madebyollin/taesd",
    ),
    CatalogueEntry(
        # its own decoder is a tiny one
        name="sdxs-512",
        kind="picture",
        repository="IDKiro/sdxs-512-dreamshaper",
        megabytes=1_770,
        licence="CreativeML OpenRAIL++-M",
        patterns=_DIFFUSERS_FP32,
        settings=(("steps", 1), ("guidance", 0.0), ("size", 512)),
    ),
)


def embedded(kind: Kind) -> Path:
    """Folder of the model that ships."""
    return Path(str(files("speakage_engines"))) / "embedded" / ("ears" if kind == "speech" else "picture")


def entry(name: str) -> CatalogueEntry:
    """The catalogue's entry of that name; raises :class:`ModelError` naming those there are."""
    for candidate in CATALOGUE:
        if candidate.name == name:
            return candidate
    names = ", ".join(candidate.name for candidate in CATALOGUE)
    raise ModelError(f"there is no model called {name!r}; there are: {names}")


def on_disk(models_folder: Path, kind: Kind) -> Iterator[tuple[CatalogueEntry, Path]]:
    """Catalogue models that lie in ``models_folder`` whole, best first."""
    for candidate in CATALOGUE:
        folder = models_folder / candidate.name
        if candidate.kind == kind and not missing_files(folder, kind):
            yield candidate, folder


def missing_files(folder: Path, kind: Kind) -> list[str]:
    """Names, or patterns of names, of the files a model of that kind needs and the folder lacks."""
    if kind == "speech":
        wanted = ["model.bin", "config.json", "tokenizer.json", "vocabulary.*"]
    else:
        wanted = ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"]
        for part in ("text_encoder", "unet", "vae"):
            wanted += [f"{part}/config.json", f"{part}/*.safetensors"]
    return [name for name in wanted if not any(path.is_file() for path in folder.glob(name))]


def resolve_speech(spec: SpeechSpec) -> ModelChoice:
    """The speech model a setting means; raises :class:`ModelError` with the remedy."""
    beyond_english = _beyond_english(spec)
    if spec.model != "auto":
        if beyond_english and _english_only(spec.model):
            raise ModelError(
                f"{beyond_english}, but the model {spec.model} (speech.model) knows English only; "
                "set speech.model to auto or small, and get that with: speakage models get small"
            )
        return _named(spec.model, spec.models_folder, "speech", "speech.model")
    for candidate, folder in on_disk(spec.models_folder, "speech"):
        if not (beyond_english and candidate.english_only):
            return ModelChoice(name=candidate.name, path=folder, reason="auto: the best speech model on disk")
    if beyond_english:
        raise ModelError(
            f"{beyond_english}, but the models on disk know English only, as the embedded one does; "
            "get another with: speakage models get small"
        )
    return _embedded("speech", "small.en")


def _beyond_english(spec: SpeechSpec) -> str:
    """Which setting asks for more than English; empty when none does."""
    if spec.translate:
        return "speech.translate is on"
    if spec.language == "":
        return "speech.language is empty, so the language is to be found out"
    return f"speech.language is {spec.language!r}" if spec.language != "en" else ""


def _english_only(name: str) -> bool:
    return name == EMBEDDED or any(candidate.name == name and candidate.english_only for candidate in CATALOGUE)


def resolve_picture(spec: PictureSpec) -> ModelChoice:
    """The picture model a setting means; raises :class:`ModelError` with the remedy."""
    if spec.model != "auto":
        return _named(spec.model, spec.models_folder, "picture", "picture.model")
    for candidate, folder in on_disk(spec.models_folder, "picture"):
        return ModelChoice(name=candidate.name, path=folder, reason="auto: the best picture model on disk")
    return _embedded("picture", "sd-turbo")


def read_settings(folder: Path) -> dict[str, Any]:
    """``speakage.json`` of a model folder; empty when it has none; raises :class:`ModelError` when it is damaged."""
    file = folder / SETTINGS_FILE
    if not file.exists():
        return {}
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file}: cannot be read ({error}); mend it or delete it") from None
    if not isinstance(settings, dict):
        raise ModelError(f"{file}: should hold a JSON object; mend it or delete it")
    return settings


def fetch(name: str, models_folder: Path) -> Path:
    """Download a catalogue model whole or not at all; raises :class:`ModelError` within seconds when offline."""
    wanted = entry(name)
    folder, unfinished = models_folder / wanted.name, models_folder / f".{wanted.name}.part"
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
        _download(wanted, unfinished, folder)
        if wanted.settings:
            settings = json.dumps(dict(wanted.settings), indent=2) + "\n"
            (unfinished / SETTINGS_FILE).write_text(settings, encoding="utf-8")
        if lacking := missing_files(unfinished, wanted.kind):
            raise ModelError(f"{wanted.repository}: fetched, but it lacks {', '.join(lacking)}; tell the project")
        if folder.exists():
            shutil.rmtree(folder)
        return unfinished.rename(folder)
    except OSError as error:
        raise ModelError(
            f"{models_folder}: {wanted.name} cannot be kept there ({error.strerror or error}); it needs "
            f"{wanted.megabytes} MB. Free space, make the folder writable, or set models.folder to another one"
        ) from None


def _download(wanted: CatalogueEntry, unfinished: Path, folder: Path) -> None:
    """Fill ``unfinished``, beginning with what it holds already."""
    from huggingface_hub import HfApi, errors, snapshot_download

    # of the HTTP library that the hub's client uses: which one changes with its version
    transport_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]

    try:
        # asked first and briefly: the download itself retries for minutes
        HfApi().model_info(wanted.repository, timeout=5)
        snapshot_download(wanted.repository, local_dir=unfinished, allow_patterns=list(wanted.patterns) or None)
        if wanted.companion:
            snapshot_download(wanted.companion, local_dir=unfinished / "tiny_vae", allow_patterns=list(_TINY_DECODER))
    except errors.HfHubHTTPError as error:
        raise ModelError(
            f"{wanted.name} could not be fetched: the model hub refuses {wanted.repository} ({str(error)[:200]}). "
            f"Try again later, or copy its files into {folder}"
        ) from None
    except (transport_error, ConnectionError, TimeoutError, errors.LocalEntryNotFoundError) as error:
        raise ModelError(
            f"{wanted.name} could not be fetched from the model hub ({type(error).__name__}: {str(error)[:200]}). "
            f"Connect to the internet and try again, or copy the files of {wanted.repository} into {folder}; "
            "what was fetched so far is kept"
        ) from None


def _named(name: str, models_folder: Path, kind: Kind, key: str) -> ModelChoice:
    if name == EMBEDDED:
        return ModelChoice(name=EMBEDDED, path=embedded(kind), reason=f"{key} asks for it")
    if any(candidate.name == name for candidate in CATALOGUE):
        folder, remedy = models_folder / name, f"get it with: speakage models get {name}"
        if entry(name).kind != kind:
            raise ModelError(f"{key}: {name} is a {entry(name).kind} model")
    else:
        names = ", ".join(candidate.name for candidate in CATALOGUE if candidate.kind == kind)
        folder, remedy = Path(name).expanduser().absolute(), f"give {key} a folder or one of auto, embedded, {names}"
        if kind == "picture" and folder.suffix in SINGLE_FILES:
            return _single_file(folder, key)
    if not folder.is_dir():
        raise ModelError(f"{key}: {folder} does not exist; {remedy}")
    if lacking := missing_files(folder, kind):
        raise ModelError(f"{key}: {folder} lacks {', '.join(lacking)}; {remedy}")
    return ModelChoice(name=folder.name, path=folder, reason=f"{key} asks for it")


def _single_file(file: Path, key: str) -> ModelChoice:
    if not file.is_file():
        raise ModelError(f"{key}: {file} does not exist; give {key} a checkpoint or a diffusers folder")
    return ModelChoice(name=file.stem, path=file, reason=f"{key} asks for it")


def _embedded(kind: Kind, better: str) -> ModelChoice:
    return ModelChoice(
        name=EMBEDDED,
        path=embedded(kind),
        reason=f"auto: no larger {kind} model on disk; get one with: speakage models get {better}",
    )
