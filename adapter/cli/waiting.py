"""`liaison sync list | retry | link | resolve`: what waits for a person between us and an EHR, seen and settled."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.cli.sync import Json, app, operator_of, shown

if TYPE_CHECKING:
    from adapter.ports import Letter, Principal

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `liaison sync list` tells it.")]
MENDS = {
    "patient-none": "no patient there is this one: correct the record there or here, then retry; or say which it is with `sync link`",
    "patient-several": "several patients there may be this one: say which with `sync link`",
    "patient-differs": "a patient there has this one's number and other traits: see which record is wrong and mend it, or say who it is with `sync link`",
    "identity-doubtful": "nobody knows for sure who it is (status DOUT, FICT, USUR or DOUB): check it, then say so of the doubt that `sync list` tells: "
    "`sync resolve NUMBER checked`",
    "probable-double": "two records of this practice may be one person: ask, then `sync resolve NUMBER same`, or `different`",
    "patient-taken": "the patient there stands for another of ours: see whether they are one person, then `sync link` or retry",
    "patient-absent": "the EHR has no patient of that id: look it up there again",
    "patient-gone": "the patient is not here any more: nothing can be sent",
    "cannot-look": "nobody knows whether it arrived, and this EHR cannot be searched: look there; if it is not there, `sync dead replay NUMBER --absent`",
    "doubled-there": "the EHR has it twice and would not let one be ended: end one there, then retry",
}


@app.command("list")
def waits(json: Json = False) -> None:
    """What waits for a person: letters that are stuck, changes that contradict each other. Exit 1 when there is any."""
    from adapter.waiting import waiting

    with house.opened(house.settings()) as opened:
        found = opened.store.read_now(waiting)
    shown([asdict(each) for each in found], json, [line(asdict(each)) for each in found] or ["nothing waits for a person"])
    if found:
        raise typer.Exit(1)


@app.command()
def retry(number: Number) -> None:
    """Put a letter that is stuck back in its lane: it is sent again at the next push, or at once by `liaison sync push`."""
    from adapter import waiting

    with house.opened(house.settings()) as opened:
        letter = opened.store.write_now(lambda uow: waiting.retry(uow, operator(waiting.parked(uow, number)), number))
    typer.echo(f"{letter.ehr}: letter {number} is queued again")


@app.command()
def link(number: Number, patient: Annotated[str, typer.Argument(metavar="ID", help="Id of the Patient at the EHR.")]) -> None:
    """Say which patient of the EHR a stuck letter is about, and send it again. Only who looked the person up there may know."""
    from adapter import waiting
    from adapter.errors import SettingsError

    with house.opened(house.settings()) as opened:
        letter = opened.store.read_now(lambda uow: waiting.parked(uow, number))
        ours = opened.store.read_now(lambda uow: waiting.patient_behind(uow, letter))
        if refused := opened.wiring.patients.choose(opened.clients[letter.ehr], letter, ours, patient):
            raise SettingsError(f"not linked: {refused}", variable="ID", fix=MENDS.get(refused, "look the person up there again"))
        opened.store.write_now(lambda uow: waiting.retry(uow, operator(letter), number))
    typer.echo(f"{letter.ehr}: linked, and letter {number} is queued again")


@app.command()
def resolve(
    number: Number,
    choice: Annotated[str, typer.Argument(metavar="ours|theirs|seen|checked|same|different",
        help="Whose content stands; seen: of a second copy that was ended; checked: of an identity; same, different: of two records.")],
    keep: Annotated[list[str] | None, typer.Option(metavar="NAME", help="With theirs: an element that stays ours (may be repeated).")] = None,
    heard_by: Annotated[str, typer.Option(metavar="PERSON", help="A Consent that gets wider: who heard the person say so.")] = "",
    how: Annotated[str, typer.Option(help="telephone, presence, visio or ecrit.")] = "",
    at: Annotated[str, typer.Option(metavar="TIME", help="When, as 2026-03-06T18:50:00+01:00.")] = "",
) -> None:
    """Settle a conflict: `theirs` takes in what the EHR has, `ours` sends ours again; `seen` takes note of a second copy. Of an identity in
    doubt say `checked`, of two records of a practice whether they are the `same` person's or `different` ones'."""
    from adapter import persons, waiting

    told: list[str] = []
    heard = {name: value for name, value in (("heard_by", heard_by), ("how", how), ("at", at)) if value}
    with house.opened(house.settings()) as opened:

        def settle(story: Any, uow: Any) -> None:
            if choice == "seen":
                waiting.seen(uow, operator_of("liaison"), number)
                return
            if choice in persons.CHOICES:
                told.extend(persons.settle(story, uow, operator_of("liaison"), number, choice))
                return
            row = next((each for each in uow.conflicts() if each.key == number), None)
            story.resolve(uow, operator_of(row.ehr if row else "liaison"), number, choice, heard=heard or None, keeping=keep or ())

        opened.write_now(settle)
    typer.echo("\n".join([f"{number} is settled: {choice}", *told]))


def operator(letter: Letter) -> Principal:
    return operator_of(letter.ehr)


def line(one: dict[str, Any]) -> str:
    what = f"{one['kind']} {one['number']}, {one['ehr']}: {one['type']} of {one['reference'] or 'no referral'}, {one['reason']}, since {one['since']}"
    settle = {
        "conflict": "`sync resolve NUMBER ours|theirs`", "double": "one of the two was ended there by rule: `sync resolve NUMBER seen`",
        "doubt": "check who it is, then `sync resolve NUMBER checked`",
    }  # fmt: skip
    mend = settle.get(one["kind"]) or MENDS.get(one["reason"], "mend the cause, then `sync retry NUMBER`")
    return f"{what}\n  {mend}"


__all__ = ["app"]
