"""Does one element of a rule fit the question? One function for each element; True, False, or None for "cannot be known"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tests.second.codes import (
    ACTION,
    ACTIONS,
    HANDLING,
    KNOWN_SENSITIVITIES,
    LEVEL,
    LEVELS,
    PURPOSE,
    PURPOSES,
    SENSITIVITIES,
    SENSITIVITY,
    SILENT_LABELS,
    TYPES,
    URIS,
    R,
    V,
)
from tests.second.logic import Json, all3, any3, inside, many, same, split, text, under, unversioned
from tests.second.times import before, holds_at, span, stretch

FORMS = ("DateTime", "Period", "Instant", "Timing", "Age", "Range", "String")
CLINICAL = [stem + form for stem in ("effective", "performed", "occurrence", "onset") for form in FORMS]
WHEN = (
    *CLINICAL,
    "period",
    "executionPeriod",
    "start",
    "authoredOn",
    "recordedDate",
    "dateAsserted",
    "sent",
    "dateTime",
    "date",
    "created",
    "issued",
    "recorded",
)
WHO_MADE = ("author", "performer", "recorder", "asserter", "requester", "sender", "informationSource", "agent")
BEHIND = ("actor", "who", "individual", "member")  # where a part of a resource keeps its reference
PARTS = {"actor": {"id", "extension", "role", "reference"}, "data": {"id", "extension", "meaning", "reference"}}  # what we know of them


@dataclass(frozen=True)
class Question:
    """May these identities see this resource now, for this purpose, by this action?"""

    patient: str
    identities: frozenset[str]
    purposes: tuple[tuple[str, str], ...]  # (system, code); system "" matches any
    action: str
    now: datetime
    groups: dict[str, list[str]]
    resource: dict[str, Json]
    zone: str


def in_group(group: str, ask: Question, above: frozenset[str]) -> bool | None:
    """S7: membership at decision time, through groups in groups; a circle adds nobody."""
    if group in above:
        return False
    if group not in ask.groups:
        return None
    return any3(is_one_of(member, ask, above | {group}) for member in ask.groups[group])


def is_one_of(name: Json, ask: Question, above: frozenset[str] = frozenset()) -> bool | None:
    name = unversioned(name)
    if name in ask.identities:
        return True
    if "|" in name:
        return False
    found = split(name)
    if found and found[0].startswith(("Group/", "CareTeam/")):
        return in_group(name, ask, above)
    return any3(same(name, identity) for identity in ask.identities if "|" not in identity) if found else None


def actor_matches(actor: Json, deny: bool, ask: Question) -> bool | None:
    """S7: by reference or by system|value, never by display."""
    who = actor.get("reference") if isinstance(actor, dict) else None
    if not isinstance(who, dict) or actor.keys() - PARTS["actor"]:
        return None
    ways: list[bool | None] = []
    if "reference" in who:
        ways.append(is_one_of(who["reference"], ask) if text(who) else None)
    if isinstance(identifier := who.get("identifier"), dict):
        system, value = identifier.get("system"), identifier.get("value")
        known = f"{system}|{value}" in ask.identities if system and value else None
        ways.append(None if not known and who.get("type") in ("Group", "CareTeam") and "reference" not in who else known)
    return any3(ways) if ways else None


def purpose_matches(listed: list[Json], deny: bool, ask: Question) -> bool | None:
    """S8: a permit covers every declared purpose; a deny hits on any overlap, up or down."""
    if not ask.purposes:
        return None

    def compare(mine: tuple[str, str], coding: Json) -> bool | None:
        system, code = (coding.get("system"), coding.get("code")) if isinstance(coding, dict) else (None, None)
        if not system or not code:
            return None
        if mine in ((system, code), ("", code)):
            return True
        if mine[0] != PURPOSE or system != PURPOSE or not {mine[1], code} <= PURPOSES.keys() | {"PurposeOfUse"}:
            return None
        return under(mine[1], code, PURPOSES) or (deny and under(code, mine[1], PURPOSES))

    each = [any3(compare(mine, coding) for coding in listed) for mine in ask.purposes]
    return any3(each) if deny else all3(each)


def action_matches(action: Json, deny: bool, ask: Question) -> bool | None:
    """S9. What is no consentaction that we know may mean any."""
    codings = many(action.get("coding")) if isinstance(action, dict) else []
    known = [coding["code"] for coding in codings if coding.get("system") == ACTION and coding.get("code") in ACTIONS]
    return True if ask.action in known else False if known else None


@dataclass(frozen=True)
class Labels:
    levels: tuple[int, ...]
    sensitive: tuple[str, ...]
    unknown: bool


def read_labels(codings: Json, silent: tuple[str, ...] = ()) -> Labels:
    levels, sensitive, unknown = [], [], False
    for coding in many(codings):
        system, code = (coding.get("system"), coding.get("code")) if isinstance(coding, dict) else (None, None)
        if system == LEVEL and code in LEVELS:
            levels.append(LEVELS.index(code))
        elif system == SENSITIVITY and code and not (silent and code in HANDLING):
            sensitive.append(str(code))
        elif system not in silent and system != SENSITIVITY:
            unknown = True
    return Labels(tuple(levels), tuple(sensitive), unknown)


def is_kind_of(code: str, listed: str) -> bool | None:
    """S10: equal or a child. Where the tree does not know a code, nobody can tell."""
    if code == listed:
        return True
    return under(code, listed, SENSITIVITIES) if {code, listed} <= KNOWN_SENSITIVITIES else None


def labels_match(listed: list[Json], deny: bool, ask: Question) -> bool | None:
    """S10: a permit is a ceiling or clears every compartment; a deny is a floor or a listed compartment."""
    rule, mine = read_labels(listed), read_labels((ask.resource.get("meta") or {}).get("security"), SILENT_LABELS)
    if not mine.levels and not mine.sensitive:
        return None
    low = max((*mine.levels, *([R] if mine.sensitive else [])))
    high = low if mine.levels and not mine.unknown else V
    cleared = [any3(is_kind_of(code, one) for one in rule.sensitive) for code in mine.sensitive]
    hidden = [None] if mine.unknown else []
    ways: list[bool | None] = [None] if rule.unknown else []
    if deny:
        if rule.levels:
            ways.append(True if at_least(low, rule.levels) else None if at_least(high, rule.levels) else False)
        return any3([*ways, *cleared, *(hidden if rule.sensitive else [])])
    if rule.levels:
        ways.append(False if low > max(rule.levels) else None if mine.unknown or high > max(rule.levels) else True)
    if rule.sensitive:
        ways.append(all3([*cleared, *hidden]) if cleared else False)
    return any3(ways)


def at_least(level: int, floors: tuple[int, ...]) -> bool:
    return level >= min(floors)


def profiles(resource: dict[str, Json]) -> list[Json]:
    return many((resource.get("meta") or {}).get("profile"))


def class_matches(coding: Json, deny: bool, ask: Question) -> bool | None:
    """A type, or a profile: the version counts where the rule says one. Not to name a profile is not to break it."""
    if isinstance(coding, dict) and coding.get("system") == URIS and (asked := coding.get("code")):
        return any(mine == asked or str(mine).split("|")[0] == asked for mine in profiles(ask.resource)) or None
    if not isinstance(coding, dict) or coding.get("system") != TYPES or not coding.get("code"):
        return None
    return coding["code"] == ask.resource["resourceType"] if "resourceType" in ask.resource else None


def code_matches(concept: Json, deny: bool, ask: Question) -> bool | None:
    """Found anywhere in the instance, or not."""
    codings = many(concept.get("coding")) if isinstance(concept, dict) else []
    there = {(found["system"], found["code"]) for found in inside(ask.resource) if isinstance(found.get("code"), str) and "system" in found}
    known = [coding if isinstance(coding, dict) and coding.get("system") and coding.get("code") else None for coding in codings]
    return any3((one["system"], one["code"]) in there if one else None for one in known) if known else None


def data_matches(data: Json, deny: bool, ask: Question) -> bool | None:
    """S11. Of one resource alone: is it the instance, does it refer to it, was it made by it."""
    if not isinstance(data, dict) or data.keys() - PARTS["data"]:
        return None
    meaning, target = data.get("meaning"), text(data.get("reference"))
    if not target or meaning not in ("instance", "related", "dependents", "authoredby"):
        return None
    if meaning == "authoredby":
        return any3(same(text(maker), target) for maker in makers(ask.resource))
    itself = same(f"{ask.resource['resourceType']}/{ask.resource['id']}", target) if {"resourceType", "id"} <= ask.resource.keys() else None
    if meaning == "instance":
        return itself
    return any3([itself, *(same(name, target) for name in map(text, inside(ask.resource)) if name)])


def makers(resource: dict[str, Json]) -> Iterator[Json]:
    for key in WHO_MADE:
        if key != "performer" or not str(resource.get("resourceType")).endswith("Request"):  # the performer of a request is whom it asks
            for maker in many(resource.get(key)):
                if isinstance(maker, dict):
                    yield from [maker[part] for part in BEHIND if part in maker] or [maker]


def data_period_matches(period: Json, deny: bool, ask: Question) -> bool | None:
    """S11: a permit contains the resource's own time, a deny overlaps it."""
    start, until = stretch(period, ask.zone)
    key = next((key for key in WHEN if key in ask.resource), "")
    time = {edge: ask.resource[edge] for edge in ("start", "end") if edge in ask.resource} if key == "start" else ask.resource.get(key)
    own = stretch(time, ask.zone) if isinstance(time, dict) else span(str(time), ask.zone)
    if own is None or None in own:
        return None
    if deny:
        return all3([before(own[0], until), before(start, own[1])])
    return all3([before(start, own[0], strictly=False), before(own[1], until, strictly=False)])


Match = Callable[[Json, bool, Question], "bool | None"]


def listed(match: Match) -> Match:
    return lambda values, deny, ask: match(values, deny, ask) if isinstance(values, list) and values else None


def each(match: Match) -> Match:
    """S4: repetitions are alternatives."""
    return listed(lambda values, deny, ask: any3(match(one, deny, ask) for one in values))


MATCH: dict[str, Match] = {
    "period": lambda period, deny, ask: holds_at(period, ask.now, ask.zone),
    "actor": each(actor_matches),
    "action": each(action_matches),
    "securityLabel": listed(labels_match),
    "purpose": listed(purpose_matches),
    "class": each(class_matches),
    "code": each(code_matches),
    "dataPeriod": data_period_matches,
    "data": each(data_matches),
}
