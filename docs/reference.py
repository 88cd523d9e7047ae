"""Writes docs/configuration.md and docs/stream.md from the code, so that they cannot drift: python docs/reference.py"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from speakage_daemon import config, events

HERE = Path(__file__).parent

CONFIGURATION = """# Configuration

One TOML file (`speakage config` says where, and prints the effective values with the origin of each), environment
variables (`SPEAKAGE_PICTURE__STEPS=4`) and flags (`--set picture.steps=4`); later ones win. Unknown keys are errors.

```toml
[hearing]
mode = "push"

[picture]
steps = 4
```

The quiet profile, for batteries and machines that share their processor: nothing is transcribed or painted on trial, so
no work is ever thrown away, and the picture begins at the end of the turn (`segmenter.end_ms`).

```toml
[speech]
tick_ms = 0

[picture]
drafts_per_minute = 0
```

| key | default | meaning |
|---|---|---|
"""

STREAM = """# The stream

`ws://127.0.0.1:8787/v1/stream` carries everything live. Text frames are JSON objects told apart by `type`. The two
image events travel as the metadata of binary frames that are whole in themselves: big-endian `u32 4`, `u32 length`,
`length` bytes of JSON (the event), then the encoded image. `GET /v1/schema` is the JSON Schema of all of it.

Connect with `?after=ID` (the newest picture you know) and `session.created` tells the finals you missed. A client
that reads slowly loses previews, never finals; one that does not read at all is disconnected and may come again.

Audio: send `session.update`, then mono PCM as binary frames. `listen.stop` gives the floor back. One client at a
time is heard.

The finished picture is known by its hash: the preview of the last step is lossless and carries the SHA-256 of its
RGB bytes, and `image_generation.completed` names the same one.
"""


def configuration_page() -> str:
    """A row a key."""
    defaults = config.Config()
    rows = []
    for key, meaning in config.described_keys():
        section, name = key.split(".")
        value = getattr(getattr(defaults, section), name)
        shown = "" if value == () else _portable(value)
        text = f"`{shown}`" if shown else ""
        rows.append(f"| `{key}` | {text} | {_cell(meaning)} |")
    return CONFIGURATION + "\n".join(rows) + "\n"


def stream_page() -> str:
    """A section a direction, a table a message."""
    parts = [STREAM]
    for title, union in (("Events", events.DaemonEvent), ("Messages from clients", events.ClientMessage)):
        parts.append(f"\n## {title}\n")
        parts += [_described(kind) for kind in get_args(union)]
    parts.append("\n## Objects within them\n")
    nested = (events.Picture, events.Start, events.Timings, events.Engines)
    parts += [_described(kind) for kind in nested]
    return "".join(parts)


def _described(kind: Any) -> str:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    name = fields["type"].default if "type" in fields else kind.__name__
    meanings = dict(_meanings(kind))
    rows = "".join(
        f"| `{field}` | {_cell(meanings.get(field, ''))} |\n" for field in fields if field not in ("type", "event_id")
    )
    table = f"\n| field | meaning |\n|---|---|\n{rows}" if rows else ""
    return f"\n### `{name}`\n\n{_cell(inspect.getdoc(kind) or '')}\n{table}"


def _meanings(kind: Any) -> Iterator[tuple[str, str]]:
    """The docstring below each field, base classes first."""
    for owner in reversed(kind.__mro__[:-1]):
        body = ast.parse(inspect.getsource(owner)).body[0]
        assert isinstance(body, ast.ClassDef)
        for item, after in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(item, ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                assert isinstance(item.target, ast.Name)
                yield item.target.id, str(after.value.value)


def _cell(text: str) -> str:
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


def _portable(value: object) -> str:
    return str(value).replace(str(Path.home()), "~")


if __name__ == "__main__":
    (HERE / "configuration.md").write_text(configuration_page(), encoding="utf-8")
    (HERE / "stream.md").write_text(stream_page(), encoding="utf-8")
