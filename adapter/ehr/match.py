"""Finds our Patient, and organisations and people, among the EHR's (workflow.md 7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from adapter import identity
from adapter.identity import canonical, differing, spellings
from adapter.identity.traits import birth_names, family_key, given_key, written
from adapter.ports import EhrClient, Remote, Resource

_NATIONAL = re.compile(r"urn:oid:1\.2\.250\.1\.213\.1\.4(\.\d+)*")  # INS and its kin: never enough to say who somebody is


class Searched(Protocol):
    """An EHR, or what is searched like one."""

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> Iterable[list[Remote]]: ...


@dataclass(frozen=True, slots=True)
class Matched:
    remote_id: str


@dataclass(frozen=True, slots=True)
class Several:
    """More than one fits: a person must choose."""

    count: int


@dataclass(frozen=True, slots=True)
class Differs:
    """One has the number, and these traits of its say that it is somebody else: a person must look."""

    remote_id: str
    traits: tuple[str, ...]


def match_patient(client: EhrClient, patient: Resource) -> Matched | Several | Differs | None:
    """Which of the EHR's patients ours is; None: none that is certain. Raises EhrError and its kinds."""
    found = matching_patients(client, patient)
    if len(found) == 1 and (traits := differing(patient, found[0].resource)):
        return Differs(found[0].id, traits)
    return _verdict(found)


def match_identified(client: EhrClient, type: str, identifiers: Iterable[tuple[str, str]]) -> Matched | Several | None:
    """The EHR's Organization, Practitioner or HealthcareService with one of these (system, value)."""
    return _verdict(_identified(client, type, list(identifiers)))


def matching_patients(client: Searched, patient: Resource) -> list[Remote]:
    """The EHR's patients that ours may be: by a hospital number (IPP), whatever its traits (`identity.differing` tells where they speak
    against it); else by one that either keeps as an old one, where nothing speaks against it; else by birth family name, first given name,
    date of birth and sex together. Never by the national number. Whoever was replaced or is inactive is not the one; nor is, by traits or
    an old number, who has another number in the same system."""
    present, old = _numbers(patient), _numbers(patient, old=True)
    by_number = [each for each in _identified(client, "Patient", present, old=True) if not replaced(each.resource)]
    if now := [each for each in by_number if _has(each.resource, present)]:
        return now
    by_old = _once([by_number, [each for each in _identified(client, "Patient", old) if not replaced(each.resource)]] if old else [by_number])
    if sure := [each for each in by_old if _born_alike(patient, each.resource) and not differing(patient, each.resource)]:
        return sure
    mine = identity.traits(patient)
    if not (mine.family and mine.given and len(mine.birth) == 10 and mine.sex):
        return []
    found = _once(client.search("Patient", [("family", mine.family), ("birthdate", mine.birth), ("gender", mine.sex)]))
    return [remote for remote in found if _may_be(patient, remote.resource) and _same_traits(patient, remote.resource)]


def _verdict(found: Sequence[Remote]) -> Matched | Several | None:
    if not found:
        return None
    return Matched(found[0].id) if len(found) == 1 else Several(len(found))


def _identified(client: Searched, type: str, identifiers: Iterable[tuple[str, str]], *, old: bool = False) -> list[Remote]:
    """Those that carry one of the identifiers indeed (`old`: or did): a server may not know the parameter and give everything. A system of
    France is asked for by its own name, and where nothing is found by all it has."""
    found: list[Remote] = []
    for system, value in identifiers:
        names = [(canonical(system),), spellings(system)[1:]]
        for asked in filter(None, names):
            param = ",".join(f"{name}|{_escaped(value)}" for name in asked)
            given = [remote for page in client.search(type, [("identifier", param)]) for remote in page]
            if mine := [each for each in given if _has(each.resource, [(system, value)], old=old)]:
                found += mine
                break
    return [remote for remote in _once([found]) if remote.resource.get("active") is not False]


def _has(resource: Resource, numbers: Iterable[tuple[str, str]], *, old: bool = False) -> bool:
    carried = set(_identifiers(resource)) | (set(_identifiers(resource, old=True)) if old else set())
    return any((canonical(system), value) in carried for system, value in numbers)


def same_person(before: Resource, now: Resource) -> bool:
    """Whether a record is still of whom it was: it kept every number it had (as an old one where it has another in its place), has no
    other date of birth, and was not replaced."""
    present = _numbers(now)
    kept = {*present, *(each for each in _numbers(now, old=True) if each[0] in {system for system, _ in present})}
    births = sorted((str(one["birthDate"]) for one in (before, now) if one.get("birthDate")), key=len)
    return set(_numbers(before)) <= kept and not (len(births) == 2 and not births[1].startswith(births[0])) and not replaced(now)


def replaced(patient: Resource) -> bool:
    """Whether the record says that another one stands for it (Patient.link replaced-by)."""
    return any(link.get("type") == "replaced-by" for link in _dicts(patient.get("link")))


def _once(pages: Iterable[list[Remote]]) -> list[Remote]:
    return list({remote.id: remote for page in pages for remote in page}.values())


def _may_be(ours: Resource, theirs: Resource) -> bool:
    """Whether nothing speaks against it."""
    births = sorted((str(one["birthDate"]) for one in (ours, theirs) if one.get("birthDate")), key=len)
    if len(births) == 2 and not births[1].startswith(births[0]):
        return False
    for system in {system for system, _ in _numbers(ours)}:
        values = [{value for found, value in _numbers(one) if found == system} for one in (ours, theirs)]
        if values[1] and not values[0] & values[1]:
            return False
    return not replaced(theirs) and theirs.get("active") is not False


def _born_alike(ours: Resource, theirs: Resource) -> bool:
    return bool(ours.get("birthDate")) and ours.get("birthDate") == theirs.get("birthDate")


def _same_traits(ours: Resource, theirs: Resource) -> bool:
    same = all(ours.get(key) == theirs.get(key) for key in ("birthDate", "gender"))
    mine = identity.traits(ours)
    wanted = family_key(mine.family), given_key(mine.given)
    names = (written(name) for name in birth_names(theirs))
    return same and any((family_key(family), given_key(given)) == wanted for family, given in names)


def _numbers(patient: Resource, *, old: bool = False) -> list[tuple[str, str]]:
    return [(system, value) for system, value in _identifiers(patient, old=old) if not _NATIONAL.fullmatch(system)]


def _identifiers(resource: Resource, *, old: bool = False) -> list[tuple[str, str]]:
    """(system under its one name, value) of those in use, or of the old ones."""
    found = [one for one in _dicts(resource.get("identifier")) if (one.get("use") == "old") == old]
    return [(canonical(str(one["system"])), str(one["value"])) for one in found if one.get("system") and one.get("value")]


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _escaped(value: str) -> str:
    return re.sub(r"([\\,|$])", r"\\\1", value)
