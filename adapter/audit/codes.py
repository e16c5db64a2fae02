"""Codes of an AuditEvent: those of IHE's Basic Audit Log Patterns (security.md 4.1)."""

from __future__ import annotations

from adapter.names import ACT_REASON, PARTICIPATION, RESOURCE_TYPES, SNOMED
from adapter.ports import Resource

Coding = dict[str, str]

TOKEN = "urn:ietf:params:oauth:jti:"  # and the id of a token: the policy under which a client acted
_TERMS = "http://terminology.hl7.org/CodeSystem"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_BALP = "https://profiles.ihe.net/ITI/BALP/CodeSystem"


def coding(system: str, code: str) -> Coding:
    return {"system": system, "code": code}


REST = coding(f"{_TERMS}/audit-event-type", "rest")
SECURITY_ALERT = coding(_DCM, "110113")
EXPORT = coding(_DCM, "110106")
ACTIVITY = coding(_DCM, "110100")  # Application Activity
DISCLOSE = coding(f"{_TERMS}/iso-21089-lifecycle", "disclose")
BY_CONSENT = coding(f"{_BALP}/AuthZsubType", "AuthZ-Consent")
BY_ROLE = coding(f"{_BALP}/AuthZsubType", "AuthZ-Role")

SOURCE = coding(_DCM, "110153")
DESTINATION = coding(_DCM, "110152")
APPLICATION = coding(_DCM, "110150")
CUSTODIAN_OF_DELETED = coding(f"{_TERMS}/provenance-participant-type", "custodian")
CUSTODIAN = coding(SNOMED, "159541003")
PERSON_CONCERNED = coding(SNOMED, "429577009")
USER = coding(PARTICIPATION, "IRCP")
USER_ORGANISATION = coding(f"{_TERMS}/v3-RoleClass", "PROV")
AUTHORIZER = coding(f"{_TERMS}/extra-security-role-type", "authserver")

PERSON = coding(f"{_TERMS}/audit-entity-type", "1")
SYSTEM_OBJECT = coding(f"{_TERMS}/audit-entity-type", "2")
PATIENT_ROLE = coding(f"{_TERMS}/object-role", "1")
DOMAIN_RESOURCE = coding(f"{_TERMS}/object-role", "4")
POLICY_ROLE = coding(f"{_TERMS}/object-role", "13")  # Security Resource
QUERY_ROLE = coding(f"{_TERMS}/object-role", "24")
REQUEST_ID = coding(f"{_BALP}/BasicAuditEntityType", "XrequestId")
CONSENT = coding(RESOURCE_TYPES, "Consent")
SERVER_KIND = coding(f"{_TERMS}/security-source-type", "4")  # Application Server

DONE, REFUSED = "0", "8"


def interaction(code: str) -> Coding:
    """A RESTful interaction: read, vread, create, update, delete, search-type, history-instance, history-type."""
    return coding("http://hl7.org/fhir/restful-interaction", code)


def concept(code: Coding) -> Resource:
    return {"coding": [code]}


def purpose(code: str) -> Resource:
    """A purpose of use, "TREAT" of v3-ActReason or "system|code"."""
    system, bar, rest = code.rpartition("|")
    return concept(coding(system, rest) if bar else coding(ACT_REASON, code))
