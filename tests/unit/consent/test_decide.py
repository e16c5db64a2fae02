"""What `decide` and `anchored` hand back: reason, rule, cited versions, codes; bases; zones; odd input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapter.consent import anchored, decide
from adapter.consent.question import CONFIDENTIALITY
from adapter.consent.times import FAR_FUTURE, FAR_PAST, bounds, span
from adapter.names import ACT_REASON, CONSENT_SCOPE
from adapter.ports import Ask, Basis, Decision

NEED = "https://liaison.example/CodeSystem/need"
AT = datetime(2026, 3, 3, 9, tzinfo=UTC)
ASK = Ask("Patient/p1", frozenset({"Organization/cbo"}), (f"{ACT_REASON}|TREAT",), "access")
CBO = {"actor": [{"reference": {"reference": "Organization/cbo"}}]}
REQUEST = {
    "resourceType": "ServiceRequest", "id": "sr1", "subject": {"reference": "Patient/p1"},
    "reasonCode": [{"coding": [{"system": NEED, "code": code}]} for code in ("denutrition", "isolement")],
    "supportingInfo": [{"reference": "Consent/c1"}],
}  # fmt: skip


def needs(*codes: str) -> dict[str, Any]:
    return {"code": [{"coding": [{"system": NEED, "code": code}]} for code in codes]}


def consent(id: str = "c1", version: str = "1", **provision: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent", "id": id, "meta": {"versionId": version}, "status": "active",
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]}, "patient": {"reference": "Patient/p1"},
        "provision": provision,
    }  # fmt: skip


def ask(consents: Any, bases: Any = (), *, at: datetime = AT, **more: Any) -> Decision:
    return decide(consents, bases, ASK, at, **{"resource": REQUEST, **more})


# ── what a decision carries ──────────────────────────────────────────────────────────────────────
def test_decide_cites_the_permit_with_its_version_when_it_permits() -> None:
    for_another = consent("c2", type="permit", actor=[{"reference": {"reference": "Organization/x"}}])
    decision = ask([consent("c1", "3", type="permit", **CBO), for_another])
    assert decision == Decision(True, "permit", "S1", ("Consent/c1/_history/3",))


def test_decide_cites_the_deny_not_the_permit_when_a_deny_wins() -> None:
    decision = ask([consent("c1", type="permit"), consent("c2", "7", type="deny", **CBO)])
    assert (decision.permit, decision.reason, decision.rule, decision.versions) == (False, "deny", "S1", ("Consent/c2/_history/7",))


def test_decide_cites_without_version_when_the_consent_has_none() -> None:
    bare = consent(type="permit")
    del bare["meta"]
    assert ask([bare]).versions == ("Consent/c1",)


def test_decide_gives_no_permit_when_nothing_applies() -> None:
    assert ask([]) == Decision(False, "no-permit", "S1")


@pytest.mark.parametrize(
    ("provision", "rule"),
    [({"type": "permit"}, "S1"), ({"type": "deny", "provision": [{"type": "permit", **CBO}]}, "S12"), ({"type": "deny"}, "S13"),
     ({"type": "permit", "provision": [{"type": "deny", **CBO}]}, "S12"), ({"type": "deny", **CBO}, "S1")],
)  # fmt: skip
def test_decide_names_the_rule_when_it_decides(provision: dict[str, Any], rule: str) -> None:
    assert ask([consent(**provision)]).rule == rule


# ── codes ────────────────────────────────────────────────────────────────────────────────────────
def test_decide_gives_the_codes_of_the_permit_when_it_names_needs() -> None:
    decision = ask([consent(type="permit", **needs("denutrition"))])
    assert decision.permit
    assert decision.codes == {f"{NEED}|denutrition"}
    assert decision.obligations == ("limit-to-codes",)


def test_decide_gives_no_codes_when_the_permit_names_none() -> None:
    decision = ask([consent(type="permit")])
    assert (decision.codes, decision.obligations) == (frozenset(), ())


def test_decide_joins_the_codes_when_several_permits_apply() -> None:
    several = [consent("c1", type="permit", **needs("denutrition")), consent("c2", type="permit", **needs("isolement"))]
    assert ask(several).codes == {f"{NEED}|denutrition", f"{NEED}|isolement"}


def test_decide_leaves_out_codes_when_their_permit_does_not_apply() -> None:
    several = [consent("c1", type="permit", **needs("denutrition")), consent("c2", type="permit", **needs("budget"))]
    assert ask(several).codes == {f"{NEED}|denutrition"}


def test_decide_gives_inherited_codes_when_a_nested_permit_wins() -> None:
    nested = consent(type="deny", **needs("isolement"), provision=[{"type": "permit", **CBO}])
    assert ask([nested]).codes == {f"{NEED}|isolement"}


def test_decide_gives_no_codes_when_it_denies() -> None:
    assert ask([consent("c1", type="permit", **needs("denutrition")), consent("c2", type="deny", **CBO)]).codes == frozenset()


# ── bases ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", ["self", "author", "team"])
def test_decide_permits_on_a_basis_when_there_is_no_consent(kind: Any) -> None:
    assert ask([], [Basis(kind, "ServiceRequest/sr1")]) == Decision(True, "basis", f"basis:{kind}")


def test_decide_does_not_limit_needs_when_a_basis_permits() -> None:
    assert ask([consent(type="permit", **needs("denutrition"))], [Basis("author", "ServiceRequest/sr1")]).codes == frozenset()


def test_decide_lets_a_deny_win_when_there_is_a_basis() -> None:
    decision = ask([consent(type="deny", **CBO)], [Basis("author", "ServiceRequest/sr1")])
    assert (decision.permit, decision.rule) == (False, "S1")


def test_decide_lets_an_opposition_win_when_there_is_a_basis() -> None:
    assert not ask([consent(type="deny")], [Basis("team", "CareTeam/t")]).permit


def test_decide_does_not_count_a_default_when_there_is_a_basis() -> None:
    opt_in = consent(type="deny", provision=[{"type": "permit", "actor": [{"reference": {"reference": "Organization/x"}}]}])
    assert ask([opt_in], [Basis("author", "ServiceRequest/sr1")]).permit


def test_decide_denies_on_a_basis_when_the_set_is_incomplete() -> None:
    assert ask([], [Basis("self", "Patient/p1")], complete=False) == Decision(False, "indeterminate", "S14")


def test_decide_names_the_same_basis_when_their_order_changes() -> None:
    bases = [Basis("team", "CareTeam/t"), Basis("author", "ServiceRequest/sr1")]
    assert ask([], bases) == ask([], bases[::-1])
    assert ask([], bases).rule == "basis:author"


# ── time ─────────────────────────────────────────────────────────────────────────────────────────
def test_decide_S5_ends_a_day_at_its_own_midnight_when_a_zone_is_given() -> None:
    june = [consent(type="permit", period={"end": "2026-06-15"})]
    late = datetime(2026, 6, 15, 22, 30, tzinfo=UTC)  # 00:30 of the 16th in Paris
    assert not ask(june, at=late).permit
    assert ask(june, at=late, zone="UTC").permit
    assert ask(june, at=late, zone="America/Cayenne").permit


def test_decide_is_indeterminate_when_the_zone_is_unknown() -> None:
    assert ask([consent(type="permit")], zone="Europe/Nowhere").reason == "indeterminate"


def test_decide_is_indeterminate_when_the_moment_has_no_zone() -> None:
    assert ask([consent(type="permit")], at=datetime(2026, 3, 3)).reason == "indeterminate"


@pytest.mark.parametrize(
    ("text", "width"),
    [("2026", timedelta(days=365)), ("2024", timedelta(days=366)), ("2026-02", timedelta(days=28)), ("2026-03-29", timedelta(hours=23)),
     ("2026-03-02T10:00:00Z", timedelta(seconds=1)), ("2026-03-02T10:00:00.5Z", timedelta(milliseconds=100)),
     ("2026-03-02T10:00:00.123456789+01:00", timedelta(microseconds=1)), ("2026-03-02T10:00+01:00", timedelta(minutes=1))],
)  # fmt: skip
def test_span_is_as_wide_as_the_precision(text: str, width: timedelta) -> None:
    found = span(text, "Europe/Paris")
    assert found is not None
    assert found[1] - found[0] == width


NO_DATES = ["", "2026-13", "2026-02-30", "2026-03-02T10:00:00", "02/03/2026", "٢٠٢٦", "2026-03-02T25:00:00Z", None, 2026, []]


@pytest.mark.parametrize("text", NO_DATES)
def test_span_is_none_when_it_is_no_fhir_date(text: Any) -> None:
    assert span(text, "Europe/Paris") is None


def test_span_stops_at_the_ends_of_the_calendar() -> None:
    assert span("9999-12-31", "America/Cayenne") == (datetime(9999, 12, 31, 3, tzinfo=UTC), FAR_FUTURE)
    assert span("9999", "UTC") == (datetime(9999, 1, 1, tzinfo=UTC), FAR_FUTURE)
    first = span("0001-01-01", "Asia/Tokyo")
    assert first is not None
    assert first[0] == FAR_PAST
    assert span("9999-12-31T23:59:59Z", "UTC") == (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), FAR_FUTURE)


NO_PERIODS = [{}, [], None, {"start": "2026", "end": "2025"}, {"begin": "2026"}, {"start": "2026", "_start": {}}, {"id": "x"}]


@pytest.mark.parametrize("period", NO_PERIODS)
def test_bounds_are_none_when_it_is_no_period(period: Any) -> None:
    assert bounds(period, "UTC") is None


# ── anchoring ────────────────────────────────────────────────────────────────────────────────────
def test_anchored_keeps_permits_only_of_the_consents_named() -> None:
    other = consent("c2", type="permit", **CBO)
    assert ask([other]).permit
    assert not ask(anchored([other], REQUEST)).permit
    assert ask(anchored([consent("c1", type="permit", **CBO), other], REQUEST)).versions == ("Consent/c1/_history/1",)


def test_anchored_keeps_denies_of_every_consent() -> None:
    named, other = consent("c1", type="permit"), consent("c2", type="deny", **CBO)
    assert ask(anchored([named], REQUEST)).permit
    assert not ask(anchored([named, other], REQUEST)).permit


def test_anchored_splits_a_consent_with_both_when_it_is_not_named() -> None:
    mixed = consent("c2", type="permit", provision=[{"type": "deny", **CBO}])
    assert ask(anchored([consent("c1", type="permit"), mixed], REQUEST)).versions == ("Consent/c2/_history/1",)
    only_permit = consent("c2", type="permit", **CBO)
    assert ask(anchored([consent("c1", type="permit"), only_permit], REQUEST)).versions == ("Consent/c1/_history/1",)


def test_anchored_leaves_a_default_a_default_when_it_is_not_named() -> None:
    opt_in = consent("c2", type="deny", provision=[{"type": "permit", "actor": [{"reference": {"reference": "Organization/x"}}]}])
    assert ask(anchored([consent("c1", type="permit"), opt_in], REQUEST)).permit


def test_anchored_knows_a_consent_named_with_its_version() -> None:
    request = {**REQUEST, "supportingInfo": [{"reference": "Consent/c1/_history/1"}]}
    assert ask(anchored([consent("c1", type="permit")], request)).permit


def test_anchored_changes_nothing_in_place() -> None:
    other = consent("c2", type="permit")
    before = dict(other)
    anchored([other], REQUEST)
    assert other == before


@pytest.mark.parametrize("request_", [None, [], {}, {"supportingInfo": "Consent/c1"}, {"supportingInfo": [None, {"reference": 3}, {}]}])
def test_anchored_names_nothing_when_the_request_is_odd(request_: Any) -> None:
    assert not ask(anchored([consent("c1", type="permit"), None, 3], request_)).permit  # type: ignore[list-item]


# ── odd resources, many Consents ─────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("security", [None, 3, [None], [{"system": 1}], [{"system": CONFIDENTIALITY, "code": []}], {"code": "N"}])
def test_decide_does_not_help_a_label_permit_when_labels_are_odd(security: Any) -> None:
    very = consent(type="permit", securityLabel=[{"system": CONFIDENTIALITY, "code": "V"}])
    decision = ask([very], resource={**REQUEST, "meta": {"security": security}})
    assert (decision.permit, decision.rule) == (False, "S1")


@pytest.mark.parametrize("resource", [None, [], "x", 3])
def test_decide_is_indeterminate_when_there_is_no_resource(resource: Any) -> None:
    assert ask([consent(type="permit")], resource=resource).reason == "indeterminate"


def test_decide_names_the_patient_resource_itself() -> None:
    permit = [consent(type="permit")]
    assert ask(permit, resource={"resourceType": "Patient", "id": "p1"}).permit
    assert ask(permit, resource={"resourceType": "Patient", "id": "p2"}).reason == "other-patient"


def test_decide_reads_a_resource_of_any_depth() -> None:
    deep: dict[str, Any] = {"code": {"coding": [{"system": NEED, "code": "budget"}]}}
    for _ in range(50_000):
        deep = {"contained": [deep]}
    assert ask([consent(type="permit", **needs("budget"))], resource=deep).permit
    while "contained" in deep:  # taken apart by hand: the interpreter frees nested objects by recursion
        deep = deep["contained"][0]


def test_decide_counts_its_work_when_there_are_500_consents_C_E9(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapter.consent import match

    calls = 0
    real = match.MATCHERS["actor"]

    def counted(*args: Any) -> int:
        nonlocal calls
        calls += 1
        return real(*args)

    monkeypatch.setitem(match.MATCHERS, "actor", counted)
    circle = {"Group/a": ["Group/b"], "Group/b": ["Group/a"]}
    many = [consent(f"c{n}", type="permit", actor=[{"reference": {"reference": "Group/a"}}]) for n in range(500)]
    assert not ask(many, groups=circle).permit
    assert calls == 500
