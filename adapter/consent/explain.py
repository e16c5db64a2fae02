"""Why a decision came out as it did: each Consent, what it says to this question, by which rule, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapter.consent.anchor import DENIES_ONLY
from adapter.consent.decide import cite, concerns, inherit, rules_below, survey, unmodified, weigh_consent
from adapter.consent.match import MATCHERS, period
from adapter.consent.question import NO, UNKNOWN, YES, Question, listed
from adapter.consent.times import zone_of
from adapter.names import CONSENT_SCOPE
from adapter.ports import Ask, Decision, Resource

# The rule of consent.md 1.3 that each element of a provision is read by.
RULE_OF = {
    "period": "S5", "actor": "S7", "purpose": "S8", "action": "S9", "securityLabel": "S10", "dataPeriod": "S11", "data": "S11",
    "class": "S4", "code": "S4",
}  # fmt: skip
REASONS = {
    "permit": "a Consent in force permits it",
    "deny": "a Consent in force denies it, and a deny wins over everything",
    "basis": "no Consent is needed on this basis, and none denies it",
    "no-permit": "nothing permits it, and what is not permitted is denied",
    "nesting": "a Consent nests its rules deeper than is read, so all is refused",
    "other-patient": "the resource is about another person, or it cannot be known about whom",
    "indeterminate": "it is not proven that every Consent was seen, so all is refused",
}

WORDS = {
    "not-a-consent": "it is no Consent",
    "status": "its status is not active",
    "scope": "its scope is not patient-privacy",
    "person": "it is about another person",
    "no-provision": "it has no provision",
    "not-in-force": "it is not in force at that time",
    "no-type": "no rule of it is of the type permit or deny",
    "anchor": "it permits, but not this request: only its denies count here",
    "modified": "it carries a modifier that is not known, or no verification of it succeeded: only its denies count",
    "unread": "a rule has an element that is not known: only its denies count",
    "period": "its period cannot be read, or ends before it starts: only its denies count",
    "uncertain": "it is not certain that it is about this person: only its denies count",
    "deep": "its rules are nested deeper than is read",
}


@dataclass(frozen=True, slots=True)
class Considered:
    """One Consent in one decision. `consent`: its reference with its version; `says`: permit | deny | nothing; `rule`: the
    one of consent.md 1.3 that made it so; `why`: one line each."""

    consent: str
    says: str
    rule: str
    why: tuple[str, ...]


def in_words(decision: Decision) -> str:
    """The reason of a decision as a sentence without its full stop."""
    return REASONS.get(decision.reason, decision.reason)


def considered(
    consents: Sequence[Resource],
    ask: Ask,
    at: datetime,
    *,
    resource: Resource,
    groups: Mapping[str, Collection[str]] = {},
    zone: str = "Europe/Paris",
) -> list[Considered]:
    """What each Consent says, in the order given; the arguments are those of `decide`. Raises nothing a FHIR resource could
    cause; `resource` must be an object, `at` aware and `zone` known."""
    if not isinstance(resource, dict) or at.tzinfo is None or zone_of(zone) is None:
        return []
    question = Question(ask, at, resource, groups, zone)
    return [_considered(consent, question) for consent in consents]


def _considered(consent: Any, question: Question) -> Considered:
    verdict, cited = weigh_consent(consent, question), cite(consent) if isinstance(consent, dict) else ""
    if verdict.rule == "S16":
        return Considered(cited, verdict.says, verdict.rule, (WORDS["deep"],))
    if verdict.says:
        return Considered(cited, verdict.says, verdict.rule, tuple(_holding(consent["provision"], question, verdict.says)))
    rule, why = _silence(consent, question)
    return Considered(cited, "nothing", rule, why)


def _silence(consent: Any, question: Question) -> tuple[str, tuple[str, ...]]:
    """Why a Consent says nothing, the first reason first."""
    if not isinstance(consent, dict) or consent.get("resourceType") != "Consent":
        return "S2", (WORDS["not-a-consent"],)
    if consent.get("status") != "active":
        return "S2", (WORDS["status"],)
    if not _privacy(consent):
        return "S2", (WORDS["scope"],)
    if concerns(consent, question) == NO:
        return "S2", (WORDS["person"],)
    root = consent.get("provision")
    if not isinstance(root, dict):
        return "S3", (WORDS["no-provision"],)
    if "period" in root and period(root["period"], question) == NO:
        return "S5", (WORDS["not-in-force"],)
    if void := _void(consent, root, question):
        return void
    missing = list(_missing(root, question))
    if not missing:
        return "S3", (WORDS["no-type"],)
    first = next((rule for wants, rule, _ in missing if wants == "permit"), missing[0][1])  # what stops a permit is told first
    return first, tuple(line for _, _, line in missing)


def _privacy(consent: Resource) -> bool:
    scope = consent.get("scope")
    codings = listed(scope.get("coding") if isinstance(scope, dict) else None)
    return any(isinstance(one, dict) and one.get("system") == CONSENT_SCOPE and one.get("code") == "patient-privacy" for one in codings)


def _void(consent: Resource, root: Resource, question: Question) -> tuple[str, tuple[str, ...]] | None:
    """A Consent that cannot permit whatever its rules say, though they would."""
    if not any(wants == "permit" and holds == YES for _, wants, holds, _ in _rules(root, question)):
        return None
    if DENIES_ONLY in listed(consent.get("modifierExtension")):
        return "anchor", (WORDS["anchor"],)
    if not unmodified(consent):
        return "S15", (WORDS["modified"],)
    if not survey(root)[0]:
        return "S15", (WORDS["unread"],)
    if "period" in root and period(root["period"], question) == UNKNOWN:
        return "S5", (WORDS["period"],)
    if concerns(consent, question) == UNKNOWN:
        return "S6", (WORDS["uncertain"],)
    return None


def _rules(root: Resource, question: Question) -> Iterator[tuple[str, str, int, list[tuple[str, int]]]]:
    """(path, type, does it hold, the elements that do not hold for sure) of every rule, the root first."""
    rest: list[tuple[str, Resource, dict[str, Any], bool]] = [("provision", root, {}, False)]
    while rest:
        path, rule, inherited, nested = rest.pop(0)
        wants = rule["type"] if rule.get("type") in ("permit", "deny") else "deny" if nested else ""
        constraints = inherit(rule, inherited, nested=nested)
        found = [(name, match(constraints[name], question, wants == "permit")) for name, match in MATCHERS.items() if name in constraints]
        holds = min((value for _, value in found), default=YES)
        yield path, wants, holds, [(name, value) for name, value in found if value != YES]
        rest += [(f"{path}.provision[{number}]", one, constraints, True) for number, one in enumerate(rules_below(rule))]


def _holding(root: Any, question: Question, says: str) -> Iterator[str]:
    """The rules that said so."""
    for path, wants, holds, unsure in _rules(root if isinstance(root, dict) else {"provision": root}, question):
        if wants == says and (holds == YES or (says == "deny" and holds == UNKNOWN)):
            doubt = f"; not known, which does not stop a deny (S6): {', '.join(name for name, _ in unsure)}" if unsure else ""
            yield f"{path} ({wants}) applies{doubt}"


def _missing(root: Resource, question: Question) -> Iterator[tuple[str, str, str]]:
    """(type, rule, line) for every rule that does not apply: what it asks for and the question does not have."""
    for path, wants, holds, unsure in _rules(root, question):
        if not wants:
            continue
        if holds == YES:
            yield wants, "S13", f"{path} ({wants}) is only what this Consent takes as usual (S13)"
            continue
        names = [f"{name} {'does not match' if value == NO else 'is not known'} ({RULE_OF[name] if value == NO else 'S6'})" for name, value in unsure]
        rule = next((RULE_OF[name] for name, value in unsure if value == NO), "S6")
        yield wants, rule, f"{path} ({wants}) does not apply: {', '.join(names)}"
