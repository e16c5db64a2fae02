"""`liaison network apply | show`: who takes part."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from adapter.cli import house

app = typer.Typer(no_args_is_help=True, help="The network file: who takes part.")


@app.command()
def apply(file: Annotated[Path | None, typer.Argument(help="By default LIAISON_NETWORK_FILE.")] = None) -> None:
    """Make a network file the one in force. What it no longer names becomes inactive; nothing is deleted.

    A running server heeds it at once, but for the addresses of EHRs: start it again for those.
    """
    from adapter.network import load

    settings = house.settings()
    wanted = load(file or settings.network_file)  # refused as a whole before the database is touched
    with house.opened(settings) as opened:
        house.needs_views(wanted, opened.views)
        changed = opened.apply_network(wanted)
    for version in changed:
        typer.echo(f"{'new    ' if version.number == 1 else 'changed'}  {version.reference}")
    typer.echo(f"{len(changed)} changed" if changed else "the directory is as it was")
    for client in wanted.clients:
        if client.secret.file and not os.access(client.secret.file, os.R_OK):
            typer.echo(f"warning: client {client.id} gets no token before {client.secret.file} can be read", err=True)


@app.command()
def show(json: Annotated[bool, typer.Option("--json", help="The whole of it, as JSON.")] = False) -> None:
    """Show the network in force."""
    from adapter.network import to_json

    with house.opened(house.settings()) as opened:
        network = opened.network
    if json:
        typer.echo(to_json(network))
        return
    if not network.organisations:
        typer.echo("No network file was applied yet: liaison network apply network.yaml")
        raise typer.Exit(1)
    from rich.console import Console

    Console(soft_wrap=True).print(_table(network))


def _table(network: Any) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Organisation", "Unit", "Category", "Stage", "EHR", "Clients"):
        table.add_column(name, overflow="fold")
    for organisation in network.organisations:
        clients = ", ".join(client.id for client in network.clients if client.organisation == organisation.key and client.active)
        ehr = f"{organisation.ehr.url} ({organisation.ehr.level})" if organisation.ehr else ""
        mark = "" if organisation.active else " (inactive)"
        table.add_row(organisation.key + mark, "", organisation.category, "", ehr, clients)
        for unit in organisation.units:
            table.add_row("", unit.key + ("" if unit.active else " (inactive)"), unit.service, unit.stage, "", "")
    return table
