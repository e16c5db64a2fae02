"""The table of france.md 2.9: each thing that becomes of a referral, as each tool says it. A tool's column is one dict; what it has no word for is
NOTHING said: its own status is then left out, never made up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapter import acts, dossier
from adapter.ports import Principal, Query, Resource
from adapter.referral import verbs
from tests.e2e.stage import Stage
from tests.e2e.test_hearsay import stage as _stage
from tests.e2e.test_hearsay import taken
from tests.unit.web.test_doors import Door

stage = _stage
ACCORD = {"accord": "oui", "par": "dr-exemple", "le": "2026-03-06T09:55:00+01:00", "comment": "presence"}
MSS = {"usual_name": "Zyxmodele", "first_name": "Nourzyx"}
SENT: dict[str, dict[str, Any]] = {
    "dora-orientation": {
        "query_id": "r", "status": "OUVERTE", "creation_date": "2026-03-06T10:00:00+01:00", "service": "coursier-rouen", "thematiques": ["isolement"],
        "prescriber": {"last_name": "Exemple", "email": "ines@exemple.example"}, "beneficiary_first_name": "Nourzyx", "beneficiary_last_name": "Zyxmodele", "data_protection_commitment": True,
    },
    "mon-suivi-social-aide": {
        "id": "r", "status": "WaitingAdditionalInformation", "reason": "Food", "opening_date": "2026-03-06", "beneficiary": MSS, "destinataire": "coursier-rouen",
    },
    "mon-suivi-social-suivi": {
        "id": "r", "status": "Todo", "date": "2026-03-06T10:00:00+01:00", "types": ["isolement"], "beneficiary": MSS, "destinataire": "coursier-rouen",
    },
    "carnet-de-bord": {
        "id": "r", "status": "pending", "created_at": "2026-03-06T10:00:00+01:00", "requested_orientation_system_id": "coursier-rouen", "besoins": ["isolement"],
        "beneficiary": {"firstname": "Nourzyx", "lastname": "Zyxmodele"},
    },
}  # fmt: skip
NOTHING: dict[str, Any] = {}
ANSWERS = ("status", "rejection_reasons", "refusal_reason", "decision_reason", "redirected", "decided_orientation_system_id")
Move = Callable[[verbs.Referral, verbs.Scene], list[Resource]]


def outcome(referral: verbs.Referral, scene: verbs.Scene) -> list[Resource]:
    return verbs.complete(referral, scene, {"": "information-conseil"})


# What is done to the referral, one move after another; then what each tool is told.
ACCEPT: Move = verbs.accept
ROWS: dict[str, tuple[list[Move], dict[str, dict[str, Any]]]] = {
    "request, received and not read": ([], {
        "dora-orientation": {"status": "OUVERTE"}, "mon-suivi-social-aide": {"status": "WaitingAdditionalInformation"},
        "mon-suivi-social-suivi": {"status": "Todo"}, "carnet-de-bord": {"status": "pending"},
    }),
    "accepted": ([ACCEPT], {
        "dora-orientation": {"status": "VALIDÉE"}, "mon-suivi-social-aide": {"status": "InvestigationOngoing"},
        "mon-suivi-social-suivi": {"status": "InProgress"},
        "carnet-de-bord": {"status": "accepted", "decided_orientation_system_id": "coursier-rouen"},
    }),
    "refused, before acceptance": ([lambda referral, scene: verbs.decline(referral, scene, "session-complete")], {
        "dora-orientation": {"status": "REFUSÉE", "rejection_reasons": ["session-complète"]},
        "mon-suivi-social-aide": {"status": "Refused", "refusal_reason": "session-complete"},
        "mon-suivi-social-suivi": NOTHING, "carnet-de-bord": {"status": "denied", "decision_reason": "session-complete"},
    }),
    "refused, after acceptance": ([ACCEPT, lambda referral, scene: verbs.fail(referral, scene, "beneficiaire-non-joignable")], {
        "dora-orientation": {"status": "REFUSÉE", "rejection_reasons": ["bénéficiaire-non-joignable"]},
        "mon-suivi-social-aide": {"status": "Refused", "refusal_reason": "beneficiaire-non-joignable"},
        "mon-suivi-social-suivi": NOTHING, "carnet-de-bord": {"status": "denied", "decision_reason": "beneficiaire-non-joignable"},
    }),
    "re-oriented, before acceptance": ([lambda referral, scene: verbs.decline(referral, scene, "mauvaise-orientation")], {
        "dora-orientation": {"status": "REFUSÉE", "rejection_reasons": ["mauvaise-orientation"]},
        "mon-suivi-social-aide": {"status": "Refused", "refusal_reason": "mauvaise-orientation"},
        "mon-suivi-social-suivi": {"redirected": True},
        "carnet-de-bord": {"status": "denied", "decision_reason": "mauvaise-orientation"},  # and no system was decided
    }),
    "re-oriented, after acceptance": ([ACCEPT, lambda referral, scene: verbs.cancel(referral, scene, "mauvaise-orientation", actor="target")], {
        "dora-orientation": {"status": "REFUSÉE", "rejection_reasons": ["mauvaise-orientation"]},
        "mon-suivi-social-aide": {"status": "Dismissed", "refusal_reason": "mauvaise-orientation"},
        "mon-suivi-social-suivi": {"redirected": True}, "carnet-de-bord": {"status": "denied", "decision_reason": "mauvaise-orientation"},
    }),
    "first contact": ([ACCEPT, verbs.start], {
        "dora-orientation": {"status": "VALIDÉE"}, "mon-suivi-social-aide": {"status": "InvestigationOngoing"},
        "mon-suivi-social-suivi": {"status": "InProgress"},
        "carnet-de-bord": {"status": "accepted", "decided_orientation_system_id": "coursier-rouen"},
    }),
    "patient absent": ([ACCEPT, lambda referral, scene: verbs.progress(referral, scene, "absent-1")], {
        "dora-orientation": {"status": "VALIDÉE"}, "mon-suivi-social-aide": {"status": "InvestigationOngoing"},
        "mon-suivi-social-suivi": {"status": "InProgress"},
        "carnet-de-bord": {"status": "accepted", "decided_orientation_system_id": "coursier-rouen"},
    }),
    "patient absent three times": ([ACCEPT, lambda referral, scene: verbs.cancel(referral, scene, "beneficiaire-absent", actor="target")], {
        "dora-orientation": {"status": "REFUSÉE", "rejection_reasons": ["bénéficiaire-absent"]},
        "mon-suivi-social-aide": {"status": "Dismissed", "refusal_reason": "beneficiaire-absent"},
        "mon-suivi-social-suivi": NOTHING, "carnet-de-bord": {"status": "denied", "decision_reason": "beneficiaire-absent"},
    }),
    "done": ([ACCEPT, verbs.start, outcome], {
        "dora-orientation": {"status": "VALIDÉE"}, "mon-suivi-social-aide": {"status": "Accepted"}, "mon-suivi-social-suivi": {"status": "Done"},
        "carnet-de-bord": {"status": "accepted", "decided_orientation_system_id": "coursier-rouen"},
    }),
    "no answer": ([lambda referral, scene: verbs.cancel(referral, scene, "sans-reponse", actor="requester")], {
        "dora-orientation": {"status": "EXPIRÉE"}, "mon-suivi-social-aide": NOTHING, "mon-suivi-social-suivi": NOTHING, "carnet-de-bord": NOTHING,
    }),
    "consent withdrawn": ([ACCEPT, lambda referral, scene: verbs.withdraw(referral, scene, shown=True)], dict.fromkeys(SENT, NOTHING)),
}  # fmt: skip


@pytest.fixture
def door(stage: Stage) -> Door:
    return Door(stage)


def moved(stage: Stage, move: Move) -> None:
    """One move of every referral there is."""

    def act(story: Any, uow: Any) -> None:
        for version in uow.search(Query("Task")):
            found = dossier.load(uow, version.id)
            assert found
            who = Principal("coursiers", "asso-coursiers", "coursier-rouen", "service", person="coursier-lea")
            done = move(verbs.Referral(found.task, found.request, found.named), story.agreements.scene(uow, who))
            requesters = any(each.get("status") in ("cancelled", "entered-in-error") for each in done)
            story.receive(uow, who, acts.changes(found, done, origin="intake" if requesters else "portal"))

    stage.app.write_now(act)


@pytest.mark.parametrize("row", ROWS)
def test_status_table_of_france_2_9(row: str, door: Door, stage: Stage) -> None:
    moves, told = ROWS[row]
    assert set(told) == set(SENT)
    for mapping, record in SENT.items():
        assert taken(door, "saint-eloi", mapping, record | {"accord_patient": ACCORD})["status"] == "requested"
    for move in moves:
        moved(stage, move)
    for mapping, wanted in told.items():
        answer = door("GET", f"/intake/{mapping}/r", headers=door.token("saint-eloi"))
        assert answer.status_code == 200, answer.text
        found = {name: value for name, value in answer.json().items() if name in ANSWERS}
        assert found == wanted, mapping


def test_draft_is_moderation_and_a_draft_given_up_is_its_refusal(door: Door, stage: Stage) -> None:
    """The two rows of workflow.md 2 that the table has not."""
    taken(door, "saint-eloi", "dora-orientation", SENT["dora-orientation"] | {"status": "MODÉRATION_EN_COURS"})

    def status() -> Any:
        return door("GET", "/intake/dora-orientation/r", headers=door.token("saint-eloi")).json()["status"]

    assert status() == "MODÉRATION_EN_COURS"
    moved(stage, lambda referral, scene: verbs.cancel(referral, scene, "demande-close", actor="requester"))
    assert status() == "MODÉRATION_REJETÉE"
