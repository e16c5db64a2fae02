"""Which data classes a projection holds: as many as its elements, never more than the view lists."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.views import brief, classes
from tests.e2e.stage import COURSIER, SAAD, Stage, staged

FURTHER = {
    "destinataire": "saad-portage", "besoins": ["denutrition"], "service": "portage-repas", "contraintes": ["marche-aide"],
    "accord_patient": {"accord": "oui", "par": "coursier-lea", "comment": "presence"},
}  # fmt: skip


def looked(stage: Stage, who: Any, view: str) -> Any:
    def look(story: Any, uow: Any) -> Any:
        (found,) = story.window.dossiers(uow, who, view)
        return story.window.look(uow, who, view, found, lang="fr")

    return stage.app.read_now(look)


def classes_of(stage: Stage, look: Any, *types: str) -> tuple[str, ...]:
    some = [each for each in look.resources if not types or each["resourceType"] in types]
    return classes(some, stage.app.views[look.view], look.facts)


def test_classes_are_those_of_the_elements_that_are_there() -> None:
    with staged() as stage:
        stage.sent()
        look = looked(stage, COURSIER, "coursier-dac-asso")
        assert classes_of(stage, look, "Patient") == ("D1",)
        assert {"D1", "D4", "D5", "D7", "D10", "D11", "D12"} <= set(classes_of(stage, look))
        assert not {"D3", "D8", "D9", "D13", "structure"} & set(classes_of(stage, look))
        bare = [{"resourceType": "Patient", "id": "x"}, {"resourceType": "Observation", "valueString": "x"}]
        assert classes(bare, stage.app.views["saad"], look.facts) == ()


def test_offer_to_a_pool_holds_no_identity_until_it_is_accepted() -> None:
    with staged() as stage:
        stage.sent()
        card = stage.act(COURSIER, "coursier-dac-asso", stage.cards(COURSIER, "coursier-dac-asso")[0], "accept")
        stage.act(COURSIER, "coursier-dac-asso", card, "refer", **FURTHER)  # type: ignore[arg-type]
        assert "D1" not in classes_of(stage, looked(stage, SAAD, "saad"))
        stage.act(SAAD, "saad", stage.cards(SAAD, "saad")[0], "accept")
        assert {"D1", "D7"} <= set(classes_of(stage, looked(stage, SAAD, "saad")))


@pytest.mark.parametrize(("element", "found"), [
    ({"name": [{"family": "A"}]}, ("D1",)), ({"birthDate": "1938-02-03"}, ()), ({"address": [{"city": "Rouen"}]}, ("D1",)), ({"maritalStatus": {"text": "x"}}, ()),
])  # fmt: skip
def test_class_follows_from_the_line_that_let_the_element_through(element: dict[str, Any], found: tuple[str, ...]) -> None:
    with staged() as stage:
        stage.sent()
        look = looked(stage, COURSIER, "coursier-dac-asso")
        assert classes([{"resourceType": "Patient", **element}], stage.app.views["saad"], look.facts) == found


def test_line_of_a_list_is_made_of_these_elements_and_no_others() -> None:
    with staged() as stage:
        stage.sent()
        for named in (False, True):  # initials are of accepted files
            look = looked(stage, COURSIER, "coursier-dac-asso")
            lines = brief(look.resources, stage.app.views[look.view], look.facts)
            kept = {each["resourceType"]: each.keys() - {"resourceType", "id", "meta"} for each in lines}
            assert kept.pop("Patient", None) == ({"name"} if named else None)
            assert kept.pop("Task") - {"businessStatus"} == {"status", "priority", "restriction"} and kept == {"ServiceRequest": {"code", "reasonCode", "authoredOn"}}
            assert all(each["id"] and each["meta"]["tag"] for each in lines)
            stage.act(COURSIER, "coursier-dac-asso", stage.cards(COURSIER, "coursier-dac-asso")[0], "accept") if not named else None
