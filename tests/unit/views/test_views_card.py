"""The flat object: france.md 9, made of what was projected and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.views import card
from adapter.views.card import _address, _name
from adapter.views.cardspec import compile_entry
from adapter.views.document import read
from tests.unit.views.looks import MESSAGE, REFERRAL, REQUEST, TASK, VIEWS, author, coded, facts, see


def made(view: str, look: Any, resources: Any = REFERRAL, lang: str = "fr") -> dict[str, Any]:
    return card(VIEWS[view], see(view, look, resources), facts=look, lang=lang)


def test_card_of_the_courier_is_that_of_france_9() -> None:
    assert made("coursier-dac-asso", facts(), [part for part in REFERRAL if part["resourceType"] not in ("Procedure", "Communication")]) == {
        "view": "coursier-dac-asso",
        "version": 1,
        "reference": "K7-42M",
        "state": "requested",
        "status": "demandée",
        "progress": "Non lu",
        "service": "Intervention du coursier sanitaire et social",
        "needs": ["Aide alimentaire, portage de repas", "Isolement"],
        "need_codes": ["aide-alimentaire", "isolement"],
        "urgency": "urgente",
        "due": "2026-03-10T18:00:00+01:00",
        "asked": "2026-03-06T18:50:00+01:00",
        "person": {"family_name": "Durand", "given_name": "Jeanne", "phone": "+33639980001", "address": "12 rue de l'Exemple, 76100 Rouen"},
        "constraints": ["Marche avec une aide"],
        "situation": ["Vit seule"],
        "people": ["Voisin"],
        "prescriber": {"name": "Dr Camille Exemple", "organisation": "Maison de santé", "phone": "+33261910012"},
        "consent": {"since": "2026-03-06T18:50:00+01:00", "scope": ["Aide alimentaire, portage de repas", "Isolement"]},
    }


def test_card_of_a_pool_before_it_accepts_is_that_of_france_9() -> None:
    assert made("saad", facts("denutrition", stage="offer")) == {
        "view": "saad",
        "version": 1,
        "reference": "K7-42M",
        "state": "requested",
        "status": "demandée",
        "service": "Intervention du coursier sanitaire et social",
        "needs": ["Portage de repas"],
        "need_codes": ["aide-alimentaire"],
        "urgency": "urgente",
        "due": "2026-03-10T18:00:00+01:00",
        "asked": "2026-03-06T18:50:00+01:00",
        "area": "76100 Rouen",
        "age_class": "75 ans et plus",
    }


def test_card_of_a_pool_after_it_accepted_names_the_person() -> None:
    opened = made("saad", facts("denutrition"))
    assert opened["person"] == {
        "family_name": "Durand", "given_name": "Jeanne", "phone": "+33639980001", "address": "12 rue de l'Exemple, 76100 Rouen",
    }  # fmt: skip
    assert not {"area", "age_class", "prescriber", "situation", "people"} & set(opened)


@pytest.mark.parametrize("stage", ["open", "closed"])
@pytest.mark.parametrize("view", VIEWS)
def test_card_has_area_and_age_class_in_an_offer_only(view: str, stage: Any) -> None:
    look = (author if view in ("prescripteur", "dossier-clinique") else facts)(stage=stage)
    assert "75 ans" not in json.dumps(made(view, look))


def test_card_of_the_prescriber_has_words_recipient_outcome_and_message() -> None:
    seen = made("prescripteur", author())
    assert seen["words"] == REQUEST["note"][0]["text"]
    assert seen["recipient"] == {"name": "Coursiers de Rouen", "organisation": "Asso", "phone": "+33639980021"}
    assert (seen["outcome"], seen["results"]) == (["Aide alimentaire ou portage de repas en place"], ["Besoin satisfait"])
    assert seen["messages"] == [{"kind": "message", "sent": MESSAGE["sent"], "text": "Je passe mardi."}]
    assert "belle-fille" not in json.dumps(seen)


def test_card_speaks_english_when_asked() -> None:
    seen = made("coursier-dac-asso", facts(), lang="en")
    assert (seen["status"], seen["urgency"], seen["constraints"]) == ("requested", "urgent", ["Walks with help"])


def test_card_says_the_reason_by_its_label() -> None:
    refused = {**TASK, "status": "rejected", "statusReason": {**coded("status-reason", "hors-territoire"), "text": "never said"}}
    assert made("saad", facts(), [refused])["reason"] == "Hors du territoire du service"


def test_card_takes_the_organisation_when_the_requester_is_one() -> None:
    asked = {**REQUEST, "requester": {"reference": "Organization/clinic"}}
    seen = made("coursier-dac-asso", facts(), [asked, *REFERRAL[1:]])
    assert seen["prescriber"] == {"name": "Maison de santé", "phone": "+33261910010"}


def test_card_of_nothing_has_no_empty_keys() -> None:
    assert card(VIEWS["saad"], [], facts=facts(reference=""), lang="fr") == {"view": "saad", "version": 1}


@pytest.mark.parametrize("view", VIEWS)
def test_card_has_no_word_that_the_resources_facts_or_tables_do_not_have(view: str) -> None:
    look = author() if view in ("prescripteur", "dossier-clinique") else facts()
    shown = see(view, look)
    known = json.dumps([shown, look.reference, look.area, look.age_class, VIEWS[view].labels, look.labels], ensure_ascii=False)

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for inner in value.values() for text in texts(inner)]
        return [text for inner in value for text in texts(inner)] if isinstance(value, list) else [str(value)]

    for text in texts({key: value for key, value in card(VIEWS[view], shown, facts=look, lang="fr").items() if key not in ("view", "version")}):
        assert all(word in known for word in text.replace(",", " ").split()), text


@pytest.mark.parametrize(
    ("name", "said"),
    [({"prefix": ["Dr"], "given": ["Camille", "Anne"], "family": "Exemple"}, "Dr Camille Anne Exemple"), ({"text": "Camille"}, "Camille"),
     ("Asso", "Asso"), ({}, None), (3, None)],
)  # fmt: skip
def test_name_is_said_as_one_says_it(name: Any, said: str | None) -> None:
    assert _name(name) == said


@pytest.mark.parametrize(
    ("address", "said"), [({"city": "Rouen"}, "Rouen"), ({"line": ["a", "b"], "postalCode": "76100"}, "a, b, 76100"), ({}, None), ("x", None)]
)
def test_address_is_one_line(address: Any, said: str | None) -> None:
    assert _address(address) == said


def test_compile_entry_asks_for_every_path() -> None:
    asked: list[str] = []
    spec = read("a: Task.owner > HealthcareService.name | name\nb: {c: [Task.status | label task-status, fact.reference]}\n", name="x")
    for value in spec.values():
        compile_entry(value, lambda kind, steps: asked.append(f"{kind}.{steps[-1].name}"))
    assert asked == ["Task.owner", "HealthcareService.name", "Task.status"]


@pytest.mark.parametrize("text", ["", "Task", "Task.status | name x", "fact.name", "Task.status |", "Task.*"])
def test_compile_entry_refuses_what_it_cannot_read(text: str) -> None:
    with pytest.raises(ValueError):
        compile_entry(text, lambda kind, steps: None)
