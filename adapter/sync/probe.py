"""What an EHR keeps to of FHIR, and what the engine does where it does not: its mode (sync.md Y-08, Y-20).

Learned at the start and once a day: by trying where the network file says `sandbox: true` or an operator agrees, else from
what the EHR declares; and whenever the engine meets another behaviour than it knew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import orjson

from adapter.audit import events
from adapter.clock import instant
from adapter.names import Systems
from adapter.ports import Capability, EhrClient, Principal, Store, Uow
from adapter.sync import trial

TYPES = ("Task", "ServiceRequest", "Consent")
MEANING = {
    "if_match": "refuses to write over a version it has not shown (If-Match)",
    "if_none_exist": "creates nothing twice (If-None-Exist)",
    "identifier": "searches by identifier, and by system alone",
    "last_updated": "searches by the time of the last change (_lastUpdated)",
    "paging": "gives every page of a search",
    "transactions": "carries out transactions, whole or not at all",
    "batch": "answers batches",
    "include": "gives what a search result points to (_include)",
}
DEGRADED = {
    "if_match": "reads a resource again before every write; two writers at the same moment may still meet",
    "if_none_exist": "looks for a resource before it creates it and once more after",
    "identifier": "an unknown outcome waits for a person; poll by requester (`ehr.poll`)",
    "last_updated": "reads everything at every poll",
    "paging": "a person compares: `liaison reconcile`",
    "transactions": "sends one resource at a time",
    "batch": "reads one resource at a time",
    "include": "reads what is pointed to by itself",
}


@dataclass(frozen=True, slots=True)
class Mode:
    """What the EHR honours. Until anybody looked it counts as one that keeps to the letter and offers nothing beyond.
    `how`: assumed | declared | tried; `at`: when, as an instant; `met`: what was learnt otherwise, in use."""

    if_match: bool = True
    if_none_exist: bool = True
    identifier: bool = True
    last_updated: bool = True
    paging: bool = True
    transactions: bool = False
    batch: bool = False
    include: bool = False
    how: Literal["assumed", "declared", "tried"] = "assumed"
    at: str = ""
    software: str = ""
    met: tuple[str, ...] = field(default=())

    @property
    def degraded(self) -> tuple[str, ...]:
        """The names of what it does not honour, of what every FHIR server should."""
        return tuple(name for name in ("if_match", "if_none_exist", "identifier", "last_updated", "paging") if not getattr(self, name))

    @property
    def lines(self) -> list[tuple[str, bool, str]]:
        """(name, honoured, in words) of each: what it does, or what the engine does instead."""
        return [(name, getattr(self, name), MEANING[name] if getattr(self, name) else DEGRADED[name]) for name in MEANING]


def mode_of(uow: Uow, ehr: str) -> Mode:
    """The mode in which the engine meets this EHR."""
    return _decoded(uow.kept(_name(ehr)))


def learned(uow: Uow, ehr: str, **found: bool) -> None:
    """Remembers what the engine met in use; audited where it is news."""
    before = mode_of(uow, ehr)
    news = {name: value for name, value in found.items() if getattr(before, name) is not value}
    if news:
        _keep(uow, ehr, replace(before, **news, met=tuple(sorted({*before.met, *news}))), "sync-learned")  # type: ignore[arg-type]


def probe(store: Store, client: EhrClient, systems: Systems, *, trying: bool, new_id: Callable[[], str]) -> Mode:
    """Looks, and keeps what it found as the mode. `trying`: also by writing two resources of type Basic there, about nobody, which
    stay. Raises EhrError when the EHR does not answer; what was known before then stays."""
    declared = client.capability()
    found = declared_mode(declared)
    if trying:
        shown: dict[str, Any] = trial.tried(client, systems, new_id=new_id)
        found = replace(found, how="tried", **shown)
    return store.write_now(lambda uow: _found(uow, client.name, found))


def declared_mode(capability: Capability) -> Mode:
    """From its CapabilityStatement. What a statement leaves out of the conditions and parameters of search counts as
    there: many servers leave them out, and the engine notices in use where they are not."""
    listed = [capability.search.get(type, frozenset()) for type in TYPES]
    searchable = [names for names in listed if names]
    return Mode(
        identifier=all("identifier" in names for names in searchable),
        transactions=capability.transactions,
        batch=capability.batch,
        how="declared",
        software=capability.software,
    )


def _found(uow: Uow, ehr: str, found: Mode) -> Mode:
    before = mode_of(uow, ehr)
    if found.how != "tried":  # what was met in use, or tried before, tells more than a statement
        keep: dict[str, Any] = {name: getattr(before, name) for name in (MEANING if before.how == "tried" else before.met)}
        found = replace(found, met=before.met, how=before.how if before.how == "tried" else found.how, **keep)
    found = replace(found, at=instant(uow.at))
    same = replace(before, at=found.at) == found
    _keep(uow, ehr, found, "" if same else "sync-probed")
    return found


def _keep(uow: Uow, ehr: str, mode: Mode, told: str) -> None:
    uow.keep(_name(ehr), orjson.dumps(asdict(mode)))
    if told:
        details = [("ehr", ehr), ("how", mode.how), *((name, "yes" if honoured else "no") for name, honoured, _ in mode.lines)]
        uow.audit(events.act(Principal(f"ehr-{ehr}", ehr, role="device"), told, what="network", at=uow.at, details=details))


def _decoded(value: bytes | None) -> Mode:
    stored = orjson.loads(value) if value else {}
    known = {each.name for each in fields(Mode)}
    kept: dict[str, Any] = {name: tuple(part) if name == "met" else part for name, part in stored.items() if name in known}
    return Mode(**kept)


def _name(ehr: str) -> str:
    return f"mode/{ehr}"

