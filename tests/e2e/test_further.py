"""A further service that a recipient asks, and one asked instead of a wrong one: who may ask whom, and what must not be lost or gained on the
way (workflow.md 1, 2, 4; france.md F5, F9). Over the doors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from adapter.network import ClientEntry
from tests.e2e.stage import CALL, Stage
from tests.e2e.test_hearsay import FORM, YES, act, cards, everything, stored, taken
from tests.e2e.test_hearsay import VIEW as COURIERS
from tests.e2e.test_hearsay import stage as _stage
from tests.unit.web.test_doors import Door

stage = _stage
MINE, POOL, TOWN, COUNTY = (f"/views/{name}/referrals" for name in ("prescripteur", "saad", "ccas", "as-departement"))
AGREED = CALL | {"accord_medecin": YES, "accord_patient": YES}
MEALS = {"destinataire": "saad-portage", "besoins": ["denutrition"], "accord_patient": YES}
BUDGET = {"destinataire": "ccas-accueil", "besoins": ["budget"], "service": "entretien-as"}
BY_COUNTY = {"accord": "oui", "par": "as-mds", "comment": "telephone"}
BY_DOCTOR = {"accord": "oui", "par": "dr-exemple", "comment": "presence"}


@pytest.fixture
def door(stage: Stage) -> Door:
    """With the social worker of the département as a client, and a second unit there, which is a pool."""
    network = stage.app.network
    house = next(each for each in network.organisations if each.key == "departement-76")
    pool = replace(house.units[0], key="mds-elbeuf", stage="pool")
    worker = replace(next(each for each in network.people if each.unit == "mds-rouen"), key="as-elbeuf", unit=pool.key)
    secret = network.clients[0].secret
    clients = tuple(ClientEntry(unit, house.key, unit=unit, scopes=("system/*.rs", "views"), secret=secret) for unit in ("mds-rouen", pool.key))
    organisations = tuple(replace(each, units=(*each.units, pool)) if each is house else each for each in network.organisations)
    stage.app.apply_network(replace(network, organisations=organisations, people=(*network.people, worker), clients=(*network.clients, *clients)))
    return Door(stage)


def sent(door: Door, client: str, path: str, **changed: Any) -> Any:
    """A referral of the practice, and the recipient's card of it."""
    before = {each["id"] for each in cards(door, client, path)}
    taken(door, "saint-eloi", "appel-coursier", AGREED | {"accord_medecin": BY_DOCTOR, "accord_patient": BY_DOCTOR, "preneur_appel": "dr-exemple"} | changed)
    (found,) = [each for each in cards(door, client, path) if each["id"] not in before]
    return found


def accepted(door: Door, client: str, path: str, card: Any) -> Any:
    answer = act(door, client, path, card, "accept")
    assert answer.status_code == 200, answer.text
    return next(each for each in cards(door, client, path) if each["id"] == card["id"])


def said(answer: Any) -> str:
    return str(answer.json()["issue"][0]["diagnostics"])


def place(answer: Any) -> list[str]:
    return list(answer.json()["issue"][0].get("expression", []))


# ── a refuge ─────────────────────────────────────────────────────────────────────────────────────
PERSON = CALL["personne"]
REFUGE = [
    {"besoins": ["violences"]}, {"besoins": ["budget"], "personne": PERSON | {"canal_sur": "non"}},
    {"besoins": ["violences"], "personne": PERSON | {"canal_sur": "non"}},
]  # fmt: skip
WHERE = ("39980001", "Zyxexemple")


@pytest.mark.parametrize("asked", REFUGE)
def test_refuge_is_not_given_away_by_a_further_request_F9(door: Door, asked: dict[str, Any]) -> None:
    card = accepted(door, "mds-rouen", COUNTY, sent(door, "mds-rouen", COUNTY, destinataire="mds-rouen", **asked))
    assert "Zyxdurand" in json.dumps(card) and not any(each in json.dumps(card) for each in WHERE)
    assert act(door, "mds-rouen", COUNTY, card, "refer", **BUDGET, accord_patient=BY_COUNTY).status_code == 200
    (town,) = cards(door, "ccas", TOWN)
    assert town["person"]["family_name"] == "Zyxdurand" and not any(each in everything(door, "ccas", TOWN) for each in WHERE)
    assert act(door, "mds-rouen", COUNTY, card, "refer", **MEALS | {"accord_patient": BY_COUNTY}).status_code == 200
    assert accepted(door, "saad", POOL, *cards(door, "saad", POOL))["person"]["family_name"] == "Zyxdurand"
    assert not any(each in everything(door, "saad", POOL) for each in WHERE)


def test_refuge_is_not_given_away_two_requests_on_F9(door: Door) -> None:
    card = accepted(door, "mds-rouen", COUNTY, sent(door, "mds-rouen", COUNTY, destinataire="mds-rouen", besoins=["violences"]))
    asked = {"destinataire": "coursier-rouen", "besoins": ["isolement"], "accord_patient": BY_COUNTY}
    assert act(door, "mds-rouen", COUNTY, card, "refer", **asked).status_code == 200
    act(door, "mds-rouen", COUNTY, card, "complete", outcome="aide-alimentaire-en-place")
    (between,) = cards(door, "coursiers", COURIERS)
    answer = act(door, "coursiers", COURIERS, accepted(door, "coursiers", COURIERS, between), "refer", **BUDGET, accord_patient=YES)
    assert answer.status_code == 200, answer.text
    assert "Zyxdurand" in everything(door, "ccas", TOWN) and not any(each in everything(door, "ccas", TOWN) for each in WHERE)


@pytest.mark.parametrize("asked", REFUGE)
def test_refuge_is_not_given_away_by_a_request_in_another_s_place_F9(door: Door, asked: dict[str, Any]) -> None:
    card = sent(door, "mds-rouen", COUNTY, destinataire="mds-rouen", **asked)
    assert act(door, "mds-rouen", COUNTY, card, "decline", reason="mauvaise-orientation").status_code == 200
    answer = act(door, "saint-eloi", MINE, cards(door, "saint-eloi", MINE)[0], "reorient", **BUDGET, accord_patient=BY_DOCTOR)
    assert answer.status_code == 200, answer.text
    (town,) = cards(door, "ccas", TOWN)
    assert town["person"]["family_name"] == "Zyxdurand" and not any(each in everything(door, "ccas", TOWN) for each in WHERE)


@pytest.mark.parametrize("open_", [True, False])
def test_refuge_that_another_open_referral_tells_of_goes_with_a_further_request(door: Door, open_: bool) -> None:
    other = sent(door, "mds-rouen", COUNTY, id="appel-0", destinataire="mds-rouen", besoins=["violences"])
    if not open_:
        act(door, "mds-rouen", COUNTY, other, "decline", reason="session-complete")
    card = accepted(door, "coursiers", COURIERS, sent(door, "coursiers", COURIERS))
    assert act(door, "coursiers", COURIERS, card, "refer", **BUDGET, accord_patient=YES).status_code == 200
    assert len(cards(door, "ccas", TOWN)) == 1 and ("Zyxexemple" in everything(door, "ccas", TOWN)) is not open_


def test_further_request_where_contact_is_safe_says_how_to_reach_the_person(door: Door) -> None:
    card = accepted(door, "coursiers", COURIERS, sent(door, "coursiers", COURIERS))
    assert act(door, "coursiers", COURIERS, card, "refer", **BUDGET, accord_patient=YES).status_code == 200
    assert all(each in everything(door, "ccas", TOWN) for each in WHERE)


# ── who may ask, and whom ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("unit", ["ccas-accueil", "mds-rouen"])
def test_pool_asks_nobody_further_before_it_accepted_nor_after_it_declined(door: Door, stage: Stage, unit: str) -> None:
    card = sent(door, "mds-elbeuf", COUNTY, destinataire="mds-elbeuf", besoins=["budget"])
    assert "person" not in card
    asked = BUDGET | {"destinataire": unit, "accord_patient": YES | {"par": "as-elbeuf"}}
    offered = act(door, "mds-elbeuf", COUNTY, card, "refer", **asked)
    assert offered.status_code == 403 and said(offered) == said(act(door, "mds-elbeuf", COUNTY, card, "withdraw"))
    act(door, "mds-elbeuf", COUNTY, card, "decline", reason="mauvaise-orientation")
    (card,) = cards(door, "mds-elbeuf", COUNTY)
    declined = act(door, "mds-elbeuf", COUNTY, card, "refer", **asked)
    assert declined.status_code == 403 and said(declined) == said(offered)  # it never had more than an offer
    assert len(stored(stage, "Task")) == 1 and "Zyxdurand" not in everything(door, "mds-elbeuf", COUNTY)
    assert cards(door, "ccas", TOWN) == cards(door, "mds-rouen", COUNTY) == []


def test_named_service_asks_further_while_it_has_the_referral_in_hand(door: Door, stage: Stage) -> None:
    card = sent(door, "coursiers", COURIERS)
    early = act(door, "coursiers", COURIERS, card, "refer", **MEALS)
    assert early.status_code == 422 and place(early) == ["Task.status"]
    card = accepted(door, "coursiers", COURIERS, card)
    assert act(door, "coursiers", COURIERS, card, "refer", **MEALS).status_code == 200
    act(door, "coursiers", COURIERS, card, "start")
    (card,) = cards(door, "coursiers", COURIERS)
    assert act(door, "coursiers", COURIERS, card, "refer", **BUDGET, accord_patient=YES).status_code == 200
    act(door, "coursiers", COURIERS, card, "complete", outcome="aide-alimentaire-en-place")
    (card,) = cards(door, "coursiers", COURIERS)
    late = act(door, "coursiers", COURIERS, card, "refer", **MEALS, urgence="48h")
    assert (late.status_code, place(late)) == (422, ["Task.status"]) and len(stored(stage, "Task")) == 3


@pytest.mark.parametrize(("client", "path", "own", "sister"), [("coursiers", COURIERS, "coursier-rouen", "coursier-garde"), ("mds-rouen", COUNTY, "mds-rouen", "mds-elbeuf")])
def test_service_asks_no_unit_of_its_own_house(door: Door, stage: Stage, client: str, path: str, own: str, sister: str) -> None:
    """Else it would give itself needs nobody put to it, and outlive the agreement."""
    card = accepted(door, client, path, sent(door, client, path, destinataire=own))
    heard = YES if client == "coursiers" else BY_COUNTY
    for unit in (own, sister):
        answer = act(door, client, path, card, "refer", besoins=["acces-droits"], destinataire=unit, accord_patient=heard)
        assert (answer.status_code, place(answer)) == (422, ["destinataire"]) and "by the practice" in said(answer)
    assert len(stored(stage, "Task")) == 1
    assert act(door, "saint-eloi", MINE, cards(door, "saint-eloi", MINE)[0], "withdraw", heard_by="dr-exemple").status_code == 204
    assert cards(door, client, path) == []
    assert act(door, client, path, card, "refer", **BUDGET, accord_patient=heard).status_code == 404


# ── an opposition ────────────────────────────────────────────────────────────────────────────────
def events(stage: Stage, kind: str) -> int:
    return sum(kind.encode() in row.event for row in stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000)))


def notices(door: Door) -> Any:
    return door("GET", "/views/prescripteur/notices", headers=door.token("saint-eloi")).json()["notices"]


def opposed(door: Door) -> None:
    """The home help service wrote down that the person wants nothing of it."""
    card = accepted(door, "saad", POOL, sent(door, "saad", POOL, id="appel-0", destinataire="saad-portage", besoins=["denutrition"]))
    assert act(door, "saad", POOL, card, "oppose", heard_by="aide-noe").status_code == 204


def test_opposition_told_through_a_further_request_leaves_event_and_notice(door: Door, stage: Stage) -> None:
    opposed(door)
    card = accepted(door, "coursiers", COURIERS, sent(door, "coursiers", COURIERS))
    for told in (1, 2):
        answer = act(door, "coursiers", COURIERS, card, "refer", **MEALS)
        assert (answer.status_code, said(answer)) == (422, "this cannot be sent, nothing was taken in; the practice knows why")
        found = notices(door)
        assert len(found) == events(stage, "opposition-told") == told and "Zyx" not in json.dumps(found)
        assert all(each["reference"] and "opposée" in each["text"] for each in found)
    assert len(stored(stage, "Task")) == 2 and cards(door, "saad", POOL) == []


def test_opposition_told_through_a_replacing_request_leaves_event_and_notice(door: Door, stage: Stage) -> None:
    opposed(door)
    act(door, "coursiers", COURIERS, sent(door, "coursiers", COURIERS), "decline", reason="mauvaise-orientation")
    card = next(each for each in cards(door, "saint-eloi", MINE) if each["state"] == "rejected")
    answer = act(door, "saint-eloi", MINE, card, "reorient", **MEALS | {"accord_patient": BY_DOCTOR})
    assert answer.status_code == 422 and "the person opposed" in said(answer) and place(answer) == ["destinataire"]
    assert len(notices(door)) == events(stage, "opposition-told") == 1 and len(stored(stage, "Task")) == 2


# ── one id, two referrals ────────────────────────────────────────────────────────────────────────
def two(door: Door) -> list[Any]:
    other = PERSON | {"nom": "Zyxautre", "nom_naissance": "Zyxautre", "prenom": "Paulzyx", "naissance": "1950-05-06"}
    return [accepted(door, "coursiers", COURIERS, sent(door, "coursiers", COURIERS, id=id, **more)) for id, more in (("a", {}), ("b", {"personne": other}))]


def test_same_id_from_two_referrals_is_two_requests(door: Door) -> None:
    for number, card in enumerate(two(door), 1):
        for _ in range(2):  # and the same again is the same
            assert act(door, "coursiers", COURIERS, card, "refer", id="demande-1", **MEALS).status_code == 200
            assert len(cards(door, "saad", POOL)) == number


def test_agreement_told_by_an_id_that_two_persons_share_is_written_down_for_neither(door: Door) -> None:
    first, second = two(door)
    waiting = {name: value for name, value in MEALS.items() if name != "accord_patient"}
    heard = {"who": "patient", "agreed": True, "heard_by": "coursier-lea", "how": "telephone"}

    def agree(id: str) -> Any:
        return door("POST", f"/intake/demande-complementaire/{id}/agreements", json=heard, headers=door.token("coursiers"))

    for card, id in ((first, "demande-1"), (second, "demande-1"), (first, "demande-2")):
        assert act(door, "coursiers", COURIERS, card, "refer", id=id, **waiting).status_code == 200
    assert agree("demande-1").status_code == 409 and cards(door, "saad", POOL) == []
    assert agree("demande-2").status_code == 200 and len(cards(door, "saad", POOL)) == 1


def test_practice_asks_two_units_of_one_house_with_an_agreement_each(door: Door, stage: Stage) -> None:
    for id, unit in (("fiche-1", "mds-rouen"), ("fiche-2", "mds-elbeuf")):
        taken(door, "saint-eloi", "fiche-st-eloi", FORM | {"id": id, "destinataire": unit})
    assert len(stored(stage, "Task")) == len(stored(stage, "Consent")) == 2
