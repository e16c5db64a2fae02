"""`liaison reconcile`: what differs between us and one EHR."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from adapter.cli import house
from adapter.cli.sync import Json, named, shown

Ehr = Annotated[str, typer.Option("--ehr", metavar="NAME", help="The EHR: the key of its clinic.")]


def reconcile(ehr: Ehr, json: Json = False) -> None:
    """Compare both sides of one EHR, and say what differs. Nothing is changed. Exit 1 when something does, or when it cannot be asked."""
    from adapter.errors import EhrError

    with house.opened(house.settings()) as opened:
        (name,) = named(opened, ehr)
        try:
            found = opened.wiring.reconcile(name)
        except EhrError as error:
            shown({"ehr": name, "error": str(error)}, json, [f"{name}: {error}; see `liaison doctor`"])
            raise typer.Exit(1) from None
    rows = [(each.type, each.id or "-", each.remote or "-", each.words) for each in found]
    widths = [max((len(row[place]) for row in rows), default=0) for place in range(3)]
    lines = ["  ".join([*(part.ljust(width) for part, width in zip(row, widths, strict=False)), row[3]]) for row in rows]
    shown([asdict(each) for each in found], json, lines or [f"{name}: nothing differs"])
    if found:
        raise typer.Exit(1)
