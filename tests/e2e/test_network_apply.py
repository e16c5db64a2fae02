"""`liaison network apply` by its own words: what it refuses of the file's values, and what it says has changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.serving import Folder, settled

ROOT = Path(__file__).parents[2]
MISSPELT = {
    "[system/*.rs, views]": "[system/Pateint.rs, views]",
    "service: portage-repas": "service: portage-repa",
    "needs: [denutrition,": "needs: [denutrision,",
    "[system/*.cruds, intake, views]": "[system/*.cruds, intake, views]\n    purposes: [TREET]",
}
NEAREST = ("system/Patient.rs", "portage-repas", "denutrition", "TREAT")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return settled(tmp_path_factory.mktemp("house"))


def rewrite(house: Folder, *pairs: tuple[str, str]) -> str:
    """The network file of the demonstration, each first string replaced by the second."""
    text = (ROOT / "mappings" / "demo" / "network.yaml").read_text("utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    (house.path / "network.yaml").write_text(text, "utf-8")
    return text


def test_network_with_misspelt_values_is_refused_with_line_and_nearest_and_changes_nothing(house: Folder) -> None:
    text, before = rewrite(house, *MISSPELT.items()), house.rows()
    done = house.run("network", "apply")
    assert done.returncode == 2 and house.rows() == before
    lines = text.splitlines()
    for new, near in zip(MISSPELT.values(), NEAREST, strict=True):
        at = next(number for number, line in enumerate(lines, 1) if new.splitlines()[-1].strip() in line)
        (said,) = [line for line in done.stderr.splitlines() if f"did you mean {near}?" in line]
        assert f"network.yaml:{at}: " in said and "expected " in said
    assert done.stderr.count("did you mean") == len(MISSPELT)


@pytest.mark.parametrize("kept", ["mappings/demo/network.yaml", "docker/network-sandbox.yaml"])
def test_networks_that_come_with_liaison_are_taken(house: Folder, kept: str) -> None:
    shutil.copy(ROOT / kept, house.path / "other.yaml")
    done = house.run("network", "apply", "other.yaml")
    assert "did you mean" not in done.stderr and "expected" not in done.stderr


@pytest.mark.parametrize(("pair", "says"), [
    (("capacity: 6", "capacity: 7"), "the directory is as it was; changed: settings"),
    (("secret_file: secrets/cmp, scopes: [system/*.rs, views]", "secret_file: secrets/cmp, scopes: [views]"), "the directory is as it was; changed: clients"),
    (("interval: 15m", "interval: 20m"), "the directory is as it was; changed: EHRs"),
    (("name: Portage de repas et aide à domicile", "name: Portage"), "1 changed"),
])  # fmt: skip
def test_network_apply_says_truly_what_changed(tmp_path: Path, pair: tuple[str, str], says: str) -> None:
    house = settled(tmp_path)
    assert house.did("network", "apply").splitlines()[-1] == "nothing changed"
    rewrite(house, pair)
    assert house.did("network", "apply").splitlines()[-1] == says
    assert house.did("network", "apply").splitlines()[-1] == "nothing changed"
