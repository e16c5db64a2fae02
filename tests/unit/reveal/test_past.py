"""What was: who may read older versions of what, and what the audit is told of it (workflow.md 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import pytest

from adapter.audit import events
from adapter.own import Own
from adapter.past import Past
from adapter.ports import Principal, Uow, Version
from adapter.showing import Window
from adapter.subset import Subset
from tests.e2e.stage import COURSIER, GP
from tests.unit.reveal.scene import Scene, Told, own, played

HOUSE, KEEPER = "msp-saint-eloi", "liaison"
UNIT = replace(COURSIER, scopes=frozenset({"system/*.rs"}))


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with played() as found:
        yield found


@dataclass(frozen=True, slots=True)
class Closing(Own):
    """A deny closes these ids."""

    ids: frozenset[str] = frozenset()

    def closed(self, uow: Uow, who: Principal, versions: Sequence[Version], *_: Any) -> set[str]:
        assert not any(each.deleted for each in versions)  # of what is gone nothing is there to be looked at
        return {each.id for each in versions} & self.ids


class Rows(Told):
    """A store with these versions; of each row the marks say whose word it is."""

    def __init__(self, uow: Uow, versions: Sequence[Version], marks: dict[str, str]) -> None:
        super().__init__(uow)
        self.versions, self.marks, self.asked = list(versions), marks, list[Any]()

    def current(self, type: str, id: str) -> Version | None:
        return next((each for each in reversed(self.versions) if (each.type, each.id) == (type, id)), None)

    def version(self, type: str, id: str, number: int) -> Version | None:
        return next((each for each in self.versions if (each.type, each.id, each.number) == (type, id, number)), None)

    def marked(self, type: str, id: str, param: str, value: str) -> bool:
        return param == "_author" and self.marks.get(id) == value

    def happened(self, type: str, param: str, values: Sequence[str], **asked: Any) -> list[Version]:
        self.asked.append((type, param, tuple(values), asked))
        return list(reversed(self.versions))[: asked["count"]]


def stored(id: str, number: int = 1, *, deleted: bool = False, patient: str = "Patient/p", type: str = "Task") -> Version:
    served = b"" if deleted else f'{{"resourceType":"{type}","id":"{id}","for":{{"reference":"{patient}"}}}}'.encode()
    return Version(type, id, number, datetime.fromisoformat("2026-03-06T18:00:00+00:00"), HOUSE, served, deleted=deleted)


def asked(scene: Scene, act: Any, *versions: Version, marks: dict[str, str] | None = None, closed: Sequence[str] = ()) -> tuple[Any, Rows]:
    """What `act(past, uow)` gives, and the store that it asked."""

    def run(window: Window, uow: Uow) -> tuple[Any, Rows]:
        rows = Rows(uow, versions, marks if marks is not None else {"a": HOUSE, "b": HOUSE})
        return act(Past(Closing(window, frozenset(closed)), Subset(window)), cast(Uow, rows)), rows

    return scene.on(run)


# ── one version ──────────────────────────────────────────────────────────────────────────────────
def vread(scene: Scene, *versions: Version, number: int = 1, who: Principal = GP, type: str = "Task", **more: Any) -> tuple[Any, Rows]:
    return asked(scene, lambda past, uow: past.version(uow, who, type, "a", number, request_id="r"), *versions, **more)


def test_clinic_reads_any_version_of_what_it_wrote(scene: Scene) -> None:
    old, new = stored("a"), stored("a", 2)
    for number, version in ((1, old), (2, new)):
        found, rows = vread(scene, old, new, number=number)
        wanted = events.access(GP, version.cited, patient="Patient/p", rule="basis:author", at=rows.at, request_id="r", vread=True)
        assert (found, rows.events) == (version, [wanted])


def test_version_that_deleted_comes_as_it_is_and_names_nobody(scene: Scene) -> None:
    gone = stored("a", 2, deleted=True)
    found, rows = vread(scene, stored("a"), gone, number=2, closed=("a",))
    assert (found, rows.events) == (gone, [events.access(GP, gone.cited, rule="basis:author", at=rows.at, request_id="r", vread=True)])


@pytest.mark.parametrize("more", [{"number": 3}, {"marks": {}}, {"marks": {"a": "autre"}}, {"closed": ("a",)}, {"type": "Patient"}, {"who": replace(GP, scopes=frozenset({"system/Task.s"}))}])
def test_version_that_is_absent_anothers_closed_or_out_of_scope_is_refused_alike(scene: Scene, more: dict[str, Any]) -> None:
    found, rows = vread(scene, stored("a"), **more)
    assert found is None
    assert rows.events == [events.denied(more.get("who", GP), more.get("type", "Task"), reason="absent-or-not-theirs", verb="vread", at=rows.at, request_id="r")]


def test_directory_has_the_keepers_versions_and_a_doctor_those_of_the_house_too(scene: Scene) -> None:
    for type, keeper, house in (("Organization", True, False), ("Practitioner", True, True), ("Task", False, True)):
        made = stored("a", type=type)
        assert [vread(scene, made, type=type, marks={"a": mark})[0] is not None for mark in (KEEPER, HOUSE, "autre")] == [keeper, house, False], type


def test_service_reads_the_version_that_it_sees_now_and_no_other(scene: Scene) -> None:
    id = own(scene, "open")

    def run(window: Window, uow: Uow) -> list[Any]:
        past = Past(Own(window), Subset(window))
        now = past.subset.read(uow, UNIT, "Task", id, request_id="")
        assert now is not None
        return [now, *(past.version(uow, UNIT, "Task", id, number, request_id="") for number in (now.number, now.number - 1, 1))]

    now, same, older, first = scene.on(run)
    assert same == now and older is None and first is None
    assert scene.on(lambda window, uow: Past(Own(window), Subset(window)).version(uow, UNIT, "Task", "absent", 1, request_id="")) is None


# ── what is gone, what is one's own ──────────────────────────────────────────────────────────────
def test_only_its_author_is_told_that_something_is_gone(scene: Scene) -> None:
    there, gone = stored("a"), stored("a", 2, deleted=True)
    tell = lambda past, uow: past.gone(uow, GP, "Task", "a")  # noqa: E731
    assert asked(scene, tell, there, gone)[0] is True
    assert asked(scene, tell, there)[0] is False
    assert asked(scene, tell)[0] is False
    assert asked(scene, tell, there, gone, marks={"a": "autre"})[0] is False


def test_own_word_is_there_written_by_the_caller_and_not_closed(scene: Scene) -> None:
    tell = lambda version: lambda past, uow: past.own_word(uow, GP, version)  # noqa: E731
    assert asked(scene, tell(stored("a")))[0] is True
    assert asked(scene, tell(stored("a", deleted=True)))[0] is False
    assert asked(scene, tell(stored("a")), marks={"a": "autre"})[0] is False
    assert asked(scene, tell(stored("a")), closed=("a",))[0] is False


# ── histories ────────────────────────────────────────────────────────────────────────────────────
def history(scene: Scene, *versions: Version, id: str = "a", who: Principal = GP, type: str = "Task", count: int = 9, **more: Any) -> tuple[Any, Rows]:
    given = {name: more.pop(name, None) for name in ("since", "after")}
    return asked(scene, lambda past, uow: past.history(uow, who, type, id, count=count, request_id="r", **given), *versions, **more)


def test_history_is_newest_first_in_pages_that_say_whether_there_is_more(scene: Scene) -> None:
    made = [stored("a", number) for number in (1, 2, 3)]
    for count, numbers, more in ((2, [3, 2], True), (3, [3, 2, 1], False), (9, [3, 2, 1], False)):
        found, rows = history(scene, *made, count=count)
        assert ([each.number for each in found[0]], found[1]) == (numbers, more)
        assert rows.asked == [("Task", "_author", (HOUSE,), {"id": "a", "since": None, "after": None, "count": count + 1})]
    since, after = datetime.fromisoformat("2026-03-06T10:00:00+00:00"), ("2026", "a", 2)
    assert history(scene, *made, since=since, after=after)[1].asked[0][3] | {"count": 0} == {"id": "a", "since": since, "after": after, "count": 0}


def test_history_is_told_once_a_patient(scene: Scene) -> None:
    made = [stored("a"), stored("a", 2, patient="Patient/q"), stored("a", 3), stored("a", 4, deleted=True)]
    for id, verb in (("a", "history-instance"), ("", "history-type")):
        _, rows = history(scene, *made, id=id)
        told = [("", [made[3]]), ("Patient/p", [made[2], made[0]]), ("Patient/q", [made[1]])]
        assert rows.events == [
            events.searched(GP, "Task", found=[each.cited for each in of], patient=patient, rule="basis:author", at=rows.at, request_id="r", verb=verb)
            for patient, of in told
        ]
        _, empty = history(scene, id=id)
        assert empty.events == [events.searched(GP, "Task", rule="basis:author", at=empty.at, request_id="r", verb=verb)]


def test_history_leaves_out_what_is_closed_but_not_that_something_was_deleted(scene: Scene) -> None:
    found, _ = history(scene, stored("a"), stored("b"), stored("b", 2, deleted=True), id="", closed=("b",))
    assert [(each.id, each.number) for each in found[0]] == [("b", 2), ("a", 1)]


def test_history_of_what_is_anothers_or_out_of_scope_is_refused(scene: Scene) -> None:
    searching = replace(GP, scopes=frozenset({"system/Task.s"}))
    for more in ({"marks": {"a": "autre"}}, {"who": searching}, {"who": searching, "id": ""}):
        found, rows = history(scene, stored("a"), **more)
        assert found is None and rows.asked == []
        assert rows.events == [events.denied(more.get("who", GP), "Task", reason="absent-or-not-theirs", verb="history-instance", at=rows.at, request_id="r")]
    found, _ = history(scene, stored("a"), id="", marks={"a": "autre"})
    assert found == ([stored("a")], False)  # of a type: whatever the index says is theirs


def test_history_for_a_service_is_what_it_sees_now(scene: Scene) -> None:
    id = own(scene, "open")

    def of(who: Principal, id: str) -> Any:
        given: dict[str, Any] = {"since": None, "after": None, "count": 1, "request_id": ""}
        return scene.on(lambda window, uow: Past(Own(window), Subset(window)).history(uow, who, "Task", id, **given))

    (one,), more = of(UNIT, id)
    assert (one.id, more) == (id, False) and of(UNIT, "absent") is None
    every, more = of(UNIT, "")
    assert {each.id for each in every} == {id, own(scene, "second")} and more is False


def test_history_for_a_service_asks_for_a_thousand_at_most(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = list[int]()
    whole = Subset.search

    def counted(self: Subset, uow: Uow, who: Principal, query: Any, *, request_id: str) -> Any:
        counts.append(query.count)
        return whole(self, uow, who, replace(query, count=1), request_id=request_id)

    monkeypatch.setattr(Subset, "search", counted)
    given: dict[str, Any] = {"since": None, "after": None, "count": 9, "request_id": ""}
    found, more = scene.on(lambda window, uow: Past(Own(window), Subset(window)).history(uow, UNIT, "Task", "", **given))  # type: ignore[misc]
    assert (counts, len(found), more) == ([1000], 1, True)
