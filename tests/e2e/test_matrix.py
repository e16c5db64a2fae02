"""The matrix of recipients × data classes (france.md 3.4), cell by cell: a token of each class in the stored resources, the consent
present, absent, expired, inactive at the EHR or withdrawn, before and after acceptance, in the team and out of it, through every
door of the recipient's own software. What each cell means is written here, not taken from the view files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import pytest

from adapter.network import parse
from adapter.network.model import PAPER_ONLY
from adapter.ports import Letter, Resource
from adapter.views import load_declared, load_views
from tests.conftest import SHARED
from tests.unit.views.looks import NEEDS, ROOT
from tests.unit.views.test_load import MATRIX
from tests.worlds.observer import TYPES
from tests.worlds.planted import CONSENTS, DOCTOR, SERVICES, STAGES, TOKENS, Case, Software, found_in, network, plant, seen, unit_of
from tests.worlds.world import World, world

Row = dict[str, str]
OURS = {"dossier-clinique", "secretariat"}  # rows of our own (workflow.md 5); a trainee has the row of the unit
OUTSIDE = "as-carsat"  # the row of an as-msp-equipe who is not of that person's team
LINES = {"D4", "D5", "D12"}  # a list has lines: what helps to choose a file, and initials (workflow.md 6)
CALM = "numerique-acces"  # a need that requires no class


def _rows() -> dict[str, Row]:
    """The published matrix where it is at hand; else the project's own, which the first test holds against it."""
    file = SHARED / "data" / "fr" / "view_matrix.csv"
    if not file.is_file():
        return {name: dict(cells) for name, cells in MATRIX.rows.items()}
    with file.open(encoding="utf-8") as opened:
        return {row.pop("destinataire"): row for row in csv.DictReader(opened, delimiter=";")}


ROWS = _rows()
VIEWS = load_views()


@pytest.mark.shared
def test_the_projects_matrix_is_the_published_one_and_every_row_has_a_file() -> None:
    assert {name: dict(cells) for name, cells in MATRIX.rows.items()} == ROWS
    declared = load_declared()
    assert set(ROWS) == {*VIEWS, *declared} - {"stagiaire"} and set(VIEWS) >= OURS
    assert set(SERVICES) | {"prescripteur", "patient"} | OURS == set(VIEWS)
    assert {name for name, row in ROWS.items() if "P" in row.values()} == set(PAPER_ONLY) == {name for name, each in declared.items() if each.way == "paper"}
    assert declared["stagiaire"].recipient == "" and declared["stagiaire"].way == "unit"


# ── what a cell means ────────────────────────────────────────────────────────────────────────────
def ground(category: str, case: Case) -> str:
    """On what the recipient looks: team (of an as-msp-equipe in the person's team), consent, or "" nothing."""
    if case.consent == "withdrawn":
        return ""
    if category == "as-msp-equipe" and case.team:
        return "team"
    return "consent" if case.consent == "present" else ""


def expected(category: str, stage: str, case: Case, needed: frozenset[str], *, demanded: bool = False) -> frozenset[str]:
    """The classes that come out. `needed`: the classes that the needs asked for require; `demanded`: what is shown on demand was
    asked for."""
    on = ground(category, case)
    row = ROWS[OUTSIDE if category == "as-msp-equipe" and on != "team" else category]
    if not on:
        return frozenset()
    shown = set()
    for cls, cell in row.items():
        match cell:
            case "Y":  # information and right to object: on consent or on the team's basis
                shown.add(cls)
            case "C":
                shown |= {cls} if on == "consent" else set()
            case "c":
                shown |= {cls} if on == "consent" and cls in needed else set()
            case "s":  # the status, which is the token of D12 here; never the dates
                shown.add(cls)
            case "y":  # only when asked for
                shown |= {cls} if demanded else set()
            case "n" | "P" | "agg" | "hors":
                pass
            case _:
                raise AssertionError(cell)
    shown -= {"D8"}  # all there is of it are the prescriber's own words: in no view but his (workflow.md 1)
    if stage == "pool" and not case.accepted:
        shown &= {"D4", "D5"}  # before acceptance: need, deadline, area, age class, reference (workflow.md 6)
    return frozenset(shown)


def needs_of(category: str, *, requiring: bool) -> tuple[tuple[str, ...], frozenset[str]]:
    """Needs that require every class the row leaves to the need, and those classes; or a need that requires none."""
    row = OUTSIDE if category == "as-msp-equipe" else category
    required = {cls for cls, cell in ROWS[row].items() if cell == "c"}
    assert set(VIEWS[row].needs_for) == required
    assert not any(CALM in codes for codes in VIEWS[row].needs_for.values())
    if not requiring or not required:
        return (CALM,), frozenset()
    chosen = dict.fromkeys(min(code for code in VIEWS[row].needs_for[cls] if NEEDS[code].sensitivity < 3) for cls in sorted(required))
    return tuple(chosen), frozenset(required)


@contextmanager
def planted(category: str, case: Case, *, paper: bool = False) -> Iterator[tuple[World, dict[str, Resource]]]:
    with world() as made:
        made.app.apply_network(network(paper=paper))
        yield made, {stage: plant(made, category, stage, case) for stage in STAGES}


# ── the recipients with an electronic view ───────────────────────────────────────────────────────
@pytest.mark.parametrize("consent", CONSENTS)
@pytest.mark.parametrize("category", SERVICES)
def test_cell_is_kept_at_every_door(category: str, consent: str) -> None:
    for accepted, team, requiring in product((False, True), (False, True), (True, False)):
        needs, needed = needs_of(category, requiring=requiring)
        case = Case(consent, accepted, team, needs)
        with planted(category, case) as (made, tasks):
            for stage, task in tasks.items():
                wanted = expected(category, stage, case, needed)
                software = Software(made, f"c-{category}-{stage}", unit_of(category, stage), category)
                found = seen(software, task, needs)
                told = (category, stage, case)
                for door in ("card", "search", "read"):
                    assert found[door][0] == wanted, (door, *told, sorted(found[door][0] ^ wanted))
                assert found["demand"][0] == expected(category, stage, case, needed, demanded=True), told
                assert found["list"][0] == wanted & LINES, told
                assert not found["notices"][0] and found["owed"][0] <= wanted & {"D11"}, told  # since when the sheet is owed
                assert (found["card"][1] | found["demand"][1], found["read"][1] - {200}) == (({200}, set()) if ground(category, case) else ({404}, {404})), told
                assert found["list"][1] == found["notices"][1] == {200}, told


def test_every_class_comes_out_of_some_door_and_the_tokens_of_no_line_of_none() -> None:
    """Without this, the cells above could hold in a house that shows nothing."""
    shown = {
        cls for category in SERVICES for requiring in (True, False)
        for cls in expected(category, "named", Case("present", True, False, ()), needs_of(category, requiring=requiring)[1])
    }  # fmt: skip
    assert shown == {f"D{number}" for number in range(1, 13)} - {"D8"}
    assert set(TOKENS) - shown == {"D8", "D13", "D9 name", "D12 dates"}


@pytest.mark.parametrize("stage", STAGES)
def test_another_services_software_gets_nothing_of_it(stage: str) -> None:
    for category, rival in zip(SERVICES, (*SERVICES[1:], SERVICES[0]), strict=True):
        needs, _ = needs_of(category, requiring=True)
        with planted(category, Case("present", True, False, needs)) as (made, tasks):
            found = seen(Software(made, f"c-{rival}-{stage}", unit_of(rival, stage), rival), tasks[stage], needs)
            assert {door: classes for door, (classes, _) in found.items() if classes} == {}
            assert found["card"][1] == {404}


# ── the prescriber, and what goes to the EHR ─────────────────────────────────────────────────────
@pytest.mark.parametrize("consent", CONSENTS)
def test_prescriber_sees_the_row_of_the_prescriber_whatever_the_consent(consent: str) -> None:
    """On the card of his own request; his own name is not said to him (D10), the number of the social security on demand (D3)."""
    shown = {cls for cls, cell in ROWS["prescripteur"].items() if cell in "Ys"} - {"D3", "D10"}
    shown -= {"D12"} if consent == "withdrawn" else set()  # the appointment, which is the token, ends with the Task
    assert {"D3", "D10"} <= {cls for cls, cell in ROWS["prescripteur"].items() if cell == "Y"} and "D8" in shown  # his own words
    for accepted, team in product((False, True), (False, True)):
        needs, _ = needs_of("as-carsat", requiring=True)
        with planted("as-carsat", Case(consent, accepted, team, needs)) as (made, tasks):
            software = Software(made, "clinic", DOCTOR.organisation, "prescripteur")
            for task in tasks.values():
                _, status, _, body = software.ask("GET", f"/views/prescripteur/referrals/{software.own(task)}")
                assert (status, found_in(body, needs)) == (200, shown), (consent, accepted, team)
                assert found_in(software.ask("GET", f"/views/prescripteur/referrals/{software.own(task)}?demand=D3&demand=D6,D9")[3], needs) == shown | {
                    "D3", "D6", "D9"
                }  # fmt: skip
            assert found_in(software.ask("GET", "/views/prescripteur/referrals")[3], needs) == shown  # his own patients: cards


@pytest.mark.parametrize("consent", CONSENTS)
def test_letters_to_the_ehr_hold_what_the_row_of_the_record_gives(consent: str) -> None:
    row = ROWS["dossier-clinique"]
    needs, _ = needs_of("as-carsat", requiring=True)
    with planted("as-carsat", Case(consent, False, True, needs)) as (made, tasks):
        task = tasks["named"]
        request = task["focus"]["reference"].partition("/")[2]
        left: list[bytes] = []
        for type in ("ServiceRequest", "Task", "Consent", "Patient", "CareTeam"):
            for each in made.stored(type):
                letter = Letter(DOCTOR.organisation, request, type, each["id"], due=made.clock.now())
                out = made.app.read_now(lambda story, uow, letter=letter: story.outgoing(uow, letter))
                left.append(repr(out).replace("'", '"').encode() if out and type in ("ServiceRequest", "Task", "Consent") else b"")
        found = found_in(b"".join(left), needs)
        assert found <= {cls for cls, cell in row.items() if cell in "Ys"}
        assert found == (frozenset({"D4", "D5", "D11", "D12"}) if consent in ("present", "expired") else frozenset())


# ── who has no electronic view, and who has no door yet ──────────────────────────────────────────
@pytest.mark.parametrize("category", PAPER_ONLY)
def test_landlord_employer_school_and_relative_get_404_at_every_door_M_07(category: str) -> None:
    """Even if such a one were in the network, as no file can put it, with an active Consent that names it."""
    case = Case("present", True, True, ("acces-droits",))
    with planted(category, case, paper=True) as (made, tasks):
        for stage, task in tasks.items():
            for view in (category, *SERVICES, "prescripteur", "dossier-clinique", "secretariat", "patient"):
                software = Software(made, f"c-{category}-{stage}", unit_of(category, stage), view)
                for path in ("referrals", f"referrals/{software.own(task)}", f"referrals/{task['id']}", "notices", "owed"):
                    assert software.ask("GET", f"/views/{view}/{path}")[1] == 404, (view, path)
                for verb in ("accept", "message", "withdraw"):
                    assert software.ask("POST", f"/views/{view}/referrals/{software.own(task)}/{verb}", match="x", body={})[1] == 404
            for type in TYPES:
                _, status, _, body = software.ask("GET", f"/fhir/{type}")
                assert status in (200, 404) and not found_in(body, case.needs) and (b'"entry"' not in body or type == "AuditEvent")  # its own calls
                assert not any(stored["id"].encode() in body for stored in made.stored(type))
                for stored in made.stored(type):
                    assert software.ask("GET", f"/fhir/{type}/{stored['id']}")[1] == 404


@pytest.mark.parametrize("category", [*PAPER_ONLY, "indicateurs", "secretariat", "dossier-clinique", "patient", "stagiaire"])
def test_no_network_file_makes_a_service_of_who_has_no_door(category: str) -> None:
    text = (ROOT / "mappings" / "demo" / "network.yaml").read_text("utf-8").replace("category: saad", f"category: {category}")
    with pytest.raises(Exception, match="category"):
        parse(text)


@pytest.mark.parametrize("view", ["patient", "secretariat", "stagiaire", "indicateurs", "dossier-clinique", *PAPER_ONLY])
def test_view_without_a_door_is_404_for_everybody(view: str) -> None:
    """Portal and indicators come later: until then these files are loaded, checked and projected in the unit tests, no more."""
    with planted("as-carsat", Case("present", True, False, ("acces-droits",))) as (made, tasks):
        for client, unit in [("clinic", DOCTOR.organisation), *((f"c-{each}-named", unit_of(each, "named")) for each in SERVICES)]:
            software = Software(made, client, unit, view)
            for path in ("referrals", f"referrals/{software.own(tasks['named'])}", "notices", "owed"):
                assert software.ask("GET", f"/views/{view}/{path}")[1] == 404, (client, path)
