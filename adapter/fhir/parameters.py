"""The search parameters Liaison offers, a closed list per core type (R4 search parameters, SDOHCC's two extra ones).

A line is `name kind path…`: paths lead from the resource to the values; `Patient` after a path keeps references to
patients only; `!` marks what identifies a person, stored and looked up as a keyed digest only; `^` marks a date that
results may be sorted by (one value at most).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from adapter.fhir import facts

CODES = "http://hl7.org/fhir/"  # before the name of a value set of R4: the system of its codes
Kind = Literal["token", "reference", "date", "string"]

_TABLE = """
ServiceRequest
  identifier token identifier
  requisition token requisition
  status token status
  intent token intent
  priority token priority
  code token code
  category token category
  patient reference subject:Patient
  subject reference subject
  requester reference requester
  performer reference performer
  based-on reference basedOn
  replaces reference replaces
  supporting-info reference supportingInfo
  authored date^ authoredOn
  occurrence date occurrenceDateTime occurrencePeriod
Task
  identifier token identifier
  group-identifier token groupIdentifier
  status token status
  business-status token businessStatus
  code token code
  intent token intent
  priority token priority
  performer token performerType
  patient reference for:Patient
  subject reference for
  requester reference requester
  owner reference owner
  focus reference focus
  based-on reference basedOn
  part-of reference partOf
  output reference output.valueReference
  authored-on date^ authoredOn
  modified date^ lastModified
  period date executionPeriod
Consent
  identifier token identifier
  status token status
  scope token scope
  category token category
  action token provision.action
  purpose token provision.purpose
  patient reference patient
  organization reference organization
  consentor reference performer
  actor reference provision.actor.reference
  source-reference reference sourceReference
  date date^ dateTime
  period date provision.period
Patient
  identifier token! identifier
  family string! name.family
  given string! name.given
  name string! name.family name.given name.text name.prefix name.suffix
  birthdate date! birthDate
  phone token! telecom=phone
  email token! telecom=email
  telecom token! telecom
  address string! address.line address.city address.postalCode address.text
  address-city string! address.city
  address-postalcode string! address.postalCode
  gender token gender
  active token active
  general-practitioner reference generalPractitioner
  organization reference managingOrganization
  link reference link.other
Organization
  identifier token identifier
  name string name alias
  type token type
  active token active
  partof reference partOf
HealthcareService
  identifier token identifier
  name string name
  active token active
  service-category token category
  service-type token type
  specialty token specialty
  organization reference providedBy
  location reference location
  coverage-area reference coverageArea
Practitioner
  identifier token identifier
  family string name.family
  given string name.given
  name string name.family name.given name.text name.prefix name.suffix
  active token active
  phone token telecom=phone
  email token telecom=email
  telecom token telecom
PractitionerRole
  identifier token identifier
  active token active
  role token code
  specialty token specialty
  practitioner reference practitioner
  organization reference organization
  service reference healthcareService
  location reference location
  date date period
Procedure
  identifier token identifier
  status token status
  code token code
  category token category
  reason-code token reasonCode
  patient reference subject:Patient
  subject reference subject
  based-on reference basedOn
  part-of reference partOf
  performer reference performer.actor
  date date^ performedDateTime performedPeriod
Communication
  identifier token identifier
  status token status
  category token category
  medium token medium
  patient reference subject:Patient
  subject reference subject
  based-on reference basedOn
  part-of reference partOf
  sender reference sender
  recipient reference recipient
  sent date^ sent
  received date^ received
Provenance
  target reference target
  patient reference target:Patient
  agent reference agent.who
  agent-type token agent.type
  agent-role token agent.role
  entity reference entity.what
  recorded date^ recorded
  when date occurredDateTime
CareTeam
  identifier token identifier
  status token status
  category token category
  patient reference subject:Patient
  subject reference subject
  participant reference participant.member
  date date period
RelatedPerson
  identifier token! identifier
  active token active
  patient reference patient
  relationship token relationship
  name string! name.family name.given name.text
  phone token! telecom=phone
  email token! telecom=email
  telecom token! telecom
  birthdate date! birthDate
AuditEvent
  type token type
  action token action
  outcome token outcome
  agent reference agent.who
  entity reference entity.what
  patient reference agent.who:Patient entity.what:Patient
  date date^ recorded
Location
  identifier token identifier
  name string name alias
  status token status
  type token type
  address string address.line address.city address.postalCode address.text
  address-city string address.city
  address-postalcode string address.postalCode
  organization reference managingOrganization
  partof reference partOf
Schedule
  identifier token identifier
  active token active
  service-category token serviceCategory
  service-type token serviceType
  specialty token specialty
  actor reference actor
  date date planningHorizon
Slot
  identifier token identifier
  status token status
  service-category token serviceCategory
  service-type token serviceType
  specialty token specialty
  appointment-type token appointmentType
  schedule reference schedule
  start date^ start
Appointment
  identifier token identifier
  status token status
  part-status token participant.status
  service-category token serviceCategory
  service-type token serviceType
  specialty token specialty
  appointment-type token appointmentType
  reason-code token reasonCode
  patient reference participant.actor:Patient
  practitioner reference participant.actor:Practitioner
  location reference participant.actor:Location
  actor reference participant.actor
  based-on reference basedOn
  slot reference slot
  supporting-info reference supportingInformation
  date date^ start
Observation
  identifier token identifier
  status token status
  category token category
  code token code
  value-concept token valueCodeableConcept
  component-code token component.code
  patient reference subject:Patient
  subject reference subject
  performer reference performer
  based-on reference basedOn
  part-of reference partOf
  derived-from reference derivedFrom
  has-member reference hasMember
  date date^ effectiveDateTime effectivePeriod effectiveInstant
Condition
  identifier token identifier
  clinical-status token clinicalStatus
  verification-status token verificationStatus
  category token category
  severity token severity
  code token code
  patient reference subject:Patient
  subject reference subject
  asserter reference asserter
  evidence-detail reference evidence.detail
  onset-date date onsetDateTime onsetPeriod
  abatement-date date abatementDateTime abatementPeriod
  recorded-date date^ recordedDate
Goal
  identifier token identifier
  lifecycle-status token lifecycleStatus
  achievement-status token achievementStatus
  category token category
  patient reference subject:Patient
  subject reference subject
  start-date date^ startDate
  target-date date target.dueDate
DocumentReference
  identifier token masterIdentifier identifier
  status token status
  type token type
  category token category
  event token context.event
  contenttype token content.attachment.contentType
  patient reference subject:Patient
  subject reference subject
  author reference author
  custodian reference custodian
  related reference context.related
  relatesto reference relatesTo.target
  date date^ date
  period date context.period
QuestionnaireResponse
  identifier token identifier
  status token status
  questionnaire reference questionnaire
  patient reference subject:Patient
  subject reference subject
  author reference author
  source reference source
  based-on reference basedOn
  part-of reference partOf
  authored date^ authored
Device
  identifier token! identifier
  status token status
  type token type
  device-name string deviceName.name
  manufacturer string manufacturer
  model string modelNumber
  patient reference patient
  organization reference owner
  location reference location
Endpoint
  identifier token identifier
  status token status
  connection-type token connectionType
  payload-type token payloadType
  name string name
  organization reference managingOrganization
Group
  identifier token identifier
  type token type
  actual token actual
  code token code
  characteristic token characteristic.code
  managing-entity reference managingEntity
  member reference member.entity
Subscription
  status token status
  type token channel.type
  payload token channel.payload
  criteria string! criteria
Binary
"""


@dataclass(frozen=True, slots=True)
class Path:
    """`steps` to the values; `only` keeps references to one type, `system` contact points of one system."""

    steps: tuple[str, ...]
    only: str = ""
    system: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """`targets`: the types a reference parameter may name, empty where every type is allowed; `sorts`: whether results may
    come in the order of its dates; `implied`: the systems of its codes where the elements write none."""

    name: str
    kind: Kind
    paths: tuple[Path, ...]
    identifying: bool
    targets: frozenset[str]
    sorts: bool = False
    implied: frozenset[str] = frozenset()

    @property
    def of_person(self) -> bool:
        """Does its `:identifier` form identify a patient?"""
        return not self.targets or "Patient" in self.targets


@cache
def parameters(type: str) -> dict[str, Parameter]:
    """The parameters of a core type by name; KeyError for other types."""
    return _all()[type]


@cache
def _all() -> dict[str, dict[str, Parameter]]:
    found: dict[str, dict[str, Parameter]] = {}
    type = ""
    for line in _TABLE.strip().splitlines():
        if not line.startswith(" "):
            type = line
            found[type] = {}
            continue
        name, kind, *paths = line.split()
        found[type][name] = _parameter(type, name, kind, [_path(path) for path in paths])
    return found


def _parameter(type: str, name: str, kind: str, paths: list[Path]) -> Parameter:
    targets = {path.only for path in paths if path.only} or set().union(*(_targets(type, path) for path in paths))
    plain: Kind = kind.rstrip("!^")  # type: ignore[assignment]
    bound = {facts.bound(_element(type, path)) for path in paths if plain == "token"} - {""}
    return Parameter(name, plain, tuple(paths), kind.endswith("!"), frozenset(targets), kind.endswith("^"), frozenset(map(CODES.__add__, bound)))


def _path(text: str) -> Path:
    steps, _, only = text.partition(":")
    steps, _, system = steps.partition("=")
    return Path(tuple(steps.split(".")), only, system)


def _targets(type: str, path: Path) -> frozenset[str]:
    return facts.targets(_element(type, path))


def _element(type: str, path: Path) -> str:
    """The last element of a path, as the tables of `facts` name it."""
    owner = "".join([type, *(step[0].upper() + step[1:] for step in path.steps[:-1])])
    return f"{owner}.{path.steps[-1]}"


CORE_TYPES = tuple(_all())
