"""What a pull makes of an EHR that shows too little, too much, the wrong thing, or nothing (sync.md 5.4)."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from adapter.clock import instant
from adapter.errors import EhrRejected, EhrUnavailable
from adapter.ports import Remote
from adapter.sync.cursors import Tried, tried_name
from adapter.sync.probe import learned, mode_of
from adapter.sync.sweep import Seen
from adapter.sync.walk import AHEAD
from tests.unit.sync.odd import cursor, many, odd, of, reason
from tests.unit.sync.scripted import ScriptedEhr, away


# ── pages ────────────────────────────────────────────────────────────────────────────────────────
def test_Y_16_a_chain_whose_link_expired_is_begun_again_at_once() -> None:
    house = many(odd().sent(), 6)
    house.ehr.page_size = 2
    house.pull().run(now=True)
    for resource in house.ehr.all("ServiceRequest"):
        house.ehr._keep({**resource, "priority": "urgent"})

    def expired() -> None:
        house.ehr.between_pages = None
        raise EhrUnavailable("search: the pages expired", status_code=410)

    house.ehr.between_pages = expired

    report = house.pull().run(now=True)

    assert (report.outcomes["ServiceRequest"]["applied"], len(house.pulled)) == (7, 7)
    assert cursor(house, "ServiceRequest").ran == house.clock.now()


def test_Y_16_pages_that_shift_are_read_again_until_nothing_was_passed_over() -> None:
    house = many(odd().sent(), 5)
    house.pull().run(now=True)
    changed = house.ehr.all("ServiceRequest")
    for resource in changed:
        house.later(seconds=1)
        house.ehr._keep({**resource, "priority": "urgent"})
    ehr, chains = of(house), []
    real = ScriptedEhr.search

    def offsets(type: str, params: Sequence[tuple[str, str]]) -> Iterable[list[Remote]]:
        """Pages by offset over what stands there at that moment; after the first page, its first resource is changed again."""
        if type != "ServiceRequest":
            yield from real(ehr, type, params)
            return
        chains.append(1)
        at = 0
        while page := [remote for part in real(ehr, type, params) for remote in part][at : at + 2]:
            yield page
            at += 2
            if len(chains) == 1 and at == 2:
                house.later(seconds=1)
                ehr._keep({**page[0].resource, "description": "again"})

    ehr.search = offsets  # type: ignore[method-assign]

    house.pull().run(now=True)

    assert len(chains) == 2
    stored = [house.store.read_now(lambda uow, id=f"x{n}": uow.current("ServiceRequest", id)) for n in range(5)]  # type: ignore[misc]
    assert all(version and b'"urgent"' in version.served for version in stored), "the one that slipped between two pages too"


def test_Y_16_seen_knows_what_was_shown_and_what_was_shown_twice() -> None:
    seen = Seen()
    for n in range(100):
        seen.add(str(n))
    assert "7" in seen and "100" not in seen and len(seen) == 100 and not seen.shifted
    seen.add("7")
    assert seen.shifted


# ── times ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("timeless", ["ignores", "refuses"])
def test_Y_20_an_ehr_that_does_not_search_by_time_is_swept_from_then_on(timeless: str) -> None:
    house = many(odd().sent(), 2)
    house.pull().run(now=True)
    of(house).timeless = timeless
    house.later(hours=1)
    house.ehr._keep({**house.ehr.all("ServiceRequest")[1], "priority": "urgent"})
    house.pull().run(now=True)
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"))
    house.later(hours=1)

    house.pull().run(now=True)
    before, reads = len(house.ehr.searched), house.ehr.count("read")
    house.pull().run(now=True)

    assert house.ours("Task")["status"] == "cancelled"
    assert house.ehr.count("read") == reads <= 1, "one look tells whether it is stale or not by time at all"
    assert house.store.read_now(lambda uow: mode_of(uow, "clinic")).degraded == ("last_updated",)
    later = house.ehr.searched[before:]
    assert len(later) == 3 and not any({"_lastUpdated", "_sort"} & dict(params).keys() for _, params in later)


def test_Y_20_what_is_deleted_is_found_at_each_poll_of_an_ehr_that_is_swept() -> None:
    house = odd().sent()
    house.store.write_now(lambda uow: learned(uow, "clinic", last_updated=False))
    house.pull().run(now=True)
    house.ehr.rows.pop(("Task", house.ehr.only("Task")["id"]))

    assert house.pull().run(now=True).gone == 1
    assert house.conflicts() == [("Task", "gone-there")]


def test_Y_21_a_search_that_shows_what_was_is_not_believed() -> None:
    house = many(odd().sent(), 1)
    house.pull().run(now=True)
    first, other = copy.deepcopy(house.ehr.all("ServiceRequest"))
    house.later(hours=1)
    house.ehr._keep({**other, "description": "x"})
    house.pull().run(now=True)
    house.later(hours=1)
    house.ehr._keep({**first, "priority": "urgent"})
    of(house).stale[first["id"]] = first  # found by its new time, shown as it was

    report = house.pull().run(now=True)

    assert report.outcomes["ServiceRequest"] == {"applied": 1, "echo": 1}
    assert house.ours("ServiceRequest")["priority"] == "urgent"
    assert house.store.read_now(lambda uow: mode_of(uow, "clinic")).last_updated, "it does search by time"


def test_Y_19_a_higher_version_wins_over_an_earlier_time() -> None:
    house = odd().sent()
    house.pull().run(now=True)
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"), at=-timedelta(seconds=200))

    house.pull().run(now=True)

    assert (house.ours("Task")["status"], reason(house)) == ("cancelled", "")


def test_Y_17_times_of_a_second_miss_nothing_at_the_watermark() -> None:
    house = odd().sent()
    house.pull().run(now=True)
    task = house.ehr.edit("Task", lambda task: task.update(status="cancelled"))
    task["meta"]["lastUpdated"] = task["meta"]["lastUpdated"][:19] + "Z"

    house.pull().run(now=True)
    house.pull().run(now=True)

    assert (house.ours("Task")["status"], len(house.pulled)) == ("cancelled", 1)


# ── deletions ────────────────────────────────────────────────────────────────────────────────────
def test_Y_22_what_is_gone_is_found_by_the_daily_look_at_everything_and_put_before_a_person() -> None:
    house = odd().sent()
    house.pull().run(now=True)
    house.later(hours=1)
    house.ehr.edit("Consent", lambda consent: consent.update(language="fr"))
    house.ehr.rows.pop(("ServiceRequest", house.ehr.only("ServiceRequest")["id"]))
    house.ehr.edit("Task", lambda task: task.update(language="fr"))
    house.later(hours=24)

    report = house.pull().run()

    assert report.gone == 1
    assert house.conflicts() == [("ServiceRequest", "gone-there")]
    assert [act.what for act in house.acts if act.type == "ServiceRequest"] == ["gone"]
    assert house.pull().run(now=True).gone == 0, "told once"


def test_Y_22_what_a_search_does_not_show_and_is_there_is_taken_as_it_is() -> None:
    house = odd().sent()
    task = house.ehr.edit("Task", lambda task: task.update(status="cancelled"))
    of(house).hidden.add(task["id"])

    report = house.pull().run(now=True)

    assert (report.gone, house.conflicts(), house.ours("Task")["status"]) == (0, [], "cancelled")


def test_Y_29_a_search_that_is_refused_is_told_and_holds_up_no_other() -> None:
    house = odd().sent()
    house.ehr.edit("ServiceRequest", lambda request: request.update(priority="urgent"))
    house.ehr.script("search", None, EhrRejected("search Task: 403", status_code=403))

    with pytest.raises(EhrRejected, match="Task"):
        house.pull().run(now=True)

    assert house.ours("ServiceRequest")["priority"] == "urgent"
    assert (cursor(house).ran, cursor(house, "ServiceRequest").ran) == (None, house.clock.now())


# ── an EHR that is away ──────────────────────────────────────────────────────────────────────────
def test_Y_12_an_ehr_that_is_away_is_asked_ever_more_seldom_and_at_once_by_hand() -> None:
    house = odd().sent()
    pull = house.pull()
    house.ehr.script("search", *[away() for _ in range(200)])
    tries = 0
    for _ in range(40):  # the timer looks every quarter of a minute, for ten minutes
        try:
            pull.run()
        except EhrUnavailable:
            tries += 1
        house.later(seconds=15)
    assert 1 < tries <= 12, "no storm"
    house.ehr._script.clear()

    assert pull.run(now=True).total == {"echo": 3}
    assert Tried.decode(house.store.read_now(lambda uow: uow.kept(tried_name("clinic")))) == Tried(house.clock.now())


def test_Y_11_an_ehr_that_asks_for_time_is_left_alone_for_as_long() -> None:
    house = odd().sent()
    house.ehr.script("search", away(retry_at=house.clock.now() + timedelta(minutes=40)))
    with pytest.raises(EhrUnavailable):
        house.pull().run()
    asked = house.ehr.count("search")
    house.later(minutes=39)
    house.pull().run()
    assert house.ehr.count("search") == asked
    house.later(minutes=2)
    assert house.pull().run().total == {"echo": 3}


def test_Y_14_days_without_a_notification_are_caught_up_by_the_poll() -> None:
    house = odd().sent()
    house.pull().run(now=True)
    for change in ({"priority": "urgent"}, {"status": "cancelled"}):
        house.later(days=1)
        house.ehr.edit("Task", lambda task, change=change: task.update(change))  # type: ignore[misc]

    assert house.pull().run().outcomes["Task"] == {"applied": 1}
    assert (house.ours("Task")["status"], house.ours("Task")["priority"]) == ("cancelled", "urgent")


def test_Y_13_an_older_version_shown_after_a_newer_one_changes_nothing() -> None:
    house = odd().sent()
    old = copy.deepcopy(house.ehr.edit("Task", lambda task: task.update(priority="urgent")))
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"))
    house.pull().run(now=True)
    of(house).stale[old["id"]] = old

    for _ in range(5):
        assert house.pull().run(now=True).outcomes["Task"] == {"echo": 1}

    assert (house.ours("Task")["status"], len(house.pulled), reason(house)) == ("cancelled", 1, "")


def test_Y_32_a_clock_that_jumps_over_several_turns_makes_one_of_them() -> None:
    house = odd().sent()
    pull = house.pull()
    pull.run()
    house.ehr.searched.clear()

    house.later(days=3)
    pull.run()
    pull.run()

    assert [type for type, _ in house.ehr.searched] == ["Consent", "Task", "ServiceRequest"]


def test_a_dry_run_says_what_would_come_and_takes_nothing_in() -> None:
    house = odd().sent()
    house.pull().run(now=True)
    before = cursor(house)
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"))

    report = house.pull().look()

    assert report.total == {"echo": 2, "seen": 1}
    assert (house.ours("Task")["status"], cursor(house), house.pulled) == ("requested", before, [])


class Tracked(dict[str, Any]):
    """A resource that can be watched."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def test_Y_40_no_more_pages_are_held_than_are_fetched_ahead_however_many_there_are() -> None:
    house = odd().sent()
    alive: weakref.WeakSet[Tracked] = weakref.WeakSet()
    most = 0

    def pages(type: str, params: Sequence[tuple[str, str]]) -> Iterable[list[Remote]]:
        nonlocal most
        for page in range(60 if type == "Task" else 0):
            shown = [Tracked(resourceType="Task", id=f"n{page * 50 + n}", meta={"versionId": "1", "lastUpdated": instant(house.clock.now())}) for n in range(50)]
            for each in shown:
                alive.add(each)
            most = max(most, len(alive))
            yield [Remote(each, "1") for each in shown]

    house.ehr.search = pages  # type: ignore[method-assign]

    report = house.pull().run(now=True)

    assert report.outcomes["Task"]["unlinked"] == 3000
    assert most <= (AHEAD + 2) * 50  # those ahead, the one that is taken in, and the one that has just come
