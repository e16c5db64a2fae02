"""Who a client of the network file is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from adapter.audit import events
from adapter.errors import Forbidden, Refused, Unauthorized
from adapter.flows import Flows
from adapter.network import ClientEntry
from adapter.ports import Principal


def of_client(story: Flows, client: ClientEntry, *, scopes: frozenset[str]) -> Principal:
    """A client as what it is: the role of its organisation unless it has one, and these scopes. Raises Unauthorized."""
    organisation = story.network.organisation(client.organisation)
    if organisation is None or not organisation.active:
        raise Unauthorized("the client's organisation takes no part any more")
    role = client.role or ("clinic" if organisation.kind == "clinic" else "service")
    return Principal(
        client=client.id,
        organisation=client.organisation,
        unit=client.unit or None,
        role=role,
        person=client.person or None,
        purposes=frozenset(client.purposes),
        scopes=scopes,
    )


def standing(story: Flows, who: Principal, *, at: datetime, scope: str = "") -> None:
    """Raises Unauthorized where its person is not in service at that time, Forbidden where it was not given `scope`."""
    if who.person and story.network.serving(who.person, at) is None:
        raise Unauthorized("the client's person is not in service today; the network file's from and to say when")
    if scope and scope not in who.scopes:
        raise Forbidden(f"this client was not given the scope {scope}; the network file's scopes say what it may", detail="scope")


@contextmanager
def refusing(who: Principal, what: str, *, verb: str, view: str = "", request_id: str) -> Iterator[None]:
    """What is refused inside leaves an event: who asked for what, and the kind of refusal. `what`, `verb` and `view` are names of
    ours, never the caller's text."""
    try:
        yield
    except Refused as refusal:
        reason = refusal.kind
        refusal.event = lambda at: events.denied(who, what, reason=reason, verb=verb, view=view, at=at, request_id=request_id)
        raise
