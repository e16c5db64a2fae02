"""Questions asked of the network."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest

from adapter.network import Network, Unit, merged, parse
from tests.unit.network.network import TEXT, changed

NETWORK = parse(TEXT)


def test_lookups_answer_none_when_nobody_has_the_key() -> None:
    assert (NETWORK.organisation("x"), NETWORK.unit("x"), NETWORK.unit_organisation("x"), NETWORK.person("x"), NETWORK.client("x")) == (
        None,
    ) * 5
    assert (NETWORK.ehr_of("x"), NETWORK.view_of("x"), NETWORK.organisation_of_unit("x"), NETWORK.organisation_of_person("x")) == (
        None,
    ) * 4


def test_lookups_find_the_organisation_of_units_and_people_when_they_are_there() -> None:
    assert NETWORK.organisation_of_unit("pool") == "asso"
    assert NETWORK.organisation_of_person("gp") == "clinic"
    assert NETWORK.organisation_of_person("lea") == "asso"  # by her unit


@pytest.mark.parametrize(
    ("at", "serves"),
    [
        ("2026-02-28T22:59:59+00:00", False),
        ("2026-02-28T23:00:00+00:00", True),  # the first of March in Paris
        ("2026-03-06T22:59:59+00:00", True),
        ("2026-03-06T23:00:00+00:00", False),
    ],
)
def test_person_is_in_service_from_the_first_day_to_the_last_in_the_networks_zone(at: str, serves: bool) -> None:
    people = tuple(replace(each, start=date(2026, 3, 1), end=date(2026, 3, 6)) for each in NETWORK.people)
    assert (replace(NETWORK, people=people).serving("gp", datetime.fromisoformat(at)) is not None) is serves
    gone = tuple(replace(each, active=False) for each in NETWORK.people)
    assert replace(NETWORK, people=gone).serving("gp", datetime.fromisoformat(at)) is None
    assert NETWORK.serving("gp", datetime.fromisoformat(at)) == NETWORK.person("gp") and NETWORK.serving("x", datetime.fromisoformat(at)) is None


def test_view_of_is_the_category_and_for_a_clinic_the_requesters() -> None:
    assert (NETWORK.view_of("asso"), NETWORK.view_of("clinic")) == ("coursier-dac-asso", "prescripteur")


def test_ehrs_lists_those_in_use_only() -> None:
    assert [ehr.name for ehr in NETWORK.ehrs()] == ["clinic"]
    assert NETWORK.ehr_of("asso") is None


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({}, ["coursier", "pool"]),
        ({"need": "denutrition", "commune": "76540", "age": 80, "scheme": "regime-general"}, ["coursier", "pool"]),
        ({"need": "expulsion"}, ["coursier"]),
        ({"commune": "76681"}, ["coursier"]),  # same department, another commune
        ({"commune": "75056"}, []),
        ({"age": 59}, ["coursier"]),
        ({"age": 60}, ["coursier", "pool"]),
        ({"age": 90}, ["coursier", "pool"]),
        ({"age": 91}, ["coursier"]),
        ({"age": 17}, []),
        ({"scheme": "msa"}, ["coursier"]),
    ],
)
def test_units_for_leaves_out_units_that_do_not_take_such_a_person(asked: dict[str, object], keys: list[str]) -> None:
    assert [unit.key for unit in NETWORK.units_for(**asked)] == keys  # type: ignore[arg-type]


def test_units_for_leaves_out_clinics_and_what_is_inactive() -> None:
    later = merged(NETWORK, parse(changed(("      - key: pool\n        name: Portage", "      - key: other\n        name: Autre"))))
    assert [unit.key for unit in later.units_for(age=80)] == ["coursier", "other"]
    assert later.unit("pool") is not None


def test_telling_holds_for_every_unit_of_a_telling_organisation() -> None:
    text = changed(
        ("category: coursier-dac-asso", "category: coursier-dac-asso\n    telling: true"),
        ("stage: pool", 'stage: pool\n        relay_phone: "06 39 98 00 09"'),
        ("service: intervention", 'relay_phone: "06 39 98 00 09"\n        service: intervention'),
    )
    network = parse(text)
    assert network.telling("asso") and network.telling("pool") and not network.telling("clinic") and not network.telling("desk")
    assert not network.telling("nobody")


@pytest.mark.parametrize(("territory", "commune", "serves"), [
    ((), "76540", True), (("76",), None, True), (("76",), "", True), (("2A",), "2A004", True), (("2A",), "2B033", False),
    (("974",), "97411", True), (("974",), "97209", False), (("76540",), "76540", True), (("76540",), "76541", False),
])  # fmt: skip
def test_unit_serves_communes_and_departments(territory: tuple[str, ...], commune: str | None, serves: bool) -> None:
    assert Unit("u", "U", territory=territory).serves(commune) is serves


def test_network_by_default_is_open_on_weekdays() -> None:
    assert {opening.day for opening in Network().hours} == {0, 1, 2, 3, 4}
