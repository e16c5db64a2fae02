"""A record about a referral that is here already, as the courier's assessment of a visit is: found by the reference its unit knows, taken down
as an act of that unit, and what came of each need made the unit's answer (workflow.md 1 and 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapter import acts
from adapter.agreements import Agreements
from adapter.dossier import Dossier, content, split
from adapter.errors import Forbidden, Invalid, NotFound
from adapter.intake import Intake
from adapter.look import Revealed
from adapter.mapping import Mapped
from adapter.mapping.context import Told
from adapter.ports import Change, Clause, Principal, Query, Uow
from adapter.referral import spoken, verbs
from adapter.showing import Window
from adapter.views import pairwise

ENDS = "complete"  # the act that a last record stands for: who may not do it, may not tell of it


@dataclass(frozen=True, slots=True)
class Meant:
    """The referral that a record tells about, and what its unit was shown of it."""

    dossier: Dossier
    shown: Revealed


def told(
    uow: Uow, who: Principal, mapping: str, record: Mapping[str, Any], *, intake: Intake, agreements: Agreements, request_id: str
) -> tuple[Mapped, list[Change]]:
    """The record as resources, and what it does as changes. Raises RecordRefused with all that is wrong with it, else as `meant`."""
    document = intake.document(mapping)
    if not (reference := document.about(dict(record))):
        document.to_fhir(dict(record), context=intake.context(uow, who, record, clinic=who.organisation))
    found = meant(uow, agreements.window, who, reference, request_id=request_id)
    mapped = intake.mapped(uow, who, mapping, record, found.dossier)
    done = answered(agreements.hand(uow, who, found.dossier, found.shown.needs), mapped.about) if mapped.about else ()
    return mapped, [*intake.changes(uow, who, mapped, found.dossier), *done]


def meant(uow: Uow, window: Window, who: Principal, reference: str, *, request_id: str) -> Meant:
    """The referral of the caller's unit that goes by this spoken reference, or by the id that the unit knows it under. Decided and audited as a look
    at it. Raises NotFound where there is none that the caller may see now or answer, Invalid where it is not being worked on."""
    if "views" not in who.scopes:
        raise Forbidden("this client was not given the scope views: what it tells of a referral is an act on it", detail="scope")
    view = window.network.view_of(who.organisation) or ""
    found, shown = window.find(uow, who, view, _known_as(uow, window, reference), lang="fr", request_id=request_id)
    if found is None or shown is None or ENDS not in window.verbs(view):
        raise NotFound("no referral of that reference is with your unit")
    if found.task["status"] not in ("accepted", "in-progress", "on-hold"):
        raise Invalid("expected a referral that the unit has accepted and that runs", expression="Task.status")
    return Meant(found, shown)


def _known_as(uow: Uow, window: Window, reference: str) -> str:
    """The id under which the owner of the Task of that spoken reference knows it; what is no such reference is an id itself."""
    said = spoken.parse(reference)
    system = window.writer.systems.sid("spoken")
    tasks = uow.search(Query("Task", (Clause("identifier", "token", (f"{system}|{said or ''}",)),), count=1))  # the same statement for an id (U-05)
    if said is None:
        return reference
    if not tasks:
        return ""
    owner = split(str(content(tasks[0]).get("owner", {}).get("reference", "")))[1]
    return pairwise(window.writer.key, owner, "Task", tasks[0].id)


def answered(hand: acts.Hand, told: Told) -> Iterator[Change]:
    """What the record does to the referral: the first contact was made, or, with the last one, what came of the needs that it is for. Other
    needs that were found are no answer to it: they stay in the record."""
    referral = hand.referral
    if told.ends:
        asked = {own for owns in hand.needs.values() for own in owns}
        outcomes = {need: outcome for need, outcome in told.outcomes.items() if need in asked}
        if not outcomes:
            raise Invalid("expected what came of at least one need that the referral is for", code="required", expression="outcome")
        results = {need: result for need, result in told.results.items() if need in outcomes}
        done = verbs.complete(referral, hand.scene, outcomes, results=results, snomed=hand.snomed)
    else:
        done = verbs.start(referral, hand.scene) if referral.task["status"] == "accepted" else []
    yield from acts.changes(hand.dossier, done)
