"""What two documents make of the same records, held beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from adapter.mapping.check import Trial, example_context, try_
from adapter.mapping.context import MapContext
from adapter.mapping.document import as_list, as_text, as_tree, plain
from adapter.mapping.mapping import Mapping, Record
from adapter.mapping.shape import Field
from adapter.ports import Resource


@dataclass(frozen=True, slots=True)
class Changed:
    """One place of a result, and its value before and after; None: not there."""

    path: str
    before: Any
    after: Any


def fields(old: Mapping, new: Mapping) -> list[Changed]:
    """What a sender may write: a field that came, went, or has to be given more or less often, in words."""
    before, after = ({field.name: _declared(field) for field in each.fields} for each in (old, new))
    names = dict.fromkeys([*before, *after])
    return [Changed(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def _declared(field: Field) -> str:
    words = {
        "a group" if field.group and not field.most else "": True, "required": field.required == "always", "required in its group": field.required == "here",
        f"a list of {field.least} to {field.most}": field.most > 0, "never stored": field.never,
        "an answer": field.owner == "liaison", "said by both": field.owner == "both",
        "does not come back": bool(field.one_way), "given back on a condition": field.given_back is not None,
    }  # fmt: skip
    return ", ".join(word for word, holds in words.items() if word and holds) or "optional"


def made(old: Mapping, new: Mapping, record: Record, *, contexts: tuple[MapContext, MapContext], lacking: bool = False) -> list[Changed]:
    """Where the results differ for one record. `contexts`: alike, each with ids of its own to give out, in the same order. A record that one of
    them refuses differs at `refused`, by the paths of its problems. `lacking`: as `Mapping.to_fhir`."""
    before, after = (try_(each, record, context=context, lacking=lacking) for each, context in zip((old, new), contexts, strict=True))
    if before.mapped is None or after.mapped is None:
        refused = _refused(before), _refused(after)
        return [Changed("refused", *refused)] if refused[0] != refused[1] else []
    flat = [dict(_flat(trial.mapped.resources, by=each)) for each, trial in ((old, before), (new, after)) if trial.mapped]
    names = dict.fromkeys([*flat[0], *flat[1]])
    return [Changed(name, flat[0].get(name), flat[1].get(name)) for name in names if flat[0].get(name) != flat[1].get(name)]


def _refused(trial: Trial) -> list[str] | None:
    return sorted({problem.path for problem in trial.problems}) if trial.mapped is None else None


def _flat(resources: Sequence[Resource], *, by: Mapping) -> Iterator[tuple[str, Any]]:
    """(path, value) of every value: `Task[1].status` is of the second Task. Who made it is no difference."""
    name = f"{by.name}/{by.version}"
    of = Counter[str]()
    for resource in resources:
        type = resource["resourceType"]
        for path, value in _leaves(resource, f"{type}[{of[type]}]" if of[type] else type):
            yield path, value.replace(name, "MAPPING") if isinstance(value, str) else value
        of[type] += 1


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}")
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from _leaves(each, f"{path}[{at}]")
    else:
        yield path, value


def alike(context: MapContext) -> tuple[MapContext, MapContext]:
    """Two contexts that are the same, and give out the same ids in the same order."""

    def numbered() -> MapContext:
        numbers = count(1)
        return replace(context, new_id=lambda: f"id-{next(numbers)}")

    return numbered(), numbered()


def examples(mapping: Mapping) -> Iterator[tuple[str, Record, tuple[MapContext, MapContext]]]:
    """(name, record, two contexts alike) of the examples in a document."""
    tree = mapping.tree.get("examples")
    for node in as_list(tree, "examples") if tree is not None else ():
        example = as_tree(node, "examples")
        given = example.get("context")
        told = as_tree(given, "context") if given else None
        record = plain(as_tree(example.need("record"), "record"))
        yield as_text(example.need("name"), "name"), record, (example_context(told), example_context(told))
