"""A second reading of spec/consent.md 1.3, written from the text alone, to be compared with adapter/consent/ (README.md: what
came of it, and where the text was open).

Nothing here is shared with the product and nothing is fast for its own sake: every rule of the specification is one small
function that bears its number. A match has three values: True, False, and None for "cannot be known". A permit needs True,
a deny is defeated by False only (S6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tests.second.codes import PURPOSE, PURPOSES, SCOPE
from tests.second.logic import Json, all3, inside, many, same, split, text, unversioned
from tests.second.match import MATCH, PARTS, Question
from tests.second.times import holds_at

DEEPEST = 5
CONSTRAINTS = ("period", "actor", "action", "securityLabel", "purpose", "class", "code", "dataPeriod", "data")
IN_RULE = {"id", "extension", "type", "provision", *CONSTRAINTS}
WHOSE = ("subject", "patient", "for")


# ── one Consent ──────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Rule:
    type: str  # permit | deny | "" (a root without a type says nothing itself)
    constraints: dict[str, Json]
    below: tuple[Rule, ...]

    def everything(self) -> Iterator[Rule]:
        yield self
        for rule in self.below:
            yield from rule.everything()


def inherit(parent: dict[str, Json], provision: dict[str, Json]) -> dict[str, Json]:
    """S12: the parent's constraints, element by element, unless restated."""
    return parent | {key: provision[key] for key in CONSTRAINTS if key in provision}


def rule_of(provision: dict[str, Json], parent: Rule | None = None) -> Rule:
    constraints = inherit(parent.constraints if parent else {}, provision)
    type = provision.get("type")
    if type not in ("permit", "deny"):
        type = "deny" if parent else ""  # S3
    here = Rule(str(type), constraints, ())
    return replace(here, below=tuple(rule_of(child, here) for child in many(provision.get("provision")) if isinstance(child, dict)))


def outcome(rule: Rule, permits: bool, ask: Question) -> tuple[str, Rule]:
    """S12: what the deepest match says, and which rule it is; among siblings a deny wins. `permits`: whether a permit may count."""
    found = [outcome(child, permits, ask) for child in rule.below]
    for wanted in ("deny", "permit"):
        for said, by in found:
            if said == wanted:
                return said, by
    return (rule.type if applies(rule, ask) and (permits or rule.type == "deny") else "", rule)


def applies(rule: Rule, ask: Question) -> bool:
    deny = rule.type == "deny"
    return counts(all3(MATCH[key](value, deny, ask) for key, value in rule.constraints.items()), deny)


def counts(match: bool | None, deny: bool) -> bool:
    """S6: unknown never helps a permit and never defeats a deny."""
    return match is True or (deny and match is None)


def is_in_force(consent: dict[str, Json]) -> bool:
    """S2, but for the patient."""
    scope = consent.get("scope")
    codings = scope.get("coding") if isinstance(scope, dict) else None
    private = any(isinstance(one, dict) and one.get("system") == SCOPE and one.get("code") == "patient-privacy" for one in listing(codings))
    return consent.get("resourceType") == "Consent" and consent.get("status") == "active" and private


def listing(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def may_permit(consent: dict[str, Json]) -> bool:
    """S15: what we do not fully understand permits nothing."""
    checked = any(isinstance(check, dict) and check.get("verified") is True for check in listing(consent.get("verification")))
    if "implicitRules" in consent or ("verification" in consent and not checked):
        return False
    return not any("modifierExtension" in part for part in inside(consent, ("contained", "extension"))) and not strange(consent["provision"])


def strange(provision: Json) -> bool:
    if not isinstance(provision, dict) or is_odd(provision):
        return True
    if any(isinstance(part, dict) and part.keys() - known for key, known in PARTS.items() for part in many(provision.get(key))):
        return True
    return not isinstance(provision.get("provision", []), list) or any(strange(child) for child in many(provision.get("provision")))


def is_odd(provision: dict[str, Json]) -> bool:
    return bool(provision.keys() - IN_RULE)


def depth(provision: Json) -> int:
    return 1 + max((depth(child) for child in many(provision.get("provision"))), default=-1) if isinstance(provision, dict) else 0


def is_default(root: Rule, provision: dict[str, Json]) -> bool:
    """S13: a bare root deny above a permit only says what holds where that Consent is silent. (A period gates the Consent, it is no constraint.)"""
    bare = root.type == "deny" and not root.constraints.keys() - {"period"} and not is_odd(provision)
    return bare and any(rule.type == "permit" for rule in root.everything())


def says(consent: Json, ask: Question) -> str:
    """permit | deny | "" """
    if not isinstance(consent, dict) or not is_in_force(consent):
        return ""
    provision = consent.get("provision")
    if isinstance(provision, list):  # no root at all, only what would stand below it
        provision = {"provision": provision}
    if not isinstance(provision, dict):
        return ""
    ours = same(text(consent.get("patient")), ask.patient)
    valid = holds_at(provision["period"], ask.now, ask.zone) if "period" in provision else True  # S5: gates everything
    if valid is False or ours is False or not text(consent.get("patient")):
        return ""
    if depth(provision) > DEEPEST:
        return "deny"  # S16: what stands below is not read, and may be a deny
    root = rule_of(provision)
    said, by = outcome(root, valid is True and ours is True and may_permit(consent), ask)
    return "" if by is root and is_default(root, provision) else said


# ── a triple ─────────────────────────────────────────────────────────────────────────────────────
def of_this_patient(resource: dict[str, Json], patient: str) -> bool:
    """S2 for what is asked for: nothing of another patient, nor of somebody who cannot be known."""
    named = [text(whose) for key in WHOSE if key in resource for whose in many(resource[key]) or [None]]
    if resource.get("resourceType") == "Patient":
        named.append(f"Patient/{resource.get('id')}")
    return all(same(name, patient) is True or ((split(name) or ("Patient/",))[0].partition("/")[0] != "Patient") for name in named)


def decide(vector: dict[str, Json], resource: dict[str, Json], zone: str = "UTC") -> str:
    """permit | deny | indeterminate, for one resource of a vector (S1, S14)."""
    if vector.get("complete", True) is not True:
        return "indeterminate"
    request = vector["request"]
    ask = Question(
        patient=unversioned(request["patient"]),
        identities=frozenset(unversioned(name) for name in request["actors"]),
        purposes=tuple(declared(name) for name in request["purpose"]),
        action=request["action"],
        now=datetime.fromisoformat(vector["now"]).astimezone(UTC),
        groups={unversioned(name): members for name, members in vector.get("groups", {}).items()},
        resource=resource,
        zone=zone,
    )
    said = [says(consent, ask) for consent in vector["consents"]]
    return "permit" if "permit" in said and "deny" not in said and of_this_patient(resource, ask.patient) else "deny"


def declared(purpose: Json) -> tuple[str, str]:
    """A code without a system is v3-ActReason's where that has it, else whoever's."""
    system, _, code = purpose.rpartition("|") if isinstance(purpose, str) else ("", "", "")
    return system or (PURPOSE if code in PURPOSES or code == "PurposeOfUse" else ""), code


def visible(vector: dict[str, Json], zone: str = "UTC") -> list[str]:
    return sorted(resource["id"] for resource in vector["resources"] if decide(vector, resource, zone) == "permit")
