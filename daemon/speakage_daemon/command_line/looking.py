"""The commands that look at the machine: devices, config, doctor, models, version."""

from __future__ import annotations

import typer
from rich.table import Table

from speakage_daemon import __version__
from speakage_daemon.command_line import ConfigFile, Settings, err, load, out

commands = typer.Typer()
models_cli = typer.Typer(help="Which models there are, and getting larger ones.", invoke_without_command=True)
commands.add_typer(models_cli, name="models")


@commands.command()
def devices() -> None:
    """List the microphones."""
    from speakage_daemon.hearing.devices import input_devices

    found = input_devices()
    if not found:
        err.print("No microphone was found. Plug one in, or use the browser's through the display.")
        raise typer.Exit(1)
    table = Table("", "name", "rates (Hz)")
    for device in found:
        table.add_row("→" if device.default else "", device.name, ", ".join(map(str, device.rates)))
    out.print(table)


@commands.command("config")
def show_config(config: ConfigFile = None, settings: Settings = None) -> None:
    """Print the effective configuration, and where each value came from."""
    from speakage_daemon import config as configuration

    loaded = load(config, settings, {})
    table = Table("key", "value", "from", "meaning")
    for key, meaning in configuration.described_keys():
        section, name = key.split(".")
        value = getattr(getattr(loaded.config, section), name)
        shown = repr(value) if isinstance(value, str) else str(value)
        table.add_row(key, shown, loaded.origins.get(key, "default"), meaning.replace("``", "`"))
    out.print(f"configuration file: {config or configuration.CONFIG_FILE}", highlight=False)
    out.print(table)


@commands.command()
def doctor(config: ConfigFile = None, settings: Settings = None) -> None:
    """Check microphone, models, backend, port and disk, and say the remedy for each."""
    from speakage_daemon.doctor import checks

    table = Table("", "what", "found", "remedy")
    healthy = True
    with err.status("checking") as status:
        for finding in checks(load(config, settings, {}).config):
            table.add_row("[green]✓[/]" if finding.ok else "[red]✗[/]", finding.name, finding.detail, finding.remedy)
            healthy = healthy and finding.ok
            status.update(f"checked the {finding.name}")
    out.print(table)
    if not healthy:
        raise typer.Exit(1)


@models_cli.callback()
def models(context: typer.Context, config: ConfigFile = None, settings: Settings = None) -> None:
    """List the models, and which of them `auto` takes now."""
    if context.invoked_subcommand:
        return
    from speakage_daemon import app
    from speakage_engines import models as catalogue

    loaded = load(config, settings, {}).config
    here = {entry.name for kind in ("speech", "picture") for entry, _ in catalogue.on_disk(loaded.models.folder, kind)}
    table = Table("name", "kind", "MB", "licence", "on disk")
    for kind in ("speech", "picture"):
        table.add_row(catalogue.EMBEDDED, kind, "", "Apache-2.0", "ships")
    for entry in catalogue.CATALOGUE:
        size = f"{entry.megabytes}"
        table.add_row(entry.name, entry.kind, size, entry.licence, "yes" if entry.name in here else "")
    out.print(table)
    speech = catalogue.resolve_speech(app.speech_spec(loaded))
    picture = catalogue.resolve_picture(app.picture_spec(loaded))
    out.print(f"speech:  {speech.name} ({speech.reason})", highlight=False, soft_wrap=True)
    out.print(f"picture: {picture.name} ({picture.reason})", highlight=False, soft_wrap=True)


@models_cli.command("get")
def get_model(name: str, config: ConfigFile = None, settings: Settings = None) -> None:
    """Download a model. The only command that downloads."""
    from speakage_engines import models as catalogue

    folder = catalogue.fetch(name, load(config, settings, {}).config.models.folder)
    out.print(f"{name} lies in {folder}; `auto` takes it from now on", highlight=False)


@commands.command()
def version() -> None:
    """Print the version."""
    out.print(f"speakage {__version__}", highlight=False)
