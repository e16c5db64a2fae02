"""Finds our Patient, and organisations and people, among the EHR's (workflow.md 7)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from adapter.ports import EhrClient, Remote, Resource

_NATIONAL = re.compile(r"urn:oid:1\.2\.250\.1\.213\.1\.4(\.\d+)*")  # INS and its kin: never enough to say who somebody is
_BIRTH_NAME = ("official", "maiden", None)  # `official` is the name at birth in France; others call that one maiden


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


def match_patient(client: EhrClient, patient: Resource) -> Matched | Several | None:
    """Which of the EHR's patients ours is; None: none that is certain. Raises EhrError and its kinds."""
    return _verdict(matching_patients(client, patient))


def match_identified(client: EhrClient, type: str, identifiers: Iterable[tuple[str, str]]) -> Matched | Several | None:
    """The EHR's Organization, Practitioner or HealthcareService with one of these (system, value)."""
    return _verdict(_identified(client, type, list(identifiers)))


def matching_patients(client: Searched, patient: Resource) -> list[Remote]:
    """The EHR's patients that ours may be: by a hospital number (IPP), else by birth family name, first given name, date of
    birth and sex together. Never by the national number. Whoever has another number in the same system, another date of
    birth, was replaced or is inactive is not the one."""
    by_number = [remote for remote in _identified(client, "Patient", _numbers(patient)) if _may_be(patient, remote.resource)]
    if by_number:
        return by_number
    family, given, birth, sex = _birth_name(patient)[0], _birth_name(patient)[1], patient.get("birthDate"), patient.get("gender")
    if not (family and given and isinstance(birth, str) and len(birth) == 10 and sex):
        return []
    found = _once(client.search("Patient", [("family", family), ("birthdate", birth), ("gender", str(sex))]))
    return [remote for remote in found if _may_be(patient, remote.resource) and _same_traits(patient, remote.resource)]


def _verdict(found: Sequence[Remote]) -> Matched | Several | None:
    if not found:
        return None
    return Matched(found[0].id) if len(found) == 1 else Several(len(found))


def _identified(client: Searched, type: str, identifiers: Iterable[tuple[str, str]]) -> list[Remote]:
    """Those that carry one of the identifiers indeed: a server may not know the parameter and give everything."""
    pages = (
        [remote for remote in page if (system, value) in _identifiers(remote.resource)]
        for system, value in identifiers
        for page in client.search(type, [("identifier", f"{system}|{_escaped(value)}")])
    )
    return [remote for remote in _once(pages) if remote.resource.get("active") is not False]


def same_person(before: Resource, now: Resource) -> bool:
    """Whether a record is still of whom it was: it kept every number it had, has no other date of birth, and was not replaced."""
    return _may_be(before, {**now, "active": True}) and set(_numbers(before)) <= set(_numbers(now))


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


def _same_traits(ours: Resource, theirs: Resource) -> bool:
    same = all(ours.get(key) == theirs.get(key) for key in ("birthDate", "gender"))
    wanted = tuple(map(_plain, _birth_name(ours)))
    return same and any(tuple(map(_plain, _family_and_given(name))) == wanted for name in _birth_names(theirs))


def _birth_names(patient: Resource) -> list[dict[str, Any]]:
    names = [name for name in _dicts(patient.get("name")) if name.get("use") in _BIRTH_NAME]
    return sorted(names, key=lambda name: _BIRTH_NAME.index(name.get("use")))


def _birth_name(patient: Resource) -> tuple[str, str]:
    """A record may give the first name beside the used name only: it is the same first name."""
    names = _birth_names(patient)
    if not names:
        return "", ""
    family, given = _family_and_given(names[0])
    return family, given or next((first for name in _dicts(patient.get("name")) if (first := _family_and_given(name)[1])), "")


def _family_and_given(name: dict[str, Any]) -> tuple[str, str]:
    given = name.get("given")
    first = given[0] if isinstance(given, list) and given else ""
    return str(name.get("family") or ""), str(first or "")


def _plain(text: str) -> str:
    """Without accents, case, hyphens and apostrophes."""
    letters = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    return " ".join(re.sub(r"[\W_]+", " ", letters).casefold().split())


def _numbers(patient: Resource) -> list[tuple[str, str]]:
    return [(system, value) for system, value in _identifiers(patient) if not _NATIONAL.fullmatch(system)]


def _identifiers(resource: Resource) -> list[tuple[str, str]]:
    found = _dicts(resource.get("identifier"))
    return [(str(one["system"]), str(one["value"])) for one in found if one.get("system") and one.get("value") and one.get("use") != "old"]


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _escaped(value: str) -> str:
    return re.sub(r"([\\,|$])", r"\\\1", value)
