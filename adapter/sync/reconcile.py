"""What differs between us and one EHR, both ways: looked at, not mended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from adapter.dossier import content
from adapter.errors import EhrError
from adapter.names import Systems
from adapter.ports import EhrClient, Link, Query, Remote, Store, Uow
from adapter.sync import links
from adapter.sync.canonical import content_hash
from adapter.sync.ownership import Ownership
from adapter.sync.probe import mode_of
from adapter.sync.reads import read_many, refused
from adapter.sync.sweep import copies

TYPES = ("Consent", "ServiceRequest", "Task")
PAGE = 500
UNSENT = frozenset({"draft", "entered-in-error", "proposed"})
WORDS = {
    "not-there": "we have it, and that EHR never got it",
    "gone-there": "that EHR had it and has it no more",
    "ours-newer": "what we have now has not reached that EHR",
    "theirs-newer": "what changed there has not been taken in",
    "older-there": "that EHR has an older version than we have seen",
    "conflict": "a person must choose between both",
    "unlinked": "it carries an identifier of ours, and we know no such copy",
    "doubled": "there are several of it there",
}
"""Differences by code, in words."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`id` ours ("" where we have none), `remote` the EHR's ("" where it has none); `what` a code of WORDS."""

    type: str
    id: str
    remote: str
    what: str

    @property
    def words(self) -> str:
        return WORDS[self.what]


def reconcile(store: Store, client: EhrClient, systems: Systems, ownership: Ownership) -> list[Difference]:
    """Every difference of Consents, requests and Tasks, by type and our id. Reads everything that is linked, and everything there that
    carries an identifier of ours; writes nothing. Raises EhrError."""
    return [each for type in TYPES for each in _of_type(store, client, type, systems, ownership)]


def _of_type(store: Store, client: EhrClient, type: str, systems: Systems, ownership: Ownership) -> list[Difference]:
    batch = store.read_now(lambda uow: mode_of(uow, client.name)).batch
    linked = {f"{type}/{each.remote_id}": each for each in copies(store, client.name, type)}
    found = [
        Difference(type, linked[reference].id, reference, what)
        for reference, remote in read_many(client, list(linked), batch=batch)
        for what in store.read_now(lambda uow, reference=reference, remote=remote: list(_compared(uow, linked[reference], remote, ownership)))  # type: ignore[misc]
    ]
    found += [Difference(type, id, "", "not-there") for id in store.read_now(lambda uow: list(_unsent(uow, client.name, type)))]
    found += _strangers(client, type, linked, links.own_system(type, systems))
    return sorted(found, key=lambda each: (each.id, each.remote))


def _compared(uow: Uow, link: Link, remote: Remote | None, ownership: Ownership) -> Iterator[str]:
    known, current = uow.link(link.ehr, link.type, link.id), uow.current(link.type, link.id)
    if links.conflict_of(uow, link.ehr, link.type, link.id):
        yield "conflict"
    if remote is None:
        yield "gone-there"
    elif known and known.remote_version.isdecimal() and remote.version.isdecimal() and int(remote.version) < int(known.remote_version):
        yield "older-there"
    elif known and content_hash(remote.resource, ownership) != known.content_hash:
        yield "theirs-newer"
    if current and not current.deleted and known and known.sent < current.number:
        yield "ours-newer"


def _unsent(uow: Uow, ehr: str, type: str) -> Iterator[str]:
    """What of this clinic should have a copy there and has none. What is not sent yet should not."""
    after: tuple[str, str] | None = None
    while found := uow.search(Query(type, clinics=frozenset({ehr}), count=PAGE, after=after)):
        for each in found:
            if uow.link(ehr, type, each.id) is None and content(each).get("status") not in UNSENT:
                yield each.id
        after = ("", found[-1].id)


def _strangers(client: EhrClient, type: str, linked: dict[str, Link], system: str) -> list[Difference]:
    """What carries an identifier of ours there and is not the copy we know."""
    by_value: dict[str, list[str]] = defaultdict(list)
    try:
        for page in client.search(type, [("identifier", f"{system}|")]):
            for remote in page:
                for value in _values(remote, system):
                    by_value[value].append(f"{type}/{remote.id}")
    except EhrError as error:
        if not refused(error):
            raise
        return []  # it cannot search so: then nobody knows of strangers there
    told = []
    for value, places in by_value.items():
        strangers = [each for each in dict.fromkeys(places) if each not in linked]
        what = "doubled" if len(set(places)) > 1 else "unlinked"
        told += [Difference(type, value, each, what) for each in strangers]
    return told


def _values(remote: Remote, system: str) -> list[str]:
    found = remote.resource.get("identifier", ())
    each = found if isinstance(found, list) else [found]
    return [str(one["value"]) for one in each if isinstance(one, dict) and one.get("system") == system and one.get("value")]
