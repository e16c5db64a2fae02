"""Every resource that Liaison sent out while the tests ran (tests/emitting.py), judged by the official validator (validator.md).

Run after the others, which `make test` does: `LIAISON_TEST_EMITTED=.work/emitted pytest`, then `pytest tests/profiles/emitted.py` with the same.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.emitting import FOLDER, resources
from tests.profiles.seen import WAIVERS, Codes
from tests.validator import OfficialValidator

pytestmark = [pytest.mark.profiles, pytest.mark.shared]
EMITTED = Path(os.environ.get(FOLDER, ".work/emitted"))


def kept(door: str) -> list[tuple[str, dict[str, Any]]]:
    """(the test it was sent in, the resource), each outline once."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted((EMITTED / door).glob("*.json"))]
    if not found:
        pytest.skip(f"nothing was kept of what left by {door}: run the tests with {FOLDER} first")
    return [(each["test"], each["resource"]) for each in found]


def unheld(resource: dict[str, Any], line: str) -> bool:
    """Whether a fault is none in what is marked SUBSETTED: a view shows no policy of a Consent (R4 ppc-1)."""
    marks = {each.get("code") for part in resources(resource) for each in part.get("meta", {}).get("tag", ())}
    return "SUBSETTED" in marks and line.rstrip("]").endswith("Consent#ppc-1")


def judged(validator: OfficialValidator, door: str) -> list[str]:
    """What counts against what left by that door, the worst first."""
    found: list[str] = []
    counted: Counter[str] = Counter()
    for test, resource in kept(door):
        counted[resource["resourceType"]] += 1
        lines = validator.check([resource], bundle=False, strict=True)
        found += [f"{resource['resourceType']} of {test}: {line}" for line in lines if not unheld(resource, line)]
    print(f"{door}: " + ", ".join(f"{count} {type}" for type, count in sorted(counted.items())))
    return found


@pytest.mark.parametrize("door", ["ehr", "fhir"])
def test_what_left_passes_strictly(official_validator: OfficialValidator, door: str) -> None:
    assert official_validator.selftest() == ""
    official_validator.waive(WAIVERS)
    found = judged(official_validator, door)
    print("waived: " + ", ".join(f"{count} by {name}" for name, count in sorted(official_validator.used.items()) if count))
    assert not found, "\n".join(found)


def test_what_left_is_coded_as_its_domain_is() -> None:
    codes = Codes()
    found = [f"{test}: {line}" for door in ("ehr", "fhir") for test, resource in kept(door) for line in codes.against(resource)]
    print("waived: " + ", ".join(f"{count} by {name}" for name, count in codes.used.items()))
    assert found == []
