"""B9: resources mapped per second and core, both ways, for the first example of every record kind (aim: 20,000 each way)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from adapter.clock import SystemClock
from adapter.mapping import Mapping, load
from adapter.mapping.check import example_context
from adapter.mapping.document import as_list, as_tree, plain
from tests.bench.clocked import Lane

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"


def both_ways(mapping: Mapping) -> list[Lane]:
    """One record kind, with real ids; what it makes of its example must lead back to it."""
    example = as_tree(as_list(mapping.tree.need("examples"), "examples")[0], "examples")
    record = plain(example.need("record"))
    context = replace(example_context(as_tree(example.need("context"), "context")), new_id=SystemClock().new_id)
    resources = mapping.to_fhir(record, context=context).resources
    assert mapping.from_fhir(resources, context=context) == record
    return [
        Lane("B9", f"{mapping.name} → FHIR, resources", "ours", lambda: mapping.to_fhir(record, context=context), len(resources)),
        Lane("B9", f"FHIR → {mapping.name}, resources", "ours", lambda: mapping.from_fhir(resources, context=context), len(resources)),
    ]


def lanes() -> list[Lane]:
    return [lane for mapping in load(MAPPINGS).values() for lane in both_ways(mapping)]
