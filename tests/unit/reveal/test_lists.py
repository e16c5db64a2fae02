"""Lists: what a unit gets as lines, as closing notices, as information owed (workflow.md 4 and 6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapter.audit import events
from adapter.lists import Lists
from adapter.ports import Decision, Principal, Uow
from adapter.referral.spoken import of_task
from adapter.showing import Window
from tests.e2e.stage import COURSIER, GP, SAAD
from tests.unit.reveal.scene import Scene, Told, own, plain, played, told

COURIER = "coursier-dac-asso"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with played() as found:
        yield found


# ── the worklist ─────────────────────────────────────────────────────────────────────────────────
def listed(scene: Scene, who: Principal, view: str, lang: str = "fr", seeing: type[Window] = Window) -> tuple[Any, list[Any]]:
    def run(window: Window, uow: Any) -> Any:
        there = seeing(window.network, window.views, window.terms, window.writer)
        return Lists(there).worklist(uow, who, view, lang=lang, request_id="r-2")

    return told(scene, run)


@pytest.mark.parametrize(("view", "named"), [("saad", "saad"), ("Zyxname", "")])
def test_view_that_is_not_the_callers_is_refused_and_named_only_where_it_is_one(scene: Scene, view: str, named: str) -> None:
    found, left = listed(scene, COURSIER, view)
    denied = events.denied(COURSIER, "Task", reason="view-not-assigned", view=named, at=scene.made.app.clock.now(), request_id="r-2")
    assert found is None and [plain(each) for each in left] == [plain(denied)]
    id = own(scene, "open")
    assert scene.on(lambda window, uow: window.dossiers(uow, COURSIER, view)) == []
    assert scene.on(lambda window, uow: window.find(uow, COURSIER, view, id, lang="fr", request_id="")) == (None, None)


def test_list_has_what_may_be_shown_the_newest_call_first(scene: Scene) -> None:
    found, left = listed(scene, COURSIER, COURIER)
    assert [each.id for each in found] == [own(scene, "second"), own(scene, "open")]
    assert len(left) == 4  # a decision and a disclosure for each

    class Shy(Window):
        def decision(self, uow: Any, who: Any, view: Any, dossier: Any, **more: Any) -> Decision:
            return Decision(False, "no", "S1") if dossier.task["id"] == scene.tasks["open"] else super().decision(uow, who, view, dossier, **more)

    found, left = listed(scene, COURSIER, COURIER, seeing=Shy)
    assert [each.id for each in found] == [own(scene, "second")] and len(left) == 3


def test_line_says_and_discloses_less_than_the_card_and_has_its_tag(scene: Scene) -> None:
    (first, _), left = listed(scene, COURSIER, COURIER)
    id = own(scene, "second")
    card = scene.on(lambda window, uow: window.find(uow, COURSIER, COURIER, id, lang="fr", request_id=""))[1]
    assert first.etag == card.etag and set(first.card) < set(card.card)
    assert sum(map(len, first.resources)) < sum(map(len, card.resources))
    assert "rue Zyx" not in f"{first.card} {first.resources}" and "Zyxdurand" not in str(first.card) and "rue Zyx" in str(card.card)
    classes = next(detail["valueString"] for entity in left[1]["entity"] for detail in entity.get("detail", ()) if detail["type"] == "classes")
    assert "D10" not in classes.split(",") and "D4" in classes.split(",")
    (english, _), _ = listed(scene, COURSIER, COURIER, lang="en")
    assert english.card != first.card and english.etag == first.etag


def test_list_of_a_view_without_lines_has_the_cards(scene: Scene) -> None:
    found, _ = listed(scene, GP, "prescripteur")
    shown = scene.on(lambda window, uow: window.find(uow, GP, "prescripteur", found[0].id, lang="fr", request_id=""))[1]
    assert not scene.on(lambda window, uow: window.views["prescripteur"].line) and found[0].card == shown.card


def test_list_of_nothing_leaves_its_event(scene: Scene) -> None:
    found, left = listed(scene, replace(COURSIER, unit="coursier-garde"), COURIER)
    at, details = scene.made.app.clock.now(), [("view", COURIER), ("count", "0")]
    assert found == []
    assert [plain(each) for each in left] == [plain(events.act(replace(COURSIER, unit="coursier-garde"), "worklist", at=at, request_id="r-2", details=details))]


# ── notices and what is owed ─────────────────────────────────────────────────────────────────────
def test_closing_notices_are_those_of_the_callers_units_and_say_no_name(scene: Scene) -> None:
    found, left = told(scene, lambda window, uow: Lists(window).notices(uow, COURSIER, COURIER, request_id="r-5"))
    assert [set(each) for each in found] == [{"reference", "sent", "read", "text"}] * len(found) and len(found) >= 1
    assert found[0]["reference"] == of_task(scene.dossier("withdrawn").task) and found[0]["sent"] and found[0]["read"] == ""
    assert found[0]["text"].startswith("clos à la demande de la personne")
    at = scene.made.app.clock.now()
    assert [plain(each) for each in left] == [plain(events.act(COURSIER, "closing-notices", at=at, request_id="r-5", details=[("count", str(len(found)))]))]
    _, unnamed = told(scene, lambda window, uow: Lists(window).notices(uow, COURSIER, COURIER))
    assert plain(unnamed[0]) == plain(events.act(COURSIER, "closing-notices", at=at, details=[("count", str(len(found)))]))
    english = scene.on(lambda window, uow: Lists(window).notices(uow, COURSIER, COURIER, lang="en"))
    assert english[0]["text"] != found[0]["text"]
    assert scene.on(lambda window, uow: Lists(window).notices(uow, COURSIER, COURIER, lang="de"))[0]["text"] == found[0]["text"]
    assert scene.on(lambda window, uow: Lists(window).notices(uow, SAAD, "saad")) == []
    assert scene.on(lambda window, uow: Lists(window).notices(uow, COURSIER, "saad")) is None
    assert scene.on(lambda window, uow: Lists(window).closing(uow, COURSIER, "saad")) == []
    assert [each["resourceType"] for each in scene.on(lambda window, uow: Lists(window).closing(uow, COURSIER, COURIER))] == ["Communication"] * len(found)


def test_practice_without_units_has_no_closing_notices(scene: Scene) -> None:
    network = scene.network
    bare = replace(network, organisations=tuple(replace(each, units=()) if each.key == "msp-saint-eloi" else each for each in network.organisations))
    assert scene.on(lambda window, uow: Lists(replace(window, network=bare)).closing(uow, GP, "prescripteur")) == []


class Later(Told):
    """The same unit of work, days later."""

    days = 0

    @property
    def at(self) -> datetime:
        found: datetime = self._uow.at + timedelta(days=self.days)
        return found


def owed(scene: Scene, days: int, who: Principal, view: str) -> tuple[Any, list[Any]]:
    def run(window: Window, uow: Uow) -> tuple[Any, list[Any]]:
        later = Later(uow)
        later.days = days
        return Lists(window).owed(later, who, view, request_id="r-6"), later.events  # type: ignore[arg-type]

    return scene.on(run)


def test_sheet_is_owed_after_eight_days_the_longest_first(scene: Scene) -> None:
    assert owed(scene, 7, COURSIER, COURIER)[0] == []
    found, left = owed(scene, 9, COURSIER, COURIER)
    assert [each["id"] for each in found] == [own(scene, "open"), own(scene, "second")] and [each["since"] for each in found] == sorted(each["since"] for each in found)
    assert found[0] | {"since": ""} == {"id": own(scene, "open"), "reference": of_task(scene.dossier("open").task), "what": "information", "since": ""}
    assert found[0]["since"].endswith("Z")
    at = scene.made.app.clock.now() + timedelta(days=9)
    assert [plain(each) for each in left] == [plain(events.act(COURSIER, "information-owed", at=at, request_id="r-6", details=[("count", "2")]))]
    mine = [each["id"] for each in owed(scene, 9, GP, "prescripteur")[0]]
    assert {own(scene, name, "msp-saint-eloi") for name in ("open", "second", "pool", "carsat")} == set(mine)
    assert owed(scene, 9, COURSIER, "saad") == (None, [])


def test_sheet_is_not_owed_for_an_offer_that_no_pool_has_accepted(scene: Scene) -> None:
    assert owed(scene, 9, SAAD, "saad")[0] == []


def test_sheet_of_what_may_not_be_seen_is_owed_to_nobody(scene: Scene) -> None:
    class Blind(Window):
        def decision(self, *_: Any, **__: Any) -> Decision:
            return Decision(False, "", "")

    def run(window: Window, uow: Uow) -> Any:
        later = Later(uow)
        later.days = 9
        return Lists(Blind(window.network, window.views, window.terms, window.writer)).owed(later, COURSIER, COURIER, request_id="")  # type: ignore[arg-type]

    assert scene.on(run) == []


