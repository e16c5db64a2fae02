"""The directory, from the file to the store: what differs is written once, nothing opens access to anybody, a crash doubles nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter import network
from adapter.clock import FrozenClock
from adapter.directory import SERVICES, STRUCTURES, DirectorySystems, Import, Wanted, made, records, search
from adapter.dossier import content
from adapter.errors import Forbidden, Invalid, NotFound
from adapter.names import Systems
from adapter.ports import Change, Query
from adapter.store import upgrade
from tests.e2e.dying import Lives
from tests.e2e.stage import FRIDAY, GP, ROOT, Stage, staged
from tests.e2e.taking import counted, id_of, notes_in, stored, taken
from tests.property.chaos import process
from tests.unit.directory.records_of import service, structure


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


# ── what an import does ──────────────────────────────────────────────────────────────────────────
def test_import_writes_what_differs_and_the_same_again_changes_nothing(stage: Stage) -> None:
    rows = [structure(number) for number in range(5)]
    assert counted(taken(stage.app, STRUCTURES, rows)) == {"rows": 5, "new": 5}
    before = stage.app.read_now(lambda _, uow: uow.revision())
    assert counted(taken(stage.app, STRUCTURES, rows)) == {"rows": 5, "unchanged": 5}
    assert {each["meta"]["versionId"] for each in stored(stage.app, "Organization").values()} == {"1"}
    assert stage.app.read_now(lambda _, uow: uow.revision()) == before
    changed = taken(stage.app, STRUCTURES, [rows[0] | {"nom": "Autre nom"}, *rows[1:4], structure(9)])
    assert counted(changed) == {"rows": 5, "new": 1, "changed": 1, "unchanged": 3, "gone": 1}
    assert {(each.what, each.name, each.elements) for each in changed.samples} == {
        ("changed", "Autre nom", ("name", "name")), ("new", "Structure 9", ()), ("gone", "Structure 4", ()),
    }  # fmt: skip


def test_gone_is_inactive_with_its_place_and_comes_back(stage: Stage) -> None:
    taken(stage.app, STRUCTURES, [structure(0), structure(1)])
    taken(stage.app, STRUCTURES, [structure(0)])
    gone = id_of(stage.app, STRUCTURES, structure(1))
    assert stored(stage.app, "Organization")[gone]["active"] is False and stored(stage.app, "Location")[gone]["status"] == "inactive"
    assert counted(taken(stage.app, STRUCTURES, [structure(0), structure(1)])) == {"rows": 2, "changed": 1, "unchanged": 1}
    assert stored(stage.app, "Organization")[gone]["active"] is True and stored(stage.app, "Location")[gone]["status"] == "active"


def test_gone_is_of_its_own_source_and_not_of_a_part_and_never_most_of_it_unasked(stage: Stage) -> None:
    rows = [structure(number) for number in range(60)]
    taken(stage.app, STRUCTURES, rows)
    taken(stage.app, STRUCTURES, [structure(0) | {"source": "soliguide"}])
    assert counted(taken(stage.app, STRUCTURES, rows[:50], partial=True)) == {"rows": 50, "unchanged": 50}
    held = taken(stage.app, STRUCTURES, rows[:10])
    assert "gone" not in counted(held) and "--gone" in held.held
    unknown = taken(stage.app, STRUCTURES, [*rows[:55], {"nom": "sans id"}])
    assert counted(unknown) == {"rows": 56, "unchanged": 55, "rejected": 1} and unknown.held
    assert counted(taken(stage.app, STRUCTURES, rows[:10], sure=True)) == {"rows": 10, "unchanged": 10, "gone": 50}
    assert sum(each["active"] for each in stored(stage.app, "Organization").values()) == 11


def test_rows_that_are_refused_are_told_with_row_and_field_and_what_is_stored_of_them_stays(stage: Stage) -> None:
    taken(stage.app, STRUCTURES, [structure(0), structure(1)])
    told: list[tuple[int, str, bool]] = []
    rows = [structure(0), structure(1) | {"nom": ""}, structure(0), 7, structure(2) | {"courriel": "?"}]
    report = taken(stage.app, STRUCTURES, rows, told=lambda row, note: told.append((row, note.field, note.refused)), partial=True)
    assert counted(report) == {"rows": 5, "new": 1, "unchanged": 1, "rejected": 3}
    assert told == [(2, "nom", True), (3, "id", True), (4, "", True), (5, "courriel", False)]
    assert stored(stage.app, "Organization")[id_of(stage.app, STRUCTURES, structure(1))]["active"] is True


def test_service_needs_its_structure_and_loses_the_place_it_no_longer_has(stage: Stage) -> None:
    told: list[tuple[int, str]] = []
    assert counted(taken(stage.app, SERVICES, [service(0)], told=lambda row, note: told.append((row, note.field)))) == {"rows": 1, "rejected": 1}
    assert told == [(1, "structure_id")]
    taken(stage.app, STRUCTURES, [structure(0)])
    taken(stage.app, SERVICES, [service(0) | {"adresse": "2 rue d'Ailleurs"}])
    id = id_of(stage.app, SERVICES, service(0))
    assert stored(stage.app, "Location")[id]["status"] == "active"
    assert counted(taken(stage.app, SERVICES, [service(0)])) == {"rows": 1, "changed": 1}
    assert stored(stage.app, "Location")[id]["status"] == "inactive"
    assert counted(taken(stage.app, SERVICES, [service(0)])) == {"rows": 1, "unchanged": 1}


def test_every_batch_stands_in_the_trail(stage: Stage) -> None:
    before = stage.app.read_now(lambda _, uow: uow.audit_head())[0]
    taken(stage.app, STRUCTURES, [structure(0)])
    events = stage.app.read_now(lambda _, uow: uow.audit_rows(after=before, limit=10))
    assert [b"directory-import" in each.event for each in events] == [True]


# ── nothing of it opens access to anybody ────────────────────────────────────────────────────────
def test_service_of_the_directory_owns_no_task_and_is_no_recipient(stage: Stage) -> None:
    taken(stage.app, STRUCTURES, [structure(0)])
    taken(stage.app, SERVICES, [service(0)])
    id, house = id_of(stage.app, SERVICES, service(0)), id_of(stage.app, STRUCTURES, structure(0))
    assert stage.app.network.unit(id) is None and stage.app.network.organisation(house) is None and stage.app.network.view_of(house) is None
    with pytest.raises(Invalid):
        stage.call(destinataire=id)
    stage.sent()
    (task,) = [content(each) for each in stage.app.read_now(lambda _, uow: uow.search(Query("Task")))]
    (request,) = [content(each) for each in stage.app.read_now(lambda _, uow: uow.search(Query("ServiceRequest")))]
    for owner, requester in ((f"HealthcareService/{id}", "Organization/msp-saint-eloi"), ("HealthcareService/coursier-rouen", f"Organization/{house}")):
        wanted = {key: value for key, value in task.items() if key not in ("id", "meta", "identifier")} | {
            "status": "draft", "owner": {"reference": owner}, "requester": {"reference": requester}, "focus": {"reference": f"ServiceRequest/{request['id']}"},
        }  # fmt: skip
        with pytest.raises((Invalid, Forbidden)):
            stage.app.write_now(lambda story, uow, wanted=wanted: story.receive(uow, GP, [Change("create", "Task", None, wanted)]))  # type: ignore[misc]


def test_nobody_writes_to_the_directory_from_outside(stage: Stage) -> None:
    taken(stage.app, STRUCTURES, [structure(0)])
    for each in stored(stage.app, "Organization").values():
        with pytest.raises((Forbidden, NotFound)):
            stage.app.write_now(lambda story, uow, each=each: story.receive(uow, GP, [Change("update", "Organization", each["id"], each)]))  # type: ignore[misc]


def test_what_the_network_file_names_is_the_network_s_from_then_on(stage: Stage) -> None:
    taken(stage.app, STRUCTURES, [structure(0)])
    id = id_of(stage.app, STRUCTURES, structure(0))
    now = stage.app.network
    asso = next(each for each in now.organisations if each.key == "asso-coursiers")
    stage.app.apply_network(replace(now, organisations=(*now.organisations, replace(asso, key=id, name="CCAS au réseau", units=(), identifiers=()))))
    assert counted(taken(stage.app, STRUCTURES, [structure(0) | {"nom": "Nom de l'annuaire"}])) == {"rows": 1, "kept": 1}
    assert stored(stage.app, "Organization")[id]["name"] == "CCAS au réseau"
    assert "gone" not in counted(taken(stage.app, STRUCTURES, [structure(1)], sure=True))
    assert stored(stage.app, "Organization")[id]["active"] is True


# ── a crash ──────────────────────────────────────────────────────────────────────────────────────
def test_kill_at_any_place_of_an_import_doubles_nothing_and_it_is_taken_up_again(tmp_path: Path) -> None:
    kept, used, file = tmp_path / "kept.db", tmp_path / "used.db", tmp_path / "structures.json"
    upgrade(f"sqlite:///{kept}")
    app = process(f"sqlite:///{kept}", FrozenClock(FRIDAY))
    app.apply_network(network.load(ROOT / "mappings" / "demo" / "network.yaml"))
    app.close()
    file.write_text(json.dumps([structure(number) for number in range(8)]))
    job = f"directory {file}"

    def again() -> str:
        for each in tmp_path.glob("used.db*"):
            each.unlink()
        shutil.copy(kept, used)
        return f"sqlite:///{used}"

    with Lives() as lives:
        status, places = lives.live(again(), job)
        assert status == 0 and places.count("after COMMIT") == 4  # three of three rows at most, and the end
        commits = [number for number, place in enumerate(places) if "COMMIT" in place]
        for at in sorted({*commits, *range(0, len(places), 17)}):
            url = again()
            assert lives.live(url, job, at=at)[0] == -9
            resumed = lives.live(url, job)
            assert resumed[0] == 0
            app = process(url, FrozenClock(FRIDAY))
            assert {each["meta"]["versionId"] for each in stored(app, "Organization").values()} == {"1"} and len(stored(app, "Organization")) == 8
            assert app.read_now(lambda _, uow: [name for name in ("directory/file",) if uow.kept(name)]) == []
            app.close()
            if at > commits[1] and at < commits[-2]:
                assert len(resumed[1]) < len(places)  # what was written is not written again


def test_import_that_was_cut_off_tells_from_where_it_goes_on_and_counts_the_whole(stage: Stage) -> None:
    rows = [structure(number) for number in range(450)]

    class Cut(Exception):
        pass

    def cut() -> Iterator[Any]:
        yield from rows[:401]
        raise Cut

    with pytest.raises(Cut):
        taken(stage.app, STRUCTURES, cut())
    report = taken(stage.app, STRUCTURES, rows)
    assert report.resumed == 400 and counted(report) == {"rows": 450, "new": 450}
    assert taken(stage.app, STRUCTURES, rows).resumed == 0


# ── material of others ───────────────────────────────────────────────────────────────────────────
@pytest.mark.shared
def test_fixtures_and_dataset_of_data_inclusion_go_through(stage: Stage, shared: Path) -> None:
    folder = shared / "data" / "fr" / "samples" / "data-inclusion"
    for file, kind, sheet, expected in (
        ("fixture_structures.json", STRUCTURES, "", {"rows": 1, "new": 1}), ("fixture_services.json", SERVICES, "", {"rows": 2, "new": 2}),
        ("dataset.xlsx", STRUCTURES, "Structures", {"rows": 1, "unchanged": 1}), ("dataset.xlsx", SERVICES, "Services", {"rows": 2, "changed": 2}),
    ):  # fmt: skip
        notes: list[Any] = []
        with records(folder / file, sheet=sheet) as rows:
            run = Import(
                lambda fn: stage.app.write_now(lambda story, uow: fn(story.network, uow)), DirectorySystems(stage.app.systems), kind, file + kind, source="tally", told=notes_in(notes)
            )
            assert counted(run.run(rows)) == expected
        assert {note.field for note in notes} == ({"code_postal", "courriel", "site_web"} if kind == STRUCTURES else {"nombre_semaines"})
    assert len(stage.app.read_now(lambda _, uow: search(uow, Wanted(commune="59350"), terms=stage.app.terms))) == 1


@pytest.mark.shared
def test_every_code_of_the_lists_of_data_inclusion_is_kept(shared: Path) -> None:
    folder = shared / "data" / "fr" / "samples" / "data-inclusion"
    lists = {"thematiques": "thematiques", "publics": "publics", "modes_mobilisation": "modes-mobilisation", "modes_accueil": "modes-accueil", "mobilisable_par": "personnes-mobilisatrices"}
    record = service(0) | {name: [each["value"] for each in json.loads((folder / f"{file}.json").read_text())] for name, file in lists.items()}
    found = made(SERVICES, record, DirectorySystems(Systems()))
    kept = str(found.resources)
    assert not found.notes and all(f"'{each}'" in kept for name in lists for each in record[name]) and len(record["thematiques"]) == 69
