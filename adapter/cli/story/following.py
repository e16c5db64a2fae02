"""The days after: the unit sees, accepts, visits; the practice writes in its EHR; a second service; the outcome; the answer."""

from __future__ import annotations

import json
from typing import Any

from adapter.cli.story.account import Words
from adapter.cli.story.case import PRACTICE
from adapter.cli.story.doors import Answer
from adapter.cli.story.people import DOCTOR, GP_VIEW, SAAD, SAAD_CLIENT, SAAD_UNIT, SAAD_VIEW, unit, worker
from adapter.cli.story.stage import Stage
from adapter.ports import Resource

EXTENSION = "https://ehr.example/StructureDefinition/room"
NOTE, ROOM = "Dossier vu en réunion de cabinet.", "2"
MESSAGE = "Repas livrés à partir de demain ; je repasse dans huit jours."


def seen(stage: Stage) -> None:
    """The unit's list, and what it does not hold."""
    told, case = stage.account, stage.case
    stage.card = card = listed(stage, case.client, case.view, stage.referral["reference"])
    told.check("la demande est dans la liste du service", "the referral is in the unit's list", card)
    said = json.dumps(card, ensure_ascii=False)
    words = [case.record.get("mots_du_medecin"), case.record.get("informations_complementaires")]
    told.check("les mots du médecin n'y sont pas", "the doctor's own words are not", not any(word in said for word in words if word))
    if not case.own:
        helps = {"family_name", "phone", "address"} <= card["person"].keys()
        told.check("de quoi aider : nom, téléphone, adresse", "what help needs: name, phone, address", helps)
        told.check("« dénutrition » est devenu « aide alimentaire »", '"malnutrition" became "food aid"', "nutrition" not in said)
        told.check("ni date de naissance ni identifiant", "no date of birth, no identifier", "birth_date" not in card["person"] and "1938" not in said)
    other, view = ("coursiers", "coursier-dac-asso") if case.client == "carsat" else ("carsat", "as-carsat")
    tried = [stage.doors.get(f"/views/{each}/referrals/{card['id']}", by=other).status for each in (view, case.view)]
    told.check("un autre service ne trouve rien (404)", "another service finds nothing (404)", tried == [404, 404])
    _by_fhir(stage, words)
    told.saw(unit(stage).name, card)


def _by_fhir(stage: Stage, words: list[Any]) -> None:
    """The unit's own software has a door on /fhir too: the same projection, under the unit's own ids."""
    told, doors, client = stage.account, stage.doors, stage.case.client
    answer = doors.get(f"/fhir/Task/{stage.card['id']}", by=client)
    marked = [each.get("code") for each in answer.body.get("meta", {}).get("tag", ())] == ["SUBSETTED"]
    told.check("son logiciel en lit la même part sur /fhir, marquée SUBSETTED", "its software reads the same part on /fhir, marked SUBSETTED", marked)
    found = [each["resource"] for type in ("Task", "ServiceRequest") for each in doors.get(f"/fhir/{type}", by=client).body["entry"]]
    said, hidden = json.dumps(found, ensure_ascii=False), [word for word in words if word]
    hidden += [stage.referral["task"], stage.referral["serviceRequest"]]
    kept = found and not any(word in said for word in hidden)
    told.check("ni les mots du médecin ni les numéros de la maison", "neither the doctor's own words nor the house's ids", kept)
    house = doors.get(f"/fhir/Task/{stage.referral['task']}", by=client)
    told.came("sous le numéro de la maison il n'y a rien (404)", "under the house's id there is nothing (404)", house, 404)


def accepts(stage: Stage) -> None:
    told, case = stage.account, stage.case
    blind = stage.doors.post(f"/views/{case.view}/referrals/{stage.card['id']}/accept", by=case.client)
    told.came("accepter sans avoir lu est refusé (428)", "accepting unread is refused (428)", blind, 428)
    answer = act(stage, case.client, case.view, stage.card, "accept")
    told.check("acceptée", "accepted", answer.status == 200 and answer.body["state"] == "accepted")
    old = stage.doors.post(f"/views/{case.view}/referrals/{stage.card['id']}/decline", {"reason": "autre"}, by=case.client, etag=stage.card["etag"])
    told.came("agir sur une lecture périmée est refusé (412)", "acting on a stale reading is refused (412)", old, 412)
    stage.push()
    told.check("le dossier patient le sait", "the EHR knows", _status(stage) == "accepted")
    told.saw(unit(stage).name, answer.body)


def visits(stage: Stage) -> None:
    told, case = stage.account, stage.case
    answer = act(stage, case.client, case.view, stage.card, "start")
    told.check("en cours", "in progress", answer.status == 200 and answer.body["state"] == "in-progress")
    stage.push()
    told.check("le dossier patient le sait", "the EHR knows", _status(stage) == "in-progress")


def practice_writes(stage: Stage) -> None:
    """A note, an extension nobody here knows, another priority."""
    told, there = stage.account, stage.there
    standing = there.one("Task", stage.referral["task"])
    if standing is None:
        told.check("la Task est dans le dossier patient", "the Task is in the EHR", False)
        return
    priority = "asap" if standing.resource.get("priority") != "asap" else "stat"
    extension = [*standing.resource.get("extension", ()), {"url": EXTENSION, "valueString": ROOM}]
    changed = there.change(standing, {"priority": priority, "note": [{"text": NOTE}], "extension": extension})
    told.said("Une note, une extension inconnue de Liaison, une autre priorité.", "A note, an extension unknown to Liaison, another priority.")
    told.check("écrit dans le dossier patient", "written in the EHR", changed.version != standing.version)
    stage.pull()
    ours = stage.doors.get(f"/fhir/Task/{stage.referral['task']}", by=PRACTICE)
    told.check("la priorité est revenue jusqu'ici", "the priority came back here", ours.body.get("priority") == priority)
    here = json.dumps(ours.body, ensure_ascii=False)
    told.check("la note et l'extension restent au dossier", "note and extension stay in the EHR", NOTE not in here and EXTENSION not in here)
    stage.card = listed(stage, stage.case.client, stage.case.view, stage.referral["reference"])
    told.saw(unit(stage).name, {name: stage.card[name] for name in ("reference", "status", "urgency", "due") if name in stage.card})


def further(stage: Stage) -> None:
    """A pool is asked, with a consent of its own; the person agrees that the practice may know."""
    told, case = stage.account, stage.case
    if "refer" not in stage.app.views[case.view].writes:
        told.left_out = Words("ce service n'en demande pas d'autre", "this service asks no other")
        return
    need, service = ("aide-menagere", "aide-domicile") if case.own else ("denutrition", "portage-repas")
    heard = {"accord": "oui", "par": worker(stage), "comment": "presence"}
    asked = {
        "destinataire": SAAD_UNIT, "besoins": [need], "service": service, "contraintes": ["marche-aide"], "cabinet_informe": "oui",
        "accord_patient": heard,
    }  # fmt: skip
    answer = act(stage, case.client, case.view, stage.card, "refer", asked)
    told.came("demandé", "asked", answer, 200)
    offers = stage.doors.get(f"/views/{SAAD_VIEW}/referrals", by=SAAD_CLIENT).body["referrals"]
    offered: dict[str, Any] = next((each for each in offers if each["reference"] != stage.referral["reference"] and each["state"] == "requested"), {})
    stage.offer = listed(stage, SAAD_CLIENT, SAAD_VIEW, offered.get("reference", ""))
    said = json.dumps(stage.offer, ensure_ascii=False)
    told.check("proposé à l'aide à domicile", "offered to the home help service", stage.offer)
    hidden = [word for word in _who(stage) if word in said]
    told.check("sans dire qui c'est : besoin, secteur, tranche d'âge", "without saying who: need, area, age class", "person" not in stage.offer and not hidden)
    stage.push()
    request = _filler(stage)
    told.check("la personne veut bien que le cabinet le sache : c'est dans son dossier", "the person lets the practice know: it is in its EHR", request)
    first = stage.there.one("ServiceRequest", stage.referral["serviceRequest"])
    based = [each.get("reference") for each in request.get("basedOn", ())]
    told.check("fondé sur la première demande", "based on the first request", first is not None and based == [f"ServiceRequest/{first.id}"])
    own, others = _consents(request), _consents(first.resource if first else {})
    told.check("avec des accords à lui", "with consents of its own", own and others and not own & others)
    told.saw(SAAD.name, stage.offer)


def pool_accepts(stage: Stage) -> None:
    told = stage.account
    if not stage.offer:
        told.left_out = Words("aucun second service", "no second service")
        return
    answer = act(stage, SAAD_CLIENT, SAAD_VIEW, stage.offer, "accept")
    person, lives = answer.body.get("person", {}), stage.case.record.get("personne", {}).get("adresse", {}).get("ligne")
    wanted = {"family_name", "address"} if lives else {"family_name"}
    told.check("maintenant il sait chez qui aller", "now it knows where to go", answer.status == 200 and wanted <= person.keys())
    born = str(stage.case.patient["birthDate"]) in json.dumps(answer.body)
    told.check("toujours pas la date de naissance", "still no date of birth", "birth_date" not in person and not born)
    stage.push()
    request = _filler(stage)
    tasks = [each for each in stage.there.of_patient("Task") if each.get("focus", {}).get("reference") == f"ServiceRequest/{request.get('id')}"]
    told.check("le dossier patient le sait", "the EHR knows", [each["status"] for each in tasks] == ["accepted"])
    told.saw(SAAD.name, answer.body)


def outcome(stage: Stage) -> None:
    told, case = stage.account, stage.case
    message = act(stage, case.client, case.view, stage.card, "message", {"text": MESSAGE})
    told.came("un mot au cabinet", "a word to the practice", message, 200)
    coded = "accompagnement-engage" if case.own else "aide-alimentaire-en-place"
    answer = act(stage, case.client, case.view, stage.card, "complete", {"outcome": coded})
    told.check("terminée", "completed", answer.status == 200 and answer.body["state"] == "completed")
    told.check("le service ne garde que référence, dates et suite donnée", "the unit keeps reference, dates and outcome only", "person" not in answer.body)
    stage.push()
    remote = stage.there.one("Task", stage.referral["task"])
    task = remote.resource if remote else {}
    told.check("Task.completed dans le dossier patient", "Task.completed in the EHR", task.get("status") == "completed")
    outputs = [each.get("valueReference", {}).get("reference", "") for each in task.get("output", ())]
    done = [stage.there.read(each) for each in outputs if each.startswith("Procedure/")]
    told.check("avec sa Procedure", "with its Procedure", done and all(each is not None for each in done))
    kept = [each.get("text") for each in task.get("note", ())] == [NOTE]
    kept = kept and [each.get("valueString") for each in task.get("extension", ()) if each.get("url") == EXTENSION] == [ROOM]
    told.check("la note et l'extension du cabinet sont intactes", "the practice's note and extension are intact", kept)
    request = stage.there.one("ServiceRequest", stage.referral["serviceRequest"])
    named = _consents(request.resource if request else {})
    consents = [found.resource["status"] for each in named if (found := stage.there.read(each))]
    told.check("l'accord finit avec l'aide", "the consent ends with the help", consents and set(consents) == {"inactive"})
    told.saw(unit(stage).name, answer.body)


def answered(stage: Stage) -> None:
    told = stage.account
    card, own = listed(stage, PRACTICE, GP_VIEW, stage.referral["reference"]), stage.case.words
    told.check("le médecin lit la suite donnée", "the doctor reads the outcome", card.get("outcome"))
    words = [each.get("text") for each in card.get("messages", ())]
    told.check("et le mot du service", "and the unit's word", words == [MESSAGE])
    told.saw(DOCTOR.name, card)
    if own:  # they stand on one of the requests that the record makes, which need not be the one that is followed
        cards = {line["reference"]: listed(stage, PRACTICE, GP_VIEW, line["reference"]) for line in stage.lines}
        bearing = [each for each in cards.values() if each.get("words")]
        told.check("il retrouve ses propres mots", "he finds his own words", [each["words"] for each in bearing] == [own])
        theirs = [listed(stage, stage.case.client, stage.case.view, line["reference"]) for line in stage.lines]
        told.check("lui seul", "he alone", own not in json.dumps(theirs, ensure_ascii=False))
        for other in bearing:
            if other["reference"] != card.get("reference"):
                told.saw(DOCTOR.name, {name: other[name] for name in ("reference", "status", "needs", "words") if name in other})


# ── what several steps do ────────────────────────────────────────────────────────────────────────
def listed(stage: Stage, client: str, view: str, reference: str) -> dict[str, Any]:
    """The card of that spoken reference, found in a worklist and opened; {} when it is not there."""
    lines = stage.doors.get(f"/views/{view}/referrals", by=client).body["referrals"]
    line = next((line for line in lines if line.get("reference") == reference), None)
    return {**stage.doors.get(f"/views/{view}/referrals/{line['id']}", by=client).body, "etag": line["etag"]} if line else {}


def act(stage: Stage, client: str, view: str, card: dict[str, Any], verb: str, arguments: dict[str, Any] | None = None) -> Answer:
    """Reads the card again, as a person would, and acts on what was read."""
    path = f"/views/{view}/referrals/{card['id']}"
    now = stage.doors.get(path, by=client)
    return stage.doors.post(f"{path}/{verb}", arguments, by=client, etag=now.etag)


def _status(stage: Stage) -> str:
    remote = stage.there.one("Task", stage.referral["task"])
    return str(remote.resource["status"]) if remote else ""


def _filler(stage: Stage) -> Resource:
    """The newest further request in the EHR about the person; {} when there is none."""
    found = [each for each in stage.there.of_patient("ServiceRequest") if each.get("intent") == "filler-order"]
    return max(found, key=lambda each: str(each.get("authoredOn", "")), default={})


def _consents(request: Resource) -> set[str]:
    return {str(each.get("reference")) for each in request.get("supportingInfo", ())}


def _who(stage: Stage) -> list[str]:
    """What says who the person is."""
    person = stage.case.record.get("personne", {})
    words = [person.get(name) for name in ("nom", "nom_naissance", "nom_usage", "prenom", "naissance", "telephone")]
    return [word for word in [*words, person.get("adresse", {}).get("ligne")] if isinstance(word, str) and len(word) > 3]
