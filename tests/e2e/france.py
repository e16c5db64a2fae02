"""What the scenarios of france.md 8 share: a call, a form, and all that was stored, shown, told and sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from adapter import audit
from adapter.fhir import query
from adapter.ports import Principal, Query, Resource
from tests.e2e.stage import GP, Stage

DOCTOR, VIEW = "prescripteur", "coursier-dac-asso"
YES = {"accord": "oui", "par": "coursier-lea", "le": "2026-03-06T18:50:00+01:00", "comment": "telephone"}
NIR = "268027654000175"
FORM: dict[str, Any] = {
    "id": "fiche-1",
    "date": "2026-03-06",
    "demandeur": {"nom": "Exemple", "prenom": "Camille", "qualification": "medecin"},
    "personne": {
        "nom_usage": "Zyxdurand", "nom_naissance": "Zyxdurand", "prenom": "Jeannezyx", "naissance": "1938-02-03",
        "adresse": {"ligne": "12 rue Zyxexemple", "code_postal": "76100", "commune": "Rouen"}, "telephone": "+33639980001",
    },
    "accord_patient": {"accord": "oui", "par": "dr-exemple", "comment": "presence"},
    "motifs": ["maintien-emploi"],
    "destinataire": "permanence-saint-eloi",
}  # fmt: skip


def only(found: Any) -> Any:
    (one,) = found
    return one


def call(stage: Stage, **changed: Any) -> Any:
    """A call with both agreements in it."""
    return stage.call(accord_medecin=YES, accord_patient=YES, **changed)


def form(stage: Stage, who: Principal = GP, **changed: Any) -> Any:
    return stage.app.write_now(lambda story, uow: story.refer(uow, who, "fiche-st-eloi", FORM | changed))


def stored(stage: Stage, type: str) -> list[Resource]:
    return [json.loads(each.served) for each in stage.app.read_now(lambda _, uow: uow.search(Query(type)))]


def events(stage: Stage) -> list[Resource]:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    assert audit.verify(rows).ok
    return [json.loads(row.event) for row in rows]


TYPES = ("Task", "ServiceRequest", "Patient", "Consent", "Procedure", "Communication", "Organization", "HealthcareService", "Practitioner", "PractitionerRole")


def seen(stage: Stage, who: Principal, view: str) -> str:
    """Everything a service gets of the views API and of /fhir, as one text."""
    reader = replace(who, scopes=frozenset({"system/*.rs"}))
    cards = [each.card for each in stage.cards(who, view)]
    found = [each.served.decode() for type in TYPES for each in stage.app.write_now(lambda story, uow, type=type: story.search(uow, reader, query(type, []))[0])]
    return json.dumps(cards, ensure_ascii=False) + "".join(found)


def there(stage: Stage) -> str:
    """Everything the clinic's EHR was given."""
    stage.push()
    return json.dumps([stage.ehr.all(type) for type in ("ServiceRequest", "Task", "Consent", "Procedure", "Communication")], ensure_ascii=False)
