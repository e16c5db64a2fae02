"""One function for each element that can constrain a rule: does it hold for this question? NO, UNKNOWN or YES.

`permit` tells which side asks: a few elements are read strictly for a permit and widely for a deny
(consent.md S8, S10, S11). Inside one element repetitions are alternatives (S4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapter.consent.codes import (
    CONFIDENTIALITY,
    LEVELS,
    PURPOSES_ABOVE,
    RESTRICTED,
    SENSITIVITIES_ABOVE,
    URIS,
    VERY_RESTRICTED,
    purpose_within,
    sensitivity_within,
)
from adapter.consent.question import NO, UNKNOWN, YES, Question, canonical, coding_of, comparable, listed, reference_of, same
from adapter.consent.times import bounds
from adapter.names import ACT_CODE, CONSENT_ACTION, RESOURCE_TYPES

Matcher = Callable[[Any, Question, bool], int]
PARTS = {"actor": {"id", "extension", "role", "reference"}, "data": {"id", "extension", "meaning", "reference"}}  # their known elements
ACTIONS = frozenset(f"{CONSENT_ACTION}|{code}" for code in ("collect", "access", "use", "disclose", "correct"))


def any_of(value: Any, match: Callable[[Any], int]) -> int:
    """The best of the alternatives; an empty or malformed list is unknown."""
    entries = listed(value)
    if not entries:
        return UNKNOWN
    best = NO
    for entry in entries:
        best = max(best, match(entry))
        if best == YES:
            break
    return best


def period(value: Any, question: Question, permit: bool = True) -> int:
    """S5: is the moment inside, both ends included at their precision?"""
    limits = bounds(value, question.zone)
    if limits is None:
        return UNKNOWN
    start, end = limits
    begun = UNKNOWN if start is None else YES if question.at >= start[0] else NO
    lasting = UNKNOWN if end is None else YES if question.at < end[1] or "end" not in value else NO
    return min(begun, lasting)


def actor(value: Any, question: Question, permit: bool) -> int:
    """S7: any identity of the requester, by reference or by system|value, never by display."""

    def one(entry: Any) -> int:
        if not isinstance(entry, dict) or set(entry) - PARTS["actor"]:
            return UNKNOWN
        return _is_requester(entry.get("reference"), question)

    return any_of(value, one)


def _is_requester(reference: Any, question: Question) -> int:
    if not isinstance(reference, dict):
        return UNKNOWN
    text, identifier = reference_of(reference), reference.get("identifier")
    if text is None and identifier is None:
        return UNKNOWN
    best = _named(text, question) if text is not None else UNKNOWN if "reference" in reference else NO
    if identifier is not None:
        system, value = (identifier.get("system"), identifier.get("value")) if isinstance(identifier, dict) else (None, None)
        known = isinstance(system, str) and isinstance(value, str) and bool(system) and bool(value)
        best = max(best, (YES if f"{system}|{value}" in question.actors else NO) if known else UNKNOWN)
    if best == NO and text is None and reference.get("type") in ("Group", "CareTeam"):
        return UNKNOWN  # a group that is named, but not to be found: nobody knows its members
    return best


def _named(text: str, question: Question) -> int:
    if text in question.actors:
        return YES
    if _is_group(text):
        if text not in question.members:
            question.members[text] = _member(text, question)
        return question.members[text]
    return _anyone(text, question)


def _anyone(text: str, question: Question) -> int:
    """Is it one of the requester's identities under another server's name?"""
    if not comparable(text):
        return UNKNOWN
    if ":" in text or question.remote:
        return max((same(text, name) for name in question.references_of_requester), default=NO)
    return NO


def _is_group(text: str) -> bool:
    return text.startswith(("Group/", "CareTeam/")) or "/Group/" in text or "/CareTeam/" in text


def _member(group: str, question: Question) -> int:
    """Is the requester a member, through groups of groups too? Each group is opened once, so a cycle ends."""
    best, seen, rest = NO, {group}, [group]
    while rest:
        members = question.groups.get(rest.pop())
        if members is None:
            best = max(best, UNKNOWN)
            continue
        for member in members:
            name = canonical(member) if isinstance(member, str) else ""
            if name in question.actors:
                return YES
            if not name:
                best = UNKNOWN
            elif "|" in name:
                continue
            elif not _is_group(name):
                best = max(best, _anyone(name, question))
            elif name not in seen:
                seen.add(name)
                rest.append(name)
    return best


def action(value: Any, question: Question, permit: bool) -> int:
    """S9: the listed action, no other; a code that is none of ours may mean anything."""

    def one(concept: Any) -> int:
        named = {coding_of(coding) for coding in listed(concept.get("coding") if isinstance(concept, dict) else None)}
        known = named & ACTIONS
        return UNKNOWN if not known or not question.action else YES if f"{CONSENT_ACTION}|{question.action}" in known else NO

    return any_of(value, one)


def purpose(value: Any, question: Question, permit: bool) -> int:
    """S8: a permit must cover every declared purpose; a deny takes any overlap, up or down the tree."""
    codes = [coding_of(entry) for entry in listed(value)]
    if not codes or not question.purpose:
        return UNKNOWN
    known = [code for code in codes if code is not None]
    doubt = UNKNOWN if len(known) < len(codes) else NO
    if permit:
        covered = all(any(purpose_within(asked, code) for code in known) for asked in question.purpose)
        return YES if covered else doubt
    touched = any(purpose_within(asked, code) or purpose_within(code, asked) for asked in question.purpose for code in known)
    unclear = any(one not in PURPOSES_ABOVE for one in (*question.purpose, *known))  # what no tree knows may be a part of anything
    return YES if touched else UNKNOWN if unclear else doubt


def kind(value: Any, question: Question, permit: bool) -> int:
    """provision.class: the resource's type, or a profile that it names. One that it does not name it may follow all the same."""

    def one(coding: Any) -> int:
        code = coding_of(coding)
        if code is not None and coding["system"] == URIS:
            return YES if coding["code"] in question.profiles else UNKNOWN
        if code is None or not question.type or coding["system"] != RESOURCE_TYPES:
            return UNKNOWN
        return YES if coding["code"] == question.type else NO

    return any_of(value, one)


def code(value: Any, question: Question, permit: bool) -> int:
    """provision.code: found anywhere in the resource."""

    def one(concept: Any) -> int:
        found = [coding_of(coding) for coding in listed(concept.get("coding") if isinstance(concept, dict) else None)]
        known = [coding for coding in found if coding is not None]
        if any(coding in question.codings for coding in known):
            return YES
        return UNKNOWN if not known or len(known) < len(found) else NO

    return any_of(value, one)


def label(value: Any, question: Question, permit: bool) -> int:
    """S10: for a permit a ceiling, or every compartment cleared; for a deny a floor, or any listed compartment."""
    levels, cleared, doubt = [], set(), NO
    for entry in listed(value) or [None]:
        named = coding_of(entry)
        if named is None:
            doubt = UNKNOWN
        elif entry["system"] == CONFIDENTIALITY and entry["code"] in LEVELS:
            levels.append(LEVELS[entry["code"]])
        elif entry["system"] == ACT_CODE:
            cleared.add(named)
        else:
            doubt = UNKNOWN
    weigh = _label_permit if permit else _label_deny
    return weigh(levels, frozenset(cleared), question, doubt)


def _label_permit(levels: list[int], cleared: frozenset[str], question: Question, doubt: int) -> int:
    level, sensitivities, unknown = question.labels
    if unknown or (level is None and not sensitivities):
        return UNKNOWN
    highest = VERY_RESTRICTED if level is None else max(level, RESTRICTED) if sensitivities else level  # a sensitivity alone: R or V
    if any(highest <= ceiling for ceiling in levels):
        return YES
    if sensitivities and all(sensitivity_within(one, cleared) for one in sensitivities):
        return YES
    return UNKNOWN if level is None and levels else doubt


def _label_deny(levels: list[int], named: frozenset[str], question: Question, doubt: int) -> int:
    level, sensitivities, unknown = question.labels
    worth = [one for one in (level, RESTRICTED if sensitivities else None) if one is not None]
    if any(floor <= one for floor in levels for one in worth):
        return YES
    if any(sensitivity_within(one, named) for one in sensitivities):
        return YES
    silent = level is None and (bool(levels) or not sensitivities)
    foreign = bool(named and sensitivities) and not SENSITIVITIES_ABOVE.keys() >= named | sensitivities
    return UNKNOWN if unknown or silent or foreign else doubt


def data_period(value: Any, question: Question, permit: bool) -> int:
    """S11: a permit wants the resource's time wholly inside, a deny takes any overlap."""
    limits, dated = bounds(value, question.zone), question.dated
    if limits is None or dated is None:
        return UNKNOWN
    start, end = limits
    low, high = dated
    early = low if permit else high
    late = high if permit else low
    after = UNKNOWN if start is None else YES if (early >= start[0] if permit else early > start[0]) else NO
    before = UNKNOWN if end is None else YES if (late <= end[1] if permit else late < end[1]) else NO
    return min(after, before)


def data(value: Any, question: Question, permit: bool) -> int:
    """S11: the resource itself, what points to a resource, or what somebody wrote."""

    def one(entry: Any) -> int:
        if not isinstance(entry, dict) or set(entry) - PARTS["data"]:
            return UNKNOWN
        target, meaning = reference_of(entry.get("reference")), entry.get("meaning")
        if target is None or meaning not in ("instance", "related", "dependents", "authoredby"):
            return UNKNOWN
        if meaning == "authoredby":
            return _among(target, question.authors)
        itself = UNKNOWN if question.itself is None else same(target, question.itself)
        return itself if meaning == "instance" else max(itself, _among(target, question.references))

    return any_of(value, one)


def _among(target: str, references: frozenset[str]) -> int:
    return YES if target in references else max((same(target, one) for one in references), default=NO)


# In the order that settles most rules soonest.
MATCHERS: dict[str, Matcher] = {
    "actor": actor, "purpose": purpose, "action": action, "class": kind, "period": period,
    "code": code, "securityLabel": label, "dataPeriod": data_period, "data": data,
}  # fmt: skip
