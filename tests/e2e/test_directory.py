"""The directory, from the file to the search: what differs is written once, nothing opens access to anybody, a crash doubles nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from adapter import network
from adapter.app import App
from adapter.clock import FrozenClock
from adapter.directory import SERVICES, STRUCTURES, DirectorySystems, Import, Report, Wanted, made, records, search
from adapter.directory import searching as looking
from adapter.directory.records import Record
from adapter.dossier import content
from adapter.errors import Forbidden, Invalid, NotFound
from adapter.fhir import query
from adapter.names import Systems
from adapter.network import Opening, Permanence
from adapter.ports import Change, Query
from adapter.store import upgrade
from tests.e2e.desk import Desk
from tests.e2e.dying import Lives
from tests.e2e.stage import COURSIER, FRIDAY, GP, ROOT, Stage, staged
from tests.property.chaos import process
from tests.unit.directory.records_of import service, structure

SOURCE = "dora"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


def taken(app: App, kind: str, rows: list[Any], *, digest: str = "file", told: Callable[..., None] = lambda row, note: None, **more: Any) -> Report:
    run = Import(lambda fn: app.write_now(lambda story, uow: fn(story.network, uow)), DirectorySystems(app.systems), kind, digest, told=told, **more)
    return run.run(Record(number, row) for number, row in enumerate(rows, 1))


def stored(app: App, type: str) -> dict[str, dict[str, Any]]:
    found = app.read_now(lambda _, uow: [content(each) for each in uow.search(Query(type, count=1000))])
    return {each["id"]: each for each in found if each["id"].startswith("di-")}


def id_of(app: App, kind: str, record: dict[str, Any]) -> str:
    return made(kind, record, DirectorySystems(app.systems)).id


def counted(report: Report) -> dict[str, int]:
    return {name: count for name, count in asdict(report.counts).items() if count}


def notes_in(kept: list[Any]) -> Callable[[int, Any], None]:
    return lambda row, note: kept.append(note)


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


# ── search ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def filled(stage: Stage) -> Stage:
    """Ten structures from south to north, a tenth of a degree (11.1 km) apart, a service in each; a second source lists the first."""
    houses = [structure(number) | {"latitude": 49.0 + number / 10, "longitude": 1.0, "siret": "82454114801871" if not number else None} for number in range(10)]
    houses[1]["reseaux_porteurs"] = ["cpam"]
    themes = ("remobilisation--lien-social", "equipement-et-alimentation--alimentation")
    services = [
        service(number) | {
            "thematiques": [themes[number % 2]], "publics": ["seniors"] if number % 3 else None, "zone_eligibilite": ["76540", "27"] if number < 5 else ["france"] if number == 9 else ["59"],
        } for number in range(10)
    ]  # fmt: skip
    taken(stage.app, STRUCTURES, houses)
    taken(stage.app, STRUCTURES, [structure(0) | {"source": "soliguide", "siret": "82454114801871"}])
    taken(stage.app, SERVICES, services)
    return stage


def names(stage: Stage, **wanted: Any) -> list[str]:
    return [hit.service["name"] for hit in stage.app.read_now(lambda _, uow: search(uow, Wanted(**wanted), terms=stage.app.terms))]


def test_search_is_by_need_commune_public_and_scheme(filled: Stage) -> None:
    assert names(filled) == [f"Service {number}" for number in range(10)]
    assert names(filled, needs=("isolement",)) == [f"Service {number}" for number in (0, 2, 4, 6, 8)]
    assert names(filled, needs=("isolement", "denutrition")) == names(filled)
    assert names(filled, themes=("equipement-et-alimentation--alimentation",), commune="76540") == ["Service 1", "Service 3", "Service 9"]
    assert names(filled, commune="27229") == [f"Service {number}" for number in (0, 1, 2, 3, 4, 9)]  # by the department; and for all of France
    assert names(filled, commune="97411") == ["Service 9"]
    assert names(filled, publics=("familles",)) == [f"Service {number}" for number in (0, 3, 6, 9)]  # those for everybody
    assert names(filled, scheme="msa") == [f"Service {number}" for number in (0, *range(2, 10))]
    assert names(filled, most=3) == ["Service 0", "Service 1", "Service 2"]


def test_search_by_distance_has_the_nearest_first(filled: Stage) -> None:
    hits = filled.app.read_now(lambda _, uow: search(uow, Wanted(near=(49.31, 1.0), within=25), terms=filled.app.terms))
    assert [hit.service["name"] for hit in hits] == ["Service 3", "Service 4", "Service 2", "Service 5", "Service 1"]
    assert [round(hit.km or 0, 1) for hit in hits] == [1.1, 10.0, 12.2, 21.1, 23.4]
    assert names(filled, near=(49.31, 1.0), within=100, most=2) == ["Service 3", "Service 4"]
    assert names(filled, near=(49.31, 1.0), within=25, needs=("isolement",)) == ["Service 4", "Service 2"]
    assert names(filled, near=(-20.9, 55.4), within=100) == []
    with pytest.raises(Invalid):
        names(filled, near=(49.0, 1.0), within=1000)
    assert looking.kilometres((48.8566, 2.3522), (45.764, 4.8357)) == pytest.approx(391.5, abs=0.5)


def test_search_links_the_same_structure_of_other_sources_and_merges_nothing(filled: Stage) -> None:
    first, *rest = filled.app.read_now(lambda _, uow: search(uow, Wanted(), terms=filled.app.terms))
    assert first.also == (id_of(filled.app, STRUCTURES, structure(0) | {"source": "soliguide"}),) and not any(hit.also for hit in rest)


def test_search_finds_nothing_by_a_need_whose_code_would_tell_of_violence(filled: Stage) -> None:
    taken(filled.app, SERVICES, [service(20) | {"thematiques": ["famille--surmonter-conflits-separation-violence"]}], partial=True)
    with pytest.raises(Invalid, match="no code of data"):
        names(filled, needs=("conflit-familial",))
    assert names(filled, needs=("violences",)) == ["Service 20"]
    for unknown in ("xyz", "menage"):
        with pytest.raises(Invalid):
            names(filled, needs=(unknown,))


def test_search_leaves_out_what_is_gone(filled: Stage) -> None:
    taken(filled.app, SERVICES, [service(0)], sure=True)
    assert names(filled) == ["Service 0"] and names(filled, near=(49.5, 1.0), within=100) == ["Service 0"]


def test_clients_of_a_clinic_find_it_on_fhir_and_can_tell_it_apart(filled: Stage) -> None:
    systems = DirectorySystems(filled.app.systems)

    def asked(type: str, *params: tuple[str, str]) -> list[str]:
        def found(story: Any, uow: Any) -> list[str]:
            limited = story.window.limited(GP, query(type, list(params)))
            return sorted(content(each)["name"] for each in uow.search(limited))

        return filled.app.read_now(found)

    theme = f"{systems.codes('thematique')}|remobilisation--lien-social"
    assert asked("HealthcareService", ("service-category", theme)) == [f"Service {number}" for number in (0, 2, 4, 6, 8)]
    assert asked("HealthcareService", ("service-category", theme), ("coverage-area:identifier", f"{systems.zone}|76540")) == ["Service 0", "Service 2", "Service 4"]
    assert asked("HealthcareService", ("identifier", f"{systems.record(SERVICES)}|dora--v3")) == ["Service 3"]
    units = {unit.name for _, unit in filled.app.network.units()}
    assert set(asked("HealthcareService", ("identifier", f"{filled.app.systems.sid('unit')}|"))) == units
    assert len(asked("Organization", ("identifier", "https://sirene.fr|82454114801871"))) == 2
    assert asked("Location", ("organization", f"Organization/{id_of(filled.app, STRUCTURES, structure(3))}")) == ["Structure 3"]


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
        taken(stage.app, STRUCTURES, cut())  # type: ignore[arg-type]
    report = taken(stage.app, STRUCTURES, rows)
    assert report.resumed == 400 and counted(report) == {"rows": 450, "new": 450}
    assert taken(stage.app, STRUCTURES, rows).resumed == 0


# ── the command line ─────────────────────────────────────────────────────────────────────────────
def test_directory_command_imports_searches_and_says_who(desk: Desk, tmp_path: Path) -> None:
    houses, services = tmp_path / "structures.csv", tmp_path / "services.jsonl"
    houses.write_bytes("\ufeffsource;id;nom;siret;code_insee;latitude;longitude;code_postal\r\ndora;s0;CCAS;82454114801871.0;76540;49,44;1,09;76100.0\r\ndora;;sans id;;;;;\r\n".encode())
    services.write_text(json.dumps(service(0) | {"zone_eligibilite": ["76"]}) + "\n")
    said = desk.run("directory", "import", str(houses))
    assert said.exit_code == 1 and "new 1" in said.output and "row 3: id: expected" in said.output and "rejected 1" in said.output
    assert desk.run("directory", "import", str(houses), "--notes", str(tmp_path / "notes.csv"), "--json").exit_code == 1
    assert (tmp_path / "notes.csv").read_text().splitlines() == ["row;field;refused;expected", "3;id;yes;expected a value, but found nothing"]
    assert desk.run("directory", "import", str(houses), "--notes", str(tmp_path / "notes.csv")).exception
    assert desk.run("directory", "import", str(services)).exit_code == 0
    found = desk.run("directory", "search", "--need", "isolement", "--commune", "76540", "--near", "49.44,1.10")
    assert found.exit_code == 0 and "Service 0" in found.output and "0.7 km" in found.output
    (hit,) = json.loads(desk.run("directory", "search", "--json", "--public", "seniors").output)
    assert hit["structure"]["name"] == "CCAS" and hit["service"]["name"] == "Service 0"
    none = desk.run("directory", "search", "--commune", "13055")
    assert none.exit_code == 1 and none.output == "none\n"


def test_directory_who_says_who_takes_it_when_and_with_what_room(desk: Desk) -> None:
    now = desk.stage.app.network
    held = Permanence((Opening(1, 540, 630),), 45)
    houses = tuple(replace(each, units=tuple(replace(unit, permanence=held) if unit.key == "permanence-saint-eloi" else unit for unit in each.units)) for each in now.organisations)
    desk.stage.app.apply_network(replace(now, organisations=houses))
    desk.stage.sent()
    told = json.loads(desk.run("directory", "who", "--need", "acces-droits", "--commune", "76540", "--scheme", "regime-general", "--json").output)
    units = {each["unit"]: each for each in told}
    assert [slot["start"] for slot in units["permanence-saint-eloi"]["slots"]] == ["2026-03-10T09:00:00+01:00", "2026-03-10T09:45:00+01:00", "2026-03-17T09:00:00+01:00"]
    assert units["permanence-saint-eloi"]["takes"] == 6 and units["permanence-saint-eloi"]["capacity"] == "capacity"
    assert units["coursier-rouen"]["opens"] == "2026-03-09T09:00:00+01:00" and "saad-portage" not in units
    others = json.loads(desk.run("directory", "who", "--need", "acces-droits", "--commune", "13055", "--scheme", "msa", "--others", "--json").output)
    against = {each["unit"]: each["against"] for each in others if not each["fits"]}
    assert against["permanence-saint-eloi"] == ["territory", "scheme"] and "need" in against["saad-portage"]
    text = desk.run("directory", "who", "--commune", "76540", "--at", "2026-03-09T10:00")
    assert "open now" in text.output and "next free: Tuesday 10 March, 09:00" in text.output
    assert desk.run("directory", "who", "--need", "x").exception and desk.run("directory", "who", "--commune", "Rouen").exception


def test_directory_who_counts_what_a_unit_has_in_hand_and_the_full_come_last(desk: Desk) -> None:
    desk.stage.sent()
    (card,) = desk.stage.cards(COURSIER, "coursier-dac-asso")
    desk.stage.act(COURSIER, "coursier-dac-asso", card, "accept")
    now = desk.stage.app.network
    houses = tuple(replace(each, units=tuple(replace(unit, capacity=1) if unit.key == "coursier-rouen" else unit for unit in each.units)) for each in now.organisations)
    desk.stage.app.apply_network(replace(now, organisations=houses))
    told = json.loads(desk.run("directory", "who", "--commune", "76540", "--json").output)
    assert (told[-1]["unit"], told[-1]["capacity"], told[-1]["has"], told[-1]["takes"]) == ("coursier-rouen", "no-capacity", 1, 1)
    assert "Zyx" not in json.dumps(told)


def test_directory_slots_are_those_that_no_appointment_takes(desk: Desk) -> None:
    form = {
        "id": "fiche-1", "date": "2026-03-06", "demandeur": {"nom": "Exemple", "prenom": "Camille", "qualification": "medecin"}, "date_rdv": "2026-03-10T09:00:00+01:00",
        "personne": {"nom_usage": "Zyxdurand", "prenom": "Jeannezyx"}, "motifs": ["acces-droits"], "destinataire": "permanence-saint-eloi",
    }  # fmt: skip
    assert "Tuesday 10 March, 09:00          1 free" in desk.run("directory", "slots", "permanence-saint-eloi").output
    desk.stage.app.write_now(lambda story, uow: story.refer(uow, GP, "fiche-st-eloi", form))
    told = desk.run("directory", "slots", "permanence-saint-eloi")
    assert told.exit_code == 0 and told.output.splitlines()[:2] == ["Tuesday 10 March, 09:00          full", "Tuesday 10 March, 09:45          1 free"] and "yx" not in told.output
    schedule, first, second, *_ = map(json.loads, desk.run("directory", "slots", "permanence-saint-eloi", "--fhir").output.splitlines())
    assert (schedule["resourceType"], first["status"], second["status"]) == ("Schedule", "busy", "free") and second["start"] == "2026-03-10T09:45:00+01:00"
    assert json.loads(desk.run("directory", "slots", "permanence-saint-eloi", "--json", "--most", "1", "--at", "2026-03-10T09:00").output)[0]["free"] == 0
    assert desk.run("directory", "slots", "permanence-saint-eloi", "--most", "1").exit_code == 1 and desk.run("directory", "slots", "coursier-rouen").exception
    (who,) = [each for each in json.loads(desk.run("directory", "who", "--commune", "76540", "--json").output) if each["unit"] == "permanence-saint-eloi"]
    assert who["slots"][0]["start"] == "2026-03-10T09:45:00+01:00"


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
