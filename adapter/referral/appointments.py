"""What a Task becomes of an appointment that the tool of its unit told of (france.md 2.9, column RDV). Nothing is stored here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from adapter.ports import Resource
from adapter.referral import codes, verbs
from adapter.referral.scene import Referral, Scene
from adapter.referral.states import TERMINAL

HELD_BACK = ("accepted", "on-hold")  # from here a first contact, or another after a halt, is work


def follow(referral: Referral, scene: Scene, told: Resource, appointments: Iterable[Resource]) -> list[Resource]:
    """The versions of the Task that follow from `told`, an Appointment of the referral as it stands now, as acts of the target; none
    where nothing changes. `appointments`: all that the tool told of for this referral, `told` among them: they are counted, so that
    it does not matter in which order a no-show became known, nor how often.

    An appointment that the unit itself fixed accepts what was only requested; one that somebody else booked leaves that to the unit."""
    task, steps = referral.task, list[Resource]()
    if task["status"] in TERMINAL or task["status"] == "draft":
        return []
    if task["status"] == "requested" and told["status"] in ("booked", "fulfilled") and taken_by_unit(told):
        steps += verbs.accept(referral, scene)
    now = steps[-1] if steps else task
    if told["status"] == "fulfilled" and now["status"] in HELD_BACK:
        return [*steps, *verbs.start(replace(referral, task=now), scene)]
    wanted = _progress(now, told, sum(each["status"] == "noshow" for each in appointments), scene)
    if wanted == progress_of(now, scene):
        return steps
    return verbs.progress(replace(referral, task=now), scene, wanted)  # with the acceptance: one move


def _progress(task: Resource, told: Resource, absences: int, scene: Scene) -> str:
    """The business status that the Task should have."""
    before, missed = progress_of(task, scene), codes.ABSENT[min(absences, len(codes.ABSENT)) - 1] if absences else ""
    if told["status"] == "booked":
        return codes.APPOINTMENT_FIXED
    if told["status"] == "noshow":
        return missed
    if told["status"] == "fulfilled":
        return "" if before in codes.PROGRESS and task["status"] != "requested" else before
    return missed if before in codes.ABSENT else before  # called off: the Task is as it was, but an absence that was none


def taken_by_unit(appointment: Resource) -> bool:
    """Whether the unit's own people booked it: then its part is accepted, not still to be decided."""
    parts = (each for each in appointment["participant"] if each.get("actor", {}).get("reference", "").startswith("HealthcareService/"))
    return any(each["status"] == "accepted" for each in parts)


def progress_of(task: Resource, scene: Scene) -> str:
    """The code of the Task's business status, "" for none of ours."""
    found = (each.get("code") for each in task.get("businessStatus", {}).get("coding", ()) if each.get("system") == scene.systems.code("business-status"))
    return str(next(found, ""))
