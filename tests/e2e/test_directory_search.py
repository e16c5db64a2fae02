"""The directory looked at: by need, commune, distance, public and scheme, on the command line, and by clients on /fhir."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from adapter.directory import SERVICES, STRUCTURES, DirectorySystems, Wanted, search
from adapter.directory import searching as looking
from adapter.dossier import content
from adapter.errors import Invalid, SettingsError
from adapter.fhir import query
from adapter.network import Opening, Permanence
from adapter.store import upgrade
from adapter.web.rest import Rest
from tests.e2e.desk import Desk
from tests.e2e.stage import COURSIER, GP, Stage, staged
from tests.e2e.taking import counted, id_of, taken
from tests.unit.directory.records_of import service, structure


def fill(stage: Stage) -> Stage:
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


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@pytest.fixture
def filled() -> Iterator[Stage]:
    with staged() as stage:
        yield fill(stage)


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


def test_condition_finds_who_takes_part_and_not_who_is_listed_with_the_same_number(stage: Stage) -> None:
    known = next(each for each in stage.app.network.organisations if each.key == "carsat-normandie")
    number = next(each.value for each in known.identifiers)
    taken(stage.app, STRUCTURES, [structure(0) | {"siret": "82454114801871"}])
    systems = DirectorySystems(stage.app.systems)

    def met(*params: tuple[str, str]) -> list[str]:
        return stage.app.write_now(lambda story, uow: [each.id for each in Rest(story, uow, GP, stage.app.fhir_base, "r").matching(query("Organization", list(params)))])

    assert met(("identifier", f"https://sirene.fr|{number},https://sirene.fr|82454114801871")) == ["carsat-normandie"]
    assert met(("identifier", f"{systems.record(STRUCTURES)}|dora--s0")) == []


def test_past_of_what_is_listed_is_read_like_that_of_the_network(stage: Stage) -> None:
    taken(stage.app, STRUCTURES, [structure(0)])
    id = id_of(stage.app, STRUCTURES, structure(0))
    versions, more = stage.app.write_now(lambda story, uow: story.past.history(uow, GP, "Organization", id, since=None, after=None, count=10, request_id="r"))
    assert [each.number for each in versions] == [1] and not more


@pytest.mark.postgres
def test_import_and_search_hold_on_postgresql(postgres: Callable[[], str]) -> None:
    url = postgres()
    upgrade(url)
    with staged(url) as stage:
        fill(stage)
        assert names(stage, needs=("isolement",), commune="76540") == ["Service 0", "Service 2", "Service 4"]
        assert names(stage, near=(49.31, 1.0), within=25) == ["Service 3", "Service 4", "Service 2", "Service 5", "Service 1"]
        assert counted(taken(stage.app, SERVICES, [service(0)], sure=True)) == {"rows": 1, "changed": 1, "gone": 9}
        assert names(stage) == ["Service 0"]


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


def test_directory_command_fetches_only_from_hosts_that_are_named(desk: Desk) -> None:
    def fetched(url: str, file: Any, *, hosts: list[str], **_: Any) -> None:
        assert (url, hosts) == ("https://exemple.fr/structures.json", ["exemple.fr"])
        file.write(json.dumps([structure(0)]).encode())

    with mock.patch("adapter.directory.fetching.fetch", fetched):
        assert "new 1" in desk.run("directory", "import", "https://exemple.fr/structures.json", "--allow", "exemple.fr").output
    refused = desk.run("directory", "import", "https://exemple.fr/structures.json")
    assert isinstance(refused.exception, SettingsError) and refused.exception.fix == "say --allow exemple.fr"


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
