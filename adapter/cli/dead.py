"""`liaison sync dead list | show | replay | drop`: letters that are stuck, one by one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from adapter.cli import house
from adapter.cli.sync import Ehr, Json, shown
from adapter.cli.waiting import MENDS, Number, operator

app = typer.Typer(no_args_is_help=True, help="Letters that are stuck: see, send again, give up.")


@app.command("list")
def dead(ehr: Ehr = None, json: Json = False) -> None:
    """Every letter that waits for a person. Exit 1 when there is any."""
    from adapter.dead import dead as found_dead

    with house.opened(house.settings()) as opened:
        found = [asdict(each) for each in opened.store.read_now(lambda uow: found_dead(uow, ehr=ehr))]
    shown(found, json, [_line(one) for one in found] or ["no letter is stuck"])
    if found:
        raise typer.Exit(1)


@app.command()
def show(number: Number, json: Json = False) -> None:
    """One of them, and how to go on."""
    from adapter.dead import show as found_dead

    with house.opened(house.settings()) as opened:
        one = asdict(opened.store.read_now(lambda uow: found_dead(uow, number)))
    mend = MENDS.get(one["reason"], "mend the cause, then `sync dead replay NUMBER`")
    tried = f"  tried {one['attempts']} times, last for {one['since']}; {one['behind']} letters of its referral wait for it"
    shown(one, json, [_line(one), tried, f"  {mend}"])


@app.command()
def replay(
    number: Number,
    absent: Annotated[bool, typer.Option("--absent", help="You looked: the EHR does not have it. For an EHR that cannot be searched.")] = False,
) -> None:
    """Put it back in its lane: it is sent again at the next push."""
    from adapter import waiting

    with house.opened(house.settings()) as opened:
        letter = opened.store.write_now(lambda uow: waiting.retry(uow, operator(waiting.parked(uow, number)), number, absent=absent))
    typer.echo(f"{letter.ehr}: letter {number} is queued again")


@app.command()
def drop(
    number: Number,
    why: Annotated[str, typer.Option(metavar="CODE", help="told-otherwise, not-needed or test; it stands in the audit.")],
    closing: Annotated[bool, typer.Option("--closing", help="The letter tells of an end or a withdrawal, and you mean it.")] = False,
) -> None:
    """Give it up: it is never sent, and the letters behind it go on."""
    from adapter import dead, waiting

    with house.opened(house.settings()) as opened:
        letter = opened.store.write_now(lambda uow: dead.drop(uow, operator(waiting.parked(uow, number)), number, why=why, closing=closing))
    typer.echo(f"{letter.ehr}: letter {number} is given up ({why})")


def _line(one: dict[str, Any]) -> str:
    ends = ", tells of an end" if one["closing"] else ""
    return f"letter {one['number']}, {one['ehr']}: {one['type']} of {one['reference'] or 'no referral'}, {one['reason']}{ends}"
