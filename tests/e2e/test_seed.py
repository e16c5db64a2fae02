"""`liaison seed`: 20 invented people, every state, by the acts that people do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapter import audit, network
from adapter.cli import seeding
from adapter.cli.invented import PEOPLE
from adapter.cli.program import program
from adapter.errors import SettingsError
from adapter.referral.states import STATES
from tests.e2e.stage import ROOT, Stage, staged

BUSINESS = {"non-lu", "contact-tente", "rdv-fixe", "absent-1", "complement-demande"}


@pytest.fixture(scope="module")
def sown() -> Iterator[tuple[Stage, list[seeding.Sown]]]:
    """Sown once for all tests that only look."""
    with staged() as stage:
        yield stage, seeding.sow(stage.app)


def resources(stage: Stage, type: str) -> list[dict[str, Any]]:
    from adapter.dossier import content
    from adapter.fhir import query

    return stage.app.read_now(lambda _, uow: [content(each) for each in uow.search(replace(query(type, []), count=200))])


# ── every state ──────────────────────────────────────────────────────────────────────────────────
def test_seed_has_a_referral_in_every_state(sown: tuple[Stage, list[seeding.Sown]]) -> None:
    stage, found = sown
    assert {each.status for each in found} == set(STATES) - {"entered-in-error"}
    assert {each.business for each in found} - {""} == BUSINESS
    told = seeding.counts(found)
    assert sum(told.values()) == len(found) == len(resources(stage, "Task")) and told["draft"] == 2


def test_seed_tells_what_each_is_there_for(sown: tuple[Stage, list[seeding.Sown]]) -> None:
    stage, found = sown
    by_shows: dict[str, list[seeding.Sown]] = {}
    for each in found:
        by_shows.setdefault(each.shows, []).append(each)
    assert len({row.shows for row in PEOPLE}) == len(by_shows) == 20
    assert {each.status for each in by_shows["in progress"]} == {"in-progress"}
    withdrawn = by_shows["withdrawn, at a service whose name tells"]
    assert [each.status for each in withdrawn] == ["cancelled"] and stage.app.network.telling(withdrawn[0].unit)
    assert len(by_shows["sensitivity 3"]) == 2  # a request of its own for what weighs most
    assert [each.status for each in by_shows["further service"]] == ["in-progress", "requested"]
    assert [each.status for each in by_shows["rejected, replaced by another"]] == ["rejected", "requested"]
    assert stage.app.network.unit(by_shows["offered to a pool"][0].unit).stage == "pool"  # type: ignore[union-attr]
    urgent = {request["priority"] for request in resources(stage, "ServiceRequest")}
    assert {"urgent", "routine"} <= urgent
    mappings = {each.get("meta", {}).get("source", "").split("/")[-2] for each in resources(stage, "ServiceRequest")}
    assert {"appel-coursier", "fiche-st-eloi"} <= mappings  # both pilots


def test_seed_goes_through_the_ordinary_doors(sown: tuple[Stage, list[seeding.Sown]]) -> None:
    """Consent as the flow demands, letters for the EHR, an audit trail that verifies: as for anybody's referral."""
    stage, found = sown
    requests = {each["id"]: each for each in resources(stage, "ServiceRequest")}
    consents = {f"Consent/{each['id']}": each for each in resources(stage, "Consent")}
    for task in resources(stage, "Task"):
        request = requests[task["focus"]["reference"].partition("/")[2]]
        named = {consents[each["reference"]]["status"] for each in request["supportingInfo"]}
        open_ = task["status"] in ("requested", "accepted", "in-progress", "on-hold")
        assert named <= ({"active"} if open_ else {"proposed"} if task["status"] == "draft" else {"inactive", "rejected"})
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(after=0, limit=100_000))
    assert audit.verify(rows).ok and len(rows) > 3 * len(found)
    letters = stage.app.read_now(lambda _, uow: list(uow.letters()))
    drafts = {f"{each['id']}" for each in resources(stage, "Task") if each["status"] == "draft"}
    assert letters and not drafts & {each.id for each in letters}
    assert stage.app.read_now(lambda _, uow: list(uow.conflicts())) == []


# ── nobody real ──────────────────────────────────────────────────────────────────────────────────
def test_seed_has_no_identifier_that_somebody_could_have(sown: tuple[Stage, list[seeding.Sown]]) -> None:
    stage, _ = sown
    patients = resources(stage, "Patient")
    assert len(patients) == len(PEOPLE) == len({row.family for row in PEOPLE}) == 20
    for patient in patients:
        assert [each["system"] for each in patient["identifier"]] == [stage.app.systems.sid("patient")]
        assert all(re.fullmatch(r"\+336399810\d\d", each["value"]) for each in patient["telecom"])  # the range for fiction
        assert all("Exemple" in line for address in patient["address"] for line in address["line"])
    said = json.dumps([each for type in ("Patient", "ServiceRequest", "Task", "RelatedPerson") for each in resources(stage, type)])
    assert not re.search(r"(?<![\d-])[12]\d{12}(\d\d)?(?!\d)", said)  # nothing that looks like a social security number


# ── the same each time ───────────────────────────────────────────────────────────────────────────
def test_seed_makes_the_same_with_the_same_clock(sown: tuple[Stage, list[seeding.Sown]]) -> None:
    with staged() as other:
        assert seeding.sow(other.app) == sown[1]


# ── the command ──────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a key, a new database and nobody in its network yet."""
    monkeypatch.setenv("LIAISON_SECRET_KEY", "k" * 40)
    monkeypatch.setenv("LIAISON_DATABASE_URL", f"sqlite:///{tmp_path / 'liaison.db'}")
    assert run("db", "upgrade").exit_code == 0
    return tmp_path


def run(*words: str) -> Any:
    return CliRunner().invoke(program(), list(words), catch_exceptions=True)


def apply(folder: Path, file: Path) -> None:
    from adapter.cli import house

    text = file.read_text(encoding="utf-8")
    with house.opened(house.settings()) as opened:
        opened.apply_network(network.parse(text))


def test_seed_prints_counts_and_refuses_where_referrals_are(placed: Path) -> None:
    apply(placed, ROOT / "mappings" / "demo" / "network.yaml")
    first = run("seed", "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert told["people"] == 20 and told["referrals"] == len(told["made"]) == sum(told["states"].values())
    again = run("seed")
    assert isinstance(again.exception, SettingsError) and f"{told['referrals']} referrals" in str(again.exception)
    more = run("seed", "--add")
    assert more.exit_code == 0 and more.stdout.rstrip().endswith(f"{told['referrals']}  referrals of 20 invented people")
    third = json.loads(run("seed", "--add", "--json").stdout)
    assert third["states"] == told["states"] and not {each["task"] for each in third["made"]} & {each["task"] for each in told["made"]}


def test_seed_says_what_the_network_lacks(placed: Path) -> None:
    nobody = run("seed")
    assert isinstance(nobody.exception, SettingsError) and "rpps" in str(nobody.exception)


def test_seed_finds_its_way_in_the_small_network_of_the_sandbox(placed: Path) -> None:
    apply(placed, ROOT / "docker" / "network-sandbox.yaml")
    told = json.loads(run("seed", "--json").stdout)
    assert {each["unit"] for each in told["made"]} == {"coursier-rouen"}
    assert {each["status"] for each in told["made"]} == set(STATES) - {"entered-in-error"}
