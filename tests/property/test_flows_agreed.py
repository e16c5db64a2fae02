"""No referral leaves while either agreement is missing, whatever the order of events: on the whole story, its store, outbox and the
EHR beside it, with what the practice's own software writes in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.dossier import content
from adapter.errors import MappingError, Refused
from adapter.fhir import query
from adapter.ports import Change
from tests.e2e.records import stored
from tests.e2e.stage import COURSIER, GP, Stage, staged

CASES = 1000 if os.environ.get("LIAISON_TEST_PROFILE") == "nightly" else 40
LEAVES = ("ServiceRequest", "Task", "Consent")
VIEW = "coursier-dac-asso"
HEARD = {"heard_by": "coursier-lea", "how": "telephone"}


def writes(type: str, status: str) -> Callable[[Stage], Any]:
    """The practice's own software writes another status into what it may read."""

    def act(stage: Stage) -> None:
        for found in stage.app.write_now(lambda story, uow: story.search(uow, GP, query(type, []))[0]):
            change = Change("update", type, found.id, content(found) | {"status": status}, origin="fhir")
            stage.app.write_now(lambda story, uow, change=change: story.receive(uow, GP, [change]))

    return act


def by(who: Any, view: str, verb: str, **arguments: Any) -> Callable[[Stage], Any]:
    return lambda stage: [stage.act(who, view, shown, verb, **arguments) for shown in stage.cards(who, view)]


ACTS: dict[str, Callable[[Stage], Any]] = {
    "doctor yes": lambda stage: stage.agree("doctor"),
    "doctor no": lambda stage: stage.agree("doctor", False),
    "patient yes": lambda stage: stage.agree("patient"),
    "patient no": lambda stage: stage.agree("patient", False),
    "call again": lambda stage: stage.call(),
    "task requested": writes("Task", "requested"),
    "task accepted": writes("Task", "accepted"),
    "request active": writes("ServiceRequest", "active"),
    "consent active": writes("Consent", "active"),
    "consent inactive": writes("Consent", "inactive"),
    "accept": by(COURSIER, VIEW, "accept"),
    "inform": by(GP, "prescripteur", "inform", **HEARD),
    "confirm": by(GP, "prescripteur", "confirm", **HEARD),
    "narrow": by(GP, "prescripteur", "narrow", needs=["isolement"], **HEARD),
    "withdraw": by(GP, "prescripteur", "withdraw", **HEARD),
    "oppose": by(GP, "prescripteur", "oppose", **HEARD),
    "pull": lambda stage: stage.pull(),
}
DOCTOR = {"doctor yes": True, "doctor no": False, "request active": True}  # what the practice's software writes is the doctor's word
PATIENT = {"patient yes": True, "patient no": False, "consent active": True, "consent inactive": False, "withdraw": False, "oppose": False}


@settings(max_examples=CASES)
@given(st.lists(st.sampled_from(sorted(ACTS)), max_size=12))
def test_nothing_reaches_the_ehr_before_both_agreements_stand_whatever_the_order_of_events(acts: list[str]) -> None:
    with staged() as stage:
        stage.call()
        doctor = patient = left = False
        for name in acts:
            try:
                ACTS[name](stage)
            except (Refused, MappingError):
                continue  # refused: nothing of it happened
            doctor, patient = DOCTOR.get(name, doctor), PATIENT.get(name, patient)
            stage.push()
            there = {type for type in LEAVES if stage.ehr.all(type)}
            sent = {each["status"] for each in stored(stage, "Task")} - {"draft", "cancelled", "entered-in-error"}
            assert left or not (there or sent) or (doctor and patient), (name, there, sent)
            left = left or bool(there or sent)


def test_walk_can_end_with_a_referral_in_the_ehr() -> None:
    """Without this, the property could hold in a house that sends nothing."""
    with staged() as stage:
        stage.call()
        for name in ("doctor yes", "patient yes"):
            ACTS[name](stage)
        stage.push()
        assert all(stage.ehr.all(type) for type in LEAVES)
