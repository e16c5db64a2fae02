"""CapabilityStatement: what this server does, derived from what is registered and from the search table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from adapter.clock import instant
from adapter.fhir import joins
from adapter.fhir.parameters import CORE_TYPES, parameters
from adapter.names import PROFILES, SDOHCC
from adapter.ports import Resource

ROLE = f"{SDOHCC}/CapabilityStatement/SDOHCC-CoordinationPlatform"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
OAUTH = "http://terminology.hl7.org/CodeSystem/restful-security-service"


def capability(
    types: Mapping[str, Iterable[str]], *, system: Iterable[str] = (), formats: Iterable[str] = ("json",), token_url: str = "", base: str,
    topics: Iterable[str] = (), operations: Mapping[str, str] = {}, searched: Iterable[str] = (), at: str | datetime, version: str,
) -> Resource:  # fmt: skip
    """The CapabilityStatement of a server at `base` that offers these interactions per type (`read`, `create`,
    `search-type`…) and of the whole (`transaction`, `batch`), tells of these `topics` (canonicals of SubscriptionTopics), as of `at`
    (FHIR dateTime), software `version`. Search parameters are listed where a type can be searched. `operations`: the code tables' types, what
    each is asked ($validate-code, $translate), `searched` their parameters."""
    whole = [{"code": code} for code in system]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": at if isinstance(at, str) else instant(at),
        "kind": "instance",
        "instantiates": [ROLE],
        "software": {"name": "Liaison", "version": version},
        "implementation": {"description": "Social referrals in FHIR", "url": base},
        "fhirVersion": "4.0.1",
        "format": [each for name in formats for each in (f"application/fhir+{name}", name)],
        "patchFormat": ["application/json-patch+json"],
        "rest": [
            {
                "mode": "server",
                "security": _security(token_url),
                "resource": [
                    _terminology(type, tuple(interactions), operations[type], searched)
                    if type in operations
                    else _resource(type, tuple(interactions), topics)
                    for type, interactions in sorted(types.items())
                ],
            }
            | ({"interaction": whole} if whole else {})
        ],
    }


def _security(token_url: str) -> Resource:
    found: Resource = {"service": [{"coding": [{"system": OAUTH, "code": "SMART-on-FHIR"}]}]}
    if token_url:
        found = {"extension": [{"url": OAUTH_URIS, "extension": [{"url": "token", "valueUri": token_url}]}]} | found
    return found


def _terminology(type: str, interactions: tuple[str, ...], operation: str, searched: Iterable[str]) -> Resource:
    return {
        "type": type,
        "interaction": [{"code": code} for code in interactions],
        "versioning": "no-version",
        "searchParam": [{"name": name, "type": {"name": "string", "url": "uri"}.get(name, "token")} for name in searched],
        "operation": [{"name": operation, "definition": f"http://hl7.org/fhir/OperationDefinition/{type}-{operation}"}],
    }


def _resource(type: str, interactions: tuple[str, ...], topics: Iterable[str]) -> Resource:
    line: Resource = {"type": type}
    if type in PROFILES:
        line["supportedProfile"] = [PROFILES[type]]
    if interactions:
        line["interaction"] = [{"code": code} for code in interactions]
    line["versioning"] = "versioned"
    line["readHistory"] = "vread" in interactions
    if "update" in interactions:
        line |= {"updateCreate": True, "conditionalUpdate": True}
    if "create" in interactions:
        line["conditionalCreate"] = True
    if "read" in interactions:
        line["conditionalRead"] = "full-support"
    if "delete" in interactions:
        line["conditionalDelete"] = "not-supported"
    if "search-type" in interactions and type in CORE_TYPES:
        common = [{"name": "_id", "type": "token"}, {"name": "_lastUpdated", "type": "date"}]
        line |= {name: found for name, found in (("searchInclude", joins.includes(type)), ("searchRevInclude", joins.revincludes(type))) if found}
        line["searchParam"] = [*common, *({"name": p.name, "type": p.kind} for p in parameters(type).values())]
    if interactions:
        line["operation"] = [{"name": "validate", "definition": "http://hl7.org/fhir/OperationDefinition/Resource-validate"}]
    if type == "Subscription":
        told = f"{BACKPORT}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
        line["extension"] = [{"url": told, "valueCanonical": each} for each in topics]
        line["operation"].append({"name": "status", "definition": f"{BACKPORT}/OperationDefinition/backport-subscription-status"})
    return line
