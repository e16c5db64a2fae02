"""CapabilityStatement: what this server does, derived from what is registered and from the search table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from adapter.clock import instant
from adapter.fhir.parameters import CORE_TYPES, parameters
from adapter.names import PROFILES, SDOHCC
from adapter.ports import Resource

ROLE = f"{SDOHCC}/CapabilityStatement/SDOHCC-CoordinationPlatform"
OAUTH = "http://terminology.hl7.org/CodeSystem/restful-security-service"


def capability(types: Mapping[str, Iterable[str]], *, base: str, at: str | datetime, version: str) -> Resource:
    """The CapabilityStatement of a server at `base` that offers these interactions per type (`read`, `create`,
    `search-type`…), as of `at` (FHIR dateTime), software `version`. Search parameters are listed where a type can be searched."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": at if isinstance(at, str) else instant(at),
        "kind": "instance",
        "instantiates": [ROLE],
        "software": {"name": "Liaison", "version": version},
        "implementation": {"description": "Social referrals in FHIR", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "security": {"service": [{"coding": [{"system": OAUTH, "code": "OAuth"}]}]},
                "resource": [_resource(type, tuple(interactions)) for type, interactions in sorted(types.items())],
            }
        ],
    }


def _resource(type: str, interactions: tuple[str, ...]) -> Resource:
    line: Resource = {"type": type}
    if type in PROFILES:
        line["supportedProfile"] = [PROFILES[type]]
    if interactions:
        line["interaction"] = [{"code": code} for code in interactions]
    line["versioning"] = "versioned"
    if "create" in interactions:
        line["conditionalCreate"] = True
    if "search-type" in interactions and type in CORE_TYPES:
        common = [{"name": "_id", "type": "token"}, {"name": "_lastUpdated", "type": "date"}]
        line["searchParam"] = [*common, *({"name": p.name, "type": p.kind} for p in parameters(type).values())]
    return line
