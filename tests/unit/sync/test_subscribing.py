"""Our Subscriptions at an EHR, and what its notifications do: only ever that we look sooner (sync.md Y-13, Y-14, Y-15)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from adapter.ehr.fake.faults import Fault
from adapter.errors import EhrError, EhrRejected, SettingsError
from adapter.sync import subscribing
from adapter.sync.subscribing import AGAIN, LIFE, RENEWED, REPEATED, SILENT, Subscribing
from tests.e2e.away import edit, known, states, there
from tests.e2e.stage import CLINIC, Stage
from tests.hooked import CALLER, LATER, accepted, call, counts, events, hook, hooked, listen, look, noted, ours, pulled, subscribed, told


@pytest.fixture(params=["rest-hook", "backport"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with hooked(request.param) as found:
        yield found


@pytest.fixture
def backport() -> Iterator[Stage]:
    with hooked("backport") as found:
        yield found


# ── made, watched, renewed ───────────────────────────────────────────────────────────────────────
def test_subscriptions_are_made_for_what_the_pull_asks_and_come_into_force(stage: Stage) -> None:
    assert look(stage) == len(ours(stage)) > 1
    stage.ehr.hooks.deliver()
    assert {each["status"] for each in ours(stage)} == {"active"} and look(stage) == 0
    assert look(stage) == 0, "nothing is made twice"
    said = [each["channel"]["header"][0].removeprefix("Authorization: Bearer ") for each in ours(stage)]
    assert len(set(said)) == len(said) and all(len(each) >= 32 for each in said)


def test_kind_says_what_is_asked() -> None:
    with hooked("rest-hook") as stage:
        look(stage)
        assert {each["criteria"].partition("?")[0] for each in ours(stage)} == {"Task", "ServiceRequest", "Consent"}
        assert not any("payload" in each["channel"] for each in ours(stage))
    with hooked("backport") as stage:
        look(stage)
        assert {each["criteria"] for each in ours(stage)} == set(subscribing.TOPICS.values())
        assert all(each["channel"]["_payload"]["extension"][0]["valueCode"] == "id-only" for each in ours(stage))


def test_nothing_is_asked_where_the_network_file_says_nothing() -> None:
    with hooked("") as stage:
        assert look(stage) == 0 and ours(stage) == []


def test_secrets_are_kept_as_digests_only_and_stand_in_no_event(stage: Stage) -> None:
    subscribed(stage)
    secrets = [each["channel"]["header"][0].removeprefix("Authorization: Bearer ") for each in ours(stage)]
    rows = stage.app.read_now(lambda _, uow: [row.event for row in uow.audit_rows(limit=10_000)])
    names = [f"subscribed/{CLINIC}/Task", f"subscribed/{CLINIC}/ServiceRequest"]
    kept = stage.app.read_now(lambda _, uow: [uow.kept(name) or b"" for name in names])
    assert all(kept) and not any(secret.encode() in each for secret in secrets for each in [*rows, *kept])


def test_subscription_is_renewed_before_its_end_under_another_secret_and_the_one_before_goes(stage: Stage) -> None:
    subscribed(stage)
    first = ours(stage)[0]
    stage.clock.tick(LIFE - RENEWED - timedelta(minutes=40))
    if first["channel"].get("payload"):
        stage.ehr.hooks.heartbeat()
    assert look(stage) == 0
    stage.clock.tick(timedelta(hours=1))
    assert look(stage) == len(ours(stage))
    stage.ehr.hooks.deliver()
    look(stage)
    again = next(each for each in ours(stage) if each["id"] == first["id"])
    assert again["status"] == "active" and again["end"] > first["end"] and again["channel"]["header"] != first["channel"]["header"]
    old = dict(line.split(": ", 1) for line in first["channel"]["header"])
    assert call(stage, hook(stage), headers=old) == 401


def test_secret_before_counts_until_the_new_one_is_in_force(stage: Stage) -> None:
    subscribed(stage)
    old = dict(line.split(": ", 1) for line in ours(stage)[0]["channel"]["header"])
    stage.clock.tick(LIFE - RENEWED + timedelta(minutes=1))
    look(stage)
    assert call(stage, hook(stage), headers=old) == 204


@pytest.mark.parametrize("how", ["error", "off", "gone"])
def test_subscription_that_the_ehr_lost_or_put_in_error_is_there_again(stage: Stage, how: str) -> None:
    subscribed(stage)
    for each in ours(stage):
        if how == "gone":
            stage.ehr.delete("Subscription", each["id"])
        else:
            stage.ehr.edit("Subscription", each["id"], {"status": how})
    pulled(stage)
    subscribed(stage)
    assert [each["status"] for each in ours(stage)] == ["active"] * len(ours(stage)) and ours(stage)
    assert noted(stage), "what happened meanwhile is asked for"


def test_silent_ehr_is_asked_for_a_new_handshake(backport: Stage) -> None:
    subscribed(backport)
    for _ in range(4):
        backport.clock.tick(SILENT / 2)
        backport.ehr.hooks.heartbeat()
        assert look(backport) == 0
    backport.clock.tick(SILENT + timedelta(seconds=1))
    assert look(backport) == len(ours(backport))


def test_handshake_that_fails_is_tried_again_and_nothing_else_suffers(backport: Stage) -> None:
    backport.ehr.faults.append(Fault("unsigned", "NOTIFY ", times=None))
    look(backport)
    backport.ehr.hooks.deliver()
    assert "error" in {each["status"] for each in ours(backport)}
    backport.ehr.faults.clear()
    subscribed(backport)
    assert {each["status"] for each in ours(backport)} == {"active"}


def test_unknown_outcome_of_the_making_leaves_one(stage: Stage) -> None:
    stage.ehr.faults.append(Fault("cut-after", "POST Subscription"))
    with pytest.raises(EhrError):
        look(stage)
    subscribed(stage)
    assert len({each["channel"]["endpoint"] for each in ours(stage)}) == len(ours(stage))
    assert {each["status"] for each in ours(stage)} == {"active"}


def test_ehr_that_refuses_is_asked_again_a_day_later_and_polled_as_ever(stage: Stage) -> None:
    known(stage)
    stage.ehr.faults.append(Fault("answer", "POST Subscription", status=422, times=None))
    with pytest.raises(EhrRejected):
        look(stage)
    stage.ehr.faults.clear()
    assert look(stage) == 0 and ours(stage) == []
    assert stage.pull().total
    stage.clock.tick(AGAIN + timedelta(seconds=1))
    assert look(stage) > 1


def test_subscriptions_end_when_the_network_file_wants_none(stage: Stage) -> None:
    subscribed(stage)
    header = dict(line.split(": ", 1) for line in ours(stage)[0]["channel"]["header"])
    told(stage, "")
    look(stage)
    assert {each["status"] for each in ours(stage)} == {"off"} and look(stage) == 0
    assert call(stage, hook(stage), headers=header) == 401


def test_no_secret_travels_in_the_open(stage: Stage) -> None:
    one: Subscribing = stage.app.wiring.subscribing[CLINIC]
    with pytest.raises(SettingsError, match="https"):
        Subscribing(one.store, one.client, one.clock, one.kind, one.searches, "http://liaison.example", "me").look()
    assert ours(stage) == []


# ── what a notification does ─────────────────────────────────────────────────────────────────────
def test_change_is_known_without_waiting_for_the_poll(stage: Stage) -> None:
    known(stage)
    subscribed(stage)
    pulled(stage)
    edit(stage, "Task", status="cancelled")
    stage.ehr.hooks.deliver()
    assert listen(stage) > 0
    assert states(stage)[0] == "cancelled" and noted(stage) == {}


@pytest.mark.parametrize("fault", ["repeat", "delay"])
def test_Y_13_duplicated_and_late_notifications_have_one_effect(stage: Stage, fault: str) -> None:
    known(stage)
    subscribed(stage)
    pulled(stage)
    stage.ehr.faults.append(Fault(fault, "NOTIFY Task/*", amount=5))  # type: ignore[arg-type]
    edit(stage, "Task", priority="stat")
    edit(stage, "Task", status="cancelled")
    stage.ehr.hooks.deliver()
    assert {each.status for each in stage.ehr.hooks.delivered} == {204}
    assert listen(stage) > 0
    stage.clock.tick(LATER)
    assert listen(stage) == 0, "one effect"
    assert states(stage)[0] == "cancelled"


def test_Y_13_notification_of_an_older_version_changes_nothing(stage: Stage) -> None:
    known(stage)
    subscribed(stage)
    pulled(stage)
    accepted(stage)
    accepted(stage, status="cancelled")
    listen(stage)
    stage.clock.tick(LATER)
    before = stage.app.read_now(lambda _, uow: uow.revision())
    stage.ehr.hooks.replay(-2)
    listen(stage)
    assert stage.app.read_now(lambda _, uow: uow.revision()) == before and states(stage)[0] == "cancelled"


def test_Y_14_lost_notification_is_made_good_by_the_poll(stage: Stage) -> None:
    known(stage)
    subscribed(stage)
    pulled(stage)
    stage.ehr.faults.append(Fault("lose", "NOTIFY Task/*", times=None))
    accepted(stage, status="cancelled")
    assert listen(stage) == 0 and states(stage)[0] != "cancelled"
    stage.clock.tick(timedelta(days=2))  # a webhook that is down, an EHR that gave up
    stage.app.jobs.pull(CLINIC)
    assert states(stage)[0] == "cancelled"


@pytest.mark.parametrize("fault", ["forge", "unsigned"])
def test_Y_15_forged_and_unsigned_notifications_are_refused_counted_and_audited(stage: Stage, fault: str) -> None:
    known(stage)
    subscribed(stage)
    pulled(stage)
    stage.ehr.faults.append(Fault(fault, "NOTIFY Task/*"))  # type: ignore[arg-type]
    accepted(stage)
    assert stage.ehr.hooks.delivered[-1].status == 401
    assert noted(stage) == {} and listen(stage) == 0
    assert counts(stage) == {f"{subscribing.REFUSED}{CLINIC}/forged": 1} and events(stage, "forged") == 1


def test_Y_15_address_that_nobody_has_is_answered_like_a_wrong_secret(stage: Stage) -> None:
    subscribed(stage)
    asked = [CALLER.post(f"{stage.app.settings.url}{path}", headers={"Authorization": "Bearer x"}) for path in ("/hooks/Zyxnowhere", hook(stage))]
    assert [each.status_code for each in asked] == [401, 401] and asked[0].content == asked[1].content
    assert events(stage, "unknown") == 1 and b"Zyx" not in b"".join(stage.app.read_now(lambda _, uow: [row.event for row in uow.audit_rows(limit=10_000)]))


def test_Y_15_replayed_notification_is_refused_and_has_no_effect(backport: Stage) -> None:
    known(backport)
    subscribed(backport)
    pulled(backport)
    accepted(backport)
    listen(backport)
    backport.clock.tick(timedelta(minutes=1))
    backport.ehr.hooks.replay()  # as an EHR does that did not hear our answer
    assert backport.ehr.hooks.delivered[-1].status == 204 and listen(backport) == 0
    backport.clock.tick(REPEATED)
    backport.ehr.hooks.replay()
    assert backport.ehr.hooks.delivered[-1].status == 401 and listen(backport) == 0
    assert counts(backport)[f"{subscribing.REFUSED}{CLINIC}/replayed"] == 1 and events(backport, "replayed") == 1


def test_Y_15_content_of_a_notification_is_not_believed(stage: Stage) -> None:
    """What comes with the right secret says that the Task is cancelled: it is read at the EHR, which says that it is not."""
    known(stage)
    subscribed(stage)
    pulled(stage)
    before = states(stage)
    header = dict(line.split(": ", 1) for line in ours(stage)[0]["channel"]["header"])
    lie = {**there(stage, "Task"), "status": "cancelled"}
    for body in (lie, {"resourceType": "Bundle", "type": "history", "entry": [{"resource": lie}]}, [lie], "x", {"entry": {"resource": 1}}):
        assert call(stage, hook(stage), json=body, headers=header) == 204
        stage.clock.tick(LATER)
        listen(stage)
    assert states(stage) == before
