"""Documents of a few lines, to try the language itself."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.mapping import Mapping, RecordRefused, Terms, compile_document
from tests.unit.mapping.records import context

TERMS = Terms.of({
    "fruit.yaml": """
table: fruit
labels: {fr: Fruit, en: Fruit}
properties: {season: text, kind: a list, rank: number}
codes:
  pomme: {fr: Pomme, en: Apple, season: automne, kind: [a, b], rank: 1}
  poire: {fr: Poire, en: Pear, season: automne, kind: [b], rank: 3}
  fraise: {fr: Fraise des bois, en: Strawberry, season: printemps}
  tout: {fr: Tout fruit, en: Any fruit, abstract: true}
""",
})  # fmt: skip

HEAD = "mapping: m\nversion: 3\ntitle: {fr: M, en: M}\nid: id\n"


def document(
    record: str = "", template: str = "", *, rest: str = "", unmapped: str = "refuse", parts: dict[str, str] | None = None
) -> Mapping:
    """A document with the fields and elements given; `id` is always a field, kept in Basic.id's identifier."""
    text = (
        HEAD + f"unmapped: {unmapped}\n" + rest + "record:\n  id: {type: id, required: true}\n" + _in(record)
        + "resources:\n  basic:\n    resourceType: Basic\n    identifier: [{value: $id}]\n" + _in(template, 4)
    )  # fmt: skip
    return compile_document(text, name="m.yaml", terms=TERMS, parts=parts)


def _in(text: str, by: int = 2) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.strip("\n").splitlines() if line)


def make(mapping: Mapping, **record: Any) -> dict[str, Any]:
    return mapping.to_fhir({"id": "r1"} | record, context=context()).resources[0]


def both(mapping: Mapping, **record: Any) -> dict[str, Any]:
    """The record after there and back, without its id."""
    mapped = mapping.to_fhir({"id": "r1"} | record, context=context())
    back = mapping.from_fhir(mapped.resources, context=context())
    assert back.pop("id") == "r1"
    return back


def problems(mapping: Mapping, **record: Any) -> list[tuple[str, str]]:
    with pytest.raises(RecordRefused) as refused:
        mapping.to_fhir({"id": "r1"} | record, context=context())
    return [(error.path, error.text) for error in refused.value.problems]
