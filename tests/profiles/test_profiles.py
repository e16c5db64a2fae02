"""What Liaison means by a referral, judged by the engine that HL7 itself uses (validator.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.names import Systems
from tests.validator import WAIVERS, OfficialValidator, read, unknown_codes, write_code_systems

pytestmark = [pytest.mark.profiles, pytest.mark.shared]
Resources = dict[str, dict[str, Any]]


@pytest.fixture
def shape(shared: Path) -> Resources:
    """The recommended shape of one referral, by type, free to be spoilt."""
    return {
        resource["resourceType"] if resource["id"] != "cbo" else "Recipient": resource for resource in read([shared / "data" / "shape"])
    }


def test_selftest_finds_nothing_wrong_when_the_guides_are_loaded(official_validator: OfficialValidator) -> None:
    assert official_validator.selftest() == ""


def test_shape_passes_strictly_when_taken_as_a_whole(official_validator: OfficialValidator, shared: Path) -> None:
    assert official_validator.check([shared / "data" / "shape"], strict=True) == []


def test_shape_passes_strictly_when_each_is_taken_alone(official_validator: OfficialValidator, shared: Path) -> None:
    assert official_validator.check([shared / "data" / "shape"], bundle=False, strict=True) == []


def test_check_refuses_a_task_when_it_focuses_on_the_patient(official_validator: OfficialValidator, shape: Resources) -> None:
    shape["Task"]["focus"] = {"reference": "Patient/p1"}
    found = official_validator.check(list(shape.values()))
    assert found and all("focus" in line for line in found)


def test_check_refuses_a_consent_when_it_names_no_policy(official_validator: OfficialValidator, shape: Resources) -> None:
    del shape["Consent"]["policy"]
    found = official_validator.check(list(shape.values()))
    assert found and all("ppc-1" in line for line in found)


def test_check_refuses_a_request_when_its_profile_is_unknown(official_validator: OfficialValidator, shape: Resources) -> None:
    shape["ServiceRequest"]["meta"]["profile"] = ["http://hl7.org/fhir/us/sdoh-clinicalcare/StructureDefinition/SDOHCC-Misspelt"]
    found = official_validator.check([shape["ServiceRequest"]], bundle=False)
    assert [line for line in found if "SDOHCC-Misspelt" in line]


@pytest.mark.parametrize("table", ["need", "service", "business-status"])
def test_check_refuses_a_code_of_ours_when_no_table_has_it(official_validator: OfficialValidator, shape: Resources, table: str) -> None:
    text = json.dumps(list(shape.values()))
    spoilt = json.loads(text.replace(f'CodeSystem/{table}", "code": "', f'CodeSystem/{table}", "code": "never-'))
    assert spoilt != json.loads(text)
    found = official_validator.check(spoilt, bundle=False)
    assert [line for line in found if f"{table}#never-" in line]


def test_code_systems_hold_every_code_of_a_table_when_written(tmp_path: Path) -> None:
    terms, own = tmp_path / "terms", tmp_path / "own"
    terms.mkdir()
    (terms / "tastes.yaml").write_text("table: taste\ncodes:\n  salty: {fr: Salé, en: Salty}\n  sweet: {fr: Sucré, en: Sweet}\n", "utf-8")
    (written,) = write_code_systems(own, terms=terms, systems=Systems("https://house.test"))
    system = json.loads(written.read_text("utf-8"))
    assert system["url"] == "https://house.test/CodeSystem/taste"
    assert system["content"] == "complete"
    assert system["concept"] == [{"code": "salty", "display": "Salé"}, {"code": "sweet", "display": "Sucré"}]


def test_unknown_codes_are_found_when_another_coding_hides_them_from_the_engine() -> None:
    systems, task = Systems(), {"resourceType": "Task", "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}}
    own = {systems.code("need"): {"isolement"}}
    task["code"]["coding"] += [{"system": systems.code("need"), "code": code} for code in ("isolement", "isolment")]
    assert list(unknown_codes([task], own)) == ["[0].code.coding[2].code https://liaison.example/CodeSystem/need#isolment"]


def test_check_refuses_to_judge_nothing_when_a_folder_is_empty(official_validator: OfficialValidator, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to validate"):
        official_validator.check([tmp_path])


PROFILE_DEFECTS = ("order-detail-slice",)  # its discriminator is fixed by nothing: no orderDetail passes it


def test_waivers_say_why_and_name_only_warnings_when_they_are_ours() -> None:
    for rule in json.loads(WAIVERS.read_text(encoding="utf-8"))["waivers"]:
        assert len(rule["why"]) > 40, rule["name"]
        assert rule["severity"] == "warning" or rule["name"] in PROFILE_DEFECTS, "an error of ours is mended, not waived"
        assert rule.keys() >= {"id", "path", "text"}, "a waiver names exactly what it covers"


def test_waivers_of_ours_are_each_needed_when_the_shape_is_checked(official_validator: OfficialValidator, shared: Path) -> None:
    official_validator.check([shared / "data" / "shape"], strict=True)
    assert official_validator.unused() == []
