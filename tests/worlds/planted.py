"""A referral to every kind of recipient, with a token of each data class in its resources, as an EHR or another record could have
brought them: what a view, and nothing before it, must keep back. All invented."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any
from unittest import mock

from adapter import dossier, web
from adapter.clock import instant
from adapter.network import CATEGORIES, PRESCRIBER, ClientEntry, Network, Organisation, Person, Unit
from adapter.network.model import PAPER_ONLY
from adapter.ports import Change, Principal, Resource
from adapter.views import pairwise
from adapter.web.auth import Issued, digest
from adapter.writing import Writer
from tests.e2e.stage import CLINIC, FRIDAY
from tests.unit.views.looks import CONSENT, LABELS, NEEDS, SYSTEMS, coded, other
from tests.worlds.observer import TYPES, Observer
from tests.worlds.world import World, _network

SERVICES = tuple(each for each in CATEGORIES if each != PRESCRIBER)
STAGES = ("named", "pool")
CONSENTS = ("present", "absent", "expired", "inactive", "withdrawn")
DOCTOR = Principal("clinic", CLINIC, None, "clinic", person="dr-zyx", scopes=frozenset({"system/*.cruds"}))
SCOPES = ("system/*.rs", "views")

# One token for each class, and those that stand in no line of any view ("D9 name", "D12 dates").
TOKENS: Mapping[str, tuple[str, ...]] = {
    "D1": ("zyxdone",), "D2": ("1931-07-19",), "D3": ("zyxdthree",), "D5": ("2031-05-05",), "D6": ("sans-ressources", LABELS["situation"]["sans-ressources"]["fr"]),
    "D7": ("fauteuil",), "D8": ("zyxdeight",), "D9": ("voisin",), "D10": ("zyxdten",), "D11": ("2026-01-17t09:08",),
    "D12": ("rdv-fixe", LABELS["business-status"]["rdv-fixe"]["fr"]), "D13": ("zyxdthirteen",), "D9 name": ("zyxdninename",), "D12 dates": ("2029-04-05",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One state of a referral. `needs` are asked for; `team`: the recipient's person is of the person's team."""

    consent: str
    accepted: bool
    team: bool
    needs: tuple[str, ...]


def found_in(sent: bytes, needs: tuple[str, ...]) -> frozenset[str]:
    """The classes whose token is in some bytes."""
    text = sent.decode("utf-8").lower()
    neutral = f'"{NEEDS[needs[0]].neutral}"'
    return frozenset({cls for cls, tokens in TOKENS.items() if any(token.lower() in text for token in tokens)} | ({"D4"} if neutral in text else set()))


def unit_of(category: str, stage: str) -> str:
    return f"u-{category}-{stage}"


@cache
def network(*, paper: bool = False) -> Network:
    """The clinic, and a named and a pool unit of every category; `paper`: of those too that no network file may name."""
    pack = {"controller": "fictif", "legal_basis": "fictive", "secrecy_text": "fictif", "nir_authorised": "fictive"}
    categories = (*SERVICES, *(PAPER_ONLY if paper else ()))
    services = [
        Organisation(key=f"o-{each}", kind="service", name=f"Service {each}", category=each, **pack,
                     units=tuple(Unit(key=unit_of(each, stage), name=f"Unité {each}", service="entretien-as", stage=stage) for stage in STAGES))  # type: ignore[arg-type]
        for each in categories
    ]  # fmt: skip
    people = [Person(key=f"p-{each}-{stage}", name="Personne fictive", role="social-worker", unit=unit_of(each, stage)) for each in categories for stage in STAGES]
    doctor = Person(key="dr-zyx", name="Zyxdten", family="Zyxdten", role="doctor", organisation=CLINIC, phone="+33261910012")
    clients = [ClientEntry(f"c-{each}-{stage}", f"o-{each}", unit_of(each, stage), f"p-{each}-{stage}", "service", scopes=SCOPES) for each in categories for stage in STAGES]
    clients.append(ClientEntry("clinic", CLINIC, "", "dr-zyx", "clinic", scopes=SCOPES))
    demo = _network()
    clinic = [each for each in demo.organisations if each.key == CLINIC]
    return replace(demo, organisations=(*clinic, *services), people=(doctor, *people), clients=tuple(clients))


def plant(made: World, category: str, stage: str, case: Case) -> Resource:
    """The Task of a referral in that state. The writer's own rule, that nothing leaves without both agreements, is put aside:
    the view and the decision have to hold by themselves."""
    made.act(f"{category}-{stage}", 0)
    service = Principal("x", f"o-{category}", unit_of(category, stage), "service", person=f"p-{category}-{stage}")
    with mock.patch.object(Writer, "_agreed", lambda *_, **__: None):
        task = _stored(made, category, stage, case)
        if case.accepted:
            change = Change("update", "Task", task["id"], task | {"status": "accepted"}, origin="intake")
            made.app.write_now(lambda story, uow: story.receive(uow, service, [change]))
    if case.consent == "withdrawn":
        made.clock.tick(timedelta(minutes=5))
        made.app.write_now(lambda story, uow: story.withdraw(uow, DOCTOR, dossier.load(uow, task["id"]), {"heard_by": "dr-zyx"}))
    return task


def _stored(made: World, category: str, stage: str, case: Case) -> Resource:
    patient, consent, request, task = (made.clock.new_id() for _ in range(4))
    about, owner = {"reference": f"Patient/{patient}"}, {"reference": f"HealthcareService/{unit_of(category, stage)}"}
    asked = [coded("need", each) for each in case.needs]
    resources: list[Resource] = [
        _patient(patient), _consent(consent, category, about, asked, case),
        {"resourceType": "ServiceRequest", "id": request, "status": "active", "intent": "order", "priority": "urgent", "subject": about,
         "category": [other("http://hl7.org/fhir/us/core/CodeSystem/us-core-category", "sdoh")], "code": coded("service", "entretien-as"),
         "authoredOn": "2026-03-06T18:50:00+01:00", "requester": {"reference": "PractitionerRole/dr-zyx"}, "performer": [owner], "reasonCode": asked,
         "supportingInfo": [{"reference": f"Consent/{consent}"}], "note": [{"text": "Zyxdeight"}],
         "orderDetail": [coded("situation", "sans-ressources"), coded("constraint", "fauteuil"),
                         {"coding": [*coded("relation", "voisin")["coding"], *coded("age-class", "60-74")["coding"]]}]},
        {"resourceType": "Task", "id": task, "status": "requested", "intent": "order", "priority": "urgent", "for": about, "owner": owner,
         "code": other("http://hl7.org/fhir/CodeSystem/task-code", "fulfill"), "focus": {"reference": f"ServiceRequest/{request}"},
         "authoredOn": "2026-03-06T18:50:00+01:00", "lastModified": "2026-03-06T18:50:00+01:00", "requester": {"reference": f"Organization/{CLINIC}"},
         "businessStatus": coded("business-status", "rdv-fixe"), "restriction": {"period": {"end": "2031-05-05T10:11:12.000Z"}},
         "executionPeriod": {"start": "2029-04-05"}, "note": [{"text": "Zyxdthirteen"}]},
    ]  # fmt: skip
    if case.team:
        member = {"member": {"reference": f"PractitionerRole/p-{category}-{stage}"}, "period": {"start": instant(FRIDAY - timedelta(days=9))}}
        resources.append({"resourceType": "CareTeam", "id": made.clock.new_id(), "status": "active", "subject": about, "participant": [member],
                          "managingOrganization": [{"reference": f"Organization/{CLINIC}"}]})  # fmt: skip
    changes = [Change("create", each["resourceType"], each["id"], each, origin="intake") for each in resources]
    made.app.write_now(lambda story, uow: story.receive(uow, DOCTOR, changes))
    return resources[3]


def _patient(id: str) -> Resource:
    return {
        "resourceType": "Patient", "id": id, "active": True, "managingOrganization": {"reference": f"Organization/{CLINIC}"}, "gender": "female",
        "birthDate": "1931-07-19", "name": [{"use": "official", "family": "Zyxdone", "given": ["Zyxdonegiven"]}],
        "telecom": [{"system": "phone", "value": "+33639980001"}], "address": [{"line": ["1 rue Zyxdone"], "postalCode": "76100", "city": "Rouen"}],
        "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "Zyxdthree"}], "contact": [{"name": {"family": "Zyxdninename"}}],
        "maritalStatus": {"text": "Zyxdeight"}, "text": {"status": "generated", "div": "<div>Zyxdeight</div>"},
    }  # fmt: skip


def _consent(id: str, category: str, about: Resource, asked: list[Resource], case: Case) -> Resource:
    actor = {**CONSENT["provision"]["actor"][0], "reference": {"reference": f"Organization/o-{category}"}}
    status = {"absent": "proposed", "inactive": "inactive"}.get(case.consent, "active")
    period = {"period": {"start": "2026-01-01", "end": "2026-03-01"}} if case.consent == "expired" else {}
    kept = {name: value for name, value in CONSENT.items() if name not in ("meta", "identifier", "sourceAttachment")}
    return kept | {
        "id": id, "status": status, "patient": about, "organization": [{"reference": f"Organization/{CLINIC}"}], "dateTime": "2026-01-17T09:08:07.000Z",
        "provision": CONSENT["provision"] | period | {"actor": [actor], "code": asked},
    }  # fmt: skip


class Software(Observer):
    """The software of one client of this network, in one view."""

    def __init__(self, made: World, client: str, unit: str, view: str) -> None:
        self.made = self.world = made
        self.asgi, self.unit, self.view, self.answers = web.create(made.app), unit, view, []
        made.act("software", 60 * 24)
        expires = FRIDAY + timedelta(days=9)
        entry = made.app.network.client(client)
        assert entry is not None
        issued = Issued.now(made.app, entry, entry.scopes, expires)
        self.token = f"a-token-of-{client}"
        made.app.write_now(lambda _, uow: uow.save_token(digest(self.token), issued.written(), expires))

    def own(self, task: Resource) -> str:
        """The id under which it would know the Task."""
        return pairwise(self.made.app.settings.key(), self.unit, "Task", task["id"])

    def doors(self, task: Resource) -> Iterator[tuple[str, int, bytes]]:
        """(door, status, body) of every door it has: list, card, the card with all that is shown on demand, search and read of each type, notices and sheets owed."""
        card = f"referrals/{self.own(task)}"
        demand = f"{card}?demand={','.join(sorted(self.made.app.views[self.view].on_demand))}"
        for door, path in (("list", "referrals"), ("card", card), ("demand", demand), ("notices", "notices"), ("owed", "owed")):
            _, status, _, body = self.ask("GET", f"/views/{self.view}/{path}")
            yield door, status, body
        for type in TYPES:
            _, status, _, body = self.ask("GET", f"/fhir/{type}")
            yield "search", status, body
            ids = [entry["resource"]["id"] for entry in json.loads(body).get("entry", ())] if status == 200 else []
            for id in ids or ([self.own(task)] if type == "Task" else []):
                _, status, _, body = self.ask("GET", f"/fhir/{type}/{id}")
                yield "read", status, body


def seen(software: Software, task: Resource, needs: tuple[str, ...]) -> dict[str, tuple[frozenset[str], set[int]]]:
    """Door -> (classes whose token came out of it, statuses)."""
    out: dict[str, tuple[frozenset[str], set[int]]] = {}
    for door, status, body in software.doors(task):
        before, statuses = out.get(door, (frozenset[str](), set[int]()))
        out[door] = before | found_in(body, needs), statuses | {status}
    return out


__all__ = ["CONSENTS", "SERVICES", "STAGES", "SYSTEMS", "TOKENS", "Any", "Case", "Software", "network", "plant", "seen", "unit_of"]
