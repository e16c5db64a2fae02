"""Who subscribed with us and cannot be told: calls that fail, time that passes, secrets that stay sealed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapter.clock import instant
from adapter.errors import EhrUnavailable
from adapter.ports import Query
from adapter.served import GIVEN_UP
from adapter.sync import subscribers
from tests.e2e.away import known
from tests.e2e.stage import CLINIC
from tests.unit.sync.test_serving import PLACES, House, hidden, parameters, placed, wanted


@pytest.fixture(params=PLACES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with placed(request, tmp_path) as found:
        yield found


def test_Y_14_subscriber_that_is_away_is_told_later_once_and_others_meanwhile(house: House) -> None:
    house.subscribe()
    house.stage.sent()
    house.answers = EhrUnavailable("away")
    house.turn()
    house.answers = 200
    assert house.turn() == [], "it rests"
    house.stage.clock.tick(timedelta(hours=1))
    assert len(house.turn()) == 1 and house.turn() == []


def test_subscriber_away_for_days_or_gone_is_in_error_and_its_letters_go_nowhere(house: House) -> None:
    id = house.subscribe()
    house.stage.sent()
    house.answers = 503
    house.turn()
    house.stage.clock.tick(GIVEN_UP + timedelta(minutes=1))
    house.turn()
    assert house.state(id) == "error" and set(house.letters()) == {"dropped"}
    house.answers = 200
    other = house.subscribe(endpoint="https://soft.example/other")
    hidden(house.stage, priority="stat")
    house.answers = 410
    house.turn()
    assert house.state(other) == "error"


def test_subscription_that_ended_is_off(house: House) -> None:
    id = house.subscribe(end=instant(house.stage.clock.now() + timedelta(hours=1)))
    assert house.state(id) == "active"
    house.stage.clock.tick(timedelta(hours=1))
    house.stage.sent()
    assert house.turn() == [] and house.state(id) == "off"


@pytest.mark.parametrize("how", ["off", "delete"])
def test_client_ends_it(house: House, how: str) -> None:
    id = house.subscribe()
    house.stage.sent()
    house.turn()
    (task,) = house.stage.app.read_now(lambda _, uow: uow.search(Query("Task")))

    def told() -> str:
        found = house.stage.app.read_now(lambda _, uow: subscribers.load(uow, id))
        assert found is not None
        return house.stage.app.read_now(lambda _, uow: subscribers.told(uow, found, f"Task/{task.id}"))

    assert told() != ""
    hidden(house.stage, priority="stat")
    if how == "off":
        assert house.ask("PUT", f"/fhir/Subscription/{id}", json=wanted(status="off") | {"id": id}).status_code == 200
    else:
        assert house.ask("DELETE", f"/fhir/Subscription/{id}").status_code == 204
    assert house.turn() == [] and set(house.letters()) == {"done", "dropped"}
    assert told() == "", "what it was told of is forgotten with it"


def test_status_tells_how_it_fares(house: House) -> None:
    id = house.subscribe()
    house.stage.sent()
    house.turn()
    said = house.ask("GET", f"/fhir/Subscription/{id}/$status").json()
    assert said["type"] == "searchset"
    told = parameters(said)
    assert (told["status"], told["type"], told["events-since-subscription-start"]) == ("active", "query-status", "1")


def test_every_call_stands_in_the_audit_before_it_is_made(house: House) -> None:
    house.subscribe()
    house.stage.sent()
    house.answers = RuntimeError("the process dies")
    with pytest.raises(RuntimeError):
        house.turn()
    rows = house.stage.app.read_now(lambda _, uow: [json.loads(row.event) for row in uow.audit_rows(limit=10_000)])
    assert [each["subtype"][0]["code"] for each in rows].count("notify") == 1
    house.answers = 200
    house.stage.clock.tick(timedelta(minutes=6))
    assert len(house.turn()) == 1, "and is made again: nothing is lost"


def test_private_addresses_are_called_only_where_the_network_file_says_so(house: House) -> None:
    house.stage.app.__dict__["served"] = replace(house.stage.app.served, tell=None)
    for endpoint in ("https://127.0.0.1:9/hook", "https://169.254.169.254/latest", "https://[::1]/x", "https://10.0.0.1/"):
        assert house.state(house.subscribe(endpoint=endpoint)) == "error"


def test_ehr_letters_are_as_many_as_before(house: House) -> None:
    house.subscribe("saint-eloi")
    known(house.stage)
    found = house.stage.app.read_now(lambda _, uow: uow.letters(ehr=CLINIC))
    assert found and {each.state for each in found} == {"done"}
