"""`liaison dpo report | key`: what a data protection officer asks of the house."""

from __future__ import annotations

import json as stdlib_json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house, naming
from adapter.clock import instant

if TYPE_CHECKING:
    from adapter.app import App
    from adapter.audit.officer import Tally
    from adapter.flows import Flows
    from adapter.ports import Resource, Uow, Version

app = typer.Typer(no_args_is_help=True, help="For the data protection officer.")
ACTS = {"urgence": "urgency", "retrait": "withdrawals", "opposition": "withdrawals"}  # activities of Provenances that are listed
PAGE = 500


@app.command()
def key(file: Annotated[Path, typer.Argument(help="The private half; the public one gets .pub beside it.")] = Path("officer.key")) -> None:
    """Make the officer's key pair. Give the .pub file to the house (LIAISON_OFFICER_KEY_FILE), keep the other one yourself: it
    alone opens the register of persons who were erased."""
    from adapter.audit import keys

    typer.echo(f"made  {file}\nmade  {keys.make(file, keys.SEALING)}")


@app.command()
def report(
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="From this day or time on.")] = "",
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="Before this day or time.")] = "",
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Recipients by data classes actually shown, information owed, urgency, withdrawals with their delay, declared exceptions,
    what was dropped at the door. Counts under five are told as <5, and no total gives them away."""
    with house.opened(house.settings()) as opened:
        found = reported(opened, since, until)
    typer.echo(stdlib_json.dumps(found, ensure_ascii=False) if json else "\n".join(in_words(found)))


def reported(opened: App, since: str = "", until: str = "") -> dict[str, Any]:
    """The report as one object. It is itself an event, written first."""
    from adapter.audit import events
    from adapter.audit.officer import Tally, cell
    from adapter.audit.reading import Wanted, found, moment

    zone, who = opened.network.zone, naming.officer()
    begun, ended = moment(since, zone, "--from"), moment(until, zone, "--to")
    opened.write_now(lambda _, uow: uow.audit(events.act(who, "dpo-report", at=uow.at, details=[("from", begun), ("to", ended)])))
    tally = Tally()
    for row, told in found(opened.store, Wanted("", begun, ended)):
        tally.feed(row.person, told)
    stored = opened.read_now(
        lambda story, uow: {
            **_heard(story, uow, begun, ended), "oral": _oral(story, uow), "of_age": _of_age(story, uow), "changed": _changed(uow),
            "recipients": _declared(story, tally),
        }
    )  # fmt: skip
    return {
        "from": begun, "to": ended, **stored, "shown": tally.shown(),
        "refusals": {name: cell(count) for name, count in sorted(tally.refusals.items())},
        "exceptions": {name: cell(count) for name, count in sorted(tally.exceptions.items())},
        "dropped": [{"mapping": mapping, "path": path, "times": cell(count)} for (mapping, path), count in sorted(tally.dropped.items())],
    }  # fmt: skip


def _declared(story: Flows, tally: Tally) -> list[dict[str, str]]:
    """What the network file says of every service: its controller, its basis, the secrecy it is bound by."""
    return [
        {"recipient": each.key, "name": each.name, "controller": each.controller, "legal_basis": each.legal_basis, "secrecy": each.secrecy_text,
         "nir": each.nir_authorised, "view": each.category, "active": "yes" if each.active else "no"}
        for each in story.network.organisations if each.kind == "service"
    ]  # fmt: skip


def _pages(uow: Uow, type: str) -> Iterator[Version]:
    from adapter.ports import Query

    after: tuple[str, str] | None = None
    while page := uow.search(Query(type, count=PAGE, after=after)):
        yield from page
        after = ("", page[-1].id)


def _heard(story: Flows, uow: Uow, begun: str, ended: str) -> dict[str, list[dict[str, Any]]]:
    """Acts of urgency and withdrawals, each by the referral's spoken reference: the officer's list, not an aggregate."""
    from adapter.dossier import content

    found: dict[str, list[dict[str, Any]]] = {"urgency": [], "withdrawals": []}
    for version in _pages(uow, "Provenance"):
        act = content(version)
        kind = ACTS.get(_code(act.get("activity")))
        recorded = str(act.get("recorded", ""))
        if kind and (not begun or recorded >= begun) and (not ended or recorded < ended):
            entry = _entry(story, uow, act, kind)
            if not entry["reference"] or entry not in found[kind]:  # an opposition and the end it brought are two proofs of one act
                found[kind].append(entry)
    return {kind: sorted(each, key=lambda one: str(one["recorded"])) for kind, each in found.items()}


def _entry(story: Flows, uow: Uow, act: Resource, kind: str) -> dict[str, Any]:
    from datetime import datetime

    told = {"reference": _reference(uow, act), "act": _code(act.get("activity")), "recorded": act.get("recorded", "")}
    if kind == "urgency":
        agent: Resource = next(iter(act.get("agent", ())), {})
        period = act.get("occurredPeriod", {})
        return told | {
            "reason": _code(next(iter(act.get("reason", ())), {})), "by": agent.get("who", {}).get("reference", ""),
            "to": agent.get("onBehalfOf", {}).get("reference", ""), "until": period.get("end", ""),
        }  # fmt: skip
    said, heard = str(act.get("occurredDateTime", "")), str(act.get("recorded", ""))
    delay = (datetime.fromisoformat(heard) - datetime.fromisoformat(said)).total_seconds() if said and heard else None
    return told | {"said": said, "delay_seconds": delay}


def _reference(uow: Uow, act: Resource) -> str:
    """The spoken reference of the referral that an act is about; "" when it is gone."""
    from adapter import dossier
    from adapter.referral.spoken import of_task

    targets = (dossier.split(str(each.get("reference", ""))) for each in act.get("target", ()))
    found = (dossier.of_request(uow, id) for type, id in targets if type == "ServiceRequest")
    return next((of_task(each.task) for each in found if each), "")


def _oral(story: Flows, uow: Uow) -> list[dict[str, Any]]:
    """Agreements given by word of mouth whose information sheet is unpaid after 8 days, longest first (workflow.md 4)."""
    from adapter import dossier, lifecycle
    from adapter.consent.life import confirmation_stands
    from adapter.referral.spoken import of_task
    from adapter.referral.states import TERMINAL

    found = []
    for version in _pages(uow, "Task"):
        if dossier.content(version)["status"] in TERMINAL or (one := dossier.load(uow, version.id)) is None:
            continue
        since = lifecycle.owed_since(uow, one, story.writer.systems)
        if since and not all(confirmation_stands(each) for each in one.named if each.get("status") == "active"):
            found.append({"reference": of_task(one.task), "unit": one.owner, "since": instant(since), "days": (uow.at - since).days})
    return sorted(found, key=lambda each: str(each["since"]))


def _of_age(story: Flows, uow: Uow) -> list[dict[str, str]]:
    """What runs on the agreement of a parent for who has come of age since: the person is to be asked. By month, for the day
    would tell the birth date."""
    from adapter import dossier, speaking
    from adapter.referral.spoken import of_task
    from adapter.referral.states import TERMINAL

    found = []
    for version in _pages(uow, "Task"):
        if dossier.content(version)["status"] in TERMINAL or (one := dossier.load(uow, version.id)) is None or one.patient is None:
            continue
        others = speaking.related(uow, f"Patient/{one.patient['id']}")
        since = speaking.of_age_since(one.patient, one.named, others, uow.at, systems=story.writer.systems, zone=story.network.zone)
        if since:
            found.append({"reference": of_task(one.task), "unit": one.owner, "since": f"{since:%Y-%m}"})
    return sorted(found, key=lambda each: (each["since"], each["reference"]))


def _changed(uow: Uow) -> list[dict[str, str]]:
    """Attestations whose hash no longer matches: the Consent, and the referral's spoken reference."""
    from adapter import dossier
    from adapter.consent.proof import state
    from adapter.referral.spoken import of_task

    found = []
    for version in _pages(uow, "Consent"):
        consent = dossier.content(version)
        if state(consent) == "changed":
            of = (one for lane in dossier.lanes(uow, [consent]) if (one := dossier.of_request(uow, lane)))
            found.append({"consent": version.reference, "reference": next((of_task(one.task) for one in of), "")})
    return found


def _code(concept: Any) -> str:
    return next((str(each.get("code", "")) for each in concept.get("coding", ())), "") if isinstance(concept, dict) else ""


def in_words(found: dict[str, Any]) -> Iterator[str]:
    """The report as lines of text."""
    yield f"report  {found['from'] or 'the beginning'} to {found['to'] or 'now'}"
    yield "\nwho was shown what: persons by data class; beyond: share of disclosures with more than the need and its deadline (I16)"
    for each in found["shown"]:
        classes = "  ".join(f"{name} {count}" for name, count in each["classes"].items()) or "nothing of a class"
        beyond = "" if each["beyond"] is None else f"  beyond {each['beyond']:.0%}, {each['fields']} classes each"
        yield f"  {each['recipient']:<40} persons {each['persons']}  {classes}{beyond}  [{', '.join(each['views'])}]"
    yield "\ndeclared recipients"
    for each in found["recipients"]:
        yield f"  {each['recipient']:<28} {each['controller']} · {each['legal_basis']} · {each['secrecy']}" + (f" · NIR: {each['nir']}" if each["nir"] else "")
    yield "\noral, the information sheet owed for more than 8 days"
    yield from (f"  {each['reference']}  {each['unit']}  since {each['since']} ({each['days']} days)" for each in found["oral"])
    yield "\na parent agreed, and the person has come of age: to be asked"
    yield from (f"  {each['reference']}  {each['unit']}  of age since {each['since']}" for each in found["of_age"])
    yield "\nattestations whose hash no longer matches"
    yield from (f"  {each['reference']}  {each['consent']}" for each in found["changed"])
    yield "\nurgency, without agreement"
    for each in found["urgency"]:
        yield f"  {each['reference']}  {each['recorded']}  {each['reason']}  by {each['by']} to {each['to']} until {each['until']}"
    yield "\nwithdrawals and objections"
    for each in found["withdrawals"]:
        delay = "" if each["delay_seconds"] is None else f", written down after {each['delay_seconds'] / 60:.0f} min; closed in that moment"
        yield f"  {each['reference']}  {each['act']}  said {each['said']}{delay}"
    for title, name in (("refusals by reason", "refusals"), ("declared exceptions used", "exceptions")):
        yield f"\n{title}"
        yield from (f"  {key}  {count}" for key, count in found[name].items())
    yield "\ndropped at the door (social security numbers and what nobody may keep), never with a value"
    yield from (f"  {each['mapping']}: {each['path']}  {each['times']}" for each in found["dropped"])
