"""The applied network: kept as JSON, joined with the earlier one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapter.errors import SettingsError
from adapter.network import Network, from_json, load, merged, parse, to_json
from tests.unit.network.network import TEXT, changed

DEMO = Path(__file__).resolve().parents[3] / "mappings" / "demo" / "network.yaml"


@pytest.mark.parametrize("network", [parse(TEXT), load(DEMO), Network(), merged(parse(TEXT), load(DEMO))])
def test_json_gives_the_same_network_back(network: Network) -> None:
    assert from_json(to_json(network)) == network


def test_from_json_takes_defaults_for_keys_that_were_not_yet_and_leaves_unknown_ones() -> None:
    assert from_json(b'{"version": 1, "later": true, "organisations": []}') == Network()


@pytest.mark.parametrize("kept", [b"", b"[]", b'{"organisations": 3}', b"\xff"])
def test_from_json_refuses_what_is_no_network(kept: bytes) -> None:
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        from_json(kept)
    assert "network apply" in caught.value.fix


def test_merged_keeps_what_was_removed_as_inactive() -> None:
    text = changed(
        ('  - {key: gp, name: Dr Anne de la Tour, role: doctor, organisation: clinic, identifiers: {rpps: "00000000101"}}\n', ""),
        (", gp: PractitionerRole/9", ""),
        ("  - {id: asso-app, organisation: asso, unit: coursier, secret_file: secrets/asso, scopes: [views]}\n", ""),
        ("      - key: pool\n        name: Portage", "      - key: new\n        name: Neuve"),
    )
    later = merged(parse(TEXT), parse(text))
    person, unit, new = later.person("gp"), later.unit("pool"), later.unit("new")
    assert person is not None and not person.active
    assert unit is not None and not unit.active and later.organisation_of_unit("pool") == "asso"
    assert new is not None and new.active
    assert later.client("asso-app") is None and later.client("clinic-app") is not None
    assert [client.id for client in later.clients] == ["clinic-app", "asso-app"]


def test_merged_turns_an_organisation_with_all_it_has_inactive_when_it_is_gone() -> None:
    later = merged(parse(TEXT), replace(parse(TEXT), organisations=(), people=(), clients=()))
    clinic = later.organisation("clinic")
    assert clinic is not None and not clinic.active and not any(unit.active for unit in clinic.units)
    assert clinic.ehr is not None and not clinic.ehr.active
    assert later.ehr_of("clinic") is None and later.ehrs() == [] and later.units_for() == []


def test_merged_turns_only_the_ehr_off_when_the_clinic_has_none_any_more() -> None:
    text = TEXT
    start, end = text.index("    ehr:\n"), text.index("  - key: asso")
    later = merged(parse(TEXT), parse(text[:start] + text[end:]))
    clinic = later.organisation("clinic")
    assert clinic is not None and clinic.active and clinic.ehr is not None and not clinic.ehr.active


def test_merged_brings_back_what_returns_and_changes_nothing_when_applied_twice() -> None:
    gone = merged(parse(TEXT), replace(parse(TEXT), people=()))
    assert merged(gone, parse(TEXT)) == parse(TEXT)
    assert merged(gone, replace(parse(TEXT), people=())) == gone


def test_merged_refuses_a_key_that_changes_what_it_is() -> None:
    with pytest.raises(SettingsError, match="was a service and is a clinic now"):
        other = parse(TEXT).organisations
        merged(parse(TEXT), replace(parse(TEXT), organisations=(other[0], replace(other[1], kind="clinic"))))
    with pytest.raises(SettingsError, match="unit of another organisation"):
        moved = tuple(
            replace(o, units=tuple(reversed(units))) for o, units in zip(other, ((other[1].units), (other[0].units)), strict=True)
        )
        merged(parse(TEXT), replace(parse(TEXT), organisations=moved))
