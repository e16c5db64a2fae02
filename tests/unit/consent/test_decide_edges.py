"""The edges of a decision that a list of visible ids does not show: what is cited, which rule is named, what is bounded."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from adapter.consent import anchored, decide, denial, may_deny
from adapter.consent.decide import survey, weigh_consent
from adapter.consent.question import Question
from adapter.names import ACT_REASON, CONSENT_SCOPE
from adapter.names import RESOURCE_TYPES as RESOURCES
from adapter.ports import Ask, Decision

AT = datetime(2026, 3, 3, 9, tzinfo=UTC)
ASK = Ask("Patient/p1", frozenset({"Organization/cbo"}), (f"{ACT_REASON}|TREAT",), "access")
REQUEST = {"resourceType": "ServiceRequest", "id": "sr1", "subject": {"reference": "Patient/p1"}}
DEEP: dict[str, Any] = {"type": "permit"}
for _ in range(6):
    DEEP = {"type": "permit", "provision": [DEEP]}


def consent(provision: Any, id: Any = "c1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent", "id": id, "status": "active", "patient": {"reference": "Patient/p1"},
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]}, "provision": provision, **more,
    }  # fmt: skip


def decided(*consents: dict[str, Any], **more: Any) -> Decision:
    return decide(consents, (), ASK, AT, **{"resource": REQUEST, "zone": "UTC", **more})


def test_decide_P7_answers_indeterminate_when_a_fault_remains() -> None:
    assert decide(None, (), ASK, AT, resource=REQUEST) == Decision(False, "indeterminate", "P7")  # type: ignore[arg-type]


@pytest.mark.parametrize("id", [None, "", 3, ["x"]])
def test_decide_cites_no_consent_without_an_id(id: Any) -> None:
    assert decided(consent({"type": "permit"}, id)) == Decision(True, "permit", "S1")


@pytest.mark.parametrize(
    ("meta", "cited"),
    [({"versionId": "4"}, "Consent/c1/_history/4"), ({"versionId": 4}, "Consent/c1"), ({"versionId": ""}, "Consent/c1"), ({}, "Consent/c1"),
     ("x", "Consent/c1"), (None, "Consent/c1")],
)  # fmt: skip
def test_decide_S16_cites_the_version_where_there_is_one(meta: Any, cited: str) -> None:
    assert decided(consent({"type": "permit"}, meta=meta)).versions == (cited,)


def test_decide_S16_cites_every_consent_that_decided_once_in_order() -> None:
    deny = {"type": "deny"}
    assert decided(consent(deny, "b"), consent({"type": "permit"}, "c"), consent(deny, "a"), consent(deny, "a")).versions == ("Consent/a", "Consent/b")


def test_decide_names_the_first_rule_and_nesting_before_all() -> None:
    plain, nested = consent({"type": "deny"}), consent({"type": "permit", "provision": [{"type": "deny"}]}, "c2")
    assert decided(nested, consent({"type": "deny", "purpose": [{"system": ACT_REASON, "code": "TREAT"}]}, "c3")).rule == "S1"
    assert decided(plain, nested).rule == "S12"
    refused = decided(plain, consent(DEEP, "c4"))
    assert (refused.rule, refused.reason, refused.versions) == ("S16", "nesting", ("Consent/c1", "Consent/c4"))


@pytest.mark.parametrize(
    ("provision", "rule"),
    [({"type": "permit"}, "S1"), ({"type": "deny", "provision": [{"type": "permit"}]}, "S12"), ({"provision": [{"type": "permit"}]}, "S12"),
     ({"type": "permit", "provision": [{"type": "permit"}]}, "S1"), ({"type": "deny"}, "S13"), ({"type": "deny", "class": []}, "S1"),
     ({"type": "permit", "provision": [{}]}, "S12"), ({"type": "deny", "provision": [{"type": "deny", "actor": []}]}, "S12")],
)  # fmt: skip
def test_decide_names_the_rule_that_decided(provision: dict[str, Any], rule: str) -> None:
    assert decided(consent(provision)).rule == rule


@pytest.mark.parametrize("subject", [{"display": "x"}, [{"reference": "Patient/p1"}, {"display": "x"}], [{"display": "x"}, {"reference": "Patient/p1"}]])
def test_decide_S2_says_that_it_is_not_known_whose_it_is(subject: Any) -> None:
    decision = decided(consent({"type": "permit"}), resource={**REQUEST, "subject": subject})
    assert decision == Decision(False, "other-patient", "S2")


@pytest.mark.parametrize("more", [{"zone": "Nowhere/Else"}, {"complete": False}, {"resource": None}, {"resource": [REQUEST]}])
def test_decide_S14_is_indeterminate_when_the_question_is_not_whole(more: dict[str, Any]) -> None:
    assert decided(consent({"type": "permit"}), **more) == Decision(False, "indeterminate", "S14")


def test_decide_S14_is_indeterminate_when_the_time_has_no_zone() -> None:
    decision = decide([consent({"type": "permit"})], (), ASK, AT.replace(tzinfo=None), resource=REQUEST)
    assert decision == Decision(False, "indeterminate", "S14")


NEED = "https://liaison.example/CodeSystem/need"


def need(*codes: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": NEED, "code": code}]} for code in codes]


ASKED = {**REQUEST, "reasonCode": need("isolement", "budget")}


def test_decide_names_the_needs_that_the_permits_name() -> None:
    permits = [consent({"type": "permit", "code": need("isolement")}), consent({"type": "permit", "code": [*need("budget", "sante"), {"text": "x"}]}, "c2")]
    decision = decided(*permits, resource=ASKED)
    assert decision.codes == {f"{NEED}|{code}" for code in ("isolement", "budget", "sante")}
    assert decision.obligations == ("limit-to-codes",)
    assert decided(permits[0], resource=ASKED).codes == {f"{NEED}|isolement"}


def test_decide_limits_nothing_when_one_permit_names_no_need() -> None:
    decision = decided(consent({"type": "permit", "code": need("isolement")}), consent({"type": "permit"}, "c2"), resource=ASKED)
    assert (decision.permit, decision.codes, decision.obligations) == (True, frozenset(), ())
    nested = consent({"type": "permit", "provision": [{"type": "permit", "code": need("isolement")}]})
    assert decided(nested, resource=ASKED).codes == frozenset()


def test_decide_inherits_the_needs_of_the_rule_above() -> None:
    nested = consent({"code": need("isolement"), "provision": [{"type": "permit"}, {"type": "permit", "code": need("budget")}]})
    assert decided(nested, resource=ASKED).codes == {f"{NEED}|isolement", f"{NEED}|budget"}


def test_decide_names_no_needs_when_it_denies() -> None:
    decision = decided(consent({"type": "deny", "code": need("isolement")}), resource=ASKED)
    assert (decision.permit, decision.codes, decision.obligations) == (False, frozenset(), ())


def test_anchored_marks_a_copy_as_denying_only() -> None:
    permit = consent({"type": "permit"})
    [marked] = anchored([permit], REQUEST)
    assert marked == {**permit, "modifierExtension": [{"url": "urn:liaison:denies-only", "valueBoolean": True}]}
    assert "modifierExtension" not in permit
    assert anchored([permit, 3, None], {**REQUEST, "supportingInfo": [{"reference": "Consent/c1/_history/2"}]}) == [permit]  # type: ignore[list-item]


@pytest.mark.parametrize("id", [None, 3, ""])
def test_anchored_never_takes_a_consent_without_id_as_named(id: Any) -> None:
    request = {**REQUEST, "supportingInfo": [{"reference": f"Consent/{id}"}, {"reference": "Consent/None"}, {"display": "x"}, 3]}
    assert id == "" or "modifierExtension" in anchored([consent({"type": "permit"}, id)], request)[0]
    assert "modifierExtension" in anchored([consent({"type": "permit"})], 3)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("provision", "may"),
    [({"type": "permit"}, False), ({}, False), ({"type": "deny"}, True), ({"type": "permit", "provision": [{"type": "deny"}]}, True),
     (None, True), ([{"type": "deny"}], True), ("deny", True)],
)  # fmt: skip
def test_may_deny_is_false_for_one_plain_rule_alone(provision: Any, may: bool) -> None:
    assert may_deny(consent(provision)) is may


def test_denial_finds_a_deny_below_a_permit() -> None:
    nested = consent({"type": "permit", "provision": [{"type": "deny", "class": [{"system": RESOURCES, "code": "ServiceRequest"}]}]})
    found = denial([consent({"type": "permit"}, "c2"), nested], ASK, AT, resource=REQUEST, zone="UTC")
    assert found is not None and (found.permit, found.versions) == (False, ("Consent/c1",))
    assert denial([consent({"type": "permit"})], ASK, AT, resource=REQUEST, zone="UTC") is None


def test_decide_opens_each_rule_and_each_group_once_C_E9(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 Consents with three rules each, every actor in a ring of groups: the work is counted, not timed."""
    module, match = sys.modules["adapter.consent.decide"], sys.modules["adapter.consent.match"]
    counted = {"rules": 0, "groups": 0}

    def counting(name: str, real: Any) -> Any:
        def count(*arguments: Any, **named: Any) -> Any:
            counted[name] += 1
            return real(*arguments, **named)

        return count

    monkeypatch.setattr(module, "_holds", counting("rules", module._holds))
    monkeypatch.setattr(match, "_member", counting("groups", match._member))
    ring = {f"Group/{number}": [f"Group/{(number + 1) % 50}", f"Organization/o{number}"] for number in range(50)}

    def actor(number: int) -> list[dict[str, Any]]:
        return [{"reference": {"reference": f"Group/{number % 50}"}}]

    many = [
        consent({"type": "permit", "actor": actor(number), "provision": [{"type": "deny", "actor": actor(number + 1)}, {"type": "permit", "class": []}]}, f"c{number}")
        for number in range(500)
    ]
    assert decided(*many, groups=ring) == Decision(False, "no-permit", "S1")
    assert counted["rules"] == 500 * 3
    assert counted["groups"] == 50


JUNK: list[Any] = [
    None, 3, True, "x", {}, [], [None], [3], ["x"], [[]], [{}], [{"reference": "x"}], [{"reference": {}}], [{"reference": {"reference": 3}}],
    [{"reference": {"identifier": 3}}], [{"reference": {"identifier": {"system": 3, "value": []}}}], [{"coding": 3}], [{"coding": [3]}],
    [{"coding": [{"system": [], "code": {}}]}], [{"system": {}, "code": []}], [{"meaning": [], "reference": {"reference": "Task/x"}}],
    [{"meaning": "instance", "reference": 3}], {"start": 3}, {"start": []}, {"end": {}}, {"start": "2026", "end": None}, {"x": 1},
]  # fmt: skip


@pytest.mark.parametrize("junk", JUNK, ids=repr)
@pytest.mark.parametrize("element", ["actor", "action", "purpose", "class", "code", "securityLabel", "data", "period", "dataPeriod"])
def test_decide_S6_junk_helps_no_permit_and_stops_no_deny_and_raises_nothing(element: str, junk: Any) -> None:
    permitted = decided(consent({"type": "permit", element: junk}))
    assert (permitted.permit, permitted.rule) == (False, "S1")
    denied = decided(consent({"type": "permit"}), consent({"type": "deny", element: junk}, "c2"))
    assert (denied.permit, denied.reason, denied.versions) == (False, "deny", ("Consent/c2",))


@pytest.mark.parametrize("junk", [3, "x", {}, {"text": "x"}, {"coding": 3}, {"coding": [{"code": "x"}, 3]}])
def test_decide_names_the_readable_needs_only(junk: Any) -> None:
    decision = decided(consent({"type": "permit", "code": [junk, *need("isolement")]}), resource=ASKED)
    assert decision.codes == {f"{NEED}|isolement"}


@pytest.mark.parametrize("period", [{"start": "soon", "end": "2026"}, {"start": "2026", "end": "later"}, {"start": "soon", "end": "later"}])
def test_decide_S6_an_unreadable_date_of_the_resource_stops_no_deny(period: Any) -> None:
    denied = decided(consent({"type": "deny", "dataPeriod": {"start": "2030"}}), resource={**REQUEST, "occurrencePeriod": period})
    assert (denied.permit, denied.reason, denied.rule) == (False, "deny", "S1")


@pytest.mark.parametrize("meta", ["x", 3, [], {"security": "N"}, {"security": {}}, {"security": [None, 3, {"system": [], "code": {}}]}])
def test_decide_S6_unreadable_labels_stop_no_deny(meta: Any) -> None:
    label = [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}]
    denied = decided(consent({"type": "deny", "securityLabel": label}), resource={**REQUEST, "meta": meta})
    assert (denied.permit, denied.reason, denied.rule) == (False, "deny", "S1")
    assert decided(consent({"type": "permit", "securityLabel": label}), resource={**REQUEST, "meta": meta}).rule == "S1"


# ── what the parts of a decision say by themselves ───────────────────────────────────────────────
def question(resource: dict[str, Any] = REQUEST) -> Question:
    return Question(ASK, AT, resource, {}, "UTC")


def test_consent_that_says_nothing_names_no_rule_and_no_need() -> None:
    for silent in (consent({"type": "permit"}, status="inactive"), consent({"type": "permit", "period": {"end": "2020"}}), consent({}), consent("x"), None):
        assert weigh_consent(silent, question()) == ("", "", frozenset())


@pytest.mark.parametrize(
    ("root", "shape"),
    [({"type": "permit"}, (True, 0)), ({"provision": [{}]}, (True, 1)), ({"provision": [{}, {"provision": [{}]}]}, (True, 2)), (DEEP, (True, 6)), ({"zyx": 1}, (False, 0)),
     ({"provision": {}}, (False, 1)), ({"provision": [3]}, (False, 0))],
)  # fmt: skip
def test_survey_tells_whether_all_is_known_and_how_deep_rules_are_nested_S16(root: dict[str, Any], shape: tuple[bool, int]) -> None:
    assert survey(root) == shape


@pytest.mark.parametrize("beside", ["urn:sys|7", "Practitioner/x", "Group/unknown", ""])
@pytest.mark.parametrize("first", [True, False])
def test_decide_S7_finds_a_member_of_a_group_whoever_else_is_in_it(beside: str, first: bool) -> None:
    members = [beside, "Organization/cbo"] if first else ["Organization/cbo", beside]
    named = consent({"type": "permit", "actor": [{"reference": {"reference": "Group/g"}}]})
    assert decided(named, groups={"Group/g": members}).permit
    assert not decided(named, groups={"Group/g": [beside]}).permit


def test_question_names_every_coding_and_every_literal_reference_of_the_resource() -> None:
    coding = {"system": "urn:s", "code": "a"}
    resource: dict[str, Any] = {
        "resourceType": "Task", "code": {"coding": [coding, {"code": "without system"}, {"system": "urn:s", "code": 3}]}, "focus": {"reference": "Task/x/_history/2"},
        "contained": [{"resourceType": "Basic", "id": "c", "code": coding | {"code": "b"}, "subject": {"reference": "#c"}, "author": {"reference": 3}}],
        "owner": {"display": "x"}, "note": [{"text": "x", "authorReference": {"reference": "Patient/p1"}}], "description": "code",
    }  # fmt: skip
    asked = question(resource)
    assert (asked.codings, asked.references) == ({"urn:s|a", "urn:s|b"}, {"Task/x", "Patient/p1"})
