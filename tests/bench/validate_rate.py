"""How many resources a core parses and checks in a second, ours beside `model_validate_json` of fhir.resources R4B: those of
one referral, compact and indented, and a Bundle of 100 Tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
from fhir.resources.R4B import get_fhir_model_class

from adapter import fhir
from tests.bench.clocked import Lane
from tests.bench.specimens import TYPES, specimen

THEIRS = "fhir.resources"


def lanes() -> list[Lane]:
    subjects: dict[str, dict[str, Any]] = {type: specimen(type) for type in TYPES}
    subjects["Bundle of 100 Tasks"] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": subjects["Task"]}] * 100}
    return [lane for name, resource in subjects.items() for lane in _lanes(name, resource)]


def _lanes(name: str, resource: dict[str, Any]) -> Iterator[Lane]:
    body, model = orjson.dumps(resource), get_fhir_model_class(resource["resourceType"])
    yield Lane("validate", name, "ours", lambda: fhir.parse(body))
    yield Lane("validate", name, THEIRS, lambda: model.model_validate_json(body))
    if name != "Bundle of 100 Tasks":
        spaced = json.dumps(resource, indent=1).encode()
        yield Lane("validate", f"{name}, indented", "ours", lambda: fhir.parse(spaced))
