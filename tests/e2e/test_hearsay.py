"""A record from outside the clinic shows of the person what it told itself, until the practice confirms; nobody of a third house
heard anything (workflow.md 3 and 6). Over the doors, as the audit of the design tried it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter.network import ClientEntry, Secret
from adapter.ports import Query, Resource
from tests.e2e.places import settle
from tests.e2e.stage import CALL, Stage, staged
from tests.unit.web.test_doors import SECRET, Door

YES = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
BARE = {name: CALL["personne"][name] for name in ("nom", "nom_naissance", "prenom", "naissance", "sexe")}
MADE_UP = CALL | {"id": "appel-faux", "personne": BARE, "accord_medecin": YES, "accord_patient": YES}
FORM: dict[str, Any] = {
    "id": "fiche-1", "date": "2026-03-06", "demandeur": {"nom": "Exemple", "prenom": "Camille", "qualification": "medecin"},
    "personne": {
        "nom_usage": "Zyxdurand", "nom_naissance": "Zyxdurand", "prenom": "Jeannezyx", "naissance": "1938-02-03", "telephone": "+33639980001",
        "adresse": {"ligne": "12 rue Zyxexemple", "code_postal": "76100", "commune": "Rouen"},
    },
    "accord_patient": {"accord": "oui", "par": "dr-exemple", "comment": "presence"}, "motifs": ["acces-droits"], "destinataire": "permanence-saint-eloi",
}  # fmt: skip
SECRETS = ("39980001", "Zyxexemple", "76100")
VIEW = "/views/coursier-dac-asso/referrals"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with staged() as found:
        settle(found)
        network = found.app.network
        clients = (*network.clients, ClientEntry("ccas", "ccas-rouen", unit="ccas-accueil", scopes=("system/*.rs", "intake", "views")))
        found.app.apply_network(replace(network, clients=tuple(replace(each, secret=Secret(file=str(file))) for each in clients)))
        yield found


@pytest.fixture
def door(stage: Stage) -> Door:
    return Door(stage)


def taken(door: Door, client: str, mapping: str, record: dict[str, Any], status: int = 201) -> Any:
    answer = door("POST", f"/intake/{mapping}", json=record, headers=door.token(client))
    assert answer.status_code == status, answer.text
    return answer.json()


def known(door: Door) -> None:
    """The clinic has referred the person to another unit: her phone and street are stored."""
    taken(door, "saint-eloi", "fiche-st-eloi", FORM)


def cards(door: Door, client: str = "coursiers", path: str = VIEW) -> list[Any]:
    """Every referral of the list, opened."""
    who = door.token(client)
    return [door("GET", f"{path}/{line['id']}", headers=who).json() | {"etag": line["etag"]} for line in door("GET", path, headers=who).json()["referrals"]]


def everything(door: Door, client: str = "coursiers", path: str = VIEW) -> str:
    """What the service's software gets: lists, cards, its part on /fhir."""
    read = [door("GET", path, headers=door.token(client)).text]
    read += [door("GET", f"{path}/{each['id']}", headers=door.token(client)).text for each in cards(door, client, path)]
    return "".join([*read, *(door("GET", f"/fhir/{type}", headers=door.token(client)).text for type in ("Patient", "Task", "ServiceRequest", "Consent"))])


def act(door: Door, client: str, path: str, card: Any, verb: str, **arguments: Any) -> Any:
    tag = door.token(client) | {"If-Match": f'W/"{card["etag"]}"'}
    return door("POST", f"{path}/{card['id']}/{verb}", json=arguments, headers=tag)


def stored(stage: Stage, type: str) -> list[Resource]:
    return [json.loads(each.served) for each in stage.app.read_now(lambda _, uow: uow.search(Query(type)))]


# ── what a made-up record fetches ────────────────────────────────────────────────────────────────
def test_made_up_record_fetches_nothing_that_it_did_not_bring(door: Door, stage: Stage) -> None:
    known(door)
    assert taken(door, "coursiers", "appel-coursier", MADE_UP)["status"] == "requested"
    (card,) = cards(door)
    assert set(card["person"]) <= {"family_name", "given_name", "birth_date", "sex"} and "area" not in card
    assert "Zyxdurand" in everything(door) and not any(mark in everything(door) for mark in SECRETS)
    assert act(door, "coursiers", VIEW, card, "accept").status_code == 200
    assert not any(mark in everything(door) for mark in SECRETS)
    assert len(stored(stage, "Patient")) == 1  # the clinic's own, for oppositions, doubles and its EHR


def test_made_up_identity_shows_as_it_was_made_up(door: Door) -> None:
    known(door)
    taken(door, "coursiers", "appel-coursier", MADE_UP | {"personne": BARE | {"telephone": "+33639980007"}})
    assert cards(door)[0]["person"]["phone"] == "+33639980007"


def test_real_call_shows_all_that_the_caller_told(door: Door, stage: Stage) -> None:
    known(door)
    taken(door, "coursiers", "appel-coursier", MADE_UP | {"personne": CALL["personne"]})
    (card,) = cards(door)
    assert card["person"]["phone"] == "+33639980001" and "12 rue Zyxexemple" in json.dumps(card["person"], ensure_ascii=False)
    assert len(stored(stage, "Patient")) == 1


def test_what_the_clinic_stores_later_does_not_show_on_an_older_call(door: Door) -> None:
    taken(door, "coursiers", "appel-coursier", MADE_UP)
    known(door)
    assert not any(mark in everything(door) for mark in SECRETS)


def test_second_call_of_the_same_service_is_the_same_person_and_shows_its_own_words(door: Door, stage: Stage) -> None:
    taken(door, "coursiers", "appel-coursier", MADE_UP | {"id": "appel-1", "personne": CALL["personne"]})
    taken(door, "coursiers", "appel-coursier", MADE_UP | {"id": "appel-2"})
    assert len(stored(stage, "Patient")) == 1
    assert sorted("phone" in each["person"] for each in cards(door)) == [False, True]


def test_further_service_is_shown_no_more_than_the_one_that_asks_it(door: Door) -> None:
    known(door)
    taken(door, "coursiers", "appel-coursier", MADE_UP)
    further = {"destinataire": "ccas-accueil", "besoins": ["isolement"], "accord_patient": YES}
    act(door, "coursiers", VIEW, cards(door)[0], "accept")
    assert act(door, "coursiers", VIEW, cards(door)[0], "refer", **further).status_code == 200
    further["destinataire"] = "saad-portage"
    assert act(door, "coursiers", VIEW, cards(door)[0], "refer", **further).status_code == 200
    (offer,) = cards(door, "saad", "/views/saad/referrals")
    assert act(door, "saad", "/views/saad/referrals", offer, "accept").json()["person"]["family_name"] == "Zyxdurand"
    assert not any(mark in everything(door, "saad", "/views/saad/referrals") for mark in SECRETS)


def test_clinics_own_record_shows_the_clinics_patient(door: Door) -> None:
    known(door)
    taken(door, "saint-eloi", "fiche-st-eloi", FORM | {"id": "fiche-2", "destinataire": "coursier-rouen", "personne": {k: v for k, v in FORM["personne"].items() if k not in ("telephone", "adresse")}})
    assert cards(door)[0]["person"]["phone"] == "+33639980001"


# ── until the practice confirms ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("verb", ["confirm", "inform"])
def test_practice_opens_its_patients_data_by_an_act_of_its_own(door: Door, verb: str) -> None:
    known(door)
    taken(door, "coursiers", "appel-coursier", MADE_UP)
    mine = next(each for each in cards(door, "saint-eloi", "/views/prescripteur/referrals") if "isolement" in each["need_codes"])
    assert act(door, "saint-eloi", "/views/prescripteur/referrals", mine, verb, how="presence").status_code == 200
    assert cards(door)[0]["person"]["phone"] == "+33639980001"


@pytest.mark.parametrize("verb", ["confirm", "inform"])
def test_service_does_not_open_it_by_naming_the_doctor(door: Door, verb: str) -> None:
    known(door)
    by_doctor = YES | {"par": "dr-exemple"}
    taken(door, "coursiers", "appel-coursier", MADE_UP | {"accord_medecin": by_doctor, "accord_patient": by_doctor})
    assert act(door, "coursiers", VIEW, cards(door)[0], verb, heard_by="dr-exemple").status_code == 200
    assert not any(mark in everything(door) for mark in SECRETS)


def test_agreements_told_later_by_the_service_do_not_open_it(door: Door) -> None:
    known(door)
    taken(door, "coursiers", "appel-coursier", {k: v for k, v in MADE_UP.items() if not k.startswith("accord")})
    for who in ("doctor", "patient"):
        heard = {"who": who, "agreed": True, "heard_by": "dr-exemple"}
        answer = door("POST", "/intake/appel-coursier/appel-faux/agreements", json=heard, headers=door.token("coursiers"))
    assert answer.json()["status"] == "requested"
    assert "Zyxdurand" in everything(door) and not any(mark in everything(door) for mark in SECRETS)


# ── who may have heard it ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("key", ["aide-noe", "as-ines", "nobody"])
@pytest.mark.parametrize("place", ["accord_medecin.par", "accord_patient.par", "preneur_appel"])
def test_record_heard_by_a_third_house_is_refused_by_its_place(door: Door, stage: Stage, key: str, place: str) -> None:
    name, _, below = place.partition(".")
    changed = MADE_UP | {name: (MADE_UP[name] | {below: key}) if below else key}
    answer = taken(door, "coursiers", "appel-coursier", changed, 422)
    assert [each["expression"] for each in answer["issue"]] == [[place]]
    assert stored(stage, "Patient") == stored(stage, "Task") == []


@pytest.mark.parametrize("key", ["coursier-lea", "dr-exemple", "secretaire-saint-eloi"])
def test_record_heard_by_the_callers_house_or_the_practice_is_taken(door: Door, key: str) -> None:
    assert taken(door, "coursiers", "appel-coursier", MADE_UP | {"accord_medecin": YES | {"par": key}})["status"] == "requested"


@pytest.mark.parametrize("who", ["doctor", "patient"])
@pytest.mark.parametrize("agreed", [True, False])
def test_agreement_or_refusal_heard_by_a_third_house_is_refused(door: Door, stage: Stage, who: str, agreed: bool) -> None:
    taken(door, "coursiers", "appel-coursier", {k: v for k, v in MADE_UP.items() if not k.startswith("accord")})
    heard = {"who": who, "agreed": agreed, "heard_by": "aide-noe"}
    answer = door("POST", "/intake/appel-coursier/appel-faux/agreements", json=heard, headers=door.token("coursiers"))
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["heard_by"])
    assert [each["status"] for each in stored(stage, "Task")] == ["draft"]


@pytest.mark.parametrize("verb", ["inform", "confirm", "narrow", "withdraw", "oppose"])
@pytest.mark.parametrize(("client", "path"), [("coursiers", VIEW), ("saint-eloi", "/views/prescripteur/referrals")])
def test_act_heard_by_a_third_house_is_refused_whoever_writes_it_down(door: Door, client: str, path: str, verb: str) -> None:
    taken(door, "coursiers", "appel-coursier", MADE_UP)
    answer = act(door, client, path, cards(door, client, path)[0], verb, heard_by="aide-noe", **({"needs": ["isolement"]} if verb == "narrow" else {}))
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["heard_by"])
    assert len(cards(door, client, path)) == 1


def test_proof_of_an_agreement_says_who_heard_it_and_who_wrote_it_down(door: Door, stage: Stage) -> None:
    taken(door, "coursiers", "appel-coursier", {k: v for k, v in MADE_UP.items() if not k.startswith("accord")})
    for who in ("doctor", "patient"):
        heard = {"who": who, "agreed": True, "heard_by": "dr-exemple", "how": "telephone"}
        door("POST", "/intake/appel-coursier/appel-faux/agreements", json=heard, headers=door.token("coursiers"))
    proofs = {each["activity"]["coding"][0]["code"]: each for each in stored(stage, "Provenance")}
    patient = stored(stage, "Patient")[0]["id"]
    for activity, author in (("accord-medecin", "PractitionerRole/dr-exemple"), ("accord-patient", f"Patient/{patient}")):
        agents = {each["type"]["coding"][0]["code"]: each["who"]["reference"] for each in proofs[activity]["agent"]}
        assert agents == {"author": author, "attester": "PractitionerRole/dr-exemple", "enterer": "Organization/asso-coursiers"}


# ── provisional doctors ──────────────────────────────────────────────────────────────────────────
def test_provisional_doctor_is_read_by_whose_record_tells_of_him_and_by_no_clinic_beside(door: Door) -> None:
    taken(door, "coursiers", "appel-coursier", MADE_UP | {"appelant": {"nom": "Zyxgeneraliste", "telephone": "+33261919999"}})
    (card,) = cards(door)
    assert card["prescriber"]["name"].endswith("Zyxgeneraliste")
    for type in ("Practitioner", "PractitionerRole"):
        answer = door("GET", f"/fhir/{type}?_count=100", headers=door.token("saint-eloi"))
        assert len(answer.json()["entry"]) >= 6 and "Zyxgeneraliste" not in answer.text and "61919999" not in answer.text
    taken(door, "saint-eloi", "fiche-st-eloi", FORM | {"demandeur": {"nom": "Zyxremplacante", "qualification": "medecin"}})
    assert "Zyxremplacante" in door("GET", "/fhir/Practitioner?_count=100", headers=door.token("saint-eloi")).text
