"""What a notification cannot do, however many come and whatever they say (sync.md Y-15)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from adapter.ehr.fake.faults import Fault
from adapter.errors import EhrError, EhrRejected
from adapter.limits import Limits
from adapter.store import upgrade
from adapter.sync import heard, notices, subscribing
from adapter.sync.probe import learned
from adapter.sync.searches import FLOOR
from tests.e2e.away import edit, known, states, there
from tests.e2e.stage import CLINIC, Stage
from tests.hooked import call, counts, events, hook, hooked, listen, noted, ours, pulled, subscribed


@pytest.fixture(params=["rest-hook", "backport"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with hooked(request.param) as found:
        yield found


@pytest.fixture
def backport() -> Iterator[Stage]:
    with hooked("backport") as found:
        yield found


def notification(*ids: str, at: str = "2026-03-06T18:00:00Z") -> dict[str, Any]:
    foci = [{"name": "focus", "valueReference": {"reference": f"http://elsewhere.example/Task/{id}"}} for id in ids]
    events = [{"name": "notification-event", "part": [{"name": "timestamp", "valueInstant": at}, focus]} for focus in foci]
    status = {"resourceType": "Parameters", "parameter": [{"name": "type", "valueCode": "event-notification"}, *events]}
    return {"resourceType": "Bundle", "type": "history", "timestamp": at, "entry": [{"resource": status}]}


def secret_of(stage: Stage, type: str) -> tuple[str, dict[str, str]]:
    found = next(each for each in ours(stage) if each["criteria"].endswith(f"/{type}") or each["criteria"].startswith(f"{type}?"))
    return found["channel"]["endpoint"].removeprefix(stage.app.settings.url), dict(line.split(": ", 1) for line in found["channel"]["header"])


def test_flood_makes_one_search_in_its_time_and_is_refused_above_its_limit(stage: Stage) -> None:
    known(stage)
    subscribed(stage)
    pulled(stage)
    path, header = secret_of(stage, "Task")
    stage.app.calls = Limits(20)
    stage.clock.tick(timedelta(minutes=1))
    answers = [call(stage, path, headers=header) for _ in range(30)]
    assert answers == [204] * 20 + [429] * 10
    first = listen(stage)
    assert 0 < first < 10
    stage.clock.tick(timedelta(minutes=1))
    assert call(stage, path, headers=header) == 204
    assert listen(stage) <= first


def test_ehr_whose_every_search_reads_everything_is_asked_no_oftener_than_a_poll_may(stage: Stage) -> None:
    known(stage)
    subscribed(stage)
    pulled(stage)
    stage.app.write_now(lambda _, uow: learned(uow, CLINIC, last_updated=False))
    path, header = secret_of(stage, "Task")
    call(stage, path, headers=header)
    assert listen(stage) == 0 and noted(stage)
    stage.clock.tick(FLOOR)
    assert listen(stage) > 0 and noted(stage) == {}


def test_forgeries_are_counted_and_a_few_of_a_minute_are_events(stage: Stage) -> None:
    subscribed(stage)
    for _ in range(subscribing.TOLD + 5):
        call(stage, hook(stage), headers={"Authorization": "Bearer wrong"})
    assert counts(stage)[f"{subscribing.REFUSED}{CLINIC}/forged"] == subscribing.TOLD + 5
    assert events(stage, "forged") == subscribing.TOLD


def test_named_resource_is_read_although_the_search_is_behind(backport: Stage) -> None:
    """Y-21: the search does not show it; the notification names its id."""
    known(backport)
    subscribed(backport)
    pulled(backport)
    id = there(backport, "Task")["id"]
    edit(backport, "Task", status="cancelled")
    backport.ehr.faults.append(Fault("stale-search", "GET Task", times=None))
    path, header = secret_of(backport, "Task")
    assert call(backport, path, json=notification(id, "nobodys", "a b"), headers=header) == 204
    assert noted(backport) == {"Task": [id, "nobodys"]}
    listen(backport)
    assert states(backport)[0] == "cancelled"


def test_notification_makes_nothing_absent(backport: Stage) -> None:
    known(backport)
    subscribed(backport)
    pulled(backport)
    path, header = secret_of(backport, "Task")
    before = states(backport)
    backport.ehr.faults.append(Fault("answer", "GET Task/*", status=404, times=None))
    call(backport, path, json=notification(there(backport, "Task")["id"]), headers=header)
    listen(backport)
    assert states(backport) == before and backport.app.read_now(lambda _, uow: uow.conflicts()) == []


def test_notification_wakes_no_ehr_that_rests_and_is_kept_until_it_is_there_again(backport: Stage) -> None:
    known(backport)
    subscribed(backport)
    pulled(backport)
    path, header = secret_of(backport, "Task")
    backport.ehr.faults.append(Fault("answer", "GET *", status=503, times=None))
    call(backport, path, json=notification(there(backport, "Task")["id"]), headers=header)
    with pytest.raises(EhrError):
        listen(backport)
    assert listen(backport) == 0 and noted(backport)
    backport.ehr.faults.clear()
    backport.clock.tick(timedelta(hours=1))
    assert listen(backport) > 0 and noted(backport) == {}


def test_search_that_is_refused_keeps_what_was_said_of_it_and_stops_no_other(stage: Stage) -> None:
    known(stage)
    subscribed(stage)
    pulled(stage)
    stage.ehr.faults.append(Fault("answer", "GET Task", status=403, times=None))
    path, header = secret_of(stage, "Task")
    call(stage, path, headers=header)
    stage.clock.tick(timedelta(hours=2))
    before = len(stage.ehr.requests)
    with pytest.raises(EhrRejected):
        stage.pull()
    assert noted(stage) and any("ServiceRequest?" in each.path for each in stage.ehr.requests[before:])


def test_what_is_said_while_a_run_goes_on_is_for_the_next(backport: Stage) -> None:
    def during(uow: Any) -> None:
        assert heard.note(uow, CLINIC, "Task", ["1"])
        assert not heard.note(uow, CLINIC, "Task", ["1"]), "said already"
        assert heard.take(uow, CLINIC, {"Task"}) == {"Task": ["1"]}
        assert heard.note(uow, CLINIC, "Task", ["1"]), "the run may have read it before"
        heard.done(uow, CLINIC, {"Task"})

    backport.app.write_now(lambda _, uow: during(uow))
    assert noted(backport) == {"Task": ["1"]}


def test_every_word_of_a_notification_is_read_without_trust() -> None:
    odd = b'{"entry": [{"resource": {"parameter": [1, {"name": "notification-event", "part": 3}]}}]}'
    for body in (b"", b"{", b"[]", b"null", b'{"entry": 1}', b'{"entry": [null]}', odd):
        assert notices.read(body, type="Task").ids == ()
    assert notices.read(json.dumps(notification("1", "2")).encode(), type="Task").ids == ("1", "2")
    assert notices.read(json.dumps(notification("1")).encode(), type="Consent").ids == ()
    assert notices.read(json.dumps(notification(*["1"] * 1_000)).encode(), type="Task").ids == ()


@pytest.mark.postgres
def test_Y_13_Y_15_hold_on_postgresql(postgres: Callable[[], str]) -> None:
    url = postgres()
    upgrade(url)
    with hooked("backport", url) as stage:
        known(stage)
        subscribed(stage)
        pulled(stage)
        edit(stage, "Task", status="cancelled")
        stage.ehr.faults.append(Fault("repeat", "NOTIFY Task/*", amount=5))
        stage.ehr.hooks.deliver()
        assert listen(stage) > 0 and states(stage)[0] == "cancelled"
        stage.clock.tick(timedelta(minutes=1))
        assert listen(stage) == 0
        assert call(stage, hook(stage), headers={"Authorization": "Bearer wrong"}) == 401
        assert counts(stage)[f"{subscribing.REFUSED}{CLINIC}/forged"] == 1 and events(stage, "forged") == 1
