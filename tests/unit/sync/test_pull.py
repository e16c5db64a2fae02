"""Reading what changed at an EHR: cursor, overlap, echoes, and what becomes of each change."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from adapter.clock import instant
from adapter.errors import EhrUnavailable
from adapter.names import Systems
from adapter.ports import Remote
from adapter.sync.inbound import Arrival
from adapter.sync.pull import OVERLAP, Cursor, cursor_name, own_searches
from tests.unit.sync.house import REQUEST, START, SYSTEMS, TASK, House
from tests.unit.sync.scripted import away


def cursor(house: House, type: str = "Task") -> Cursor:
    return Cursor.decode(house.store.read_now(lambda uow: uow.kept(cursor_name("clinic", type))))


def since(house: House, type: str = "Task") -> list[str | None]:
    return [dict(params).get("_lastUpdated") for kind, params in house.ehr.searched if kind == type]


# ── what is asked ────────────────────────────────────────────────────────────────────────────────
def test_pull_asks_for_what_carries_our_identifiers_consents_first() -> None:
    house = House().sent()
    house.ehr.searched.clear()

    house.pull().run()

    assert [type for type, _ in house.ehr.searched] == ["Consent", "Task", "ServiceRequest"]
    assert house.ehr.searched[2][1] == (("identifier", f"{SYSTEMS.sid('request')}|"), ("_sort", "_lastUpdated"), ("_count", "100"))


def test_pull_moves_its_cursor_by_the_ehrs_time_and_asks_again_from_before_it_y_18() -> None:
    house = House().sent()
    house.later(minutes=10)
    house.ehr.edit("Task", lambda task: task.update(description="x"), at=-timedelta(seconds=90))
    pull = house.pull()

    pull.run(now=True)
    pull.run(now=True)

    behind = house.clock.now() - timedelta(seconds=90)
    assert cursor(house).watermark == behind
    assert since(house)[-2:] == [None, f"ge{instant(behind - OVERLAP)}"]


def test_Y_18_a_clock_that_jumps_ahead_there_hides_nothing_that_comes_after() -> None:
    house = House().sent()
    many(house, 2)
    house.pull().run(now=True)
    first, second, _ = house.ehr.all("ServiceRequest")
    house.ehr._keep({**second, "description": "x"}, at=timedelta(days=400))
    house.pull().run(now=True)
    house.later(minutes=10)
    house.ehr._keep({**first, "priority": "stat"})

    house.pull().run(now=True)

    assert house.ours("ServiceRequest")["priority"] == "stat"


def test_pull_misses_nothing_when_the_ehrs_clock_is_set_back_y_18_y_19() -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(description="x"), at=timedelta(seconds=90))
    house.pull().run(now=True)
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"))

    house.pull().run(now=True)

    assert house.ours("Task")["status"] == "cancelled"
    assert cursor(house).watermark == START, "a watermark never goes back, nor beyond our own time"


def test_pull_keeps_its_watermark_when_nothing_was_found() -> None:
    house = House().sent()
    house.pull().run(now=True)
    before = cursor(house).watermark
    house.ehr.rows = {}

    house.pull().run(now=True)

    assert cursor(house).watermark == before


def test_pull_asks_only_for_what_is_due() -> None:
    house = House().sent()
    pull = house.pull()
    pull.run()
    house.ehr.searched.clear()

    house.later(minutes=14)
    pull.run()
    assert house.ehr.searched == []
    house.later(minutes=1)
    pull.run()
    assert [type for type, _ in house.ehr.searched] == ["Consent"]
    house.later(minutes=45)
    pull.run()

    assert [type for type, _ in house.ehr.searched] == ["Consent", "Consent", "Task", "ServiceRequest"]


def test_pull_is_run_by_one_process_at_a_time_y_32() -> None:
    house = House().sent()
    reports: list[bool] = []
    house.ehr.before["search"] = lambda: reports.append(house.pull("other").run(now=True).skipped)

    house.pull("one").run(now=True)

    assert reports == [True]
    assert not house.pull("other").run(now=True).skipped, "the lease was given back"


def test_pull_gives_its_lease_back_when_the_ehr_is_away() -> None:
    house = House().sent()
    house.ehr.script("search", away())
    with pytest.raises(EhrUnavailable):
        house.pull("one").run(now=True)

    assert not house.pull("other").run(now=True).skipped


# ── echoes and order ─────────────────────────────────────────────────────────────────────────────
def test_pull_knows_its_own_writes_y_38() -> None:
    house = House().sent()

    report = house.pull().run(now=True)

    assert report.total == {"echo": 3}
    assert (house.pulled, house.acts, len(house.letters())) == ([], [], 3)


def test_pull_and_push_come_to_rest_after_a_change_y_38() -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"))
    for _ in range(4):
        house.pull().run(now=True)
        house.push().drain()
    versions = len(house.ehr.rows["Task", house.ehr.only("Task")["id"]])

    for _ in range(4):
        house.pull().run(now=True)
        house.push().drain()

    assert len(house.ehr.rows["Task", house.ehr.only("Task")["id"]]) == versions
    assert house.ours("Task")["status"] == "cancelled"


def test_pull_sees_no_change_in_what_a_server_normalises_y_41() -> None:
    house = House().sent()

    def normalised(task: dict[str, Any]) -> None:
        task["authoredOn"] = "2026-03-02T17:00:00.000Z"
        task["meta"]["source"] = "#x"
        task["text"] = {"status": "generated", "div": "<div/>"}
        task["for"]["reference"] += "/_history/1"

    house.ehr.edit("Task", normalised)

    assert house.pull().run(now=True).outcomes["Task"] == {"touched": 1}
    assert house.acts == []
    house.set("Task", status="accepted")
    house.push().drain()
    assert (house.ehr.count("read"), house.ehr.only("Task")["status"]) == (0, "accepted"), "its new version was remembered"


def test_pull_applies_one_effect_of_a_change_seen_five_times_y_13() -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"))

    for _ in range(5):
        house.pull().run(now=True)

    assert len(house.pulled) == 1


def test_pull_ignores_an_older_version_y_13() -> None:
    house = House().sent()
    old = copy.deepcopy(house.ehr.edit("Task", lambda task: task.update(status="cancelled")))
    house.ehr.edit("Task", lambda task: task.update(status="requested"))
    house.pull().run(now=True)

    tally = house.inbound.take_in("clinic", [Arrival(Remote(old, "2"))])

    assert tally == {"older": 1}
    assert house.ours("Task")["status"] == "requested"


@pytest.mark.parametrize(("seconds", "outcome"), [(-1, "older"), (1, "applied")])
def test_pull_goes_by_the_ehrs_time_where_versions_are_no_numbers(seconds: int, outcome: str) -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(description="x"))
    house.pull().run(now=True)
    seen = copy.deepcopy(house.ehr.only("Task"))
    seen["meta"]["lastUpdated"] = instant(START + timedelta(seconds=seconds))

    tally = house.inbound.take_in("clinic", [Arrival(Remote({**seen, "status": "cancelled"}, "W/abc"))])

    assert tally == {outcome: 1}


def test_pull_misses_none_of_equal_times_at_the_watermark_y_17() -> None:
    house = House().sent()
    house.pull().run(now=True)
    house.ehr.edit("ServiceRequest", lambda request: request.update(priority="urgent"))  # the same instant as the watermark

    house.pull().run(now=True)

    assert house.ours("ServiceRequest")["priority"] == "urgent"


def test_pull_finds_what_commits_late_within_the_overlap_y_17() -> None:
    house = House().sent()
    house.later(minutes=10)
    house.ehr.edit("Task", lambda task: task.update(description="x"))
    house.pull().run(now=True)
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"), at=-timedelta(minutes=4))

    house.pull().run(now=True)

    assert house.ours("Task")["status"] == "cancelled"


# ── pages ────────────────────────────────────────────────────────────────────────────────────────
def many(house: House, count: int) -> None:
    """`count` requests of ours, linked, each changed in the EHR since."""
    for n in range(count):
        own = [{"system": SYSTEMS.sid("request"), "value": f"x{n}"}]
        house.put({**REQUEST, "id": f"x{n}", "identifier": own, "supportingInfo": []})
        house.post(f"ServiceRequest/x{n}", lane=f"x{n}")
    house.push().drain(1000)
    for resource in house.ehr.all("ServiceRequest"):
        house.ehr._keep({**resource, "priority": "urgent"})


def test_pull_reads_every_page() -> None:
    house = House().sent()
    many(house, 6)
    house.ehr.page_size = 2

    report = house.pull().run(now=True)

    assert report.outcomes["ServiceRequest"] == {"applied": 7}


def test_pull_keeps_its_pages_but_not_its_cursor_when_the_chain_breaks_y_16() -> None:
    house = House().sent()
    many(house, 6)
    house.ehr.page_size = 2

    def gone() -> None:
        house.ehr.between_pages = None
        raise EhrUnavailable("410 on the next link")

    house.ehr.between_pages = gone
    with pytest.raises(EhrUnavailable):
        house.pull().run(now=True)
    assert len(house.pulled) == 2
    assert cursor(house, "ServiceRequest") == Cursor()

    report = house.pull().run(now=True)

    assert report.outcomes["ServiceRequest"] == {"echo": 2, "applied": 5}


def test_pull_takes_in_a_resource_once_when_a_page_shows_it_twice_y_16() -> None:
    house = House().sent()
    theirs = house.ehr.edit("Task", lambda task: task.update(status="cancelled"))
    arrival = Arrival(Remote(theirs, theirs["meta"]["versionId"]))

    assert house.inbound.take_in("clinic", [arrival, arrival]) == {"applied": 1, "echo": 1}


def test_pull_takes_no_notice_of_what_is_not_linked() -> None:
    house = House().sent()
    house.ehr.plant({**TASK, "id": "stranger", "status": "cancelled"})

    assert house.pull().run(now=True).outcomes["Task"] == {"echo": 1, "unlinked": 1}
    assert house.pulled == []


def test_pull_takes_no_notice_of_other_types_in_a_page() -> None:
    house = House().sent()
    house.ehr.plant({"resourceType": "Basic", "identifier": [{"system": SYSTEMS.sid("task"), "value": "b"}]})
    search = own_searches(Systems())[2]

    house.pull(searches=[search]).run(now=True)

    assert house.acts == []
