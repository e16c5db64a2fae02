"""A second referral of the same person, who takes the agreement back; and the proof at the end."""

from __future__ import annotations

import json

from adapter import audit
from adapter.cli.story.case import PRACTICE, SECRETARY
from adapter.cli.story.following import act, listed
from adapter.cli.story.people import GP_VIEW, unit
from adapter.cli.story.stage import Stage
from adapter.cli.story.there import TYPES


def second(stage: Stage) -> None:
    told, case, record = stage.account, stage.case, stage.case.again(stage.clock.now())
    receipt = stage.doors.post(f"/intake/{case.mapping}", record, by=case.sender)
    for who in ("doctor", "patient"):
        heard = {"who": who, "agreed": True, "heard_by": case.witness, "how": "telephone"}
        receipt = stage.doors.post(f"/intake/{case.mapping}/{record['id']}/agreements", heard, by=case.sender)
    told.check("une seconde demande, les deux accords donnés", "a second referral, both agreed", receipt.body.get("status") == "requested")
    stage.second = receipt.body["referrals"][case.lot]
    stage.push()
    task = stage.there.one("Task", stage.second["task"])
    same = task is not None and task.resource["for"]["reference"] == f"Patient/{stage.there.patient}"
    told.check("la même personne, reconnue, pas une seconde", "the same person, recognised, not a second one", same)
    stage.card = listed(stage, case.client, case.view, stage.second["reference"])
    answer = act(stage, case.client, case.view, stage.card, "accept")
    told.check("le service accepte, il sait qui c'est", "the unit accepts and knows who it is", answer.status == 200 and answer.body.get("person"))
    stage.push()
    told.saw(unit(stage).name, answer.body)


def withdrawn(stage: Stage) -> None:
    told, case = stage.account, stage.case
    card = listed(stage, PRACTICE, GP_VIEW, stage.second["reference"])
    answer = act(stage, PRACTICE, GP_VIEW, card, "withdraw", {"heard_by": SECRETARY})
    told.said("La personne appelle le cabinet : elle ne veut plus.", "The person calls the practice: she no longer wants it.")
    told.check("noté", "noted", answer.status == 204)
    closed = stage.doors.get(f"/views/{case.view}/referrals/{stage.card['id']}", by=case.client)
    told.check("la vue du service se ferme à l'instant (404)", "the unit's view closes at once (404)", closed.status == 404)
    gone = not listed(stage, case.client, case.view, stage.second["reference"])
    told.check("et la demande quitte sa liste", "and the referral leaves its list", gone)
    notices = stage.doors.get(f"/views/{case.view}/notices", by=case.client).body["notices"]
    found = [each for each in notices if each["reference"] == stage.second["reference"]]
    said = json.dumps(found, ensure_ascii=False)
    family = str(stage.case.patient["name"][-1].get("family"))
    told.check("un avis de clôture, sans nom, besoin ni motif", "a closing notice, without name, need or reason", len(found) == 1 and family not in said)
    stage.push()
    task, request = stage.there.one("Task", stage.second["task"]), stage.there.one("ServiceRequest", stage.second["serviceRequest"])
    told.check("le dossier patient le sait : Task annulée", "the EHR knows: Task cancelled", task is not None and task.resource["status"] == "cancelled")
    named = request.resource.get("supportingInfo", ()) if request else ()
    statuses = [there.resource["status"] for each in named if (there := stage.there.read(each["reference"]))]
    told.check("et Consent inactif", "and Consent inactive", statuses and set(statuses) == {"inactive"})
    for notice in found:
        told.saw(unit(stage).name, notice)


def proven(stage: Stage) -> None:
    told, there = stage.account, stage.there
    patients = [each.id for each in there.patients(stage.case.patient)]
    told.check("une seule personne dans le dossier patient, celle qui y était", "one patient in the EHR, the one that was there", patients == [there.patient])
    requests, tasks = there.of_patient("ServiceRequest"), there.of_patient("Task")
    focus = [each.get("focus", {}).get("reference") for each in tasks]
    pairs = len(requests) == len(tasks) and sorted(focus) == sorted(f"ServiceRequest/{each['id']}" for each in requests)
    told.check("une Task et un ServiceRequest par destinataire", "one Task and one ServiceRequest per recipient", pairs)
    more = {type: len(there.of_patient(type)) - stage.before[type] for type in TYPES}
    counted = ", ".join(f"{count} {type}" for type, count in more.items())
    told.said(f"Venus de cette histoire dans le dossier patient : {counted}.", f"What this story put in the EHR: {counted}.")
    if not stage.case.own:
        told.check("trois demandes en tout", "three referrals in all", more["ServiceRequest"] == more["Task"] == 3)
    letters = stage.app.read_now(lambda _, uow: [each for each in uow.letters() if each.state not in ("done", "dropped")])
    told.check("plus aucune lettre en attente", "no letter is waiting", not letters)
    rows = stage.audit_rows()
    verdict = audit.verify(rows)
    told.said(f"Journal : {verdict.count} maillons, tête {verdict.head[:16]}…", f"Audit: {verdict.count} links, head {verdict.head[:16]}…")
    told.check("la chaîne du journal se vérifie", "the audit chain verifies", verdict.ok and verdict.count == len(rows) > 0)
    names = [str(name.get("family")).encode() for name in stage.case.patient["name"]]
    told.check("sans un nom dedans", "without a name in it", not any(name in row.event for row in rows for name in names))
