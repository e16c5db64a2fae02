"""Already followed: one bit, to a clinic about its own patient, when a social worker is asked for who follows the person already (workflow.md 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from adapter.audit import events
from adapter.followed import MOST, SAID, followed
from adapter.ports import Decision
from adapter.showing import Window
from tests.e2e.stage import GP
from tests.unit.reveal.scene import Scene, Told, plain, played

WORKER, COURIER = "permanence-saint-eloi", "coursier-rouen"
COUNTER = "already-followed:msp-saint-eloi:2026-03-06"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with played() as found:
        yield found


class Other(Told):
    """The store, with a counter of its own."""

    def __init__(self, uow: Any, asked: int) -> None:
        super().__init__(uow)
        self.values = {COUNTER: str(asked).encode()} if asked else {}

    def kept(self, name: str) -> bytes | None:
        return self.values.get(name)

    def keep(self, name: str, value: bytes) -> None:
        self.values[name] = value


def answer(
    scene: Scene, name: str = "carsat", *, units: tuple[str, ...] = (WORKER,), but: frozenset[str] = frozenset(), who: Any = GP, asked: int = 0, permit: bool = True, **more: Any
) -> tuple[bool, Other]:
    """Whether the person of the referral `name` is followed; `more`: elements of its dossier."""
    dossier = scene.dossier(name)
    changed = scene.dossier(name, **more)

    def run(window: Window, uow: Any) -> tuple[bool, Other]:
        there = Other(uow, asked)
        with pytest.MonkeyPatch.context() as patch:
            whole = window.decision
            patch.setattr("adapter.followed.load", lambda _, id: changed if id == dossier.task["id"] else None)
            patch.setattr(Window, "decision", lambda self, *given, **named: whole(*given, **named) if permit else Decision(False, "", ""))
            return followed(window, there, who, dossier.request["subject"]["reference"], list(units), but=but, request_id="r-7"), there  # type: ignore[arg-type]

    return scene.on(run)


def test_person_is_followed_where_a_social_worker_has_an_earlier_referral_of_this_practice(scene: Scene) -> None:
    found, there = answer(scene)
    assert found is True
    patient, at = scene.dossier("carsat").request["subject"]["reference"], scene.made.app.clock.now()
    wanted = events.act(GP, "already-followed", patient=patient, at=at, request_id="r-7", details=[("answer", "yes")])
    assert [plain(each) for each in there.events] == [plain(wanted)]


def test_person_is_not_followed_by_the_referral_that_was_just_made(scene: Scene) -> None:
    found, there = answer(scene, but=frozenset({scene.tasks["carsat"]}))
    assert found is False
    assert [detail for entity in there.events[0]["entity"] for detail in entity.get("detail", ())] == [{"type": "answer", "valueString": "no"}]


def test_person_is_not_followed_by_a_service_that_is_no_social_work(scene: Scene) -> None:
    assert answer(scene, task={"owner": {"reference": f"HealthcareService/{COURIER}"}})[0] is False
    assert answer(scene, task={"owner": {"reference": "HealthcareService/nowhere"}})[0] is False


@pytest.mark.parametrize("units", [(COURIER,), (), ("nowhere",)])
def test_nothing_is_asked_or_counted_when_no_social_worker_is_asked_for(scene: Scene, units: tuple[str, ...]) -> None:
    found, there = answer(scene, units=units)
    assert (found, there.events, there.values) == (False, [], {})
    assert answer(scene, units=(*units, WORKER))[0] is True


@pytest.mark.parametrize("status", ["draft", "completed", "rejected", "cancelled", "failed", "entered-in-error"])
def test_person_is_not_followed_by_what_has_not_begun_or_is_over(scene: Scene, status: str) -> None:
    assert answer(scene, task={"status": status})[0] is False


@pytest.mark.parametrize("status", ["requested", "accepted", "in-progress", "on-hold"])
def test_person_is_followed_by_what_runs(scene: Scene, status: str) -> None:
    assert answer(scene, task={"status": status})[0] is True


def test_bit_crosses_no_organisation(scene: Scene) -> None:
    assert answer(scene, request={"requester": {"reference": "Organization/autre-cabinet"}}, task={"requester": {"reference": "Organization/autre-cabinet"}})[0] is False


def test_bit_speaks_of_no_need_of_sensitivity_3(scene: Scene) -> None:
    system = scene.dossier("carsat").request["reasonCode"][0]["coding"][0]["system"]
    for codes, found in ((("budget", "addictions"), False), (("expulsion",), True), (("nobody-knows",), False), ((), True)):
        assert answer(scene, request={"reasonCode": [{"coding": [{"system": system, "code": code}]} for code in codes]})[0] is found


def test_bit_wants_an_agreement_in_force_and_a_decision(scene: Scene) -> None:
    named = scene.dossier("carsat").named
    ended = tuple(each | {"status": "inactive"} for each in named)
    assert answer(scene, consents=ended)[0] is False
    assert answer(scene, consents=())[0] is False
    assert answer(scene, permit=False)[0] is False
    second = named[0] | {"id": "second", "status": "inactive"}
    request = {"supportingInfo": [*scene.dossier("carsat").request["supportingInfo"], {"reference": "Consent/second"}]}
    assert answer(scene, consents=(*named, second), request=request)[0] is True


def test_bit_is_given_a_hundred_times_a_day_and_then_no_more(scene: Scene) -> None:
    assert MOST == 100
    for asked, found, counted in ((0, True, b"1"), (98, True, b"99"), (99, True, b"100"), (100, False, b"100"), (101, False, b"101")):
        answered, there = answer(scene, asked=asked)
        assert (answered, there.values) == (found, {COUNTER: counted})
        assert len(there.events) == int(found)


@pytest.mark.parametrize(("category", "found"), [
    ("as-msp-equipe", True), ("as-carsat", True), ("as-departement", True), ("ccas", True), ("saad", False), ("coursier-dac-asso", False), ("mdph", False),
])  # fmt: skip
def test_categories_that_follow_a_person_are_those_of_social_workers(scene: Scene, category: str, found: bool) -> None:
    network = scene.network
    houses = tuple(replace(each, category=category) if each.key == "carsat-normandie" else each for each in network.organisations)
    dossier = scene.dossier("carsat")

    def run(window: Window, uow: Any) -> bool:
        there = replace(window, network=replace(network, organisations=houses))
        return followed(there, uow, GP, dossier.request["subject"]["reference"], [WORKER], but=frozenset(), request_id="")

    assert scene.on(run) is found


def test_words_of_the_bit_say_neither_by_whom_nor_why() -> None:
    assert SAID == "a social service follows this person already; ask the person before sending"
