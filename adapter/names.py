"""The names of the field: code systems, profiles, identifier systems. Standard library only.

What others own is a constant. What is ours hangs under one configurable base (`Settings.system_base`).
"""

from __future__ import annotations

from dataclasses import dataclass

SDOHCC = "http://hl7.org/fhir/us/sdoh-clinicalcare"
SDOHCC_CODES = f"{SDOHCC}/CodeSystem/SDOHCC-CodeSystemTemporaryCodes"
PROFILES = {
    "ServiceRequest": f"{SDOHCC}/StructureDefinition/SDOHCC-ServiceRequest",
    "Task": f"{SDOHCC}/StructureDefinition/SDOHCC-TaskForReferralManagement",
    "Consent": f"{SDOHCC}/StructureDefinition/SDOHCC-Consent",
    "Procedure": f"{SDOHCC}/StructureDefinition/SDOHCC-Procedure",
    "Goal": f"{SDOHCC}/StructureDefinition/SDOHCC-Goal",
}
US_CORE_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"
SERAFIN = "https://smt.esante.gouv.fr/terminologie-SERAFINPH"
SNOMED = "http://snomed.info/sct"
TASK_CODE = "http://hl7.org/fhir/CodeSystem/task-code"
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
CONSENT_ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
PROVENANCE_AGENT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
OBSERVATION_VALUE = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"  # SUBSETTED
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
FR_IDENTIFIER_TYPE = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
NIR = "urn:oid:1.2.250.1.213.1.4.8"  # INS-NIR and NSS share it: the type code decides
RPPS = "https://rpps.esante.gouv.fr"
FINESS = "https://finess.esante.gouv.fr"
SIRENE = "https://sirene.fr"


@dataclass(frozen=True, slots=True)
class Systems:
    """Our own systems under one base, e.g. https://liaison.example."""

    base: str = "https://liaison.example"

    def sid(self, kind: str) -> str:
        """Identifier system of one kind: request, task, consent, procedure, call, unit, organisation, record…"""
        return f"{self.base}/sid/{kind}"

    def code(self, table: str) -> str:
        """Code system of one table: need, service, business-status, status-reason, outcome, activity…"""
        return f"{self.base}/CodeSystem/{table}"

ABOUT = "_about"  # search row of a Binary: whose it is
