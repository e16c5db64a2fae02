"""What the fake says about itself."""

from __future__ import annotations

from adapter.ehr.fake.search import PARAMETERS, parameters
from adapter.ehr.fake.wire import Resource

_INTERACTIONS = ("read", "vread", "update", "patch", "delete", "history-instance", "create", "search-type")
_TYPES = {"id": "token"}


def statement(base: str, *, without: frozenset[str] = frozenset()) -> Resource:
    """The CapabilityStatement of /metadata, made from the tables that do the work. `without`: search parameters it does not have."""
    resources = [
        {
            "type": type,
            "interaction": [{"code": code} for code in _INTERACTIONS],
            "versioning": "versioned-update",
            "readHistory": True,
            "updateCreate": True,
            "conditionalCreate": True,
            "searchParam": [{"name": name, "type": _TYPES.get(kind, kind)} for name, (kind, _) in sorted(parameters(type).items()) if name not in without],
        }
        for type in sorted(PARAMETERS)
    ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "software": {"name": "FakeEhr", "version": "1"},
        "implementation": {"description": "A small FHIR server to test against", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "patchFormat": ["application/json-patch+json"],
        "rest": [{"mode": "server", "resource": resources, "interaction": [{"code": "transaction"}, {"code": "batch"}]}],
    }
