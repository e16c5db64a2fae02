"""An EHR that was restored from a backup, or of which most is gone: the pull halts, and a person lets it go on (Y-24, Y-43)."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from adapter.sync import halts
from adapter.sync.cursors import Tried, tried_name
from adapter.sync.halts import Halted
from adapter.sync.sweep import vanished
from tests.unit.sync.house import SYSTEMS, House
from tests.unit.sync.odd import OPERATOR, many, odd, of, reason


# ── most of it is gone ───────────────────────────────────────────────────────────────────────────
def test_Y_43_an_empty_answer_where_many_were_halts_and_ends_nothing() -> None:
    house = many(odd().sent(), 30)
    house.pull().run(now=True)
    of(house).blind = True

    with pytest.raises(Halted):
        house.pull().run(now=True)

    assert (reason(house), house.conflicts(), house.pulled) == ("vanished", [], [])
    assert Tried.decode(house.store.read_now(lambda uow: uow.kept(tried_name("clinic")))).error == "Halted"
    calls = len(house.ehr.calls)
    with pytest.raises(Halted):
        house.pull().run(now=True)
    assert len(house.ehr.calls) == calls, "nothing is asked any more"


def test_Y_43_after_a_persons_word_each_is_found_gone_once_and_the_next_time_halts_again() -> None:
    house = many(odd().sent(), 30)
    house.pull().run(now=True)
    gone = [key for key in house.ehr.rows if key[0] == "ServiceRequest"]
    kept = {key: house.ehr.rows.pop(key) for key in gone}
    with pytest.raises(Halted):
        house.pull().run(now=True)
    house.store.write_now(lambda uow: halts.resume(uow, "clinic", who=OPERATOR))

    assert house.pull().run(now=True).gone == len(kept) == 31
    assert len(house.conflicts()) == 31 and reason(house) == ""
    assert not house.store.read_now(lambda uow: halts.afresh(uow, "clinic")), "the next time is halted again"


def test_Y_43_a_few_of_many_are_no_reason_to_halt() -> None:
    assert [vanished(*each) for each in ((10, 20), (11, 20), (19, 19), (20, 20), (0, 0), (2501, 5000))] == [False, True, False, True, False, True]


# ── restored from a backup ───────────────────────────────────────────────────────────────────────
def restored(change: Callable[[House], object]) -> House:
    """A referral in step; what `change` does to it is read and then undone by a backup."""
    house = odd().sent()
    house.pull().run(now=True)
    backup = copy.deepcopy(house.ehr.rows)
    house.later(hours=1)
    change(house)
    house.pull().run(now=True)
    house.push().drain()
    house.later(hours=1)
    house.ehr.rows = backup
    house.pulled.clear()
    return house


def cancelled(house: House) -> None:
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"))


def test_Y_24_an_ehr_restored_from_a_backup_is_halted_and_nothing_of_it_taken_in() -> None:
    house = restored(cancelled)

    with pytest.raises(Halted, match="backup"):
        house.pull().run(now=True)

    assert (reason(house), house.pulled, house.ours("Task")["status"]) == ("restored", [], "cancelled")


def test_Y_24_a_letter_that_meets_the_restored_version_halts_too_and_waits() -> None:
    house = restored(cancelled)
    house.set("Task", businessStatus={"text": "clos"})

    house.push().drain()

    assert reason(house) == "restored"
    assert [state for type, state, _ in house.states() if type == "Task"][-1] == "queued"
    assert "businessStatus" not in house.ehr.only("Task")


def test_Y_24_after_a_persons_word_what_the_backup_brought_back_waits_piece_by_piece() -> None:
    house = restored(cancelled)
    with pytest.raises(Halted):
        house.pull().run(now=True)
    house.store.write_now(lambda uow: halts.resume(uow, "clinic", who=OPERATOR))

    house.pull().run(now=True)

    assert (house.ours("Task")["status"], house.conflicts()) == ("cancelled", [("Task", "illegal-move")])


def test_Y_24_an_id_that_names_another_resource_halts() -> None:
    house = odd().sent()
    other = [{"system": SYSTEMS.sid("task"), "value": "another"}]
    house.ehr.edit("Task", lambda task: task.update(identifier=other, status="cancelled"))

    with pytest.raises(Halted):
        house.pull().run(now=True)

    assert (reason(house), house.pulled) == ("id-reused", [])


def test_Y_24_an_identifier_that_the_ehr_adds_or_changes_of_its_own_is_no_such_thing() -> None:
    house = odd().sent()
    for value in ("1", "2"):
        house.ehr.edit("Task", lambda task, value=value: task.update(identifier=[task["identifier"][0], {"system": "urn:theirs", "value": value}]))  # type: ignore[misc]
        house.pull().run(now=True)

    assert reason(house) == ""
