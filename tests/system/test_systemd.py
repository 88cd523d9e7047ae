import configparser
import os
import subprocess
import sysconfig
from pathlib import Path

UNIT = Path(__file__).parents[2] / "systemd" / "speakage.service"
INSTALLED = "%h/.local/bin/speakage"


def verify(folder: Path, unit: str) -> str:
    """What systemd-analyze has to say; it looks for the command, so this environment's own takes its place."""
    command = Path(sysconfig.get_path("scripts")) / "speakage"
    copy = folder / UNIT.name
    copy.write_text(unit.replace(INSTALLED, str(command)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", copy],
        env=os.environ | {"XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit {done.returncode}")


def test_systemd_finds_nothing_wrong_with_the_user_unit(tmp_path: Path) -> None:
    unit = UNIT.read_text()
    assert f"ExecStart={INSTALLED} run\n" in unit
    assert verify(tmp_path, unit) == ""


def test_systemd_would_say_so_if_there_were(tmp_path: Path) -> None:
    assert "Unknown key" in verify(tmp_path, UNIT.read_text().replace("KillMode", "KilMode"))


def test_the_unit_keeps_to_what_the_daemon_does() -> None:
    parser = configparser.ConfigParser(delimiters=["="], interpolation=None)
    parser.optionxform = str
    parser.read(UNIT)
    service = parser["Service"]
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert service["RestartPreventExitStatus"] == str(os.EX_CONFIG)
    assert not {"MemoryDenyWriteExecute", "ProtectHome"} & set(service), "they take away code or sound"
