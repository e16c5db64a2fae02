"""An AuditEvent read back: what an officer, a person or a search asks of it. Pure; it never raises for an event of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapter.ports import Resource

_KINDS = {"rest": "rest", "110113": "decided", "110106": "disclosed", "110100": "act"}


@dataclass(frozen=True, slots=True)
class Told:
    """One event in short. `kind`: rest | decided | disclosed | act; `name`: what happened (read, search-type, withdraw…);
    `by`: who asked ("PractitionerRole/x" or "Organization/x"), `recipient` of a disclosure; `classes`: data classes shown;
    `details`: all (name, code) pairs."""

    kind: str
    name: str
    at: str
    ok: bool
    reason: str = ""
    client: str = ""
    by: str = ""
    recipient: str = ""
    custodian: str = ""
    patient: str = ""
    view: str = ""
    consents: tuple[str, ...] = ()
    what: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    request_id: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        return self.details.get("rule", "")

    @property
    def demanded(self) -> tuple[str, ...]:
        return tuple(each for each in self.details.get("demanded", "").split(",") if each)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(each for each in self.details.get("classes", "").split(",") if each)


def told(event: Resource) -> Told:
    """One event in short."""
    agents = {_code(agent.get("type")): agent for agent in event.get("agent", ())}
    found: dict[str, Any] = {"consents": [], "what": [], "patient": "", "view": "", "request_id": "", "details": {}}
    for entity in event.get("entity", ()):
        _entity(entity, found)
    user: Resource = next((agent for agent in event.get("agent", ()) if agent.get("requestor")), {})
    recipient = agents.get("110152") if event["type"]["code"] == "110106" else None
    return Told(
        kind=_KINDS.get(str(event["type"].get("code")), "rest"),
        name=str(next((each.get("code", "") for each in event.get("subtype", ())), "")),
        at=str(event.get("recorded", "")),
        ok=event.get("outcome") == "0",
        reason=str(event.get("outcomeDesc", "")),
        client=next((_who(each) for each in event.get("agent", ()) if "network" in each and _who(each) not in ("", "liaison")), "") if not recipient else "",
        by=_who(user),
        recipient=_who(recipient or {}),
        custodian=_who(agents.get("159541003", {})),
        patient=found["patient"],
        view=found["view"] or found["details"].get("view", ""),
        consents=tuple(found["consents"]),
        what=tuple(found["what"]),
        purposes=tuple(_code(concept) for concept in event.get("purposeOfEvent", ()) or user.get("purposeOfUse", ())),
        request_id=found["request_id"] or found["details"].get("X-Request-Id", ""),
        details=found["details"],
    )


def _entity(entity: Resource, found: dict[str, Any]) -> None:
    what, type, role = entity.get("what", {}), entity.get("type", {}).get("code"), entity.get("role", {}).get("code")
    named = str(what.get("reference") or what.get("identifier", {}).get("value", ""))
    found["details"] |= {str(each["type"]): str(each.get("valueString", "")) for each in entity.get("detail", ()) if "type" in each}
    if type == "1":
        found["patient"] = named
    elif type == "Consent":
        found["consents"].append(named)
    elif type == "XrequestId":
        found["request_id"] = named
    elif role == "13":
        found["view"] = named
    elif named:
        found["what"].append(named)


def _code(concept: Any) -> str:
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return next((str(each.get("code", "")) for each in codings), "")


def _who(agent: Resource) -> str:
    who = agent.get("who", {})
    return str(who.get("reference") or who.get("identifier", {}).get("value", ""))
