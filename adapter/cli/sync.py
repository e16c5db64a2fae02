"""`liaison sync push | pull | status`: what goes to and comes from the EHRs, by hand (`waiting` has the verbs of what is stuck)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.errors import EhrError

if TYPE_CHECKING:
    from adapter.app import App

app = typer.Typer(no_args_is_help=True, help="What goes to the EHRs and comes from them, by hand.")
Ehr = Annotated[str | None, typer.Option("--ehr", metavar="NAME", help="One EHR only: the key of its clinic.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
NOBODY = "no EHR keeps referrals (ehr.level task in the network file)"
OPEN = ("queued", "unknown", "parked", "conflict")


@app.command()
def push(ehr: Ehr = None, json: Json = False) -> None:
    """Send every letter that is due. Exit 1 when some wait for a person or could not be sent."""
    with house.opened(house.settings()) as opened:
        names = _ehrs(opened, ehr)
        for name in names:
            with suppress(EhrError):  # an EHR that is away is met again by its letters, which say so
                opened.link_directory(name)
        sent = opened.wiring.push.drain(1_000_000)
        found = [one for one in status_of(opened) if one["ehr"] in names]
    shown({"taken": sent, "ehrs": found}, json, [f"{sent} letters taken", *map(_line, found)])
    if any(one[state] for one in found for state in OPEN):
        raise typer.Exit(1)


@app.command()
def pull(ehr: Ehr = None, json: Json = False) -> None:
    """Ask the EHRs for what changed, now. Exit 1 when one could not be asked; the others were."""
    with house.opened(house.settings()) as opened:
        told = [_pulled(opened, name) for name in _ehrs(opened, ehr)]
    shown(told, json, [f"{one['ehr']}: {_came(one)}" for one in told] or [NOBODY])
    if any(one["error"] for one in told):
        raise typer.Exit(1)


def _pulled(opened: App, ehr: str) -> dict[str, Any]:
    try:
        report = opened.wiring.pulls[ehr].run(now=True)
        opened.wiring.presences[ehr].look()
    except EhrError as error:
        return {"ehr": ehr, "skipped": False, "error": str(error), "outcomes": {}}
    outcomes = {type: dict(found) for type, found in report.outcomes.items()}
    return {"ehr": ehr, "skipped": report.skipped, "error": "", "outcomes": outcomes}


def _came(one: dict[str, Any]) -> str:
    if one["error"]:
        return f"{one['error']}; see whether it answers at the address of the network file"
    if one["skipped"]:
        return "another process is at it"
    counts = [f"{count} {type} {outcome}" for type, found in one["outcomes"].items() for outcome, count in found.items()]
    return ", ".join(counts) or "nothing new"


@app.command()
def status(ehr: Ehr = None, json: Json = False) -> None:
    """How far each EHR is behind, both ways. Exit 1 when something waits for a person or the last pull failed."""
    with house.opened(house.settings()) as opened:
        names = _ehrs(opened, ehr)
        found = [one for one in status_of(opened) if one["ehr"] in names]
    shown(found, json, [_line(one) for one in found] or [NOBODY])
    if any(one["parked"] + one["conflict"] + one["conflicts"] or one["failed"] for one in found):
        raise typer.Exit(1)


def status_of(opened: App) -> list[dict[str, Any]]:
    """`adapter.sync.status` for every EHR."""
    from adapter.sync.pull import own_searches
    from adapter.sync.status import status as behind

    searches = {name: own_searches(opened.systems) for name in opened.clients}
    return opened.store.read_now(lambda uow: behind(uow, searches))


def _ehrs(opened: App, wanted: str | None) -> list[str]:
    from adapter.errors import SettingsError

    names = list(opened.clients)
    if wanted is None:
        return names
    if wanted not in names:
        raise SettingsError("no such EHR", variable="--ehr", fix=f"there are: {', '.join(names) or 'none'}")
    return [wanted]


def _line(one: dict[str, Any]) -> str:
    counts = ", ".join(f"{one[name]} {name}" for name in ("queued", "unknown", "parked", "conflict"))
    reasons = ", ".join(f"{reason} ({count})" for reason, count in one["reasons"].items())
    oldest = one["oldest"] or {}
    tried = f"; the oldest was tried {oldest['attempts']} times ({oldest['reason']})" if oldest.get("attempts") else ""
    away = f", the last try failed at {one['failed']['at']} ({one['failed']['error']})" if one["failed"] else ""
    read = f"read {one['pulled']['age']:.0f} s ago" if one["pulled"] else "never read whole"
    waits = f"; waits for a person: {reasons}" if reasons else ""
    return f"{one['ehr']}: {counts}; letters {one['lag']:.0f} s behind{tried}; {read}{away}{waits}"


def shown(found: Any, as_json: bool, lines: list[str]) -> None:
    """Prints it, as JSON or line by line."""
    import orjson

    typer.echo(orjson.dumps(found).decode() if as_json else "\n".join(lines))
