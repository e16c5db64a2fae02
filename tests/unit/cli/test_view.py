"""`liaison view list | check | show | diff | try`: what each recipient may see, told to who must answer for it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapter.app import App
from adapter.audit.told import told
from adapter.cli.program import program
from adapter.cli.refusing import said
from adapter.cli.viewing import AS_TOLD, looks_as, tried
from adapter.clock import FrozenClock
from adapter.errors import LiaisonError, SettingsError
from adapter.ports import Change, Principal, Query
from adapter.settings import load_settings
from adapter.views import around_of, load_folder
from adapter.views.why import places, written
from tests.e2e.desk import Desk
from tests.e2e.places import MSP, settle
from tests.e2e.stage import CARSAT, COURSIER, GP, ROOT, SAAD, Stage
from tests.unit.views.looks import paths
from tests.unit.views.test_why import MADE, named

FOLDER = ROOT / "mappings" / "views"
SECRETS = ("Zyxmots", "238027654000102", "zyxvoisin", "Zyxmaiden")
NIR = {"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "238027654000102"}


def run(*words: str) -> Any:
    return CliRunner().invoke(program(), ["view", *words])


def mended(result: Any) -> str:
    text, code = said(result.exception)
    assert code == 2, text
    return text


# ── list ─────────────────────────────────────────────────────────────────────────────────────────
def test_list_has_a_row_for_every_file() -> None:
    rows = {row["view"]: row for row in json.loads(run("list", "--json").stdout)}
    assert set(rows) == set(load_folder())
    assert (rows["bailleur"]["way"], rows["bailleur"]["classes"], rows["bailleur"]["elements"]) == ("paper", ["D1", "D4", "D5"], 0)
    assert rows["saad"]["classes"] == ["D1", "D4", "D5", "D7", "D10", "D11", "D12"] and "accept" in rows["saad"]["writes"]
    text = run("list", "--lang", "en").stdout
    assert "saad  version 1  Home help" in text and "nothing through any door" in text
    assert "expected fr or en" in mended(run("list", "--lang", "de"))


def test_list_says_which_units_of_the_network_file_have_a_view_and_at_which_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIAISON_NETWORK_FILE", str(ROOT / "mappings" / "demo" / "network.yaml"))
    rows = {row["view"]: row["units"] for row in json.loads(run("list", "--json").stdout)}
    assert rows["saad"] == [{"unit": "saad-portage", "stage": "pool"}] and rows["mdph"] == []
    assert "saad-portage (pool)" in run("list").stdout


# ── check ────────────────────────────────────────────────────────────────────────────────────────
def test_check_says_ok_of_every_file_in_force() -> None:
    result = run("check")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"{file.name}: ok" for file in sorted(FOLDER.glob("*.yaml"))]


def test_check_names_every_faulty_line_of_every_file(tmp_path: Path) -> None:
    lines = (FOLDER / "saad.yaml").read_text("utf-8").splitlines()
    for wrong, right in (("    nmae: D1 open", "name[usual]: D1"), ("    birthDate: D2 open", "address: D1")):
        number = next(number for number, line in enumerate(lines) if right in line)
        lines[number] = wrong
    file = tmp_path / "edited.yaml"
    file.write_text("\n".join(lines), "utf-8")
    result = run("check", str(file), str(FOLDER / "mdph.yaml"))
    assert result.exit_code == 2
    first, second, good = result.stdout.splitlines()
    assert first.startswith(f"{file}:{1 + lines.index('    nmae: D1 open')}: Patient.nmae: R4 has no Patient.nmae")
    assert second.startswith(f"{file}:{1 + lines.index('    birthDate: D2 open')}: ") and "does not give D2" in second and good.endswith("mdph.yaml: ok")
    rows = json.loads(run("check", str(file), "--json").stdout)
    assert [row["ok"] for row in rows] == [False] and len(rows[0]["faults"]) == 2


@pytest.mark.parametrize(("name", "change", "told_"), [
    ("matrix.yaml", ("    birthDate: D2", "    birthDay: D2"), "matrix.yaml:"), ("labels.yaml", ("fr: en préparation, ", ""), "fr first"),
    ("cards.yaml", ("  reference: fact.reference", "  reference: fact.nothing"), "saad.yaml:"), ("saad.yaml", ("view: saad", "view: other"), "saad.yaml:1: expected the view saad"),
    ("saad.yaml", ("writes: [accept", "writes: [acept"), "acept"), ("bailleur.yaml", ("letter: [D1", "letter: [D2"), "bailleur.yaml:8: letter"),
    ("saad.yaml", ("D10: [perte-autonomie,", "D10: [perte-autonome,"), "saad.yaml:19: D10: no record may choose the need perte-autonome; did you mean perte-autonomie?"),
])  # fmt: skip
def test_check_finds_what_is_wrong_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: tuple[str, str], told_: str) -> None:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    file = tmp_path / "mappings" / "views" / name
    text = file.read_text("utf-8")
    assert change[0] in text
    file.write_text(text.replace(*change, 1), "utf-8")
    monkeypatch.setenv("LIAISON_MAPPINGS_DIR", str(tmp_path / "mappings"))
    result = run("check")
    assert result.exit_code == 2 and told_ in result.stdout


def test_need_misspelt_stops_the_start_and_a_check_of_one_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (FOLDER / "saad.yaml").read_text("utf-8").replace("perte-autonomie,", "perte-autonome,", 1)
    (tmp_path / "saad.yaml").write_text(text, "utf-8")
    assert "saad.yaml:19: D10" in run("check", str(tmp_path / "saad.yaml")).stdout
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    (tmp_path / "mappings" / "views" / "saad.yaml").write_text(text, "utf-8")
    monkeypatch.setenv("LIAISON_MAPPINGS_DIR", str(tmp_path / "mappings"))
    with pytest.raises(SettingsError, match="perte-autonome"):
        App(load_settings({"LIAISON_MAPPINGS_DIR": str(tmp_path / "mappings")}), None, FrozenClock(datetime(2026, 3, 6, tzinfo=UTC)), ehrs=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"view: [", b"\xff\xfe", b"view: x\nversion: 1\n", b"- a\n", b"electronic: none\n", b"as_unit: true\nview: 1\n", b"a: &x {b: 1}\n<<: *x\n"])
def test_check_never_falls_over_a_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "trial.yaml"
    file.write_bytes(content)
    result = run("check", str(file))
    code = result.exit_code if result.exception is None or isinstance(result.exception, SystemExit) else said(result.exception)[1]
    assert code == 2
    assert said(run("check", str(tmp_path / "absent.yaml")).exception)[1] == 2  # type: ignore[arg-type]


# ── show, diff ───────────────────────────────────────────────────────────────────────────────────
def test_show_has_each_element_with_class_cell_and_condition_in_words() -> None:
    found = json.loads(run("show", "coursier-dac-asso", "--lang", "fr", "--json").stdout)
    birth = next(each for each in found["elements"] if (each["type"], each["path"]) == ("Patient", "birthDate"))
    assert (birth["class"], birth["cell"], birth["rule"]) == ("D2", "c", "D2 open need (consent)")
    assert "perte-autonomie" in birth["when"] and "accord enregistré" in birth["when"]
    assert [each["class"] for each in found["matrix"]] == [f"D{number}" for number in range(1, 14)]
    text = run("show", "saad", "--lang", "en").stdout
    assert "  D2  n    Birth date and sex: never" in text and "label   need aide-alimentaire: Meals brought home" in text and "writes  accept" in text
    assert "list    reference, state" in text and "- list initials" in run("diff", "saad", "prescripteur").stdout
    assert "nothing through any door" in run("show", "bailleur", "--lang", "en").stdout
    assert "needs   up to sensitivity 2" in run("show", "secretariat").stdout


def test_unknown_view_is_refused_with_those_there_are() -> None:
    for words in (["show", "nobody"], ["diff", "saad", "nobody"], ["diff", "nobody.yaml", "saad"]):
        text = mended(run(*words))
        assert "nobody" in text and "as-carsat, as-departement" in text


def test_diff_says_what_b_shows_that_a_does_not_and_the_reverse(tmp_path: Path) -> None:
    result = run("diff", "saad", "coursier-dac-asso")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert "+ Patient.birthDate: D2 open need (consent)" in lines and "+ writes refer" in lines and "- needs_for D10 perte-autonomie" in lines
    assert "~ Organization.name: D10 open need (consent) -> D10 open (consent)" in lines
    back = run("diff", "coursier-dac-asso", "saad").stdout.splitlines()
    assert {line for line in back if line[0] in "+-"} == _flipped(lines)


def _flipped(lines: list[str]) -> set[str]:
    return {("-" if line[0] == "+" else "+") + line[1:] for line in lines if line[0] in "+-"}


def test_diff_of_a_file_before_and_after_an_edit(tmp_path: Path) -> None:
    text = (FOLDER / "saad.yaml").read_text("utf-8")
    same, narrower = tmp_path / "same.yaml", tmp_path / "narrower.yaml"
    same.write_text(text, "utf-8")
    narrower.write_text(text.replace("    address: D1 open safe\n", "    address.city: D1 open safe\n"), "utf-8")
    result = run("diff", "saad", str(same))
    assert (result.exit_code, result.stdout) == (0, "no difference\n")
    lines = run("diff", "saad", str(narrower)).stdout.splitlines()
    assert lines == [f"- Patient.address.{part}: D1 open safe (consent)" for part in ("use", "line", "postalCode")]
    assert json.loads(run("diff", str(narrower), "saad", "--json").stdout)[0] == {"place": "Patient.address.use", "before": "", "after": "D1 open safe (consent)"}


def test_diff_with_a_recipient_on_paper_is_everything() -> None:
    lines = run("diff", "bailleur", "saad").stdout.splitlines()
    assert "+ Patient.name[usual]: D1 open (consent)" in lines and "~ way: paper -> view" in lines and "- class D4" in lines


# ── try ──────────────────────────────────────────────────────────────────────────────────────────
def stored(stage: Stage, type: str) -> list[dict[str, Any]]:
    return [json.loads(each.served) for each in stage.app.read_now(lambda _, uow: uow.search(Query(type)))]


def planted(stage: Stage, *, confirmed: bool = True, **call: Any) -> str:
    """A referral whose person has more than any view shows; its Task. Not `confirmed` by the practice, it shows what its record told."""
    stage.sent(**call)
    if confirmed:
        stage.act(GP, "prescripteur", stage.cards(GP, "prescripteur")[0], "inform")
    patient = stored(stage, "Patient")[0]
    wider = patient | {
        "identifier": [*patient.get("identifier", []), NIR], "contact": [{"name": {"family": "zyxvoisin"}}], "maritalStatus": {"text": "Zyxmaiden"},
    }  # fmt: skip
    others = {name: value for name, value in stored(stage, "Consent")[0].items() if name not in ("meta", "identifier")} | {"id": "agreed-with-another"}
    others["provision"] = others["provision"] | {"actor": [others["provision"]["actor"][0] | {"reference": {"reference": "Organization/carsat-normandie"}}]}
    changes = [Change("update", "Patient", patient["id"], wider, origin="device"), Change("create", "Consent", others["id"], others, origin="device")]
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, changes))
    return f"Task/{stored(stage, 'Task')[0]['id']}"


def everything(stage: Stage) -> set[tuple[str, str]]:
    """Every place of all that is stored of the one referral there is, found without the code under test."""
    types = ("Task", "ServiceRequest", "Patient", "Consent", "Provenance", "Communication", "Procedure", "CareTeam")
    resources = [each for type in types for each in stored(stage, type)]
    request = stored(stage, "ServiceRequest")[0]
    directory = {f"{type}/{each['id']}": each for type in ("Organization", "HealthcareService", "PractitionerRole", "Practitioner") for each in stored(stage, type)}
    wanted, names = [request["requester"]["reference"], stored(stage, "Task")[0]["owner"]["reference"]], set[str]()
    while wanted:
        names.add(name := wanted.pop())
        party = directory[name]
        wanted += [party[key]["reference"] for key in ("practitioner", "organization", "providedBy") if key in party]
    resources += [directory[name] for name in names]
    return {(f"{each['resourceType']}/{each['id']}", written(place)) for each in resources for place in places(each)}


MAY = {"msp-saint-eloi": {"Zyxmots"}, "as-ines": {"238027654000102"}}  # its own words; a number the need asks for


def trial(desk: Desk, who: str, what: str, *more: str) -> Any:
    result = desk.run("view", "try", what, "--as", who, "--json", *more)
    assert result.exit_code == 0, result.exception
    assert {secret for secret in SECRETS if secret in result.stdout} == MAY.get(who, set())
    return json.loads(result.stdout)


def of(found: Any) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    return {(each["resource"], each["path"]) for each in found["shown"]}, {(each["resource"], each["path"]) for each in found["left_out"]}


STORIES: dict[str, tuple[dict[str, Any], str, Principal, str]] = {
    "as told": ({"confirmed": False}, "coursier-rouen", COURSIER, "coursier-dac-asso"),
    "named": ({}, "coursier-rouen", COURSIER, "coursier-dac-asso"), "whole organisation": ({}, "asso-coursiers", replace(COURSIER, unit=None), "coursier-dac-asso"),
    "pool": ({"destinataire": "saad-portage", "besoins": ["denutrition"]}, "saad-portage", SAAD, "saad"),
    "with a number": ({"destinataire": "permanence-saint-eloi", "besoins": ["acces-droits"]}, "as-ines", CARSAT, "as-carsat"),
    "the prescriber": ({}, "msp-saint-eloi", replace(GP, person=None), "prescripteur"),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("lang", ["fr", "en"])
def test_shown_and_left_out_are_all_that_is_stored_and_shown_is_what_the_door_gives(desk: Desk, story: str, lang: str) -> None:
    call, who, principal, view = STORIES[story]
    what = planted(desk.stage, **call)
    found = trial(desk, who, what, "--lang", lang)
    shown, left = of(found)
    as_told = {(resource, path) for resource, path in shown | left if resource.endswith(AS_TOLD)}
    assert (shown | left) - as_told == everything(desk.stage) and not shown & left and bool(as_told) == (story == "as told")
    kept = {each["why"] for each in found["left_out"] if each["resource"].startswith("Patient/") and not each["resource"].endswith(AS_TOLD)}
    assert not as_told or kept == {"told"}
    door = desk.stage.app.write_now(lambda flows, uow: flows.reveal(uow, principal, view, found["id"], lang=lang))
    assert door is not None
    assert (found["card"], found["id"], found["etag"], found["view"]) == (door.card, door.id, door.etag, door.card["view"])
    assert (found["permit"], found["rule"]) == (True, door.decision.rule)
    for type in {each["resourceType"] for each in door.resources}:
        given = {path for each in door.resources if each["resourceType"] == type for path in paths(each)}
        made = {path for path in given if path.endswith((".text", ".display"))} | MADE
        came = {named(path) for resource, path in shown if resource.startswith(f"{type}/")}
        assert given - made <= came and came - given <= {"id"}, type


def test_what_a_pool_is_not_offered_is_there_once_it_accepts(desk: Desk) -> None:
    what = planted(desk.stage, destinataire="saad-portage", besoins=["denutrition"])
    before = trial(desk, "saad-portage", what, "--lang", "fr")
    assert before["stage"] == "offer" and "person" not in before["card"]
    family = next(each for each in before["left_out"] if each["path"] == "name[0].family")
    assert (family["class"], family["why"]) == ("D1", "stage") and "une fois acceptée" in family["text"]
    desk.stage.act(SAAD, "saad", desk.stage.cards(SAAD, "saad")[0], "accept")
    after = trial(desk, "saad-portage", what)
    assert after["stage"] == "open" and after["card"]["person"]["family_name"] == "Zyxdurand"
    assert (family["resource"], family["path"]) in of(after)[0]
    why = {each["path"]: each["why"] for each in after["left_out"] if each["resource"].startswith("Patient/")}
    assert (why["birthDate"], why["contact[0].name.family"], why["maritalStatus.text"]) == ("unlisted", "third", "unlisted")


def test_who_has_no_part_in_it_gets_nothing_and_everything_is_left_out(desk: Desk) -> None:
    what = planted(desk.stage)
    found = trial(desk, "saad-seine", what)
    assert (found["permit"], found["rule"], found["card"], found["shown"]) == (False, "scope", None, [])
    assert of(found)[1] == everything(desk.stage) and {each["why"] for each in found["left_out"]} == {"denied"}
    text = desk.run("view", "try", what, "--as", "saad-seine", "--lang", "en")
    assert text.stdout.startswith("deny  not sent yet, or not to a unit of theirs [scope]") or "every door answers 404" in text.stdout


@pytest.mark.parametrize("way", ["draft", "withdrawn"])
def test_draft_or_withdrawn_is_nothing_to_anybody(desk: Desk, way: str) -> None:
    if way == "draft":
        desk.stage.call()
    else:
        desk.stage.sent()
        desk.stage.act(COURSIER, "coursier-dac-asso", desk.stage.cards(COURSIER, "coursier-dac-asso")[0], "withdraw", heard_by="coursier-lea")
    found = trial(desk, "coursier-rouen", f"Task/{stored(desk.stage, 'Task')[0]['id']}")
    assert not found["permit"] and found["card"] is None and found["shown"] == [] and of(found)[1] == everything(desk.stage)


def test_team_is_tried_by_the_person_who_would_look(desk: Desk) -> None:
    settle(desk.stage)
    yes = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
    desk.stage.call(destinataire="as-msp-bureau", besoins=["acces-droits"], accord_medecin=yes, accord_patient=yes)
    (shown,) = desk.stage.cards(GP, "prescripteur")
    desk.stage.act(GP, "prescripteur", shown, "recognise", person="as-maison", how="presence", informed=True)
    what = f"Task/{stored(desk.stage, 'Task')[0]['id']}"
    inside, outside = trial(desk, MSP.person or "", what), trial(desk, "as-remplacante", what)
    assert (inside["view"], inside["basis"], outside["view"], outside["basis"]) == ("as-msp-equipe", "team", "as-carsat", "consent")
    assert of(inside)[0] | of(inside)[1] == of(outside)[0] | of(outside)[1] == everything(desk.stage)


def test_trial_is_an_access_by_the_officer_and_nothing_else(desk: Desk) -> None:
    what = planted(desk.stage)
    before = desk.stage.app.read_now(lambda _, uow: len(uow.audit_rows(limit=100_000)))
    versions = {type: stored(desk.stage, type) for type in ("Task", "ServiceRequest", "Patient", "Consent", "Provenance")}
    trial(desk, "coursier-rouen", what)
    rows = desk.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))[before:]
    access, act = (told(json.loads(row.event)) for row in rows)
    assert (access.kind, access.name, access.rule, act.name) == ("rest", "read", "officer:view-try", "view-tried")
    assert access.client.startswith("liaison-cli") and access.patient == act.patient == f"Patient/{versions['Patient'][0]['id']}"
    assert (act.details["as"], act.details["view"], act.details["rule"]) == ("coursier-rouen", "coursier-dac-asso|1", "S1") and "D1" in act.classes
    assert access.what == (f"{what}/_history/{versions['Task'][0]['meta']['versionId']}",)
    assert not any(b"Zyx" in row.event or b"238027654" in row.event for row in rows)
    assert versions == {type: stored(desk.stage, type) for type in versions}
    verified = desk.run("audit", "verify", "--json")
    assert json.loads(verified.stdout)["ok"]


def test_trial_of_a_time_that_is_past_shows_what_was_seen_then(desk: Desk) -> None:
    what = planted(desk.stage)
    before, then = trial(desk, "coursier-rouen", what), desk.stage.clock.now().isoformat()
    desk.stage.clock.tick(timedelta(days=1))
    desk.stage.act(COURSIER, "coursier-dac-asso", desk.stage.cards(COURSIER, "coursier-dac-asso")[0], "withdraw", heard_by="coursier-lea")
    assert trial(desk, "coursier-rouen", what)["card"] is None
    assert trial(desk, "coursier-rouen", what, "--at", then)["card"] == before["card"]
    assert "expected a time" in mended(desk.run("view", "try", what, "--as", "coursier-rouen", "--at", "soon"))
    assert "no such referral" in mended(desk.run("view", "try", what, "--as", "coursier-rouen", "--at", "2020-01-01"))


def test_referral_is_named_by_reference_request_task_or_bare_id(desk: Desk) -> None:
    what = planted(desk.stage)
    request = f"ServiceRequest/{stored(desk.stage, 'ServiceRequest')[0]['id']}"
    spoken = desk.stage.cards(COURSIER, "coursier-dac-asso")[0].card["reference"]
    found = [trial(desk, "coursier-rouen", each) for each in (what, what.partition("/")[2], request, spoken, spoken.lower().replace("-", " "))]
    assert all(each == found[0] for each in found)


def test_text_has_card_and_reasons_and_no_hidden_value(desk: Desk) -> None:
    what = planted(desk.stage)
    result = desk.run("view", "try", what, "--as", "coursier-rouen", "--lang", "en")
    assert result.exit_code == 0 and not any(secret in result.stdout for secret in SECRETS) and "1938-02-03" not in result.stdout
    assert result.stdout.startswith("permit  a Consent in force permits it [S1], Consent/") and "family_name: Zyxdurand" in result.stdout
    line = next(line for line in result.stdout.splitlines() if line.strip().startswith("birthDate"))
    assert "D2" in line and "only for the needs" in line and "stage open, ground consent" in result.stdout
    assert "  Consent/agreed-with-another  all of it (" in result.stdout and len(result.stdout.splitlines()) < 200


@pytest.mark.parametrize(("words", "said_"), [
    (("Task/absent", "coursier-rouen"), "no such referral"), (("RC-P4N", "coursier-rouen"), "no such referral"), (("Patient/x", "coursier-rouen"), "no such referral"),
    (("TASK", "nobody"), "coursier-rouen"), (("TASK", ""), "there are"),
])  # fmt: skip
def test_who_or_what_is_not_there_ends_with_2_and_what_there_is(desk: Desk, words: tuple[str, str], said_: str) -> None:
    what = planted(desk.stage) if words[0] == "TASK" else words[0]
    result = desk.run("view", "try", what, "--as", words[1])
    assert said_ in mended(result)


def test_recipient_without_a_view_is_told_so(desk: Desk) -> None:
    what = planted(desk.stage)

    def without(story: Any, uow: Any) -> Any:
        bare = replace(story, window=replace(story.window, views={}))
        return tried(bare, uow, who="coursier-rouen", what=what, matrix=around_of().matrix, lang="fr")

    with pytest.raises(SettingsError, match="no view"):
        desk.stage.app.write_now(without)


def test_trial_that_is_not_what_the_door_shows_is_no_trial(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard against drift: a door that shows more than the examined view is not explained away."""
    from adapter import showing

    what, honest = planted(desk.stage), showing.project
    monkeypatch.setattr(showing, "project", lambda resource, view, **with_: (found := honest(resource, view, **with_)) and found | {"note": "Zyxmots"})
    result = desk.run("view", "try", what, "--as", "coursier-rouen")
    assert isinstance(result.exception, LiaisonError) and "Zyxmots" not in result.output


def test_organisation_is_asked_for_with_the_purposes_of_its_client(desk: Desk) -> None:
    network = desk.stage.app.network
    clients = tuple(replace(each, purposes=("COC",)) if each.id == "coursiers" else each for each in network.clients)
    who = looks_as(replace(network, clients=clients), "coursier-rouen")
    assert (who.organisation, who.unit, who.role, who.purposes) == ("asso-coursiers", "coursier-rouen", "service", frozenset({"COC"}))
    assert looks_as(network, "Organization/saad-seine").unit is None and looks_as(network, "dr-exemple").role == "clinic"
