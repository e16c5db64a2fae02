"""Friday evening: a call is taken down, and nothing leaves until both have agreed."""

from __future__ import annotations

import json
from datetime import datetime

from adapter import network
from adapter.cli.story.account import Words
from adapter.cli.story.case import CLINIC, PRACTICE, Case
from adapter.cli.story.doors import Answer
from adapter.cli.story.people import sender
from adapter.cli.story.stage import Stage
from adapter.cli.story.there import TYPES
from adapter.errors import SettingsError


def known(stage: Stage) -> None:
    """The practice's EHR knows itself and its patient before Liaison comes."""
    told, there = stage.account, stage.there
    ready = stage.doors.get("/health/ready")
    directory = network.resources(stage.app.network, stage.app.systems)
    own = stage.app.systems.sid("organisation")
    clinic = next(each for each in directory if each["resourceType"] == "Organization" and each["id"] == CLINIC)
    given = [each for each in clinic["identifier"] if each["system"] != own]
    there.plant({"resourceType": "Organization", "active": True, "name": clinic["name"], "identifier": given})
    standing = there.patients(stage.case.patient)
    if len(standing) > 1:
        raise SettingsError("the EHR has several patients like this one", variable="--record", fix="bring a record of another person")
    there.patient = standing[0].id if standing else there.plant(stage.case.patient).id
    stage.before = {type: len(there.of_patient(type)) for type in TYPES}
    linked = stage.app.link_directories()
    told.said(
        "Le cabinet a un dossier pour cette personne ; Liaison n'en créera pas d'autre.",
        "The practice has a record of this person; Liaison will make no other.",
    )
    told.check("Liaison est prête", "Liaison is ready", ready.status == 200)
    told.check("une seule personne de ce nom dans le dossier patient", "exactly one such patient in the EHR", len(there.patients(stage.case.patient)) == 1)
    told.check("Liaison a reconnu le cabinet", "Liaison recognised the practice", linked == [f"Organization/{CLINIC}"])


def call(stage: Stage) -> None:
    told, case = stage.account, stage.case
    answer = stage.doors.post(f"/intake/{case.mapping}", case.record, by=case.sender)
    told.came("reçu (201)", "received (201)", answer, 201)
    stage.lines = answer.body["referrals"]
    stage.referral = line = stage.lines[case.lot]
    stage.announced = line["due"] or ""
    told.check("c'est un brouillon : personne n'a encore donné son accord", "it is a draft: nobody has agreed yet", answer.body["status"] == "draft")
    _nothing_left(stage)
    again = stage.doors.post(f"/intake/{case.mapping}", case.record, by=case.sender)
    same = again.headers.get("idempotency-replayed") == "true" and again.body["referrals"][case.lot]["task"] == line["task"]
    told.check("noté deux fois, c'est la même demande", "taken down twice, it is the same referral", same)
    changed = {"urgence": "immediate"} if "urgence" in case.record else {"informations_complementaires": "autre chose"}
    other = stage.doors.post(f"/intake/{case.mapping}", case.record | changed, by=case.sender)
    told.came("le même numéro avec un autre contenu est refusé (409)", "the same id with other content is refused (409)", other, 409)
    if not case.own:
        due = datetime.fromisoformat(line["due"]) == datetime.fromisoformat("2026-03-10T18:00:00+01:00")
        told.check("appel du vendredi 18 h 50, 48 heures ouvrées : mardi 18 h", "called Friday 18:50, 48 hours of opening: Tuesday 18:00", due)
    if line["dueSaid"]:
        told.said(f"Échéance annoncée avant l'envoi : {line['dueSaid']['fr']}.", f"Deadline, said before it is sent: {line['dueSaid']['en']}.")
    told.saw(sender(stage).name, {"reference": line["reference"], "status": stage.label("task-status", line["status"]), "due": line["due"]})


def doctor_agrees(stage: Stage) -> None:
    told = stage.account
    request = stage.doors.get(f"/fhir/ServiceRequest/{stage.referral['serviceRequest']}", by=PRACTICE)
    if request.body.get("status") == "active":
        told.left_out = Words("le médecin a rempli la fiche lui-même : c'est son accord", "the doctor filled in the form: that is the agreement")
        return
    answer = _agreed(stage, "doctor")
    told.said("L'accord du médecin est noté : qui l'a entendu, quand, comment.", "The doctor's agreement is noted: who heard it, when, how.")
    told.came("noté", "noted", answer, 200)
    told.check("c'est encore un brouillon", "it is still a draft", answer.body.get("status") == "draft")
    _nothing_left(stage)


def person_agrees(stage: Stage) -> None:
    told, there = stage.account, stage.there
    answer = _agreed(stage, "patient")
    told.check("les deux accords sont là : la demande est faite", "both have agreed: the referral is made", answer.body.get("status") == "requested")
    stage.lines = answer.body["referrals"]
    stage.referral = line = stage.lines[stage.case.lot]
    told.check("il y a des lettres pour le dossier patient", "there are letters for the EHR", stage.push() > 0)
    request, task = there.one("ServiceRequest", line["serviceRequest"]), there.one("Task", line["task"])
    asked, work = request.resource if request else {}, task.resource if task else {}
    told.check("un ServiceRequest y est, actif", "one ServiceRequest is there, active", asked.get("status") == "active")
    told.check("une Task y est, demandée", "one Task is there, requested", work.get("status") == "requested")
    consent = there.read(next((each.get("reference", "") for each in asked.get("supportingInfo", ())), ""))
    told.check("son Consent y est, actif", "its Consent is there, active", consent is not None and consent.resource.get("status") == "active")
    end = work.get("restriction", {}).get("period", {}).get("end")
    _deadline(stage, end, line["due"])
    about = {asked.get("subject", {}).get("reference"), work.get("for", {}).get("reference")}
    told.check("elle concerne la personne que le dossier connaissait", "it is about the patient the EHR knew", about == {f"Patient/{there.patient}"})
    left = json.dumps([each.resource for each in stage.noting.sent], ensure_ascii=False)
    told.check(
        "ni nom, ni adresse, ni mots du médecin dans ce qui est parti", "no name, address or doctor's own words in what left",
        not any(word in left for word in private(stage.case)),
    )  # fmt: skip


def _deadline(stage: Stage, sent: str | None, now_said: str | None) -> None:
    """What was announced at the call is what was sent; where it had passed before both agreed, a new one that is said."""
    told, announced, end = stage.account, _instant(stage.announced), _instant(sent)
    if announced and announced <= stage.clock.now():
        told.said(
            "L'échéance annoncée était passée quand le second accord est venu : elle court depuis cet accord.",
            "The deadline that was said had passed when the second agreement came: it runs from that agreement.",
        )
        told.check("avec une nouvelle échéance, annoncée", "with a new deadline, said", end and end > stage.clock.now() and end == _instant(now_said))
        return
    kept = end == announced == _instant(now_said)
    tail = "" if kept else f" ({stage.announced or '-'} ≠ {sent or '-'})"
    told.check("avec l'échéance annoncée" + tail, "with the deadline that was said" + tail, kept)


def private(case: Case) -> list[str]:
    """Words of the record that no letter to the EHR may carry: who it is, and the doctor's own words."""
    person = case.record.get("personne", {})
    words = [person.get(name) for name in ("nom", "nom_naissance", "nom_usage", "prenom", "naissance", "telephone")]
    words += [person.get("adresse", {}).get("ligne"), case.record.get("mots_du_medecin"), case.record.get("informations_complementaires")]
    return [word for word in words if isinstance(word, str) and len(word) > 3]


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _agreed(stage: Stage, who: str) -> Answer:
    heard = {"who": who, "agreed": True, "heard_by": stage.case.witness, "how": "telephone"}
    return stage.doors.post(f"/intake/{stage.case.mapping}/{stage.case.record['id']}/agreements", heard, by=stage.case.sender)


def _nothing_left(stage: Stage) -> None:
    """No letter, nothing more in the EHR, nothing in the unit's list, nothing for who would know its id."""
    told, case = stage.account, stage.case
    held = {type: len(stage.there.of_patient(type)) for type in TYPES}
    none = stage.push() == 0 and held == stage.before
    told.check("rien ne part : aucune lettre, rien dans le dossier patient", "nothing leaves: no letter, nothing in the EHR", none)
    listed = stage.doors.get(f"/views/{case.view}/referrals", by=case.client)
    seen = [each["reference"] for each in listed.body["referrals"]]
    told.check("le service ne voit rien encore", "the service sees nothing yet", stage.referral["reference"] not in seen)
    guessed = stage.doors.get(f"/views/{case.view}/referrals/{stage.guessed(stage.referral['task'])}", by=case.client)
    told.came("même à qui devinerait son numéro : rien (404)", "not even who would guess its id (404)", guessed, 404)
