"""What Liaison's Device does on a referral when time has passed, on behalf of the requester's organisation (workflow.md 2 and 3): the
unit is told, a second person of it, the requester; a request that nobody answered is closed. What was said to whom is a Communication, one
for each thing, known by an id that follows from the Task: so it is said once, whoever says it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from adapter import acts
from adapter.audit import events
from adapter.clock import instant
from adapter.dossier import Dossier, content, load, patient_of, split
from adapter.flows import Flows
from adapter.lifecycle import reminder_id, reminders
from adapter.network import Network, Person
from adapter.ports import Clause, Query, Resource, Uow
from adapter.referral import codes, verbs
from adapter.referral.spoken import of_task

NOT_ALONE = frozenset({"secretary", "trainee"})  # who acts for others, or sees assigned files only (workflow.md 1)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that was said when time had passed. `what`: a code of the table `reminder`; `to`: references of those it is for (a unit,
    a person of it, the requester); `reference`: the referral's, as it is spoken; `sent`: FHIR instant; `pressing`: it is about
    a file that waits for no digest. `id` names it: none comes twice. Nothing in it tells of the person."""

    id: str
    what: str
    to: tuple[str, ...]
    reference: str
    sent: str
    pressing: bool


def reminded(story: Flows, uow: Uow, task: str, what: str) -> bool:
    """Whether this was said of a Task before, even if the clinic's software deleted it."""
    return uow.current("Communication", reminder_id(story.writer.key, what, task)) is not None


def remind(story: Flows, uow: Uow, referral: Dossier, what: str) -> None:
    """Says it to those it is for."""
    _done(story, uow, referral, [_said(story, uow, referral, what)], "referral-reminded", what)


def expire(story: Flows, uow: Uow, referral: Dossier) -> None:
    """Nobody answered: the Task is cancelled, its request revoked, its Consents end, and the requester is told."""
    scene = story.agreements.scene(uow, story.agreements.device(referral))
    ended = verbs.cancel(verbs.Referral(referral.task, referral.request, referral.named), scene, codes.EXPIRED, actor="requester")
    _done(story, uow, referral, [*ended, _said(story, uow, referral, codes.EXPIRED)], "referral-expired", codes.EXPIRED)


def _done(story: Flows, uow: Uow, referral: Dossier, changed: list[Resource], name: str, what: str) -> None:
    device = story.agreements.device(referral)
    story.receive(uow, device, acts.changes(referral, changed, origin="device"))
    patient = patient_of(referral.request)
    uow.audit(events.act(device, name, what=referral.task_version.cited, patient=patient, at=uow.at, details=[("what", what)]))


def _said(story: Flows, uow: Uow, referral: Dossier, what: str) -> Resource:
    id = reminder_id(story.writer.key, what, referral.task["id"])
    scene = replace(story.agreements.scene(uow, story.agreements.device(referral)), new_id=lambda: id)
    unit, asker = referral.task.get("owner"), referral.request.get("requester")
    other = second(story.network, referral.owner, uow.at) if what == codes.SECOND else None
    to = {
        codes.WAITS: [unit, asker], codes.HALF: [unit], codes.DUE: [unit, asker], codes.EXPIRED: [asker],
        codes.SECOND: [unit, {"reference": f"PractitionerRole/{other.key}"} if other else None],
    }[what]  # fmt: skip
    return verbs.remind(verbs.Referral(referral.task, referral.request, referral.named), scene, what, to=[each for each in to if each])


def second(network: Network, unit: str, at: datetime) -> Person | None:
    """Who of a unit is told besides: the second in the order of the network file of those in service who may act by themselves. None:
    there is no second."""
    there = [each for each in network.people if each.unit == unit and each.role not in NOT_ALONE and network.serving(each.key, at)]
    return there[1] if len(there) > 1 else None


def notices(story: Flows, uow: Uow, *, since: datetime, limit: int = 1000) -> list[Notice]:
    """What was said from `since` on, oldest first: for those who are told by mail."""
    kind = f"{story.writer.systems.code('communication')}|{codes.REMINDER}"
    clauses = (Clause("category", "token", (kind,)), Clause("sent", "date", (f"ge{instant(since)}",)))
    found = map(content, uow.search(Query("Communication", clauses, sort="sent", count=limit)))
    return [notice for each in found for about in each.get("about", ()) if (notice := _notice(story, uow, each, str(about.get("reference", ""))))]


def _notice(story: Flows, uow: Uow, said: Resource, about: str) -> Notice | None:
    """None for a Communication that is not of Liaison's Device, whatever it says."""
    referral = load(uow, split(about)[1])
    ours = reminders(referral, story.writer.key) if referral else {}
    what = next((what for what, each in ours.items() if each["id"] == said["id"]), "")
    if referral is None or not what:
        return None
    to = tuple(str(each["reference"]) for each in said.get("recipient", ()) if "reference" in each)
    return Notice(said["id"], what, to, of_task(referral.task), str(said["sent"]), pressing=what in codes.ESCALATIONS)
