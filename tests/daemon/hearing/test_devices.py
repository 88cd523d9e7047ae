from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speakage_daemon.errors import SourceError
from speakage_daemon.hearing.devices import InputDevice, best_rate, find, start_portaudio

HARDWARE = InputDevice(
    index=0, name="USB", channels=1, rates=(44_100, 48_000), default_rate=44_100, converts=False, default=True
)


@pytest.mark.parametrize(
    ("device", "rate"),
    [
        (replace(HARDWARE, rates=(16_000, 44_100, 48_000)), 16_000),
        (HARDWARE, 44_100),
        (replace(HARDWARE, default_rate=48_000), 48_000),
        (replace(HARDWARE, rates=(48_000,)), 48_000),
        (replace(HARDWARE, rates=(16_000, 44_100, 48_000), converts=True), 48_000),
    ],
)
def test_the_rate_is_the_one_that_others_convert_least(device: InputDevice, rate: int) -> None:
    assert best_rate(device) == rate


def test_a_device_that_takes_nothing_is_named_with_the_remedy() -> None:
    with pytest.raises(SourceError, match=r"microphone USB: .* close the program that uses it.*hearing\.device"):
        best_rate(replace(HARDWARE, rates=()))


class SoundCard:
    """PyAudio of a machine with a loudspeaker and a microphone that only records stereo at 44.1 and 48 kHz."""

    def __init__(self, name: str | bytes = "Stereo Mic", default: bool = True) -> None:
        self._name = name
        self._default = default

    def get_device_count(self) -> int:
        return 2

    def get_device_info_by_index(self, index: int) -> dict[str, Any]:
        names = ["Loudspeaker", self._name]
        return {"index": index, "name": names[index], "maxInputChannels": 2 * index, "defaultSampleRate": 44_100.0}

    def get_default_input_device_info(self) -> dict[str, Any]:
        if not self._default:
            raise OSError("No Default Input Device Available")
        return self.get_device_info_by_index(1)

    def is_format_supported(self, rate: int, *, input_device: int, input_channels: int, input_format: int) -> bool:
        if input_channels != 2 or rate not in {44_100, 48_000}:
            raise ValueError("Invalid sample rate", -9997)
        return True


def test_a_microphone_that_only_records_stereo_is_opened_so() -> None:
    assert find(SoundCard(), "") == InputDevice(
        index=1,
        name="Stereo Mic",
        channels=2,
        rates=(44_100, 48_000),
        default_rate=44_100,
        converts=False,
        default=True,
    )


def test_without_a_default_the_first_microphone_is_taken() -> None:
    device = find(SoundCard(default=False), "")
    assert (device.index, device.default) == (1, False)


def test_a_name_that_is_not_text_can_be_shown_and_found() -> None:
    assert find(SoundCard(name=b"Mic \xff 2"), "mic").name == "Mic � 2"


def test_a_loudspeaker_is_not_a_microphone() -> None:
    with pytest.raises(SourceError, match=r"contains 'Loudspeaker'; there are: Stereo Mic"):
        find(SoundCard(), "Loudspeaker")


def test_a_sound_configuration_that_crashes_portaudio_costs_a_sentence_not_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "asound.conf"
    empty.write_text("")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(empty))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/none")
    with pytest.raises(SourceError, match="no microphone was found"):
        find(start_portaudio(), "")
