"""Which model a setting means, and fetching: from nowhere, and from a hub on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from speakage_engines import models
from speakage_engines.api import ModelError, PictureSpec, SpeechSpec
from speakage_engines.diffusion.conversion_parts import read_family

SPEECH_FILES = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
PICTURE_FILES = (
    "model_index.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json",
    "text_encoder/config.json", "text_encoder/model.fp16.safetensors",
    "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors",
    "vae/config.json", "vae/diffusion_pytorch_model.fp16.safetensors",
)  # fmt: skip


def lay(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"{}")
    return folder


def speech(folder: Path, **changes: Any) -> SpeechSpec:
    return SpeechSpec(models_folder=folder, **changes)


def picture(folder: Path, **changes: Any) -> PictureSpec:
    return PictureSpec(models_folder=folder, engines_folder=folder / "engines", **changes)


def test_auto_takes_the_embedded_models_when_there_is_no_other(tmp_path: Path) -> None:
    ears, brush = models.resolve_speech(speech(tmp_path)), models.resolve_picture(picture(tmp_path))
    assert (ears.name, brush.name) == ("embedded", "embedded")
    assert ears.reason == "auto: no larger speech model on disk; get one with: speakage models get small.en"
    assert brush.reason == "auto: no larger picture model on disk; get one with: speakage models get sd-turbo"
    assert not models.missing_files(ears.path, "speech")
    assert not models.missing_files(brush.path, "picture")


def test_auto_takes_the_best_on_disk(tmp_path: Path) -> None:
    lay(tmp_path / "base", *SPEECH_FILES)
    assert models.resolve_speech(speech(tmp_path)).name == "base"
    lay(tmp_path / "small.en", *SPEECH_FILES)
    assert models.resolve_speech(speech(tmp_path)).name == "small.en"
    lay(tmp_path / "large-v3-turbo", *SPEECH_FILES)
    choice = models.resolve_speech(speech(tmp_path))
    assert (choice.name, choice.path) == ("large-v3-turbo", tmp_path / "large-v3-turbo")
    assert choice.reason == "auto: the best speech model on disk"
    lay(tmp_path / "stable-diffusion-v1-5", *PICTURE_FILES)
    assert models.resolve_picture(picture(tmp_path)).name == "stable-diffusion-v1-5"
    lay(tmp_path / "sd-turbo", *PICTURE_FILES)
    assert models.resolve_picture(picture(tmp_path)).name == "sd-turbo"


@pytest.mark.parametrize("lacking", PICTURE_FILES)
def test_auto_takes_no_model_that_is_not_whole(tmp_path: Path, lacking: str) -> None:
    lay(tmp_path / "sd-turbo", *PICTURE_FILES)
    (tmp_path / "sd-turbo" / lacking).unlink()
    assert models.resolve_picture(picture(tmp_path)).name == "embedded"


@pytest.mark.parametrize("setting", [{"language": "de"}, {"language": ""}, {"translate": True}])
def test_models_that_know_english_only_are_passed_over_for_more(tmp_path: Path, setting: dict[str, Any]) -> None:
    lay(tmp_path / "small.en", *SPEECH_FILES)
    with pytest.raises(ModelError, match=r"speech\.(language|translate) .* speakage models get small"):
        models.resolve_speech(speech(tmp_path, **setting))
    for named in ("small.en", "embedded"):
        with pytest.raises(ModelError, match=rf"the model {re.escape(named)} \(speech\.model\) knows English only"):
            models.resolve_speech(speech(tmp_path, model=named, **setting))
    lay(tmp_path / "base", *SPEECH_FILES)
    assert models.resolve_speech(speech(tmp_path, **setting)).name == "base"
    assert models.resolve_speech(speech(tmp_path)).name == "small.en"


def test_named_models_and_folders_are_taken(tmp_path: Path) -> None:
    folder = lay(tmp_path / "mine", *PICTURE_FILES)
    assert models.resolve_picture(picture(tmp_path, model="embedded")).path == models.embedded("picture")
    choice = models.resolve_picture(picture(tmp_path, model=str(folder)))
    assert (choice.name, choice.path, choice.reason) == ("mine", folder, "picture.model asks for it")
    lay(tmp_path / "sd-turbo", *PICTURE_FILES)
    assert models.resolve_picture(picture(tmp_path, model="sd-turbo")).path == tmp_path / "sd-turbo"


@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_a_single_file_is_a_picture_model(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"mine.{ending}"
    with pytest.raises(
        ModelError, match=r"picture\.model: .*mine\.\w+ does not exist; give picture\.model a checkpoint"
    ):
        models.resolve_picture(picture(tmp_path, model=str(file)))
    file.touch()
    choice = models.resolve_picture(picture(tmp_path, model=str(file)))
    assert (choice.name, choice.path, choice.reason) == ("mine", file, "picture.model asks for it")


def test_what_is_named_and_not_there_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"picture\.model: .*sd-turbo does not exist; .* speakage models get sd-turbo"):
        models.resolve_picture(picture(tmp_path, model="sd-turbo"))
    with pytest.raises(ModelError, match=r"sd-trubo does not exist; .*sd-turbo, sdxl-turbo, stable-diffusion-v1-5"):
        models.resolve_picture(picture(tmp_path, model="sd-trubo"))
    with pytest.raises(ModelError, match=r"picture\.model: small is a speech model"):
        models.resolve_picture(picture(tmp_path, model="small"))
    with pytest.raises(ModelError, match=r"there is no model called 'huge'; there are: large-v3-turbo, small\.en,"):
        models.entry("huge")


def test_the_files_a_named_model_lacks_are_named(tmp_path: Path) -> None:
    lay(tmp_path / "small", "config.json")
    with pytest.raises(ModelError, match=r"lacks model\.bin, tokenizer\.json, vocabulary\.\*; .*models get small"):
        models.resolve_speech(speech(tmp_path, model="small"))
    folder = lay(tmp_path / "mine", *(name for name in PICTURE_FILES if not name.startswith("vae/diff")))
    with pytest.raises(ModelError, match=r"mine lacks vae/\*\.safetensors; give picture\.model a folder or"):
        models.resolve_picture(picture(tmp_path, model=str(folder)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", r"speakage\.json: cannot be read"), ("[]", "should hold a JSON object"), ("\udcff", "cannot be read")],
)
def test_damaged_settings_are_an_error(tmp_path: Path, text: str, sentence: str) -> None:
    assert models.read_settings(tmp_path) == {}
    (tmp_path / models.SETTINGS_FILE).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ModelError, match=sentence):
        models.read_settings(tmp_path)


# --- fetching: in a process of its own, since the hub's client reads its environment when it is imported ------------

FETCH = """
import sys
from pathlib import Path
from speakage_engines import models
from speakage_engines.api import ModelError
try:
    print(models.fetch(sys.argv[1], Path(sys.argv[2])))
except ModelError as error:
    sys.exit(f"ModelError: {error}")
"""


@dataclass
class Fetched:
    code: int
    said: str
    seconds: float


def fetch(name: str, folder: Path, endpoint: str | None = None) -> Fetched:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(folder / "hub")}
    if endpoint:
        environment["HF_ENDPOINT"] = endpoint
    began = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-c", FETCH, name, str(folder)],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return Fetched(run.returncode, run.stdout + run.stderr, time.monotonic() - began)


@dataclass
class Hub:
    """Serves files as the model hub does: the repository's list, then each file by the hash of its content."""

    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    cut: str = ""
    """A file that breaks off in the middle."""
    status: int = 200
    url: str = ""

    def listing(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for name, data in self.files.items()
        ]


@pytest.fixture
def hub() -> Iterator[Hub]:
    stand = Hub({})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            if stand.status != 200:
                self.send(stand.status, b"{}", {}, body=body)
            elif "/resolve/" in path:
                self.file(path, body=body)
            elif "/tree/" in path:
                self.send(200, json.dumps(stand.listing()).encode(), {}, body=body)
            else:
                siblings = [{"rfilename": name} for name in stand.files]
                about = {"id": "a/b", "modelId": "a/b", "sha": "c" * 40, "siblings": siblings, "private": False}
                self.send(200, json.dumps(about).encode(), {}, body=body)

        def file(self, path: str, *, body: bool) -> None:
            name = re.sub(r"^.*?/resolve/[^/]+/", "", path)
            data = stand.files[name]
            headers = {
                "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
                "X-Repo-Commit": "c" * 40,
                "Accept-Ranges": "bytes",
            }
            if body:
                stand.asked.append(name)
            start = int(re.sub(r"\D", "", self.headers.get("Range", "0")) or 0)
            self.send(206 if start else 200, data[start:], headers, body=body, cut=name == stand.cut)

        def send(self, status: int, data: bytes, headers: dict[str, str], *, body: bool, cut: bool = False) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data[: len(data) // 2] if cut else data)
            if cut:
                self.close_connection = True

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    stand.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stand
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_without_a_network_fetching_ends_soon_with_a_sentence(tmp_path: Path) -> None:
    lay(tmp_path / ".base.en.part", "model.bin.half")
    fetched = fetch("base.en", tmp_path, "http://127.0.0.1:9")
    assert fetched.code == 1
    assert fetched.seconds < 20
    assert "ModelError: base.en could not be fetched from the model hub" in fetched.said
    assert f"or copy the files of Systran/faster-whisper-base.en into {tmp_path / 'base.en'}" in fetched.said
    assert "Traceback" not in fetched.said
    assert not (tmp_path / "base.en").exists()
    assert (tmp_path / ".base.en.part/model.bin.half").exists()


def test_a_name_that_is_not_in_the_catalogue_asks_nobody(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model called 'huge'"):
        models.fetch("huge", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_speech_model_is_fetched_whole(tmp_path: Path, hub: Hub) -> None:
    hub.files = {name: name.encode() * 100 for name in (*SPEECH_FILES, "README.md")}
    fetched = fetch("base.en", tmp_path, hub.url)
    assert fetched.code == 0, fetched.said
    assert (tmp_path / "base.en/model.bin").read_bytes() == hub.files["model.bin"]
    assert models.resolve_speech(speech(tmp_path)).name == "base.en"
    assert not (tmp_path / ".base.en.part").exists()


def test_a_picture_model_comes_with_its_settings_and_its_tiny_decoder(tmp_path: Path, hub: Hub) -> None:
    never = ("safety_checker/model.fp16.safetensors", "unet/diffusion_pytorch_model.safetensors", "sd.fp16.safetensors")
    decoder = ("config.json", "diffusion_pytorch_model.safetensors")
    hub.files = {name: name.encode() for name in (*PICTURE_FILES, *never, *decoder)}
    fetched = fetch("sd-turbo", tmp_path, hub.url)
    assert fetched.code == 0, fetched.said
    folder = tmp_path / "sd-turbo"
    assert models.read_settings(folder) == {"steps": 1, "guidance": 0.0, "size": 512}
    assert (folder / "tiny_vae/diffusion_pytorch_model.safetensors").is_file()
    assert not any(name in hub.asked for name in never)
    assert models.resolve_picture(picture(tmp_path)).path == folder


SECOND_ENCODER = ("tokenizer_2/vocab.json", "text_encoder_2/config.json", "text_encoder_2/model.fp16.safetensors")
WHOLE = tuple(name.replace(".fp16.", ".") for name in PICTURE_FILES)
DECODER = ("config.json", "diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize(
    ("name", "files", "never", "companion"),
    [("sdxl-turbo", (*PICTURE_FILES, *SECOND_ENCODER), WHOLE[4], DECODER),
     ("lcm-dreamshaper-v7", WHOLE, PICTURE_FILES[4], DECODER), ("sdxs-512", WHOLE, "vae_large/config.json", ())],
)  # fmt: skip
def test_each_picture_model_comes_with_the_files_of_its_family(
    tmp_path: Path, hub: Hub, name: str, files: tuple[str, ...], never: str, companion: tuple[str, ...]
) -> None:
    hub.files = {file: file.encode() for file in (*files, never, *companion)}
    fetched = fetch(name, tmp_path, hub.url)
    assert fetched.code == 0, fetched.said
    there = {str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*") if path.is_file()}
    there = {path for path in there if not path.startswith(".cache") and "/.cache" not in path}
    assert there == {*files, "speakage.json", *(f"tiny_vae/{file}" for file in companion)}


@pytest.mark.parametrize(
    ("name", "family"),
    [("sdxl-turbo", "sdxl-turbo"), ("sd-turbo", "sd-turbo"), ("stable-diffusion-v1-5", "stable-diffusion-1.5"),
     ("lcm-dreamshaper-v7", "lcm"), ("sdxs-512", "sdxs-512")],
)  # fmt: skip
def test_a_fetched_model_has_the_settings_of_its_family(name: str, family: str) -> None:
    settings, known = dict(models.entry(name).settings), read_family(family)
    size = settings.pop("size")
    assert settings == known.settings
    assert size == known.configs["unet"]["sample_size"] * 8
    tiny_decoder = "" if family == "sdxs-512" else "madebyollin/taesd" + ("xl" if "xl" in family else "")
    assert models.entry(name).companion == tiny_decoder


def test_what_was_fetched_before_is_not_fetched_again(tmp_path: Path, hub: Hub) -> None:
    hub.files = {name: name.encode() * 50_000 for name in SPEECH_FILES}
    hub.cut = "model.bin"
    broken = fetch("base.en", tmp_path, hub.url)
    assert broken.code == 1
    assert "ModelError: base.en could not be fetched" in broken.said
    assert not (tmp_path / "base.en").exists()
    hub.cut, hub.asked = "", []
    assert fetch("base.en", tmp_path, hub.url).code == 0
    assert hub.asked == ["model.bin"]
    assert (tmp_path / "base.en/model.bin").read_bytes() == hub.files["model.bin"]


def test_a_repository_without_the_files_is_not_taken(tmp_path: Path, hub: Hub) -> None:
    hub.files = {"README.md": b"moved"}
    fetched = fetch("base.en", tmp_path, hub.url)
    assert "ModelError: Systran/faster-whisper-base.en: fetched, but it lacks model.bin, config.json" in fetched.said
    assert not (tmp_path / "base.en").exists()


@pytest.mark.parametrize("status", [401, 404])
def test_a_hub_that_refuses_is_not_called_a_lost_network(tmp_path: Path, hub: Hub, status: int) -> None:
    hub.status = status
    fetched = fetch("base.en", tmp_path, hub.url)
    assert "the model hub refuses Systran/faster-whisper-base.en" in fetched.said
    assert "Traceback" not in fetched.said


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ModelError, match=r"cannot be kept there \(Not a directory\).*set models\.folder"):
        models.fetch("base.en", tmp_path / "file/models")
