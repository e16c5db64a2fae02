"""The place of a unit in RDV Service Public, as the network file names it."""

from __future__ import annotations

import pytest

from adapter.errors import SettingsError
from adapter.network import RdvEntry, Secret, from_json, parse, to_json
from tests.unit.network.network import TEXT, changed


def written(rdv: str) -> str:
    return changed(("ages: 18+", f"ages: 18+\n        rdv: {rdv}"))


def test_unit_has_an_organisation_there_and_a_secret_by_file_or_variable() -> None:
    for secret, found in (("secret_file: secrets/rdv", Secret(file="secrets/rdv")), ("secret_variable: RDV_SECRET", Secret(variable="RDV_SECRET"))):
        network = parse(written(f"{{organisation_id: 309, {secret}}}"))
        unit = network.unit("coursier")
        assert unit is not None and unit.rdv == RdvEntry(309, found)
        assert from_json(to_json(network)) == network
    assert all(unit.rdv is None for _, unit in parse(TEXT).units())


@pytest.mark.parametrize(("rdv", "says"), [
    ("{organisation_id: 309}", "exactly one of secret_file and secret_variable"),
    ("{organisation_id: 309, secret_file: a, secret_variable: B}", "exactly one of secret_file and secret_variable"),
    ("{secret_file: a}", "organisation_id is missing"), ("{organisation_id: zyx, secret_file: a}", "a whole number"),
    ("{organisation_id: 309, secret: zyx-secret}", "a secret is not written here"), ("{organisation_id: 309, secret_fil: a}", "did you mean secret_file?"),
    ("309", "expected keys and values"), ("{organisation_id: 309, secret_variable: LIAISON_RDV}", "environment variable"),
])  # fmt: skip
def test_mistake_is_named_with_its_line_and_no_secret_is_repeated(rdv: str, says: str) -> None:
    text = written(rdv)
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "rdv:" in each)
    with pytest.raises(SettingsError) as caught:
        parse(text, file="n.yaml")
    assert any(each.startswith(f"n.yaml:{line}:") and says in each for each in str(caught.value).splitlines())
    assert "zyx" not in str(caught.value)
