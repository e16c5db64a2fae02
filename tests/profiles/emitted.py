"""Every resource that Liaison sent to an EHR while the end-to-end tests ran (tests/emitting.py), judged by the official validator
(validator.md). Run after them, which `make test` does.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.emitting import FOLDER
from tests.profiles.seen import WAIVERS, Codes
from tests.validator import OfficialValidator

pytestmark = [pytest.mark.profiles, pytest.mark.shared]
EMITTED = Path(os.environ.get(FOLDER, ".work/emitted"))


def sent() -> list[tuple[str, dict[str, Any]]]:
    """(the test it was sent in, the resource), each outline once."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(EMITTED.glob("*.json"))]
    if not found:
        pytest.skip(f"nothing was kept of what left: run the end-to-end tests with {FOLDER} first")
    return [(each["test"], each["resource"]) for each in found]


def test_what_left_passes_strictly(official_validator: OfficialValidator) -> None:
    assert official_validator.selftest() == ""
    official_validator.waive(WAIVERS)
    found, counted = [], Counter[str]()
    for test, resource in sent():
        counted[resource["resourceType"]] += 1
        found += [f"{resource['resourceType']} of {test}: {line}" for line in official_validator.check([resource], bundle=False, strict=True)]
    print("sent: " + ", ".join(f"{count} {type}" for type, count in sorted(counted.items())))
    print("waived: " + ", ".join(f"{count} by {name}" for name, count in sorted(official_validator.used.items()) if count))
    assert not found, "\n".join(found)


def test_what_left_claims_its_profile() -> None:
    """What claims nothing is held against R4 alone. In Direct the resources are the EHR's own."""
    ours = [(resource["resourceType"], resource.get("meta", {}).get("profile")) for test, resource in sent() if "test_direct.py" not in test]
    wanted = {"ServiceRequest", "Task", "Consent", "Procedure"}
    assert {type for type, _ in ours} >= wanted
    assert [type for type, profile in ours if type in wanted and not profile] == []


def test_what_left_is_coded_as_its_domain_is() -> None:
    codes = Codes()
    found = [f"{test}: {line}" for test, resource in sent() for line in codes.against(resource)]
    print("waived: " + ", ".join(f"{count} by {name}" for name, count in codes.used.items()))
    assert found == []
