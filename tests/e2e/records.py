"""What the tests of a consent's life look at: stored resources, proofs, acts in the audit, cards."""

from __future__ import annotations

import json
from typing import Any

from adapter.look import Revealed
from adapter.ports import Principal, Query, Resource
from tests.e2e.stage import COURSIER, Stage

VIEW, DOCTOR = "coursier-dac-asso", "prescripteur"
TO_CARSAT: dict[str, Any] = {"destinataire": "permanence-saint-eloi", "besoins": ["acces-droits", "budget"]}
BY_PHONE = {"heard_by": "secretaire-saint-eloi", "how": "telephone"}


def only(found: Any) -> Any:
    (one,) = found
    return one


def stored(stage: Stage, type: str) -> list[Resource]:
    return [json.loads(each.served) for each in stage.app.read_now(lambda _, uow: uow.search(Query(type)))]


def card(stage: Stage, who: Principal = COURSIER, view: str = VIEW) -> Revealed:
    found: Revealed = only(stage.cards(who, view))
    return found


def told(stage: Stage, activity: str) -> list[Resource]:
    """The Provenances of an activity."""
    return [each for each in stored(stage, "Provenance") if each["activity"]["coding"][0]["code"] == activity]


def agents(provenance: Resource) -> dict[str, str]:
    return {each["type"]["coding"][0]["code"]: each["who"]["reference"] for each in provenance["agent"]}


def acts(stage: Stage) -> list[tuple[str, dict[str, str]]]:
    """(name, details) of the administrative acts in the audit."""
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    events = [json.loads(row.event) for row in rows]
    names = [(each["subtype"][0]["code"], each) for each in events if each["subtype"][0]["code"].startswith(("agreement-", "closing-"))]
    return [(name, {d["type"]: d["valueString"] for e in each["entity"] for d in e.get("detail", ())}) for name, each in names]


def notices(stage: Stage, who: Principal = COURSIER, view: str = VIEW) -> Any:
    return stage.app.write_now(lambda story, uow: story.notices(uow, who, view))
