"""Several recipients of one person, and what keeps a view to what was declared: M-08, M-20 and M-23 of views.md 2.5."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from adapter.app import build
from adapter.errors import SettingsError
from adapter.ports import Change, Principal, Query
from adapter.settings import load_settings
from adapter.store import upgrade
from tests.e2e.desk import Desk
from tests.e2e.places import CCAS, MDPH, settle
from tests.e2e.records import only, stored
from tests.e2e.stage import COURSIER, GP, ROOT, SAAD, Stage, staged
from tests.e2e.test_subset import TYPES

YES = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
ASKED = {CCAS: ("ccas", "surendettement"), MDPH: ("mdph", "handicap-mdph"), SAAD: ("saad", "denutrition")}
CONTACT = {"name", "telecom", "address"}
DECLARED = {CCAS: CONTACT | {"birthDate", "gender"}, MDPH: CONTACT | {"birthDate", "gender"}, SAAD: CONTACT}  # of the Patient, written by hand from france.md 3.3
WORDS = "patient séropositif"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        settle(found)
        yield found


def reads(stage: Stage, who: Principal) -> dict[str, list[dict[str, Any]]]:
    """All that its own software gets, by type."""
    asking = replace(who, scopes=frozenset({"system/*.rs"}))
    return {
        type: [json.loads(each.served) for each in stage.app.write_now(lambda story, uow, type=type: story.search(uow, asking, Query(type))[0])] for type in TYPES
    }


def names(value: Any) -> set[str]:
    """Every value that names a thing: ids, references, identifiers, spoken references."""
    if isinstance(value, list):
        return set().union(*map(names, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    own = {str(value[key]) for key in ("id", "reference") if isinstance(value.get(key), str)}
    own |= {str(each["value"]) for each in value.get("identifier", []) if isinstance(each, dict)} if isinstance(value.get("identifier"), list) else set()
    return own.union(*(names(inner) for inner in value.values()))


# ── M-08 ─────────────────────────────────────────────────────────────────────────────────────────
def test_one_person_has_three_ids_that_nobody_can_join_M_08(stage: Stage) -> None:
    for number, (who, (view, need)) in enumerate(ASKED.items()):
        stage.call(id=f"appel-{number}", besoins=[need], destinataire=who.unit, accord_medecin=YES, accord_patient=YES)
        stage.act(who, view, only(stage.cards(who, view)), "accept")
    assert len({each["subject"]["reference"] for each in stored(stage, "ServiceRequest")}) == 1  # one person of the house
    found = {who: reads(stage, who) for who in ASKED}
    for who, types in found.items():
        patient = only(types["Patient"])
        assert set(patient) - {"meta", "id", "resourceType"} == DECLARED[who], who.client
        assert patient["name"][0]["family"] == "Zyxdurand"
        assert len(types["Task"]) == len(types["ServiceRequest"]) == len(types["Consent"]) == 1
    house = set().union(*(names(stored(stage, type)) for type in TYPES))
    known = {who: names(list(types.values())) | {str(only(stage.cards(who, ASKED[who][0])).card["reference"])} for who, types in found.items()}
    for one, other in combinations(known.values(), 2):
        assert len(one) > 6 and not one & other
    for who, (view, _) in ASKED.items():
        spoken = str(only(stage.cards(who, view)).card["reference"])  # for the phone: of one Task, not of the person
        assert not (known[who] - {spoken}) & house


# ── M-20 ─────────────────────────────────────────────────────────────────────────────────────────
WRONG = {"misspelt": ("    birthDaet: D2 open\n", "birthDaet"), "a duplicate": ("    address: D1 open safe\n", "twice"), "a wildcard": ("    '*': D1 open\n", "*")}


@pytest.mark.parametrize("fault", [*WRONG, ""])
def test_house_does_not_start_on_a_view_file_that_is_wrong_M_20(tmp_path: Path, fault: str) -> None:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    file = tmp_path / "mappings" / "views" / "saad.yaml"
    line, said = WRONG.get(fault, ("", ""))
    before = file.read_text("utf-8")
    assert before.count("    address: D1 open safe\n") == 1
    file.write_text(before.replace("    address: D1 open safe\n", "    address: D1 open safe\n" + line), "utf-8")
    settings = load_settings({"LIAISON_SECRET_KEY": "k" * 40, "LIAISON_DATABASE_URL": "sqlite://", "LIAISON_MAPPINGS_DIR": str(tmp_path / "mappings")})
    if not fault:
        build(settings).close()
        return
    with pytest.raises(SettingsError) as caught:
        build(settings)
    at = before[: before.index("    address: D1 open safe\n")].count("\n") + 2
    assert f"saad.yaml:{at}" in str(caught.value.variable) and said in str(caught.value)


# ── M-23 ─────────────────────────────────────────────────────────────────────────────────────────
def test_words_in_a_task_reach_nobody_and_the_house_is_told_of_them_M_23(tmp_path: Path) -> None:
    """Stored as the clinic's software wrote them; withheld at every door and from the EHR; `view try` names the element, not its words."""
    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    with staged(url) as stage:
        stage.sent()
        task = only(stored(stage, "Task"))

        def seen() -> Any:
            whole = {view: stage.see(who, view, only(stage.cards(who, view)).id) for who, view in ((COURSIER, "coursier-dac-asso"), (GP, "prescripteur"))}
            return reads(stage, COURSIER), {view: each and each.card for view, each in whole.items()}

        plain = seen()
        assert "Zyxdurand" in json.dumps(plain[1]["coursier-dac-asso"]) and plain[1]["prescripteur"]
        worded = task | {"description": WORDS, "note": [{"text": WORDS}]}
        stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("update", "Task", task["id"], worded, origin="portal")]))
        assert only(stored(stage, "Task"))["description"] == WORDS
        assert seen() == plain
        stage.push()
        sent = [each.body for each in stage.ehr.requests]
        assert stage.ehr.all("Task") and not any("séropositif" in json.dumps(json.loads(body), ensure_ascii=False) for body in sent if body.startswith("{"))
        told = Desk(stage, tmp_path).run("view", "try", f"Task/{task['id']}", "--as", "coursier-rouen")
        left = {line.split()[0]: line.split(maxsplit=1)[1] for line in told.output.splitlines() if line.startswith("    ") and " " in line.strip()}
        assert told.exit_code == 0 and "séropositif" not in told.output
        assert "no line" in left["description"] and "no line" in left["note[0].text"]
