"""Scenarios of france.md 8 end to end: F4 to F9 and F12 (F1: test_story.py, F2: test_mother.py, F3 and F15: test_notice.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import Invalid, NotFound, SettingsError
from adapter.network import parse
from adapter.ports import Resource
from adapter.store.schema import upgrade
from tests.e2e.france import DOCTOR, FORM, NIR, VIEW, call, events, form, only, seen, stored, there
from tests.e2e.places import CCAS, MDS, settle
from tests.e2e.stage import CALL, CARSAT, COURSIER, GP, SAAD, Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        settle(found)
        yield found


# ── F4: a worker on long sick leave ──────────────────────────────────────────────────────────────
def test_F4_social_security_number_is_in_the_carsat_view_alone(stage: Stage) -> None:
    form(stage, motifs=["maintien-emploi", "ressources-ij"], personne=FORM["personne"] | {"numero_secu": NIR})
    call(stage, besoins=["isolement"])  # the same person, of the same clinic
    assert len(stored(stage, "Patient")) == 1 and NIR in json.dumps(stored(stage, "Patient"))
    assert only(stage.cards(CARSAT, "as-carsat")).card["person"]["social_security_number"] == NIR
    assert NIR in seen(stage, CARSAT, "as-carsat")
    assert "Zyxdurand" in seen(stage, COURSIER, VIEW)
    for said in (seen(stage, COURSIER, VIEW), there(stage), json.dumps(events(stage)), json.dumps([each.card for each in stage.cards(GP, DOCTOR)])):
        assert NIR not in said


def test_F4_social_security_number_is_dropped_where_the_network_gives_no_basis(stage: Stage) -> None:
    receipt = form(stage, destinataire="mds-rouen", personne=FORM["personne"] | {"numero_secu": NIR})
    assert receipt.dropped == ("personne.numero_secu",)
    assert NIR not in json.dumps(stored(stage, "Patient"))


def test_F4_employer_is_never_a_recipient(stage: Stage) -> None:
    with pytest.raises(Invalid):
        form(stage, destinataire="employeur")
    assert stored(stage, "Task") == []
    organisation = "{key: usine, kind: service, name: Usine, category: employeur, controller: x, legal_basis: x, secrecy_text: x}"
    with pytest.raises(SettingsError, match="a letter is handed to the person"):
        parse(f"version: 1\norganisations: [{organisation}]")


# ── F5: wrong orientation ────────────────────────────────────────────────────────────────────────
AGAIN = {"destinataire": "mds-rouen", "besoins": ["perte-autonomie"], "accord_patient": {"accord": "oui", "par": "dr-exemple", "comment": "presence"}}


def asked(stage: Stage) -> Any:
    return call(stage, besoins=["maintien-emploi"], destinataire="permanence-saint-eloi")


def declined(stage: Stage, reason: str = "mauvaise-orientation") -> Any:
    asked(stage)
    shown = only(stage.cards(CARSAT, "as-carsat"))
    stage.act(CARSAT, "as-carsat", shown, "decline", reason=reason)
    return only(stage.cards(GP, DOCTOR))


def test_F5_wrong_orientation_is_replaced_by_a_request_with_a_consent_of_its_own(stage: Stage) -> None:
    mine = declined(stage)
    assert (mine.card["state"], mine.card["reason"]) == ("rejected", "Demande qui relève d'un autre service")
    first, consent = only(stored(stage, "ServiceRequest")), only(stored(stage, "Consent"))
    assert (first["status"], consent["status"]) == ("revoked", "inactive")
    stage.act(GP, DOCTOR, mine, "reorient", **AGAIN)
    second = only(each for each in stored(stage, "ServiceRequest") if each["id"] != first["id"])
    assert second["replaces"] == [{"reference": f"ServiceRequest/{first['id']}"}]
    assert "basedOn" not in second and second["intent"] == "order" and second["requester"] == first["requester"]
    named = only(each for each in stored(stage, "Consent") if each["id"] != consent["id"])
    assert second["supportingInfo"] == [{"reference": f"Consent/{named['id']}"}]
    assert named["provision"]["actor"][0]["reference"] == {"reference": "Organization/departement-76"}
    assert named["status"] == "active" and next(each for each in stored(stage, "Consent") if each["id"] == consent["id"])["status"] == "inactive"
    there(stage)
    copies = {each["status"]: each for each in stage.ehr.all("ServiceRequest")}
    assert copies["active"]["replaces"] == [{"reference": f"ServiceRequest/{copies['revoked']['id']}"}]
    assert sorted(each["status"] for each in stage.ehr.all("Task")) == ["rejected", "requested"]  # I6 counts both


def test_F5_second_service_sees_it_only_with_the_new_agreement(stage: Stage) -> None:
    mine = declined(stage)
    stage.act(GP, DOCTOR, mine, "reorient", **{name: value for name, value in AGAIN.items() if name != "accord_patient"}, id="encore-1")
    assert stage.cards(MDS, "as-departement") == []
    heard = {"who": "patient", "agreed": True, "heard_by": "dr-exemple", "how": "presence"}
    stage.app.write_now(lambda story, uow: story.agree(uow, GP, "demande-complementaire", "encore-1", heard))
    assert only(stage.cards(MDS, "as-departement")).card["need_codes"] == ["aide-autonomie"]
    assert "maintien-emploi" not in seen(stage, MDS, "as-departement")
    assert stage.cards(CARSAT, "as-carsat")[0].card["state"] == "rejected"


def test_F5_only_a_wrong_orientation_is_replaced_and_once(stage: Stage) -> None:
    mine = declined(stage)
    stage.act(GP, DOCTOR, mine, "reorient", **AGAIN)
    with pytest.raises(Invalid, match="replaced before"):
        stage.act(GP, DOCTOR, stage.see(GP, DOCTOR, mine.id), "reorient", **AGAIN)


@pytest.mark.parametrize("reason", ["session-complete", ""])
def test_F5_what_ended_otherwise_or_runs_is_not_replaced(stage: Stage, reason: str) -> None:
    if reason:
        mine = declined(stage, reason)
    else:
        asked(stage)
        mine = only(stage.cards(GP, DOCTOR))
    with pytest.raises(Invalid, match="wrong orientation"):
        stage.act(GP, DOCTOR, mine, "reorient", **AGAIN)


# ── F6: the person says no at the proposal ───────────────────────────────────────────────────────
def test_F6_refusal_at_the_proposal_leaves_a_count_and_nothing_else(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    with staged(url) as stage:
        for number in range(2):
            assert stage.call(id=f"appel-{number}", accord_patient={"accord": "non"}).status == "refused"
        kinds = ("Patient", "Task", "Consent", "ServiceRequest", "Provenance", "Communication", "RelatedPerson", "CareTeam")
        assert [len(stored(stage, type)) for type in kinds] == [0] * len(kinds)
        assert stage.app.read_now(lambda _, uow: uow.kept("refused-at-proposal:asso-coursiers")) == b"2"
        assert stage.push() == 0 and events(stage)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"appel-0" in kept and not any(word in kept for word in (b"Zyxdurand", b"Jeannezyx", b"Zyxexemple", b"Zyxmots", b"39980001", b"1938-02-03"))


# ── F7: a second social worker is asked while a first one follows ────────────────────────────────
def warned(receipt: Any) -> list[str]:
    return [each["text"] for each in receipt.warnings if each["path"] == "deja_suivi"]


def answers(stage: Stage) -> list[str]:
    """What the audit says of each look."""
    found = [each for each in events(stage) if each["subtype"][0]["code"] == "already-followed"]
    return [detail["valueString"] for each in found for entity in each["entity"] for detail in entity.get("detail", ()) if detail["type"] == "answer"]


def test_F7_second_social_worker_warns_without_naming_whom_or_why(stage: Stage) -> None:
    assert warned(form(stage, motifs=["acces-droits"])) == []
    receipt = form(stage, id="fiche-2", motifs=["budget"], destinataire="mds-rouen")
    assert len(warned(receipt)) == 1 and receipt.status == "requested"  # a warning, not a refusal
    said = warned(receipt)[0].lower()
    assert not any(word in said for word in ("carsat", "permanence", "droits", "zyx"))
    assert answers(stage) == ["no", "yes"]


def test_F7_nobody_but_the_clinic_is_told(stage: Stage) -> None:
    form(stage, motifs=["acces-droits"])
    assert warned(call(stage, destinataire="mds-rouen", besoins=["budget"])) == []
    assert answers(stage) == ["no"]


def test_F7_what_ended_is_sensitive_or_no_social_work_does_not_count(stage: Stage) -> None:
    call(stage, besoins=["isolement"])
    assert warned(form(stage, motifs=["acces-droits"])) == []  # a courier is no social worker
    shown = only(stage.cards(CARSAT, "as-carsat"))
    stage.act(CARSAT, "as-carsat", shown, "withdraw", heard_by="dr-exemple")
    assert warned(form(stage, id="fiche-2", motifs=["budget"], destinataire="mds-rouen")) == []
    stage.act(MDS, "as-departement", only(stage.cards(MDS, "as-departement")), "withdraw", heard_by="dr-exemple")
    form(stage, id="fiche-3", motifs=["conflit-familial"], destinataire="mds-rouen")
    assert warned(form(stage, id="fiche-4", motifs=["acces-droits"])) == []


def test_F7_what_the_person_opposed_does_not_count(stage: Stage) -> None:
    form(stage, motifs=["acces-droits"])
    deny = only(stored(stage, "Consent"))
    made = {name: value for name, value in deny.items() if name not in ("id", "meta", "identifier")}
    made["provision"] = {"type": "deny", "actor": [{**deny["provision"]["actor"][0], "reference": {"reference": "Organization/msp-saint-eloi"}}]}
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [_create(made, stage)]))
    assert warned(form(stage, id="fiche-2", motifs=["budget"], destinataire="mds-rouen")) == []


def _create(resource: Resource, stage: Stage) -> Any:
    from adapter.ports import Change

    id = stage.clock.new_id()
    return Change("create", resource["resourceType"], id, resource | {"id": id}, origin="intake")


def test_F7_is_answered_so_many_times_a_day_and_no_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.followed.MOST", 2)
    for number in range(4):
        form(stage, id=f"fiche-{number}", motifs=["acces-droits"])
    assert answers(stage) == ["no", "yes"]


# ── F8: withdrawn by phone during follow-up ──────────────────────────────────────────────────────


def test_F8_withdrawal_by_phone_stops_access_at_once_and_keeps_the_journal(stage: Stage) -> None:
    call(stage, besoins=["surendettement"], destinataire="ccas-accueil")
    shown = only(stage.cards(CCAS, "ccas"))
    shown = stage.act(CCAS, "ccas", shown, "accept")
    shown = stage.act(CCAS, "ccas", shown, "start")
    assert "Zyxdurand" in seen(stage, CCAS, "ccas")
    stage.push()
    disclosed = sum("disclose" in json.dumps(each["subtype"]) for each in events(stage))
    mine = only(stage.cards(GP, DOCTOR))
    stage.act(replace(GP, person="secretaire-saint-eloi"), DOCTOR, mine, "withdraw", how="telephone")
    assert seen(stage, CCAS, "ccas") == "[]" and stage.see(CCAS, "ccas", shown.id) is None
    task, request, consent = (only(stored(stage, type)) for type in ("Task", "ServiceRequest", "Consent"))
    assert (task["status"], request["status"], consent["status"]) == ("cancelled", "revoked", "inactive")
    assert task["statusReason"]["text"] == "Demande close par le demandeur"
    notice = only(stage.app.write_now(lambda story, uow: story.notices(uow, CCAS, "ccas")))
    assert notice["reference"] == shown.card["reference"] and "Zyx" not in json.dumps(notice)
    said = there(stage)
    assert only(stage.ehr.all("Task"))["status"] == "cancelled" and "surendettement" not in said
    journal = events(stage)
    assert sum("disclose" in json.dumps(each["subtype"]) for each in journal) > disclosed > 0
    assert "agreement-withdraw" in [each["subtype"][0]["code"] for each in journal]


def test_F8_person_may_tell_the_service_itself(stage: Stage) -> None:
    form(stage, motifs=["surendettement"], destinataire="ccas-accueil")
    stage.act(CCAS, "ccas", only(stage.cards(CCAS, "ccas")), "withdraw", how="telephone")
    assert stage.cards(CCAS, "ccas") == [] and only(stage.cards(GP, DOCTOR)).card["state"] == "cancelled"


# ── F9: violence in the couple ───────────────────────────────────────────────────────────────────
@pytest.fixture
def unsafe(stage: Stage) -> Stage:
    """One call for violence to the département, another service for something else."""
    person = CALL["personne"] | {"canal_sur": "non"}
    call(stage, destinataire="mds-rouen", besoins=["violences"], personne=person, urgence="immediate", mots_du_medecin="Zyxcoups")
    call(stage, id="appel-2", besoins=["isolement"])
    return stage


def test_F9_no_address_no_phone_and_no_word_of_it_in_lists(unsafe: Stage) -> None:
    shown = only(unsafe.cards(MDS, "as-departement"))
    assert shown.card["need_codes"] == ["mise-en-securite"] and shown.card["contact"]
    said = seen(unsafe, MDS, "as-departement")
    assert not any(word in said for word in ("Zyxexemple", "+33639980001", "violences", "Violences", "Zyxcoups"))


def test_F9_is_invisible_to_the_persons_other_recipients_and_to_the_ehr(unsafe: Stage) -> None:
    other = seen(unsafe, COURSIER, VIEW)
    assert len(unsafe.cards(COURSIER, VIEW)) == 1 and "Zyxdurand" in other
    for said in (other, there(unsafe)):
        assert not any(word in said.lower() for word in ("violence", "mise-en-securite", "sécurité", "mds-rouen", "solidarités", "zyxcoups", "partner"))
    assert len(unsafe.ehr.all("Task")) == 1  # of the other referral: this one waits for the doctor's explicit tick


def test_F9_is_a_request_and_a_consent_of_its_own(stage: Stage) -> None:
    receipt = call(stage, destinataire="mds-rouen", besoins=["violences", "budget"])
    assert len(receipt.referrals) == 2
    needs = [sorted(coding["code"] for concept in each["provision"]["code"] for coding in concept["coding"]) for each in stored(stage, "Consent")]
    assert sorted(needs) == [["budget"], ["violences"]]


@pytest.mark.parametrize("channel", ["oui", "non"])
def test_F9_no_address_on_what_the_same_service_is_asked_beside_it(stage: Stage, channel: str) -> None:
    """One call, two requests to one unit: the harmless one does not give away where the person is."""
    call(stage, besoins=["violences", "isolement"], personne=CALL["personne"] | {"canal_sur": channel}, urgence="immediate")
    for shown in stage.cards(COURSIER, VIEW):
        stage.act(COURSIER, VIEW, shown, "accept")
    assert sorted(each.card["need_codes"][0] for each in stage.cards(COURSIER, VIEW)) == ["isolement", "mise-en-securite"]
    said = seen(stage, COURSIER, VIEW)
    assert "Zyxdurand" in said and "Zyxexemple" not in said and "+33639980001" not in said


def test_F9_address_comes_back_when_what_was_unsafe_is_withdrawn(stage: Stage) -> None:
    call(stage, besoins=["violences", "isolement"], personne=CALL["personne"] | {"canal_sur": "oui"}, urgence="immediate")
    for shown in stage.cards(COURSIER, VIEW):
        stage.act(COURSIER, VIEW, shown, "accept")
    unsafe = next(each for each in stage.cards(COURSIER, VIEW) if each.card["need_codes"] == ["mise-en-securite"])
    stage.act(COURSIER, VIEW, unsafe, "withdraw", how="presence")
    assert "Zyxexemple" in seen(stage, COURSIER, VIEW)


def test_F9_safe_channel_must_have_been_asked(stage: Stage) -> None:
    person = {name: value for name, value in CALL["personne"].items() if name != "canal_sur"}
    with pytest.raises(Invalid) as refusal:
        call(stage, destinataire="mds-rouen", besoins=["violences"], personne=person)
    assert "personne.canal_sur" in [each.expression for each in refusal.value.issues]


def test_F9_closing_notice_is_the_same_as_for_any_need_and_nothing_else_is_sent(unsafe: Stage) -> None:
    texts = set()
    for who, view in ((MDS, "as-departement"), (COURSIER, VIEW)):
        unsafe.act(who, view, only(unsafe.cards(who, view)), "withdraw", how="presence")
        notice = only(unsafe.app.write_now(lambda story, uow, who=who, view=view: story.notices(uow, who, view)))
        texts.add(notice["text"])
    assert len(texts) == 1
    assert {each.ehr for each in unsafe.app.read_now(lambda _, uow: uow.letters())} <= {"msp-saint-eloi"}


# ── F12: health data in real-life free text ──────────────────────────────────────────────────────
HANDICAP = "ne peut plus exercer à cause de son handicap"


def test_F12_free_text_reaches_no_view_but_the_prescribers_own(stage: Stage) -> None:
    form(stage, informations_complementaires=f"Zyxlibre {HANDICAP}")
    call(stage, besoins=["maintien-emploi"], mots_du_medecin=f"Zyxlibre {HANDICAP}", destinataire="coursier-rouen")
    further = {"destinataire": "saad-portage", "besoins": ["denutrition"], "accord_patient": {"accord": "oui", "par": "coursier-lea", "comment": "presence"}}
    stage.act(COURSIER, VIEW, only(stage.cards(COURSIER, VIEW)), "accept")
    stage.act(COURSIER, VIEW, only(stage.cards(COURSIER, VIEW)), "refer", **further)
    assert sum(HANDICAP in json.dumps(each, ensure_ascii=False) for each in stored(stage, "ServiceRequest")) == 2
    for who, view in ((CARSAT, "as-carsat"), (COURSIER, VIEW), (SAAD, "saad")):
        said = seen(stage, who, view)
        assert "need_codes" in said and "handicap" not in said and "Zyxlibre" not in said
    assert "handicap" not in there(stage) and "handicap" not in json.dumps(events(stage))
    assert any(HANDICAP in each.card.get("words", "") for each in stage.cards(GP, DOCTOR))


def test_F12_unknown_view_is_not_there(stage: Stage) -> None:
    form(stage, informations_complementaires=HANDICAP)
    mine = only(stage.cards(GP, DOCTOR))
    with pytest.raises(NotFound):
        stage.act(GP, DOCTOR, mine, "accept")  # the prescriber's view offers no such act
    assert stage.cards(CARSAT, DOCTOR) == []
