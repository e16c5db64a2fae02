"""A record again, from what is stored: whole, whatever became of the referral, to the practice that sent it and to nobody else."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter import recorded
from adapter.errors import SettingsError
from adapter.referral import verbs
from adapter.store import upgrade
from tests.e2e.desk import Desk
from tests.e2e.stage import CALL, ROOT, SAAD, Stage, staged
from tests.e2e.test_hearsay import FORM, YES, act, cards, taken
from tests.e2e.test_hearsay import stage as _stage
from tests.unit.web.test_doors import Door

stage = _stage
CARSAT = "/views/as-carsat/referrals"
ASKED = FORM | {"motifs": ["Accès aux droits"], "demandeur": FORM["demandeur"] | {"qualification": "Médecin généraliste"}, "accord_patient": FORM["accord_patient"] | {"texte": "accord-1", "langue": "fr"}}
HEARD = {"heard_by": "dr-exemple", "how": "telephone"}


@pytest.fixture
def door(stage: Stage) -> Door:
    return Door(stage)


def again(door: Door, mapping: str, record: str, client: str = "saint-eloi", status: int = 200) -> Any:
    answer = door("GET", f"/intake/{mapping}/{record}", headers=door.token(client))
    assert answer.status_code == status, answer.text
    return answer.json()


def filled(door: Door, **changed: Any) -> Any:
    taken(door, "saint-eloi", "fiche-st-eloi", FORM | changed)
    (card,) = cards(door, "carsat", CARSAT)
    return card


def question(record: dict[str, Any]) -> dict[str, Any]:
    """What the requester wrote."""
    return {name: value for name, value in record.items() if name != "reponse"}


def test_form_is_given_again_with_its_answer(door: Door, stage: Stage) -> None:
    card = filled(door)
    assert question(again(door, "fiche-st-eloi", "fiche-1")) == question(ASKED) and "reponse" not in again(door, "fiche-st-eloi", "fiche-1")
    act(door, "carsat", CARSAT, card, "accept")
    (card,) = cards(door, "carsat", CARSAT)
    stage.clock.tick(timedelta(days=4))
    act(door, "carsat", CARSAT, card, "complete", outcome="droits-ouverts")
    found = again(door, "fiche-st-eloi", "fiche-1")
    assert question(found) == question(ASKED)
    assert found["reponse"] == {
        "nom": "Service social de l'Assurance maladie Normandie (fictif)", "etat": "close", "conformite": "oui", "le": "2026-03-10T18:50:00+01:00",
        "suite_donnee": [{"besoins": ["acces-droits"], "suite": "droits-ouverts"}],
    }  # fmt: skip


def test_F5_form_is_given_again_as_not_for_this_service(door: Door) -> None:
    act(door, "carsat", CARSAT, filled(door), "decline", reason="mauvaise-orientation")
    found = again(door, "fiche-st-eloi", "fiche-1")
    assert question(found) == question(ASKED)
    assert {name: found["reponse"][name] for name in ("etat", "conformite", "motif")} == {"etat": "refusée", "conformite": "non", "motif": "mauvaise-orientation"}


def test_F8_form_is_given_again_whole_after_the_agreement_was_taken_back(door: Door, stage: Stage) -> None:
    filled(door)
    (mine,) = cards(door, "saint-eloi", "/views/prescripteur/referrals")
    assert act(door, "saint-eloi", "/views/prescripteur/referrals", mine, "withdraw", **HEARD).status_code in (200, 204)
    found = again(door, "fiche-st-eloi", "fiche-1")
    assert question(found) == question(ASKED)
    assert found["reponse"] == {"etat": "annulée", "motif": "demande-close", "le": "2026-03-06T18:50:00+01:00"}


def expired(stage: Stage) -> None:
    """Thirty days later: what the due job does of it."""
    stage.clock.tick(timedelta(days=30))

    def end(story: Any, uow: Any) -> None:
        from adapter import acts, dossier
        from adapter.ports import Principal, Query

        (task,) = uow.search(Query("Task"))
        found = dossier.load(uow, task.id)
        assert found
        device = Principal("liaison", found.clinic, role="device")
        referral = verbs.Referral(found.task, found.request, found.named)
        done = verbs.cancel(referral, story.agreements.scene(uow, device), "sans-reponse", actor="requester")
        story.receive(uow, device, acts.changes(found, done, origin="device"))

    stage.app.write_now(end)


def test_F13_form_is_given_again_whole_after_nobody_answered(door: Door, stage: Stage) -> None:
    filled(door)
    expired(stage)
    found = again(door, "fiche-st-eloi", "fiche-1")
    assert question(found) == question(ASKED)
    assert (found["reponse"]["etat"], found["reponse"]["motif"], "nom" in found["reponse"]) == ("annulée", "sans-reponse", False)


CALLED = CALL | {"accord_medecin": YES | {"par": "dr-exemple"}, "accord_patient": YES | {"par": "dr-exemple"}, "preneur_appel": "dr-exemple"}


def test_call_in_two_lots_is_given_again_as_one(door: Door) -> None:
    taken(door, "saint-eloi", "appel-coursier", CALLED | {"besoins": ["denutrition", "violences"], "personne": CALL["personne"]})
    found = again(door, "appel-coursier", "appel-1")
    assert found["besoins"] == ["denutrition", "violences"] and found["mots_du_medecin"] == CALL["mots_du_medecin"]
    assert {name: found[name] for name in ("personne", "appel", "urgence", "contraintes", "destinataire")} == {
        name: CALL[name] for name in ("personne", "appel", "urgence", "contraintes", "destinataire")
    }


ORIENTED: dict[str, Any] = {
    "query_id": "dora-1", "status": "OUVERTE", "creation_date": "2026-03-06T10:00:00+01:00", "service": "coursier-rouen", "thematiques": ["isolement"],
    "prescriber": {"last_name": "Exemple", "email": "ines@exemple.example"}, "beneficiary_first_name": "Nourzyx", "beneficiary_last_name": "Zyxmodele",
    "beneficiary_france_travail_number": "Zyx0000A", "beneficiary_phone": "+33639980004", "orientation_reasons": "Zyxmots: ne peut plus exercer",
    "situation_other": "Zyxmots: son handicap", "data_protection_commitment": True,
    "accord_patient": {"accord": "oui", "par": "dr-exemple", "le": "2026-03-06T09:55:00+01:00", "comment": "presence"},
}  # fmt: skip


def test_F12_words_of_an_orientation_and_its_number_are_in_no_view_and_the_number_comes_back_once_it_was_accepted(door: Door, stage: Stage) -> None:
    taken(door, "saint-eloi", "dora-orientation", ORIENTED)
    number = "beneficiary_france_travail_number"
    first = again(door, "dora-orientation", "dora-1")
    assert first["status"] == "OUVERTE" and number not in first and first["orientation_reasons"] == ORIENTED["orientation_reasons"]
    view = "/views/coursier-dac-asso/referrals"
    for _ in ("offered", "accepted"):
        who = door.token("coursiers")
        told = door("GET", view, headers=who).text + json.dumps(cards(door)) + "".join(
            door("GET", f"/fhir/{type}", headers=who).text for type in ("Patient", "Task", "ServiceRequest", "Consent", "QuestionnaireResponse")
        )
        assert "Zyxmodele" in told and "Zyxmots" not in told and "Zyx0000A" not in told
        act(door, "coursiers", view, cards(door)[0], "accept")
    accepted = again(door, "dora-orientation", "dora-1")
    assert (accepted["status"], accepted[number]) == ("VALIDÉE", "Zyx0000A")
    stage.push()
    assert all("Zyx0000A" not in text and "Zyxmots" not in text for text in map(str, stage.ehr.requests))


@pytest.mark.parametrize("client", ["coursiers", "carsat", "ccas", "saad"])
def test_record_of_another_house_is_as_one_that_was_never_sent(door: Door, client: str) -> None:
    filled(door)
    taken(door, "coursiers", "appel-coursier", CALL | {"accord_medecin": YES, "accord_patient": YES})
    answers = [door("GET", f"/intake/{mapping}/{record}", headers=door.token(client)) for mapping, record in
               (("fiche-st-eloi", "fiche-1"), ("fiche-st-eloi", "fiche-2"), ("appel-coursier", "appel-1"))]  # fmt: skip
    assert len({(each.status_code, json.dumps(each.json()["issue"])) for each in answers}) == 1 and answers[0].status_code in (403, 404)


# ── what another document would make of what was received ────────────────────────────────────────
@pytest.fixture
def desk(tmp_path: Path) -> Any:
    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    with staged(url) as found:
        for number, words in enumerate(("isolement", "denutrition"), 1):
            found.call(id=f"appel-{number}", besoins=[words], accord_medecin=YES, accord_patient=YES)
        found.act(SAAD, "saad", found.cards(SAAD, "saad")[0], "accept") if found.cards(SAAD, "saad") else None
        yield Desk(found, tmp_path)


def test_diff_against_stored_finds_nothing_between_a_document_and_itself(desk: Desk) -> None:
    result = desk.run("map", "diff", "appel-coursier", "appel-coursier", "--against", "stored")
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "stored: 0 of 2 records would make other resources")


def test_diff_against_stored_counts_what_would_change_and_tells_no_value(desk: Desk, tmp_path: Path) -> None:
    text = (ROOT / "mappings" / "appel-coursier.yaml").read_text("utf-8").replace("denutrition, isolement", "denutrition")
    other = tmp_path / "other.yaml"
    other.write_text(text.replace("{system: phone, value: $personne.telephone}", "{system: sms, value: $personne.telephone}"), "utf-8")
    result = desk.run("map", "diff", "appel-coursier", str(other), "--against", "stored", "--json")
    told = json.loads(result.output)["stored"]
    assert result.exit_code == 1 and told == {"records": 2, "changed": 2, "unread": 0, "paths": {"Patient.telecom.system": 2}}
    lines = desk.run("map", "diff", "appel-coursier", str(other), "--against", "stored").output.splitlines()
    assert lines[-2:] == ["stored: 2 of 2 records would make other resources", "  Patient.telecom.system: in 2"]
    assert not any(word in "\n".join(lines[-2:]) for word in ("Zyx", "39980001", "appel-1"))


def test_diff_against_stored_counts_a_record_that_the_new_document_refuses(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    text = (ROOT / "mappings" / "appel-coursier.yaml").read_text("utf-8")
    other.write_text(text.replace("  contraintes: {type: code, table: constraint,", "  contraintes: {type: code, table: situation,"), "utf-8")
    result = desk.run("map", "diff", "appel-coursier", str(other), "--against", "stored", "--json")
    assert json.loads(result.output)["stored"]["paths"] == {"refused": 2}


def test_diff_against_anything_else_is_refused(desk: Desk) -> None:
    assert desk.run("map", "diff", "appel-coursier", "appel-coursier", "--against", "memory").exception.__class__ is SettingsError


def test_records_are_told_apart_by_their_id_and_person(desk: Desk) -> None:
    found = desk.stage.app.read_now(lambda story, uow: list(recorded.every(uow, story.writer.systems, "appel-coursier")))
    assert sorted(each.record for each in found) == ["appel-1", "appel-2"] and {each.mapping for each in found} == {"appel-coursier/1"}
    assert desk.stage.app.read_now(lambda story, uow: list(recorded.every(uow, story.writer.systems, "fiche-st-eloi"))) == []
