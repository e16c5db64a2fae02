"""From an EHR a Consent can only narrow (Y-46)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from adapter.ports import Resource
from adapter.sync.narrow import narrower
from tests.unit.sync.house import CONSENT, NEED, OWNERSHIP

Change = Callable[[Resource], object]


def changed(change: Change, consent: Resource = CONSENT) -> Resource:
    after = copy.deepcopy(consent)
    change(after)
    return after


def provision(**elements: Any) -> Change:
    return lambda consent: consent["provision"].update(elements)


def without(*names: str) -> Change:
    return lambda consent: [consent["provision"].pop(name) for name in names]


ACTOR, OTHER = CONSENT["provision"]["actor"][0], {"role": {"coding": [{"code": "IRCP"}]}, "reference": {"reference": "Organization/x"}}
ACCESS, DISCLOSE = CONSENT["provision"]["action"]
TREAT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
DENY = {"type": "deny", "actor": [ACTOR]}

NARROWER: list[tuple[str, Change]] = [
    ("closed", lambda consent: consent.update(status="inactive")),
    ("in error", lambda consent: consent.update(status="entered-in-error")),
    ("an action less", provision(action=[ACCESS])),
    ("a need less", lambda consent: consent["provision"]["code"].pop()),
    ("a first purpose", provision(purpose=[TREAT])),
    ("a first class", provision(**{"class": [{"code": "Task"}]})),
    ("ends sooner", provision(period={"end": "2026-06-30T00:00:00Z"})),
    ("begins later", provision(period={"start": "2026-04-01T00:00:00Z", "end": "2026-12-31T00:00:00Z"})),
    ("a nested deny", provision(provision=[DENY])),
    ("a nested rule without type is a deny", provision(provision=[{"actor": [ACTOR]}])),
]
WIDER: list[tuple[str, Change, str]] = [
    ("another actor", provision(actor=[ACTOR, OTHER]), "provision.actor"),
    ("actors who may be the same by another name", provision(actor=[{"reference": {"reference": "https://ehr.example/Organization/9"}}]), "provision.actor"),
    ("an actor by identifier", provision(actor=[{"reference": {"identifier": {"value": "9"}}}]), "provision.actor"),
    ("no actor limit", without("actor"), "provision.actor"),
    ("no need limit", without("code"), "provision.code"),
    ("another need", lambda consent: consent["provision"]["code"].append({"coding": [{"system": NEED, "code": "x"}]}), "provision.code"),
    ("ends later", provision(period={"end": "2027-06-30T00:00:00Z"}), "provision.period"),
    ("never ends", without("period"), "provision.period"),
    ("end of another precision", provision(period={"end": "2026-06-30"}), "provision.period"),
    ("period with more in it", provision(period={"end": "2026-12-31T00:00:00Z", "extension": [{"url": "u"}]}), "provision.period"),
    ("a nested permit", provision(provision=[{"type": "permit"}]), "provision.provision"),
    ("a deny with exceptions", provision(provision=[{"type": "deny", "provision": [{"type": "permit"}]}]), "provision.provision"),
    ("something unknown", provision(extension=[{"url": "u"}]), "provision.extension"),
    ("another type", provision(type="deny"), "provision"),
    ("no rule at all", lambda consent: consent.pop("provision"), "provision"),
]


@pytest.mark.parametrize(("change"), [change for _, change in NARROWER], ids=[name for name, _ in NARROWER])
def test_narrower_takes_what_only_takes_away(change: Change) -> None:
    after = changed(change)

    assert narrower(CONSENT, after, OWNERSHIP) == (after, [])


def test_narrower_ends_an_agreement_that_is_refused_there_by_the_status_it_may_have() -> None:
    assert narrower(CONSENT, {**CONSENT, "status": "rejected"}, OWNERSHIP) == ({**CONSENT, "status": "inactive"}, [])
    proposed = {**CONSENT, "status": "proposed"}
    assert narrower(proposed, {**CONSENT, "status": "inactive"}, OWNERSHIP) == ({**CONSENT, "status": "rejected"}, [])


@pytest.mark.parametrize(("change", "path"), [(change, path) for _, change, path in WIDER], ids=[name for name, _, _ in WIDER])
def test_narrower_leaves_what_widens_to_a_person_y_46(change: Change, path: str) -> None:
    assert narrower(CONSENT, changed(change), OWNERSHIP) == (CONSENT, [path])


def test_narrower_ends_an_agreement_that_names_others_and_asks_about_them() -> None:
    after = changed(provision(actor=[OTHER]))

    assert narrower(CONSENT, after, OWNERSHIP) == ({**CONSENT, "status": "inactive"}, ["provision.actor"])
    role = {**ACTOR, "role": {"coding": [{"code": "PRCP"}]}}
    assert narrower(CONSENT, changed(provision(actor=[role])), OWNERSHIP) == (CONSENT, ["provision.actor"])
    proposed = {**CONSENT, "status": "proposed"}
    assert narrower(proposed, {**after, "status": "proposed"}, OWNERSHIP) == (proposed, ["provision.actor"])


@pytest.mark.parametrize(("before", "after", "then"), [
    ("inactive", "entered-in-error", "entered-in-error"), ("rejected", "entered-in-error", "entered-in-error"),
    ("inactive", "rejected", "inactive"), ("entered-in-error", "inactive", "entered-in-error"),
])  # fmt: skip
def test_narrower_lets_a_closed_agreement_be_void_and_nothing_else(before: str, after: str, then: str) -> None:
    assert narrower({**CONSENT, "status": before}, {**CONSENT, "status": after}, OWNERSHIP) == ({**CONSENT, "status": then}, [])


@pytest.mark.parametrize("status", ["inactive", "rejected", "entered-in-error", "proposed"])
def test_narrower_never_reopens(status: str) -> None:
    closed = {**CONSENT, "status": status}

    assert narrower(closed, {**CONSENT, "status": "active"}, OWNERSHIP) == (closed, ["status"])


@pytest.mark.parametrize("status", ["proposed", "draft", "nobody-knows", None])
def test_narrower_closes_what_is_not_in_force_there_and_asks(status: str | None) -> None:
    assert narrower(CONSENT, {**CONSENT, "status": status}, OWNERSHIP) == ({**CONSENT, "status": "inactive"}, ["status"])


def test_narrower_lets_the_stricter_part_act_at_once_and_asks_about_the_rest() -> None:
    after = changed(provision(action=[ACCESS], actor=[ACTOR, OTHER], period={"end": "2026-06-30T00:00:00Z"}))

    narrowed, wider = narrower(CONSENT, after, OWNERSHIP)

    assert narrowed["provision"]["action"] == [ACCESS]
    assert narrowed["provision"]["period"] == {"end": "2026-06-30T00:00:00Z"}
    assert narrowed["provision"]["actor"] == [ACTOR]
    assert wider == ["provision.actor"]


def test_narrower_takes_away_the_entries_that_went_when_others_came() -> None:
    narrowed, wider = narrower(CONSENT, changed(provision(action=[ACCESS, {"coding": [{"code": "use"}]}])), OWNERSHIP)

    assert narrowed["provision"]["action"] == [ACCESS]
    assert wider == ["provision.action"]


def test_narrower_sees_no_change_in_order_or_form_of_dates_y_41() -> None:
    after = changed(provision(action=[DISCLOSE, ACCESS], period={"end": "2026-12-31T01:00:00.000+01:00"}))

    assert narrower(CONSENT, after, OWNERSHIP) == (CONSENT, [])


@pytest.mark.parametrize("left", [[], [{"type": "deny", "actor": [OTHER]}]])
def test_narrower_keeps_a_nested_deny_that_the_ehr_took_away(left: list[Any]) -> None:
    ours = changed(provision(provision=[DENY]))

    narrowed, wider = narrower(ours, changed(provision(provision=left)), OWNERSHIP)

    assert narrowed["provision"]["provision"] == [DENY, *left]
    assert wider == ["provision.provision"]


def test_narrower_does_not_touch_a_deny() -> None:
    deny = changed(provision(type="deny"))

    assert narrower(deny, changed(provision(action=[ACCESS]), deny), OWNERSHIP) == (deny, ["provision"])
