"""How far each EHR is behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.errors import EhrRejected, EhrUnavailable
from adapter.sync.pull import own_searches
from adapter.sync.status import status
from adapter.sync.subscribing import REFUSED, Standing
from tests.unit.sync.house import SYSTEMS, House
from tests.unit.sync.scripted import ScriptedEhr, away


def shown(house: House) -> dict[str, Any]:
    (found,) = house.store.read_now(lambda uow: status(uow, {"clinic": own_searches(SYSTEMS)}))
    return found


def test_status_of_an_ehr_that_is_in_step() -> None:
    house = House().sent()
    house.pull().run(now=True)

    found = shown(house)

    assert (found["queued"], found["unknown"], found["parked"], found["conflict"], found["conflicts"]) == (0, 0, 0, 0, 0)
    assert (found["lag"], found["oldest"], found["reasons"]) == (0.0, None, {})
    assert found["cursors"]["Task"] == {"watermark": "2026-03-02T18:00:00.000Z", "ran": "2026-03-02T18:00:00.000Z"}


def test_status_before_the_first_pull_has_empty_cursors() -> None:
    assert shown(House())["cursors"]["Consent"] == {"watermark": None, "ran": None}
    assert (shown(House())["pulled"], shown(House())["failed"]) == (None, None)


def test_status_tells_how_long_ago_everything_was_read_and_that_the_last_try_failed() -> None:
    house = House().sent()
    house.pull().run(now=True)
    house.later(minutes=5)
    assert (shown(house)["pulled"], shown(house)["failed"]) == ({"at": "2026-03-02T18:00:00.000Z", "age": 300.0}, None)
    house.ehr.script("search", away())
    with pytest.raises(EhrUnavailable):
        house.pull().run(now=True)
    house.later(minutes=5)
    assert shown(house)["pulled"] == {"at": "2026-03-02T18:00:00.000Z", "age": 600.0}, "what failed is not what was read"
    assert shown(house)["failed"] == {"at": "2026-03-02T18:05:00.000Z", "error": "EhrUnavailable"}
    house.pull().run(now=True)
    assert (shown(house)["pulled"], shown(house)["failed"]) == ({"at": "2026-03-02T18:10:00.000Z", "age": 0.0}, None)


def test_status_says_never_while_one_type_was_not_read_yet() -> None:
    house = House().sent()
    fine = house.ehr.search
    house.ehr.search = lambda type, params: fine(type, params) if type == "Consent" else refuse()  # type: ignore[method-assign]

    def refuse() -> Any:
        raise EhrUnavailable("away")

    with pytest.raises(EhrUnavailable):
        house.pull().run(now=True)
    found = shown(house)
    assert found["cursors"]["Consent"]["ran"] and found["pulled"] is None and found["failed"]


def test_status_tells_the_lag_of_the_oldest_waiting_letter() -> None:
    house = House().referral()
    house.later(minutes=7)

    found = shown(house)

    assert (found["queued"], found["lag"]) == (3, 420.0)
    assert found["oldest"] == {"type": "Consent", "reason": "", "attempts": 0, "due": "2026-03-02T18:00:00.000Z"}


def test_status_counts_what_waits_for_a_person_by_reason() -> None:
    house = House().sent()
    house.set("Task", status="accepted")
    house.ehr.script("update", EhrRejected("no", status_code=422))
    house.push().drain()
    house.ehr.edit("Consent", lambda consent: consent["provision"].pop("period"))
    house.pull().run(now=True)
    house.later(hours=1)

    found = shown(house)

    assert (found["parked"], found["conflicts"], found["reasons"]) == (1, 1, {"rejected-422": 1})
    assert found["lag"] == 0.0, "a parked letter is a person's, not a lag"


def test_status_shows_an_unknown_outcome_and_an_absent_ehr() -> None:
    house = House().referral()
    house.ehr.script("create", ScriptedEhr.LOST)
    house.ehr.script("search", away())
    push = house.push()
    push.step()
    house.later(hours=1)
    push.step()

    found = shown(house)

    assert (found["unknown"], found["queued"]) == (1, 2)
    assert found["oldest"]["attempts"] in (0, 2)


def test_status_is_plain_json_and_tells_of_nobody() -> None:
    house = House().referral()

    text = json.dumps(shown(house))

    assert not [name for name in ("Aubier", "Lise", "p1", "t1", "42") if f'"{name}"' in text]


def test_status_tells_of_subscriptions_there_and_of_notifications_that_were_not_believed() -> None:
    house = House()
    assert (shown(house)["subscriptions"], shown(house)["refused"]) == ({}, {})

    def learn(uow: Any) -> None:
        uow.keep("subscribed/clinic/Task", Standing("hook", kind="rest-hook", state="error", said="2026-03-02T17:00:00.000Z").encode())
        uow.add(f"{REFUSED}clinic/forged", 2)
        uow.add(f"{REFUSED}another/forged", 3)

    house.store.write_now(learn)
    assert shown(house)["subscriptions"] == {"Task": {"kind": "rest-hook", "state": "error", "said": "2026-03-02T17:00:00.000Z", "end": ""}}
    assert shown(house)["refused"] == {"forged": 2}
