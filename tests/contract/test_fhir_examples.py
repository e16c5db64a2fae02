"""Every example in the shared material, accepted or refused as R4 says; the exceptions with their reasons."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapter import fhir
from adapter.errors import Refused
from adapter.fhir import facts
from adapter.fhir.elements import NOT_IN_R4, element, reachable
from tests.conftest import ROOT, SHARED

pytestmark = pytest.mark.shared

FOLDERS = ("sdohcc/examples", "sdohcc/minimal", "shape", "fr/examples", "subscriptions")
_EMPTY = "an extension of a name holds valueString with no text; R4: a string has at least one character"
EXCEPTIONS = {
    "fr/examples/ans-cds/Bundle-cds-bundle-transaction-creation-example.json": ("structure", _EMPTY),
    "fr/examples/ans-cds/CareTeam-cds-careteam-example.json": ("structure", _EMPTY),
    "fr/examples/ans-cds/Organization-cds-organization-example.json": ("structure", _EMPTY),
    "fr/examples/frcore/Consent-FRCoreConsentExample.json": ("invariant",
        "ppc-1: neither policy nor policyRule "),
    "subscriptions/empty_notification_bundle_non_conformant_example.json": ("invariant",
        "bdl-3 and bdl-4: a history Bundle whose entry has no request"),
}
# Broken against SDOHCC's profiles; what base R4 makes of them.
NEGATIVE = {
    "consent-nopolicy": ("invariant", "ppc-1 is a rule of base R4"),
    "task-badstatus": ("code-invalid", "task-status is a required binding of base R4"),
    "consent-cat": ("", "the category IDSCL is asked for by the profile only"),
    "consent-noorg": ("", "Consent.organization is 0..* in base R4"),
    "consent-nosource": ("", "Consent.source[x] is 0..1 in base R4"),
    "sr-badcat": ("", "ServiceRequest.category has an example binding in base R4"),
    "sr-bodysite": ("", "ServiceRequest.bodySite is 0..* in base R4"),
    "sr-nocode": ("", "ServiceRequest.code is 0..1 in base R4"),
    "task-code": ("", "Task.code has an example binding in base R4"),
    "task-intent": ("", "plan is a code of task-intent; the profile fixes order"),
    "task-no-requester": ("", "Task.requester is 0..1 in base R4"),
    "task-received": ("", "received is a code of task-status; the profile leaves it out"),
    "task-statusReason-notext": ("", "CodeableConcept.text is 0..1 in base R4"),
}


def examples() -> list[str]:
    return sorted(str(p.relative_to(SHARED / "data")) for f in FOLDERS for p in (SHARED / "data" / f).rglob("*.json"))


def codes(path: Path) -> set[str]:
    try:
        fhir.parse(path.read_bytes())
    except Refused as refused:
        return {issue.code for issue in refused.issues}
    return set()


@pytest.mark.parametrize("name", examples())
def test_parse_takes_the_example_as_r4_says(shared, name):
    code, why = EXCEPTIONS.get(name, ("", ""))
    assert codes(shared / "data" / name) == ({code} if code else set()), why


def test_the_table_of_exceptions_names_examples_that_exist():
    assert set(EXCEPTIONS) <= set(examples()) and len(examples()) > 180


def test_parse_refuses_the_negative_examples_that_break_base_r4_and_no_other(shared):
    found = {path.stem: codes(path) for path in (shared / "data" / "sdohcc" / "negative").glob("*.json")}
    assert found == {name: {code} if code else set() for name, (code, _) in NEGATIVE.items()}


@pytest.mark.parametrize("name", examples())
def test_stamp_loses_nothing_of_the_example(shared, name, clock_at):
    body = (shared / "data" / name).read_bytes()
    served = fhir.stamp(body, id="x", version=1, updated=clock_at)
    kept, sent = (json.loads(b, parse_float=str, parse_int=str) for b in (served, body))
    for tree in (kept, sent):
        tree.pop("id", None)
        tree.pop("meta", None)
    assert kept == sent
    if name not in EXCEPTIONS:
        assert fhir.rows(orjson.loads(served)) is not None


@pytest.fixture
def clock_at() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 3, 2, tzinfo=UTC)


def test_the_tables_are_up_to_date_with_their_source():
    command = [sys.executable, str(ROOT / "tests/tools/fhir_tables.py"), "--check", str(SHARED / "data" / "r4")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def _table(shared: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((shared / "data" / "r4" / "elements.json").read_text())
    return table


def _expected(table: dict[str, Any], path: str) -> dict[str, tuple[bool, bool]]:
    """JSON member -> (repeats, is required and no choice) of an element of R4."""
    found = {}
    for key, row in table.items():
        parent, _, name = key.rpartition(".")
        if parent != path:
            continue
        if name.endswith("[x]"):
            found |= {name[:-3] + type[0].upper() + type[1:]: (False, False) for type in row["types"]}
        else:
            found[name] = (row["max"] not in ("0", "1"), row["min"] > 0)
    return found


@pytest.mark.parametrize("type", sorted(facts.served_types()))
def test_the_compiled_elements_are_those_of_r4(shared, type):
    table = _table(shared)
    by_class = {"".join(part[0].upper() + part[1:] for part in path.split(".")): path for path in table}
    for found in reachable(type):
        if found.name in ("FHIRPrimitiveExtension", "Element") or found.name in NOT_IN_R4:
            continue
        expected = _expected(table, by_class[found.name])
        assert {name: (field.many, field.required) for name, field in found.fields.items()} == expected, found.name
        for choice, required in found.choices.items():
            assert required == (table[f"{by_class[found.name]}.{choice}[x]"]["min"] > 0)


def test_every_required_code_and_target_of_r4_is_in_the_compiled_elements(shared):
    """So that no class name in the tables goes unread."""
    read_codes, read_targets = set(), set()
    for type in facts.served_types():
        for found in reachable(type):
            for field in found.fields.values():
                if field.codes:
                    read_codes.add(f"{found.name}.{field.choice or field.name}")
                if field.targets:
                    read_targets.add(f"{found.name}.{field.choice or field.name}")
    tables = ROOT / "adapter" / "fhir" / "tables"
    bound, targets = (json.loads((tables / f"{name}.json").read_text()) for name in ("bindings", "targets"))
    unread = {key for key in set(bound) - read_codes if element_exists(key)} - {"Condition.clinicalStatus", "Condition.verificationStatus"}
    assert unread == set()
    assert {key for key in set(targets) - read_targets if element_exists(key)} == set()


def element_exists(key: str) -> bool:
    """Is the element in the schema of a served type? ElementDefinition and the like are in none."""
    try:
        return key.split(".")[1] in {f.choice or f.name for f in element(key.split(".", maxsplit=1)[0]).fields.values()}
    except KeyError:
        return False
