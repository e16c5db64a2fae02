"""The fields of one record, taken out by name; what does not fit is noted and left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from adapter.directory import values
from adapter.directory.hours import parsed
from adapter.directory.naming import INSEE_COMMUNE, INSEE_EXTENSION, DirectorySystems
from adapter.directory.values import Reader, Unfit
from adapter.names import FR_IDENTIFIER_TYPE, SIRENE
from adapter.network import Opening
from adapter.ports import Resource

T = TypeVar("T")
_SIREN = 9


@dataclass(frozen=True, slots=True)
class Note:
    """What is wrong with a field: its name, what was expected, and whether the row could not be taken for it."""

    field: str
    expected: str
    refused: bool = False


@dataclass(slots=True)
class Taken:
    """The fields of one record, taken out by name."""

    record: Mapping[str, Any]
    systems: DirectorySystems
    notes: list[Note] = field(default_factory=list)

    def get(self, name: str, read: Reader[T], *, needed: bool = False) -> T | None:
        given = self.record.get(name)
        try:
            found = None if given is None else read(given)
        except Unfit as error:
            self.notes.append(Note(name, str(error), needed))
            return None
        if found is None and needed:
            self.notes.append(Note(name, "expected a value, but found nothing", True))
        return found

    def concepts(self, name: str, table: str) -> list[Resource]:
        """A concept for each code of a list; those that data·inclusion does not know are kept as they came."""
        system = self.systems.codes(table)
        return [{"coding": [{"system": system, "code": code}]} for code in self.get(name, values.codes) or ()]

    def telecom(self, *urls: str) -> list[Resource]:
        points = [("phone", phone) for phone in self.get("telephone", values.phones) or ()]
        if mail := self.get("courriel", values.email):
            points.append(("email", mail))
        points += [("url", found) for name in urls if (found := self.get(name, values.url))]
        return [{"system": system, "value": value, "use": "work"} for system, value in dict.fromkeys(points)]

    def address(self) -> Resource:
        """The address, {} where nothing is said of it."""
        lines = [found for name in ("adresse", "complement_adresse") if (found := self.get(name, values.line))]
        made: Resource = {"line": lines, "city": self.get("commune", values.line), "postalCode": self.get("code_postal", values.postcode)}
        if commune := self.get("code_insee", values.insee):
            made["extension"] = [{"url": INSEE_EXTENSION, "valueCoding": {"system": INSEE_COMMUNE, "code": commune}}]
        kept = filled(made)
        return {"use": "work", **kept, "country": "FR"} if kept else {}

    def position(self) -> Resource:
        """Longitude and latitude in degrees (WGS 84), {} unless both are there."""
        north, east = self.get("latitude", values.latitude), self.get("longitude", values.longitude)
        return {"longitude": east, "latitude": north} if north is not None and east is not None else {}

    def hours(self) -> tuple[tuple[Opening, ...], str]:
        """(the openings of a week, the words): the words are always kept, for what is not in the openings."""
        written = self.get("horaires_accueil", values.line) or ""
        return parsed(written) or (), written


def filled(made: Resource) -> Resource:
    """Without what is empty: FHIR has no empty lists."""
    return {name: value for name, value in made.items() if value not in (None, "", [], {})}


def siret_of(taken: Taken) -> list[Resource]:
    """The SIRET and the SIREN in it: by these two sources name the same structure."""
    found = taken.get("siret", values.siret)
    return [
        {"type": {"coding": [{"system": FR_IDENTIFIER_TYPE, "code": code}]}, "system": SIRENE, "value": value}
        for code, value in (("SIRET", found), ("SIREN", found[:_SIREN]))
    ] if found else []  # fmt: skip
