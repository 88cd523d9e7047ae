"""Things are taken away on purpose, and the doctor is asked what is missing."""

import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from speakage_daemon.config import Config, HearingSettings, ModelsSettings, PictureSettings, SpeechSettings
from speakage_daemon.doctor import (
    Finding,
    check_backend,
    check_disk,
    check_microphone,
    check_models,
    check_port,
    check_sound_server,
    check_wake_words,
    checks,
    find_microphone,
)
from speakage_daemon.errors import SourceError

HOLDER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""
SMALL_DISK = """
mount -t tmpfs -o size=1m none "$0" || exit 77
mkdir "$0/pictures"
"$1" -c 'import sys; from pathlib import Path; from speakage_daemon.doctor import check_disk
for size in (1, 10**9): print(check_disk("pictures", Path(sys.argv[1]), size, "gallery.folder"))' "$0/pictures"
mount -o remount,ro "$0"
"$1" -c 'import sys; from pathlib import Path; from speakage_daemon.doctor import check_disk
print(check_disk("pictures", Path(sys.argv[1]), 1, "gallery.folder"))' "$0/pictures"
"""


def assert_ill(finding: Finding, *words: str) -> None:
    assert not finding.ok
    assert all(word in finding.detail for word in words), finding
    assert finding.remedy.endswith("."), "a sentence"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the models that ship, to be damaged."""
    shutil.copytree(Path(str(files("speakage_engines"))) / "embedded", tmp_path / "models")
    return tmp_path / "models"


def with_models(folder: Path) -> Config:
    return Config(
        speech=SpeechSettings(model=str(folder / "ears")),
        picture=PictureSettings(model=str(folder / "picture")),
        models=ModelsSettings(folder=folder / "none"),
    )


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1_000])


def test_a_free_port_is_free() -> None:
    assert check_port("127.0.0.1", 0).ok
    assert check_port("localhost", 0).ok
    assert check_port("::1", 0).ok


def test_who_holds_the_port_is_named() -> None:
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline())
        finding = check_port("127.0.0.1", port)
        process.stdin.close()
    assert_ill(finding, f"127.0.0.1:{port}", f"pid {process.pid}")
    assert check_port("127.0.0.1", port).ok, "and it is free again when that is gone"


def test_an_address_beyond_this_machine_is_refused() -> None:
    assert_ill(check_port("0.0.0.0", 8787), "0.0.0.0")


def test_a_folder_that_is_there_or_can_be_made_is_well(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "not" / "yet"):
        finding = check_disk("pictures", folder, 1, "gallery.folder")
        assert finding.ok
        assert str(folder) in finding.detail
    assert not (tmp_path / "not").exists(), "looking changes nothing"


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "pictures", Path("/proc/pictures")):
        finding = check_disk("pictures", folder, 1, "gallery.folder")
        assert_ill(finding, str(folder), "cannot be written")
        assert "gallery.folder" in finding.remedy


def test_too_little_room_is_said_in_megabytes(tmp_path: Path) -> None:
    finding = check_disk("pictures", tmp_path, 10**18, "gallery.folder")
    assert_ill(finding, "1,000,000,000,000 MB that should be")
    assert "MB more" in finding.remedy


def test_wake_words_that_are_there_are_named_and_others_have_a_remedy() -> None:
    finding = check_wake_words(HearingSettings(mode="word", wake_words=("okay_nabu", "alexa")))
    assert finding.ok
    assert "okay_nabu, alexa" in finding.detail
    finding = check_wake_words(HearingSettings(mode="word", wake_words=("/none/castle.tflite",)))
    assert_ill(finding, "/none/castle.tflite")
    assert "speakage wake list" in finding.remedy


def test_a_small_disk_and_a_read_only_one_are_named(tmp_path: Path) -> None:
    own_mounts = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, str(tmp_path), sys.executable]
    done = subprocess.run(own_mounts, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode in {1, 77}:
        # no mounts here: an ordinary user meets the same in a folder that is closed to them, root in one that is to all
        tmp_path.chmod(0o555)
        closed = tmp_path if os.geteuid() else Path("/proc/speakage")
        assert not check_disk("pictures", closed, 1, "gallery.folder").ok
        return
    assert done.returncode == 0, done.stderr
    well, small, closed = done.stdout.splitlines()
    assert "ok=True" in well
    assert "ok=False" in small
    assert "1,000 MB that should be" in small
    assert "ok=False" in closed
    assert "Read-only file system" in closed


def test_the_models_that_ship_are_well() -> None:
    assert [finding.ok for finding in check_models(Config())] == [True, True]


def test_a_copy_of_them_is_well(models: Path) -> None:
    assert [finding.ok for finding in check_models(with_models(models))] == [True, True]


def test_ears_cut_short_are_named(models: Path) -> None:
    cut(models / "ears" / "model.bin")
    speech, picture = check_models(with_models(models))
    assert_ill(speech, str(models / "ears" / "model.bin"), "cut short")
    assert "speech.model" in speech.remedy
    assert picture.ok


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer.json"])
def test_a_picture_model_cut_short_is_named(models: Path, part: str) -> None:
    cut(models / "picture" / part)
    speech, picture = check_models(with_models(models))
    assert speech.ok
    assert_ill(picture, str(models / "picture" / part), "cut short")
    assert "picture.model" in picture.remedy


def test_models_that_are_gone_are_named(models: Path) -> None:
    shutil.rmtree(models / "ears")
    (models / "picture" / "model_index.json").unlink()
    speech, picture = check_models(with_models(models))
    assert_ill(speech, str(models / "ears"), "does not exist")
    assert_ill(picture, "model_index.json")


@pytest.mark.parametrize("backend", ["auto", "openvino", "torch"])
def test_the_backend_is_named_with_its_version(backend: str) -> None:
    finding = check_backend(Config(picture=PictureSettings(backend=backend)))
    assert finding.ok
    assert backend in ("auto", finding.detail.split()[0])


def test_a_backend_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "speakage_engines.compile.backends.openvino", raising=False)
    assert_ill(check_backend(Config(picture=PictureSettings(backend="openvino"))), "openvino cannot be imported")


def nothing(_wanted: str) -> str:
    raise SourceError("no microphone was found")


def test_a_microphone_is_named() -> None:
    finding = check_microphone(HearingSettings(device="USB"), lambda wanted: f"{wanted} Audio, 48000 Hz")
    assert finding == Finding("microphone", True, "USB Audio, 48000 Hz")


def test_no_microphone_is_said_with_the_browser_as_a_way_out() -> None:
    finding = check_microphone(HearingSettings(), nothing)
    assert_ill(finding, "no microphone was found")
    assert "browser" in finding.remedy


def test_no_microphone_is_no_trouble_where_none_is_wanted() -> None:
    assert check_microphone(HearingSettings(source="none"), nothing).ok


@pytest.fixture
def no_sound_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alsa = tmp_path / "asound.conf"
    alsa.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(alsa))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'gone'}")


@pytest.mark.usefixtures("no_sound_server")
def test_without_a_sound_server_both_it_and_the_microphone_are_missed(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        find_microphone("pulse")
    assert_ill(check_sound_server(needed=True), "Connection refused")
    assert check_sound_server(needed=False).ok


def test_without_pactl_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_ill(check_sound_server(needed=True), "pactl is not installed")


def test_a_sound_server_that_hangs_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("speakage_daemon.doctor._PATIENCE_S", 0.2)
    pactl = tmp_path / "pactl"
    pactl.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    pactl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert_ill(check_sound_server(needed=True), "has not answered")


@pytest.mark.usefixtures("no_sound_server")
def test_all_checks_run_and_every_failure_has_its_remedy(models: Path, tmp_path: Path) -> None:
    cut(models / "ears" / "model.bin")
    config = with_models(models).model_copy(update={"hearing": HearingSettings(device="no such device")})
    findings = list(checks(config))
    assert [finding.name for finding in findings] == [
        "microphone",
        "sound server",
        "speech model",
        "picture model",
        "backend",
        "port",
        "disk for pictures",
        "disk for engines",
    ]
    assert all(finding.detail for finding in findings)
    assert all(bool(finding.remedy) != finding.ok for finding in findings)
    assert {"microphone", "sound server", "speech model"} <= {finding.name for finding in findings if not finding.ok}
