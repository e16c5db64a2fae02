"""AuditEvents, one function for each thing that happens (security.md 4.1). Pure: principal, time and references in,
an R4 AuditEvent out. No personal data goes in but references; one event concerns one patient at most.

`patient` is "Patient/x", or "" where there is none; `what` is a resource, best by its version.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime

from adapter.audit import codes, parts
from adapter.ports import Decision, Principal, Resource, Version

_ACTIONS = {
    "create": "C", "read": "R", "vread": "R", "update": "U", "patch": "U", "delete": "D", "search-type": "E", "history-instance": "E", "history-type": "E",
}  # fmt: skip


def access(
    who: Principal, what: str, *, patient: str = "", rule: str = "", at: datetime, request_id: str = "", address: str = "", vread: bool = False
) -> Resource:
    """A resource was read and given as it is. `rule`: what permitted it (basis:author; directory)."""
    return parts.event(
        codes.REST, codes.interaction("vread" if vread else "read"), "R", at=at,
        # the data flow from us to the client: the roles are the reverse of a write's
        agents=[parts.client(who, codes.DESTINATION, address), parts.server(codes.SOURCE), parts.user(who)],
        entities=[parts.resource(what), parts.patient(patient, [("rule", rule)]), parts.request(request_id)],
    )  # fmt: skip


def written(
    who: Principal, version: Version, *, created: bool, patient: str = "", at: datetime, request_id: str = "", address: str = ""
) -> Resource:
    """`version` was stored: a create, an update or, when it is a tombstone, a delete."""
    if version.deleted:
        name, action, agents = "delete", "D", (codes.APPLICATION, codes.CUSTODIAN_OF_DELETED)
    else:
        name, action = ("create", "C") if created else ("update", "U")
        agents = (codes.SOURCE, codes.DESTINATION)
    return parts.event(
        codes.REST, codes.interaction(name), action, at=at,
        agents=[parts.client(who, agents[0], address), parts.server(agents[1]), parts.user(who)],
        entities=[parts.resource(version.cited), parts.patient(patient), parts.request(request_id)],
    )  # fmt: skip


def searched(
    who: Principal, type: str, *, found: Sequence[str] = (), query: str = "", patient: str = "", rule: str = "", at: datetime,
    request_id: str = "", address: str = "", verb: str = "search-type",
) -> Resource:  # fmt: skip
    """A search was answered, or (`verb`) a history. `found`: the versions given out, of one patient; `rule`: what permitted it. `query`: the search
    with every value replaced by its keyed digest; never the values themselves."""
    text = f"{type}?{query}" if query else type
    asked = {
        "type": codes.SYSTEM_OBJECT, "role": codes.QUERY_ROLE, "query": base64.b64encode(text.encode()).decode(), "description": text,
    }  # fmt: skip
    return parts.event(
        codes.REST, codes.interaction(verb), "E", at=at,
        agents=[parts.client(who, codes.SOURCE, address), parts.server(codes.DESTINATION), parts.user(who)],
        entities=[asked, *map(parts.resource, found), parts.patient(patient, [("rule", rule)]), parts.request(request_id)],
    )  # fmt: skip


def disclosed(
    who: Principal, what: Iterable[str], *, patient: str, recipient: str, view: str, view_version: str, consents: Iterable[str] = (),
    rule: str = "", classes: Iterable[str] = (), demanded: Iterable[str] = (), stage: str = "", custodian: str = "", at: datetime,
    request_id: str = "", address: str = "",
) -> Resource:  # fmt: skip
    """Something of a patient left, through a view. `recipient`: "Organization/x" or the name of an EHR; `custodian`: key of
    the clinic whose patient it is; `consents`: the versions that permitted it; `rule`: what decided (S1, basis:author…);
    `classes`: the data classes that were in it (D1 to D13), `demanded`: those of them that were asked for, `stage`: of the recipient (offer, open, closed), or
    search: an EHR is asked which of its patients it is."""
    permitted = list(consents)
    details = [("rule", rule), ("classes", ",".join(classes)), ("demanded", ",".join(demanded)), ("stage", stage)]
    agents = [
        parts.agent(codes.SOURCE, parts.LIAISON, network=parts.network("")),
        parts.agent(codes.DESTINATION, parts.named(recipient), network=parts.network(address)),
        parts.user(who),
    ]
    if custodian:
        agents.append(parts.agent(codes.CUSTODIAN, {"reference": f"Organization/{custodian}"}))
    if permitted:
        agents.append(parts.agent(codes.PERSON_CONCERNED, {"reference": patient}))
    return parts.event(
        codes.EXPORT, codes.DISCLOSE, "R", at=at, agents=agents, purposes=who.purposes,
        entities=[
            parts.patient(patient, details), *map(parts.resource, what),
            parts.view(view, view_version), *map(parts.consent, permitted), parts.request(request_id),
        ],
    )  # fmt: skip


def decided(
    who: Principal, decision: Decision, *, patient: str, what: str = "", view: str = "", at: datetime, request_id: str = "",
    address: str = "",
) -> Resource:  # fmt: skip
    """Consent (or another basis) was decided, permit or deny. The profile closes its list of entities, so what else is
    worth knowing stands in the patient's details."""
    basis = decision.rule.startswith("basis:")
    details = [("rule", decision.rule), ("what", what), ("view", view), ("X-Request-Id", request_id)]
    return parts.event(
        codes.SECURITY_ALERT, codes.BY_ROLE if basis else codes.BY_CONSENT, "E", at=at,
        outcome=codes.DONE if decision.permit else codes.REFUSED, why=decision.reason,
        agents=[
            parts.client(who, codes.APPLICATION, address), parts.user(who), parts.organisation(who),
            parts.agent(codes.AUTHORIZER, parts.LIAISON),
        ],
        entities=[parts.patient(patient, details), *map(parts.consent, decision.versions)],
    )  # fmt: skip


def denied(
    who: Principal, what: str, *, reason: str, patient: str = "", verb: str = "read", view: str = "", at: datetime, request_id: str = "",
    address: str = "",
) -> Resource:  # fmt: skip
    """A request was refused or answered as if there were nothing: the caller saw 404, here stands why. `verb` is a RESTful
    interaction or an act of a view, `reason` a catalogued code."""
    action = _ACTIONS.get(verb, "E")
    subtype = codes.interaction(verb) if verb in _ACTIONS else {"code": verb}
    return parts.event(
        codes.REST, subtype, action, at=at, outcome=codes.REFUSED, why=reason,
        agents=[parts.client(who, codes.SOURCE, address), parts.server(codes.DESTINATION), parts.user(who)],
        entities=[parts.resource(what, [("view", view)]), parts.patient(patient), parts.request(request_id)],
    )  # fmt: skip


def act(
    who: Principal, name: str, *, what: str = "", patient: str = "", at: datetime, request_id: str = "",
    details: Iterable[tuple[str, str]] = (),
) -> Resource:  # fmt: skip
    """An administrative act: network-apply, resolve, token, repeat… `details`: (name, code) pairs about it."""
    about: Resource | None = parts.resource(what)
    told = [{"type": key, "valueString": value} for key, value in details if value]
    if told:
        about = {**(about or {"type": codes.SYSTEM_OBJECT, "name": name}), "detail": told}
    return parts.event(
        codes.ACTIVITY, {"code": name}, "E", at=at, agents=[parts.client(who, codes.APPLICATION), parts.user(who)],
        entities=[about, parts.patient(patient), parts.request(request_id)],
    )  # fmt: skip
