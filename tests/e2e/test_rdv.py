"""The column RDV of france.md 2.9: what RDV Service Public tells of an appointment, and what the referral becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.booking import UNIT, VIEW, Tool, booked, refer
from tests.e2e.records import stored
from tests.e2e.stage import CARSAT, GP, SAAD, Stage


def task(stage: Stage) -> dict[str, Any]:
    (found,) = stored(stage, "Task")
    return found


def progress(stage: Stage) -> str:
    return "".join(each["code"] for each in task(stage).get("businessStatus", {}).get("coding", ()))


def appointments(stage: Stage) -> list[str]:
    return sorted(each["status"] for each in stored(stage, "Appointment"))


def test_rdv_unknown_is_booked_and_the_appointment_of_an_accepted_referral_is_fixed() -> None:
    with booked() as (stage, tool):
        answer = tool.tell("unknown", event="created")
        assert (answer.status_code, answer.content) == (204, b"")
        assert (task(stage)["status"], progress(stage), appointments(stage)) == ("accepted", "rdv-fixe", ["booked"])
        card = stage.cards(CARSAT, VIEW)[0].card
        assert card["appointments"] == [{"state": "booked", "start": "2026-03-10T09:30:00+01:00", "end": "2026-03-10T10:15:00+01:00"}]
        assert stage.cards(GP, "prescripteur")[0].card["appointments"] == card["appointments"]
