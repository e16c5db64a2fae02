"""A mapping examined: its own examples run, one record tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from adapter.errors import MappingError
from adapter.mapping.context import MapContext, Mapped, RecordRefused, UnitFacts
from adapter.mapping.document import Node, Tree, as_list, as_text, as_tree, only, plain
from adapter.mapping.explain import leaves, made
from adapter.mapping.mapping import Mapping, Record
from adapter.mapping.scope import Scope
from adapter.mapping.template import build
from adapter.names import Systems
from adapter.ports import Resource

_EXAMPLE = frozenset({"name", "context", "record", "resources", "holds", "warns", "types", "refused", "problems", "back", "answers", "about"})
_CONTEXT = frozenset({"at", "clinic", "requester", "recorder", "patient", "request", "nir_authorised", "units", "due", "names"})


@dataclass(frozen=True, slots=True)
class Failure:
    """What an example says and the document does not do. `place` is file:line."""

    example: str
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One record tried: `mapped`, or else the `problems` why it is refused; `back` is its round trip."""

    mapped: Mapped | None
    problems: tuple[MappingError, ...]
    back: Record | None


def check(mapping: Mapping) -> list[Failure]:
    """Runs the examples inside the document: resources, warnings, refusals, round trip, and that every
    value of its templates is made by some example. Empty: all holds."""
    tree = mapping.tree.get("examples")
    if tree is None:
        return [Failure("", mapping.tree.place, "a mapping document has examples")]
    failures: list[Failure] = []
    seen: set[int] = set()
    for node in as_list(tree, "examples"):
        failures += _example(mapping, as_tree(node, "examples"), seen)
    if not failures:
        idle = [leaf for mark, leaf in leaves(mapping).items() if leaf.fields and mark not in seen]
        failures += [Failure("", leaf.place, f"no example makes {leaf.element}") for leaf in idle]
    return failures


def try_(mapping: Mapping, record: Record, *, context: MapContext, lacking: bool = False) -> Trial:
    """Maps one record and back, without raising for what is wrong with it. `lacking`: as `Mapping.to_fhir`."""
    try:
        mapped = mapping.to_fhir(record, context=context, lacking=lacking)
    except RecordRefused as refused:
        return Trial(None, refused.problems, None)
    return Trial(mapped, (), None if mapped.refused else mapping.from_fhir(mapped.resources, context=context))


def report(trial: Trial) -> dict[str, Any]:
    """A trial as plain data: `refused` (the person said no), `problems` and `warnings` ({path, mapping, text}: places in the record and in
    the document), `dropped` (paths), `resources`, `back` (the record that they give again)."""
    mapped = trial.mapped
    return {
        "refused": bool(mapped and mapped.refused),
        "problems": [{"path": each.path, "mapping": each.document, "text": each.text} for each in trial.problems],
        "warnings": [{"path": each.record_path, "mapping": each.document_place, "text": each.text} for each in mapped.warnings] if mapped else [],
        "dropped": list(mapped.dropped) if mapped else [],
        "resources": mapped.resources if mapped else [],
        "back": trial.back,
    }


def example_context(tree: Tree | None) -> MapContext:
    """The context an example describes; ids are id-1, id-2, … in the order they are asked for."""
    told = plain(tree) if tree else {}
    if tree:
        only(tree, _CONTEXT, "context")
    units = {key: UnitFacts(f"HealthcareService/{key}", *facts) for key, facts in told.get("units", {}).items()}
    due = datetime.fromisoformat(told["due"]) if "due" in told else None
    numbers, names = count(1), told.get("names", {})
    return MapContext(
        at=datetime.fromisoformat(told.get("at", "2026-03-06T19:00:00+01:00")),
        new_id=lambda: f"id-{next(numbers)}",
        clinic=told.get("clinic", "Organization/msp"),
        unit=units.get,
        requester=told.get("requester"),
        recorder=told.get("recorder"),
        patient=told.get("patient"),
        request=told.get("request"),
        nir_authorised=told.get("nir_authorised", False),
        due=lambda unit, asked, priority: due,
        name_of=names.get,
    )


def _example(mapping: Mapping, tree: Tree, seen: set[int]) -> list[Failure]:
    only(tree, _EXAMPLE, "an example")
    name, record = as_text(tree.need("name"), "name"), plain(as_tree(tree.need("record"), "record"))

    def failed(key: str, text: str) -> Failure:
        return Failure(name, tree.places.get(key, tree.place), text)

    def context() -> MapContext:
        given = tree.get("context")
        return example_context(as_tree(given, "context") if given else None)

    trial = try_(mapping, record, context=context())
    wanted = sorted(plain(tree.entries["problems"])) if "problems" in tree.entries else []
    found = sorted({error.path for error in trial.problems})
    if found != wanted:
        return [failed("problems", f"expected problems at {wanted}, but found {[str(error) for error in trial.problems]}")]
    if trial.mapped is None:
        return []
    seen |= made(mapping, record, context())
    mapped, failures = trial.mapped, []
    if mapped.refused != ("refused" in tree.entries and plain(tree.entries["refused"]) is True):
        failures.append(failed("refused", f"expected the opposite of refused: {mapped.refused}"))
    warns = plain(tree.entries["warns"]) if "warns" in tree.entries else []
    if [remark.record_path for remark in mapped.warnings] != warns:
        failures.append(failed("warns", f"expected warnings at {warns}, but found {[remark.record_path for remark in mapped.warnings]}"))
    told, said = mapped.about._asdict() if mapped.about else None, plain(tree.entries["about"]) if "about" in tree.entries else None
    if told != said:
        failures.append(failed("about", f"expected that it tells {said}, but found {told}"))
    failures += [failed(key, text) for key, text in _resources(tree, mapped.resources)]
    if not mapped.refused and trial.back is not None:
        failures += [failed(key, text) for key, text in _round(mapping, tree, record, trial.back, mapped.resources, context())]
    return failures


def _resources(tree: Tree, found: list[Resource]) -> Iterator[tuple[str, str]]:
    """`resources`: exactly these, in this order. `types`: of these types, in this order. `holds`: for each,
    one that has at least this."""
    types = [each["resourceType"] for each in found]
    if "types" in tree.entries and plain(tree.entries["types"]) != types:
        yield "types", f"expected other types than {types}"
    if "resources" in tree.entries:
        wanted = _expected(tree.entries["resources"])
        for at, (one, other) in enumerate(zip(wanted, found, strict=False)):
            if one != other:
                yield "resources", f"resources[{at}] differs at {difference(one, other)}"
        if len(wanted) != len(found):
            yield "resources", f"expected {len(wanted)} resources, but found {types}"
    for at, part in enumerate(_expected(tree.entries["holds"]) if "holds" in tree.entries else []):
        if not any(within(part, each) for each in found):
            yield "holds", f"holds[{at}]: no {part.get('resourceType')} has all of this"


def _expected(node: Node) -> list[Any]:
    return [build(entry, Scope(Systems())).make({}) for entry in as_list(node, "resources")]


def _round(
    mapping: Mapping, tree: Tree, record: Record, back: Record, resources: list[Resource], context: MapContext
) -> Iterator[tuple[str, str]]:
    """The way back gives the record (or `back`), and that record the same resources again."""
    wanted = plain(tree.entries["back"]) if "back" in tree.entries else record
    if back != wanted:
        yield "back", f"the way back differs at {difference(wanted, back)}"
    else:
        whole = mapping.from_fhir(resources, context=context, whole=True)
        again = try_(mapping, whole, context=context).mapped  # None: a requester known elsewhere does not come back
        if again.resources != resources if again else "back" not in tree.entries:
            yield "back", "the record that came back makes other resources"
    for at, node in enumerate(as_list(tree.entries["answers"], "answers") if "answers" in tree.entries else ()):
        answer = as_tree(node, "answers")
        only(answer, {"resources", "record"}, "answers")
        found = mapping.from_fhir(_expected(answer.entries["resources"]), context=context)
        if found != (expected := plain(answer.entries["record"])):
            yield "answers", f"answers[{at}] differs at {difference(expected, found)}"


def difference(one: Any, other: Any, path: str = "") -> str:
    """The first path at which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            if key not in one or key not in other:
                return f"{path}.{key} ({'missing' if key not in other else 'not expected'})"
            if one[key] != other[key]:
                return difference(one[key], other[key], f"{path}.{key}")
    if isinstance(one, list) and isinstance(other, list):
        for at, (left, right) in enumerate(zip(one, other, strict=False)):
            if left != right:
                return difference(left, right, f"{path}[{at}]")
        return f"{path} (expected {len(one)} entries, but found {len(other)})"
    return f"{path or 'the top'} (expected {one!r}, but found {other!r})"


def within(part: Any, whole: Any) -> bool:
    """Whether everything of `part` is in `whole`; an entry of a list may be any of the other's."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(within(one, other) for other in whole) for one in part)
    return bool(part == whole)
