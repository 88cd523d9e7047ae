"""The configuration's sources, their order, and what a person is told when a key is wrong."""

from pathlib import Path

import pytest

from speakage_daemon import config
from speakage_daemon.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "CONFIG_FILE", tmp_path / "none.toml")


def write(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(text)
    return file


def test_defaults_need_no_file() -> None:
    loaded = config.load()
    assert loaded.config.server.port == 8787
    assert loaded.origins == {}


def test_later_sources_win_and_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, "[picture]\nsteps = 2\nsize = 256\n[server]\nport = 1\nallowed_origins = ['http://a']\n")
    monkeypatch.setenv("SPEAKAGE_SERVER__PORT", "2")
    monkeypatch.setenv("SPEAKAGE_PICTURE__SIZE", "512")
    loaded = config.load(file, {"server.port": "3"})
    assert (loaded.config.picture.steps, loaded.config.picture.size, loaded.config.server.port) == (2, 512, 3)
    assert loaded.config.server.allowed_origins == ("http://a",)
    assert loaded.origins["picture.steps"] == str(file)
    assert loaded.origins["picture.size"] == "SPEAKAGE_PICTURE__SIZE"
    assert loaded.origins["server.port"] == "flag"


def test_lists_are_given_with_commas_outside_the_file() -> None:
    loaded = config.load(flags={"server.allowed_origins": "http://a, http://b"})
    assert loaded.config.server.allowed_origins == ("http://a", "http://b")


def test_every_wrong_key_is_told_at_once_with_its_origin_and_a_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "[pictures]\nsteps = 2\n[server]\nport = 99999\n")
    monkeypatch.setenv("SPEAKAGE_SEGMENTER__PAUZE_MS", "300")
    with pytest.raises(ConfigError) as raised:
        config.load(file, {"hearing.mode": "loud"})
    told = str(raised.value)
    assert "did you mean picture" in told
    assert "server.port: input should be less than or equal to 65535 (got 99999)" in told
    assert f"[{file}]" in told
    assert "segmenter.pauze_ms: no such key; did you mean segmenter.pause_ms? [SPEAKAGE_SEGMENTER__PAUZE_MS]" in told
    assert "hearing.mode: input should be 'open', 'push', 'word' or 'phrase' (got 'loud') [flag]" in told


def test_ticks_are_none_or_far_enough_apart() -> None:
    assert config.load(flags={"speech.tick_ms": "0"}).config.speech.tick_ms == 0
    with pytest.raises(ConfigError, match=r"speech\.tick_ms: .*should be 0, or 100 and more \(got '50'\)"):
        config.load(flags={"speech.tick_ms": "50"})


def test_prompts_are_rewritten_only_where_there_is_an_address() -> None:
    assert config.load().config.rewriter.url == ""
    loaded = config.load(flags={"rewriter.url": "http://127.0.0.1:11434/v1/", "rewriter.keep": "Rex, Aunt Mary"})
    assert loaded.config.rewriter.url == "http://127.0.0.1:11434/v1"
    assert loaded.config.rewriter.keep == ("Rex", "Aunt Mary")


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("127.0.0.1:11434", "should look like http://127.0.0.1:11434/v1"),
        ("ftp://host/v1", "should look like"),
        ("http:///v1", "should look like"),
        ("http://host/v1?key=secret", "should look like"),
        ("http://host:99999/v1", "port out of range"),
        ("http://me:secret@host/v1", "should not hold a name or password; there is rewriter.api_key"),
    ],
)
def test_an_address_of_another_kind_is_told_and_what_it_may_hold_is_not(url: str, what: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config.load(flags={"rewriter.url": url})
    told = str(raised.value).lower()
    assert "rewriter.url" in told
    assert what in told
    assert "secret" not in told


def test_a_key_is_printed_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEAKAGE_REWRITER__API_KEY", "sk-secret")
    loaded = config.load()
    assert loaded.config.rewriter.api_key.get_secret_value() == "sk-secret"
    assert "sk-secret" not in f"{loaded} {loaded.config.rewriter.api_key} {loaded.config.model_dump_json()}"
    monkeypatch.delenv("SPEAKAGE_REWRITER__API_KEY")
    with pytest.raises(ConfigError) as raised:
        config.load(write(tmp_path, "[rewriter]\napi_key = 271828\napi_keys = 'sk-secret'\n"))
    assert "rewriter.api_key: input should be a valid string [" in str(raised.value)
    assert "rewriter.api_keys: no such key; did you mean rewriter.api_key?" in str(raised.value)
    assert "271828" not in str(raised.value)
    assert "sk-secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [("continuity", "blur", r"should be 'noise', 'previous' or 'blend' \(got 'blur'\)"),
     ("blend_frames", "0", r"greater than or equal to 1 \(got '0'\)"),
     ("blend_frames", "17", r"less than or equal to 16 \(got '17'\)"),
     ("blend_frames", "2.5", r"valid integer.* \(got '2\.5'\)")],
)  # fmt: skip
def test_how_revisions_hang_together_is_named_when_it_is_wrong(key: str, value: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=rf"picture\.{key}: .*{sentence}"):
        config.load(flags={f"picture.{key}": value})


@pytest.mark.parametrize("text", ["steps = [", "\udcff"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"config\.toml: not valid TOML"):
        config.load(file)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path / "missing.toml")


def test_a_table_where_a_value_is_and_the_other_way_round(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="picture is a value, not a table"):
        config.load(write(tmp_path, "picture = 3\n"), {"picture.steps": "3"})
    with pytest.raises(ConfigError, match=r"picture\.steps"):
        config.load(write(tmp_path, "[picture.steps]\nx = 1\n"))


def test_every_key_says_what_it_means() -> None:
    described = dict(config.described_keys())
    assert len(described) >= 40
    assert all(meaning and meaning[0] in "`ABCDEFGHIJKLMNOPQRSTUVWXYZ" for meaning in described.values()), described
