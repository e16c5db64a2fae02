"""Who a client of the network file is."""

from __future__ import annotations

from adapter.errors import Unauthorized
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
