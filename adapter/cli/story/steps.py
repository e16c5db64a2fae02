"""The steps of the demonstration (F1 of the scenarios): each does one thing through the doors and checks what came back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adapter import audit
from adapter.cli.story.stage import CLINIC, Answer, Stage
from adapter.ports import Resource

CALL: dict[str, Any] = {
    "id": "appel-2026-03-06-1",
    "appel": "2026-03-06T18:50:00+01:00",
    "appelant": {"nom": "Exemple", "prenom": "Camille", "telephone": "+33261910012", "commune": "Rouen", "rpps": "10000000009"},
    "preneur_appel": "coursier-lea",
    "personne": {
        "nom": "Fictive", "nom_naissance": "Fictive", "prenom": "Jeanne", "naissance": "1938-02-03", "sexe": "F",
        "telephone": "+33639980001", "canal_sur": "oui",
        "adresse": {"ligne": "12 rue de l'Exemple", "code_postal": "76100", "commune": "Rouen", "code_insee": "76540"},
    },
    "besoins": ["denutrition", "isolement"], "urgence": "48h", "contraintes": ["marche-aide"], "destinataire": "coursier-rouen",
    "mots_du_medecin": "Ne mange plus depuis dix jours.",
}  # fmt: skip
VIEW, EXTENSION = "coursier-dac-asso", "https://ehr.example/StructureDefinition/room"
COURSIER, SAAD, GP = ("coursiers", "Léa Fictive, coursier"), ("saad", "Noé Inventé, SAAD"), ("saint-eloi", "Dr Camille Exemple")
PRACTICE, LIAISON = ("", "Maison de santé, dans son EHR"), ("", "Liaison")


@dataclass
class Told:
    """What a step tells. `checks`: name → held."""

    checks: dict[str, bool]
    card: dict[str, Any] = field(default_factory=dict)
    fhir: list[Resource] = field(default_factory=list)
    decision: str = ""


Step = Callable[[Stage], Told]


def _record(stage: Stage, **changed: Any) -> dict[str, Any]:
    record = copy.deepcopy(stage.record or CALL)
    if stage.prefix and isinstance(person := record.get("personne"), dict):
        person["nom_naissance"] = f"{person.get('nom_naissance') or person.get('nom', '')}{stage.prefix}"
    return record | changed


def _reason(stage: Stage) -> str:
    """The newest decision in the audit, in words."""
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    import orjson

    for row in reversed(rows):
        event = orjson.loads(row.event)
        for entity in event.get("entity", ()):
            for detail in entity.get("detail", ()):
                if detail.get("type") == "rule":
                    return f"{'permit' if event.get('outcome', '0') == '0' else 'deny'} ({detail.get('valueString')})"
    return ""


def planted(stage: Stage) -> Told:
    """The practice's EHR knows its patient and itself before Liaison comes."""
    person = _record(stage)["personne"]
    name = {"use": "official", "family": person.get("nom_naissance"), "given": [person.get("prenom")]}
    patient = {"resourceType": "Patient", "name": [name], "gender": "female", "birthDate": person.get("naissance")}
    stage.notes["patient"] = stage.ehr.create(patient).id
    return Told({"the EHR has its patient": bool(stage.notes["patient"])})


def taken_down(stage: Stage) -> Told:
    answer = stage.http("POST", f"/intake/{stage.mapping}", client=COURSIER[0], body=_record(stage))
    if answer.status != 201:
        return Told({f"the record is taken in (HTTP {answer.status}: {_why(answer)})": False})
    stage.notes["receipt"] = answer.body
    first = answer.body["referrals"][0]
    sent = stage.push()
    return Told(
        {"nothing left": sent == 0 or answer.body["status"] == "requested", "due said": bool(first["dueSaid"]["fr"])},
        card={"status": answer.body["status"], "due": first["dueSaid"][stage.lang if stage.lang in ("fr", "en") else "fr"]},
    )


def _agree(stage: Stage, who: str) -> Answer:
    heard = {"who": who, "agreed": True, "heard_by": "coursier-lea", "how": "telephone"}
    return stage.http("POST", f"/intake/{stage.mapping}/{stage.notes['receipt']['record']}/agreements", client=COURSIER[0], body=heard)


def doctor_agrees(stage: Stage) -> Told:
    answer = _agree(stage, "doctor")
    return Told({"accepted": answer.status == 200, "nothing left": stage.push() == 0 or answer.body["status"] == "requested"}, card=_line(answer))


def person_agrees(stage: Stage) -> Told:
    answer = _agree(stage, "patient")
    stage.push()
    line = stage.notes["receipt"]["referrals"][0]
    stage.notes |= {"task": line["task"], "request": line["serviceRequest"]}
    found = [stage.there("ServiceRequest", line["serviceRequest"]), stage.there("Task", line["task"])]
    return Told(
        {"sent": answer.status == 200 and answer.body["status"] == "requested", "one of each in the EHR": [len(each) for each in found] == [1, 1]},
        card=_line(answer), fhir=[each for pair in found for each in pair], decision=_reason(stage),
    )  # fmt: skip


def _line(answer: Answer) -> dict[str, Any]:
    return {key: answer.body["referrals"][0][key] for key in ("reference", "status", "due")} if answer.status == 200 else {}


def _why(answer: Answer) -> str:
    issues = (answer.body or {}).get("issue", [{}]) if isinstance(answer.body, dict) else [{}]
    return "; ".join(str(each.get("diagnostics") or each.get("details", {}).get("text", "")) for each in issues)


def _card(stage: Stage, who: tuple[str, str], view: str) -> dict[str, Any]:
    """The newest card of that unit, with the ETag to act on it."""
    listed = stage.http("GET", f"/views/{view}/referrals", client=who[0]).body["referrals"]
    return dict(listed[0]) if listed else {}


def _act(stage: Stage, who: tuple[str, str], view: str, verb: str, **arguments: Any) -> Answer:
    card = stage.notes[view]
    path = f"/views/{view}/referrals/{card['id']}"
    now = stage.http("GET", path, client=who[0])
    return stage.http("POST", f"{path}/{verb}", client=who[0], body=arguments, match=now.headers.get("etag", ""))


def accepts(stage: Stage) -> Told:
    stage.notes[VIEW] = _card(stage, COURSIER, VIEW)
    answer = _act(stage, COURSIER, VIEW, "accept")
    stage.push()
    remote = stage.remote("Task", stage.notes["task"])
    status = remote.resource["status"] if remote else ""
    return Told({"accepted": answer.status == 200, "the EHR knows": status == "accepted"}, card=answer.body, decision=_reason(stage))


def visits(stage: Stage) -> Told:
    answer = _act(stage, COURSIER, VIEW, "start")
    stage.push()
    return Told({"in progress": answer.status == 200 and answer.body["state"] == "in-progress"}, card=answer.body)


def practice_writes(stage: Stage) -> Told:
    remote = stage.remote("Task", stage.notes["task"])
    if remote is None:
        return Told({"the Task is in the EHR": False})
    note = {"note": [{"text": "Vue au cabinet."}], "extension": [{"url": EXTENSION, "valueString": "2"}]}
    changed = stage.ehr.update(remote.resource | note, if_match=remote.version)
    stage.pull()
    return Told({"written there": changed.version != remote.version}, fhir=[changed.resource])


def further(stage: Stage) -> Told:
    asked = {
        "destinataire": "saad-portage", "besoins": ["denutrition"], "service": "portage-repas", "contraintes": ["marche-aide"],
        "cabinet_informe": "oui", "accord_patient": {"accord": "oui", "par": "coursier-lea", "comment": "presence"},
    }  # fmt: skip
    answer = _act(stage, COURSIER, VIEW, "refer", **asked)
    stage.push()
    stage.notes["saad"] = offer = _card(stage, SAAD, "saad")
    hidden = answer.status == 200 and bool(offer) and "person" not in offer
    requests = [each for each in stage.there("ServiceRequest") if each.get("intent") == "filler-order"]
    return Told({"offered without a name": hidden, "the practice may know": len(requests) >= 1}, card=offer, fhir=requests[-1:], decision=_reason(stage))


def saad_accepts(stage: Stage) -> Told:
    answer = _act(stage, SAAD, "saad", "accept")
    person = answer.body.get("person", {}) if answer.status == 200 else {}
    return Told({"now it knows whom": bool(person), "no birth date": "birth_date" not in person}, card=answer.body)


def done(stage: Stage) -> Told:
    answer = _act(stage, COURSIER, VIEW, "complete", outcome="aide-alimentaire-en-place")
    stage.push()
    remote = stage.remote("Task", stage.notes["task"])
    task = remote.resource if remote else {}
    kept = bool(task.get("note")) and any(each.get("url") == EXTENSION for each in task.get("extension", ()))
    output = (task.get("output") or [{}])[0].get("valueReference", {}).get("reference", "")
    procedure = stage.ehr.read("Procedure", output.partition("/")[2]) if output.startswith("Procedure/") else None
    checks = {
        "completed": answer.status == 200 and task.get("status") == "completed",
        "its Procedure is there": procedure is not None,
        "the practice's note and extension survived": kept,
    }
    return Told(checks, card=answer.body, fhir=[task, *([procedure.resource] if procedure else [])])


def answered(stage: Stage) -> Told:
    listed = stage.http("GET", "/views/prescripteur/referrals", client=GP[0]).body["referrals"]
    card: dict[str, Any] = next((each for each in listed if each["reference"] == stage.notes[VIEW]["reference"]), {})
    return Told({"the doctor reads the outcome": bool(card.get("outcome"))}, card=card, decision=_reason(stage))


def withdrawn(stage: Stage) -> Told:
    yes = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
    record = _record(stage, id="appel-2026-03-06-2", accord_medecin=yes, accord_patient=yes, **({} if stage.record else {"besoins": ["isolement"]}))
    receipt = stage.http("POST", f"/intake/{stage.mapping}", client=COURSIER[0], body=record)
    stage.push()
    if receipt.status != 201:
        return Told({f"a second referral (HTTP {receipt.status}: {_why(receipt)})": False})
    line = receipt.body["referrals"][0]
    listed = stage.http("GET", f"/views/{VIEW}/referrals", client=COURSIER[0]).body["referrals"]
    stage.notes[VIEW] = next(each for each in listed if each["reference"] == line["reference"])
    gone = _act(stage, COURSIER, VIEW, "withdraw", heard_by="coursier-lea")
    again = stage.http("GET", f"/views/{VIEW}/referrals/{stage.notes[VIEW]['id']}", client=COURSIER[0])
    notices = stage.http("GET", f"/views/{VIEW}/notices", client=COURSIER[0]).body["notices"]
    stage.push()
    remote = stage.remote("Task", line["task"])
    checks = {
        "the view closed at once": gone.status == 204 and again.status == 404,
        "a closing notice, without a name": [each["reference"] for each in notices] == [line["reference"]],
        "the EHR was told": remote is not None and remote.resource["status"] == "cancelled",
    }
    return Told(checks, card=notices[0] if notices else {}, decision=_reason(stage))


def proven(stage: Stage) -> Told:
    patients = [each for page in stage.ehr.search("Patient", _person(stage)) for each in page]
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=1_000_000))
    verdict = audit.verify(rows)
    return Told({"one patient, the one that was there": [each.id for each in patients] == [stage.notes["patient"]], "the audit chain verifies": verdict.ok})


def _person(stage: Stage) -> list[tuple[str, str]]:
    person = _record(stage)["personne"]
    return [("family", str(person.get("nom_naissance"))), ("birthdate", str(person.get("naissance")))]


STEPS: tuple[tuple[str, tuple[str, str], dict[str, str], Step], ...] = (
    ("patient-known", PRACTICE, {"fr": "Le dossier du cabinet connaît la personne", "en": "The practice's record knows the person"}, planted),
    ("call", COURSIER, {"fr": "Vendredi 18 h 50 : l'appel est noté", "en": "Friday 18:50: the call is taken down"}, taken_down),
    ("doctor-agrees", GP, {"fr": "Le médecin est d'accord ; rien ne part encore", "en": "The doctor agrees; nothing leaves yet"}, doctor_agrees),
    ("person-agrees", COURSIER, {"fr": "La personne est d'accord : la demande part", "en": "The person agrees: the request leaves"}, person_agrees),
    ("accept", COURSIER, {"fr": "Le coursier accepte", "en": "The courier accepts"}, accepts),
    ("visit", COURSIER, {"fr": "La visite", "en": "The visit"}, visits),
    ("practice-writes", PRACTICE, {"fr": "Le cabinet écrit dans son dossier", "en": "The practice writes in its record"}, practice_writes),
    ("further-service", COURSIER, {"fr": "Un second service est demandé", "en": "A second service is asked"}, further),
    ("pool-accepts", SAAD, {"fr": "Le service d'aide à domicile accepte", "en": "The home help service accepts"}, saad_accepts),
    ("outcome", COURSIER, {"fr": "La suite donnée", "en": "The outcome"}, done),
    ("answer", GP, {"fr": "La réponse au médecin", "en": "The answer to the doctor"}, answered),
    ("withdrawal", COURSIER, {"fr": "Seconde demande : la personne retire son accord", "en": "Second request: the person withdraws"}, withdrawn),
    ("proof", LIAISON, {"fr": "Preuves", "en": "Proof"}, proven),
)
__all__ = ["CLINIC", "STEPS", "Told"]
