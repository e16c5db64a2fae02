"""`liaison doctor`: what stands between this house and its EHRs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli import house
from adapter.cli.sync import Json, shown

if TYPE_CHECKING:
    from adapter.doctor import Check

SIGNS = {"ok": "OK  ", "warning": "NOTE", "wrong": "BAD ", "unusable": "STOP"}
Probe = Annotated[bool, typer.Option("--probe", help="Ask each EHR anew what it honours; a sandbox once by trying.")]
Try = Annotated[bool, typer.Option("--try", help="Also by trying: two resources about nobody (Basic) are written to each EHR and stay there.")]


def doctor(json: Json = False, probe: Probe = False, write: Try = False) -> None:
    """Look at settings, database, EHRs: each line OK, or cause and fix. Exit 1 when something at a partner is wrong, 2 when this
    house cannot run."""
    from adapter import doctor as room
    from adapter.errors import SettingsError

    checks: list[Check] = []
    try:
        with house.opened(house.settings()) as opened:
            for ehr in opened.clients if probe or write else ():
                checks += room.probed(opened, ehr, agreed=write)
            checks += room.examined(opened)
    except SettingsError as error:
        checks.append(room.unusable(error))
    shown([asdict(each) for each in checks], json, [_line(each) for each in checks])
    if worst := room.code(checks):
        raise typer.Exit(worst)


def _line(check: Check) -> str:
    place = f"{check.ehr} {check.name}".strip()
    return f"{SIGNS[check.state]} {place}: {check.text}" + (f"; {check.fix}" if check.fix else "")
