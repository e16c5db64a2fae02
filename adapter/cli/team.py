"""`liaison team recognise | leave | show`: whom the person recognised in the team that cares for him (workflow.md 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house

if TYPE_CHECKING:
    from adapter.dossier import Dossier
    from adapter.flows import Flows
    from adapter.ports import Uow

app = typer.Typer(no_args_is_help=True, help="The person's team: who was recognised, since when.")
Referral = Annotated[str, typer.Argument(metavar="REFERRAL", help="A referral of the person: RC-P4N, Task/ID or ServiceRequest/ID.")]
Who = Annotated[str, typer.Argument(metavar="PERSON", help="A key of the network file.")]
Hearer = Annotated[str, typer.Option(metavar="PERSON", help="Who heard the person say it: a key of the network file.")]
At = Annotated[str, typer.Option(metavar="TIME", help="When, as 2026-03-06T18:50:00+01:00. Default: now.")]


@app.command()
def recognise(
    referral: Referral,
    person: Who,
    heard_by: Hearer,
    how: Annotated[str, typer.Option(help="How it was said: telephone, presence, visio or ecrit.")],
    informed: Annotated[bool, typer.Option("--informed", help="The person was told what the team shares, and with whom.")] = False,
    at: At = "",
) -> None:
    """Write down that the person recognised a professional as of the team: what the team's view shows needs no other
    agreement from now on."""
    _act(referral, "recognise", {"person": person, "heard_by": heard_by, "how": how, "informed": informed, **_when(at)})


@app.command()
def leave(referral: Referral, person: Who, heard_by: Hearer, at: At = "") -> None:
    """Write down that a professional is of the team no more; holds at once."""
    _act(referral, "leave", {"person": person, "heard_by": heard_by, **_when(at)})


@app.command()
def show(referral: Referral) -> None:
    """Who is of the person's team, and who was. Exit 1 when there is no team."""
    with house.opened(house.settings()) as opened:
        lines = opened.write_now(lambda story, uow: _members(uow, story, _found(story, uow, referral)))
    typer.echo("\n".join(lines) or "no team is written down")
    if not lines:
        raise typer.Exit(1)


def _when(at: str) -> dict[str, str]:
    return {"at": at} if at else {}


def _act(referral: str, verb: str, arguments: dict[str, Any]) -> None:
    from adapter.ports import Principal

    def act(story: Flows, uow: Uow) -> list[str]:
        found = _found(story, uow, referral)
        who = Principal("liaison-team", found.clinic, role="operator")
        story.agreements.live(uow, who, found, verb, arguments)
        return _members(uow, story, _found(story, uow, referral))

    with house.opened(house.settings()) as opened:
        typer.echo("\n".join(opened.write_now(act)))


def _found(story: Flows, uow: Uow, referral: str) -> Dossier:
    """The referral by spoken reference or by the house's own id. Raises NotFound."""
    from adapter import dossier
    from adapter.errors import NotFound
    from adapter.ports import Clause, Query

    kind, id = dossier.split(referral)
    if not kind:
        spoken = f"{story.writer.systems.sid('spoken')}|{referral.upper()}"
        tasks = uow.search(Query("Task", (Clause("identifier", "token", (spoken,)),)))
        kind, id = ("Task", tasks[0].id) if tasks else ("", "")
    found = dossier.load(uow, id) if kind == "Task" else dossier.of_request(uow, id) if kind == "ServiceRequest" else None
    if found is None:
        raise NotFound("no such referral; expected its spoken reference, Task/ID or ServiceRequest/ID", expression="REFERRAL")
    return found


def _members(uow: Uow, story: Flows, found: Dossier) -> list[str]:
    """One line a participant: key, since, until."""
    from adapter.audit import events
    from adapter.dossier import patient_of
    from adapter.ports import Principal

    who = Principal("liaison-team", found.clinic, role="operator")
    uow.audit(events.act(who, "team-show", what=found.task_version.cited, patient=patient_of(found.request), at=uow.at))
    return [_line(each) for team in found.teams for each in team.get("participant", ())]


def _line(participant: dict[str, Any]) -> str:
    period = participant.get("period", {})
    until = f"until {period['end']}" if "end" in period else "of the team"
    return f"{participant['member']['reference'].rpartition('/')[2]}  since {period.get('start', '?')}  {until}"
