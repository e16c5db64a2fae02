"""Whose a request stays when the doctor who made it is not in the network file."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from adapter.ports import Principal
from tests.e2e.records import DOCTOR, VIEW, card, notices, only
from tests.e2e.stage import CALL, COURSIER, GP, staged

STRANGER = {"nom": "Passage", "prenom": "Alix", "telephone": "+33261914417", "rpps": "10000000538"}
COURIERS_OWN = replace(GP, client="coursiers", organisation="asso-coursiers")  # who took it down, as a prescriber


@pytest.mark.parametrize("sender", [GP, COURSIER], ids=["the practice", "the couriers"])
def test_request_of_a_doctor_nobody_knows_stays_with_those_who_took_it_down_after_the_unit_wrote(sender: Principal) -> None:
    with staged() as stage:
        record = copy.deepcopy(CALL) | {"appelant": STRANGER, "preneur_appel": sender.person}
        stage.app.write_now(lambda story, uow: story.refer(uow, sender, "appel-coursier", record))
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
