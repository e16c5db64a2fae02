"""What is known of one resource's copy at one EHR: the link row and what we last put there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapter.dossier import split
from adapter.names import Systems
from adapter.ports import ConflictRow, Letter, Link, Remote, Resource, Uow
from adapter.sync.canonical import content_hash, decode, encode
from adapter.sync.merge import put_over
from adapter.sync.ownership import Ownership

Rewrite = Callable[[Uow, str, Resource], Resource]
"""(unit, EHR name, resource) -> the same with its references rewritten for the other side. Outward it raises
`Unlinked` at the first resource of ours that this EHR does not hold yet."""

_KINDS = {"ServiceRequest": "request"}  # identifier system of a type, where it is not the type's own name

TOLD = {  # our identifier, by which a pull finds it, and what becomes of it here
    "ServiceRequest": ("identifier", "status"),
    "Consent": ("identifier", "status"),
    "Task": ("identifier", "status", "statusReason", "businessStatus", "restriction", "output", "lastModified"),
}


class Unlinked(Exception):
    """A reference to a resource of ours that has no copy at this EHR yet."""

    def __init__(self, type: str, id: str) -> None:
        super().__init__(f"no copy of a {type} at this EHR")
        self.type, self.id = type, id


@dataclass(frozen=True, slots=True)
class Known:
    """`link` as the EHR had it last; `put`: what we last sent there, in its references ({}: not known). Without
    `put`, what the EHR added to an array of ours could not be told from what we took out of it."""

    link: Link
    put: Resource

    @property
    def base(self) -> Resource:
        return decode(self.link.base)


def load(uow: Uow, ehr: str, type: str, id: str) -> Known | None:
    """None when no copy is known."""
    link = uow.link(ehr, type, id)
    uow.kept_many(_name(ehr, type, id), _theirs(ehr, type, id))
    return None if link is None else Known(link, put(uow, ehr, type, id))


def foreseen(uow: Uow, ehr: str, resource: Resource) -> None:
    """What is known of all that a resource of ours points to is read at once."""
    uow.links_of(ehr, [ours for reference in _references(resource) if all(ours := split(reference))])


def save(uow: Uow, known: Known) -> None:
    """Remembers it; an empty `put` is not written."""
    link = known.link
    uow.save_link(link)
    if known.put:
        uow.keep(_name(link.ehr, link.type, link.id), encode(known.put))


def save_new(uow: Uow, known: Known, letter: Letter) -> None:
    """Remembers a copy just made or found, unless another was remembered meanwhile: that one stays, and the letter goes once
    more to see."""
    standing = uow.link(letter.ehr, letter.type, letter.id)
    if standing is None or standing.remote_id == known.link.remote_id:
        save(uow, known)
    else:
        uow.post(replace(letter, key=0, fence=0, attempts=0, state="queued", due=uow.at))


def outdate(uow: Uow, ehr: str, type: str, id: str, number: int) -> None:
    """What the EHR holds counts as older than our version `number`: the next letter puts ours over it."""
    if (link := uow.link(ehr, type, id)) is not None and link.sent >= number:
        uow.save_link(replace(link, sent=number - 1))


def put(uow: Uow, ehr: str, type: str, id: str) -> Resource:
    """What we last sent there; {} when not known."""
    return decode(uow.kept(_name(ehr, type, id)) or b"")


def lose(uow: Uow, ehr: str, type: str, id: str) -> None:
    """Remembers that the EHR has its copy no more: nothing may point to it there."""
    uow.keep(f"gone/{ehr}/{type}/{id}", b"1")


def lost(uow: Uow, ehr: str, type: str, id: str) -> bool:
    return uow.kept(f"gone/{ehr}/{type}/{id}") is not None


def adopt(uow: Uow, ehr: str, type: str, id: str) -> None:
    """Remembers that the copy there was first, the clinic's own words: of ours only `TOLD` is put over it."""
    uow.keep(_theirs(ehr, type, id), b"1")


def told(uow: Uow, ehr: str, resource: Resource, id: str) -> Resource:
    """What of our resource is put over its copy there: all of it, or of what was there first how it fares here."""
    type = resource["resourceType"]
    if type not in TOLD or uow.kept(_theirs(ehr, type, id)) is None:
        return resource
    return {name: value for name, value in resource.items() if name == "resourceType" or name in TOLD[type]}


def tried(uow: Uow, ehr: str, type: str, id: str, sent: Resource, ownership: Ownership) -> None:
    """Remembers content that may or may not have arrived, joined with what was sent before."""
    before = put(uow, ehr, type, id)
    uow.keep(_name(ehr, type, id), encode(put_over({}, sent, before, ownership) if before else sent))


def linked(ehr: str, type: str, id: str, remote: Remote, ownership: Ownership, *, sent: int) -> Link:
    """The link row for a copy just seen; `sent`: our version number that it holds."""
    digest = content_hash(remote.resource, ownership)
    return Link(ehr, type, id, remote.id, remote.version, digest, encode(remote.resource), sent)


def conflict_of(uow: Uow, ehr: str, type: str, id: str) -> ConflictRow | None:
    """The open conflict of this resource at this EHR, if there is one."""
    return next(iter(uow.conflicts(about=(ehr, type, id))), None)


def own_identifier(resource: Resource, systems: Systems) -> tuple[str, str] | None:
    """(system, value) of the resource's own business identifier (workflow.md 1): the only one used for
    conditional create and for looking up an unknown outcome."""
    system = own_system(resource["resourceType"], systems)
    identifiers = resource.get("identifier", ())
    for identifier in identifiers if isinstance(identifiers, list) else [identifiers]:
        if identifier.get("system") == system and identifier.get("value"):
            return system, str(identifier["value"])
    return None


def own_system(type: str, systems: Systems) -> str:
    """The system of the own identifiers of one resource type."""
    return systems.sid(_KINDS.get(type, type.lower()))


def moved(value: Any, places: Mapping[str, str]) -> Any:
    """A copy in which every reference to one of `places` is what stands there."""
    if not places:
        return value
    if isinstance(value, dict):
        return {k: places.get(v, v) if k == "reference" and isinstance(v, str) else moved(v, places) for k, v in value.items()}
    return [moved(part, places) for part in value] if isinstance(value, list) else value


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(found := value.get("reference"), str):
            yield found
        value = value.values()
    for part in value:
        if isinstance(part, dict | list):
            yield from _references(part)


def _theirs(ehr: str, type: str, id: str) -> str:
    return f"theirs/{ehr}/{type}/{id}"


def _name(ehr: str, type: str, id: str) -> str:
    return f"put/{ehr}/{type}/{id}"
