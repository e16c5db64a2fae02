"""The names a document may use at one place, and the fixed systems it may name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adapter import names
from adapter.mapping.document import Node, fault, nearest
from adapter.names import Systems

Env = dict[str, Any]

URLS = {
    "sdohcc": names.SDOHCC_CODES,
    "us-core-category": names.US_CORE_CATEGORY,
    "snomed": names.SNOMED,
    "task-code": names.TASK_CODE,
    "consent-scope": names.CONSENT_SCOPE,
    "consent-action": names.CONSENT_ACTION,
    "act-code": names.ACT_CODE,
    "act-reason": names.ACT_REASON,
    "participation": names.PARTICIPATION,
    "resource-types": names.RESOURCE_TYPES,
    "identifier-type": names.IDENTIFIER_TYPE,
    "fr-identifier-type": names.FR_IDENTIFIER_TYPE,
    "nir": names.NIR,
    "rpps": names.RPPS,
    "goal-achievement": "http://terminology.hl7.org/CodeSystem/goal-achievement",
    "provenance-agent": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
    "insee-extension": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code",
    "insee-commune": "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM",
}
NAME = re.compile(r"\$\{?([A-Za-z_][\w.]*)(?![\w/])")  # $name or ${name}; $sid/… is none
_FIXED = re.compile(r"(sid|code|url|profile)/([\w-]+)")
_HANDED = ("clinic", "requester", "recorder", "patient_id", "policy", "request")
CONTEXT = (*(f"context.{word}" for word in _HANDED), "now", "mapping.source", "mapping.id")


@dataclass
class Scope:
    """`known`: names that may be used. `readable`: those the way back can set. `read`: those it does
    (`name[]` for the entries of a list). `undone`: what setting a derived name sets in turn. `origin`: the
    record field an alias stands for. `groups`: for a list of groups, the names inside."""

    systems: Systems
    known: set[str] = field(default_factory=lambda: set(CONTEXT))
    readable: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    undone: dict[str, set[str]] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)  # lists made of one value, which is no list itself
    absent: set[str] = field(default_factory=set)  # what a part may be handed, and is not
    seen: set[int] | None = None  # when explaining: the template values that were made
    defining: bool = False  # patterns of the answer: every name is a new, readable one

    def use(self, name: str, node: Node) -> str:
        """The name, when it is known here. Raises MappingError naming the near ones."""
        if self.defining:
            self.known.add(name)
            self.readable.add(name)
        if name not in self.known:
            raise fault(node, f"unknown name ${name}{nearest(name, self.known)}")
        self.used.add(name)
        return name

    def define(self, name: str, node: Node | str, *, readable: bool = False) -> None:
        if name in self.known:
            raise fault(node, f"the name {name!r} is taken")
        self.known.add(name)
        if readable:
            self.readable.add(name)

    def forget(self, name: str) -> None:
        self.known.discard(name)
        self.readable.discard(name)

    def reached(self) -> set[str]:
        """All names that the way back sets, through the derived ones."""
        found = set(self.read)
        for name, sources in reversed(self.undone.items()):
            for suffix in {each[len(name) :] for each in found if each == name or each.startswith((f"{name}.", f"{name}[]"))}:
                inner = suffix.startswith("[]") and name not in self.listed
                found |= {source.removesuffix("[]") + suffix if inner else source for source in sources}
        return found

    def field_of(self, name: str) -> str:
        """The record field behind a name, for error paths."""
        return self.origin.get(name, name)

    def setter(self, name: str) -> Callable[[Any, Env], None] | None:
        """What the way back does with a value found for this name; None where it is not read back."""
        if name not in self.readable:
            return None
        self.read.add(name)

        def read(value: Any, env: Env) -> None:
            if type(value) in _PLAIN:
                env.setdefault(name, value)

        return read

    def fixed(self, text: str, node: Node) -> str | None:
        """`sid/request`, `code/need`, `url/snomed`, `profile/Task` as the system they stand for."""
        match = _FIXED.fullmatch(text)
        if not match:
            return None
        family, word = match.groups()
        if family == "sid":
            return self.systems.sid(word)
        if family == "code":
            return self.systems.code(word)
        table = URLS if family == "url" else names.PROFILES
        if word not in table:
            raise fault(node, f"unknown {family}/{word}{nearest(word, table)}")
        return table[word]


_PLAIN = (str, int, bool, float)
