"""The doctor with a real sound server, which is then taken away."""

from speakage_daemon.config import HearingSettings
from speakage_daemon.doctor import check_microphone, check_sound_server, find_microphone

from .pulse import SoundServer


def test_a_sound_server_and_its_microphone_are_found_and_then_missed(sound_server: SoundServer) -> None:
    assert "pulseaudio" in check_sound_server(needed=True).detail
    microphone = check_microphone(HearingSettings(device="default"), find_microphone)
    assert microphone.ok
    assert microphone.detail == "default, 48000 Hz"

    sound_server.kill()

    server = check_sound_server(needed=True)
    assert not server.ok
    assert "pipewire-pulse" in server.remedy
    microphone = check_microphone(HearingSettings(), find_microphone)
    assert not microphone.ok
    assert "browser" in microphone.remedy
