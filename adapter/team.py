"""A professional recognised in the person's team (CSP L1110-12 2°, workflow.md 5), or out of it again: a CareTeam of the clinic
with dated participants, and the proof of how the person said it and what the person was told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from adapter.acts import Arguments
from adapter.clock import instant
from adapter.errors import Invalid
from adapter.ports import Change, Resource
from adapter.witness import Case, heard, witnessed, written

MOMENT = timedelta(milliseconds=1)  # a period ends at its last instant: who leaves now is out now


def recognise(case: Case, arguments: Arguments) -> list[Change]:
    """The person recognised a professional as of the team (CSP L1110-12 2°): who it is (`person`), how it was said (`how`), and
    that the person was told what the team shares (`informed`)."""
    told, member = heard(case, arguments), _member(case, arguments)
    if case.network.serving(arguments["person"], case.uow.at) is None:
        raise Invalid("expected a person who is in service today", expression="person")
    if not told.how:
        raise Invalid("expected how the person recognised them: a code of agreement-way", code="required", expression="how")
    if arguments.get("informed") is not True:
        raise Invalid("the person is told first what the team shares: expected informed true", code="required", expression="informed")
    team = _team(case)
    if any(_is(each, member) and "end" not in each.get("period", {}) for each in team.get("participant", ())):
        raise Invalid("they are of the team already", expression="CareTeam.participant")
    entry = {"member": {"reference": member}, "period": {"start": instant(told.at)}}
    team = team | {"participant": [*team.get("participant", ()), entry]}
    proofs = [witnessed(case, "equipe-reconnue", [team], told), witnessed(case, "info-remise", [team], told, said=False)]
    return [*_of_team(case, team), *written(case, proofs)]


def leave(case: Case, arguments: Arguments) -> list[Change]:
    """A professional is of the person's team no more, from this instant on."""
    told, member, team = heard(case, arguments), _member(case, arguments), _team(case)
    end = {"end": instant(told.at - MOMENT)}
    left = [each | {"period": each.get("period", {}) | end} if _is(each, member) and "end" not in each.get("period", {}) else each
            for each in team.get("participant", ())]  # fmt: skip
    if left == team.get("participant", []):
        raise Invalid("they are not of the team", expression="CareTeam.participant")
    team = team | {"participant": left}
    return [*_of_team(case, team), *written(case, [witnessed(case, "equipe-quittee", [team], told)])]


def _member(case: Case, arguments: Arguments) -> str:
    person = case.network.person(arguments.get("person", ""))
    if person is None:
        raise Invalid("expected the key of a person of the network", code="not-found", expression="person")
    return f"PractitionerRole/{person.key}"


def _is(participant: Mapping[str, Any], member: str) -> bool:
    return bool(participant.get("member", {}).get("reference") == member)


def _team(case: Case) -> Resource:
    """The person's team as the clinic keeps it; a new one, empty, where there is none."""
    clinic = f"Organization/{case.dossier.clinic}"
    kept = (each for each in case.dossier.teams if each.get("status") == "active")
    mine = next((each for each in kept if {"reference": clinic} in each.get("managingOrganization", ())), None)
    id = case.hand.scene.new_id()
    return mine or {
        "resourceType": "CareTeam",
        "id": id,
        "identifier": [{"system": case.hand.scene.systems.sid("care-team"), "value": id}],
        "status": "active",
        "subject": {"reference": case.patient},
        "managingOrganization": [{"reference": clinic}],
    }


def _of_team(case: Case, team: Resource) -> list[Change]:
    known = any(each["id"] == team["id"] for each in case.dossier.teams)
    return [Change("update" if known else "create", "CareTeam", team["id"], team, origin="intake")]
