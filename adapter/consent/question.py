"""The question put to the Consents: the ask, the moment and what the resource says of itself, read once and lazily."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from adapter.consent.codes import CONFIDENTIALITY, HANDLING, LEVELS
from adapter.consent.times import FAR_FUTURE, FAR_PAST, Span, bounds, span
from adapter.names import ACT_CODE, ACT_REASON, OBSERVATION_VALUE
from adapter.ports import Ask, Resource

# Three-valued logic as numbers: "and" is min, "or" is max. Unknown never helps a permit, never defeats a deny (S6).
NO, UNKNOWN, YES = 0, 1, 2

# The time a resource is about, the more clinical element first.
_FORMS = ("DateTime", "Period", "Instant", "Timing", "Age", "Range", "String")  # the last four cannot be compared with a period
_DATED = (
    *(stem + form for stem in ("effective", "performed", "occurrence", "onset") for form in _FORMS),
    "period", "executionPeriod", "start", "authoredOn", "recordedDate", "dateAsserted", "sent", "dateTime", "date", "created", "issued", "recorded",
)  # fmt: skip
_AUTHORS = ("performer", "author", "recorder", "asserter", "requester", "sender", "informationSource", "agent")
_ASKED_TO_DO = "Request"  # a performer of a ServiceRequest, MedicationRequest… shall do it, and wrote nothing
_LITERAL = re.compile(r"(?:[a-z][a-z0-9+.-]*://\S+/)?[A-Z][A-Za-z]*/[^\s/?#|]+", re.ASCII)
_BEHIND = ("actor", "who", "individual", "member")  # where a backbone element keeps its reference


T = TypeVar("T")


class lazy(Generic[T]):
    """Computed at first use, then a plain attribute. (functools' cached_property takes a lock: 2 µs each in 3.11.)"""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute, self._name = compute, compute.__name__

    def __get__(self, owner: Any, kind: Any = None) -> T:
        value = self._compute(owner)
        owner.__dict__[self._name] = value
        return value


class Labels(NamedTuple):
    """meta.security: highest confidentiality (None: not said), sensitivities, and whether a label is not understood."""

    level: int | None
    sensitivities: frozenset[str]
    unknown: bool


def canonical(reference: str) -> str:
    """A literal reference without its version."""
    return reference.partition("/_history/")[0]


@lru_cache(maxsize=4096)
def comparable(reference: str) -> bool:
    """Whether a canonical reference says type and id: not a urn, a search or a name, which cannot be looked up."""
    return _LITERAL.fullmatch(reference) is not None


def same(one: str, other: str) -> int:
    """Do two canonical references name the same thing? An id on another server may or may not be ours, and what is no
    type and id cannot be looked up: unknown."""
    if one == other:
        return YES
    if not comparable(one) or not comparable(other):
        return UNKNOWN
    longer, shorter = (one, other) if "://" in one else (other, one)
    return UNKNOWN if "://" in longer and longer.endswith("/" + shorter) else NO


def coding_of(value: Any) -> str | None:
    """ "system|code" of a Coding, None when either is missing."""
    if isinstance(value, dict):
        system, code = value.get("system"), value.get("code")
        if isinstance(system, str) and isinstance(code, str) and system and code:
            return f"{system}|{code}"
    return None


def listed(value: Any) -> list[Any]:
    """A JSON array as it is, anything else as an empty list."""
    return value if isinstance(value, list) else []


def reference_of(value: Any) -> str | None:
    """The canonical literal reference of a Reference, None for a contained, display-only or logical one."""
    text = value.get("reference") if isinstance(value, dict) else None
    return canonical(text) if isinstance(text, str) and text and not text.startswith("#") else None


class Question:
    """What decide() asks of each rule. `at` is aware, `zone` a valid IANA name."""

    def __init__(self, ask: Ask, at: datetime, resource: Resource, groups: Mapping[str, Collection[str]], zone: str) -> None:
        self.at, self.zone, self.resource, self._groups = at, zone, resource, groups
        self.patient = canonical(ask.patient)
        self.actors = frozenset(canonical(actor) for actor in ask.actors)
        self.purpose, self.action = ask.purpose, ask.action
        self.references_of_requester = [actor for actor in self.actors if "|" not in actor]  # the others are system|value
        self.remote = any(":" in actor or not comparable(actor) for actor in self.references_of_requester)
        self.members: dict[str, int] = {}  # group -> whether the requester is in it, found once for all rules
        name, own = resource.get("resourceType"), resource.get("id")
        self.type = name if isinstance(name, str) else ""
        self.itself = f"{self.type}/{own}" if self.type and isinstance(own, str) and own else None

    @lazy
    def groups(self) -> dict[str, Collection[str]]:
        return {canonical(name): members for name, members in self._groups.items()}

    @lazy
    def _named(self) -> tuple[frozenset[str], frozenset[str]]:
        """(codings, references) of every JSON object of the resource. A list that grows, not recursion: any depth must do."""
        codings: set[str | None] = set()
        references: set[str | None] = set()
        rest: list[Any] = [self.resource]
        for node in rest:
            if isinstance(node, dict):
                if "code" in node:
                    codings.add(coding_of(node))
                if "reference" in node:
                    references.add(reference_of(node))
                rest += [value for value in node.values() if type(value) is not str]
            elif isinstance(node, list):
                rest += node
        return frozenset(one for one in codings if one is not None), frozenset(one for one in references if one is not None)

    @property
    def codings(self) -> frozenset[str]:
        """Every "system|code" anywhere in the resource."""
        return self._named[0]

    @property
    def references(self) -> frozenset[str]:
        """Every literal reference anywhere in the resource."""
        return self._named[1]

    @lazy
    def profiles(self) -> frozenset[str]:
        """What meta.profile names: each as it stands, and without its version."""
        meta = self.resource.get("meta")
        named = [one for one in listed(meta.get("profile") if isinstance(meta, dict) else None) if isinstance(one, str)]
        return frozenset(named) | {one.partition("|")[0] for one in named}

    @lazy
    def authors(self) -> frozenset[str]:
        """References of who wrote it; "" for somebody who is said otherwise, and so cannot be compared."""
        found: set[str] = set()
        for element in _AUTHORS[self.type.endswith(_ASKED_TO_DO) :]:
            value = self.resource.get(element)
            for entry in value if isinstance(value, list) else [value]:
                if isinstance(entry, dict):
                    behind = [entry[key] for key in _BEHIND if key in entry]
                    found.update(reference_of(one) or "" for one in behind or [entry])
        return frozenset(found)

    @lazy
    def labels(self) -> Labels:
        meta = self.resource.get("meta")
        security = meta.get("security") if isinstance(meta, dict) else None
        level: int | None = None
        sensitivities: set[str] = set()
        unknown = False
        for label in listed(security):
            system, code = (label.get("system"), label.get("code")) if isinstance(label, dict) else (None, None)
            if system == CONFIDENTIALITY and isinstance(code, str) and code in LEVELS:
                level = max(LEVELS[code], level or 0)
            elif system == ACT_CODE and isinstance(code, str):
                sensitivities.update(() if code in HANDLING else (f"{system}|{code}",))
            elif system not in (ACT_REASON, OBSERVATION_VALUE):
                unknown = True
        return Labels(level, frozenset(sensitivities), unknown)

    @lazy
    def dated(self) -> Span | None:
        """When the resource's content was true; None when it does not say, or not readably."""
        for element in _DATED:
            if element not in self.resource:
                continue
            value = self.resource[element]
            if element == "start":
                value = {key: self.resource[key] for key in ("start", "end") if key in self.resource}
            if not isinstance(value, dict):
                return span(value, self.zone)
            start, end = bounds(value, self.zone) or (None, None)
            return None if start is None or end is None else (max(start[0], FAR_PAST), min(end[1], FAR_FUTURE))
        return None
