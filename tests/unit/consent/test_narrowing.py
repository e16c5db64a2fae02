"""`wider`: which elements of a later version permit more, or deny less, than an earlier one."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.consent import wider
from adapter.names import ACT_REASON, CONSENT_ACTION, CONSENT_SCOPE, RESOURCE_TYPES

NEED = "https://liaison.example/CodeSystem/need"


def actor(key: str) -> dict[str, Any]:
    return {"role": {"text": "IRCP"}, "reference": {"reference": f"Organization/{key}"}}


def need(code: str) -> dict[str, Any]:
    return {"coding": [{"system": NEED, "code": code}]}


PERMIT: dict[str, Any] = {
    "type": "permit", "period": {"start": "2026-03-01", "end": "2026-06-30"}, "actor": [actor("a"), actor("b")],
    "action": [{"coding": [{"system": CONSENT_ACTION, "code": code}]} for code in ("access", "disclose")],
    "purpose": [{"system": ACT_REASON, "code": code} for code in ("TREAT", "COC")],
    "class": [{"system": RESOURCE_TYPES, "code": code} for code in ("ServiceRequest", "Task")],
    "code": [need("isolement"), need("budget")], "securityLabel": [{"system": "s", "code": "N"}, {"system": "s", "code": "R"}],
    "data": [{"meaning": "instance", "reference": {"reference": f"Task/{id}"}} for id in "xy"], "dataPeriod": {"start": "2026", "end": "2026"},
}  # fmt: skip
SETS = ("actor", "action", "purpose", "class", "code", "securityLabel", "data")


def consent(provision: Any, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent", "id": "c1", "status": "active", "patient": {"reference": "Patient/p"},
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]}, "provision": provision, **more,
    }  # fmt: skip


def changed(**elements: Any) -> tuple[str, ...]:
    after = {name: value for name, value in {**PERMIT, **elements}.items() if value is not None}
    return wider(consent(PERMIT), consent(after))


def test_wider_is_nothing_for_the_same_consent_in_another_order() -> None:
    assert wider(consent(PERMIT), consent(dict(reversed(PERMIT.items())))) == ()
    turned = {**PERMIT, "actor": [dict(reversed(entry.items())) for entry in PERMIT["actor"]]}
    assert wider(consent(PERMIT), consent(turned)) == ()
    assert wider(consent("x"), consent("x")) == ()


@pytest.mark.parametrize("name", SETS)
def test_wider_by_an_alternative_more_not_by_one_less(name: str) -> None:
    first, second = PERMIT[name]
    assert changed(**{name: [first]}) == ()
    assert changed(**{name: [second, first]}) == ()
    for wide in ([first, {"id": "x"}], [first, second, {"id": "x"}], [], None, "x", [{"id": "x"}]):
        assert changed(**{name: wide}) == (f"provision.{name}",)


@pytest.mark.parametrize("name", SETS)
def test_wider_is_nothing_when_a_first_limit_is_set(name: str) -> None:
    free = {key: value for key, value in PERMIT.items() if key != name}
    assert wider(consent(free), consent(PERMIT)) == ()


@pytest.mark.parametrize(("element", "path"), [("period", "provision.period"), ("dataPeriod", "provision.dataPeriod")])
def test_wider_by_a_longer_period_not_by_a_shorter(element: str, path: str) -> None:
    before = consent({"type": "permit", element: {"start": "2026-03-01", "end": "2026-06-30"}})
    for shorter in ({"start": "2026-03-01", "end": "2026-06-30"}, {"start": "2026-04", "end": "2026-05"}, {"start": "2026-03-01T10:00:00Z", "end": "2026-06-30"}):
        assert wider(before, consent({"type": "permit", element: shorter})) == ()
    for longer in (
        {"start": "2026-02-28", "end": "2026-06-30"}, {"start": "2026-03-01", "end": "2026-07-01"}, {"start": "2026-03-01"}, {"end": "2026-06-30"},
        {"start": "2026", "end": "2026-05"}, {"start": "soon", "end": "2026-05"}, {"start": "2026-04", "end": "later"}, {"start": "2026-05", "end": "2026-04"}, {},
        "x",
    ):  # fmt: skip
        assert wider(before, consent({"type": "permit", element: longer})) == (path,)
    assert wider(before, consent({"type": "permit"})) == (path,)
    assert wider(consent({"type": "permit"}), before) == ()
    assert wider(consent({"type": "permit", element: {"start": "2026-04"}}), consent({"type": "permit", element: {"start": "2026-05"}})) == ()
    assert wider(consent({"type": "permit", element: {"start": "soon"}}), consent({"type": "permit", element: {"start": "2026-05"}})) == (path,)


def test_wider_takes_the_zone_of_dates() -> None:
    before, after = (consent({"type": "permit", "period": {"end": end}}) for end in ("2026-06-30", "2026-06-30T23:00:00Z"))
    assert wider(before, after, zone="UTC") == ()
    assert wider(before, after) == ("provision.period",)


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected", "inactive", "entered-in-error", "gone", 3])
def test_wider_by_status(status: Any) -> None:
    ended = consent(PERMIT, status=status)
    assert wider(consent(PERMIT), ended) == ()
    assert wider(ended, consent(PERMIT)) == ("status",)
    assert wider(ended, consent(PERMIT, status="inactive")) == ()


@pytest.mark.parametrize("denying", [{"type": "deny"}, {"type": "permit", "provision": [{"type": "deny"}]}, {"provision": []}, [{"type": "deny"}], "x"])
def test_wider_when_a_deny_ends(denying: Any) -> None:
    assert wider(consent(denying), consent(denying, status="inactive")) == ("status",)
    assert wider(consent(None), consent(None, status="inactive")) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"type": "deny", "actor": [actor("a")]}, {"type": "deny"}), ({"type": "deny"}, {"type": "permit"}), ({"type": "permit"}, {"type": "deny"}),
        ({}, {"type": "permit"}), ("x", {"type": "permit"}), ({"type": "permit"}, "x"),
    ],
)  # fmt: skip
def test_wider_is_not_sure_about_denies(before: Any, after: Any) -> None:
    assert wider(consent(before), consent(after)) == ("provision",)


def test_wider_is_not_sure_about_what_is_nested_or_not_known() -> None:
    nested = {**PERMIT, "provision": [{"type": "deny", "actor": [actor("c")]}]}
    for before, after in ((nested, PERMIT), (PERMIT, nested), (nested, {**nested, "actor": [actor("a")]}), (PERMIT, {**PERMIT, "if": 1}), ({**PERMIT, "if": 1}, PERMIT)):
        assert wider(consent(before), consent(after)) == ("provision.provision",)
    assert wider(consent(nested), consent(nested)) == ()


@pytest.mark.parametrize("name", ["resourceType", "id", "patient", "scope", "implicitRules", "modifierExtension"])
def test_wider_by_what_may_mean_anything(name: str) -> None:
    assert name in wider(consent(PERMIT), consent(PERMIT, **{name: "other"}))
    assert name in wider(consent(PERMIT, **{name: "other"}), consent(PERMIT))


def test_wider_when_a_failed_verification_goes() -> None:
    failed, passed = {"verification": [{"verified": False}]}, {"verification": [{"verified": True}]}
    assert wider(consent(PERMIT, **failed), consent(PERMIT)) == ("verification",)
    assert wider(consent(PERMIT, **failed), consent(PERMIT, **passed)) == ("verification",)
    assert wider(consent(PERMIT), consent(PERMIT, **failed)) == ()
    assert wider(consent(PERMIT), consent(PERMIT, **passed)) == ()
