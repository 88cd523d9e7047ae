"""The command that converts: speakage convert, from the original layout to a diffusers folder and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from speakage_daemon.command_line import Bar, Verbose, log, out

commands = typer.Typer()

_SHOWN = 3
"""Names of tensors in one line."""


@commands.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A .safetensors or .ckpt checkpoint, or a diffusers folder.")],
    target: Annotated[Path, typer.Argument(help="A new folder, or for a folder, a new .safetensors file.")],
    family: Annotated[
        str | None, typer.Option(help="What the tensors do not tell, like sd-turbo.", show_default=False)
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Folder of a tokenizer; else CLIP's own.", show_default=False)
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Turn a checkpoint in Stable Diffusion's original layout into a diffusers folder, or the other way round."""
    from speakage_engines.diffusion.conversion import convert as convert_model

    log(verbose)
    with Bar() as bar:
        found = convert_model(source, target, family=family, tokenizer=tokenizer, progress=bar.load)
    counts = ", ".join(f"{count} of the {part}" for part, count in found.converted.items())
    _say(f"{found.target} is written: {found.family} ({found.reason}), tensors: {counts}")
    if found.left_out:
        _say(f"left out, since painting does not need them: {_names(found.left_out)}")
    if found.unknown:
        _say(f"left out, since the conversion does not know them: {_names(found.unknown)}")


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)


def _names(names: Sequence[str]) -> str:
    """How many, and the first few of each kind."""
    kinds = Counter(name.partition(".")[0] for name in names)
    if len(names) <= _SHOWN:
        return ", ".join(names)
    first = ", ".join(names[:_SHOWN])
    return f"{len(names)} tensors ({first}, …; by prefix: {', '.join(f'{kind} {n}' for kind, n in kinds.items())})"
