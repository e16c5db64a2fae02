"""What a search may join: resources included beside what it finds, and conditions on what its results point to. Closed lists.

`INCLUDES`: a type and its parameters along which what they name may come along (`_include=Task:focus`), and the other way
round what points to the results (`_revinclude=Task:focus`). `CHAINS`: `parameter:Type` and the parameters of that type that may
be asked of what it names (`patient.family`, `subject:Patient.family`); without a type it is the only one that it may name.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter.fhir.index import rows
from adapter.fhir.parameters import CORE_TYPES, parameters
from adapter.ports import Include, Resource

_INCLUDES = """
Task focus owner requester patient subject part-of based-on output
ServiceRequest patient subject requester performer supporting-info based-on
Consent patient organization actor consentor source-reference
Procedure patient subject performer based-on part-of
Communication patient subject sender recipient based-on
Provenance target patient agent
CareTeam patient subject participant
RelatedPerson patient
Patient general-practitioner organization
PractitionerRole practitioner organization location service
HealthcareService organization location
Organization partof
Location organization partof
Schedule actor
Slot schedule
Appointment patient practitioner location actor based-on slot
Observation patient subject performer based-on derived-from has-member
Condition patient subject asserter evidence-detail
Goal patient subject
DocumentReference patient subject author custodian related
QuestionnaireResponse patient subject author source based-on
Device patient organization location
Endpoint organization
Group managing-entity member
"""
_CHAINS = {
    "Patient": ("identifier", "family", "given", "name", "birthdate"), "Practitioner": ("identifier", "family", "given", "name"),
    "Organization": ("identifier", "name"),
}  # fmt: skip
_CHAINED = {"patient": "Patient", "subject": "Patient", "practitioner": "Practitioner", "organization": "Organization", "managing-entity": "Organization"}

INCLUDES: dict[str, tuple[str, ...]] = {type: tuple(params) for type, *params in map(str.split, _INCLUDES.strip().splitlines())}
NOT_JOINED = frozenset({"AuditEvent"})  # the trail is the officer's


def includes(type: str) -> list[str]:
    """What `_include` may name in a search of `type`: "Task:focus"…"""
    return [f"{type}:{param}" for param in INCLUDES.get(type, ())]


def revincludes(type: str) -> list[str]:
    """What `_revinclude` may name in a search of `type`."""
    return [f"{source}:{param}" for source, params in INCLUDES.items() for param in params if type in _targets(source, param)]


def include(type: str, value: str, *, reverse: bool) -> Include | None:
    """`Source:param` or `Source:param:Target` as an Include of a search of `type`; None where it is not offered."""
    source, _, rest = value.partition(":")
    param, _, target = rest.partition(":")
    if f"{source}:{param}" not in (revincludes(type) if reverse else includes(type)):
        return None
    if target and (target not in _targets(source, param) or (reverse and target != type)):
        return None
    return Include(source, param, target, reverse)


def named(resource: Resource, include: Include) -> Iterator[str]:
    """The "Type/id" that an include's parameter names in a resource of its type, of types that may come along."""
    allowed = {include.target} if include.target else _targets(include.type, include.param)
    for row in rows(resource):
        if row.param == include.param and row.kind == "reference":
            type, _, id = row.value.partition("/")
            if type in allowed and id and "/" not in id:
                yield row.value


def chains(type: str) -> dict[str, tuple[str, str]]:
    """The chained parameters of a search of `type`: name as written → (parameter of the type, type that it leads to)."""
    found = {}
    for param, target in _CHAINED.items():
        own = parameters(type).get(param)
        if own is None or own.kind != "reference" or (own.targets and target not in own.targets):
            continue
        for asked in _CHAINS[target]:
            found[f"{param}:{target}.{asked}"] = (param, target)
            if own.targets == {target}:
                found[f"{param}.{asked}"] = (param, target)
    return found


def _targets(type: str, param: str) -> frozenset[str]:
    return (parameters(type)[param].targets or frozenset(CORE_TYPES)) - NOT_JOINED
