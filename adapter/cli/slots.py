"""`liaison directory slots`: what is free in the permanence of a unit."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from adapter.cli import house
from adapter.cli.directory import Json, app
from adapter.cli.finding import moment
from adapter.errors import SettingsError

__all__ = ["app"]


@app.command()
def slots(
    unit: Annotated[str, typer.Argument(help="Its key in the network file.")],
    at: Annotated[str, typer.Option(help="From when on, as 2026-03-06T18:50; by default now.")] = "",
    most: Annotated[int, typer.Option(min=1, max=500, help="How many slots are looked at.")] = 20,
    fhir: Annotated[bool, typer.Option("--fhir", help="As FHIR R4: a Schedule, then its Slots, one a line.")] = False,
    json: Json = False,
) -> None:
    """The next slots of a unit's permanence and what is free of them, without a word of who booked. Exit 1: none is free."""
    import orjson

    from adapter.directory.who import booked
    from adapter.referral import permanence
    from adapter.referral.due import said

    with house.opened(house.settings()) as opened:
        network = opened.network
        found = network.unit(unit)
        if found is None or found.permanence is None:
            raise SettingsError("no unit of this key holds a permanence", variable=unit, fix="give it one in the network file (permanence), and apply that")
        since = moment(at, network.zone) if at else opened.clock.now()
        spans = opened.read_now(lambda _, uow: booked(uow, unit, since))
    listed = list(islice(permanence.slots(network, unit, since=since, booked=spans), most))
    if fhir:
        typer.echo("\n".join(orjson.dumps(each).decode() for each in permanence.as_fhir(unit, listed)))
    elif json:
        told = [{"start": each.start.isoformat(), "end": each.end.isoformat(), "free": each.free} for each in listed]
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo("\n".join(f"{said(each.start, 'en'):<32} {f'{each.free} free' if each.free else 'full'}" for each in listed) or "none")
    if not any(each.free for each in listed):
        raise typer.Exit(1)
