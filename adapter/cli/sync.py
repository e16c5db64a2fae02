"""`liaison sync push | pull | status`: what goes to and comes from the EHRs, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house

if TYPE_CHECKING:
    from adapter.app import App

app = typer.Typer(no_args_is_help=True, help="What goes to the EHRs and comes from them, by hand.")
Ehr = Annotated[str | None, typer.Option("--ehr", metavar="NAME", help="One EHR only: the key of its clinic.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command()
def push(ehr: Ehr = None, json: Json = False) -> None:
    """Send every letter that is due. Exit 1 when some wait for a person."""
    with house.opened(house.settings()) as opened:
        names = _ehrs(opened, ehr)
        sent = opened.wiring.push.drain(1_000_000)
        found = [one for one in status_of(opened) if one["ehr"] in names]
    waiting = sum(one["parked"] + one["conflict"] for one in found)
    _print({"taken": sent, "ehrs": found}, json, [f"{sent} letters taken", *map(_line, found)])
    if waiting:
        raise typer.Exit(1)


@app.command()
def pull(ehr: Ehr = None, json: Json = False) -> None:
    """Ask the EHRs for what changed, now."""
    with house.opened(house.settings()) as opened:
        reports = [opened.wiring.pulls[name].run(now=True) for name in _ehrs(opened, ehr)]
    told = [{"ehr": one.ehr, "skipped": one.skipped, "outcomes": {type: dict(found) for type, found in one.outcomes.items()}} for one in reports]
    _print(told, json, [f"{one['ehr']}: {'another process is at it' if one['skipped'] else one['outcomes']}" for one in told])


@app.command()
def status(ehr: Ehr = None, json: Json = False) -> None:
    """How far each EHR is behind. Exit 1 when something waits for a person."""
    with house.opened(house.settings()) as opened:
        names = _ehrs(opened, ehr)
        found = [one for one in status_of(opened) if one["ehr"] in names]
    _print(found, json, [_line(one) for one in found] or ["no EHR keeps referrals (ehr.level task in the network file)"])
    if any(one["parked"] + one["conflict"] + one["conflicts"] for one in found):
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
    return f"{one['ehr']}: {counts}; {one['lag']:.0f} s behind" + (f"; waits for a person: {reasons}" if reasons else "")


def _print(found: Any, as_json: bool, lines: list[str]) -> None:
    import orjson

    typer.echo(orjson.dumps(found).decode() if as_json else "\n".join(lines))
