"""A further service that a recipient asks, and one asked instead of a wrong one (workflow.md 1 and 2): who may ask whom, what
ties the request to the one it follows from, and what that one says that must not be lost on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from adapter.dossier import Dossier, load, patient_of, pointing
from adapter.errors import Conflict, Invalid
from adapter.names import SDOHCC_CODES
from adapter.network import Network
from adapter.ports import Principal, Resource, Uow
from adapter.referral.states import TAKEN, TERMINAL
from adapter.showing import Window
from adapter.sight import UNSAFE, unsafe_contact

RUNS = TAKEN - TERMINAL  # accepted, in-progress, on-hold


def may_ask(network: Network, who: Principal, parent: Dossier, record: Mapping[str, Any]) -> None:
    """Raises Invalid unless the caller took on the referral it asks further from, and asks another house. That it sees the
    referral now, on an agreement that stands, is for the window to say before."""
    if parent.task["status"] not in RUNS:
        raise Invalid("a further service is asked by who has accepted the referral, while it runs", expression="Task.status")
    if network.organisation_of_unit(str(record.get("destinataire", ""))) == who.organisation:
        raise Invalid("another unit of your own organisation is asked by the practice, with an agreement of its own", expression="destinataire")


def unsafe(uow: Uow, window: Window, parent: Dossier) -> bool:
    """Whether the referral, or another open one of the same person, says that contact is unsafe: by its own word or by a need
    that the views name (france.md 3.4)."""
    needs = frozenset[str]().union(*(view.unsafe_contact for view in window.views.values()))
    tasks = pointing(uow, "Task", "patient", patient_of(parent.request))
    others = (load(uow, each.id) for each in tasks if each.id != parent.task["id"])
    meant = [parent, *(each for each in others if each and each.task["status"] not in TERMINAL)]
    return any(window.sight.unsafe(each, needs) for each in meant)


def tied(resource: Resource, parent: Dossier, *, replacing: bool, unsafe: bool) -> Resource:
    """A resource of the new request as it follows from `parent`: filler-order, based on and part of it (SDOHCC refer-1), or,
    `replacing`, in the place of one that ended as a wrong orientation. `unsafe`: it says that contact is."""
    if resource["resourceType"] == "ServiceRequest":
        if unsafe and not unsafe_contact(resource):
            said = {"coding": [{"system": SDOHCC_CODES, "code": UNSAFE}]}
            resource = resource | {"orderDetail": [said, *resource.get("orderDetail", ())]}
        link = [{"reference": parent.request_version.reference}]
        return resource | ({"replaces": link} if replacing else {"intent": "filler-order", "basedOn": link})
    if resource["resourceType"] == "Task" and not replacing:
        return resource | {"partOf": [{"reference": parent.task_version.reference}]}
    return resource


# ── the caller's own ids of records, each under the referral it was sent from ────────────────────
def once(who: Principal, mapping: str, record: str, parent: str = "") -> str:
    """Under which name the receipt of a record is kept. `parent`: id of the Task that a further request follows from."""
    return f"intake {who.organisation} {mapping} {record}" + (f" of {parent}" if parent else "")


def note(uow: Uow, who: Principal, mapping: str, record: str, parent: str) -> None:
    """Keeps that this id was used from this referral, for an agreement that is told by the id alone."""
    name = f"further {once(who, mapping, record)}"
    uow.keep(name, orjson.dumps(sorted({parent, *orjson.loads(uow.kept(name) or b"[]")})))


def received(uow: Uow, who: Principal, mapping: str, record: str) -> tuple[str, bytes] | None:
    """The kept receipt of a record by its id alone. Raises Conflict where it was used from several referrals: an agreement must
    not be written down for another person."""
    parents = orjson.loads(uow.kept(f"further {once(who, mapping, record)}") or b"[]")
    if len(parents) > 1:
        text = "requests of yours from several referrals have this id; send the one that is meant under an id of its own"
        raise Conflict(text, code="multiple-matches")
    return uow.remembered(once(who, mapping, record, *parents))
