"""The decision: may this requester see this resource, at this moment, for this purpose? (consent.md 1.3)

Pure: the same input gives the same output, nothing is read or written, and no JSON makes it raise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from adapter.consent.match import MATCHERS, PARTS, period
from adapter.consent.question import NO, UNKNOWN, YES, Question, canonical, coding_of, listed, reference_of, same
from adapter.consent.times import zone_of
from adapter.names import CONSENT_SCOPE
from adapter.ports import Ask, Basis, Decision, Resource

DEEPEST = 5  # levels of nested rules below the root that are read (S16)
LIMITED = "limit-to-codes"  # obligation: show only the needs in `codes`
_AT_ROOT = frozenset(MATCHERS) - {"period"}  # the root period is a gate before the rule, not a constraint of it
_RULE = frozenset({"id", "extension", "type", "provision", *MATCHERS})
_BARE = frozenset({"id", "extension", "type", "period", "provision"})  # what a root may have without being constrained
_NO_PATIENTS = frozenset(
    {"Device", "Group", "HealthcareService", "Location", "Medication", "Organization", "Practitioner", "PractitionerRole", "RelatedPerson", "Substance"}
)
_OF_OTHERS = frozenset({"contained", "extension"})  # what stands in there modifies nothing of the Consent
_SUBJECTS = ("subject", "patient", "for")


class Verdict(NamedTuple):
    """What one rule, with all below it, says. `codes` None: the permit is not limited by code."""

    says: str  # permit | deny | "" (nothing)
    rule: str = ""
    codes: frozenset[str] | None = frozenset()


SILENT = Verdict("")


def decide(
    consents: Sequence[Resource],
    bases: Sequence[Basis],
    ask: Ask,
    at: datetime,
    *,
    resource: Resource,
    groups: Mapping[str, Collection[str]] = {},
    zone: str = "Europe/Paris",
    complete: bool = True,
) -> Decision:
    """May `ask` see `resource` at `at`? Deny unless a permit or a basis applies; any explicit deny wins (S1).

    `consents`: current Consents of the patient (see `anchored` for the shape a referral wants). `bases`: other grounds
    (workflow.md 5). `groups`: "Group/x" or "CareTeam/x" -> its members, now. `zone`: for date-only values.
    `complete=False` says that Consents may be missing: denied as indeterminate (S14). `at` is aware. Never raises:
    should a fault remain, the answer is a denial with rule P7.
    """
    try:
        return _decide(consents, bases, ask, at, resource, groups, zone, complete)
    except Exception:  # fail closed: the property tests assert that this line is not reached
        return Decision(False, "indeterminate", "P7")


def _decide(
    consents: Sequence[Resource], bases: Sequence[Basis], ask: Ask, at: datetime,
    resource: Resource, groups: Mapping[str, Collection[str]], zone: str, complete: bool,
) -> Decision:  # fmt: skip
    if not complete or not isinstance(resource, dict) or at.tzinfo is None or zone_of(zone) is None:
        return Decision(False, "indeterminate", "S14")
    question = Question(ask, at, resource, groups, zone)
    if _about(question) != YES:
        return Decision(False, "other-patient", "S2")
    permits: list[tuple[str, Verdict]] = []
    denies: list[tuple[str, Verdict]] = []
    for consent in consents:
        verdict = weigh_consent(consent, question)
        if verdict.says:
            (permits if verdict.says == "permit" else denies).append((cite(consent), verdict))
    if denies:
        return _decision(False, "deny", denies)
    grounds = {basis.kind for basis in bases}
    for kind in ("self", "author", "team"):
        if kind in grounds:
            return Decision(True, "basis", f"basis:{kind}")
    if permits:
        return _decision(True, "permit", permits)
    if "urgency" in grounds:  # the last resort, never in place of an agreement
        return Decision(True, "basis", "basis:urgency")
    return Decision(False, "no-permit", "S1")


def _decision(permit: bool, reason: str, verdicts: list[tuple[str, Verdict]]) -> Decision:
    rules = {verdict.rule for _, verdict in verdicts}
    rule = "S16" if "S16" in rules else min(rules)
    versions = tuple(sorted({cited for cited, _ in verdicts if cited}))
    codes = _union(verdict.codes for _, verdict in verdicts) if permit else frozenset()
    return Decision(permit, "nesting" if rule == "S16" else reason, rule, versions, (LIMITED,) if codes else (), codes or frozenset())


def _union(several: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """All codes together; None, "no limit", wins."""
    together: frozenset[str] = frozenset()
    for codes in several:
        if codes is None:
            return None
        together |= codes
    return together


def _about(question: Question) -> int:
    """S2: is every patient whom the resource names the one asked about? A person not named by reference is unknown."""
    subjects = [{"reference": question.itself}] if question.type == "Patient" else []
    for element in _SUBJECTS:
        if element in question.resource:
            value = question.resource[element]
            subjects += value if isinstance(value, list) else [value]
    return min((_is_patient(reference_of(subject), question) for subject in subjects), default=YES)


def _is_patient(text: str | None, question: Question) -> int:
    if text is None:
        return UNKNOWN
    return YES if text.rpartition("/")[0].rpartition("/")[2] in _NO_PATIENTS else same(text, question.patient)


def cite(consent: Resource) -> str:
    """ "Consent/x/_history/2", without the version where there is none; "" for a Consent without id."""
    own, meta = consent.get("id"), consent.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    if not isinstance(own, str) or not own:
        return ""
    return f"Consent/{own}/_history/{version}" if isinstance(version, str) and version else f"Consent/{own}"


def weigh_consent(consent: Any, question: Question) -> Verdict:
    """What one Consent says to the question: a permit, a deny, or nothing."""
    patient = concerns(consent, question)
    if patient == NO:
        return SILENT
    provision = consent.get("provision")
    root = {"provision": provision} if isinstance(provision, list) else provision
    if not isinstance(root, dict):
        return SILENT
    now = period(root["period"], question) if "period" in root else YES
    if now == NO:
        return SILENT  # the root period gates the whole Consent (S5)
    readable, depth = survey(root)
    if depth > DEEPEST:
        return Verdict("deny", "S16")
    sound = readable and now == YES and patient == YES and root is provision and unmodified(consent)
    verdict = _weigh(root, {}, question, sound, nested=False)
    return SILENT if verdict.says == "default" else verdict


def concerns(consent: Any, question: Question) -> int:
    """S2: active, about privacy, of this patient."""
    if not isinstance(consent, dict) or consent.get("resourceType") != "Consent" or consent.get("status") != "active":
        return NO
    scope = consent.get("scope")
    codings = listed(scope.get("coding") if isinstance(scope, dict) else None)
    if f"{CONSENT_SCOPE}|patient-privacy" not in map(coding_of, codings):
        return NO
    patient = reference_of(consent.get("patient"))
    return NO if patient is None else same(canonical(patient), question.patient)


def unmodified(consent: Resource) -> bool:
    """S15: nothing on the Consent that may change its meaning in a way we do not know."""
    if "implicitRules" in consent:
        return False
    rest: list[Any] = [consent]
    for node in rest:  # which grows meanwhile: any depth must do
        if isinstance(node, dict):
            if "modifierExtension" in node:
                return False
            rest += [value for key, value in node.items() if type(value) is not str and key not in _OF_OTHERS]
        elif isinstance(node, list):
            rest += node
    checks = listed(consent.get("verification"))
    return "verification" not in consent or any(isinstance(one, dict) and one.get("verified") is True for one in checks)


def survey(root: dict[str, Any]) -> tuple[bool, int]:
    """Reads the shape of all rules once: (every element known, deepest nesting). Stops below what is read at all."""
    readable, deepest, rest = True, 0, [(root, 0)]
    while rest:
        rule, depth = rest.pop()
        deepest = max(deepest, depth)
        readable = readable and not rule.keys() - _RULE and _parts_known(rule)
        if "provision" not in rule or depth > DEEPEST:
            continue
        below = rule["provision"]
        readable = readable and isinstance(below, list) and all(isinstance(one, dict) for one in below)
        rest.extend((one, depth + 1) for one in rules_below(rule))
    return readable, deepest


def _parts_known(rule: dict[str, Any]) -> bool:
    return not any(isinstance(part, dict) and part.keys() - known for element, known in PARTS.items() for part in listed(rule.get(element)))


def rules_below(rule: dict[str, Any]) -> list[dict[str, Any]]:
    """The rules nested in a rule, whatever shape they came in."""
    below = rule.get("provision")
    return [one for one in (below if isinstance(below, list) else [below]) if isinstance(one, dict)]


def _weigh(rule: dict[str, Any], inherited: dict[str, Any], question: Question, sound: bool, *, nested: bool) -> Verdict:
    """What this rule and those below it say: a match below wins over this one, and below a deny wins (S12)."""
    constraints = inherit(rule, inherited, nested=nested)
    below = [_weigh(one, constraints, question, sound, nested=True) for one in rules_below(rule)]
    if any(verdict.says == "deny" for verdict in below):
        return Verdict("deny", "S12")
    permits = [verdict for verdict in below if verdict.says == "permit"]
    stated = rule.get("type")
    if stated == "permit":
        if sound and _holds(constraints, question, True) == YES:
            permits.append(Verdict("permit", "S12" if nested else "S1", _codes(constraints)))
    elif not permits and (stated == "deny" or nested) and _holds(constraints, question, False) != NO:
        return _denial(rule, nested=nested)
    if permits:
        return Verdict("permit", min(one.rule for one in permits), _union(one.codes for one in permits))
    return SILENT


def inherit(rule: dict[str, Any], inherited: dict[str, Any], *, nested: bool) -> dict[str, Any]:
    """The constraints of a rule: its own, and those of the rule above that it does not restate (S12)."""
    own = {element: value for element, value in rule.items() if element in (MATCHERS if nested else _AT_ROOT)}
    return {**inherited, **own} if inherited else own


def _denial(rule: dict[str, Any], *, nested: bool) -> Verdict:
    """S13: a bare deny at the root with permits below is that Consent's default, not a wish of its own. With only
    denies below it stays explicit: adding a deny must never show more (P1). An element we do not know is no bareness."""
    if nested or rule.keys() - _BARE:
        return Verdict("deny", "S1")  # below another it is told as S12 there
    return Verdict("default") if _permits_below(rule) else Verdict("deny", "S13")


def _permits_below(rule: dict[str, Any]) -> bool:
    return any(one.get("type") == "permit" or _permits_below(one) for one in rules_below(rule))


def _holds(constraints: dict[str, Any], question: Question, permit: bool) -> int:
    """All constraints together (S4, S6)."""
    worst = YES
    for element, match in MATCHERS.items():
        if element in constraints:
            worst = min(worst, match(constraints[element], question, permit))
            if worst == NO:
                break
    return worst


def _codes(constraints: dict[str, Any]) -> frozenset[str] | None:
    """The "system|code" that the rule names; None when it names none."""
    if "code" not in constraints:
        return None
    concepts = [one for one in listed(constraints["code"]) if isinstance(one, dict)]
    found = (coding_of(coding) for concept in concepts for coding in listed(concept.get("coding")))
    return frozenset(code for code in found if code is not None)
