"""The documents say what the code does."""

import runpy
import sys
from pathlib import Path
from typing import get_args

import pytest

from speakage_daemon import config, events

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("page", "make"), [("configuration.md", "configuration_page"), ("stream.md", "stream_page")])
def test_the_reference_is_what_the_code_says(page: str, make: str) -> None:
    reference = runpy.run_path(str(ROOT / "docs" / "reference.py"))
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == reference[make](), "run: python docs/reference.py"


def test_the_reference_names_every_key_event_and_message() -> None:
    configuration = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for key, _ in config.described_keys():
        assert f"| `{key}` |" in configuration
    stream = (ROOT / "docs" / "stream.md").read_text(encoding="utf-8")
    for kind in (*get_args(events.DaemonEvent), *get_args(events.ClientMessage)):
        assert f"### `{kind.__dataclass_fields__['type'].default}`" in stream


def test_the_readme_names_every_command_and_links_to_what_exists() -> None:
    from typer.main import get_command

    from speakage_daemon.__main__ import cli

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in get_command(cli).commands:
        assert f"speakage {name}" in readme, name
    for link in set(__import__("re").findall(r"\]\(([^)#:]+)\)", readme)):
        assert (ROOT / link).exists(), link
    assert sys.version_info >= (3, 11)
