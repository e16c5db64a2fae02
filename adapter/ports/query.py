"""A search as the rooms hand it to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition of a search; `values` are alternatives, clauses are joined by and.
    token value "system|code", "|code" (no system), "code" (any system); reference "Type/id";
    date "ge2026-03-02" (prefix and FHIR date); modifier "" | "not" | "missing" | "exact" | "contains".
    `chain`: ("patient", "Patient") where the condition is on resources of that type, which that parameter names: `param` is then
    "patient.family" and kind, values and modifier are those of the other type's parameter. Resolved before the store is asked."""

    param: str
    kind: Literal["token", "reference", "date", "string", "id", "updated"]
    values: tuple[str, ...]
    modifier: str = ""
    identifying: bool = False
    chain: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Include:
    """Resources to give beside what a search finds: those that parameter `param` of `type` names, or (`reverse`) those of `type`
    that name a result by it. `target`: of that type only, "" for every type."""

    type: str
    param: str
    target: str = ""
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A search over current, not deleted versions of one type. `clinics` None means every clinic.
    `sort`: "" = id order, "_lastUpdated" or the name of a date parameter, "-" before it: backwards. `after`: the keyset of the
    last row seen (its `Version.key`, id), or None. `count` 0: only how many there are. The store looks at what stands before
    `includes`; `total`: whether the number of all results is asked for; `ignored`: what lenient handling left out, in words."""

    type: str
    clauses: tuple[Clause, ...] = ()
    clinics: frozenset[str] | None = None
    sort: str = ""
    count: int = 100
    after: tuple[str, str] | None = None
    includes: tuple[Include, ...] = ()
    total: Literal["none", "estimate", "accurate"] = "none"
    ignored: tuple[str, ...] = ()
