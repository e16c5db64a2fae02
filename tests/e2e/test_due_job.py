"""The job of due acts (workflow.md 2): when the clock of an answer stands still; run twice, late, by two, by hand; whoever dies in its midst."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter import elapsed
from adapter.clock import FrozenClock
from adapter.ehr.fake import Fault
from adapter.errors import Invalid
from adapter.ports import Change, Principal, Query
from adapter.store import upgrade
from adapter.web.measured import measured
from tests.e2e.desk import Desk
from tests.e2e.dying import Lives
from tests.e2e.france import YES, call
from tests.e2e.places import settle
from tests.e2e.records import VIEW, card, only, stored
from tests.e2e.stage import CLINIC, COURSIER, GP, Stage, staged
from tests.e2e.test_due import CALM, DAY, END, FRIDAY, HALF, NAMES, after, at, events, owed, run, said
from tests.property.chaos import process

NIGHTLY = os.environ.get("LIAISON_TEST_PROFILE") == "nightly"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        settle(found)
        yield found


# ── the clock stands still while the recipient could not be reached by us ────────────────────────
def works_there(stage: Stage, **entry: Any) -> None:
    now = stage.app.network
    units = {each.key: tuple(replace(unit, works_on_ehr=unit.key == "coursier-rouen") for unit in each.units) for each in now.organisations}
    stage.app.apply_network(
        replace(now, organisations=tuple(replace(each, units=units[each.key], ehr=each.ehr and replace(each.ehr, **entry)) for each in now.organisations))
    )


def daily(stage: Stage, first: int, last: int) -> dict[int, dict[str, int]]:
    """What each day's run did."""
    return {day: done for day in range(first, last + 1) if (done := after(stage, day * DAY))}


def test_F13_clock_stands_still_while_the_letter_does_not_get_to_the_ehr_in_which_the_unit_works(stage: Stage) -> None:
    works_there(stage)
    stage.ehr.inject(away := Fault("answer", on="POST *", times=None, status=503))
    call(stage, **CALM)
    assert daily(stage, 0, 12) == {} and away in stage.ehr.faults
    stage.ehr.faults.clear()
    stage.app.wiring.push.drain()
    stage.pull()
    assert stage.ehr.all("Task")
    for day in range(12, 23):
        stage.clock.set(FRIDAY + day * DAY)
        stage.pull()
        assert run(stage) == ({"attente": 1} if day == 22 else {}), day
    assert only(stored(stage, "Task"))["status"] == "requested"


def test_F13_clock_stands_still_while_the_ehr_in_which_the_unit_works_is_not_heard_of(stage: Stage) -> None:
    works_there(stage)
    call(stage, **CALM)
    stage.push()
    for day in range(9):
        stage.clock.set(FRIDAY + day * DAY)
        stage.pull()
        assert run(stage) == {}
    assert daily(stage, 9, 29) == {}, "nobody knows what was answered there since day 8"
    stage.clock.set(FRIDAY + 29 * DAY)
    stage.pull()
    assert daily(stage, 29, 30) == {} and after(stage, 31 * DAY) == {"attente": 1}


def test_F13_clock_runs_for_a_unit_with_a_list_of_its_own_whatever_the_ehr_of_the_practice_does(stage: Stage) -> None:
    stage.ehr.inject(Fault("answer", on="POST *", times=None, status=503))
    call(stage, **CALM)
    stage.push()
    assert daily(stage, 0, 30) == {10: {"attente": 1}, 30: {"sans-reponse": 1}}


def test_F13_clock_stands_still_while_nobody_is_shown_the_file_for_want_of_the_ehrs_consents(stage: Stage) -> None:
    works_there(stage, consents="ehr")
    now = stage.app.network
    stage.app.apply_network(replace(now, organisations=tuple(replace(each, units=tuple(replace(unit, works_on_ehr=False) for unit in each.units)) for each in now.organisations)))
    call(stage, **CALM)
    stage.push()
    assert daily(stage, 0, 40) == {} and stage.cards(COURSIER, VIEW) == []
    for day in range(40, 50):
        stage.clock.set(FRIDAY + day * DAY)
        stage.pull()
        assert run(stage) == {} and len(stage.cards(COURSIER, VIEW)) == 1
    stage.clock.set(FRIDAY + 50 * DAY)
    stage.pull()
    assert run(stage) == {"attente": 1}


def test_F13_clock_stands_still_while_an_ehr_says_that_it_is_another_person(stage: Stage) -> None:
    from adapter.sync import halts

    call(stage, **CALM)
    patient = f"Patient/{only(stored(stage, 'Patient'))['id']}"
    assert daily(stage, 0, 4) == {}
    stage.clock.set(FRIDAY + 5 * DAY)
    stage.app.write_now(lambda _, uow: halts.halt(uow, CLINIC, "patient-merged", patient))
    assert daily(stage, 6, 20) == {} and stage.cards(COURSIER, VIEW) == []
    stage.clock.set(FRIDAY + 20 * DAY)
    stage.app.write_now(lambda _, uow: halts.resume(uow, CLINIC, who=GP, patient=patient))
    assert daily(stage, 20, 40) == {25: {"attente": 1}}


def test_F13_what_was_kept_of_the_standing_clock_goes_with_the_waiting(stage: Stage) -> None:
    works_there(stage)
    stage.ehr.inject(Fault("answer", on="POST *", times=None, status=503))
    call(stage, **CALM)
    after(stage, DAY)
    kept = f"unreached/{CLINIC}"
    assert only(stored(stage, "Task"))["id"].encode() in stage.app.read_now(lambda _, uow: uow.kept(kept))
    stage.act(COURSIER, VIEW, card(stage), "accept")
    after(stage, 2 * DAY)
    assert stage.app.read_now(lambda _, uow: uow.kept(kept)) == b"{}"


# ── the job itself ───────────────────────────────────────────────────────────────────────────────
def test_job_is_one_of_the_chores_and_says_how_many(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("adapter.app.log", lambda code, **keys: lines.append((code, keys)))
    call(stage, **CALM)
    stage.clock.set(FRIDAY + 10 * DAY)
    chore, length = stage.app.jobs._chores["due"]
    chore()
    assert lines == [("due-done", {"count": 1})] and length <= timedelta(minutes=15)
    chore()
    assert len(lines) == 1, "not twice in its time, and of nothing no word"


def test_another_process_that_is_at_it_is_left_to_it(stage: Stage) -> None:
    call(stage, **CALM)
    stage.clock.set(FRIDAY + 10 * DAY)
    stage.app.write_now(lambda _, uow: uow.lease("due", holder="another", until=uow.at + timedelta(minutes=1)))
    assert stage.app.wiring.due.run().skipped and said(stage) == []
    stage.clock.tick(timedelta(minutes=1))
    assert run(stage) == {"attente": 1}


@pytest.mark.parametrize("day", [10, 30])
def test_what_another_did_meanwhile_is_not_done_again(stage: Stage, day: int) -> None:
    call(stage)
    stage.clock.set(FRIDAY + day * DAY)
    due = stage.app.wiring.due
    wanted = due.look()
    assert len(run(stage)) == len({each.what for each in wanted} - ({"echeance"} if day == 30 else set()))
    before = len(events(stage, "update", "create"))
    assert [due.store.write_now(lambda uow, each=each: due._act(uow, each)) for each in wanted] == [""] * len(wanted) != []
    assert len(events(stage, "update", "create")) == before


def test_job_goes_by_pages_and_leaves_the_rest_of_many_to_the_next_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.sync.due.PAGE", 2)
    monkeypatch.setattr("adapter.sync.due.MOST", 4)
    monkeypatch.setattr("adapter.sync.reach.PAGE", 2)
    for number in range(5):
        call(stage, id=f"appel-{number}", **CALM)
    stage.clock.set(FRIDAY + 10 * DAY)
    first = stage.app.wiring.due.run()
    assert (first.done, first.more) == ({"attente": 4}, True) and run(stage) == {"attente": 1} and run(stage) == {}


def test_referral_that_is_refused_keeps_no_other_waiting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    receipts = [call(stage, id=f"appel-{number}", **CALM).referrals[0]["task"] for number in range(3)]
    ours, heard = elapsed.remind, list[str]()

    def odd(story: Any, uow: Any, referral: Any, what: str) -> None:
        if referral.task["id"] == receipts[1]:
            raise Invalid("odd")
        ours(story, uow, referral, what)

    monkeypatch.setattr("adapter.elapsed.remind", odd)
    stage.clock.set(FRIDAY + 10 * DAY)
    report = replace(stage.app.wiring.due, failed=lambda code, error: heard.append(code)).run()
    assert (report.done, report.failed, heard) == ({"attente": 2}, 1, ["due-fault"])
    assert sum(stage.app.read_now(lambda _, uow: stage.app.elapsed(uow)).values()) == 2


def test_notices_tell_of_nobody_and_begin_where_one_left_off(stage: Stage) -> None:
    call(stage)
    at(stage, HALF)
    at(stage, END)
    found = stage.app.read_now(lambda story, uow: elapsed.notices(story, uow, since=END))
    (one,) = found
    assert (one.what, one.reference, one.pressing) == ("echeance", card(stage).card["reference"], True)
    assert not any(name in repr(found) for name in NAMES)
    patient = only(stored(stage, "Patient"))["id"]
    assert patient not in repr(found) and len(said(stage)) == 2


def test_what_a_clinics_software_makes_of_it_misleads_nobody(stage: Stage) -> None:
    """A Communication that looks like a reminder is none, and a reminder that was changed, or deleted, is not said again."""
    call(stage, **CALM)
    after(stage, 10 * DAY)
    ours = only(stored(stage, "Communication"))
    forged = {name: part for name, part in ours.items() if name not in ("id", "meta", "identifier", "recipient", "about")}
    forged["topic"] = {"coding": [{"system": stage.app.systems.code("reminder"), "code": "echeance"}]}
    for id, wanted in (("forged", forged), (ours["id"], {name: part for name, part in ours.items() if name not in ("sent", "topic", "recipient")})):
        stage.app.write_now(lambda story, uow, id=id, wanted=wanted: story.receive(uow, GP, [Change("update", "Communication", id, {**wanted, "id": id})]))
    assert [each["what"] for each in owed(stage)] == ["answer"] and said(stage) == [] and run(stage) == {}
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("delete", "Communication", ours["id"])]))
    assert owed(stage) == [] and run(stage) == {}


def test_person_erased_takes_what_was_said_along(stage: Stage) -> None:
    from adapter import erasing

    call(stage, **CALM)
    after(stage, 30 * DAY)
    stage.push()
    patient = f"Patient/{only(stored(stage, 'Patient'))['id']}"
    officer = Principal("liaison", CLINIC, role="operator")
    stage.app.write_now(lambda story, uow: erasing.end(story, uow, officer, patient))
    stage.push()
    stage.app.write_now(lambda story, uow: erasing.erase(story, uow, officer, patient, sealed=lambda line: line, unsent=True))
    assert said(stage) == [] and run(stage) == {}


def test_F13_by_hand_says_what_is_due_then_does_it(desk: Desk) -> None:
    desk.stage.call(accord_medecin=YES, accord_patient=YES, **CALM)
    reference = desk.reference()
    assert desk.run("sync", "due").output == "nothing was due\n" and desk.run("sync", "due", "--dry-run").output == "nothing is due\n"
    desk.stage.clock.set(FRIDAY + 10 * DAY)
    for _ in range(2):
        assert json.loads(desk.run("sync", "due", "--dry-run", "--json").output) == [{"reference": reference, "what": "attente"}]
    assert desk.run("sync", "due").output == "1 attente\n"
    assert json.loads(desk.run("sync", "due", "--json").output) == {"done": {}, "failed": 0, "more": False, "skipped": False}
    text = measured([], desk.stage.app.read_now(lambda _, uow: desk.stage.app.elapsed(uow))).decode()
    assert 'liaison_due_acts_total{what="attente"} 1.0' in text


# ── whoever dies in the midst ────────────────────────────────────────────────────────────────────
@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path / 'liaison.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")()
    upgrade(found)
    return str(found)


class Gone(BaseException):
    """The process is no more."""


def test_killed_at_any_write_repeats_nothing_and_misses_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with staged(url) as stage:
        for number in range(3):
            call(stage, id=f"appel-{number}", **CALM)
        call(stage, id="appel-9")
        store, left, deaths = stage.app.wiring.due.store, [0], 0
        whole = store.write_now

        def dying(fn: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                raise Gone
            return whole(fn)

        for day in (2, 10, 30):
            for place in range(1, 9):
                stage.clock.set(FRIDAY + day * DAY + timedelta(minutes=11 * place))  # whoever died had the lease until then
                left[0] = place
                with monkeypatch.context() as patched:
                    patched.setattr(store, "write_now", dying)
                    try:
                        stage.app.wiring.due.run()
                    except Gone:
                        deaths += 1
            stage.clock.tick(timedelta(minutes=11))
            stage.app.wiring.due.run()
            assert run(stage) == {}
        assert deaths > 6
        counts = Counter(what for what, _ in said(stage))
        assert counts == {"attente": 4, "mi-delai": 1, "echeance": 1, "sans-reponse": 4}
        assert stage.app.read_now(lambda _, uow: stage.app.elapsed(uow)) == dict(counts)
        assert [each["status"] for each in stored(stage, "Task")] == ["cancelled"] * 4
        assert len(events(stage, "referral-expired")) == 4 and len(events(stage, "referral-reminded")) == 6


def test_killed_by_a_signal_at_any_place_repeats_nothing(tmp_path: Path) -> None:
    kept, used = tmp_path / "kept.db", tmp_path / "used.db"
    upgrade(f"sqlite:///{kept}")
    with staged(f"sqlite:///{kept}") as stage:
        call(stage, **CALM)
    with Lives() as lives:

        def died(at: int | None) -> tuple[int, list[str]]:
            for each in tmp_path.glob("used.db*"):
                each.unlink()
            shutil.copy(kept, used)
            return lives.live(f"sqlite:///{used}", "due", at=at, seconds=31 * DAY.total_seconds())

        ended, places = died(None)
        assert ended == 0 and {"before COMMIT", "after COMMIT", "before INSERT", "before UPDATE"} <= set(places)
        for at in range(0, len(places), 1 if NIGHTLY else len(places) // 6):
            assert died(at)[0] == -9
            app = process(f"sqlite:///{used}", FrozenClock(FRIDAY + 31 * DAY + timedelta(minutes=11)))  # the lease has run out
            app.wiring.due.run()
            found = app.read_now(lambda story, uow: elapsed.notices(story, uow, since=FRIDAY))
            tasks = app.read_now(lambda _, uow: uow.history("Task", uow.search(Query("Task"))[0].id))
            counted = app.read_now(lambda _, uow, app=app: app.elapsed(uow))
            app.close()
            assert [each.what for each in found] == ["sans-reponse"] and len(tasks) == 2 and counted == {"sans-reponse": 1}, places[at]
