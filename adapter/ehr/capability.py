"""What an EHR says it can do."""

from __future__ import annotations

import re
from typing import Any

from adapter.errors import EhrRejected
from adapter.ports import Capability, EhrClient, Resource

_VERSION = re.compile(r"\d{1,2}\.\d{1,2}(\.\d{1,3})?[A-Za-z0-9.\-]{0,20}", re.ASCII)
_CONDITIONAL = ("ServiceRequest", "Task", "Consent")


def probe(client: EhrClient) -> Capability:
    """What the EHR declares at /metadata. Raises EhrRejected when it does not speak FHIR 4.0, and the other EhrErrors."""
    return client.capability()


def read_statement(statement: Resource) -> Capability:
    """A CapabilityStatement in short. `conditional_create` is true when all it says of our types is true (absent types
    count for nothing); parts that are not as R4 has them are passed over. Raises EhrRejected unless 4.0.x."""
    version = statement.get("fhirVersion")
    told = version if isinstance(version, str) and _VERSION.fullmatch(version) else ""
    if not re.match(r"4\.0(\.|$)", told):
        raise EhrRejected(f"metadata: expected FHIR 4.0.1, but found {told or 'no version'}")
    rests = [rest for rest in _dicts(statement.get("rest")) if rest.get("mode", "server") == "server"]
    resources = {one["type"]: one for rest in rests for one in _dicts(rest.get("resource")) if isinstance(one.get("type"), str)}
    conditional = [resources[type].get("conditionalCreate") is True for type in _CONDITIONAL if type in resources]
    return Capability(
        fhir_version=told,
        software=_software(statement.get("software")),
        types={type: _texts(one.get("interaction"), "code") for type, one in resources.items()},
        search={type: _texts(one.get("searchParam"), "name") for type, one in resources.items()},
        transactions=any("transaction" in _texts(rest.get("interaction"), "code") for rest in rests),
        batch=any("batch" in _texts(rest.get("interaction"), "code") for rest in rests),
        conditional_create=bool(conditional) and all(conditional),
    )


def _software(found: Any) -> str:
    parts = [found.get("name"), found.get("version")] if isinstance(found, dict) else []
    return " ".join(part for part in parts if isinstance(part, str))[:100]


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _texts(found: Any, key: str) -> frozenset[str]:
    return frozenset(one[key] for one in _dicts(found) if isinstance(one.get(key), str))
