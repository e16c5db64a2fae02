"""`liaison sync push | pull | due | status | pause | resume`: what goes to and comes from the EHRs, by hand (`waiting`, `dead` and
`conflicts` have the verbs of what is stuck)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.errors import EhrError, SettingsError

if TYPE_CHECKING:
    from adapter.app import App
    from adapter.ports import Letter, LetterState, Principal, Uow

app = typer.Typer(no_args_is_help=True, help="What goes to the EHRs and comes from them, by hand.")
Ehr = Annotated[str | None, typer.Option("--ehr", metavar="NAME", help="One EHR only: the key of its clinic.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only say what would come: take nothing in.")]
NOBODY = "no EHR keeps referrals (ehr.level task in the network file)"
OPEN: tuple[LetterState, ...] = ("queued", "unknown", "parked", "conflict")
MANY = 1_000_000
SHOWN = 1_000  # letters that a dry run lists


@app.command()
def push(
    ehr: Ehr = None,
    json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what each letter would do, and why one would not leave.")] = False,
) -> None:
    """Send every letter that is due. Exit 1 when some wait for a person or could not be sent."""
    with house.opened(house.settings()) as opened:
        names = named(opened, ehr)
        if dry_run:
            would = [one for name in names for one in _would(opened, name)]
            shown(would, json, [_said(one) for one in would] or ["no letter waits"])
            return
        for name in names:
            with suppress(EhrError):  # an EHR that is away is met again by its letters, which say so
                opened.link_directory(name)
        sent = _sent(opened, names)
        found = [one for one in status_of(opened) if one["ehr"] in names]
    shown({"taken": sent, "ehrs": found}, json, [f"{sent} letters taken", *map(_line, found)])
    if any(one[state] for one in found for state in OPEN):
        raise typer.Exit(1)


def _sent(opened: App, names: list[str]) -> int:
    """All that is due to these EHRs, waiting where an EHR's rate says so, with a bar on a terminal."""
    push, sent = opened.wiring.push, 0
    due = sum(one["queued"] + one["unknown"] for one in status_of(opened) if one["ehr"] in names)
    with _bar(due) as advance:
        push.hear(lambda what, letter: advance())
        while True:
            sent += push.drain(MANY) if len(names) > 1 else sum(push.drain_one(name, MANY) for name in names)
            if not (waits := [wait for name in names if (wait := push.pause(name, 60)) < 60]):
                break
            threading.Event().wait(min(waits))
    push.count()
    return sent


def _would(opened: App, ehr: str) -> list[dict[str, Any]]:
    """What each letter of an EHR would do now."""
    from adapter.waiting import reference_of

    push = opened.wiring.push

    def one(uow: Uow, letter: Letter) -> dict[str, Any]:
        verb, why = push.would(uow, letter) if letter.state in ("queued", "unknown") else ("nothing", f"{letter.state}: {letter.reason}")
        return {"ehr": ehr, "number": letter.key, "reference": reference_of(uow, letter.lane.rpartition(" ")[2]), "type": letter.type, "verb": verb, "why": why}

    return opened.store.read_now(lambda uow: [one(uow, letter) for letter in uow.letters(states=OPEN, ehr=ehr, limit=SHOWN)])


def _said(one: dict[str, Any]) -> str:
    why = f" ({one['why']})" if one["why"] else ""
    return f"{one['ehr']}: letter {one['number']}, {one['type']} of {one['reference'] or 'no referral'}: {one['verb']}{why}"


@app.command()
def pause(
    ehr: Ehr = None,
    reason: Annotated[str, typer.Option(metavar="CODE", help="maintenance, incident, migration or other.")] = "other",
) -> None:
    """Hold the letters: none is sent by any process until `sync resume`. One that is on its way arrives. Nothing is lost."""
    from adapter.sync import standing

    with house.opened(house.settings()) as opened:
        named = _named(opened, ehr)
        if reason not in REASONS:
            raise SettingsError("no such reason", variable="--reason", fix=f"one of {', '.join(REASONS)}")

        def hold(uow: Uow) -> None:
            standing.pause(uow, named, reason)
            _audit(uow, "sync-pause", named, reason)

        opened.store.write_now(hold)
    typer.echo(f"{named or 'every EHR'}: letters are held")


@app.command()
def resume(
    ehr: Ehr = None,
    patient: Annotated[str, typer.Option(metavar="ID", help="Only for this patient, whom you have looked up there.")] = "",
) -> None:
    """Let the letters go again: what was paused, and where the engine stood still by itself (you have looked: `liaison reconcile`).
    Forgets, too, that an EHR could not be searched. Exit 1 when nothing was held under that name."""
    from adapter.sync import standing
    from adapter.sync.halts import halts
    from adapter.sync.halts import resume as go_on

    with house.opened(house.settings()) as opened:
        named = _named(opened, ehr)

        def go(uow: Uow) -> bool:
            stood = False
            for name in [named] if named else list(opened.clients):
                standing.searchable_again(uow, name)
                for each in halts(uow, name):
                    if each.patient == (f"Patient/{patient}" if patient else ""):
                        go_on(uow, name, who=operator_of(name), patient=each.patient)
                        stood = True
            if not patient and standing.resume(uow, named):
                _audit(uow, "sync-resume", named, "")
                stood = True
            return stood

        resumed = opened.store.write_now(go)
    typer.echo(f"{named or 'every EHR'}: {'letters go again' if resumed else 'was not held under this name; `liaison sync status` tells'}")
    if not resumed:
        raise typer.Exit(1)


REASONS = ("maintenance", "incident", "migration", "other")


def _named(opened: App, ehr: str | None) -> str:
    """The EHR that was named, "" for every one. Raises SettingsError."""
    return "" if ehr is None else named(opened, ehr)[0]


def operator_of(clinic: str) -> Principal:
    """Who acts from the command line, for a clinic."""
    from adapter.ports import Principal

    return Principal("liaison-sync", clinic, role="operator")


def _audit(uow: Uow, name: str, ehr: str, reason: str) -> None:
    from adapter.audit import events

    uow.audit(events.act(operator_of(ehr or "liaison"), name, at=uow.at, details=[("ehr", ehr or "all"), ("reason", reason)]))


@app.command()
def pull(ehr: Ehr = None, dry: Dry = False, json: Json = False) -> None:
    """Ask the EHRs for what changed, now. Exit 1 when one could not be asked; the others were."""
    with house.opened(house.settings()) as opened:
        told = [_pulled(opened, name, dry=dry) for name in named(opened, ehr)]
    shown(told, json, [f"{one['ehr']}: {_came(one)}" for one in told] or [NOBODY])
    if any(one["error"] for one in told):
        raise typer.Exit(1)


def _pulled(opened: App, ehr: str, *, dry: bool) -> dict[str, Any]:
    try:
        report = opened.wiring.pulls[ehr].look() if dry else opened.wiring.pulls[ehr].run(now=True)
        if not dry:
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
def due(json: Json = False, dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what time has brought: do nothing.")] = False) -> None:
    """Do now what time has brought: remind who did not answer, close what nobody answered, escalate what presses. Exit 1 when some
    of it was refused."""
    with house.opened(house.settings()) as opened:
        job = opened.wiring.due
        if dry_run:
            would = [{"reference": each.reference, "what": each.what} for each in job.look()]
            shown(would, json, [f"{one['reference']}: {one['what']}" for one in would] or ["nothing is due"])
            return
        report = job.run()
    said = "another process is at it" if report.skipped else ", ".join(f"{count} {what}" for what, count in report.done.items()) or "nothing was due"
    more = "; others are due, run it again" if report.more else ""
    refused = f"; {report.failed} were refused: the log says why" if report.failed else ""
    told = {"done": dict(report.done), "failed": report.failed, "more": report.more, "skipped": report.skipped}
    shown(told, json, [f"{said}{more}{refused}"])
    if report.failed:
        raise typer.Exit(1)


@app.command()
def status(ehr: Ehr = None, json: Json = False) -> None:
    """How far each EHR is behind, both ways. Exit 1 when something waits for a person or the last pull failed."""
    with house.opened(house.settings()) as opened:
        names = named(opened, ehr)
        found = [one for one in status_of(opened) if one["ehr"] in names]
    shown(found, json, [_line(one) for one in found] or [NOBODY])
    if any(one["parked"] + one["conflict"] + one["conflicts"] + len(one["halts"]) or one["failed"] for one in found):
        raise typer.Exit(1)


def status_of(opened: App) -> list[dict[str, Any]]:
    """`adapter.sync.status` for every EHR."""
    return opened.store.read_now(opened.behind)


def named(opened: App, wanted: str | None) -> list[str]:
    """The EHR of that name, or all of them. Raises SettingsError."""
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
    mode = {"paused": f"PAUSED since {(one['paused'] or {}).get('since')}, ", "resting": f"away, asked again at {one['resting']}, "}.get(one["mode"], "")
    lanes = f" in {one['lanes']['open']} referrals, {one['lanes']['held']} of them held" if one["lanes"]["open"] else ""
    waits = f"; waits for a person: {reasons}" if reasons else ""
    blind = "" if one["searchable"] else "; cannot be searched by identifier: an unknown outcome waits for a person"
    hooks = [f"{state} ({count})" for state, count in sorted(Counter(each["state"] for each in one["subscriptions"].values()).items())]
    tells = f"; subscriptions there: {', '.join(hooks)}" if hooks else ""
    stood = "".join(f"\n  HALTED since {each['since']}{_whose(one['ehr'], each['patient'])}: {each['why']}" for each in one["halts"])
    return f"{one['ehr']}: {mode}{counts}{lanes}; letters {one['lag']:.0f} s behind{tried}; {read}{away}{tells}{blind}{waits}{stood}"


def _whose(ehr: str, patient: str) -> str:
    """How it is let go on."""
    return f" (look: `liaison reconcile --ehr {ehr}`, then `sync resume --ehr {ehr}{f' --patient {patient}' if patient else ''}`)"


@contextmanager
def _bar(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal's standard error, nothing elsewhere; what it gives moves it by one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("letters"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not (console.is_terminal and total)) as progress:
        task = progress.add_task("letters", total=total)
        yield lambda: progress.advance(task)


def shown(found: Any, as_json: bool, lines: list[str]) -> None:
    """Prints it, as JSON or line by line."""
    import orjson

    typer.echo(orjson.dumps(found).decode() if as_json else "\n".join(lines))
