"""What there is around, looked for: by need, commune, distance, public and scheme. Reads go through the search index."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import orjson

from adapter.directory.keeping import STEP
from adapter.directory.naming import CELL, EVERYBODY, PREFIX, PUBLIC, SOURCE
from adapter.errors import Invalid
from adapter.mapping import Terms
from adapter.names import SIRENE
from adapter.ports import Clause, Query, Resource, Uow, Version
from adapter.referral.area import department

EARTH = 6371.0088  # kilometres, the mean radius
FARTHEST = 100.0  # kilometres
MOST = 250  # services that are looked at where nothing says which are nearest
RINGS = (2.0, 5.0, 10.0, 20.0, 50.0, FARTHEST)
PAGE, AT_ONCE = 250, 200
SCHEMES = {"cpam": "regime-general", "msa": "msa"}  # funds that serve those whom they insure: of their network alone


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; None and empty exclude nobody. `needs`: our codes, any of them; `themes`: codes of data·inclusion; `commune`:
    INSEE code; `near`: latitude and longitude in degrees, `within` kilometres of it."""

    needs: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    commune: str | None = None
    near: tuple[float, float] | None = None
    within: float = 20.0
    publics: tuple[str, ...] = ()
    scheme: str | None = None
    most: int = 20


@dataclass(frozen=True, slots=True)
class Hit:
    """A service. `km`: how far, None where nobody asked or it is not known; `also`: ids of the same structure at other sources (by SIRET)."""

    service: Resource
    structure: Resource
    place: Resource
    km: float | None = None
    also: tuple[str, ...] = ()


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The way of the crow between two (latitude, longitude), by the haversine formula."""
    north, south = math.radians(one[0]), math.radians(other[0])
    half = math.sin((south - north) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(math.radians(other[1] - one[1]) / 2) ** 2
    return 2 * EARTH * math.asin(math.sqrt(min(1.0, half)))


def search(uow: Uow, wanted: Wanted, *, terms: Terms) -> list[Hit]:
    """The services that fit, the nearest first; where no distance is asked for, by name (of the first MOST). A commune is served by a zone
    that names it, its department or all of France; groups of communes are kept and not looked into. Raises Invalid: a need that no code of
    data·inclusion stands for, a radius beyond FARTHEST."""
    clauses = _clauses(wanted, terms)
    if wanted.near is None:
        found = [each for each in _pages(uow, "HealthcareService", clauses, most=MOST) if each.id.startswith(PREFIX)]
        hits = (_hit(uow, each, wanted) for each in sorted(found, key=_name))
        return _first(hits, wanted.most)
    if not 0 < wanted.within <= FARTHEST:
        raise Invalid(f"expected a distance of at most {FARTHEST:g} km", expression="within")
    hits_found: list[Hit] = []
    done: set[str] = set()
    for radius in [ring for ring in RINGS if ring < wanted.within] + [wanted.within]:
        places = _places(uow, wanted.near, radius, done)
        hits_found += _served_at(uow, places, clauses, wanted)
        inside = sorted((hit for hit in hits_found if hit.km is not None and hit.km <= radius), key=lambda hit: (hit.km, hit.service["name"]))
        if len(inside) >= wanted.most or radius == wanted.within:
            return inside[: wanted.most]
    return []


def _first(hits: Iterator[Hit | None], most: int) -> list[Hit]:
    found: list[Hit] = []
    for hit in hits:
        if hit is not None:
            found.append(hit)
        if len(found) == most:
            break
    return found


def _clauses(wanted: Wanted, terms: Terms) -> tuple[Clause, ...]:
    found: list[Clause] = []
    if wanted.needs or wanted.themes:
        themes = [*wanted.themes, *(theme for need in wanted.needs for theme in themes_of(need, terms))]
        if not themes:
            text = "no code of data·inclusion stands for this need: nothing of the directory can be found by it"
            raise Invalid(text, expression="need")
        found.append(Clause("service-category", "token", tuple(dict.fromkeys(themes))))
    if wanted.commune:
        found.append(Clause("coverage-area:identifier", "token", (wanted.commune, department(wanted.commune), "france")))
    if wanted.publics:
        found.append(Clause(PUBLIC, "token", (*wanted.publics, EVERYBODY)))
    return tuple(found) or (Clause(SOURCE, "token", ("false",), "missing"),)


def themes_of(need: str, terms: Terms) -> tuple[str, ...]:
    """The codes of data·inclusion for a need, by the code tables; none for conflit-familial, whose code would tell of violence."""
    term = terms["need"].get(need)
    if term is None or term.abstract:
        raise Invalid("expected a need that a record may choose: mappings/terms/needs.yaml", expression="need")
    return tuple(term.properties.get("inclusion", ()))


def _pages(uow: Uow, type: str, clauses: tuple[Clause, ...], *, most: int = 1 << 30) -> Iterator[Version]:
    after, left = None, most
    while left > 0:
        page = uow.search(Query(type, clauses, count=min(PAGE, left), after=after))
        yield from page
        if len(page) < PAGE:
            return
        after, left = (page[-1].key, page[-1].id), left - len(page)


def _name(version: Version) -> str:
    return str(content(version)["name"]).casefold()


def content(version: Version) -> Resource:
    found: Resource = orjson.loads(version.served)
    return found


def _places(uow: Uow, near: tuple[float, float], radius: float, done: set[str]) -> dict[str, float]:
    """The Locations that were not looked at before and may stand within that radius: "Location/id" → kilometres."""
    cells = [each for each in _cells(near, radius) if each not in done]
    done.update(cells)
    found: dict[str, float] = {}
    for at in range(0, len(cells), AT_ONCE):
        for each in _pages(uow, "Location", (Clause(CELL, "token", tuple(cells[at : at + AT_ONCE])),)):
            place = content(each)
            if place.get("status") == "active" and (position := place.get("position")):
                found[each.reference] = kilometres(near, (position["latitude"], position["longitude"]))
    return found


def _cells(near: tuple[float, float], radius: float) -> Iterator[str]:
    """The cells that a circle touches, the date line not crossed."""
    north = math.degrees(radius / EARTH)
    narrow = math.cos(math.radians(min(89.0, abs(near[0]) + north)))
    east = math.degrees(radius / EARTH) / narrow
    low, high = (math.floor((near[0] + step) * STEP) for step in (-north, north))
    left, right = (math.floor((near[1] + step) * STEP) for step in (-east, east))
    return (f"{row}:{column}" for row in range(low, high + 1) for column in range(left, right + 1))


def _served_at(uow: Uow, places: dict[str, float], clauses: tuple[Clause, ...], wanted: Wanted) -> Iterator[Hit]:
    references = sorted(places)
    narrowed = tuple(each for each in clauses if each.param != SOURCE)
    for at in range(0, len(references), AT_ONCE):
        where = Clause("location", "reference", tuple(references[at : at + AT_ONCE]))
        for each in _pages(uow, "HealthcareService", (where, *narrowed)):
            hit = _hit(uow, each, wanted) if each.id.startswith(PREFIX) else None
            if hit:
                yield replace(hit, km=places.get(hit.service["location"][0]["reference"]))


def _hit(uow: Uow, version: Version, wanted: Wanted) -> Hit | None:
    """The service with its structure and place; None where it is gone, or of a fund that insures others."""
    service = content(version)
    structure = _followed(uow, service["providedBy"])
    schemes = {SCHEMES[code] for code in codes_of(structure.get("type", ())) if code in SCHEMES}
    if not service.get("active") or (wanted.scheme and schemes and wanted.scheme not in schemes):
        return None
    return Hit(service, structure, _followed(uow, service["location"][0]), also=_also(uow, structure))


def _followed(uow: Uow, reference: Resource) -> Resource:
    type, _, id = str(reference["reference"]).partition("/")
    found = uow.current(type, id)
    return content(found) if found and not found.deleted else {}


def _also(uow: Uow, structure: Resource) -> tuple[str, ...]:
    """The same structure elsewhere: in the network file, at other sources. Linked by its SIRET, never merged."""
    number = next((each["value"] for each in structure.get("identifier", ()) if each.get("system") == SIRENE and len(each["value"]) == 14), "")
    found = uow.search(Query("Organization", (Clause("identifier", "token", (f"{SIRENE}|{number}",)),), count=10)) if number else []
    return tuple(each.id for each in found if each.id != structure.get("id"))


def codes_of(concepts: Sequence[Resource]) -> list[str]:
    """The codes of some concepts, in their order."""
    return [coding["code"] for concept in concepts for coding in concept.get("coding", ()) if "code" in coding]
