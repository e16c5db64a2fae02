"""The code tables of the house as FHIR: a CodeSystem and a ValueSet each, a ConceptMap for each way to the codes of others (R4 terminology
module: `$validate-code`, `$translate`). Nothing in it is about a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from adapter import names
from adapter.errors import Malformed, NotFound
from adapter.mapping import Table, Term, Terms
from adapter.names import Systems
from adapter.ports import Resource

SEARCHED = ("_id", "name", "status", "url", "version")  # parameters of all three
INCLUSION = "data-inclusion-thematique"  # data·inclusion publishes no URI for its list: a system of ours


@dataclass(frozen=True, slots=True)
class Way:
    """From a table to the codes of others, by one property of its terms."""

    table: str
    property: str
    system: Callable[[Systems], str]
    equivalence: str


OPERATIONS = {"CodeSystem": "validate-code", "ConceptMap": "translate", "ValueSet": "validate-code"}
WAYS = {
    "need-sdohcc": Way("need", "sdohcc", lambda systems: names.SDOHCC_CODES, "wider"),
    "need-serafin": Way("need", "serafin", lambda systems: names.SERAFIN, "relatedto"),
    "need-data-inclusion": Way("need", "inclusion", lambda systems: systems.code(INCLUSION), "relatedto"),
    "need-neutral": Way("need", "neutral", lambda systems: systems.code("need"), "wider"),
    "outcome-snomed": Way("outcome", "snomed", lambda systems: names.SNOMED, "relatedto"),
}


@dataclass(frozen=True)
class Terminology:
    """`version`: of the software that the tables come with; `base`: of our systems, where the URLs hang."""

    terms: Terms
    systems: Systems
    version: str

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> list[Resource]:
        """What meets the parameters (SEARCHED; commas mean or), by id. Raises Malformed for another parameter."""
        found = self._all[type]
        for name, value in params:
            if name not in SEARCHED:
                raise Malformed(f"offered are {', '.join(SEARCHED)}", code="not-supported")
            wanted = value.split(",")
            found = {id: each for id, each in found.items() if each["id" if name == "_id" else name] in wanted}
        return list(found.values())

    def read(self, type: str, id: str) -> Resource:
        """Raises NotFound."""
        found = self._all[type].get(id)
        if found is None:
            raise NotFound("not found")
        return found

    def perform(self, type: str, asked: Mapping[str, str]) -> Resource:
        """The operation of a type (OPERATIONS). Raises Malformed, NotFound."""
        return self.translate(asked) if type == "ConceptMap" else self.validate_code(type, asked)

    def validate_code(self, type: str, asked: Mapping[str, str]) -> Resource:
        """Parameters `result`, `message` and `display` of CodeSystem or ValueSet `$validate-code`. `asked`: url, code, and of a ValueSet the
        system; display, where that is to be checked too. Raises Malformed, NotFound."""
        key = self._key(type, _needed(asked, "url"))
        table, code = self.terms[key], _needed(asked, "code")
        if type == "ValueSet" and _needed(asked, "system") != self.systems.code(key):
            return _parameters(result=False, message=f"expected a code of {self.systems.code(key)}")
        term = table.get(code)
        if term is None:
            return _parameters(result=False, message="this code system has no such code")
        if "display" in asked and asked["display"] not in (term.fr, term.en):
            return _parameters(result=False, message="expected another display", display=term.fr)
        return _parameters(result=True, display=term.fr)

    def translate(self, asked: Mapping[str, str]) -> Resource:
        """Parameters `result`, `message` and a `match` for each target of ConceptMap `$translate`. `asked`: code, system, and which map by its
        url, target or targetsystem; none: all of them. Raises Malformed, NotFound."""
        code, system = _needed(asked, "code"), _needed(asked, "system")
        if asked.get("reverse", "false") != "false":
            raise Malformed("offered is the way from our codes to others", expression="reverse", code="not-supported")
        chosen = [name for name in WAYS if self._meant(name, asked)]
        if not chosen:
            raise NotFound("no such map")
        matches = [
            {"name": "match", "part": [
                {"name": "equivalence", "valueCode": WAYS[name].equivalence},
                {"name": "concept", "valueCoding": {"system": WAYS[name].system(self.systems), "code": target}},
                {"name": "source", "valueUri": self._url("ConceptMap", name)},
            ]}
            for name in chosen if system == self.systems.code(WAYS[name].table) for target in self._targets(WAYS[name], code)
        ]  # fmt: skip
        told = _parameters(result=bool(matches), message="" if matches else "nothing is known for this code")
        return told | {"parameter": [*told["parameter"], *matches]}

    # ── what there is ────────────────────────────────────────────────────────────────────────────
    @cached_property
    def _all(self) -> dict[str, dict[str, Resource]]:
        tables = sorted(self.terms.tables.items())
        return {
            "CodeSystem": {key: self._code_system(key, table) for key, table in tables},
            "ConceptMap": {name: self._map(name, way) for name, way in sorted(WAYS.items())},
            "ValueSet": {key: self._value_set(key, table) for key, table in tables},
        }

    def _head(self, type: str, id: str, title: str) -> Resource:
        name = "".join(part.capitalize() for part in id.split("-"))
        return {
            "resourceType": type, "id": id, "url": self._url(type, id), "version": self.version, "name": f"Liaison{name}", "title": title,
            "status": "active", "experimental": False, "language": "fr", "publisher": "Liaison",
        }  # fmt: skip

    def _code_system(self, key: str, table: Table) -> Resource:
        declared = [{"code": "notSelectable", "uri": "http://hl7.org/fhir/concept-properties#notSelectable", "type": "boolean"}]
        return self._head("CodeSystem", key, table.labels["fr"]) | {
            "caseSensitive": True, "valueSet": self._url("ValueSet", key), "content": "complete", "count": len(table.terms),
            **({"property": declared} if any(term.abstract for term in table.terms.values()) else {}),
            "concept": [_concept(term) for term in table.terms.values()],
        }  # fmt: skip

    def _value_set(self, key: str, table: Table) -> Resource:
        return self._head("ValueSet", key, table.labels["fr"]) | {"compose": {"include": [{"system": self.systems.code(key)}]}}

    def _map(self, name: str, way: Way) -> Resource:
        elements = [
            {"code": code, "display": term.fr, "target": [{"code": target, "equivalence": way.equivalence} for target in targets]}
            for code, term in self.terms[way.table].terms.items() if (targets := self._targets(way, code))
        ]  # fmt: skip
        group = {"source": self.systems.code(way.table), "target": way.system(self.systems), "element": elements}
        title = f"{self.terms[way.table].labels['fr']} : {name.partition('-')[2]}"
        return self._head("ConceptMap", name, title) | {"sourceUri": self._url("ValueSet", way.table), "group": [group]}

    def _targets(self, way: Way, code: str) -> list[str]:
        term = self.terms[way.table].get(code)
        found = term.properties.get(way.property) if term else None
        return [str(each) for each in found] if isinstance(found, list | tuple) else [str(found)] if found is not None else []

    # ── what is meant ────────────────────────────────────────────────────────────────────────────
    def _url(self, type: str, id: str) -> str:
        return self.systems.code(id) if type == "CodeSystem" else f"{self.systems.base}/{type}/{id}"

    def _key(self, type: str, url: str) -> str:
        found = next((key for key in self.terms.tables if url == self._url(type, key)), None)
        if found is None:
            raise NotFound("not found")
        return found

    def _meant(self, name: str, asked: Mapping[str, str]) -> bool:
        target = WAYS[name].system(self.systems)
        wanted = {"url": self._url("ConceptMap", name), "target": target, "targetsystem": target}
        return all(asked[each] == value for each, value in wanted.items() if each in asked)


def _needed(asked: Mapping[str, str], name: str) -> str:
    if not asked.get(name):
        raise Malformed(f"expected {name}", expression=name, code="required")
    return asked[name]


def _concept(term: Term) -> Resource:
    marks: Resource = {"property": [{"code": "notSelectable", "valueBoolean": True}]} if term.abstract else {}
    return {"code": term.code, "display": term.fr, "designation": [{"language": "en", "value": term.en}]} | marks


def _parameters(*, result: bool, message: str = "", display: str = "") -> Resource:
    return {"resourceType": "Parameters", "parameter": [*_told(result, message, display)]}


def _told(result: bool, message: str, display: str) -> Iterator[Resource]:
    yield {"name": "result", "valueBoolean": result}
    if message:
        yield {"name": "message", "valueString": message}
    if display:
        yield {"name": "display", "valueString": display}
