"""The person's team (workflow.md 5; CSP L1110-12): recognised by the person, dated, informed; what it opens, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapter.cli import house
from adapter.cli.program import program
from adapter.errors import Invalid
from tests.e2e.places import MSP, OTHER_MSP, settle
from tests.e2e.records import DOCTOR, acts, agents, only, stored, told
from tests.e2e.serving import agreed, settled
from tests.e2e.stage import COURSIER, GP, Stage, staged

TEAM = "as-msp-equipe"
SAID = {"person": "as-maison", "how": "presence", "informed": True}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        settle(found)
        yes = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
        found.call(destinataire="as-msp-bureau", besoins=["acces-droits"], accord_medecin=yes, accord_patient=yes)
        yield found


def act(stage: Stage, verb: str, **said: Any) -> Any:
    return stage.act(GP, DOCTOR, only(stage.cards(GP, DOCTOR)), verb, **said)


def test_recognition_is_a_dated_participant_with_how_it_was_said_and_the_information_given(stage: Stage) -> None:
    act(stage, "recognise", **SAID)
    team = only(stored(stage, "CareTeam"))
    assert team["status"] == "active" and team["managingOrganization"] == [{"reference": "Organization/msp-saint-eloi"}]
    assert team["participant"] == [{"member": {"reference": "PractitionerRole/as-maison"}, "period": {"start": "2026-03-06T17:50:00.000Z"}}]
    proof = only(told(stage, "equipe-reconnue"))
    assert agents(proof) == {"author": team["subject"]["reference"], "attester": "PractitionerRole/dr-exemple"}
    assert proof["agent"][1]["role"][0]["coding"][0]["code"] == "presence"
    assert f"CareTeam/{team['id']}" in [each["reference"] for each in only(told(stage, "info-remise"))["target"]]
    assert acts(stage)[-1] == ("agreement-recognise", {"how": "presence", "person": "as-maison"})


@pytest.mark.parametrize(
    ("changed", "place"),
    [({"informed": False}, "informed"), ({"how": ""}, "how"), ({"how": "fax"}, "how"), ({"person": "nobody"}, "person"), ({"person": ""}, "person")],
)
def test_recognition_without_information_or_manner_is_refused(stage: Stage, changed: dict[str, Any], place: str) -> None:
    with pytest.raises(Invalid) as refusal:
        act(stage, "recognise", **SAID | changed)
    assert refusal.value.issues[0].expression == place and stored(stage, "CareTeam") == []


def test_two_are_of_one_team_nobody_twice_and_who_left_may_come_back(stage: Stage) -> None:
    act(stage, "recognise", **SAID)
    act(stage, "recognise", **SAID | {"person": "as-remplacante"})
    with pytest.raises(Invalid, match="already"):
        act(stage, "recognise", **SAID)
    stage.clock.tick(timedelta(days=1))
    act(stage, "leave", person="as-maison")
    with pytest.raises(Invalid, match="not of the team"):
        act(stage, "leave", person="as-maison")
    stage.clock.tick(timedelta(days=1))
    act(stage, "recognise", **SAID)
    team = only(stored(stage, "CareTeam"))
    assert [("end" in each["period"]) for each in team["participant"]] == [True, False, False]


def test_who_is_of_the_team_sees_the_teams_view_and_a_colleague_the_view_of_those_outside(stage: Stage) -> None:
    before = only(stage.cards(MSP, TEAM))
    assert (before.card["view"], before.decision.rule) == ("as-carsat", "S1")
    act(stage, "recognise", **SAID)
    inside, outside = only(stage.cards(MSP, TEAM)), only(stage.cards(OTHER_MSP, TEAM))
    assert (inside.card["view"], inside.decision.rule) == (TEAM, "basis:team")
    assert (outside.card["view"], outside.decision.rule) == ("as-carsat", "S1")
    assert inside.card["person"]["family_name"] == "Zyxdurand"


def test_who_reads_in_english_outside_the_team_may_act_on_what_was_read(stage: Stage) -> None:
    english = only(stage.app.write_now(lambda story, uow: story.worklist(uow, MSP, TEAM, lang="en")))
    assert english.etag == only(stage.cards(MSP, TEAM)).etag
    assert stage.act(MSP, TEAM, english, "accept") is not None


def test_who_leaves_is_outside_at_once(stage: Stage) -> None:
    act(stage, "recognise", **SAID)
    stage.clock.tick(timedelta(days=3))
    act(stage, "leave", person="as-maison")
    assert only(stage.cards(MSP, TEAM)).card["view"] == "as-carsat"


def test_team_does_not_see_what_was_withdrawn_or_opposed(stage: Stage) -> None:
    act(stage, "recognise", **SAID)
    shown = only(stage.cards(MSP, TEAM))
    stage.act(MSP, TEAM, shown, "oppose", how="presence")
    assert stage.cards(MSP, TEAM) == [] and stage.see(MSP, TEAM, shown.id) is None


def test_team_opens_no_referral_to_another_unit_and_no_draft(stage: Stage) -> None:
    act(stage, "recognise", **SAID)
    stage.call(id="appel-2", besoins=["isolement"])
    stage.sent(id="appel-3", destinataire="permanence-saint-eloi", besoins=["budget"])
    assert len(stage.cards(MSP, TEAM)) == 1


# ── the command line ─────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The spoken reference of a referral in a folder of its own, which the command line works in."""
    folder = settled(tmp_path)
    monkeypatch.chdir(folder.path)
    with house.opened(house.settings()) as opened:
        receipt = opened.write_now(lambda story, uow: story.refer(uow, COURSIER, "appel-coursier", agreed()))
    return str(receipt.referrals[0]["reference"])


def run(*words: str) -> Any:
    return CliRunner().invoke(program(), ["team", *words])


def test_team_is_kept_from_the_command_line(spoken: str) -> None:
    assert run("show", spoken).exit_code == 1
    asked = ("recognise", spoken, "as-ines", "--heard-by", "dr-exemple", "--how", "presence")
    assert isinstance(run(*asked).exception, Invalid)  # the person was not informed
    done = run(*asked, "--informed")
    assert done.exit_code == 0 and done.stdout.startswith("as-ines  since 20") and "of the team" in done.stdout
    assert "of the team" in run("show", spoken.lower()).stdout
    nobody = run("leave", spoken, "as-ines", "--heard-by", "")
    assert isinstance(nobody.exception, Invalid) and nobody.exception.issues[0].expression == "heard_by"
    left = run("leave", spoken, "as-ines", "--heard-by", "dr-exemple")
    assert left.exit_code == 0 and "until 20" in left.stdout
    assert run("show", "ZZ-99Z").exit_code == 1 and run("show", "Task/absent").exit_code == 1
