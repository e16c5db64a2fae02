"""A no before anything was sent leaves a count and no identity, whenever and through whichever door it is told (F6, I7);
what the sender of a record is told of it. Over the doors, on a store on disk that is searched as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter import audit
from adapter.network import Secret
from adapter.ports import Change, Link, Query, Resource, Uow
from adapter.store.schema import upgrade
from tests.e2e.stage import CALL, GP, Stage, staged
from tests.unit.web.test_doors import SECRET, Door

YES = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
MARKS = ("Zyxdurand", "Jeannezyx", "Zyxexemple", "Zyxmots", "39980001", "1938-02-03")
DOCTOR_MARKS = ("Zyxgeneraliste", "61919999")
STRANGER = {"nom": "Zyxgeneraliste", "prenom": "Paul", "telephone": "+33261919999", "commune": "Rouen"}
KINDS = ("Patient", "Task", "Consent", "ServiceRequest", "Provenance", "Communication", "RelatedPerson", "CareTeam", "Appointment")
FORM: dict[str, Any] = {
    "id": "fiche-1", "date": "2026-03-06", "demandeur": {"nom": "Zyxgeneraliste", "qualification": "medecin"},
    "personne": {"nom_usage": "Zyxdurand", "nom_naissance": "Zyxdurand", "prenom": "Jeannezyx", "naissance": "1938-02-03"},
    "motifs": ["acces-droits"], "destinataire": "permanence-saint-eloi", "date_rdv": "2026-03-12T14:00:00+01:00",
}  # fmt: skip


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """On disk, every client of the demonstration with the same secret."""
    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with staged(url) as found:
        network = found.app.network
        clients = tuple(replace(client, secret=Secret(file=str(file))) for client in network.clients)
        found.app.apply_network(replace(network, clients=clients))
        yield found


@pytest.fixture
def door(stage: Stage) -> Door:
    return Door(stage)


def taken(door: Door, client: str = "coursiers", mapping: str = "appel-coursier", **record: Any) -> Any:
    answer = door("POST", f"/intake/{mapping}", json=(FORM if mapping == "fiche-st-eloi" else CALL) | record, headers=door.token(client))
    assert answer.status_code == 201, answer.text
    return answer.json()


def said(door: Door, who: str, agreed: bool, client: str = "coursiers", record: str = "appel-coursier/appel-1", **more: str) -> Any:
    heard = {"who": who, "agreed": agreed, **more}
    return door("POST", f"/intake/{record}/agreements", json=heard, headers=door.token(client))


def prescribers(door: Door) -> list[Any]:
    found: list[Any] = door("GET", "/views/prescripteur/referrals", headers=door.token("saint-eloi")).json()["referrals"]
    return found


def stored(stage: Stage, type: str) -> list[Resource]:
    return [json.loads(each.served) for each in stage.app.read_now(lambda _, uow: uow.search(Query(type)))]


def left(stage: Stage) -> dict[str, int]:
    counts = {type: len(stored(stage, type)) for type in KINDS}
    return {type: count for type, count in counts.items() if count}


def on_disk(stage: Stage, folder: Path, *marks: str) -> list[str]:
    """Which of the marks stand in the rows. The pages that they stood on are freed, and are the operator's to vacuum (SECURITY)."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / "liaison.db")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        text = b"\n".join(
            value if isinstance(value, bytes) else str(value).encode() for name in tables for row in connection.execute(f'SELECT * FROM "{name}"') for value in row
        )
    return [mark for mark in marks or MARKS if mark.encode() in text]


def refusals(stage: Stage, organisation: str = "asso-coursiers") -> bytes | None:
    found: bytes | None = stage.app.read_now(lambda _, uow: uow.kept(f"refused-at-proposal:{organisation}"))
    return found


def chain(stage: Stage) -> list[Resource]:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    assert audit.verify(rows).ok
    return [json.loads(row.event) for row in rows]


# ── the patient's no ─────────────────────────────────────────────────────────────────────────────
def test_F6_no_told_after_the_record_leaves_a_count_and_no_identity(door: Door, stage: Stage, tmp_path: Path) -> None:
    taken(door, accord_medecin=YES)
    assert on_disk(stage, tmp_path) == list(MARKS) and len(prescribers(door)) == 1
    answer = said(door, "patient", False, heard_by="coursier-lea", how="telephone")
    assert (answer.status_code, answer.json()["status"], answer.json()["referrals"]) == (200, "refused", [])
    assert left(stage) == {} and on_disk(stage, tmp_path) == [] and prescribers(door) == []
    assert refusals(stage) == b"1" and stage.push() == 0
    event = next(each for each in chain(stage) if each["subtype"][0]["code"] == "refused-at-proposal")
    assert "Patient" not in json.dumps(event) and not any(mark in json.dumps(chain(stage)) for mark in MARKS)


def test_F6_same_record_again_gets_the_refused_receipt_under_its_id_and_under_its_key(door: Door, stage: Stage) -> None:
    who = door.token("coursiers")
    first = door("POST", "/intake/appel-coursier", json=CALL, headers=who | {"Idempotency-Key": "k1"}).json()
    assert first["status"] == "draft"
    said(door, "patient", False)
    for key in ({}, {"Idempotency-Key": "k1"}):
        again = door("POST", "/intake/appel-coursier", json=CALL, headers=who | key)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
        assert (again.json()["status"], again.json()["referrals"]) == ("refused", [])
    assert said(door, "patient", False).json()["status"] == "refused" and refusals(stage) == b"1"  # told twice, counted once
    assert said(door, "patient", True).json()["status"] == "refused" and left(stage) == {}  # a yes later is another record
    assert door("POST", "/intake/appel-coursier", json=CALL | {"besoins": ["isolement"]}, headers=who).status_code == 409


def test_F6_no_in_the_record_itself_still_stores_nothing(door: Door, stage: Stage, tmp_path: Path) -> None:
    assert taken(door, accord_patient={"accord": "non"})["status"] == "refused"
    assert left(stage) == {} and on_disk(stage, tmp_path) == [] and refusals(stage) == b"1"


def test_F6_no_told_to_the_practice_by_the_draft_is_the_same(door: Door, stage: Stage, tmp_path: Path) -> None:
    taken(door, accord_medecin=YES)
    card = prescribers(door)[0]
    answer = door("POST", f"/views/prescripteur/referrals/{card['id']}/withdraw", json={"how": "presence"}, headers=door.token("saint-eloi") | {"If-Match": f'W/"{card["etag"]}"'})
    assert answer.status_code == 204
    assert left(stage) == {} and on_disk(stage, tmp_path) == [] and refusals(stage, "msp-saint-eloi") == b"1"
    assert taken(door, accord_medecin=YES)["status"] == "refused"


def test_F6_no_of_somebody_who_had_said_yes_before_anything_was_sent_is_a_refusal_too(door: Door, stage: Stage, tmp_path: Path) -> None:
    taken(door)
    assert said(door, "patient", True).json()["status"] == "draft"
    assert said(door, "patient", False).json()["status"] == "refused"
    assert left(stage) == {} and on_disk(stage, tmp_path) == []


def test_F6_all_requests_of_one_record_are_forgotten_and_counted_as_one(door: Door, stage: Stage, tmp_path: Path) -> None:
    assert len(taken(door, besoins=["violences", "isolement"])["referrals"]) == 2
    said(door, "patient", False)
    assert left(stage) == {} and on_disk(stage, tmp_path) == [] and refusals(stage) == b"1"


def test_F6_appointment_and_provisional_doctor_go_with_it(door: Door, stage: Stage, tmp_path: Path) -> None:
    taken(door, "saint-eloi", "fiche-st-eloi")
    taken(door, appelant=STRANGER)
    assert left(stage)["Appointment"] == 1 and on_disk(stage, tmp_path, *DOCTOR_MARKS) == list(DOCTOR_MARKS)
    said(door, "patient", False, "saint-eloi", "fiche-st-eloi/fiche-1")
    said(door, "patient", False)
    assert left(stage) == {} and on_disk(stage, tmp_path, *MARKS, *DOCTOR_MARKS) == []


# ── who stays ────────────────────────────────────────────────────────────────────────────────────
def test_F6_person_of_another_referral_stays_and_that_referral_is_as_before(door: Door, stage: Stage) -> None:
    taken(door, id="appel-0", accord_medecin=YES, accord_patient=YES)
    kept = left(stage)
    before = door("GET", "/views/coursier-dac-asso/referrals", headers=door.token("coursiers")).json()
    taken(door)
    assert left(stage)["Patient"] == 1
    said(door, "patient", False)
    assert left(stage) == kept
    assert door("GET", "/views/coursier-dac-asso/referrals", headers=door.token("coursiers")).json() == before


def test_F6_person_the_clinic_or_its_ehr_knew_stays_and_nothing_of_the_referral_does(door: Door, stage: Stage, tmp_path: Path) -> None:
    patient = {"resourceType": "Patient", "name": [{"use": "usual", "family": "Zyxdurand", "given": ["Jeannezyx"]}], "birthDate": "1938-02-03"}
    door("POST", "/fhir/Patient", content=json.dumps(patient), headers=door.token("saint-eloi"))
    taken(door, accord_medecin=YES)
    said(door, "patient", False)
    assert left(stage) == {"Patient": 1} and on_disk(stage, tmp_path, "Zyxmots", "Zyxexemple", "39980001") == []


def _written(story: Any, uow: Uow, own: Resource) -> None:
    story.receive(uow, GP, [Change("update", "Patient", own["id"], own | {"active": True})])


def _linked(story: Any, uow: Uow, own: Resource) -> None:
    uow.save_link(Link("msp-saint-eloi", "Patient", own["id"], "r1"))


@pytest.mark.parametrize("since", [_written, _linked])
def test_F6_person_whom_the_practice_has_written_to_or_its_ehr_linked_since_stays(door: Door, stage: Stage, since: Any) -> None:
    taken(door)
    own = stored(stage, "Patient")[0]
    stage.app.write_now(lambda story, uow: since(story, uow, own))
    said(door, "patient", False)
    assert left(stage) == {"Patient": 1}


def test_F6_proof_of_an_opposition_stays_with_the_opposition(door: Door, stage: Stage) -> None:
    taken(door)
    card = prescribers(door)[0]
    tag = door.token("saint-eloi") | {"If-Match": f'W/"{card["etag"]}"'}
    assert door("POST", f"/views/prescripteur/referrals/{card['id']}/oppose", json={}, headers=tag).status_code == 204
    said(door, "patient", False)
    assert left(stage) == {"Patient": 1, "Consent": 1, "Provenance": 1}


# ── the doctor's no, and what receipts say ───────────────────────────────────────────────────────
def test_doctors_no_gives_the_draft_up_and_the_receipt_says_so(door: Door, stage: Stage) -> None:
    taken(door)
    answer = said(door, "doctor", False).json()
    assert (answer["status"], answer["referrals"][0]["status"]) == ("cancelled", "cancelled")
    assert taken(door)["status"] == "cancelled"
    assert [each["status"] for each in stored(stage, "ServiceRequest")] == ["entered-in-error"] and refusals(stage) is None
    assert stage.push() == 0


def test_F6_patients_no_after_the_doctors_is_still_a_refusal(door: Door, stage: Stage, tmp_path: Path) -> None:
    taken(door)
    said(door, "doctor", False)
    assert said(door, "patient", False).json()["status"] == "refused"
    assert left(stage) == {} and on_disk(stage, tmp_path) == [] and refusals(stage) == b"1"


def test_receipt_of_what_was_sent_says_whether_it_runs(door: Door, stage: Stage) -> None:
    assert taken(door, accord_medecin=YES, accord_patient=YES)["status"] == "requested"
    card = prescribers(door)[0]
    tag = door.token("saint-eloi") | {"If-Match": f'W/"{card["etag"]}"'}
    assert door("POST", f"/views/prescripteur/referrals/{card['id']}/withdraw", json={}, headers=tag).status_code == 204
    assert taken(door, accord_medecin=YES, accord_patient=YES)["status"] == "cancelled"
    assert left(stage)["Task"] == 1 and refusals(stage) is None  # a withdrawal keeps its proof


def test_no_to_what_was_sent_is_its_withdrawal_at_once_and_to_what_ended_nothing(door: Door, stage: Stage) -> None:
    taken(door, accord_medecin=YES, accord_patient=YES)
    shown = "/views/coursier-dac-asso/referrals"
    assert len(door("GET", shown, headers=door.token("coursiers")).json()["referrals"]) == 1
    said_at = {"heard_by": "coursier-lea", "how": "telephone", "at": "2026-03-06T18:50:00+01:00"}
    assert said(door, "patient", False, heard_by="nobody").status_code == 422
    assert said(door, "patient", False, **said_at).json()["status"] == "cancelled"
    assert door("GET", shown, headers=door.token("coursiers")).json()["referrals"] == []
    assert {each["status"] for each in stored(stage, "Consent")} == {"inactive"} and refusals(stage) is None
    (proof,) = [each for each in stored(stage, "Provenance") if each["activity"]["coding"][0]["code"] == "retrait"]
    assert proof["occurredDateTime"] == "2026-03-06T17:50:00.000Z" and "PractitionerRole/coursier-lea" in json.dumps(proof["agent"])
    before = left(stage)
    assert said(door, "patient", False).json()["status"] == "cancelled" and left(stage) == before


def test_doctors_no_to_what_was_sent_is_refused_and_writes_nothing(door: Door, stage: Stage) -> None:
    taken(door, accord_medecin=YES, accord_patient=YES)
    before = [stored(stage, kind) for kind in KINDS]
    answer = said(door, "doctor", False)
    assert answer.status_code == 409 and all(word in answer.text for word in ("sent", "cancels", "withdraws"))
    assert [stored(stage, kind) for kind in KINDS] == before


def test_no_heard_by_nobody_is_refused_and_forgets_nothing(door: Door, stage: Stage) -> None:
    taken(door)
    assert said(door, "patient", False, heard_by="nobody").status_code == 422
    assert said(door, "patient", False, at="2027-01-01T00:00:00Z").status_code == 422
    assert left(stage)["Task"] == 1 and refusals(stage) is None
