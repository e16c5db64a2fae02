"""B9: resources mapped per second and core, both ways, for the first example of every record kind:
`python -m tests.bench.map_rate [--rounds N]` prints a line of JSON each (aim: 20,000 each way)."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapter.clock import SystemClock
from adapter.mapping import Mapping, load
from adapter.mapping.check import example_context
from adapter.mapping.document import as_list, as_tree, plain

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"


def rate(act: Callable[[], object], resources: int, rounds: int, repeats: int = 5) -> float:
    """Resources a second of CPU time, the best of some runs (others use the machine too)."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(rounds):
            act()
        best = min(best, time.process_time() - start)
    return round(resources * rounds / best)


def measure(mapping: Mapping, rounds: int) -> dict[str, Any]:
    """One record kind, with real ids."""
    example = as_tree(as_list(mapping.tree.need("examples"), "examples")[0], "examples")
    record = plain(example.need("record"))
    context = replace(example_context(as_tree(example.need("context"), "context")), new_id=SystemClock().new_id)
    resources = mapping.to_fhir(record, context=context).resources
    assert mapping.from_fhir(resources, context=context) == record
    there = rate(lambda: mapping.to_fhir(record, context=context), len(resources), rounds)
    back = rate(lambda: mapping.from_fhir(resources, context=context), len(resources), rounds)
    return {"id": "B9", "name": mapping.name, "resources": len(resources), "to_fhir": there, "from_fhir": back}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    for mapping in load(MAPPINGS).values():
        print(json.dumps(measure(mapping, rounds)))


if __name__ == "__main__":
    main()
