"""What a worklist says: a line each, initials of accepted files only, no name and no address (workflow.md 6, F9)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from adapter.ports import Principal
from tests.e2e.france import call, form
from tests.e2e.places import settle
from tests.e2e.stage import CARSAT, COURSIER, GP, SAAD, Stage, staged

PERSON = ("Zyxdurand", "Jeannezyx", "+33639980001", "Zyxexemple", "1938")


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        settle(found)
        yield found


def lines(stage: Stage, who: Principal, view: str, lang: str = "fr") -> list[Any]:
    return stage.app.write_now(lambda story, uow: story.worklist(uow, who, view, lang=lang)) or []


def events(stage: Stage, kind: str) -> list[Any]:
    rows = [json.loads(row.event) for row in stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))]
    return [each for each in rows if each["subtype"][0]["code"] == kind]


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_line_of_a_named_service_has_initials_once_it_accepted_and_no_more(stage: Stage, lang: str) -> None:
    form(stage, motifs=["ressources-ij"])
    for accepted in (False, True):
        (line,) = lines(stage, CARSAT, "as-carsat", lang)
        said = json.dumps([line.card, list(line.resources)], ensure_ascii=False)
        assert line.card.get("initials") == ("J. Z." if accepted else None)
        assert line.card["needs"] and line.card["reference"] and "person" not in line.card and "prescriber" not in line.card
        assert not any(word in json.dumps(line.card, ensure_ascii=False) for word in PERSON) and "Zyxexemple" not in said and "+33639980001" not in said
        stage.act(CARSAT, "as-carsat", *stage.cards(CARSAT, "as-carsat"), "accept") if not accepted else None


def test_line_of_a_pool_has_no_initials_before_it_accepted(stage: Stage) -> None:
    call(stage)
    further = {"destinataire": "saad-portage", "besoins": ["denutrition"], "accord_patient": {"accord": "oui", "par": "coursier-lea", "comment": "presence"}}
    stage.act(COURSIER, "coursier-dac-asso", *stage.cards(COURSIER, "coursier-dac-asso"), "accept")
    stage.act(COURSIER, "coursier-dac-asso", *stage.cards(COURSIER, "coursier-dac-asso"), "refer", **further)
    (line,) = lines(stage, SAAD, "saad")
    assert line.card["area"] and line.card["age_class"] and "initials" not in line.card
    assert not any(word in json.dumps(line.card, ensure_ascii=False) for word in PERSON)
    stage.act(SAAD, "saad", *stage.cards(SAAD, "saad"), "accept")
    assert lines(stage, SAAD, "saad")[0].card["initials"] == "J. Z."


def test_line_carries_the_tag_with_which_the_referral_is_acted_on(stage: Stage) -> None:
    call(stage)
    (line,) = lines(stage, COURSIER, "coursier-dac-asso")
    (card,) = stage.cards(COURSIER, "coursier-dac-asso")
    assert (line.id, line.etag) == (card.id, card.etag)


def test_register_names_the_classes_of_a_line_and_not_those_of_the_card(stage: Stage) -> None:
    form(stage, motifs=["ressources-ij"])
    lines(stage, CARSAT, "as-carsat")
    listed = json.dumps(events(stage, "disclose")[-1])
    stage.cards(CARSAT, "as-carsat")
    opened = json.dumps(events(stage, "disclose")[-1])
    assert listed != opened and "D2" in opened and "D2" not in listed and "D10" in opened and "D10" not in listed


def test_prescriber_lists_his_own_patients_by_name(stage: Stage) -> None:
    form(stage, motifs=["ressources-ij"])
    (line,) = lines(stage, GP, "prescripteur")
    assert line.card["person"]["family_name"] == "Zyxdurand"
