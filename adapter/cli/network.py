"""`liaison network apply | show`: who takes part."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house

if TYPE_CHECKING:
    from adapter.network import Network, Words
    from adapter.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The network file: who takes part.")


@app.command()
def apply(file: Annotated[Path | None, typer.Argument(help="By default LIAISON_NETWORK_FILE.")] = None) -> None:
    """Make a network file the one in force. What it no longer names becomes inactive; nothing is deleted.

    A running server heeds it at once, but for the addresses of EHRs: start it again for those.
    """
    from adapter.network import load

    settings = house.settings()
    wanted = load(file or settings.network_file, words=words(settings))  # refused as a whole before the database is touched
    with house.opened(settings) as opened:
        house.needs_views(wanted, opened.views)
        before = opened.network
        changed = opened.apply_network(wanted)
        besides, disabled = _besides(before, opened.network), opened.disabled_clients()
    for version in changed:
        typer.echo(f"{'new    ' if version.number == 1 else 'changed'}  {version.reference}")
    if changed:
        typer.echo(f"{len(changed)} changed")
    else:
        typer.echo(f"the directory is as it was; changed: {', '.join(besides)}" if besides else "nothing changed")
    for client in wanted.clients:
        if client.secret.file and not os.access(client.secret.file, os.R_OK):
            typer.echo(f"warning: client {client.id} gets no token before {client.secret.file} can be read", err=True)
        if client.id in disabled:
            typer.echo(f"warning: client {client.id} stays disabled (liaison client disable {client.id} --undo)", err=True)


def words(settings: Settings) -> Words:
    """What the values of the file may say. Raises MappingError (a code table)."""
    from adapter.consent.codes import PURPOSES_ABOVE
    from adapter.fhir import CORE_TYPES
    from adapter.mapping import Terms
    from adapter.network import Words
    from adapter.settings import mappings_folder

    services, needs = map(Terms.load(mappings_folder(settings) / "terms").choosable, ("service", "need"))
    return Words(CORE_TYPES, [code.rpartition("|")[2] for code, above in PURPOSES_ABOVE.items() if above], services, needs)


def _besides(before: Network, now: Network) -> list[str]:
    """What differs that the directory does not show."""

    def rest(network: Network) -> Network:
        return replace(network, clients=(), organisations=tuple(replace(each, ehr=None) for each in network.organisations))

    ehrs = [[each.ehr for each in network.organisations] for network in (before, now)]
    differs = {"clients": before.clients != now.clients, "EHRs": ehrs[0] != ehrs[1], "settings": rest(before) != rest(now)}
    return [name for name, different in differs.items() if different]


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
