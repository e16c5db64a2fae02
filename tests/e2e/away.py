"""What the tests of ends in the EHR look at: a referral known there, its state on both sides, what its recipient still sees."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from adapter.fhir import query
from adapter.ports import Principal, Resource
from tests.e2e.records import VIEW, card, only, stored
from tests.e2e.stage import COURSIER, Stage

READER = replace(COURSIER, scopes=frozenset({"system/*.rs"}))
TO_POOL: dict[str, Any] = {"destinataire": "saad-portage", "besoins": ["denutrition"], "service": "portage-repas"}
KEPT, FORGOTTEN = timedelta(days=30), timedelta(days=184)
WRITTEN = ("Task", "ServiceRequest", "Consent", "Communication", "Provenance")


def known(stage: Stage, who: Principal = COURSIER, view: str = VIEW, *, accepted: bool = True, **changed: Any) -> str:
    """A referral that the EHR has, accepted or not; the id under which its recipient knows it."""
    stage.sent(**changed)
    shown = card(stage, who, view)
    if accepted:
        stage.act(who, view, shown, "accept")
    stage.push()
    stage.clock.tick(timedelta(minutes=20))
    return shown.id


def there(stage: Stage, type: str) -> Resource:
    found: Resource = only(stage.ehr.all(type))
    return found


def edit(stage: Stage, type: str, **elements: Any) -> None:
    stage.ehr.edit(type, there(stage, type)["id"], elements)


def states(stage: Stage, *, ehr: bool = False) -> tuple[str, str, str]:
    return tuple(only(stage.ehr.all(type) if ehr else stored(stage, type))["status"] for type in ("Task", "ServiceRequest", "Consent"))  # type: ignore[return-value]


def conflicts(stage: Stage) -> list[tuple[str, str]]:
    return [(row.type, row.reason) for row in stage.app.read_now(lambda _, uow: uow.conflicts())]


def _versions(stage: Stage) -> list[str]:
    return [each["meta"]["versionId"] for type in WRITTEN for each in stored(stage, type)]


def settled(stage: Stage) -> None:
    """Letters leave, and what they wrote comes back as an echo: nothing more follows from it (Y-38)."""
    stage.push()
    stage.clock.tick(timedelta(minutes=1))
    before = _versions(stage)
    for _ in range(2):
        assert set(stage.pull().total) <= {"echo", "older"}
        assert stage.push() == 0
    assert before == _versions(stage)
    assert not [each for each in stage.app.read_now(lambda _, uow: uow.letters()) if each.state != "done"]


def nothing_to_see(stage: Stage, id: str, who: Principal = COURSIER, view: str = VIEW) -> None:
    assert stage.see(who, view, id) is None and stage.cards(who, view) == []
    reader = replace(who, scopes=READER.scopes)
    for type in ("Task", "ServiceRequest", "Consent", "Patient"):
        assert stage.app.write_now(lambda story, uow, type=type: story.search(uow, reader, query(type, []))[0]) == []


def reference_only(stage: Stage, id: str, who: Principal = COURSIER, view: str = VIEW) -> None:
    """Reference, dates and outcome for 30 days, then nothing, and nothing after 6 months."""
    shown = stage.see(who, view, id)
    assert shown is not None and {"reference", "asked"} <= shown.card.keys() and not {"person", "needs", "contact", "need_codes"} & shown.card.keys()
    assert "Zyx" not in json.dumps([shown.card, shown.resources])
    ended = only(stored(stage, "Task"))["lastModified"]
    stage.clock.tick(KEPT - (stage.clock.now() - stage.clock.now().fromisoformat(ended)))
    assert stage.see(who, view, id) is not None
    stage.clock.tick(timedelta(seconds=1))
    nothing_to_see(stage, id, who, view)
    stage.clock.tick(FORGOTTEN)
    nothing_to_see(stage, id, who, view)
