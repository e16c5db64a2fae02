"""Who may write an opposition down, whom it is against, and what a later call is told (workflow.md 4 and 6). Over the doors."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from adapter.erasing import end
from adapter.takes import TAKES
from tests.e2e.stage import CALL, GP, Stage
from tests.e2e.test_hearsay import FORM, VIEW, YES, act, cards, stored, taken
from tests.unit.web.test_doors import Door
from tests.unit.web.test_doors import stage as _stage

stage = _stage
MINE, POOL = "/views/prescripteur/referrals", "/views/saad/referrals"
AGREED = CALL | {"accord_medecin": YES, "accord_patient": YES}
FURTHER = {"destinataire": "saad-portage", "besoins": ["denutrition"], "accord_patient": YES}


@pytest.fixture
def door(stage: Stage) -> Door:
    return Door(stage)


def opposed(door: Door, against: str = "recipient") -> None:
    """A referral to the couriers, and the person's opposition told to the practice."""
    taken(door, "coursiers", "appel-coursier", AGREED)
    assert act(door, "saint-eloi", MINE, cards(door, "saint-eloi", MINE)[0], "oppose", against=against, how="presence").status_code == 204


def warning(receipt: Any) -> str:
    (text,) = [each["text"] for each in receipt["warnings"] if each["path"] == "opposition"]
    return str(text)


def acts(stage: Stage) -> list[Any]:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    return [json.loads(row.event) for row in rows if b"opposition-told" in row.event]


# ── a unit that has not met the person ───────────────────────────────────────────────────────────
@pytest.fixture
def offer(door: Door) -> Any:
    """What a pool holds before it accepts: a need, a deadline, no name."""
    taken(door, "coursiers", "appel-coursier", AGREED)
    act(door, "coursiers", VIEW, cards(door)[0], "accept")
    assert act(door, "coursiers", VIEW, cards(door)[0], "refer", **FURTHER).status_code == 200
    (found,) = cards(door, "saad", POOL)
    assert "person" not in found
    return found


def taking(verb: str, more: dict[str, str]) -> dict[str, Any]:
    """The arguments, as far as the act takes them."""
    given = {"needs": ["aide-alimentaire"], **more}
    return {name: value for name, value in given.items() if name in (TAKES[verb] or ())}


@pytest.mark.parametrize("verb", ["withdraw", "oppose", "narrow", "inform", "confirm"])
@pytest.mark.parametrize("more", [{}, {"heard_by": "aide-noe"}, {"heard_by": "dr-exemple", "against": "everyone"}])
def test_pool_with_an_offer_writes_down_nothing_that_the_person_said(door: Door, stage: Stage, offer: Any, verb: str, more: dict[str, str]) -> None:
    before = stored(stage, "Task"), stored(stage, "Consent"), stored(stage, "Provenance")
    answer = act(door, "saad", POOL, offer, verb, **taking(verb, more))
    assert answer.status_code == 403 and "practice" in answer.json()["issue"][0]["diagnostics"]
    assert (stored(stage, "Task"), stored(stage, "Consent"), stored(stage, "Provenance")) == before
    assert len(cards(door)) == 1 and len(cards(door, "saad", POOL)) == 1


def test_pool_that_accepted_may(door: Door, offer: Any) -> None:
    taken_on = act(door, "saad", POOL, offer, "accept").json()
    answer = act(door, "saad", POOL, {"id": taken_on["id"], "etag": cards(door, "saad", POOL)[0]["etag"]}, "oppose", heard_by="aide-noe")
    assert answer.status_code == 204 and cards(door, "saad", POOL) == [] and len(cards(door)) == 1


@pytest.mark.parametrize("verb", ["withdraw", "oppose", "narrow", "inform", "confirm"])
def test_pool_that_declined_never_met_the_person(door: Door, stage: Stage, offer: Any, verb: str) -> None:
    assert act(door, "saad", POOL, offer, "decline", reason="mauvaise-orientation").status_code == 200
    (declined,) = cards(door, "saad", POOL)
    before = stored(stage, "Task"), stored(stage, "Consent"), stored(stage, "Provenance"), stored(stage, "Communication")
    answer = act(door, "saad", POOL, declined, verb, **taking(verb, {}))
    assert answer.status_code == 403 and "practice" in answer.json()["issue"][0]["diagnostics"]
    assert (stored(stage, "Task"), stored(stage, "Consent"), stored(stage, "Provenance"), stored(stage, "Communication")) == before
    assert len(cards(door)) == 1


@pytest.mark.parametrize("accepted", [True, False])
def test_person_erased_leaves_a_closing_notice_to_who_met_them_alone(door: Door, stage: Stage, offer: Any, accepted: bool) -> None:
    if accepted:
        act(door, "saad", POOL, offer, "accept")
        (done,) = cards(door, "saad", POOL)
        act(door, "saad", POOL, done, "complete", outcome="aide-alimentaire-en-place")
    else:
        act(door, "saad", POOL, offer, "decline", reason="mauvaise-orientation")
    patient = stored(stage, "Task")[0]["for"]["reference"]
    told = stage.app.write_now(lambda story, uow: end(story, uow, GP, patient)).told
    assert sorted(unit for unit, _ in told) == sorted(["coursier-rouen", *(["saad-portage"] if accepted else [])])
    notices = door("GET", "/views/saad/notices", headers=door.token("saad")).json()["notices"]
    assert len(notices) == (1 if accepted else 0)


# ── against whom ─────────────────────────────────────────────────────────────────────────────────
def test_service_opposes_to_itself_alone_and_is_told_to_ask_the_practice_for_more(door: Door, stage: Stage) -> None:
    taken(door, "coursiers", "appel-coursier", AGREED)
    taken(door, "saint-eloi", "fiche-st-eloi", FORM)
    answer = act(door, "coursiers", VIEW, cards(door)[0], "oppose", against="everyone", heard_by="dr-exemple")
    assert answer.status_code == 403 and "ask it" in answer.json()["issue"][0]["diagnostics"]
    assert len(cards(door)) == 1 and len(cards(door, "carsat", "/views/as-carsat/referrals")) == 1
    assert act(door, "coursiers", VIEW, cards(door)[0], "oppose").status_code == 204
    assert cards(door) == [] and len(cards(door, "carsat", "/views/as-carsat/referrals")) == 1


def test_opposition_to_everyone_is_written_down_by_the_practice(door: Door) -> None:
    taken(door, "saint-eloi", "fiche-st-eloi", FORM)
    opposed(door, "everyone")
    assert cards(door) == cards(door, "carsat", "/views/as-carsat/referrals") == cards(door, "saint-eloi", MINE) == []


def software(door: Door, type: str, query: str = "") -> list[Any]:
    """What the practice's own software finds on /fhir, page by page."""
    found, path = [], f"/fhir/{type}{query}"
    while path:
        page = door("GET", path, headers=door.token("saint-eloi")).json()
        found += [each["resource"] for each in page.get("entry", ())]
        following = [each["url"] for each in page["link"] if each["relation"] == "next"]
        path = following[0][following[0].index("/fhir/") :] if following else ""
    return found


OF_REFERRAL = ("ServiceRequest", "Task", "Communication", "Procedure", "Provenance")


def test_opposition_to_everyone_closes_the_referrals_to_the_practices_software_and_leaves_it_the_person_and_the_opposition(door: Door, stage: Stage) -> None:
    taken(door, "saint-eloi", "fiche-st-eloi", FORM)
    taken(door, "coursiers", "appel-coursier", AGREED)
    card = cards(door, "coursiers")[0]
    assert act(door, "coursiers", VIEW, card, "message", text="Zyxmessage").status_code in (200, 204)
    before = {type: software(door, type) for type in OF_REFERRAL}
    assert len(before["ServiceRequest"]) == len(before["Task"]) == 2
    assert act(door, "saint-eloi", MINE, cards(door, "saint-eloi", MINE)[0], "oppose", against="everyone", how="presence").status_code == 204
    for type in OF_REFERRAL:
        assert software(door, type) == [], type
        for each in before[type]:
            assert door("GET", f"/fhir/{type}/{each['id']}", headers=door.token("saint-eloi")).status_code == 404
    assert [each["provision"]["type"] for each in software(door, "Consent")] == ["deny"]
    assert len(software(door, "Patient")) == 1


def test_opposition_to_one_recipient_leaves_the_practice_its_own_referral(door: Door) -> None:
    opposed(door)
    assert len(software(door, "ServiceRequest")) == len(software(door, "Task")) == 1 and len(software(door, "Consent")) == 2


@pytest.mark.parametrize("query", ["?_count=1", "?_count=1&_sort=-_lastUpdated", "?_count=2", ""])
def test_pages_go_on_past_what_is_closed(door: Door, query: str) -> None:
    others = [{"nom": f"Zyx{name}", "nom_naissance": f"Zyx{name}", "naissance": "1950-05-06"} for name in ("un", "deux", "trois")]
    for number, other in enumerate(others[:2]):
        taken(door, "coursiers", "appel-coursier", AGREED | {"id": f"avant-{number}", "personne": CALL["personne"] | other})
    opposed(door, "everyone")
    taken(door, "coursiers", "appel-coursier", AGREED | {"id": "apres", "personne": CALL["personne"] | others[2]})
    assert len({each["id"] for each in software(door, "Task", query)}) == len(software(door, "Task", query)) == 3


def test_nothing_closed_is_met_by_if_none_exist(door: Door, stage: Stage) -> None:
    taken(door, "coursiers", "appel-coursier", AGREED)
    (request,) = software(door, "ServiceRequest")
    again = {name: value for name, value in request.items() if name not in ("id", "meta")}
    met = f"identifier={request['identifier'][0]['system']}|{request['identifier'][0]['value']}"
    post = {"content": json.dumps(again), "headers": door.token("saint-eloi") | {"If-None-Exist": met}}
    assert door("POST", "/fhir/ServiceRequest", **post).status_code == 200
    assert act(door, "saint-eloi", MINE, cards(door, "saint-eloi", MINE)[0], "oppose", against="everyone", how="presence").status_code == 204
    rows = len(stage.app.read_now(lambda _, uow: list(uow.audit_rows(limit=10_000))))
    answer = door("POST", "/fhir/ServiceRequest", **post)
    assert answer.status_code == 404 and "Zyx" not in answer.text and request["id"] not in answer.text
    assert len(stage.app.read_now(lambda _, uow: list(uow.audit_rows(limit=10_000)))) == rows + 1


# ── a later call ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("against", ["recipient", "everyone"])
@pytest.mark.parametrize("agreed", [True, False])
def test_later_call_of_a_service_is_told_that_it_cannot_be_sent_and_not_why(door: Door, stage: Stage, against: str, agreed: bool) -> None:
    opposed(door, against)
    before = {type: len(stored(stage, type)) for type in ("Task", "ServiceRequest", "Consent", "Patient", "Provenance")}
    receipt = taken(door, "coursiers", "appel-coursier", (AGREED if agreed else CALL) | {"id": "appel-2"})
    assert (receipt["status"], receipt["referrals"]) == ("not-sent", [])
    assert warning(receipt) == "this cannot be sent, nothing was taken in; the practice knows why" and "oppos" not in warning(receipt)
    assert {type: len(stored(stage, type)) for type in before} == before
    (event,) = acts(stage)
    assert event["outcome"] == "0" and "Zyx" not in json.dumps(event)


@pytest.mark.parametrize("against", ["recipient", "everyone"])
def test_practice_is_told_why_and_has_what_was_not_sent_on_its_list(door: Door, stage: Stage, against: str) -> None:
    opposed(door, against)
    taken(door, "coursiers", "appel-coursier", AGREED | {"id": "appel-2"})
    form = FORM | {"id": "fiche-2", "destinataire": "coursier-rouen", "motifs": ["acces-droits"]}
    receipt = taken(door, "saint-eloi", "fiche-st-eloi", form)
    assert receipt["status"] == "not-sent" and "the person opposed" in warning(receipt)
    listed = door("GET", "/views/prescripteur/notices", headers=door.token("saint-eloi"))
    found = listed.json()["notices"]
    assert len(found) == 2 and all(each["reference"] and "opposée" in each["text"] for each in found) and "Zyx" not in listed.text
    assert "opposée" not in door("GET", "/views/coursier-dac-asso/notices", headers=door.token("coursiers")).text
    stage.clock.tick(timedelta(days=31))
    assert door("GET", "/views/prescripteur/notices", headers=door.token("saint-eloi")).json()["notices"] == []


def test_record_that_was_not_sent_is_judged_anew_when_it_comes_again(door: Door, stage: Stage) -> None:
    opposed(door)
    record = AGREED | {"id": "appel-2"}
    assert taken(door, "coursiers", "appel-coursier", record)["status"] == "not-sent"
    deny = next(each for each in stored(stage, "Consent") if each["provision"]["type"] == "deny")
    from adapter.ports import Change

    ended = Change("update", "Consent", deny["id"], deny | {"status": "inactive"}, origin="device")
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [ended]))
    assert taken(door, "coursiers", "appel-coursier", record)["status"] == "requested" and len(cards(door)) == 1


def test_other_recipients_and_other_persons_are_not_meant(door: Door) -> None:
    opposed(door)
    assert taken(door, "saint-eloi", "fiche-st-eloi", FORM)["status"] == "requested"
    other = CALL["personne"] | {"nom": "Zyxautre", "nom_naissance": "Zyxautre", "naissance": "1950-05-06"}
    assert taken(door, "coursiers", "appel-coursier", AGREED | {"id": "appel-2", "personne": other})["status"] == "requested"


def test_agreement_to_a_draft_against_which_an_opposition_came_is_not_sent(door: Door, stage: Stage) -> None:
    taken(door, "coursiers", "appel-coursier", CALL)
    draft = stored(stage, "Consent")[0]
    role = draft["provision"]["actor"][0]["role"]
    actor = [{"role": role, "reference": {"reference": "Organization/asso-coursiers"}}]
    deny = {name: value for name, value in draft.items() if name not in ("id", "meta", "identifier", "sourceAttachment")}
    deny |= {"status": "active", "provision": {"type": "deny", "actor": actor}}
    answer = door("POST", "/fhir/Consent", content=json.dumps(deny), headers=door.token("saint-eloi"))
    assert answer.status_code == 201, answer.text
    for who in ("doctor", "patient"):
        heard = {"who": who, "agreed": True, "heard_by": "coursier-lea"}
        receipt = door("POST", "/intake/appel-coursier/appel-1/agreements", json=heard, headers=door.token("coursiers")).json()
        assert receipt["status"] == "draft" and "cannot be sent" in warning(receipt)
    assert [each["status"] for each in stored(stage, "Task")] == ["draft"] and stage.push() == 0


def test_further_service_that_the_person_opposed_is_refused_to_who_asks_it(door: Door, stage: Stage) -> None:
    taken(door, "coursiers", "appel-coursier", AGREED)
    act(door, "coursiers", VIEW, cards(door)[0], "accept")
    act(door, "coursiers", VIEW, cards(door)[0], "refer", **FURTHER)
    act(door, "saad", POOL, cards(door, "saad", POOL)[0], "accept")
    act(door, "saad", POOL, cards(door, "saad", POOL)[0], "oppose", heard_by="aide-noe")
    answer = act(door, "coursiers", VIEW, cards(door)[0], "refer", **FURTHER)
    assert answer.status_code == 422 and "cannot be sent" in answer.json()["issue"][0]["diagnostics"]
    assert cards(door, "saad", POOL) == []
