"""The EHR's side: what its own users do and read there, and what Liaison sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapter.cli.story.account import Travelled
from adapter.ehr import tracing
from adapter.names import Systems
from adapter.ports import Capability, EhrClient, Remote, Resource

STAFF = "demo-ehr-staff"  # the X-Request-Id of what the EHR's own users do, so that its log tells them from Liaison
TYPES = ("ServiceRequest", "Task", "Consent", "Procedure")


@dataclass
class Noting:
    """An EhrClient that notes what is written through it."""

    inner: EhrClient
    name: str = field(init=False)
    sent: list[Travelled] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.inner.name

    def capability(self) -> Capability:
        return self.inner.capability()

    def read(self, type: str, id: str) -> Remote | None:
        return self.inner.read(type, id)

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> Iterable[list[Remote]]:
        return self.inner.search(type, params)

    def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Remote:
        return self._noted("POST", self.inner.create(resource, if_none_exist=if_none_exist))

    def update(self, resource: Resource, *, if_match: str) -> Remote:
        return self._noted("PUT", self.inner.update(resource, if_match=if_match))

    def patch(self, type: str, id: str, operations: list[dict[str, Any]], *, if_match: str) -> Remote:
        return self._noted("PATCH", self.inner.patch(type, id, operations, if_match=if_match))

    def transaction(self, bundle: Resource) -> Resource:
        return self.inner.transaction(bundle)

    def _noted(self, method: str, remote: Remote) -> Remote:
        self.sent.append(Travelled(method, f"{remote.resource.get('resourceType')}/{remote.id}", remote.resource))
        return remote


@dataclass
class There:
    """What the practice's people do in their EHR, and what is read back from it. `patient`: the id of the person there."""

    client: EhrClient
    systems: Systems
    patient: str = ""

    def plant(self, resource: Resource) -> Remote:
        with tracing(STAFF):
            return self.client.create(resource)

    def patients(self, like: Resource) -> list[Remote]:
        """Those with this name at birth and date of birth."""
        params = [("family", str(like["name"][0]["family"])), ("birthdate", str(like["birthDate"])), ("gender", str(like["gender"]))]
        return self._found("Patient", params)

    def one(self, type: str, id: str) -> Remote | None:
        """The resource with our id; None unless exactly one is there."""
        kind = {"ServiceRequest": "request"}.get(type, type.lower())
        found = self._found(type, [("identifier", f"{self.systems.sid(kind)}|{id}")])
        return found[0] if len(found) == 1 else None

    def of_patient(self, type: str) -> list[Resource]:
        """Everything of that type about the person."""
        param = "patient" if type != "ServiceRequest" else "subject"
        return [remote.resource for remote in self._found(type, [(param, f"Patient/{self.patient}")])]

    def read(self, reference: str) -> Remote | None:
        with tracing(STAFF):
            type, _, id = reference.partition("/")
            return self.client.read(type, id) if id else None

    def change(self, remote: Remote, elements: dict[str, Any]) -> Remote:
        """One of the practice's people changes it."""
        with tracing(STAFF):
            return self.client.update(remote.resource | elements, if_match=remote.version)

    def _found(self, type: str, params: list[tuple[str, str]]) -> list[Remote]:
        with tracing(STAFF):
            return [remote for page in self.client.search(type, params) for remote in page]
