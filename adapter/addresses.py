"""Absolute references in what a client writes: to this server, and to the EHR of the client's own clinic (SDOHCC Direct).

Those that lead to something that is here become ours at the door. A Task may point to what is still at that EHR alone: then it
waits, as a draft, until a job has read it there (`adapter/direct.py`); no request calls anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from adapter import fhir
from adapter.names import Systems
from adapter.network import EhrEntry, Network
from adapter.ports import Change, Resource, Uow
from adapter.references import literals
from adapter.referral.states import READ_AS
from adapter.sync.links import moved

_PLACE = re.compile(r"([A-Z][A-Za-z]{1,39})/(?!\.+(?:/|$))([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII)


def within(text: str, base: str) -> tuple[str, str]:
    """("Task", "7") of the address of a resource right under `base`; ("", "") of anything else."""
    root = f"{base.rstrip('/')}/"
    found = _PLACE.fullmatch(text.removeprefix(root)) if base and text.startswith(root) else None
    return (found[1], found[2]) if found else ("", "")


def focus_there(task: Resource, ehr: EhrEntry | None) -> str:
    """The id that the focus of a Task has at this EHR, where it is no more than a ServiceRequest there; ""."""
    type, id = within(str(task.get("focus", {}).get("reference", "")), ehr.url) if ehr and ehr.level == "task" else ("", "")
    return id if type == "ServiceRequest" else ""


def asks(resource: Resource) -> bool:
    """Whether it is a Task that its author wants to be sent."""
    return resource["resourceType"] == "Task" and READ_AS.get(str(resource.get("status")), resource.get("status")) == "requested"


def waits(task: Resource, ehr: EhrEntry | None) -> bool:
    """Whether a job has still to read what this Task points to."""
    return task["resourceType"] == "Task" and task.get("status") == "draft" and bool(focus_there(task, ehr))


def may_wait(task: Resource, ehr: EhrEntry | None) -> frozenset[str]:
    """The references of a Task that may lead to that EHR until they were read: its request, with it its patient."""
    if task["resourceType"] != "Task" or ehr is None or not focus_there(task, ehr):
        return frozenset()
    focus, person = (str(task.get(name, {}).get("reference", "")) for name in ("focus", "for"))
    return frozenset({focus, person} if within(person, ehr.url)[0] == "Patient" else {focus} - {person})


@dataclass(frozen=True, slots=True)
class Doorstep:
    """`base`: the address of our own /fhir ("": none is known)."""

    network: Network
    systems: Systems
    base: str

    def brought_in(self, uow: Uow, organisation: str, change: Change) -> Change:
        """The change with what leads to here as references of ours, a unit that is named by its identifier too. A Task that waits
        is a draft, whatever status it asks for: nothing can leave a draft, and nobody knows yet who agreed."""
        resource, ehr = change.resource, self.network.ehr_of(organisation)
        if resource is None:
            return change
        here = {each: new for each in literals(resource) if "://" in each and (new := self._here(uow, ehr, each, change.type)) != each}
        owner = self._owner(resource)
        if here or owner:
            resource = moved(resource, here) | owner
            received = fhir.dumps(moved(fhir.exact(change.received), here) | owner) if change.received else None
            change = replace(change, resource=resource, received=received)
        if asks(resource) and focus_there(resource, ehr):
            change = replace(change, resource=resource | {"status": "draft"})
        return change

    def _here(self, uow: Uow, ehr: EhrEntry | None, address: str, of: str) -> str:
        if any(within(address, self.base)):
            return address.removeprefix(f"{self.base}/")
        type, id = within(address, ehr.url) if ehr else ("", "")
        if ehr is None or not type:
            return address
        if named := next((key for key, reference in ehr.remote.items() if reference == f"{type}/{id}"), ""):
            return f"{type}/{named}"
        if link := uow.link_by_remote(ehr.name, type, id):
            return f"{type}/{link.id}"
        return f"{ehr.url.rstrip('/')}/{type}/{id}" if of == "Task" else address  # one address for one request: it is read as it stands then

    def _owner(self, resource: Resource) -> Resource:
        """The owner of a Task with its reference, where it is named by our identifier alone; {}."""
        owner = resource.get("owner", {}) if resource["resourceType"] == "Task" else {}
        by, unit = owner.get("identifier", {}), self.network.unit(str(owner.get("identifier", {}).get("value", "")))
        if unit is None or "reference" in owner or by.get("system") != self.systems.sid("unit"):
            return {}
        return {"owner": owner | {"reference": f"HealthcareService/{unit.key}"}}
