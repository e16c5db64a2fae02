"""`liaison client add | list | rotate | disable`: software that may ask for a token.

The network file says who they are; `add` writes there and `network apply` puts it in force. `disable` alone acts on the database, at
once, and outlives every network file applied later: somebody's key was stolen, and an old file must not bring it back.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli import house
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from adapter.network import ClientEntry

app = typer.Typer(no_args_is_help=True, help="Clients: software that may ask for a token.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The client's id.")]


@app.command()
def add(
    id: Id,
    organisation: Annotated[str, typer.Option(metavar="KEY", help="Whose software it is.")],
    unit: Annotated[str, typer.Option(metavar="KEY")] = "",
    person: Annotated[str, typer.Option(metavar="KEY", help="When it is one person's.")] = "",
    role: Annotated[str, typer.Option(help="By default as its organisation.")] = "",
    jwks_url: Annotated[str, typer.Option(metavar="URL", help="Where it publishes its keys; they are looked at now.")] = "",
    jwks_private: Annotated[bool, typer.Option("--jwks-private", help="That address may be of this machine or of a network of the house.")] = False,
    jwks_file: Annotated[str, typer.Option(metavar="FILE", help="Its keys, as it sent them.")] = "",
    secret_file: Annotated[str, typer.Option(metavar="FILE", help="Instead of keys; a new secret is made there.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="system/Task.rs, intake, views…; several times.")] = None,
    purpose: Annotated[list[str] | None, typer.Option(help="A code of v3-ActReason; several times. Default: TREAT.")] = None,
    file: Annotated[Path | None, typer.Option(help="By default LIAISON_NETWORK_FILE.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the entry; write nothing.")] = False,
) -> None:
    """Write a client into the network file, after the last one, once its keys and the whole file were found good. It may ask for
    a token from the next `liaison network apply` on."""
    from adapter.cli.network import words
    from adapter.cli.registering import added, entry
    from adapter.clock import SystemClock
    from adapter.network import parse

    settings = house.settings()
    place = file or settings.network_file
    line = entry({
        "id": id, "organisation": organisation, "unit": unit, "person": person, "role": role, "jwks_url": jwks_url, "jwks_private": jwks_private,
        "jwks_file": jwks_file, "secret_file": secret_file, "scopes": scope, "purposes": purpose,
    })  # fmt: skip
    text = added(house.document(place).decode("utf-8"), line, file=str(place))
    wanted = parse(text, file=str(place), words=words(settings)).client(id)
    assert wanted is not None
    kids = _kids(wanted) if jwks_url or jwks_file else []
    if show:
        typer.echo(f"- {line}")
        return
    house.replaced(place, text.encode())
    if secret_file and not Path(secret_file).exists():
        house.private(Path(secret_file), SystemClock().secret())
        typer.echo(f"made  {secret_file}: give it to the client, by a way that others do not read")
    typer.echo(f"added  {id} to {place}" + (f"; its keys: {', '.join(kids)}" if kids else ""))
    typer.echo("Next:\n  liaison network apply")


@app.command("list")
def list_() -> None:
    """Show the clients in force, how each proves itself, and which are disabled."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    with house.opened(house.settings()) as opened:
        clients, disabled = opened.network.clients, opened.disabled_clients()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Client", "Organisation", "Proves itself by", "Scopes", "State"):
        table.add_column(name, overflow="fold")
    for each in clients:
        state = "disabled" if each.id in disabled else "in force" if each.active else "gone from the network file"
        table.add_row(each.id, each.organisation, _way(each), " ".join(each.scopes), state)
    Console(soft_wrap=True).print(table)


@app.command()
def rotate(
    id: Id,
    jwks: Annotated[Path | None, typer.Option(metavar="FILE", help="The keys that take the place of those of a client with jwks_file.")] = None,
) -> None:
    """Give a client another secret, or put other keys in the place of its own; the old ones hold no more from now on. A client that
    publishes its keys at an address rotates them itself: then this says which are there."""
    from adapter.clock import SystemClock

    with house.opened(house.settings()) as opened:
        client = opened.network.client(id)
    if client is None:
        raise SettingsError("no such client in force", variable="ID", fix="`liaison client list` names them")
    if jwks is not None and not client.jwks_file:
        raise SettingsError("this client has no jwks_file", variable="--jwks", fix="leave it out, or change the network file")
    if client.jwks_file:
        if jwks is None:
            raise SettingsError("its new keys are missing", variable="--jwks", fix=f"name the JWKS that takes the place of {client.jwks_file}")
        kids = _kids(dataclasses.replace(client, jwks_file=str(jwks)))
        house.replaced(Path(client.jwks_file), house.document(jwks))
        typer.echo(f"{client.jwks_file} has the keys {', '.join(kids)} now")
    elif client.jwks_url:
        typer.echo(f"{id} publishes its keys itself; now there: {', '.join(_kids(client))}")
    elif client.secret.file:
        house.replaced(Path(client.secret.file), (SystemClock().secret() + "\n").encode())
        typer.echo(f"{client.secret.file} has another secret now: give it to the client, by a way that others do not read")
    else:
        raise SettingsError("its secret is a variable of the environment", variable=client.secret.variable, fix="set it otherwise and start Liaison again")


@app.command()
def disable(
    id: Id,
    undo: Annotated[bool, typer.Option("--undo", help="Let it be brought back by the next network file.")] = False,
) -> None:
    """Shut a client out at once, in every process, the tokens it has too. It stays out whatever network file is applied, until
    --undo."""
    with house.opened(house.settings()) as opened:
        opened.disable_client(id, undo=undo)
    typer.echo(f"{id} is no longer disabled; it is back with the next `liaison network apply` of a file that has it" if undo else f"{id} is disabled")


def _way(client: ClientEntry) -> str:
    where = client.jwks_url or client.jwks_file
    return f"keys at {where}" if where else f"secret in {client.secret.file or client.secret.variable}"


def _kids(client: ClientEntry) -> list[str]:
    """The names of the client's keys that an assertion may be signed with. Raises SettingsError when there are none."""
    from adapter.clock import SystemClock
    from adapter.errors import EhrError
    from adapter.smart import keys_of, usable

    where, why = client.jwks_url or client.jwks_file, ""
    try:
        kids = usable(keys_of(client, clock=SystemClock())[0])
    except EhrError as error:
        kids, why = [], str(error)
    except OSError as error:
        kids, why = [], f"cannot be read: {error.strerror}"
    except ValueError as error:
        kids, why = [], str(error)
    if not kids:
        fix = "a JWKS with one key of RSA (2048 bits or more) or P-384 under each kid, to verify RS384 or ES384; see `liaison keys new`"
        raise SettingsError(f"{where}: {why or 'no key that an assertion could be signed with'}", variable="jwks", fix=fix)
    return kids
