"""README's tables of settings and of the network file are those that the programme knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapter.errors import SettingsError
from adapter.network import parse
from tests.readme import rows

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text("utf-8")
HEAD = "version: 1\norganisations: [{key: a, kind: clinic, name: A, %s}]\n"
PARTS = {  # a network file with one unknown key, far from every known one, in each part
    "the file": "version: 1\norganisations: []\nzzzzzzzz: 1\n",
    "organisation": HEAD % "zzzzzzzz: 1",
    "unit": HEAD % "units: [{key: u, name: U, zzzzzzzz: 1}]",
    "closure": HEAD % "units: [{key: u, name: U, closures: [{from: 2026-08-03, zzzzzzzz: 1}]}]",
    "ehr": HEAD % "ehr: {url: https://ehr.example/fhir, auth: none, zzzzzzzz: 1}",
    "auth": HEAD % "ehr: {url: https://ehr.example/fhir, auth: {kind: bearer, secret_file: s, zzzzzzzz: 1}}",
    "limits": HEAD % "ehr: {url: https://ehr.example/fhir, auth: none, limits: {zzzzzzzz: 1}}",
    "person": HEAD % "" + "people: [{key: p, name: Dr P Q, role: doctor, organisation: a, zzzzzzzz: 1}]\n",
    "client": HEAD % "" + "clients: [{id: c, organisation: a, secret_file: s, zzzzzzzz: 1}]\n",
}


def table(head: str) -> list[str]:
    """First cells of the table under that heading cell."""
    found = re.search(rf"^\| {re.escape(head)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", README, re.MULTILINE)
    assert found, f"README has no table {head}"
    return [line.split("|")[1] for line in found[1].splitlines()]


def test_settings_of_readme_are_all_there_are_with_their_defaults_and_meaning() -> None:
    body = README.partition("## Settings\n")[2].partition("\n## ")[0]
    assert [line for line in body.splitlines() if line.startswith("| `LIAISON_")] == rows(), "python -m tests.readme prints the rows"


@pytest.mark.parametrize("part", PARTS)
def test_keys_of_the_network_file_in_readme_are_all_that_it_takes(part: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(PARTS[part].replace(", }", "}"))
    (known,) = re.findall(r"zzzzzzzz: unknown key; known here: (.*)", str(caught.value))
    named = [name for cell in table(part) for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(known.split(", "))


def test_places_that_point_to_readme_find_their_section() -> None:
    for place in ("adapter/cli/init.py", "mappings/demo/network.yaml", "docker/network-sandbox.yaml"):
        assert 'README, "The network file"' in (ROOT / place).read_text("utf-8"), place
    assert "\n## The network file\n" in README and "\n## Settings\n" in README
    for link in re.findall(r"\]\(#([\w-]+)\)", README):
        assert link in {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", README, re.MULTILINE)}
    for file in re.findall(r"\]\(([\w/.]+)\)", README):
        assert (ROOT / file).exists(), file
