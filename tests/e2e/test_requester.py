"""Whose a request stays when the doctor who made it is not in the network file."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from adapter.intake import UNKNOWN_DOCTOR
from adapter.ports import Principal
from tests.e2e.records import DOCTOR, VIEW, card, notices, only
from tests.e2e.stage import CALL, COURSIER, GP, staged

STRANGER = {"nom": "Passage", "prenom": "Alix", "telephone": "+33261914417", "rpps": "10000000538"}
COURIERS_OWN = replace(GP, client="coursiers", organisation="asso-coursiers")  # who took it down, as a prescriber


@pytest.mark.parametrize("sender", [GP, COURSIER], ids=["the practice", "the couriers"])
def test_request_of_a_doctor_nobody_knows_stays_with_those_who_took_it_down_after_the_unit_wrote(sender: Principal) -> None:
    with staged() as stage:
        record = copy.deepcopy(CALL) | {"appelant": STRANGER, "preneur_appel": sender.person}
        receipt = stage.app.write_now(lambda story, uow: story.refer(uow, sender, "appel-coursier", record))
        assert [(each["path"], each["text"]) for each in receipt.warnings] == ([] if sender is GP else [("appelant", UNKNOWN_DOCTOR)])
        for who in ("doctor", "patient"):
            heard = {"who": who, "agreed": True, "heard_by": sender.person, "how": "telephone"}
            stage.app.write_now(lambda story, uow, heard=heard: story.agree(uow, sender, "appel-coursier", "appel-1", heard))
        ours = sender is GP
        before = stage.cards(GP, DOCTOR)
        assert len(before) == ours
        stage.act(COURSIER, VIEW, card(stage), "accept")
        after = stage.cards(GP, DOCTOR)
        assert [each.id for each in after] == [each.id for each in before] and [each.card["state"] for each in after] == ["accepted"] * ours
        if ours:
            assert stage.act(GP, DOCTOR, only(after), "withdraw", heard_by="secretaire-saint-eloi") is not None
            assert stage.cards(COURSIER, VIEW) == [] and len(notices(stage)) == 1


@pytest.mark.parametrize("appelant", [CALL["appelant"], CALL["appelant"] | {"rpps": "10000000538"}], ids=["known", "unknown"])
def test_receipt_warns_of_a_doctor_nobody_knows_also_when_it_is_asked_for_again(appelant: dict[str, str]) -> None:
    with staged() as stage:
        for _ in range(2):
            receipt = stage.call(appelant=appelant)
            assert [each["text"] for each in receipt.warnings] == [UNKNOWN_DOCTOR] * (appelant != CALL["appelant"])
            assert bool(stage.cards(GP, DOCTOR)) == (appelant == CALL["appelant"])


def test_receipt_of_a_person_who_said_no_warns_of_no_doctor() -> None:
    with staged() as stage:
        receipt = stage.call(appelant=STRANGER, accord_patient={"accord": "non"})
        assert receipt.status == "refused" and not receipt.warnings
