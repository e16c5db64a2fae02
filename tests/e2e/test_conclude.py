"""The prescriber is asked once, at the end (workflow.md 3): need met as he sees it, hospital days avoided, always as declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapter import courses
from adapter.dossier import content
from adapter.errors import Invalid, NotFound
from adapter.ports import Query
from tests.e2e.stage import COURSIER, GP, Stage, staged

VIEW, PRESCRIBER = "coursier-dac-asso", "prescripteur"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        found.sent()
        yield found


def act(stage: Stage, who: Any, view: str, verb: str, **arguments: Any) -> None:
    (shown,) = stage.cards(who, view)
    stage.act(who, view, shown, verb, **arguments)


def ended(stage: Stage, **more: Any) -> None:
    for verb, arguments in (("accept", {}), ("start", {}), ("complete", {"outcome": "aide-en-place", **more})):
        act(stage, COURSIER, VIEW, verb, **arguments)


def kept(stage: Stage, type: str = "Observation") -> list[dict[str, Any]]:
    return [content(each) for each in stage.app.read_now(lambda _, uow: uow.search(Query(type)))]


def counted(stage: Stage) -> Any:
    request = kept(stage, "ServiceRequest")[0]["id"]
    return stage.app.read_now(lambda story, uow: courses.course(uow, story, request))


def test_prescriber_concludes_and_what_he_declares_is_counted(stage: Stage) -> None:
    ended(stage)
    act(stage, GP, PRESCRIBER, "conclude", need="partiel", days=7)
    need, days = sorted(kept(stage), key=lambda each: "valueInteger" in each)
    assert days["valueInteger"] == 7 and need["valueCodeableConcept"]["coding"][0]["code"] == "partiel"
    assert {each["performer"][0]["reference"] for each in (need, days)} == {"PractitionerRole/dr-exemple"}
    assert counted(stage).days_avoided == 7


def test_prescriber_who_does_not_know_says_so_and_nothing_is_counted(stage: Stage) -> None:
    ended(stage)
    act(stage, GP, PRESCRIBER, "conclude", need="satisfait")
    assert [each["dataAbsentReason"]["coding"][0]["code"] for each in kept(stage) if "dataAbsentReason" in each] == ["unknown"]
    assert counted(stage).days_avoided is None


def test_prescriber_is_asked_once(stage: Stage) -> None:
    ended(stage)
    act(stage, GP, PRESCRIBER, "conclude", need="satisfait", days=0)
    with pytest.raises(Invalid, match="once"):
        act(stage, GP, PRESCRIBER, "conclude", need="satisfait", days=30)
    assert len(kept(stage)) == 2 and counted(stage).days_avoided == 0


@pytest.mark.parametrize(("arguments", "place"), [
    ({"need": "satisfait", "days": 31}, "days"), ({"need": "satisfait", "days": -1}, "days"), ({"need": "satisfait", "days": True}, "days"),
    ({"need": "satisfait", "days": 2.5}, "days"), ({"need": "beaucoup", "days": 1}, "need"), ({"days": 1}, "need"),
])  # fmt: skip
def test_conclude_refuses_what_is_no_answer(stage: Stage, arguments: dict[str, Any], place: str) -> None:
    ended(stage)
    with pytest.raises(Invalid) as refused:
        act(stage, GP, PRESCRIBER, "conclude", **arguments)
    assert refused.value.issues[0].expression == place and kept(stage) == []


def test_conclude_waits_for_the_end_and_is_the_prescribers(stage: Stage) -> None:
    with pytest.raises(Invalid, match="has ended"):
        act(stage, GP, PRESCRIBER, "conclude", need="satisfait", days=1)
    ended(stage)
    with pytest.raises(NotFound):
        act(stage, COURSIER, VIEW, "conclude", need="satisfait", days=1)
    assert kept(stage) == []


def test_what_the_prescriber_declares_is_shown_to_nobody_and_goes_to_no_record(stage: Stage) -> None:
    ended(stage)
    stage.push()
    act(stage, GP, PRESCRIBER, "conclude", need="satisfait", days=7)
    assert stage.push() == 0
    for who, view in ((COURSIER, VIEW), (GP, PRESCRIBER)):
        for card in stage.cards(who, view):
            assert "Observation" not in {each["resourceType"] for each in card.resources}


def test_complete_says_how_far_the_needs_were_met(stage: Stage) -> None:
    ended(stage, result="partiel")
    assert [each["outcome"]["coding"][0]["code"] for each in kept(stage, "Procedure")] == ["partiel"]
    assert counted(stage).result == "partiel"


def test_complete_refuses_a_result_that_no_table_has(stage: Stage) -> None:
    with pytest.raises(Invalid) as refused:
        ended(stage, result="bof")
    assert refused.value.issues[0].expression == "result"
