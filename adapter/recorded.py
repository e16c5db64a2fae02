"""A record again, from what is stored of it: what was made of it, what came of that, and who and what it names. Whatever became of the referral:
an end, a withdrawal, an expiry change what its answer says, never what was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from adapter import onward
from adapter.audit import events
from adapter.dossier import FOLLOWING, NOBODY, content, follow, patient_of, pointing, split
from adapter.intake import Intake
from adapter.mapping import MapContext, Record, UnitFacts
from adapter.names import Systems
from adapter.own import Own, ground
from adapter.ports import Clause, Principal, Query, Resource, Uow, Version
from adapter.receipt import Receipt

PAGE = 500
PEOPLE = frozenset({"Practitioner", "PractitionerRole"})


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is stored of one record of `mapping` ("name/version"). `record`: its own id."""

    mapping: str
    record: str
    patient: str
    resources: tuple[Resource, ...]


def again(uow: Uow, who: Principal, mapping: str, record: str, *, own: Own, intake: Intake, request_id: str) -> Record | None:
    """The record as it stands, for the practice that sent it, which wrote what is in it; decided and audited. None: 404. Raises NotFound for
    an unknown mapping."""
    document, kept, window = intake.document(mapping), onward.received(uow, who, mapping, record), own.window
    made = tuple(line["task"] for line in Receipt.loads(kept[1]).referrals) if kept else ()
    limited = window.limited(who, Query("Task", (Clause("_id", "id", made or (NOBODY,)),)), "r")
    tasks = uow.search(limited) if limited else []
    if not tasks or len(tasks) < len(made) or own.closed(uow, who, tasks):
        uow.audit(events.denied(who, "Task", reason="opposed" if tasks else "absent-or-not-theirs", at=uow.at, request_id=request_id))
        return None
    uow.audit(events.access(who, tasks[0].cited, patient=patient_of(content(tasks[0])), rule=ground("Task"), at=uow.at, request_id=request_id))
    found = of_task(uow, intake.systems, tasks[0].id)
    given = [each for each in found if window.limited(who, Query(each["resourceType"]), "r")]
    return document.from_fhir(given, context=intake.context(uow, who, {}, clinic=who.organisation))


def of_task(uow: Uow, systems: Systems, task: str) -> list[Resource]:
    """What is stored of the record that this Task (its id) was made of, of all its lots; nothing where no record made it."""
    proofs = [each for each in map(content, pointing(uow, "Provenance", "target", f"Task/{task}")) if _record(each, systems)]
    found = uow.current("Task", task)
    if not proofs or found is None or found.deleted:
        return []
    patient, call = patient_of(content(found)), content(found).get("groupIdentifier", {})
    lots = uow.search(Query("Task", (Clause("group-identifier", "token", (f"{call.get('system', '')}|{call.get('value', '')}",)),), count=PAGE))
    mine = [each for each in lots if patient_of(content(each)) == patient]
    every = {each.id: content(each) for lot in mine for each in pointing(uow, "Provenance", "target", lot.reference)}
    wanted = _record(proofs[0], systems), _made_by(proofs[0])
    return _gathered(uow, [each for each in every.values() if (_record(each, systems), _made_by(each)) == wanted])


def every(uow: Uow, systems: Systems, mapping: str) -> Iterator[Kept]:
    """Each record of a mapping (its name) that is stored, in no order; read a page at a time."""
    found: dict[tuple[str, str], list[Resource]] = {}
    after: tuple[str, str] | None = None
    while page := uow.search(Query("Provenance", count=PAGE, after=after)):
        for proof in map(content, page):
            if (record := _record(proof, systems)) and _made_by(proof).rpartition("/")[0] == mapping:
                found.setdefault((record, _subject(uow, proof)), []).append(proof)
        after = ("", page[-1].id)
    for (record, patient), proofs in found.items():
        yield Kept(_made_by(proofs[0]), record, patient, tuple(_gathered(uow, proofs)))


def _record(proof: Resource, systems: Systems) -> str:
    """The sender's own id of the record that a Provenance tells of; "" for the Provenance of another act."""
    system = systems.sid("record")
    identifiers = (each.get("what", {}).get("identifier", {}) for each in proof.get("entity", ()))
    return next((str(each.get("value", "")) for each in identifiers if each.get("system") == system), "")


def _made_by(proof: Resource) -> str:
    """ "name/version" of the mapping, as meta.source says it."""
    return "/".join(str(proof.get("meta", {}).get("source", "")).rsplit("/", 2)[1:])


def _subject(uow: Uow, proof: Resource) -> str:
    followed = (follow(uow, str(each.get("reference", ""))) for each in proof.get("target", ()))
    return next((patient for each in followed if each and (patient := patient_of(content(each)))), "")


def _gathered(uow: Uow, proofs: Iterable[Resource]) -> list[Resource]:
    """What the Provenances of a record point to and what else was heard, said and done about that; the person; who asked."""
    found: dict[str, Resource] = {}

    def add(version: Version | None) -> None:
        if version is not None and not version.deleted:
            found.setdefault(version.reference, content(version))

    told = list(proofs)
    for proof in told:
        found[f"Provenance/{proof['id']}"] = proof
        for target in proof.get("target", ()):
            add(follow(uow, str(target.get("reference", ""))))
    for reference, resource in [*found.items()]:
        if resource["resourceType"] in ("ServiceRequest", "Consent"):
            for each in pointing(uow, "Provenance", "target", reference):
                add(each)
        if resource["resourceType"] == "ServiceRequest":
            for type in FOLLOWING:
                for each in pointing(uow, type, "based-on", reference):
                    add(each)
        if patient := patient_of(resource):
            add(follow(uow, patient))
    named = [str(resource.get("requester", {}).get("reference", "")) for resource in found.values()]
    named += [str(agent.get("who", {}).get("reference", "")) for proof in told for agent in proof.get("agent", ())]
    for reference in named:
        if split(reference)[0] in PEOPLE and (person := follow(uow, reference)) and _provisional(content(person)):
            add(person)
            add(follow(uow, str(content(person).get("practitioner", {}).get("reference", ""))))
    return list(found.values())


def _provisional(person: Resource) -> bool:
    """Whom a record made: the directory's people were not in it."""
    return any(each.get("code") == "provisoire" for each in person.get("meta", {}).get("tag", ()))


def context(kept: Kept, intake: Intake) -> MapContext:
    """The facts the record was taken down with, as far as what is stored tells them; ids count up."""
    proof = next(each for each in kept.resources if each["resourceType"] == "Provenance")
    requests = [each for each in kept.resources if each["resourceType"] == "ServiceRequest"]
    consents = [each for each in kept.resources if each["resourceType"] == "Consent"]
    made = any(each["resourceType"] == "Practitioner" for each in kept.resources)
    requester = str(requests[0].get("requester", {}).get("reference", "")) if requests else ""
    agents = {each["type"]["coding"][0]["code"]: str(each.get("who", {}).get("reference", "")) for each in proof.get("agent", ()) if each.get("type")}
    clinic = str(consents[0]["organization"][0]["reference"]) if consents and consents[0].get("organization") else requester
    numbers = count(1)
    return replace(
        MapContext(
            at=datetime.fromisoformat(str(proof["recorded"])), new_id=lambda: f"id-{next(numbers)}", clinic=clinic, unit=_unit(intake), systems=intake.systems,
            due=intake.due, name_of=intake.name, nir_authorised=True,
        ),
        requester=None if made else requester or None, recorder=agents.get("enterer") or None, patient=kept.patient,
        request=f"ServiceRequest/{requests[0]['id']}" if requests else None,
    )  # fmt: skip


def _unit(intake: Intake) -> Callable[[str], UnitFacts | None]:
    """Units of the network, those too that are out of service now."""

    def known(key: str) -> UnitFacts | None:
        found = intake.network.unit_organisation(key)
        return intake.unit(key) or (UnitFacts(f"HealthcareService/{key}", f"Organization/{found.key}") if found else None)

    return known
