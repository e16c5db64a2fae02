"""Differential: whatever fhir.resources R4B rejects, we reject; 8,000 seeded mutations and the reasons for exceptions."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from adapter import fhir
from tests.unit.fhir.mutations import mutants
from tests.unit.fhir.specimens import specimens

COUNT = 8_000
# Valid in R4, and rejected by R4B all the same: (member, value, why). None of the mutations comes here.
R4B_IS_WRONG = [
    ("valueUuid", "urn:uuid:c757873d-ec9a-1326-a141-556f43239520", "R4B asks for a version 4 UUID, R4 for any"),
    ("valueMeta", {"source": "http://example.org"}, "R4 has this choice of Extension.value, R4B lost it"),
]


def r4b_rejects(body: bytes, type: str) -> bool:
    try:
        get_fhir_model_class(type).model_validate_json(body)
    except (ValueError, KeyError, TypeError, AttributeError):  # an unknown contained type is a KeyError there
        return True
    return False


def test_whatever_r4b_rejects_is_rejected_here_in_8000_mutations():
    verdicts: Counter[tuple[bool, bool]] = Counter()
    missed = []
    for done, mutant in mutants(specimens(), seed=20260302, count=COUNT):
        ours = bool(fhir.check(mutant))
        theirs = r4b_rejects(json.dumps(mutant).encode(), mutant["resourceType"])
        verdicts[ours, theirs] += 1
        if theirs and not ours:
            missed.append((mutant["resourceType"], done))
    assert missed == []
    assert sum(verdicts.values()) == COUNT
    assert verdicts[True, True] > COUNT / 2, "most mutations hurt"
    assert verdicts[True, False] > COUNT / 20, "and R4B misses some"
    assert verdicts[False, False] > COUNT / 20, "and some are harmless"


@pytest.mark.shared
def test_whatever_r4b_rejects_is_rejected_here_in_mutations_of_the_shared_examples(shared):
    found: list[dict[str, Any]] = []
    for folder in ("sdohcc/examples", "sdohcc/minimal", "shape", "fr/examples"):
        for path in sorted((shared / "data" / folder).rglob("*.json")):
            resource = json.loads(path.read_bytes())
            if path.stat().st_size < 12_000 and not fhir.check(resource):
                found.append(resource)
    assert len(found) > 150
    missed = [done for done, m in mutants(found, seed=7, count=4_000) if not fhir.check(m) and r4b_rejects(json.dumps(m).encode(),
        m["resourceType"])]
    assert missed == []


@pytest.mark.parametrize(("member", "value", "why"), R4B_IS_WRONG)
def test_r4_decides_where_r4b_rejects_what_r4_permits(member, value, why):
    basic = {"resourceType": "Basic", "code": {"text": "x"}, "extension": [{"url": "http://example.org/x", member: value}]}
    assert fhir.check(basic) == [] and r4b_rejects(json.dumps(basic).encode(), "Basic"), why


def test_check_never_changes_what_it_is_given():
    for _, mutant in mutants(specimens(), seed=3, count=500):
        before = json.dumps(mutant)
        fhir.check(mutant)
        assert json.dumps(mutant) == before
