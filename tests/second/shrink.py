"""Cuts a triple down while two readings of it still disagree."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

Json = Any
KEPT = frozenset({"resourceType", "id", "patient", "action", "now"})  # without these it would be another question


def shrunk(vector: dict[str, Json], disagree: Callable[[dict[str, Json]], bool]) -> dict[str, Json]:
    """The smallest triple that greedy cutting finds: first whole Consents, then rules, elements, values."""
    cutting = True
    while cutting:
        cutting = False
        for smaller in cuts(vector):
            if disagree(smaller):
                vector, cutting = smaller, True
                break
    return vector


def cuts(vector: dict[str, Json]) -> Iterator[dict[str, Json]]:
    """Every triple that lacks one thing, the larger things first."""
    paths = [path for part in ("consents", "groups", "resources", "complete", "request") if part in vector for path in below(vector[part], (part,))]
    for path in sorted(paths, key=len):
        cut = copy.deepcopy(vector)
        *way, last = path
        holder = cut
        for step in way:
            holder = holder[step]
        del holder[last]
        if holder or way in (["consents"], ["groups"], ["request", "purpose"]):  # an emptied list would be another fault
            yield cut


def below(value: Json, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The paths of what may be cut away."""
    if path[0] == "complete" or (len(path) > 1 and path not in {("resources", 0), ("request", "purpose"), ("request", "actors")} and path[-1] not in KEPT):
        yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from below(part, (*path, key))
