"""References of a letter, rewritten for an EHR and back, by what the store knows (workflow.md 7).

What is about a patient must have a copy at the EHR to be named there. The directory is named by `remote:` of the
network file, else by identifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adapter.dossier import content
from adapter.ehr import refs
from adapter.ports import Clause, Query, Resource, Uow
from adapter.sync.links import Unlinked

DIRECTORY = frozenset({"Organization", "HealthcareService", "Practitioner", "PractitionerRole", "Location"})


class References:
    """`remote(uow, ehr)`: our directory keys to that EHR's references ("Organization/123"), as the network file says;
    `base_url(ehr)`: its address."""

    def __init__(
        self,
        *,
        base_url: Callable[[str], str],
        remote: Callable[[Uow, str], Mapping[str, str]] = lambda uow, ehr: {},
    ) -> None:
        self._base_url, self._remote = base_url, remote

    def outward(self, uow: Uow, ehr: str, resource: Resource) -> Resource:
        """With the EHR's references. Raises Unlinked for a resource of ours that it does not hold, EhrRejected for a
        directory entry that has neither a reference there nor an identifier."""
        known = self._remote(uow, ehr)

        def lookup(type: str, id: str) -> str | None:
            link = uow.link(ehr, type, id)
            return link.remote_id if link else None

        def logical(type: str, id: str) -> dict[str, Any] | None:
            if type not in DIRECTORY:
                raise Unlinked(type, id)
            return {"reference": known[id]} if id in known else _by_identifier(uow, type, id)

        return refs.outward(resource, lookup, logical, base_url=self._base_url(ehr))

    def inward(self, uow: Uow, ehr: str, resource: Resource) -> Resource:
        """With our references; what is not ours stays, as an absolute one."""
        ours = {there: id for id, there in self._remote(uow, ehr).items()}

        def lookup(type: str, remote_id: str) -> str | None:
            link = uow.link_by_remote(ehr, type, remote_id)
            return link.id if link else ours.get(f"{type}/{remote_id}")

        rewritten, _ = refs.inward(resource, lookup, base_url=self._base_url(ehr))
        named: Resource = _identified(uow, rewritten)
        return named


def _by_identifier(uow: Uow, type: str, id: str) -> dict[str, Any] | None:
    version = uow.current(type, id)
    identifiers = content(version).get("identifier", []) if version else []
    return {"type": type, "identifier": identifiers[0]} if identifiers else None


def _identified(uow: Uow, value: Any) -> Any:
    """References by identifier to the directory become ours again."""
    if isinstance(value, list):
        return [_identified(uow, part) for part in value]
    if not isinstance(value, dict):
        return value
    identifier, type = value.get("identifier"), value.get("type")
    if isinstance(identifier, dict) and type in DIRECTORY and "reference" not in value:
        wanted = f"{identifier.get('system', '')}|{identifier.get('value', '')}"
        found = uow.search(Query(type, (Clause("identifier", "token", (wanted,)),), count=2))
        if len(found) == 1:
            kept = {name: part for name, part in value.items() if name not in ("identifier", "type")}
            return {"reference": found[0].reference, **kept}
    return {name: _identified(uow, part) for name, part in value.items()}
